//! Parses the command line, runs the command, and turns what happened into an exit code.

use std::process::ExitCode;

use aileron::cli::{self, Cli};
use clap::Parser as _;

fn main() -> ExitCode {
    // Every HTTP client is built on this TLS implementation; the first to ask decides.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::main(Cli::parse())
}
