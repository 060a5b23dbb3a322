//! A copy of the installations beside the store.
//!
//! Almost all that is lost with a damaged store Plane keeps too, but not these: without them the
//! agent is mute until an admin has installed it again in every workspace. They are few and change
//! seldom, so the whole file is replaced each time.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{open::replace_private, records::StoredInstallation};
use crate::domain::installation::Installation;

/// Where the copy is.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("installations.json")
}

/// Replaces the copy as a whole, readable by its owner only, and returns when it is on the disk. It
/// is left alone if it is the same.
pub(super) fn write(path: &Path, installations: &[Installation]) -> io::Result<()> {
    let stored: Vec<StoredInstallation> = installations.iter().map(StoredInstallation::from).collect();
    let text = serde_json::to_vec_pretty(&stored)?;
    if fs::read(path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    replace_private(path, &text)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// The copied installations; none if there is no copy, or none that can be read.
pub(super) fn read(path: &Path) -> Vec<Installation> {
    let read = fs::read(path).and_then(|text| Ok(serde_json::from_slice::<Vec<StoredInstallation>>(&text)?));
    match read {
        Ok(stored) => stored.into_iter().map(Installation::from).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            // The error's own text may quote a token.
            tracing::error!(path = %path.display(), kind = %error.kind(), "the copy of the installations cannot be read");
            Vec::new()
        }
    }
}
