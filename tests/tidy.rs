//! The rules of the house that no compiler checks: layers, file heads, file sizes, and the lists of
//! files that people edit.
#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each layer imports only from layers with a lower number; equals do not know one another.
const LAYERS: &[(&str, u8)] = &[
    ("domain", 0),
    ("config", 1),
    ("store", 2),
    ("plane", 2),
    ("llm", 2),
    ("tools", 3),
    ("agent", 4),
    ("worker", 5),
    ("server", 5),
    ("sandbox", 6),
    ("cli", 7),
];

const LONGEST_FILE_LINES: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// The part of a file before its tests.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

fn layer_of(path: &Path) -> Option<&'static (&'static str, u8)> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
    LAYERS.iter().find(|(name, _)| *name == first)
}

/// The top-level modules that `crate::…` paths in the text name.
fn named_modules(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads_of_group(group)),
            None => names.extend(head(rest)),
        }
    }
    names
}

fn head(text: &str) -> Option<String> {
    let name: String = text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn heads_of_group(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(head(&group[start..at]));
                return heads;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn layers_import_only_what_stands_below_them() {
    let mut breaches = Vec::new();
    for path in rust_files(&root().join("src")).iter().filter(|path| !is_test_file(path)) {
        let Some((layer, rank)) = layer_of(path) else { continue };
        for name in named_modules(without_tests(&fs::read_to_string(path).unwrap())) {
            let Some((_, imported)) = LAYERS.iter().find(|(known, _)| *known == name) else {
                continue;
            };
            if name != *layer && imported >= rank {
                breaches.push(format!("{} imports {name}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn the_stand_in_plane_shares_nothing_with_the_client_it_tests() {
    for path in rust_files(&root().join("src/sandbox")) {
        let names = named_modules(&fs::read_to_string(&path).unwrap());
        let foreign: Vec<_> = names.iter().filter(|name| !["domain", "sandbox"].contains(&name.as_str())).collect();
        let foreign: Vec<_> =
            foreign.into_iter().filter(|name| LAYERS.iter().any(|(layer, _)| layer == name)).collect();
        assert!(foreign.is_empty(), "{} imports {foreign:?}", path.display());
    }
}

#[test]
fn every_module_is_a_layer() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, LAYERS.iter().map(|(name, _)| *name).collect());
}

#[test]
fn every_file_says_what_it_is_for() {
    // A folder with nothing in it yet is not in a fresh clone.
    for dir in ["src", "tests", "benches"].map(|name| root().join(name)).into_iter().filter(|dir| dir.exists()) {
        for path in rust_files(&dir) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
        }
    }
}

#[test]
fn no_file_outgrows_its_purpose() {
    for path in rust_files(&root().join("src")).iter().filter(|path| !is_test_file(path)) {
        let text = fs::read_to_string(path).unwrap();
        let lines = without_tests(&text).lines().count();
        assert!(lines <= LONGEST_FILE_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_tool_has_its_file_its_description_and_nothing_is_left_over() {
    let tools: BTreeSet<_> = aileron::tools::all().iter().map(|tool| tool.name().to_owned()).collect();
    let described: BTreeSet<_> =
        aileron::tools::toolbox::DESCRIPTIONS.iter().map(|(file, _)| file.trim_end_matches(".md").to_owned()).collect();
    assert_eq!(tools, described);
    assert_eq!(tools, names_in("tools"));
    for tool in &tools {
        let path = root().join(format!("src/tools/{tool}.rs"));
        assert!(path.exists(), "{} is missing", path.display());
    }
}

#[test]
fn every_prompt_on_disk_is_used() {
    let edition = aileron::agent::prompts::library::Library::built_in().current();
    let wording = edition.wording(&aileron::agent::prompts::place::Place::default());
    let used: BTreeSet<_> = wording.sources().map(|(item, _, _)| item.to_string()).collect();
    let on_disk = [files_in("prompts", ""), files_in("tools", "tools/")].concat();
    assert_eq!(used, on_disk.into_iter().collect());
}

fn files_in(dir: &str, prefix: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(dir)).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        if path.is_dir() {
            files.extend(files_in(path.to_str().unwrap(), &format!("{name}/")));
        } else {
            files.push(name);
        }
    }
    files
}

fn names_in(dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(dir)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn nested_imports_are_read_right() {
    let text = "use crate::{\n    agent::{Agent, turn::Control},\n    store::Store,\n};\nfn f(x: crate::plane::PlaneError) {}\n// crate::cli";
    let names: Vec<_> = named_modules(text).into_iter().collect();
    assert_eq!(names, ["agent", "plane", "store"]);
}
