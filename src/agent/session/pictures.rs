//! The pictures a turn is about.

use super::Session;
use crate::domain::picture::PictureRef;

impl Session {
    /// The pictures on the work item, as it was looked at in this turn.
    #[must_use]
    pub fn pictures_in_look(&self) -> &[PictureRef] {
        self.conversation().look.map_or(&[], |(look, _)| &look.pictures)
    }

    /// The pictures that were read in this turn, each with the call that did, the newest last.
    #[must_use]
    pub fn pictures_read(&self) -> &[(String, PictureRef)] {
        self.transcript.pictures()
    }
}
