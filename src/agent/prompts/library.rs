//! The texts people edit, kept up to date while the agent runs.
//!
//! A [`Library`] looks at its folders whenever a turn begins and makes a new [`Edition`] if anything
//! changed. A file that cannot be used leaves what was in use before; all others count. A turn keeps
//! the edition it began with to its end.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    place::{Item, Level, Place, read_path},
    template::Template,
    wording::{Content, Origin, Wording},
};
use crate::{
    agent::skills::{self, Known},
    config::{
        TextsConfig,
        files::{FileProblem, Flaw, Listing},
    },
    tools::{self, Toolbox, toolbox},
};

/// The folders, and the newest edition of what is in them.
pub struct Library {
    config: TextsConfig,
    known: Known,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    prompts: Listing,
    tools: Listing,
    edition: Arc<Edition>,
}

/// All texts as they were at one moment, the broken ones as they were before.
#[derive(Default)]
pub struct Edition {
    /// The files in use, by their path in the prompts folder.
    files: BTreeMap<String, Shelved>,
    /// The same for the tools folder, by the file's name.
    tool_texts: BTreeMap<String, (Origin, String)>,
    toolbox: Arc<Toolbox>,
    problems: Vec<FileProblem>,
    /// What was asked for so far, by the levels it is made of.
    wordings: Mutex<HashMap<Vec<Level>, Arc<Wording>>>,
}

/// A file in use.
#[derive(Clone)]
struct Shelved {
    level: Level,
    item: Item,
    content: Content,
    origin: Origin,
}

impl Library {
    /// Reads both folders. What cannot be used is told in the log and by [`Edition::problems`]; the
    /// compiled-in texts stand in for it.
    #[must_use]
    pub fn open(config: TextsConfig) -> Self {
        let tools = tools::all().iter().map(|tool| tool.name()).collect();
        let known = Known { tools, models: config.model_names.clone() };
        let (prompts, tools) = (Listing::of(&config.prompts_dir), Listing::of(&config.tools_dir));
        let edition = Edition::of(&prompts, &tools, &known, &Edition::default()).permitted(config.offer_writes);
        report(&[], &edition.problems);
        let shelf = Mutex::new(Shelf { prompts, tools, edition: Arc::new(edition) });
        Self { config, known, shelf }
    }

    /// The compiled-in texts alone, every tool among them.
    #[must_use]
    pub fn built_in() -> Self {
        let nowhere = PathBuf::from("/nonexistent");
        let (prompts_dir, tools_dir) = (nowhere.clone(), nowhere);
        Self::open(TextsConfig { prompts_dir, tools_dir, model_names: Vec::new(), offer_writes: true })
    }

    /// The texts as they are now. It costs a look at the folders, and reading only after a change.
    #[must_use]
    pub fn current(&self) -> Arc<Edition> {
        let mut shelf = lock(&self.shelf);
        let (prompts, tools) = (Listing::of(&self.config.prompts_dir), Listing::of(&self.config.tools_dir));
        if prompts.is_still(&shelf.prompts) && tools.is_still(&shelf.tools) {
            return Arc::clone(&shelf.edition);
        }
        let edition = Edition::of(&prompts, &tools, &self.known, &shelf.edition).permitted(self.config.offer_writes);
        (shelf.prompts, shelf.tools) = (prompts, tools);
        if !edition.says_the_same_as(&shelf.edition) {
            report(&shelf.edition.problems, &edition.problems);
            tracing::info!(files = edition.files.len() + edition.tool_texts.len(), "edited prompts are in use");
            shelf.edition = Arc::new(edition);
        }
        Arc::clone(&shelf.edition)
    }
}

