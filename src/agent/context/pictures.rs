//! The pictures on a work item, by what they are called where they stand.

use crate::{
    domain::{
        event::RunInfo,
        picture::PictureRef,
        work_item::{Attachment, Comment, WorkItem},
        write::Target,
    },
    plane::html,
    tools::{
        describe::{Names, one_line, shortened},
        read_attachment::is_picture,
    },
};

/// Pictures that are named; far fewer are shown.
const MOST_NAMED: usize = 20;
const NAME_LIMIT_CHARS: usize = 120;

/// Those of what was said last first, and of what began the run, as a question is most likely about them; then
/// those of the description, then files, then those of other comments. `comments` are the newest, newest first.
pub(super) fn of(
    run: &RunInfo,
    item: &WorkItem,
    comments: &[Comment],
    files: &[Attachment],
    names: &Names,
) -> Vec<PictureRef> {
    let target = Target { project: item.project.id, id: item.id };
    let named = |id, name: String| PictureRef { id, item: target, name: one_line(&name) };
    let described = html::pictures(&item.description_html).into_iter();
    let described = described.map(|(id, name)| named(id, format!("[image: {name}] in the description")));
    let files = files.iter().filter(|file| is_picture(file)).filter_map(|file| {
        let name = shortened(&file.name, NAME_LIMIT_CHARS);
        Some(named(file.id?, format!("{name}, a file on the work item")))
    });
    let in_comment = |comment: &Comment| {
        let author = comment.author.as_ref().map_or_else(|| "someone".to_owned(), |person| names.handle(person));
        let pictures = html::pictures(&comment.html).into_iter();
        let pictures = pictures.map(|(id, name)| named(id, format!("[image: {name}] in a comment by {author}")));
        pictures.collect::<Vec<_>>()
    };
    let began = [run.comment, run.source_comment];
    let (asking, other): (Vec<_>, Vec<_>) =
        comments.iter().enumerate().partition(|(at, comment)| *at == 0 || began.contains(&Some(comment.id)));
    let of_comments = |comments: Vec<(usize, &Comment)>| -> Vec<PictureRef> {
        comments.into_iter().flat_map(|(_, comment)| in_comment(comment)).collect()
    };
    let mut pictures: Vec<PictureRef> = Vec::new();
    for picture in of_comments(asking).into_iter().chain(described).chain(files).chain(of_comments(other)) {
        if pictures.iter().all(|known| known.id != picture.id) {
            pictures.push(picture);
        }
        if pictures.len() == MOST_NAMED {
            break;
        }
    }
    pictures
}
