//! The pictures on a work item, by what they are called where they stand.

use crate::{
    domain::{
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

/// Those of the description first, then files, then those of comments, the newest first.
pub(super) fn of(item: &WorkItem, comments: &[Comment], files: &[Attachment], names: &Names) -> Vec<PictureRef> {
    let target = Target { project: item.project.id, id: item.id };
    let named = |id, name: String| PictureRef { id, item: target, name: one_line(&name) };
    let described = html::pictures(&item.description_html).into_iter();
    let described = described.map(|(id, name)| named(id, format!("[image: {name}] in the description")));
    let files = files.iter().filter(|file| is_picture(file)).filter_map(|file| {
        let name = shortened(&file.name, NAME_LIMIT_CHARS);
        Some(named(file.id?, format!("{name}, a file on the work item")))
    });
    let in_comments = comments.iter().flat_map(|comment| {
        let author = comment.author.as_ref().map_or_else(|| "someone".to_owned(), |person| names.handle(person));
        let pictures = html::pictures(&comment.html).into_iter();
        pictures.map(move |(id, name)| named(id, format!("[image: {name}] in a comment by {author}")))
    });
    let mut pictures: Vec<PictureRef> = Vec::new();
    for picture in described.chain(files).chain(in_comments) {
        if pictures.iter().all(|known| known.id != picture.id) {
            pictures.push(picture);
        }
        if pictures.len() == MOST_NAMED {
            break;
        }
    }
    pictures
}
