//! `cargo barecall`: the instrument at the command line. Each subcommand has a
//! file of its own.

mod walk;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Proves how a call reaches a C symbol.
#[derive(Debug, Parser)]
#[command(name = "cargo-barecall", bin_name = "cargo barecall", version)]
struct Cli {
    #[command(subcommand)]
    subcommand: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    Walk(walk::Args),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What a subcommand has to say, and whether all is as claimed.
struct Outcome {
    text: String,
    holds: bool,
}

fn main() -> ExitCode {
    let result = match Cli::parse_from(arguments()).subcommand {
        Subcommands::Walk(args) => args.run(),
    };
    match result {
        Ok(outcome) => {
            print(&outcome.text);
            ExitCode::from(u8::from(!outcome.holds))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// `cargo barecall walk` runs `cargo-barecall barecall walk`.
fn arguments() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "barecall") {
        arguments.remove(1);
    }
    arguments
}

/// To stdout; a broken pipe is not an error.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(if text.ends_with('\n') { b"" } else { b"\n" }));
}
