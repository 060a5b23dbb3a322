//! Comments as the voice of the agent: their bodies, and what is read of them. What a comment of ours stands
//! for is written into its `external_id`, behind the step's key: `RUN/turn/step/part#answer`.

use serde_json::{Value, json};

use super::{
    fields::Fields,
    hands,
    write::{self, INSTEAD_OF, MARK, SOURCE},
};
use crate::{
    domain::{
        activity::{Ask, Draft, Saying},
        ids::{CommentId, UserId},
    },
    plane::{
        markdown::said_html,
        thread::{Mark, MarkKind, Spoken},
    },
};

/// The body that creates a comment, or turns one that is there into this. `own` is where links may lead
/// without telling.
pub(in crate::plane) fn body(draft: &Draft, own: Option<&str>) -> Value {
    json!({
        "comment_html": html(&draft.saying, own),
        "external_source": SOURCE,
        "external_id": external_id(draft),
    })
}

fn external_id(draft: &Draft) -> String {
    format!("{}{MARK}{}", draft.key, name(&draft.saying))
}

/// Turns a [`body`] into one for the case that somebody else's comment has its key.
pub(in crate::plane) fn put_beside(body: &mut Value, draft: &Draft, other: CommentId) {
    body["external_id"] = format!("{}{INSTEAD_OF}{other}", external_id(draft)).into();
}

fn name(saying: &Saying) -> &'static str {
    match saying {
        Saying::Thought { .. } => "thought",
        Saying::Action { .. } => "action",
        Saying::Response { .. } => "answer",
        Saying::Elicitation { .. } => "question",
        Saying::Error { .. } => "error",
    }
}

/// Plane stores what it is given and nothing watches over it, so nothing but our own elements may be in it.
fn html(saying: &Saying, own: Option<&str>) -> String {
    let said = |markdown: &str| said_html(markdown, own);
    match saying {
        Saying::Thought { body } => aside(std::slice::from_ref(body)),
        Saying::Action { name, parameters } => {
            let numbered = parameters.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_digit()));
            if numbered && !parameters.is_empty() {
                return aside(&parameters.values().cloned().collect::<Vec<_>>());
            }
            let about: Vec<_> =
                parameters.iter().filter(|(key, _)| *key != "result").map(|(_, text)| &**text).collect();
            let about = if about.is_empty() { String::new() } else { format!(": {}", about.join(", ")) };
            let result = parameters.get("result").map(|result| format!(" → {result}")).unwrap_or_default();
            aside(&[format!("{name}{about}{result}")])
        }
        Saying::Response { body } | Saying::Error { body, .. } => said(body),
        Saying::Elicitation { body, ask } => match ask {
            // Options are numbered in the words themselves.
            Ask::Freely | Ask::Select { .. } => said(body),
            Ask::SignIn { url } => format!("{}{}", said(body), said(&format!("<{url}>"))),
        },
    }
}

