//! Files: Plane tells where one lies, and it is read from there without a credential.
//!
//! A file lies with a storage service, as a rule at another host, under an address that Plane signs for
//! a while. Only such an address is ever asked for: what people write in a text is none. Where the storage
//! sends us elsewhere, that is followed on the same host only.

use reqwest::{Client, Response, header::LOCATION};
use url::Url;

use super::{
    caller::{Call, Caller},
    transport::cause,
};
use crate::{
    domain::{
        ids::{FileId, WorkspaceId},
        work_item::FileContent,
        write::Target,
    },
    plane::{PlaneError, budget::Lane},
};

const WHAT: &str = "the file";
/// Redirects followed at the storage.
const MOST_REDIRECTS: u32 = 3;

impl Caller {
    /// Plane looks a file up in the project alone, so that the same call serves for files that are attached and
    /// for pictures in texts, and none of another project is ever had.
    pub(super) async fn file(
        &self,
        workspace: WorkspaceId,
        item: Target,
        file: FileId,
        limit_bytes: usize,
    ) -> Result<FileContent, PlaneError> {
        let (project, item, file) = (item.project.to_string(), item.id.to_string(), file.to_string());
        let path = ["projects", &project, "work-items", &item, "attachments", &file];
        let place = self.location(&Call { workspace, what: WHAT, path: &path, query: &[], lane: Lane::Read }).await?;
        let reading = read(&self.http, place, limit_bytes);
        let outcome = tokio::time::timeout(self.timeout, reading).await;
        outcome.unwrap_or_else(|_| Err(silent("timed out".to_owned())))
    }
}

async fn read(http: &Client, place: Url, limit_bytes: usize) -> Result<FileContent, PlaneError> {
    let mut response = fetch(http, place).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silent(cause(&error)))? {
        let room = limit_bytes - bytes.len();
        if chunk.len() > room {
            bytes.extend_from_slice(&chunk[..room]);
            return Ok(FileContent { bytes, whole: false });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(FileContent { bytes, whole: true })
}

/// The answer that holds the file.
async fn fetch(http: &Client, place: Url) -> Result<Response, PlaneError> {
    let mut at = place.clone();
    for _ in 0..=MOST_REDIRECTS {
        if !matches!(at.scheme(), "http" | "https") || at.host_str() != place.host_str() {
            return Err(refused(302, "its storage leads to an address that is not its own"));
        }
        // The client has no credential of its own, and none is added.
        let response = http.get(at.clone()).send().await.map_err(|error| silent(cause(&error)))?;
        let status = response.status();
        tracing::debug!(status = status.as_u16(), "asked the storage for a file");
        if status.is_success() {
            return Ok(response);
        }
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        match location.filter(|_| status.is_redirection()).and_then(|location| at.join(location).ok()) {
            Some(next) => at = next,
            None if status.is_server_error() => return Err(silent(format!("its storage answers {status}"))),
            None => return Err(refused(status.as_u16(), "its storage does not give it")),
        }
    }
    Err(refused(302, "its storage sends us round in circles"))
}

fn silent(message: String) -> PlaneError {
    PlaneError::Transport { what: WHAT, message }
}

fn refused(status: u16, message: &str) -> PlaneError {
    PlaneError::Refused { what: WHAT, status, message: message.to_owned() }
}
