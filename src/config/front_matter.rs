//! The head of a text file: a few settings between two `---` lines, then the text.
//!
//! It reads what people write by hand, `key: value` as well as `key = value`, and lists in brackets,
//! with commas, or one entry a line. It is no YAML: a value means itself, with or without quotes.

use super::files::Flaw;

/// A file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontMatter {
    pub fields: Vec<Field>,
    /// What follows the settings, without blank lines around it.
    pub text: String,
    /// The line the text begins on, counted from 1.
    pub text_line: usize,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// In lower case, with `_` between words.
    pub key: String,
    /// The value, and the lines it goes on over.
    parts: Vec<String>,
    /// Counted from 1.
    pub line: usize,
}

impl FrontMatter {
    /// Takes a file apart. One without settings is all text.
    ///
    /// # Errors
    /// Settings that are not closed, not readable, or written twice.
    pub fn parse(source: &str) -> Result<Self, Flaw> {
        let mut lines = (1..).zip(source.lines());
        if lines.next().is_none_or(|(_, line)| line.trim_end() != "---") {
            return Ok(Self { fields: Vec::new(), ..text_from(source, 0) });
        }
        let mut fields: Vec<Field> = Vec::new();
        for (number, line) in lines {
            if line.trim_end() == "---" {
                return Ok(Self { fields, ..text_from(source, number) });
            }
            let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
            let goes_on = line.starts_with([' ', '\t']) || line.starts_with("- ");
            match (blank, goes_on, fields.last_mut()) {
                (true, _, _) => {}
                (false, true, Some(field)) => field.parts.push(line.trim().to_owned()),
                (false, true, None) | (false, false, _) => {
                    let field = Field::parse(line, number)?;
                    if fields.iter().any(|known| known.key == field.key) {
                        return Err(Flaw::at(number, format!("`{}` is set twice", field.key)));
                    }
                    fields.push(field);
                }
            }
        }
        Err(Flaw::at(1, "the settings opened by `---` are not closed by another `---` line"))
    }
}

/// The text behind the first `skip` lines.
fn text_from(source: &str, skip: usize) -> FrontMatter {
    let blank = source.lines().skip(skip).take_while(|line| line.trim().is_empty()).count();
    let text = source.lines().skip(skip).collect::<Vec<_>>().join("\n").trim().to_owned();
    FrontMatter { fields: Vec::new(), text, text_line: skip + blank + 1 }
}

impl Field {
    fn parse(line: &str, number: usize) -> Result<Self, Flaw> {
        let unreadable = || Flaw::at(number, "expected a setting such as `key: value`");
        let (key, value) = line.split_once([':', '=']).ok_or_else(unreadable)?;
        let key = key.trim().to_lowercase().replace(['-', ' '], "_");
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(unreadable());
        }
        Ok(Self { key, parts: vec![value.trim().to_owned()], line: number })
    }

    /// The value as text, on one line.
    #[must_use]
    pub fn text(&self) -> String {
        unquoted(self.parts.join(" ").trim()).to_owned()
    }

    /// The value as a list.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let entries = self.parts.iter().flat_map(|part| part.split(','));
        let plain = entries.map(|entry| {
            let entry = entry.trim().trim_start_matches("- ").trim_matches(['[', ']']);
            unquoted(entry.trim()).trim().to_owned()
        });
        plain.filter(|entry| !entry.is_empty()).collect()
    }

    /// The value as yes or no.
    ///
    /// # Errors
    /// It is neither `true` nor `false`.
    pub fn flag(&self) -> Result<bool, Flaw> {
        match self.text().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Flaw::at(self.line, format!("`{}` must be true or false, not `{other}`", self.key))),
        }
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(source: &str) -> FrontMatter {
        FrontMatter::parse(source).unwrap()
    }

    #[test]
    fn settings_are_read_in_every_way_people_write_them() {
        let file = parsed(
            "---\nname: triage\n# a note\nDescription = \"Sorts: all of it\"\nwhen to use: someone asks\n  for an order\n\
             tools:\n  - read_work_item\n  - 'search'\nlist: [a, \"b\"]\n---\n\nThe text.\n---\nmore\n",
        );
        let keys: Vec<_> = file.fields.iter().map(|field| (field.key.as_str(), field.line)).collect();
        assert_eq!(keys, [("name", 2), ("description", 4), ("when_to_use", 5), ("tools", 7), ("list", 10)]);
        assert_eq!(file.fields[1].text(), "Sorts: all of it");
        assert_eq!(file.fields[2].text(), "someone asks for an order");
        assert_eq!(file.fields[3].list(), ["read_work_item", "search"]);
        assert_eq!(file.fields[4].list(), ["a", "b"]);
        assert_eq!((file.text.as_str(), file.text_line), ("The text.\n---\nmore", 13));
    }

    #[test]
    fn a_file_without_settings_is_all_text() {
        assert_eq!(parsed("\nJust text: this\n").text, "Just text: this");
        assert_eq!(parsed("\nJust text\n").text_line, 2);
        assert_eq!(parsed("---\n---\nText").text, "Text");
        assert_eq!(parsed("").text, "");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let cases = [
            ("---\nname: x\n", 1, "not closed"),
            ("---\nname: x\nname: y\n---\n", 3, "set twice"),
            ("---\nname: x\nwhat is this\n---\n", 3, "expected a setting"),
            ("---\n  indented\n---\n", 2, "expected a setting"),
            ("---\nnä: x\n---\n", 2, "expected a setting"),
        ];
        for (source, line, reason) in cases {
            let flaw = FrontMatter::parse(source).unwrap_err();
            assert_eq!(flaw.line, line, "{source:?}");
            assert!(flaw.reason.contains(reason), "{source:?}: {}", flaw.reason);
        }
        let flaw = parsed("---\n\nenabled: maybe\n---\n").fields[0].flag().unwrap_err();
        assert_eq!(flaw, Flaw::at(3, "`enabled` must be true or false, not `maybe`"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(source in "(---\n)?([a-z]{0,4}[:=] ?\\PC{0,8}\n|- \\PC{0,5}\n|  \\PC{0,5}\n|---\n|\\PC{0,9}\n){0,8}") {
            match FrontMatter::parse(&source) {
                Ok(file) => prop_assert!(file.text_line <= source.lines().count() + 1),
                Err(flaw) => prop_assert!(flaw.line >= 1 && flaw.line <= source.lines().count()),
            }
        }
    }
}
