//! How many duplicates are found, how fast, and why.

use std::{collections::HashSet, time::Instant};

use super::*;

const SETS: [(&str, &str); 2] = [
    ("shop", include_str!("../../../tests/duplicates/shop.json")),
    ("web", include_str!("../../../tests/duplicates/web.json")),
];

/// Group, title, description.
type Row = (u64, String, String);

fn labelled(text: &str) -> Vec<Row> {
    let set: serde_json::Value = serde_json::from_str(text).unwrap();
    let row = |row: &serde_json::Value| {
        let text = |at: usize| row[at].as_str().unwrap().to_owned();
        (row[0].as_u64().unwrap(), text(1), text(2))
    };
    set["items"].as_array().unwrap().iter().map(row).collect()
}

/// What a way of ranking finds of a set.
#[derive(Default)]
struct Score {
    wanted: usize,
    found: usize,
    reciprocal: f64,
    missed: Vec<String>,
}

impl Score {
    /// `rank` gives the places of the others, the most alike first.
    fn of(set: &[Row], rank: impl Fn(&Row, &[&Row]) -> Vec<usize>) -> Self {
        let mut score = Self::default();
        for (index, row) in set.iter().enumerate().filter(|(_, (group, ..))| *group > 0) {
            let others: Vec<&Row> =
                set.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, row)| row).collect();
            let ranked = rank(row, &others);
            let same: HashSet<usize> =
                others.iter().enumerate().filter(|(_, other)| other.0 == row.0).map(|(at, _)| at).collect();
            let first_five: Vec<_> = ranked.iter().take(5).collect();
            for wanted in &same {
                score.wanted += 1;
                let found = first_five.contains(&wanted);
                score.found += usize::from(found);
                if !found {
                    score.missed.push(format!("{:?} for {:?}", others[*wanted].1, row.1));
                }
            }
            let place = ranked.iter().position(|at| same.contains(at));
            score.reciprocal += place.map_or(0.0, |place| 1.0 / (place as f64 + 1.0));
        }
        score
    }

    fn recall(&self) -> f64 {
        self.found as f64 / self.wanted as f64
    }

    fn told(&self, queries: usize) -> String {
        let (found, wanted) = (self.found, self.wanted);
        format!("recall@5 {found}/{wanted} = {:.3}, MRR {:.3}", self.recall(), self.reciprocal / queries as f64)
    }
}

fn text(row: &Row) -> Text<'_> {
    Text { title: &row.1, body: &row.2 }
}

fn ours(row: &Row, others: &[&Row]) -> Vec<usize> {
    let texts: Vec<_> = others.iter().map(|row| text(row)).collect();
    most_alike(text(row), &texts, others.len()).into_iter().map(|found| found.index).collect()
}

/// By the words that two titles share, which is what one gets by searching.
fn by_title(row: &Row, others: &[&Row]) -> Vec<usize> {
    let words = |title: &str| title.to_lowercase().split_whitespace().map(str::to_owned).collect::<HashSet<_>>();
    let asked = words(&row.1);
    let mut ranked: Vec<(usize, usize)> =
        others.iter().map(|other| words(&other.1).intersection(&asked).count()).enumerate().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    ranked.into_iter().filter(|(_, count)| *count > 0).map(|(at, _)| at).collect()
}

#[test]
fn duplicates_in_other_words_are_among_the_first_five() {
    for ((name, file), floor) in SETS.into_iter().zip([0.90, 0.97]) {
        let set = labelled(file);
        assert!(set.len() >= 60);
        let queries = set.iter().filter(|(group, ..)| *group > 0).count();
        let (score, baseline) = (Score::of(&set, ours), Score::of(&set, by_title));
        println!(
            "duplicates in {name}, {} items, {queries} of them with duplicates: {}",
            set.len(),
            score.told(queries)
        );
        println!("  by words of the titles alone: {}", baseline.told(queries));
        println!("  missed: {:#?}", score.missed);
        assert!(score.recall() >= floor, "{}", score.told(queries));
        assert!(score.recall() > baseline.recall());
    }
}

#[test]
fn two_thousand_work_items_are_compared_in_a_bearable_time() {
    let set = labelled(SETS[0].1);
    let long: Vec<String> =
        (0..2_000).map(|at| format!("{} {}", set[at % set.len()].2, set[at * 7 % set.len()].2)).collect();
    let texts: Vec<_> = (0..2_000).map(|at| Text { title: &set[at * 3 % set.len()].1, body: &long[at] }).collect();
    let began = Instant::now();
    let found = most_alike(text(&set[0]), &texts, 5);
    let took = began.elapsed();
    println!("comparing one work item with 2,000 took {} ms without optimisation", took.as_millis());
    assert_eq!(found.len(), 5);
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn what_makes_two_texts_alike_is_named_in_words() {
    let others = [
        Text { title: "Sitzung läuft ab beim Login", body: "Kunden werden abgemeldet" },
        Text { title: "Gift wrapping", body: "with a card" },
    ];
    let asked = Text { title: "Session times out at login", body: "customers are logged out" };
    let alike = most_alike(asked, &others, 5);
    assert_eq!(alike[0].index, 0);
    let shared = &alike[0].shared;
    assert!(shared.contains(&"login".to_owned()), "{shared:?}");
    assert!(shared.contains(&"session ~ sitzung".to_owned()), "{shared:?}");
    assert!(alike[0].score < 1.0);
    let same = most_alike(asked, &[asked], 1);
    assert!((same[0].score - 1.0).abs() < 0.01, "{same:?}");
}

#[test]
fn odd_texts_do_no_harm() {
    let long = "x".repeat(100_000);
    let texts = [
        Text::default(),
        Text { title: "…", body: "!?" },
        Text { title: &long, body: &long },
        Text { title: "日本語の件名", body: "字" },
    ];
    for asked in texts {
        assert!(most_alike(asked, &texts, 9).iter().all(|found| found.score.is_finite()));
        assert!(most_alike(asked, &[], 9).is_empty());
    }
}
