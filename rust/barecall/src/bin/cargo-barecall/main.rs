//! `cargo barecall`: the instrument at the command line. Each subcommand has its own file.

mod calls;
mod check;
mod diff;
mod images;
mod progress;
mod record;
mod report;
mod selection;
mod shell;
mod show;
mod walk;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Prove how each call reaches its symbol, from the linked image.
///
/// A call is bare if exactly one instruction executes from the caller to the callee's first instruction. The routes
/// `direct`, `got` and `register` are bare; `plt`, `thunk`, `pointer` and `unresolved` are not.
#[derive(Debug, Parser)]
#[command(name = "cargo-barecall", bin_name = "cargo barecall", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    subcommand: Subcommands,
}

const EXAMPLES: &str = "\
Examples:
  cargo barecall calls --release             list every call from Rust into C in what this package builds
  cargo barecall calls --from '^my_crate::'  list the calls of one crate only
  cargo barecall check --release             exit with 1, and print evidence, if a call is not bare
  cargo barecall show --release my_function  print a listing with every call's route beside it
  cargo barecall calls --file /bin/ls        inspect any other image
  cargo barecall report --release            write a page with all calls: target/barecall.html
  cargo barecall walk --from f --to puts -- ./program  record one running call, instruction by instruction

Exit codes: 0 all is as asked; 1 a check does not hold; 2 usage or environment.";

#[derive(Debug, Subcommand)]
enum Subcommands {
    Calls(calls::Args),
    Check(check::Args),
    Show(show::Args),
    Walk(walk::Args),
    Diff(diff::Args),
    Report(report::Args),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for people
    Text,
    /// JSON for programs, with "schema": 1; one document per line
    Json,
}

impl Format {
    /// Renders a document in this format; as JSON, it is one line.
    fn render(self, document: &impl Document) -> Result<String, Failure> {
        Ok(match self {
            Self::Text => document.text(),
            Self::Json => record::line(document)? + "\n",
        })
    }
}

/// What is printed about an image, or about two. The text is rendered from the facts in the JSON.
trait Document: Serialize {
    fn text(&self) -> String;
}

/// What a subcommand prints, and whether all is as claimed.
struct Outcome {
    text: String,
    holds: bool,
}

/// An error of usage or environment: exit code 2.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match run(Cli::parse_from(arguments())) {
        Ok(outcome) => {
            print(&outcome.text);
            ExitCode::from(u8::from(!outcome.holds))
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            let (red, end) = (RED.render(), RED.render_reset());
            // Where stderr is closed there is nobody to tell.
            let _ = writeln!(anstream::stderr(), "{red}error{end}: {text}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<Outcome, Failure> {
    Ok(match cli.subcommand {
        Subcommands::Calls(args) => args.run()?,
        Subcommands::Check(args) => args.run()?,
        Subcommands::Show(args) => args.run()?,
        Subcommands::Walk(args) => args.run()?,
        Subcommands::Diff(args) => args.run()?,
        Subcommands::Report(args) => args.run()?,
        Subcommands::Completions(args) => args.run(),
        Subcommands::Man(args) => args.run()?,
    })
}

/// `cargo barecall calls` runs `cargo-barecall barecall calls`.
fn arguments() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "barecall") {
        arguments.remove(1);
    }
    arguments
}

/// Prints to stdout, in colour if that is a terminal. A broken pipe is not an error.
fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(end.as_bytes()))
        .and_then(|()| stdout.flush());
}

const GREEN: anstyle::Style = anstyle::AnsiColor::Green.on_default();
const RED: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
const BOLD: anstyle::Style = anstyle::Style::new().bold();

/// Text in a style. The style is dropped unless the output is a terminal.
fn painted(style: anstyle::Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A route's colour: green is bare.
fn colour(route: barecall::Route) -> anstyle::Style {
    if route.is_bare() { GREEN } else { RED }
}

/// `1 call into C`, `2 calls into C`.
fn counted(count: usize, noun: &str) -> String {
    match noun.strip_prefix("calls") {
        Some(rest) if count == 1 => format!("1 call{rest}"),
        _ => format!("{count} {noun}"),
    }
}
