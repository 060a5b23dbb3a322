//! Reads a run's work item and puts it into Markdown for the model: in parallel, with as few
//! requests as possible, bounded, and marked as other people's text.

use serde_json::json;

use super::{Agent, fence::unfenced, prompts::Prompts};
use crate::{
    domain::{
        disposition::Disposition,
        event::RunInfo,
        ids::{ProjectId, WorkItemId},
        work_item::{Change, Comment, Page, WorkItem},
    },
    plane::{PlaneError, html},
    tools::describe::{self, Names},
};

const DESCRIPTION_LIMIT_CHARS: usize = 12_000;
const COMMENT_LIMIT_CHARS: usize = 2_000;
const COMMENTS: u32 = 20;
const CHANGES: u32 = 15;

impl Agent {
    /// The work item as the model is to see it; empty if the run belongs to none.
    ///
    /// # Errors
    /// The work item itself could not be read. Comments and history that Plane withholds are only
    /// left out; what may pass is an error, so that the turn is tried again with the whole picture.
    pub(super) async fn read_context(&self, run: &RunInfo, prompts: &Prompts) -> Result<String, PlaneError> {
        let (Some(project), Some(id)) = (run.project, run.work_item) else {
            return Ok(String::new());
        };
        let (item, comments, history) = tokio::join!(
            self.plane.work_item(run.workspace, project, id),
            self.plane.comments(run.workspace, project, id, 0, COMMENTS),
            self.plane.history(run.workspace, project, id, CHANGES),
        );
        let item = item?;
        let comments = unless_withheld(comments, "comments")?;
        let history = unless_withheld(history, "history")?;
        let names = self.names_in(run, (project, id), &item, &comments.items).await;
        Ok(render(prompts, &item, &comments, &history, &names))
    }

    /// The names of everyone who wrote or is mentioned. Members are asked for only if someone
    /// mentioned is not among those Plane has named already.
    async fn names_in(
        &self,
        run: &RunInfo,
        (project, _): (ProjectId, WorkItemId),
        item: &WorkItem,
        comments: &[Comment],
    ) -> Names {
        let mut names = Names::default();
        let authors = comments.iter().filter_map(|comment| comment.author.as_ref());
        for person in item.assignees.iter().chain(&item.created_by).chain(authors) {
            names.add(person.id, &person.display_name);
        }
        let texts = comments.iter().map(|comment| comment.html.as_str()).chain([item.description_html.as_str()]);
        if !texts.into_iter().all(|html| names.know_all(&html::mentioned_users(html))) {
            // A name that cannot be looked up is no reason to fail the reading.
            for person in self.facts.members(run.workspace, project).await.unwrap_or_default().iter() {
                names.add(person.id, &person.display_name);
            }
        }
        names
    }
}

fn render(
    prompts: &Prompts,
    item: &WorkItem,
    comments: &Page<Comment>,
    history: &Page<Change>,
    names: &Names,
) -> String {
    let shown: Vec<_> = comments
        .items
        .iter()
        .rev()
        .map(|comment| unfenced(&describe::comment(comment, names, COMMENT_LIMIT_CHARS)))
        .collect();
    let changes: Vec<_> = history.items.iter().rev().map(|change| unfenced(&describe::change(change))).collect();
    let older = comments.total.saturating_sub(shown.len() as u64);
    let values = json!({
        "key": item.key().unwrap_or_else(|| item.id.to_string()),
        "name": unfenced(&item.name),
        "fields": unfenced(&describe::fields(item)),
        "description": unfenced(&describe::description(item, names, DESCRIPTION_LIMIT_CHARS)),
        "comments": shown,
        "older_comments": older,
        "history": changes,
    });
    prompts.render("context.md", values).unwrap_or_else(|error| {
        tracing::error!(%error, "a prompt failed; the work item is given without it");
        format!("<plane-data>\n{}\n\n{}\n</plane-data>", unfenced(&item.name), unfenced(&describe::fields(item)))
    })
}

fn unless_withheld<T>(page: Result<Page<T>, PlaneError>, what: &str) -> Result<Page<T>, PlaneError> {
    let error = match page {
        Ok(page) => return Ok(page),
        Err(error) => error,
    };
    match error.disposition() {
        Disposition::TellModel => {
            tracing::debug!(%error, what, "left out of the context");
            Ok(Page { items: Vec::new(), total: 0, more: false })
        }
        Disposition::Retry { .. } | Disposition::GiveUp => Err(error),
    }
}