impl Edition {
    fn of(prompts: &Listing, tools: &Listing, known: &Known, before: &Self) -> Self {
        let mut edition = Self { problems: [prompts.problems(), tools.problems()].concat(), ..Self::default() };
        // What cannot be listed is not gone.
        if !prompts.problems().is_empty() {
            edition.files.clone_from(&before.files);
        }
        if !tools.problems().is_empty() {
            edition.tool_texts.clone_from(&before.tool_texts);
        }
        for path in prompts.paths() {
            match shelve(prompts, path, known) {
                Ok(shelved) => drop(edition.files.insert(path.to_owned(), shelved)),
                Err(flaws) => {
                    edition.complain(prompts, path, flaws);
                    if let Some(good) = before.files.get(path) {
                        edition.files.insert(path.to_owned(), good.clone());
                    }
                }
            }
        }
        for path in tools.paths() {
            match tools.read(path).and_then(|text| toolbox::check(path, &text).map(|()| text)) {
                Ok(text) => {
                    let origin = Origin::File(tools.name_of(path));
                    edition.tool_texts.insert(path.to_owned(), (origin, text));
                }
                Err(flaw) => {
                    edition.complain(tools, path, vec![flaw]);
                    if let Some(good) = before.tool_texts.get(path) {
                        edition.tool_texts.insert(path.to_owned(), good.clone());
                    }
                }
            }
        }
        edition
    }

    /// The same with the tools that the configuration permits.
    fn permitted(mut self, offer_writes: bool) -> Self {
        let toolbox = Toolbox::from_texts(|file| Some(self.tool_texts.get(file)?.1.as_str()));
        self.toolbox = Arc::new(if offer_writes { toolbox } else { toolbox.without_writes() });
        self
    }

    fn complain(&mut self, listing: &Listing, path: &str, flaws: Vec<Flaw>) {
        self.problems.extend(flaws.into_iter().map(|flaw| flaw.of(listing.name_of(path))));
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        let same_file = |(left, right): (&Shelved, &Shelved)| left.content == right.content;
        self.problems == other.problems
            && self.tool_texts == other.tool_texts
            && self.files.keys().eq(other.files.keys())
            && self.files.values().zip(other.files.values()).all(same_file)
    }

    /// Everything that cannot be used as it is on disk.
    #[must_use]
    pub fn problems(&self) -> &[FileProblem] {
        &self.problems
    }

    /// The files on disk that are in use, for people.
    pub fn files_in_use(&self) -> impl Iterator<Item = &str> {
        self.files.keys().chain(self.tool_texts.keys()).map(String::as_str)
    }

    /// Whether the texts differ between projects, so that one has to know where a turn is.
    #[must_use]
    pub fn asks_for_project(&self) -> bool {
        self.files.values().any(|shelved| shelved.level.asks_for_project())
    }

    /// What a turn at this place speaks with.
    #[must_use]
    pub fn wording(&self, place: &Place) -> Arc<Wording> {
        let mut levels: Vec<_> = self.files.values().map(|shelved| &shelved.level).collect();
        levels.sort();
        levels.dedup();
        levels.retain(|level| level.covers(place));
        let levels: Vec<Level> = levels.into_iter().cloned().collect();
        let mut wordings = lock(&self.wordings);
        if let Some(known) = wordings.get(&levels) {
            return Arc::clone(known);
        }
        let mut files: Vec<_> = self.files.values().filter(|shelved| levels.contains(&shelved.level)).collect();
        files.sort_by(|left, right| left.level.cmp(&right.level));
        let files =
            files.into_iter().map(|shelved| (shelved.item.clone(), shelved.content.clone(), shelved.origin.clone()));
        let wording = Arc::new(Wording::new(files, Arc::clone(&self.toolbox), &self.tool_texts));
        wordings.insert(levels, Arc::clone(&wording));
        wording
    }
}

