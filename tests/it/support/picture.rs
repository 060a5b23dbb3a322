//! Reading a run as Plane shows it.

use aileron::sandbox::{ActivityKind, ActivityPicture, RunPicture};

/// The kinds of the activities, in order.
pub(crate) fn kinds(picture: &RunPicture) -> Vec<&str> {
    picture.activities.iter().map(|activity| activity.kind.as_str()).collect()
}

/// The activities since the last prompt.
pub(crate) fn last_turn(picture: &RunPicture) -> &[ActivityPicture] {
    let start =
        picture.activities.iter().rposition(|activity| activity.kind == ActivityKind::Prompt).map_or(0, |at| at + 1);
    &picture.activities[start..]
}

/// Asserts that the last turn ended once and for all: one terminal activity of this kind, nothing
/// after it, and the run in this status. Returns its text.
pub(crate) fn assert_ended(picture: &RunPicture, kind: &str, status: &str) -> String {
    let shown = picture.to_text();
    let turn = last_turn(picture);
    let terminal = turn.iter().filter(|activity| activity.kind.is_terminal()).count();
    assert_eq!(terminal, 1, "not exactly one end of the turn:\n{shown}");
    let last = turn.last().expect("an activity after the prompt");
    assert_eq!(last.kind.as_str(), kind, "the turn ended otherwise:\n{shown}");
    assert_eq!(picture.status.as_str(), status, "the run stands otherwise:\n{shown}");
    last.body.clone()
}

/// As [`assert_ended`], for a turn that was worked on and answered: a thought came first.
pub(crate) fn assert_answered(picture: &RunPicture) -> String {
    let shown = picture.to_text();
    assert_eq!(
        last_turn(picture).first().map(|first| first.kind.as_str()),
        Some("thought"),
        "no thought first:\n{shown}"
    );
    assert_ended(picture, "response", "completed")
}
