//! The operator's switch: all changes off at once, without a restart, and until it is put back.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A file in the data directory; while it is there nothing is changed. It is looked at before every change.
#[derive(Debug, Clone, Default)]
pub struct WriteSwitch {
    file: Option<PathBuf>,
}

impl WriteSwitch {
    /// The switch of this data directory.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { file: Some(data_dir.join("writes.off")) }
    }

    /// Whether changes are switched off. What cannot be looked at counts as off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.try_exists().unwrap_or(true))
    }

    /// Switches changes off or on.
    ///
    /// # Errors
    /// The data directory does not take it.
    pub fn set(&self, off: bool) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if off {
            return std::fs::write(file, "Changes in Plane are switched off. `aileron writes on` takes this away.\n");
        }
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_it_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let switch = WriteSwitch::of(&data_dir);
        assert!(switch.set(true).is_err() && !data_dir.exists(), "where nobody serves nothing is switched");
        std::fs::create_dir(&data_dir).unwrap();
        assert!(!switch.is_off() && !WriteSwitch::default().is_off());
        for _ in 0..2 {
            switch.set(true).unwrap();
            assert!(switch.is_off(), "also where it was off before");
        }
        assert!(WriteSwitch::of(&data_dir).is_off(), "another process sees it");
        for _ in 0..2 {
            switch.set(false).unwrap();
            assert!(!switch.is_off());
        }
    }
}
