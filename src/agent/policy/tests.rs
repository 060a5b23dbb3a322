//! The table of policies: classes, policies, roles, places, bounds.

use super::*;
use crate::domain::{
    ids::{ProjectId, WorkItemId},
    role::Role,
    write::{ItemFields, Target},
};

fn comment() -> Write {
    Write::AddComment { item: target(), html: String::new() }
}

fn update() -> Write {
    Write::UpdateWorkItem { item: target(), before: ItemFields::default(), after: ItemFields::default() }
}

fn target() -> Target {
    Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::nil()) }
}

fn case<'a>(tool: &'a str, write: &'a Write, role: Role) -> Case<'a> {
    Case {
        tool,
        effect: Effect::Write,
        write,
        workspace: Some("acme"),
        project: Some("MOB"),
        standing: Some(Standing { role, assumed: false }),
        is_undo: false,
        again: false,
        approved: false,
        in_turn: 0,
        today: 0,
    }
}

fn config(usual: WritePolicy) -> WritesConfig {
    WritesConfig { usual, ..WritesConfig::default() }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Asks => "asked",
        Verdict::DryRun => "dry run",
        Verdict::Denied(_) => "denied",
    }
}

/// Class × policy × role.
#[test]
fn the_table_of_classes_policies_and_roles() {
    use Effect::{Destroy, Write as Writes};
    let rows = [
        // class, write, policy: guest, member, admin
        ("comment", Writes, WritePolicy::Allow, ["allowed", "allowed", "allowed"]),
        ("comment", Writes, WritePolicy::Ask, ["asked", "asked", "asked"]),
        ("comment", Writes, WritePolicy::Deny, ["denied", "denied", "denied"]),
        ("update", Writes, WritePolicy::Allow, ["denied", "allowed", "allowed"]),
        ("update", Writes, WritePolicy::Ask, ["denied", "asked", "asked"]),
        ("update", Writes, WritePolicy::Deny, ["denied", "denied", "denied"]),
        ("update", Destroy, WritePolicy::Allow, ["denied", "asked", "asked"]),
        ("update", Destroy, WritePolicy::Ask, ["denied", "asked", "asked"]),
        ("update", Destroy, WritePolicy::Deny, ["denied", "denied", "denied"]),
    ];
    for (class, effect, policy, wanted) in rows {
        let write = if class == "comment" { comment() } else { update() };
        for (role, wanted) in [Role::Guest, Role::Member, Role::Admin].into_iter().zip(wanted) {
            let verdict = judge(&config(policy), &Case { effect, ..case("some_tool", &write, role) });
            assert_eq!(word(&verdict), wanted, "{class} {effect:?} {policy:?} {role:?}: {verdict:?}");
        }
    }
}

/// Project × tool × role, each place with a word of its own.
#[test]
fn the_table_of_places_tools_and_roles() {
    let named = |workspace: Option<&str>, identifier: &str| crate::config::ProjectName {
        workspace: workspace.map(str::to_owned),
        identifier: identifier.to_owned(),
    };
    let config = WritesConfig {
        workspaces: [("globex".to_owned(), WritePolicy::Deny)].into(),
        projects: vec![
            (named(None, "OPS"), WritePolicy::Allow),
            (named(Some("globex"), "OPS"), WritePolicy::Ask),
            (named(None, "HR"), WritePolicy::Deny),
        ],
        tools: [("free".to_owned(), WritePolicy::Allow), ("never".to_owned(), WritePolicy::Deny)].into(),
        ..config(WritePolicy::Ask)
    };
    let rows = [
        // workspace, project: a usual tool, one that is allowed, one that is denied
        ("acme", "MOB", ["asked", "allowed", "denied"]),
        ("acme", "OPS", ["allowed", "allowed", "denied"]),
        ("acme", "HR", ["denied", "denied", "denied"]),
        ("globex", "MOB", ["denied", "denied", "denied"]),
        ("globex", "OPS", ["asked", "allowed", "denied"]),
    ];
    let write = update();
    for (workspace, project, wanted) in rows {
        for (tool, wanted) in ["usual", "free", "never"].into_iter().zip(wanted) {
            for (role, wanted) in [(Role::Guest, "denied"), (Role::Member, wanted), (Role::Admin, wanted)] {
                let here = Case { workspace: Some(workspace), project: Some(project), ..case(tool, &write, role) };
                let verdict = judge(&config, &here);
                assert_eq!(word(&verdict), wanted, "{workspace} {project} {tool} {role:?}: {verdict:?}");
            }
        }
    }
}

#[test]
fn a_project_nobody_who_asks_can_see_is_closed_whatever_the_policy() {
    let write = comment();
    let verdict =
        judge(&config(WritePolicy::Allow), &Case { standing: None, ..case("add_comment", &write, Role::Admin) });
    assert_eq!(word(&verdict), "denied");
}

#[test]
fn an_assumed_role_is_explained() {
    let write = update();
    let standing = Some(Standing { role: Role::Guest, assumed: true });
    let verdict = judge(&config(WritePolicy::Ask), &Case { standing, ..case("t", &write, Role::Guest) });
    let Verdict::Denied(reason) = verdict else { panic!("{verdict:?}") };
    assert!(reason.contains("does not tell their role") && reason.contains("assumed_role"), "{reason}");
}

#[test]
fn places_outside_the_list_are_closed() {
    let write = comment();
    let name = crate::config::ProjectName { workspace: None, identifier: "WEB".to_owned() };
    let config = WritesConfig { only_in: vec![name], ..config(WritePolicy::Allow) };
    assert_eq!(word(&judge(&config, &case("t", &write, Role::Admin))), "denied");
    let there = Case { project: Some("WEB"), ..case("t", &write, Role::Admin) };
    assert_eq!(word(&judge(&config, &there)), "allowed");
}

#[test]
fn bounds_hold_for_what_was_not_counted_before() {
    let write = comment();
    let config = WritesConfig { max_per_turn: 2, max_per_day: 10, ..config(WritePolicy::Allow) };
    let with = |in_turn, today, approved| {
        judge(&config, &Case { in_turn, today, approved, ..case("t", &write, Role::Member) })
    };
    for (in_turn, today, approved, wanted) in [
        (1, 9, false, "allowed"),
        (2, 0, false, "denied"),
        (0, 10, false, "denied"),
        (2, 9, true, "allowed"),
        (2, 10, true, "denied"),
    ] {
        assert_eq!(word(&with(in_turn, today, approved)), wanted, "{in_turn} {today} {approved}");
    }
}

#[test]
fn back_and_forth_is_cut_short_but_for_taking_back() {
    let write = update();
    let config = config(WritePolicy::Allow);
    let again = Case { again: true, ..case("t", &write, Role::Member) };
    assert_eq!(word(&judge(&config, &again)), "denied");
    assert_eq!(word(&judge(&config, &Case { is_undo: true, ..again })), "allowed");
}

#[test]
fn a_dry_run_makes_nothing_and_still_denies() {
    let (free, bound) = (comment(), update());
    let config = WritesConfig { dry_run: true, ..config(WritePolicy::Allow) };
    assert_eq!(word(&judge(&config, &case("t", &free, Role::Guest))), "dry run");
    assert_eq!(word(&judge(&config, &case("t", &bound, Role::Guest))), "denied");
}
