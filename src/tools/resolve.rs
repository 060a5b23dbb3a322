//! From the names people and models use to Plane's ids, with the closest valid ones for a miss.

use jiff::civil::Date;

use super::ToolError;
use crate::domain::{
    plans::{Cycle, Module, PageTitle},
    work_item::{Estimate, Label, Person, State},
    write::Slot,
};

/// Names listed for a miss; where there are no more than this, all are.
const SUGGESTIONS: usize = 8;
/// What empties a field.
const NOTHING: [&str; 4] = ["none", "null", "nobody", "-"];

pub(super) fn state<'a>(wanted: &str, states: &'a [State]) -> Result<&'a State, ToolError> {
    pick("state", wanted, states, |state| vec![&state.name])
}

pub(super) fn label<'a>(wanted: &str, labels: &'a [Label]) -> Result<&'a Label, ToolError> {
    pick("label", wanted, labels, |label| vec![&label.name])
}

/// By name, or `current` for the one that is under way; a cycle that is called so comes first.
pub(super) fn cycle<'a>(wanted: &str, cycles: &'a [Cycle], today: Date) -> Result<&'a Cycle, ToolError> {
    let named = pick("cycle", wanted, cycles, |cycle| vec![&cycle.name]);
    if named.is_ok() || !wanted.trim().eq_ignore_ascii_case("current") {
        return named;
    }
    let under_way: Vec<_> = cycles.iter().filter(|cycle| cycle.is_current(today)).collect();
    match under_way.as_slice() {
        [only] => Ok(only),
        several => {
            let known: Vec<_> = if several.is_empty() { cycles.iter().collect() } else { several.to_vec() };
            let names = known.iter().map(|cycle| cycle.name.as_str()).collect::<Vec<_>>().join(", ");
            let many = if several.is_empty() { "No cycle is" } else { "More than one cycle is" };
            Err(ToolError::NoSuchThing(format!("{many} under way today. There are: {names}.")))
        }
    }
}

pub(super) fn estimate<'a>(wanted: &str, estimates: &'a [Estimate]) -> Result<&'a Estimate, ToolError> {
    pick("estimate", wanted, estimates, |estimate| vec![&estimate.value])
}

pub(super) fn module<'a>(wanted: &str, modules: &'a [Module]) -> Result<&'a Module, ToolError> {
    pick("module", wanted, modules, |module| vec![&module.name])
}

pub(super) fn page<'a>(wanted: &str, pages: &'a [PageTitle]) -> Result<&'a PageTitle, ToolError> {
    pick("page", wanted, pages, |page| vec![&page.name])
}

/// By handle, with or without its `@`, or by full name.
pub(super) fn person<'a>(wanted: &str, people: &'a [Person]) -> Result<&'a Person, ToolError> {
    pick("member", wanted.trim().trim_start_matches('@'), people, |person| {
        vec![&person.display_name, &person.full_name]
    })
}

pub(super) fn priority(wanted: &str) -> Result<&'static str, ToolError> {
    let known = ["urgent", "high", "medium", "low", "none"];
    let found = known.into_iter().find(|name| name.eq_ignore_ascii_case(wanted.trim()));
    found.ok_or_else(|| missed("priority", wanted, &known))
}

/// A day such as `2026-12-24`, or a word that empties the field.
pub(super) fn day(field: &str, wanted: &str) -> Result<Slot<Date>, ToolError> {
    if is_nothing(wanted) {
        return Ok(Slot::Empty);
    }
    wanted.trim().parse().map(Slot::Is).map_err(|_| {
        ToolError::NoSuchThing(format!("{} is no date for {field}: write it as 2026-12-24, or none.", quoted(wanted)))
    })
}

pub(super) fn is_nothing(text: &str) -> bool {
    NOTHING.iter().any(|word| word.eq_ignore_ascii_case(text.trim()))
}

