//! Text without what people cannot see, and without words that would call everybody.

/// What a chat or a notification service takes for everybody who is there.
const EVERYBODY: &[&str] = &["everyone", "all", "here", "channel", "room", "group", "team", "project", "workspace"];

/// Text without the characters that show nothing and can carry or disguise words: controls, zero-width
/// spaces, direction overrides, tags. Joiners and direction marks stay, since some scripts need them.
#[must_use]
pub fn without_hidden(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

fn is_hidden(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    control
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180e}' | '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text in which nothing calls everybody: `@everyone` loses its mark.
#[must_use]
pub fn calling_nobody(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['@', '＠', '!']) {
        let (before, from) = rest.split_at(at);
        let mark = from.chars().next().map_or(1, char::len_utf8);
        out.push_str(before);
        // Some services write it `<!channel>`.
        let is_call = if from.starts_with('!') {
            before.ends_with('<') && everybody(&from[mark..])
        } else {
            !out.ends_with(char::is_alphanumeric) && everybody(&from[mark..])
        };
        if is_call {
            // One mark less of several would be the call itself.
            out.truncate(out.trim_end_matches(['@', '＠']).len());
        } else {
            out.push_str(&from[..mark]);
        }
        rest = &from[mark..];
    }
    out.push_str(rest);
    out
}

/// Whether a text begins with a word for everybody.
fn everybody(text: &str) -> bool {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(text.len());
    EVERYBODY.iter().any(|word| text[..end].eq_ignore_ascii_case(word))
}

/// Text for a place of which it is not known whether it is rendered: no image, link or element in it is
/// one, and it reads well either way.
#[must_use]
pub fn unrendered(text: &str) -> String {
    let text = calling_nobody(&without_hidden(text)).replace("![", "[").replace("](", "] (");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        let after = &rest[at + 1..];
        let opens = after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        out.push_str(&rest[..at]);
        out.push(if opens { '‹' } else { '<' });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_taken_out_and_what_scripts_need_stays() {
        let hidden = "a\u{200b}b\u{202e}c\u{2066}d\u{e0041}e\u{feff}f\u{ad}g\u{7}h\u{1b}[0m";
        assert_eq!(without_hidden(hidden), "abcdefgh[0m");
        for same in ["می\u{200c}خواهم", "👩\u{200d}💻 ❤\u{fe0f}", "a\u{200e}ب\n\tc\r\n", "日本語"] {
            assert_eq!(without_hidden(same), same);
        }
    }

    #[test]
    fn nothing_calls_everybody() {
        for (text, expected) in [
            ("@everyone, @Here: look", "everyone, Here: look"),
            ("<!channel> (@all)", "<channel> (all)"),
            ("@@all ＠@＠everyone", "all everyone"),
        ] {
            assert_eq!(calling_nobody(text), expected);
        }
        for same in ["@maya and bob@all.example", "@allison, @here-and-now", "!important", "it is all here"] {
            assert_eq!(calling_nobody(same), same);
        }
    }

    #[test]
    fn what_may_be_rendered_is_harmless_either_way() {
        assert_eq!(
            unrendered("see ![x](https://e.test/?d=1) <img src=x> 1 < 2"),
            "see [x] (https://e.test/?d=1) ‹img src=x> 1 < 2"
        );
        assert_eq!(unrendered("'login timeout' → 4 found"), "'login timeout' → 4 found");
    }
}