/// What is said in passing: lines of plain text.
fn aside(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
    format!("<p><em>{}</em></p>", lines.join("<br>"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Reads a comment with all that tells whose it is.
pub(in crate::plane) fn spoken(body: &Value) -> Option<Spoken> {
    spoken_by(body, None)
}

/// The same where something besides tells who wrote or changed it.
pub(in crate::plane) fn spoken_by(body: &Value, besides: Option<UserId>) -> Option<Spoken> {
    let fields = Fields::of(body)?;
    let source = fields.filled_text("external_source");
    let mark = fields.text("external_id").filter(|_| source.as_deref() == Some(SOURCE)).and_then(mark);
    Some(Spoken {
        id: fields.id("id")?,
        author: hands::author(fields, besides),
        html: fields.text_or_empty("comment_html"),
        parent: fields.id("parent"),
        written_at: fields.time("created_at"),
        changed_at: fields.time("updated_at"),
        foreign: source.is_some() && mark.is_none(),
        mark,
    })
}

/// Reads what we wrote into `external_id`; `None` for what is no part of a conversation, such as a comment
/// that a tool made.
fn mark(external_id: &str) -> Option<Mark> {
    let (step, name) = external_id.rsplit_once(MARK)?;
    let name = name.split(INSTEAD_OF).next()?;
    let run = write::run_of(step)?;
    let kind = match name {
        "thought" | "action" => MarkKind::Progress,
        "answer" => MarkKind::Answer,
        "question" => MarkKind::Question,
        "error" => MarkKind::Error,
        _ => return None,
    };
    Some(Mark { run, step: step.to_owned(), kind })
}

/// Whether a comment only shows the progress of `bot`. One that somebody else has marked so does not.
pub(in crate::plane) fn is_progress(body: &Value, bot: Option<UserId>) -> bool {
    let is_own = |comment: &Spoken| comment.author.is_some() && comment.author == bot;
    let mark = spoken(body).filter(is_own).and_then(|comment| comment.mark);
    mark.is_some_and(|mark| mark.kind == MarkKind::Progress)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::ids::StepKey;

    const RUN: &str = "66666666-6666-4666-8666-666666666666";

    fn body_of(saying: Saying) -> Value {
        body(
            &Draft { key: StepKey { run: RUN.parse().unwrap(), turn: 1, step: 2, part: 0 }, saying, detail: None },
            None,
        )
    }

    #[test]
    fn what_we_say_is_found_again_by_its_key_and_kind() {
        for (saying, kind) in [
            (Saying::Thought { body: "b".to_owned() }, MarkKind::Progress),
            (Saying::Response { body: "b".to_owned() }, MarkKind::Answer),
            (Saying::Elicitation { body: "b".to_owned(), ask: Ask::Freely }, MarkKind::Question),
            (Saying::Error { body: "b".to_owned(), code: "C".to_owned(), retryable: true }, MarkKind::Error),
        ] {
            let mut stored = body_of(saying);
            stored["id"] = "55555555-5555-4555-8555-555555555555".into();
            stored["actor"] = RUN.into();
            let found = spoken(&stored).unwrap();
            assert_eq!(found.mark, Some(Mark { run: RUN.parse().unwrap(), step: format!("{RUN}/1/2/0"), kind }));
            let [bot, other] = [RUN, "55555555-5555-4555-8555-555555555555"].map(|id| id.parse().unwrap());
            assert_eq!(is_progress(&stored, Some(bot)), kind == MarkKind::Progress);
            assert!(!is_progress(&stored, Some(other)) && !is_progress(&stored, None));
            stored["updated_by"] = other.to_string().into();
            assert!(!is_progress(&stored, Some(bot)));
        }
    }

    #[test]
    fn a_comment_is_its_authors_only_as_long_as_nobody_else_is_named_with_it() {
        let [ada, bob] = [UserId(uuid::Uuid::from_u128(1)), UserId(uuid::Uuid::from_u128(2))];
        let cases = [
            (json!({"actor": ada, "created_by": ada, "updated_by": null}), None, Some(ada)),
            (json!({"actor": {"id": ada}, "created_by": ada, "updated_by": ada}), Some(ada), Some(ada)),
            (json!({"created_by": ada}), None, Some(ada)),
            (json!({}), Some(ada), Some(ada)),
            (json!({}), None, None),
            (json!({"actor": ada, "created_by": ada, "updated_by": bob}), None, None),
            (json!({"actor": ada, "created_by": ada, "updated_by": bob}), Some(bob), None),
            (json!({"actor": ada, "created_by": ada, "updated_by": null}), Some(bob), None),
            (json!({"actor": ada, "created_by": bob, "updated_by": null}), None, None),
        ];
        for (mut comment, besides, expected) in cases {
            comment["id"] = "55555555-5555-4555-8555-555555555555".into();
            assert_eq!(spoken_by(&comment, besides).unwrap().author, expected, "{comment} {besides:?}");
        }
    }

    #[test]
    fn a_comment_beside_one_that_has_its_key_stands_for_the_same() {
        let saying = Saying::Response { body: "b".to_owned() };
        let draft =
            Draft { key: StepKey { run: RUN.parse().unwrap(), turn: 1, step: 2, part: 0 }, saying, detail: None };
        let mut beside = body(&draft, None);
        beside["id"] = "55555555-5555-4555-8555-555555555555".into();
        let plain = spoken(&beside).unwrap().mark;
        put_beside(&mut beside, &draft, CommentId(uuid::Uuid::from_u128(7)));
        assert_ne!(beside["external_id"], body(&draft, None)["external_id"]);
        assert_eq!(spoken(&beside).unwrap().mark, plain);
    }

    #[test]
    fn what_others_wrote_is_not_ours() {
        let id = "55555555-5555-4555-8555-555555555555";
        let comment = |source: Value, external: &str| {
            spoken(&json!({"id": id, "external_source": source, "external_id": external})).unwrap()
        };
        let imported = comment("jira".into(), &format!("{RUN}/1/2/0#answer"));
        assert!(imported.mark.is_none() && imported.foreign);
        let of_a_tool = comment("aileron".into(), &format!("{RUN}/1/2/0"));
        assert!(of_a_tool.mark.is_none() && of_a_tool.foreign);
        let typed = comment(Value::Null, "");
        assert!(typed.mark.is_none() && !typed.foreign);
    }

    #[test]
    fn nothing_said_in_passing_or_in_the_end_can_carry_markup_of_its_own() {
        let evil = "<script>x</script> <img src=x onerror=y>".to_owned();
        let parameters = BTreeMap::from([("query".to_owned(), evil.clone()), ("result".to_owned(), evil.clone())]);
        for saying in [
            Saying::Thought { body: evil.clone() },
            Saying::Action { name: evil.clone(), parameters },
            Saying::Response { body: evil.clone() },
            Saying::Elicitation { body: evil, ask: Ask::SignIn { url: "https://e.test/\"><b>".to_owned() } },
        ] {
            let html = body_of(saying)["comment_html"].as_str().unwrap().to_owned();
            assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"), "{html}");
        }
    }

    #[test]
    fn an_action_reads_like_a_sentence_and_several_are_lines() {
        let parameters = [("query", "'crash'"), ("result", "2 found")];
        let parameters = parameters.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        let one = body_of(Saying::Action { name: "Searched".to_owned(), parameters });
        assert_eq!(one["comment_html"], "<p><em>Searched: 'crash' → 2 found</em></p>");
        let parameters = [("1", "a"), ("2", "b")].map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        let two = body_of(Saying::Action { name: "2 steps".to_owned(), parameters });
        assert_eq!(two["comment_html"], "<p><em>a<br>b</em></p>");
    }
}
