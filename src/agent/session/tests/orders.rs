//! Any order of events, and any chances: what always holds.

use super::*;

/// Carries out what the session asks for, with a person, a model and a clock that do as `chance` says.
fn played_on(step: &Step, session: &Session, chance: u8) -> Entry {
    match (step, chance) {
        (Step::Rest, 0) | (_, 1) => Entry::Stopped,
        (Step::Rest, _) => opened("words"),
        (Step::Post(_), _) => closed(),
        (Step::Compose { .. }, _) => intended(session),
        (_, 2) => Entry::Failed { failure: Failure::plain(FailureCode::Internal) },
        (_, 3) => Entry::BoundHit { bound: Bound::WallTime },
        (Step::ReadContext, _) => context(),
        (Step::CallTools(calls), _) => done(&calls[usize::from(chance) % calls.len()].call.id),
        (Step::AskModel { .. }, 4) => Entry::Steered { prompts: vec![said("more")] },
        (Step::AskModel { .. }, 5) => replied(" ", vec![]),
        (Step::AskModel { .. }, 6) => replied("", vec![call("q", "ask_user", r#"{"question":"Which?"}"#)]),
        (Step::AskModel { .. }, 7..) => {
            replied("", vec![call("a", "read_comments", "{}"), call("b", "read_comments", "{}")])
        }
        (Step::AskModel { .. }, _) => replied("text", vec![]),
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let id = prop::sample::select(vec!["a", "b", "q"]);
    let calls =
        prop::collection::vec((id.clone(), prop::sample::select(vec!["read_comments", "ask_user", "nonsense"])), 0..3);
    prop_oneof![
        Just(opened("words")),
        Just(context()),
        Just(Entry::Steered { prompts: vec![said("more")] }),
        Just(Entry::SignInAsked { call_id: "a".to_owned(), text: "Sign in".to_owned(), url: String::new() }),
        (0u32..4).prop_map(|through_turn| Entry::Compacted {
            through_turn,
            summary: "in short".to_owned(),
            expects: None,
            elsewhere: false,
            skills: Vec::new(),
        }),
        (prop::sample::select(vec!["", "text"]), calls).prop_map(|(text, calls)| {
            let mut seen = std::collections::HashSet::new();
            let calls = calls
                .into_iter()
                .filter(|(id, _)| seen.insert(*id))
                .map(|(id, name)| call(id, name, r#"{"question":"Which?"}"#))
                .collect();
            replied(text, calls)
        }),
        id.clone().prop_map(done),
        id.prop_map(intended_write),
        Just(Entry::PassedOver { activity: None, reason: PassedOver::Answered }),
        Just(Entry::BoundHit { bound: Bound::WallTime }),
        Just(Entry::Failed { failure: Failure::plain(FailureCode::Internal) }),
        Just(Entry::Stopped),
        Just(Entry::StopMoot),
        Just(closed()),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: the fold of a prefix is the state that wrote it, a
    /// settled last word is never replaced, and what the model would be sent is always in order.
    #[test]
    fn no_order_of_events_breaks_the_session(entries in prop::collection::vec(any_entry(), 0..40)) {
        let mut session = Session::new(run(), limits());
        let mut journal = Vec::new();
        for entry in entries {
            let composing = matches!(session.next(), Step::Compose { .. });
            let entry = if composing && entry == closed() { intended(&session) } else { entry };
            let was_posting = session.is_posting().then(|| session.next());
            let is_outcome = matches!(entry, Entry::Closed { .. });
            session.absorb(entry.clone());
            journal.push(crate::agent::journal::encode(&entry));
            if let Some(before) = was_posting && !is_outcome {
                prop_assert_eq!(before, session.next());
            }
            let decoded = journal.iter().map(|text| crate::agent::journal::decode(text).unwrap());
            prop_assert_eq!(&Session::fold(run(), limits(), 0, decoded), &session);
            if matches!(session.next(), Step::AskModel { .. }) {
                assert_sendable(&messages(&session));
            }
        }
    }

    /// Whoever does what at whatever moment: each turn has one last word, under a key of its own;
    /// nothing but the confirmation follows a stop; and a turn left alone comes to its end.
    #[test]
    fn one_last_word_a_turn_and_nothing_after_a_stop(chances in prop::collection::vec(0u8..10, 0..80)) {
        let (mut session, mut last_words, mut stopped) = (after(vec![]), Vec::new(), false);
        let left_alone = std::iter::repeat_n(9, 30);
        let chances_count = chances.len();
        for (number, chance) in chances.into_iter().chain(left_alone).enumerate() {
            let step = session.next();
            if stopped {
                let confirms = matches!(&step, Step::Compose { ending: Ending::Stopped, .. } | Step::Post(_));
                prop_assert!(confirms, "after a stop: {step:?}");
            }
            let alone = number >= chances_count;
            if alone && step == Step::Rest {
                break;
            }
            // Left alone, the model answers.
            let chance = if alone { u8::MAX } else { chance };
            let entry = match (&step, chance) {
                (Step::AskModel { .. }, u8::MAX) => replied("text", vec![]),
                _ => played_on(&step, &session, chance),
            };
            if let (Step::Post(draft), Entry::Closed { .. }) = (&step, &entry) {
                last_words.push((draft.key.turn, draft.key));
            }
            // A stop that comes while the last word is on its way changes nothing.
            if entry == Entry::Stopped && !session.is_posting() {
                stopped = true;
            } else if matches!(entry, Entry::Closed { .. }) {
                stopped = false;
            }
            session.absorb(entry);
        }
        prop_assert_eq!(session.next(), Step::Rest, "the last turn does not end");
        prop_assert!(last_words.windows(2).all(|pair| pair[0].0 < pair[1].0), "a turn with two last words");
    }

    /// Whatever was said and wherever it was compacted: a fold that starts late gives the state that a
    /// fold of everything gives, and what the model would be sent is in order.
    #[test]
    fn a_fold_that_starts_late_gives_the_same_session(
        chances in prop::collection::vec(0u8..12, 0..120),
        compactions in prop::collection::vec((0usize..120, 1u32..6), 0..4),
    ) {
        let (mut session, mut journal, mut fold_from) = (after(vec![]), Vec::new(), 0);
        let absorb = |session: &mut Session, journal: &mut Vec<Entry>, entry: Entry| {
            journal.push(entry.clone());
            session.absorb(entry);
        };
        for (number, chance) in chances.into_iter().enumerate() {
            for (_, back) in compactions.iter().filter(|(at, _)| *at == number) {
                let through = session.next_turn().saturating_sub(1 + back);
                if let Some((entry, from)) = session.compaction(through, format!("summary through {through}")) {
                    absorb(&mut session, &mut journal, entry);
                    fold_from = from;
                }
            }
            let step = session.next();
            let entry = match (&step, chance) {
                // Most turns come to an answer, so that there are many.
                (Step::AskModel { .. }, 9..) => replied("text", vec![]),
                (Step::Rest, _) => Entry::Opened {
                    at: Timestamp::UNIX_EPOCH,
                    turn: Some(session.next_turn()),
                    prompts: vec![said("words"), said("and more")], entitled: false },
                _ => played_on(&step, &session, chance),
            };
            absorb(&mut session, &mut journal, entry);
            let late = journal.iter().skip(usize::try_from(fold_from).unwrap());
            // As they come from the store: of looks and of last words only the newest is read.
            let stored: Vec<_> = late.map(crate::agent::journal::encode).collect();
            let late = crate::agent::journal::decode_all(&stored).unwrap();
            prop_assert_eq!(&Session::fold(run(), limits(), fold_from, late), &session);
            if matches!(session.next(), Step::AskModel { .. }) {
                assert_sendable(&messages(&session));
            }
        }
    }

    /// A turn always ends: however the model behaves, the machine asks it only so often.
    #[test]
    fn every_turn_ends(replies in prop::collection::vec(0u8..3, 20)) {
        let mut session = after(vec![opened("go"), context()]);
        let mut asked = 0;
        for reply in replies {
            let step = session.next();
            if matches!(step, Step::AskModel { .. }) {
                asked += 1;
                session.absorb(match reply {
                    0 => replied("", vec![]),
                    1 => replied("text", vec![]),
                    _ => replied("", vec![call("c", "read_comments", &format!("{{\"page\":{asked}}}"))]),
                });
            } else if matches!(step, Step::CallTools(_)) {
                session.absorb(done("c"));
            } else {
                break;
            }
        }
        let ended = matches!(session.next(), Step::Compose { .. });
        prop_assert!(ended && asked <= 2 * limits().max_steps + 2, "asked {asked} times");
    }
}
