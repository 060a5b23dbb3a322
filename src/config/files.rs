//! Folders of Markdown files that people edit while the program runs.
//!
//! [`Listing`] is a cheap look at a folder, good for telling whether anything changed; reading is a
//! step of its own.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How deep folders may lie in one another; more is a loop of links.
const DEEPEST: usize = 6;
/// Beyond this nobody keeps prompts there: the folder is the wrong one.
const MOST_FILES: usize = 2_000;
/// Longest file that is read.
const LONGEST_FILE_BYTES: u64 = 256 * 1024;
/// A file changed this recently may change again without a new time: clocks of file systems are coarse.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    pub file: String,
    /// Counted from 1; 0 where the whole file is meant.
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.reason);
        }
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// What is wrong in a text, before it is known whose text it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Counted from 1; 0 where the whole text is meant.
    pub line: usize,
    pub reason: String,
}

impl Flaw {
    #[must_use]
    pub fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }

    /// The same, of this file.
    #[must_use]
    pub fn of(self, file: impl Into<String>) -> FileProblem {
        FileProblem { file: file.into(), line: self.line, reason: self.reason }
    }
}

/// The Markdown files below a folder at one moment, by their path in it with `/` between the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    dir: PathBuf,
    files: BTreeMap<String, Mark>,
    /// What could not be listed.
    problems: Vec<FileProblem>,
    /// Whether every change since would show.
    settled: bool,
}

/// What tells one version of a file from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Listing {
    /// Looks at a folder. One that does not exist holds nothing; hidden files and folders are passed
    /// over, as editors and mounted volumes keep their own things there.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        let mut listing = Self { dir: dir.to_owned(), files: BTreeMap::new(), problems: Vec::new(), settled: true };
        listing.add(dir, "", 1);
        listing.problems.sort();
        let now = SystemTime::now();
        let old = |mark: &Mark| {
            let age = mark.modified.and_then(|modified| now.duration_since(modified).ok());
            age.is_some_and(|age| age >= SETTLED_AFTER)
        };
        listing.settled = listing.files.values().all(old);
        listing
    }

    /// Whether nothing has changed from `earlier` to this; if in doubt, no.
    #[must_use]
    pub fn is_still(&self, earlier: &Self) -> bool {
        earlier.settled && self.files == earlier.files && self.problems == earlier.problems
    }

    /// The paths of the files in the folder, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// What could not be listed.
    #[must_use]
    pub fn problems(&self) -> &[FileProblem] {
        &self.problems
    }

    /// A file's name for people.
    #[must_use]
    pub fn name_of(&self, path: &str) -> String {
        self.dir.join(path).display().to_string()
    }

    /// Reads one of the files.
    ///
    /// # Errors
    /// It cannot be read, is no text, or too long for one.
    pub fn read(&self, path: &str) -> Result<String, Flaw> {
        if self.files.get(path).is_some_and(|mark| mark.bytes > LONGEST_FILE_BYTES) {
            return Err(Flaw::at(0, format!("is longer than {} KiB", LONGEST_FILE_BYTES / 1024)));
        }
        let text = std::fs::read_to_string(self.dir.join(path));
        let text = text.map_err(|error| Flaw::at(0, format!("cannot be read: {error}")))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
        Ok(text)
    }

    fn add(&mut self, dir: &Path, prefix: &str, depth: usize) {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return self.complain(dir, format!("cannot be listed: {error}")),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.complain(dir, format!("cannot be listed to the end: {error}"));
                    continue;
                }
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            // Links count as what they point to.
            let about = match std::fs::metadata(entry.path()) {
                Ok(about) => about,
                Err(error) => {
                    if counts_as_ours(&entry.path(), &error) {
                        self.complain(&entry.path(), format!("cannot be looked at: {error}"));
                    }
                    continue;
                }
            };
            let path = format!("{prefix}{name}");
            if about.is_dir() && depth < DEEPEST {
                self.add(&entry.path(), &format!("{path}/"), depth + 1);
            } else if about.is_file() && name.ends_with(".md") {
                if self.files.len() >= MOST_FILES {
                    return self
                        .complain(dir, format!("there are more than {MOST_FILES} files; is it the right folder?"));
                }
                self.files.insert(path, Mark { modified: about.modified().ok(), bytes: about.len() });
            }
        }
    }

    fn complain(&mut self, path: &Path, reason: String) {
        self.problems.push(Flaw::at(0, reason).of(path.display().to_string()));
    }
}

