//! aileron answers when someone mentions it in a Plane work item.
//!
//! Read the modules in this order; each imports only from those above it, and
//! `tests/tidy.rs` keeps it so.
//!
//! 1. [`domain`]: the words everything else speaks. No IO, no async runtime, no clock.
//! 2. [`config`]: `aileron.toml` and the environment become one typed `Config`.
//! 3. [`store`], [`plane`], [`llm`]: the three adapters. They do not know one another.
//! 4. [`tools`]: what the model may do, one file a tool.
//! 5. [`agent`]: the pure session that decides, and the turn that carries its decisions out.
//! 6. [`worker`] and [`server`]: they meet only in the store. The server accepts events, the
//!    worker claims runs and advances them.
//! 7. [`sandbox`]: a stand-in Plane that enforces the contract, for the demo and the tests.
//! 8. [`cli`]: one file a command; `cli/serve.rs` is the only place that builds it all.

pub mod domain;

pub mod config;

pub mod llm;
pub mod plane;
pub mod store;

pub mod tools;

pub mod agent;

pub mod server;
pub mod worker;

pub mod sandbox;

pub mod cli;
