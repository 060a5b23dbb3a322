//! Plane's JSON, in and out. Nothing here is visible outside the adapter: what comes in leaves as
//! domain values, what goes out is made from them.

pub(super) mod activity;
pub(super) mod attached;
pub(super) mod deed;
pub(super) mod failure;
pub(super) mod fields;
pub(super) mod hands;
pub(super) mod list;
pub(super) mod plans;
pub(super) mod record;
pub(super) mod spoken;
pub(super) mod write;

#[cfg(test)]
mod tests;
