//! The words every layer speaks: ids, events, activities, messages, work items, journal records.
//!
//! Nothing here does IO, awaits, or reads a clock; nothing here knows Plane's or a provider's wire format.

pub mod activity;
pub mod deed;
pub mod disposition;
pub mod event;
pub mod feature;
pub mod ids;
pub mod installation;
pub mod intake;
pub mod picture;
pub mod plans;
pub mod role;
pub mod talk;
pub mod touched;
pub mod usage;
pub mod work_item;
pub mod write;
