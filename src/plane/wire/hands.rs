//! Whose a record is. Plane lets every member of a project change what somebody else made, and make something
//! in another's name; who really did is told only by those who are named with a record besides its author.

use super::fields::Fields;
use crate::domain::{ids::UserId, work_item::Words};

/// Whose words a record holds: nobody's where more than one is named with it. The author stays as it was
/// whoever else had a hand in it; that is told by `updated_by`, by an `actor` that is not `created_by`, or by
/// something `besides`, such as the webhook's own actor.
pub(in crate::plane) fn author(fields: Fields<'_>, besides: Option<UserId>) -> Option<UserId> {
    let mut named = named(fields).chain(besides);
    let first = named.next()?;
    named.all(|other| other == first).then_some(first)
}

/// Whose words a comment holds, as far as it tells by itself.
pub(in crate::plane) fn words(fields: Fields<'_>) -> Words {
    let author: Option<UserId> = fields.id("actor").or_else(|| fields.id("created_by"));
    let changed_by: Option<UserId> = fields.id("updated_by");
    match author {
        Some(author) if changed_by.is_some_and(|by| by != author) => Words::Changed,
        Some(_) if named(fields).all(|named| Some(named) == author) => Words::Authors,
        Some(_) | None => Words::Lent,
    }
}

/// Whether nobody else is named with a record than the one we write as, where that is known.
pub(in crate::plane) fn is_ours(fields: Fields<'_>, bot: Option<UserId>) -> bool {
    let owner = bot.or_else(|| named(fields).next());
    named(fields).all(|named| Some(named) == owner)
}

/// Whether a record was made by the one we write as, where that is known; others may have changed it since.
pub(in crate::plane) fn is_made_by(fields: Fields<'_>, bot: Option<UserId>) -> bool {
    bot.is_none_or(|bot| fields.id("created_by").is_none_or(|by: UserId| by == bot))
}

fn named(fields: Fields<'_>) -> impl Iterator<Item = UserId> {
    ["actor", "created_by", "updated_by"].into_iter().filter_map(move |name| fields.id(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_told_apart_by_whoever_else_is_named_with_them() {
        let [ada, bob] = [UserId(uuid::Uuid::from_u128(1)), UserId(uuid::Uuid::from_u128(2))];
        for (comment, expected) in [
            (json!({"actor": ada, "created_by": ada, "updated_by": null}), Words::Authors),
            (json!({"actor": {"id": ada}, "created_by": ada, "updated_by": ada}), Words::Authors),
            (json!({"created_by": ada}), Words::Authors),
            (json!({"actor": ada, "created_by": ada, "updated_by": bob}), Words::Changed),
            (json!({"actor": ada, "created_by": bob, "updated_by": bob}), Words::Changed),
            (json!({"actor": ada, "created_by": bob, "updated_by": null}), Words::Lent),
            (json!({}), Words::Lent),
        ] {
            assert_eq!(words(Fields::of(&comment).unwrap()), expected, "{comment}");
        }
    }
}
