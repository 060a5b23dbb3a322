//! The difference of two short texts, line by line.

use std::fmt::Write as _;

/// Lines shown around a change.
const AROUND: usize = 3;

/// One line of one or both texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The changes from `old` to `new` with some lines around them; empty if there are none.
pub(super) fn unified(old: &str, new: &str) -> String {
    let lines = lines_of(old, new);
    let changed: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(_))).map(|(at, _)| at).collect();
    let mut out = String::new();
    let mut last_shown = None;
    for (at, line) in lines.iter().enumerate() {
        let next = changed.partition_point(|change| *change < at);
        let near = |change: Option<&usize>| change.is_some_and(|change| change.abs_diff(at) <= AROUND);
        if !near(changed.get(next)) && !near(next.checked_sub(1).and_then(|before| changed.get(before))) {
            continue;
        }
        if last_shown.is_none_or(|shown| shown + 1 != at) {
            let (old_line, new_line) = line_numbers(&lines[..at]);
            let _ = writeln!(out, "@@ -{old_line} +{new_line} @@");
        }
        last_shown = Some(at);
        let _ = match line {
            Line::Same(text) => writeln!(out, " {text}"),
            Line::Gone(text) => writeln!(out, "-{text}"),
            Line::New(text) => writeln!(out, "+{text}"),
        };
    }
    out
}

/// The numbers that the next lines have in the two texts.
fn line_numbers(before: &[Line<'_>]) -> (usize, usize) {
    let old = before.iter().filter(|line| !matches!(line, Line::New(_))).count();
    let new = before.iter().filter(|line| !matches!(line, Line::Gone(_))).count();
    (old + 1, new + 1)
}

/// Both texts as one list, along a longest common subsequence. Quadratic, which texts of a few hundred
/// lines bear.
fn lines_of<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let width = new.len() + 1;
    // The length of the longest common subsequence of what follows in both.
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            longest[at * width + to] = if old[at] == new[to] {
                longest[(at + 1) * width + to + 1] + 1
            } else {
                longest[(at + 1) * width + to].max(longest[at * width + to + 1])
            };
        }
    }
    let (mut at, mut to) = (0, 0);
    let mut lines = Vec::new();
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            lines.push(Line::Same(old[at]));
            (at, to) = (at + 1, to + 1);
        } else if at < old.len() && (to == new.len() || longest[(at + 1) * width + to] >= longest[at * width + to + 1])
        {
            lines.push(Line::Gone(old[at]));
            at += 1;
        } else {
            lines.push(Line::New(new[to]));
            to += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert_eq!(unified(old, old), "");
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n";
        assert_eq!(unified(old, new), "@@ -2 +2 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+10\n");
        assert_eq!(unified("", "a"), "@@ -1 +1 @@\n+a\n");
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_out_of_the_difference(old in "([abc]\n){0,8}", new in "([abc]\n){0,8}") {
            let lines = lines_of(&old, &new);
            let side = |gone: bool| lines.iter().filter_map(|line| match line {
                Line::Same(text) => Some(*text),
                Line::Gone(text) => gone.then_some(*text),
                Line::New(text) => (!gone).then_some(*text),
            }).map(|text| format!("{text}\n")).collect::<String>();
            prop_assert_eq!(side(true), old.as_str());
            prop_assert_eq!(side(false), new.as_str());
        }
    }
}
