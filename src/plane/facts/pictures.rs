//! Pictures that were looked at lately. What is in a file never changes, so they need no time to live,
//! only a bound.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::Facts;
use crate::{
    domain::{
        ids::{FileId, ProjectId, WorkspaceId},
        picture::{LARGEST_PICTURE_BYTES, Picture, PictureRef, Unseeable},
    },
    plane::PlaneError,
};

/// Most of all that is remembered, in bytes of base64.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Why a picture is not to be had. The text goes on after "it".
#[derive(Debug, Clone, thiserror::Error)]
pub enum PictureError {
    #[error("cannot be fetched")]
    Plane(#[from] PlaneError),
    #[error(transparent)]
    Unseeable(#[from] Unseeable),
}

type Key = (WorkspaceId, ProjectId, FileId);

/// The newest last.
#[derive(Default)]
pub(super) struct Pictures(Mutex<VecDeque<(Key, Arc<Picture>)>>);

impl Facts {
    /// A picture, ready to be sent to a model.
    ///
    /// # Errors
    /// Plane or its storage does not give it, or it is none that models take.
    pub async fn picture(&self, workspace: WorkspaceId, picture: &PictureRef) -> Result<Arc<Picture>, PictureError> {
        let key = (workspace, picture.item.project, picture.id);
        if let Some(known) = self.pictures.get(&key) {
            return Ok(known);
        }
        let content = self.api.file(workspace, picture.item, picture.id, LARGEST_PICTURE_BYTES).await?;
        if !content.whole {
            return Err(Unseeable::TooLarge.into());
        }
        let read = Arc::new(Picture::read(&content.bytes)?);
        self.pictures.keep(key, Arc::clone(&read));
        Ok(read)
    }
}

impl Pictures {
    fn get(&self, key: &Key) -> Option<Arc<Picture>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == key).map(|(_, picture)| Arc::clone(picture))
    }

    fn keep(&self, key: Key, picture: Arc<Picture>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != key);
        kept.push_back((key, picture));
        let mut bytes: usize = kept.iter().map(|(_, picture)| picture.base64.len()).sum();
        while bytes > MOST_BYTES
            && let Some((_, oldest)) = kept.pop_front()
        {
            bytes -= oldest.base64.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pictures_are_forgotten_first() {
        let pictures = Pictures::default();
        let key = |number| {
            (WorkspaceId(uuid::Uuid::nil()), ProjectId(uuid::Uuid::nil()), FileId(uuid::Uuid::from_u128(number)))
        };
        let large = Arc::new(Picture { media_type: "image/png", base64: "x".repeat(MOST_BYTES / 3), tokens: 1 });
        for number in 0..4 {
            pictures.keep(key(number), Arc::clone(&large));
        }
        assert!(pictures.get(&key(0)).is_none());
        assert!((1..4).all(|number| pictures.get(&key(number)).is_some()));
    }
}