/// Reads a file and tries whether it can be used.
fn shelve(listing: &Listing, path: &str, known: &Known) -> Result<Shelved, Vec<Flaw>> {
    let one = |flaw| vec![flaw];
    let (level, item) = read_path(path).map_err(one)?;
    let text = listing.read(path).map_err(one)?;
    let content = match &item {
        Item::Template(name) => {
            let flaws = Template::named(name).map(|template| template.flaws(&text)).unwrap_or_default();
            if !flaws.is_empty() {
                return Err(flaws);
            }
            Content::Template(text)
        }
        Item::Skill(name) => Content::Skill { skill: skills::parse(name, &text, known).map_err(one)?, text },
        Item::Tool(_) => return Err(one(Flaw::at(0, "belongs in the tools folder"))),
    };
    Ok(Shelved { level, item, content, origin: Origin::File(listing.name_of(path)) })
}

/// Tells in the log what is newly broken, once, and what is mended.
fn report(before: &[FileProblem], now: &[FileProblem]) {
    for problem in now.iter().filter(|problem| !before.contains(problem)) {
        tracing::error!(%problem, "an edited file cannot be used; what was in use before stays");
    }
    let broken = |file: &str| now.iter().any(|problem| problem.file == file);
    for mended in before.iter().filter(|problem| !broken(&problem.file)) {
        tracing::info!(file = mended.file, "a file that could not be used is mended");
    }
}