/// The record with this name: spelt exactly so, or else alone in being spelt so but for its case.
fn pick<'a, T>(kind: &str, wanted: &str, all: &'a [T], names: impl Fn(&T) -> Vec<&str>) -> Result<&'a T, ToolError> {
    let wanted = wanted.trim();
    let exact = |record: &&T| names(record).contains(&wanted);
    let alike = |record: &&T| names(record).iter().any(|name| name.to_lowercase() == wanted.to_lowercase());
    let exact: Vec<_> = all.iter().filter(exact).collect();
    let found = if exact.is_empty() { all.iter().filter(alike).collect() } else { exact };
    match found.as_slice() {
        [only] if !wanted.is_empty() => return Ok(only),
        [_, _, ..] if !wanted.is_empty() => {
            let message = format!("More than one {kind} is called {}; be more exact.", quoted(wanted));
            return Err(ToolError::NoSuchThing(message));
        }
        [] | [_, ..] => {}
    }
    let known: Vec<&str> =
        all.iter().filter_map(|record| names(record).into_iter().find(|name| !name.is_empty())).collect();
    Err(missed(kind, wanted, &known))
}

fn missed(kind: &str, wanted: &str, known: &[&str]) -> ToolError {
    let mut known = known.to_vec();
    let closeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
    let told = if known.len() <= SUGGESTIONS {
        format!("There are: {}.", known.join(", "))
    } else {
        known.sort_by(|one, other| closeness(other).total_cmp(&closeness(one)));
        known.truncate(SUGGESTIONS);
        format!("The closest are: {}.", known.join(", "))
    };
    ToolError::NoSuchThing(format!("The project has no {kind} {}. {told}", quoted(wanted)))
}

fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{LabelId, UserId};

    fn labels(names: &[&str]) -> Vec<Label> {
        let label = |name: &&str| Label {
            id: LabelId(uuid::Uuid::new_v4()),
            name: (*name).to_owned(),
            description: String::new(),
        };
        names.iter().map(label).collect()
    }

    #[test]
    fn a_name_is_found_whatever_its_case_unless_that_is_ambiguous() {
        let all = labels(&["bug", "BUG", "Feature"]);
        assert_eq!(label("BUG", &all).unwrap().name, "BUG");
        assert_eq!(label(" feature ", &all).unwrap().name, "Feature");
        assert!(label("Bug", &all).is_err());
    }

    #[test]
    fn a_miss_names_the_closest() {
        let names: Vec<String> =
            (0..20).map(|number| format!("team-{number}")).chain(["regression".to_owned()]).collect();
        let all = labels(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let told = label("regresion", &all).unwrap_err().to_string();
        assert!(told.contains("no label \"regresion\"") && told.contains("regression"), "{told}");
        assert!(priority("severe").unwrap_err().to_string().contains("urgent, high"));
    }

    #[test]
    fn people_are_found_by_handle_and_by_name() {
        let maya = Person {
            id: UserId(uuid::Uuid::nil()),
            display_name: "maya".to_owned(),
            full_name: "Maya Moreno".to_owned(),
            role: None,
            is_bot: None,
        };
        let all = [maya];
        for name in ["maya", "@maya", "Maya Moreno", "MAYA"] {
            assert!(person(name, &all).is_ok(), "{name}");
        }
        let bot = Person { full_name: String::new(), display_name: "bot".to_owned(), ..all[0].clone() };
        let namesake = Person { display_name: "maya2".to_owned(), ..all[0].clone() };
        let all = [all[0].clone(), bot, namesake];
        for nobody in ["", "@", " "] {
            assert!(person(nobody, &all).is_err(), "{nobody:?}");
        }
        let told = person("Maya Moreno", &all).unwrap_err().to_string();
        assert!(told.contains("More than one member"), "{told}");
    }

    #[test]
    fn a_day_is_a_date_or_nothing() {
        assert_eq!(day("due date", "2026-12-24").unwrap(), Slot::Is(jiff::civil::date(2026, 12, 24)));
        assert_eq!(day("due date", "None").unwrap(), Slot::Empty);
        assert!(day("due date", "tomorrow").is_err());
    }
}
