//! The Plane client against real HTTP: what it sends, what it repeats, and what it makes of failures.

mod calls;
mod fake;
mod files;
mod tokens;
