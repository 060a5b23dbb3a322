//! Reading Plane's JSON without trusting it: every accessor gives `None` for what is missing, null
//! or of another type, so that one odd field does not lose the whole record.

use std::str::FromStr;

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A JSON object being read.
#[derive(Debug, Clone, Copy)]
pub(in crate::plane) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// `None` if the value is not an object.
    pub(in crate::plane) fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    pub(in crate::plane) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value, unless it is null or spells null: Plane renders some nulls as the text `None`.
    pub(in crate::plane) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null() && value.as_str() != Some("None"))
    }

    pub(in crate::plane) fn text(self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    /// The text, or an empty one.
    pub(in crate::plane) fn text_or_empty(self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// Text that is worth having: neither absent nor blank.
    pub(in crate::plane) fn filled_text(self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty()).map(str::to_owned)
    }

    /// A nested object; the empty object Plane gives for an expanded null counts as absent.
    pub(in crate::plane) fn object(self, name: &str) -> Option<Self> {
        Self::of(self.value(name)?).filter(|fields| !fields.0.is_empty())
    }

    /// The elements of a list; nothing for anything else.
    pub(in crate::plane) fn list(self, name: &str) -> &'a [Value] {
        self.value(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A reference to another record, given as its id or as an object that has one.
    pub(in crate::plane) fn id<T: FromStr<Err = uuid::Error>>(self, name: &str) -> Option<T> {
        id_of(self.value(name)?)
    }

    pub(in crate::plane) fn truth(self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// A count, given as a number or in digits.
    pub(in crate::plane) fn count(self, name: &str) -> Option<u64> {
        let value = self.value(name)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    pub(in crate::plane) fn number(self, name: &str) -> Option<f64> {
        self.value(name)?.as_f64()
    }

    /// A moment with `Z` or any offset.
    pub(in crate::plane) fn time(self, name: &str) -> Option<Timestamp> {
        self.text(name)?.parse().ok()
    }

    /// A day; the time of day is dropped where one is given.
    pub(in crate::plane) fn date(self, name: &str) -> Option<Date> {
        self.text(name)?.get(..10)?.parse().ok()
    }
}

/// The id in a reference: the text itself, or the `id` of an object.
pub(in crate::plane) fn id_of<T: FromStr<Err = uuid::Error>>(value: &Value) -> Option<T> {
    let text = value.as_str().or_else(|| value.as_object()?.get("id")?.as_str())?;
    // Braced and URN spellings would parse too, but no Plane writes them.
    Uuid::try_parse(text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::StateId;

    #[test]
    fn a_reference_is_read_in_every_shape() {
        let id = "ade59836-7579-4657-bc2f-e8a80de9511a";
        let body = json!({"plain": id, "nested": {"id": id, "name": "x"}, "null": null, "empty": {}, "word": "None", "odd": 7});
        let fields = Fields::of(&body).unwrap();
        let expected: StateId = id.parse().unwrap();
        assert_eq!(fields.id::<StateId>("plain"), Some(expected));
        assert_eq!(fields.id::<StateId>("nested"), Some(expected));
        for absent in ["null", "empty", "word", "odd", "missing"] {
            assert_eq!(fields.id::<StateId>(absent), None, "{absent}");
        }
    }

    #[test]
    fn moments_keep_their_instant_under_every_offset() {
        let body = json!({"z": "2026-01-15T10:30:02.000000Z", "offset": "2026-01-15T16:00:02+05:30", "bad": "soon"});
        let fields = Fields::of(&body).unwrap();
        assert!(fields.time("z").is_some());
        assert_eq!(fields.time("z"), fields.time("offset"));
        assert_eq!(fields.time("bad"), None);
    }

    #[test]
    fn days_are_read_from_dates_and_from_moments() {
        let body =
            json!({"day": "2026-11-30", "moment": "2026-11-30T00:00:00Z", "bad": "30.11.", "umlaut": "äöüäöüäöü"});
        let fields = Fields::of(&body).unwrap();
        assert_eq!(fields.date("day"), Some(jiff::civil::date(2026, 11, 30)));
        assert_eq!(fields.date("moment"), fields.date("day"));
        assert_eq!(fields.date("bad"), None);
        assert_eq!(fields.date("umlaut"), None);
    }
}
