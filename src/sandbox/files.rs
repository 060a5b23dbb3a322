//! Files: Plane leads to them with a redirect, and a storage service gives them to whoever has the signed
//! address. A credential of Plane's has no business there.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Sandbox, Shared,
    api::{Answer, missing, stray},
    known,
    serve::{Call, raw, set_header},
    talk::Unknown,
    world::{Attachment, Change, Item, Project},
};

/// Where the storage service answers.
pub(super) const STORAGE: &str = "/uploads/";
const SIGNATURE: &str = "X-Amz-Expires=3600&X-Amz-Signature=b917e1f3f2bfd392";
const PICTURE: &[u8] = include_bytes!("cart-de.png");
const LOG_LINE: &str = "2026-11-22T07:41:09Z E AndroidRuntime: NumberFormatException: For input string: \"12,90\" at \
                        PriceFormatter.format(PriceFormatter.kt:41)\n";

/// What is in a seeded file of this size.
pub(super) fn seeded(media_type: &str, bytes: u64) -> Vec<u8> {
    if media_type.starts_with("image/") {
        return PICTURE.to_vec();
    }
    LOG_LINE.bytes().cycle().take(usize::try_from(bytes).unwrap_or_default()).collect()
}

/// Where a file of the project lies, whichever work item is named.
pub(super) fn location(project: &Project, file: Uuid) -> Answer {
    let mut files = project.items.iter().flat_map(|item| &item.attachments);
    let found = files.find(|known| known.id == file).ok_or_else(missing)?;
    Ok((302, json!(format!("{STORAGE}{}-{}?{SIGNATURE}", found.id.simple(), found.name.replace(' ', "%20")))))
}

/// The answer that leads there.
pub(super) fn redirect(shared: &Shared, location: &Value) -> Response {
    let mut response = raw(302, "text/html; charset=utf-8", "");
    let location = location.as_str().unwrap_or_default();
    set_header(&mut response, "location", &format!("http://{}{location}", shared.address));
    response
}

/// The storage's own answer.
pub(super) fn answer(shared: &Shared, call: &Call) -> Response {
    let mut world = shared.lock();
    if call.header("authorization").is_some() || call.header("x-api-key").is_some() {
        stray(&mut world, call, "sends a credential of Plane's to the storage");
    }
    let id = call.path.strip_prefix(STORAGE).and_then(|rest| Uuid::parse_str(rest.get(..32)?).ok());
    let projects = world.workspaces.iter().flat_map(|workspace| &workspace.projects);
    let mut files = projects.flat_map(|project| &project.items).flat_map(|item| &item.attachments);
    let found = files.find(|file| Some(file.id) == id);
    match found.filter(|_| call.method == "GET" && call.raw_query == SIGNATURE) {
        Some(file) => raw(200, "application/octet-stream", file.content.clone()),
        None => raw(403, "application/xml", "<Error><Code>AccessDenied</Code></Error>"),
    }
}

impl Sandbox {
    /// A person attaches a file to a work item; its id is given.
    pub fn attach(&self, workspace: usize, work_item: &str, name: &str, media_type: &str, content: &[u8]) -> Uuid {
        self.change(workspace, work_item, |item| {
            let file = new_file(item, name, media_type, content);
            item.history.push(Change {
                id: Uuid::new_v4(),
                verb: "created".to_owned(),
                field: Some("attachment".to_owned()),
                old: None,
                new: Some(file.name.clone()),
                sentence: "created an attachment".to_owned(),
                actor: file.created_by,
                at: file.created_at,
            });
            file
        })
    }

    /// A person puts a picture at the end of a work item's description; its id is given.
    pub fn embed(&self, workspace: usize, work_item: &str, name: &str, content: &[u8]) -> Uuid {
        self.change(workspace, work_item, |item| {
            let file = Attachment { listed: false, ..new_file(item, name, "image/png", content) };
            let picture = format!("<image-component src=\"{}\" width=\"300\"></image-component>", file.id);
            item.description_html = format!("<div>{}{picture}</div>", item.description_html);
            file
        })
    }

    fn change(&self, workspace: usize, work_item: &str, file_on: impl FnOnce(&mut Item) -> Attachment) -> Uuid {
        let mut world = self.shared.lock();
        let found = world.workspaces.get(workspace).and_then(|workspace| workspace.item_by_key(work_item));
        let id = known(found.map(|(_, item)| item.id).ok_or_else(|| Unknown::WorkItem(work_item.to_owned())));
        let item = known(world.item_mut(id).ok_or_else(|| Unknown::WorkItem(work_item.to_owned())));
        let file = file_on(item);
        let id = file.id;
        item.attachments.push(file);
        id
    }
}

fn new_file(item: &Item, name: &str, media_type: &str, content: &[u8]) -> Attachment {
    Attachment {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        content: content.to_vec(),
        listed: true,
        created_by: item.created_by,
        created_at: Timestamp::now(),
    }
}
