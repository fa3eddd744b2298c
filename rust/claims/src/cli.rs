//! The command line of the judge, as clap parses it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Check every claim of this workspace by running code, and print verdicts with evidence.
///
/// The default command is `prove`.
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
                                                        use a million tasks instead of ten thousand
  cargo run --release -- --format json                  print the same facts as JSON
  cargo run --release -- list                           list the claims
  cargo run --release -- show one-instruction           show source, Rust and C side by side, with calls marked
  cargo run --release -- report                         write a page with all evidence: target/report/index.html
  cargo run --release -- cite one-instruction           print how to cite a claim

Exit codes: 0 all is as claimed; 1 a claim does not hold; 2 usage or environment.
With BARECALL_REQUIRE=all, everything that could not be checked is a failure. To require only some tools, list them:
BARECALL_REQUIRE=ptrace,go,valgrind.";

/// What to do.
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
    /// Write a page with all evidence
    Report {
        /// The folder to write to; replaces an earlier report
        #[arg(long, value_name = "DIR", default_value = "target/report")]
        out: PathBuf,
    },
    /// Print how to cite a claim: in one line, as BibTeX and as Markdown
    Cite {
        /// The claim, as `list` names it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Compare the recorded evidence, EVIDENCE.md and docs/ladder.svg with what is found now
    Evidence {
        /// Record what is found now instead
        #[arg(long)]
        accept: bool,
    },
    /// Run the scenario in CLAIMS_SCENARIO: the judge starts itself this way
    #[command(hide = true)]
    Scenario {
        /// Arguments for a test program, which the judge ignores
        #[arg(hide = true, allow_hyphen_values = true, trailing_var_arg = true)]
        harness: Vec<String>,
    },
}

/// Which claims to check, and how.
#[derive(Args, Debug)]
pub struct Prove {
    /// The claims to check [default: all]
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Regenerate everything, including slow evidence normally read from disk (below-zero: clang, a minute)
    #[arg(long)]
    pub live: bool,
    /// Regenerate everything, and replace the recorded evidence with the result
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
    /// Keep N tasks asleep at once in million-tasks [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tasks: Option<u64>,
    /// Time each thread ring over N hops in switch-cost [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub hops: Option<u64>,
}

/// The output format.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Text for people, or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}
