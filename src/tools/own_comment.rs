//! Which of the agent's own comments a call means.

use super::{ToolCx, ToolError, describe};
use crate::{
    domain::{
        ids::{CommentId, UserId},
        work_item::{Comment, Words},
        write::Target,
    },
    plane::html,
};

/// Pages of a hundred comments that are looked through, from the newest.
const MOST_PAGES: u32 = 3;
/// Comments listed for a miss, and how much of each.
const SUGGESTIONS: usize = 6;
const SHOWN_CHARS: usize = 80;

/// Finds it by its id, or by words that no other comment of the agent there has.
pub(super) async fn find(wanted: &str, item: Target, cx: &ToolCx<'_>) -> Result<Comment, ToolError> {
    let Some(bot) = cx.run.agent_user else {
        return Err(ToolError::NotAllowed(
            "It is not known which comments are yours, so none can be changed.".to_owned(),
        ));
    };
    let refusal = |comment: &Comment| why_not(comment, bot);
    if let Ok(id) = wanted.trim().parse::<CommentId>() {
        let comment = cx.plane.comment(cx.workspace, item.project, item.id, id).await?;
        return match refusal(&comment) {
            Some(reason) => Err(ToolError::NotAllowed(reason.to_owned())),
            None => Ok(comment),
        };
    }
    let mut own = Vec::new();
    for number in 0..MOST_PAGES {
        let page = cx.plane.comments(cx.workspace, item.project, item.id, number, 100).await?;
        own.extend(page.items.into_iter().filter(|comment| refusal(comment).is_none()));
        if !page.more {
            break;
        }
    }
    pick(wanted, own)
}

/// Why the agent may not change a comment; `None` if it may. What it says in a conversation, such as what waits
/// there for somebody's word, is read by others as it was said and stays so.
fn why_not(comment: &Comment, bot: UserId) -> Option<&'static str> {
    if comment.author.as_ref().is_none_or(|author| author.id != bot) {
        return Some("That comment is somebody else's; you may only change your own.");
    }
    match (comment.words, comment.added_by) {
        (Words::Authors, Some(_)) => None,
        (Words::Authors, None) => Some(
            "That is what you said in a conversation, such as an answer or a question, and it stays as it was said. \
             You may change only comments that you added with a tool. What is to be corrected you can say in a new \
             answer.",
        ),
        (Words::Changed | Words::Lent, _) => {
            Some("Somebody else has changed that comment or written it in your name, so it is not yours to change.")
        }
    }
}

fn pick(wanted: &str, own: Vec<Comment>) -> Result<Comment, ToolError> {
    let words = plain(wanted);
    let (mut found, others): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|comment| !words.is_empty() && plain(&words_of(comment)).contains(&words));
    if found.len() > 1 {
        // Word for word is meant before a part of something longer.
        let (exact, longer): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|comment| plain(&words_of(comment)) == words);
        found = if exact.len() == 1 { exact } else { [exact, longer].concat() };
    }
    if found.len() == 1 {
        return found.pop().ok_or_else(|| ToolError::NoSuchThing("There is no such comment.".to_owned()));
    }
    let (told, listed) = match (found.is_empty(), others.is_empty()) {
        (false, _) => ("More than one of your comments has these words; be more exact. They are", found),
        (true, false) => ("None of your comments there has these words. Yours are", others),
        (true, true) => {
            return Err(ToolError::NoSuchThing(
                "There is no comment there that you added with a tool and may change.".to_owned(),
            ));
        }
    };
    let lines = listed.iter().take(SUGGESTIONS).map(|comment| {
        let text = describe::shortened(&describe::one_line(&words_of(comment)), SHOWN_CHARS);
        format!("\n- {text} (id {})", comment.id)
    });
    Err(ToolError::NoSuchThing(format!("{told}:{}", lines.collect::<String>())))
}

/// What a comment says, without its markup.
pub(super) fn words_of(comment: &Comment) -> String {
    html::to_markdown(&comment.html, &|_| None, usize::MAX).trim().to_owned()
}

/// Words alone: models quote with and without the marks of Markdown.
fn plain(text: &str) -> String {
    let bare = text.replace(['*', '_', '`', '~', '\\'], "");
    describe::words(&bare).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(texts: &[&str]) -> Vec<Comment> {
        let comment = |text: &&str| Comment {
            id: CommentId(uuid::Uuid::new_v4()),
            html: format!("<p>{text}</p>"),
            author: None,
            created_at: None,
            edited: false,
            words: Words::Authors,
            added_by: None,
        };
        texts.iter().map(comment).collect()
    }

    #[test]
    fn a_comment_is_found_by_words_that_only_it_has() {
        let all = || comments(&["It crashes on start.", "It crashes", "Fixed in 2.1"]);
        for (wanted, found) in
            [("**fixed**  IN", "Fixed in 2.1"), ("on start", "It crashes on start."), ("it crashes", "It crashes")]
        {
            assert_eq!(words_of(&pick(wanted, all()).unwrap()), found, "{wanted}");
        }
        let told = |wanted| pick(wanted, all()).unwrap_err().to_string();
        assert!(told("crash").contains("More than one"), "{}", told("crash"));
        assert!(told("slow").contains("Fixed in 2.1") && told("").contains("It crashes"));
        assert!(pick("slow", Vec::new()).unwrap_err().to_string().contains("no comment"));
    }
}
