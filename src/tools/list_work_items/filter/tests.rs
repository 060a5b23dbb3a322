//! What fits a filter, and what a filter means.

use jiff::civil::date;
use uuid::Uuid;

use super::*;
use crate::domain::work_item::{LabelRef, ParentRef, Person, Priority, ProjectRef, StateRef};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn states() -> Vec<State> {
    let state = |(number, name, group): (u128, &str, &str)| State {
        id: StateId(id(number)),
        name: name.to_owned(),
        group: group.to_owned(),
        is_default: false,
    };
    [(1, "Todo", "unstarted"), (2, "In Progress", "started"), (3, "Done", "completed"), (4, "open", "backlog")]
        .map(state)
        .to_vec()
}

fn item() -> WorkItem {
    WorkItem {
        id: WorkItemId(id(100)),
        project: ProjectRef { id: ProjectId(id(9)), identifier: None, name: None },
        sequence: 1,
        name: String::new(),
        description_html: String::new(),
        priority: Priority::High,
        state: Some(StateRef { id: StateId(id(2)), name: None, group: None }),
        labels: vec![LabelRef { id: LabelId(id(11)), name: None }, LabelRef { id: LabelId(id(12)), name: None }],
        assignees: Vec::new(),
        created_by: Some(Person {
            id: UserId(id(21)),
            display_name: String::new(),
            full_name: String::new(),
            is_bot: None,
            role: None,
        }),
        estimate: None,
        parent: Some(ParentRef { id: WorkItemId(id(31)), project: None, sequence: None }),
        start_date: None,
        target_date: Some(date(2026, 11, 30)),
        created_at: "2026-11-20T23:30:00Z".parse().ok(),
        updated_at: "2026-11-24T10:00:00Z".parse().ok(),
        completed_at: None,
    }
}

fn fits(filter: &Filter) -> bool {
    let when = When::new("Europe/Berlin", "2026-11-24T15:00:00Z".parse().unwrap());
    filter.fits(&item(), &when)
}

fn days(from: Option<Date>, to: Option<Date>) -> Days {
    Days { from, to }
}

#[test]
fn each_filter_lets_in_what_fits_and_nothing_else() {
    let labels = |numbers: &[u128], or_none| {
        Some(AnyOf { ids: numbers.iter().map(|number| LabelId(id(*number))).collect(), or_none })
    };
    let people = |numbers: &[u128], or_none| {
        Some(AnyOf { ids: numbers.iter().map(|number| UserId(id(*number))).collect(), or_none })
    };
    let none = Filter::default;
    for (filter, expected) in [
        (none(), true),
        (Filter { states: Some([StateId(id(2))].into()), ..none() }, true),
        (Filter { states: Some([StateId(id(1))].into()), ..none() }, false),
        (Filter { labels: labels(&[12, 13], false), ..none() }, true),
        (Filter { labels: labels(&[13], true), ..none() }, false),
        (Filter { assignees: people(&[21], false), ..none() }, false),
        (Filter { assignees: people(&[21], true), ..none() }, true),
        (Filter { priorities: vec!["urgent", "high"], ..none() }, true),
        (Filter { priorities: vec!["none"], ..none() }, false),
        (Filter { created_by: Some(UserId(id(21))), ..none() }, true),
        (Filter { created_by: Some(UserId(id(22))), ..none() }, false),
        (Filter { parent: Some(Slot::Is(WorkItemId(id(31)))), ..none() }, true),
        (Filter { parent: Some(Slot::Empty), ..none() }, false),
        (Filter { undated: true, ..none() }, false),
        // Half past eleven in the evening is the next day in Berlin.
        (Filter { created: days(Some(date(2026, 11, 21)), Some(date(2026, 11, 21))), ..none() }, true),
        (Filter { created: days(None, Some(date(2026, 11, 20))), ..none() }, false),
        (Filter { updated: days(Some(date(2026, 11, 25)), None), ..none() }, false),
        (Filter { due: days(None, Some(date(2026, 11, 30))), ..none() }, true),
        (Filter { due: days(Some(date(2026, 12, 1)), None), ..none() }, false),
        (Filter { priorities: vec!["high"], undated: true, ..none() }, false),
    ] {
        assert_eq!(fits(&filter), expected);
    }
}

#[test]
fn what_has_no_date_is_on_no_day() {
    assert!(days(None, None).fits(None) && !days(None, Some(date(2026, 12, 1))).fits(None));
    assert!(Days::of("due", Some("2026-12-02"), Some("2026-12-01")).is_err());
    assert!(Days::of("due", Some("soon"), None).is_err());
}

#[test]
fn a_state_is_meant_by_its_name_before_its_group() {
    let named = |names: &[&str]| states_named(names, &states()).map(|found| found.into_iter().collect::<Vec<_>>());
    let ids = |numbers: &[u128]| numbers.iter().map(|number| StateId(id(*number))).collect::<Vec<_>>();
    assert_eq!(named(&["in progress"]).unwrap(), ids(&[2]));
    assert_eq!(named(&["started", "closed"]).unwrap(), ids(&[2, 3]));
    assert_eq!(named(&["open"]).unwrap(), ids(&[4]), "there is a state of this name");
    let missed = named(&["doing"]).unwrap_err().to_string();
    assert!(missed.contains("Todo, In Progress") && missed.contains("Groups are: backlog"), "{missed}");
}

#[test]
fn a_list_cut_at_a_day_is_whole_for_what_begins_later() {
    let begins = |filter: &Filter| filter.begins_after(date(2026, 11, 20));
    let from = |day| days(Some(day), None);
    assert!(begins(&Filter { updated: from(date(2026, 11, 21)), ..Filter::default() }));
    assert!(begins(&Filter { created: from(date(2026, 11, 21)), ..Filter::default() }));
    assert!(!begins(&Filter { updated: from(date(2026, 11, 20)), ..Filter::default() }));
    assert!(!begins(&Filter { due: from(date(2026, 11, 21)), ..Filter::default() }));
}

#[test]
fn filters_are_told_in_words() {
    let args = Args {
        states: vec!["Todo".to_owned(), "started".to_owned()],
        labels: vec![" ".to_owned()],
        cycle: Some("current".to_owned()),
        due_to: Some("2026-11-30".to_owned()),
        ..Args::default()
    };
    assert_eq!(told(&args), "state Todo or started, cycle current, due to 2026-11-30");
    assert_eq!(told(&Args::default()), "");
}
