//! The command line: what the judge can be asked, as clap parses it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Checks every claim of this workspace by running code, and prints a verdict with the evidence.
///
/// Without a command, `prove`.
#[derive(Debug, Parser)]
#[command(name = "cargo run --release --", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub prove: Prove,
}

const EXAMPLES: &str = "Examples:
  cargo run --release                                   prove every claim, print the table
  cargo run --release -- prove one-instruction          prove one claim
  cargo run --release -- prove million-tasks --tasks 1000000
                                                        with a million tasks instead of ten thousand
  cargo run --release -- --format json                  the same facts as JSON
  cargo run --release -- list                           list the claims
  cargo run --release -- show one-instruction           source, Rust and C side by side, calls marked
  cargo run --release -- report                         write a page with all the evidence: target/report/index.html
  cargo run --release -- cite one-instruction           print how to cite a claim

Exit codes: 0 all is as claimed; 1 a claim does not hold; 2 usage or environment.
Set BARECALL_REQUIRE=all to make whatever could not be checked a failure, or name what must not be missing:
BARECALL_REQUIRE=ptrace,go,valgrind.";

/// What the judge is asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check claims and print their verdicts
    Prove(Prove),
    /// List the claims
    List(Output),
    /// Show a claim's evidence: source, Rust listing and C listing side by side
    Show {
        /// The claim, as `list` names it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        sizes: Sizes,
        #[command(flatten)]
        output: Output,
    },
    /// Write a page with all the evidence, to look at and to link to
    Report {
        /// The folder to write to; an earlier report there is replaced
        #[arg(long, value_name = "DIR", default_value = "target/report")]
        out: PathBuf,
    },
    /// Print how to cite a claim: in a line, for BibTeX, and in Markdown
    Cite {
        /// The claim, as `list` names it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Compare EVIDENCE.md and docs/ladder.svg with what is found now
    Evidence {
        /// Write them instead
        #[arg(long)]
        accept: bool,
    },
    /// Run what CLAIMS_SCENARIO says: how the judge starts itself again
    #[command(hide = true)]
    Scenario {
        /// What a test program is told as well, and the judge ignores
        #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
        harness: Vec<String>,
    },
}

/// Which claims to check, and how.
#[derive(Args, Debug)]
pub struct Prove {
    /// The claims to check; all of them by default
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Regenerate everything, including slow evidence normally read from disk (below-zero: clang, a minute)
    #[arg(long)]
    pub live: bool,
    /// The same, and replace the recorded evidence with it
    #[arg(long)]
    pub record: bool,
    #[command(flatten)]
    pub sizes: Sizes,
    #[command(flatten)]
    pub output: Output,
}

/// Sizes that some claims take.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// How many tasks million-tasks keeps asleep at once [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tasks: Option<u64>,
    /// Over how many hops switch-cost times each thread ring [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub hops: Option<u64>,
}

/// How to print.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Text for people, or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}