/// Whether what cannot be looked at must not be taken for deleted. A link that leads nowhere is one of
/// our files or folders if its name could be theirs; what went away since the folder was listed is gone.
fn counts_as_ours(path: &Path, error: &std::io::Error) -> bool {
    if error.kind() != std::io::ErrorKind::NotFound {
        return true;
    }
    let could_be = path.extension().is_none_or(|extension| extension == "md");
    could_be && std::fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn age(path: &Path) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let listing = Listing::of(Path::new("/nonexistent"));
        assert_eq!(listing.paths().count(), 0);
        assert_eq!(listing.problems(), []);
        assert!(listing.is_still(&listing));
    }

    #[test]
    fn files_are_found_at_any_depth_and_hidden_ones_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("projects/MOB")).unwrap();
        fs::create_dir_all(dir.path().join(".git")).unwrap();
        for name in ["b.md", "projects/MOB/a.md", ".git/x.md", ".b.md.swp.md", "notes.txt"] {
            fs::write(dir.path().join(name), "text").unwrap();
        }
        assert_eq!(Listing::of(dir.path()).paths().collect::<Vec<_>>(), ["b.md", "projects/MOB/a.md"]);
    }

    #[test]
    fn every_kind_of_change_shows_and_a_young_file_is_never_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        fs::write(&path, "one").unwrap();
        let young = Listing::of(dir.path());
        assert!(!Listing::of(dir.path()).is_still(&young), "it may have changed within the clock's grain");
        age(&path);
        let old = Listing::of(dir.path());
        assert!(Listing::of(dir.path()).is_still(&old));
        fs::write(&path, "two").unwrap();
        assert!(!Listing::of(dir.path()).is_still(&old), "a new time");
        age(&path);
        let old = Listing::of(dir.path());
        fs::write(dir.path().join("b.md"), "").unwrap();
        assert!(!Listing::of(dir.path()).is_still(&old), "a new file");
        fs::remove_file(dir.path().join("b.md")).unwrap();
        assert!(Listing::of(dir.path()).is_still(&old));
        fs::remove_file(&path).unwrap();
        assert!(!Listing::of(dir.path()).is_still(&old), "a file that is gone");
    }

    #[test]
    fn what_cannot_be_looked_at_is_told_and_not_taken_for_deleted() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.md"), "text").unwrap();
        // Editors lock a file by a hidden link to nowhere.
        for name in ["b.md", "skills", ".#a.md", "notes.txt"] {
            std::os::unix::fs::symlink("nowhere", dir.path().join(name)).unwrap();
        }
        // A link to itself cannot be followed, whoever asks.
        std::os::unix::fs::symlink("c.txt", dir.path().join("c.txt")).unwrap();
        let listing = Listing::of(dir.path());
        assert_eq!(listing.paths().collect::<Vec<_>>(), ["a.md"]);
        let told = listing.problems().iter().map(|problem| (problem.file.rsplit('/').next().unwrap(), &problem.reason));
        let told: Vec<_> = told.map(|(file, reason)| (file, reason.starts_with("cannot be looked at: "))).collect();
        assert_eq!(told, [("b.md", true), ("c.txt", true), ("skills", true)]);
    }

    #[test]
    fn text_is_read_as_people_mean_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.md"), "\u{feff}one\r\ntwo\r\n").unwrap();
        fs::write(dir.path().join("b.md"), [0xff, 0xfe]).unwrap();
        fs::write(dir.path().join("c.md"), "x".repeat(300 * 1024)).unwrap();
        let listing = Listing::of(dir.path());
        assert_eq!(listing.read("a.md").unwrap(), "one\ntwo\n");
        assert!(listing.read("b.md").unwrap_err().reason.contains("cannot be read"));
        assert!(listing.read("c.md").unwrap_err().reason.contains("longer than 256 KiB"));
    }
}
