//! The `rialto` binary: reads the command line, runs one subcommand, and turns how it ended into an exit code.
use std::process::ExitCode;

use clap::Parser;
use rialto_tools::cli::Cli;
use rialto_tools::failure;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rialto: {error:#}");
            failure::exit_code(&error)
        }
    }
}