/// Every change under these locks is a single assignment, so what a panic leaves is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folders(tempfile::TempDir);

    impl Folders {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("prompts/skills")).unwrap();
            fs::create_dir_all(dir.path().join("prompts/projects/MOB")).unwrap();
            fs::create_dir_all(dir.path().join("tools")).unwrap();
            Self(dir)
        }

        fn write(&self, path: &str, text: &str) {
            fs::write(self.0.path().join(path), text).unwrap();
        }

        fn open(&self) -> Library {
            Library::open(TextsConfig {
                prompts_dir: self.0.path().join("prompts"),
                tools_dir: self.0.path().join("tools"),
                model_names: vec!["main".to_owned()],
                offer_writes: true,
            })
        }
    }

    fn stopped(edition: &Edition, project: Option<&str>) -> String {
        let place = Place { workspace: None, project: project.map(str::to_owned) };
        edition.wording(&place).prompts.render("stopped.md", super::super::nothing()).unwrap()
    }

    fn problems(edition: &Edition) -> String {
        edition.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_edit_counts_from_the_next_look_and_a_turn_keeps_its_edition() {
        let folders = Folders::new();
        let library = folders.open();
        let first = library.current();
        assert!(stopped(&first, None).starts_with("Stopped."), "the compiled-in text");
        folders.write("prompts/stopped.md", "Halt.");
        let second = library.current();
        assert_eq!(stopped(&second, None), "Halt.");
        assert!(stopped(&first, None).starts_with("Stopped."), "an edition never changes");
        assert!(Arc::ptr_eq(&second, &library.current()), "without a change there is no new edition");
        fs::remove_file(folders.0.path().join("prompts/stopped.md")).unwrap();
        assert!(stopped(&library.current(), None).starts_with("Stopped."));
    }

    #[test]
    fn a_broken_edit_leaves_the_last_good_text_and_is_told_until_it_is_mended() {
        let folders = Folders::new();
        folders.write("prompts/stopped.md", "Halt.");
        folders.write("tools/read_comments.md", "Reads what people said.");
        let library = folders.open();
        folders.write("prompts/stopped.md", "Halt.\n{{ who }}");
        folders.write("tools/read_comments.md", "---\nenabled = perhaps\n---\nReads.");
        let broken = library.current();
        assert_eq!(stopped(&broken, None), "Halt.");
        let description = |edition: &Edition| {
            let wording = edition.wording(&Place::default());
            let offers = wording.toolbox.offers();
            offers.iter().find(|offer| offer.name == "read_comments").unwrap().description.clone()
        };
        assert_eq!(description(&broken), "Reads what people said.");
        let told = problems(&broken);
        assert!(told.contains("prompts/stopped.md:2: there is no variable `who` here"), "{told}");
        assert!(told.contains("tools/read_comments.md:2: `enabled` must be true or false"), "{told}");
        folders.write("prompts/stopped.md", "Stop.");
        folders.write("tools/read_comments.md", "Reads.");
        let mended = library.current();
        assert_eq!((stopped(&mended, None), description(&mended)), ("Stop.".to_owned(), "Reads.".to_owned()));
        assert_eq!(problems(&mended), "");
    }

    #[test]
    fn a_file_broken_from_the_start_gives_way_to_the_next_one() {
        let folders = Folders::new();
        folders.write("prompts/stopped.md", "Halt.");
        folders.write("prompts/projects/MOB/stopped.md", "{% if %}");
        folders.write("prompts/skills/mine.md", "no settings at all");
        let library = folders.open();
        let edition = library.current();
        assert_eq!(stopped(&edition, Some("MOB")), "Halt.");
        assert_eq!(edition.problems().len(), 2, "{}", problems(&edition));
        let wording = edition.wording(&Place::default());
        assert!(wording.skills.get("triage").is_some() && wording.skills.get("mine").is_none());
    }

    #[test]
    fn a_project_may_have_words_of_its_own() {
        let folders = Folders::new();
        folders.write("prompts/projects/MOB/stopped.md", "Mobile stops.");
        let library = folders.open();
        let edition = library.current();
        assert!(edition.asks_for_project());
        assert_eq!(stopped(&edition, Some("MOB")), "Mobile stops.");
        assert!(stopped(&edition, Some("WEB")).starts_with("Stopped."));
        let hash = |project: Option<&str>| {
            let place = Place { workspace: None, project: project.map(str::to_owned) };
            edition.wording(&place).hash.clone()
        };
        assert_ne!(hash(Some("MOB")), hash(None));
        assert_eq!(hash(Some("WEB")), hash(None));
    }

    #[test]
    fn an_added_skill_is_there_at_the_next_look_and_one_can_be_switched_off() {
        let folders = Folders::new();
        let library = folders.open();
        folders.write("prompts/skills/haiku.md", "---\ndescription: Writes a haiku.\n---\nWrite a haiku.");
        folders.write("prompts/skills/standup.md", "---\nenabled: false\n---\n");
        let wording = library.current().wording(&Place::default());
        assert_eq!(wording.skills.get("haiku").unwrap().text, "Write a haiku.");
        assert!(wording.skills.get("standup").is_none());
        assert_eq!(problems(&library.current()), "");
    }

    #[test]
    fn a_folder_that_cannot_be_listed_leaves_its_files_in_use() {
        let folders = Folders::new();
        folders.write("prompts/stopped.md", "Halt.");
        let library = folders.open();
        let prompts = folders.0.path().join("prompts");
        fs::rename(&prompts, folders.0.path().join("away")).unwrap();
        // A file where the folder was cannot be listed, whoever asks.
        folders.write("prompts", "no folder");
        let edition = library.current();
        assert_eq!(stopped(&edition, None), "Halt.");
        assert!(problems(&edition).contains("prompts: cannot be listed"), "{}", problems(&edition));
        fs::remove_file(&prompts).unwrap();
        assert!(stopped(&library.current(), None).starts_with("Stopped."), "a folder that is gone is gone");
    }

    #[test]
    fn the_hash_follows_every_text_and_nothing_else() {
        let folders = Folders::new();
        let library = folders.open();
        let hash = || library.current().wording(&Place::default()).hash.clone();
        let built_in = hash();
        for (path, text) in [
            ("prompts/system.md", "Hello."),
            ("tools/read_comments.md", "Reads."),
            ("prompts/skills/haiku.md", "---\ndescription: x\n---\ny"),
        ] {
            folders.write(path, text);
            assert_ne!(hash(), built_in, "{path}");
            fs::remove_file(folders.0.path().join(path)).unwrap();
            assert_eq!(hash(), built_in, "{path}");
        }
    }
}
