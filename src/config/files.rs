//! Files users may edit: a compiled-in default each, replaced by a file of the same name on disk.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// The texts of one folder, each from disk or from the binary.
#[derive(Debug, Clone)]
pub struct EditableFiles {
    dir: PathBuf,
    texts: BTreeMap<&'static str, (Origin, String)>,
}

/// Where a text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Disk,
    BuiltIn,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl EditableFiles {
    /// Reads what `dir` holds of the given names. A folder that does not exist holds nothing.
    ///
    /// # Errors
    /// A file that cannot be read, and a `.md` file whose name is none of these: silently ignoring
    /// it would hide a misspelt name.
    pub fn load(dir: &Path, defaults: &[(&'static str, &str)]) -> Result<Self, Vec<FileProblem>> {
        let mut texts: BTreeMap<_, _> =
            defaults.iter().map(|(name, text)| (*name, (Origin::BuiltIn, (*text).to_owned()))).collect();
        let mut problems = Vec::new();
        for path in markdown_files(dir, &mut problems) {
            let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let known = defaults.iter().map(|(name, _)| *name).find(|name| *name == file);
            let problem = |reason| FileProblem { file: path.display().to_string(), line: 0, reason };
            match (known, std::fs::read_to_string(&path)) {
                (Some(name), Ok(text)) => drop(texts.insert(name, (Origin::Disk, text))),
                (Some(_), Err(error)) => problems.push(problem(format!("cannot be read: {error}"))),
                (None, _) => {
                    let names = defaults.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                    problems.push(problem(format!("no such file is used; the names are: {names}")));
                }
            }
        }
        if problems.is_empty() { Ok(Self { dir: dir.to_owned(), texts }) } else { Err(problems) }
    }

    /// The text of a file; empty for a name that was not among the defaults.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", |(_, text)| text)
    }

    /// The names of the files that replace a built-in text.
    pub fn from_disk(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.texts.iter().filter(|(_, (origin, _))| *origin == Origin::Disk).map(|(name, _)| *name)
    }

    /// A problem in one of these files, told under its path on disk or as built in.
    #[must_use]
    pub fn problem(&self, name: &str, line: usize, reason: String) -> FileProblem {
        let file = match self.texts.get(name) {
            Some((Origin::BuiltIn, _)) => format!("{name} (built in)"),
            Some((Origin::Disk, _)) | None => self.dir.join(name).display().to_string(),
        };
        FileProblem { file, line, reason }
    }
}

fn markdown_files(dir: &Path, problems: &mut Vec<FileProblem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let reason = format!("cannot be listed: {error}");
            problems.push(FileProblem { file: dir.display().to_string(), line: 0, reason });
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    paths
}
