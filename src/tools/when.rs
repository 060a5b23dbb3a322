//! Times as people tell them: on the clocks of a place, and how long ago.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A place's clocks, and the moment it is there now.
#[derive(Debug, Clone)]
pub struct When {
    zone: TimeZone,
    now: Timestamp,
}

impl When {
    /// By the IANA name of a time zone; one that is not known is UTC.
    #[must_use]
    pub fn new(zone: &str, now: Timestamp) -> Self {
        Self { zone: zone_named(zone).unwrap_or(TimeZone::UTC), now }
    }

    /// `Europe/Berlin`
    #[must_use]
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// `Tuesday, 2026-11-24`
    #[must_use]
    pub fn today_in_words(&self) -> String {
        self.today().strftime("%A, %Y-%m-%d").to_string()
    }

    /// `2026-11-22 16:02 (2 days ago)`
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> String {
        let there = self.zone.to_datetime(at);
        let since = self.now.duration_since(at);
        let relative = if since.abs() < SignedDuration::from_hours(24) {
            hours_and_minutes(since)
        } else {
            days(i64::from((self.today() - there.date()).get_days()))
        };
        format!("{} ({relative})", there.strftime("%Y-%m-%d %H:%M"))
    }

    /// The day a moment falls on there.
    #[must_use]
    pub fn day_of(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// `2026-11-30 (in 6 days)`
    #[must_use]
    pub fn day(&self, date: Date) -> String {
        format!("{date} ({})", days(i64::from((self.today() - date).get_days())))
    }

    /// The day it is there.
    #[must_use]
    pub fn today(&self) -> Date {
        self.zone.to_datetime(self.now).date()
    }
}

/// The time zone of an IANA name.
#[must_use]
pub fn zone_named(name: &str) -> Option<TimeZone> {
    TimeZone::get(name.trim()).ok()
}

fn hours_and_minutes(since: SignedDuration) -> String {
    let minutes = since.as_secs().abs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => ago(since.is_negative(), minutes, "minute"),
        _ => ago(since.is_negative(), minutes / 60, "hour"),
    }
}

/// Counted in days of the calendar: what was late yesterday is "yesterday".
fn days(past: i64) -> String {
    let future = past < 0;
    match past.abs() {
        0 => "today".to_owned(),
        1 => if future { "tomorrow" } else { "yesterday" }.to_owned(),
        count @ 2..=13 => ago(future, count, "day"),
        count @ 14..=59 => ago(future, count / 7, "week"),
        count @ 60..=729 => ago(future, count / 30, "month"),
        count => ago(future, count / 365, "year"),
    }
}

fn ago(future: bool, count: i64, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    if future { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn moments_are_told_on_the_clocks_of_the_place() {
        let berlin = When::new("Europe/Berlin", at("2026-11-24T15:00:00Z"));
        assert_eq!(berlin.today_in_words(), "Tuesday, 2026-11-24");
        for (text, told) in [
            ("2026-11-24T14:59:40Z", "2026-11-24 15:59 (just now)"),
            ("2026-11-24T14:59:00Z", "2026-11-24 15:59 (1 minute ago)"),
            ("2026-11-24T12:00:00Z", "2026-11-24 13:00 (3 hours ago)"),
            ("2026-11-23T13:00:00Z", "2026-11-23 14:00 (yesterday)"),
            ("2026-11-21T23:30:00Z", "2026-11-22 00:30 (2 days ago)"),
            // Summer time.
            ("2026-08-01T12:00:00Z", "2026-08-01 14:00 (3 months ago)"),
            ("2024-01-01T12:00:00Z", "2024-01-01 13:00 (2 years ago)"),
            ("2026-11-24T18:00:00Z", "2026-11-24 19:00 (in 3 hours)"),
        ] {
            assert_eq!(berlin.moment(at(text)), told);
        }
    }

    #[test]
    fn days_count_from_today_there() {
        let auckland = When::new("Pacific/Auckland", at("2026-11-24T15:00:00Z"));
        assert_eq!(auckland.day(jiff::civil::date(2026, 11, 25)), "2026-11-25 (today)");
        assert_eq!(auckland.day(jiff::civil::date(2026, 12, 1)), "2026-12-01 (in 6 days)");
        assert_eq!(auckland.day(jiff::civil::date(2026, 11, 24)), "2026-11-24 (yesterday)");
    }

    #[test]
    fn a_place_nobody_knows_is_utc() {
        assert_eq!(When::new("Mars/Olympus", Timestamp::UNIX_EPOCH).zone_name(), "UTC");
        assert_eq!(When::new("Asia/Tokyo", Timestamp::UNIX_EPOCH).zone_name(), "Asia/Tokyo");
    }
}
