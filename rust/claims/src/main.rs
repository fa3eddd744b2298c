//! The judge: `cargo run --release` checks every claim of this workspace on the running program's own image, and
//! prints what became of each.
//!
//! Exit codes: 0 all is as claimed; 1 a claim does not hold; 2 usage or environment.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use claims::baseline::{self, evidence};
use claims::bridge;
use claims::claim::{Claim, Verdict};
use claims::claims::{self as all, Statement};
use claims::image_under_test::{self, ImageUnderTest, OnFile};
use claims::measure::limits;
use claims::render::{self, citation, html, text};
use claims::scenario::act::{self, Act};
use claims::scenario::child::Errand;
#[cfg(target_os = "linux")]
use claims::scenario::thread_ring;
use claims::scenario::{cross_thread_cost, polls};
use claims::today;

/// Counts what this program allocates: some claims are about that.
#[global_allocator]
static ALLOCATOR: claims::measure::allocations::Counting = claims::measure::allocations::Counting;

/// Checks every claim of this workspace by running code, and prints a verdict with the evidence.
///
/// Without a command, `prove`.
#[derive(Parser)]
#[command(name = "cargo run --release --", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    prove: Prove,
}

const EXAMPLES: &str = "Examples:
  cargo run --release                                   prove every claim, print the table
  cargo run --release -- prove one-instruction          one claim
  cargo run --release -- prove million-tasks --tasks 1000000
                                                        a million of them, not the few that there is always time for
  cargo run --release -- --format json                  the same facts for a program
  cargo run --release -- list                           the claims
  cargo run --release -- show one-instruction           source, Rust and C side by side, calls marked
  cargo run --release -- report                         a page of it all: target/report/index.html
  cargo run --release -- cite one-instruction           how to cite it

Exit codes: 0 all is as claimed; 1 a claim does not hold; 2 usage or environment.
BARECALL_REQUIRE=all makes whatever could not be checked a failure; =ptrace,go,valgrind (any of them), what wants for that.";

#[derive(Subcommand)]
enum Command {
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
    /// Write a page of all the evidence, to look at and to link to
    Report {
        /// The folder to write it to; an earlier report there is replaced
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
    /// Compare EVIDENCE.md and the picture of the ladders with what is found now
    Evidence {
        /// Write them instead
        #[arg(long)]
        accept: bool,
    },
    /// Perform an exhibit, for the judge to walk
    #[command(hide = true)]
    Act {
        /// `rust/say`, `c/say`, `multi_thread/say_ready`, …
        name: String,
    },
    /// Run a thread ring, for the judge to count its system calls
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    ThreadRing {
        /// `tokio 8 1 17 64`: variant, stages, messages in flight, hops of each, bytes of buffer
        words: Vec<String>,
    },
    /// Perform every exhibit and twin, for callgrind to count
    #[command(hide = true)]
    Perform {
        /// How often
        times: usize,
    },
    /// What the judge has a child do
    #[command(hide = true)]
    Errand { words: Vec<String> },
}

#[derive(Args)]
struct Prove {
    /// The claims to check; all, if none is named
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Make all evidence now, also what otherwise is on file since it takes long (below-zero: clang, a minute)
    #[arg(long)]
    live: bool,
    /// The same, and put it in the place of what is on file
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
struct Sizes {
    /// How many tasks million-tasks has asleep at once [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tasks: Option<u64>,
    /// Over how many hops switch-cost times each thread ring [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    hops: Option<u64>,
}

impl Sizes {
    /// Before anything starts: whether that many can be had, and whether a claim asks for them.
    fn check(&self, ids: &[String]) -> Result<(), Failure> {
        let asked = |flag, id: &'static str| {
            let asked = ids.iter().any(|wanted| wanted == id);
            asked
                .then_some(())
                .ok_or(Failure::NothingToSize { flag, id })
        };
        if self.hops.is_some() {
            asked("hops", "switch-cost")?;
        }
        if let Some(tasks) = self.tasks {
            asked("tasks", all::million_tasks::STATEMENT.id)?;
            all::million_tasks::can_be_had(tasks)?;
        }
        Ok(())
    }
}

#[derive(Args)]
struct Output {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Prove(cli.prove)) {
        Command::Prove(prove) => run_prove(&prove),
        Command::List(output) => run_list(output.format),
        Command::Show { id, sizes, output } => run_show(&id, &sizes, output.format),
        Command::Report { out } => run_report(&out),
        Command::Cite { id, output } => run_cite(&id, output.format),
        Command::Evidence { accept } => run_evidence(accept),
        Command::Act { name } => run_act(name),
        Command::Perform { times } => act::perform_all(times)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Failure::Output),
        Command::Errand { words } => run_errand(&words),
        #[cfg(target_os = "linux")]
        Command::ThreadRing { words } => run_thread_ring(&words),
    };
    done.unwrap_or_else(|failure| match failure {
        // Whoever read has read enough.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        failure => {
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::from(2)
        }
    })
}

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no claim {wanted}; the claims are: {}", all::ids().join(", "))]
    NoSuchClaim { wanted: String },
    #[error("no act {name}")]
    NoSuchAct { name: String },
    #[error("no errand {words}")]
    NoSuchErrand { words: String },
    #[error("--{flag} is for {id}, which is not among the claims to check")]
    NothingToSize {
        flag: &'static str,
        id: &'static str,
    },
    #[error(transparent)]
    Limits(#[from] limits::Error),
    #[cfg(target_os = "linux")]
    #[error("no thread ring {words}")]
    NoSuchRing { words: String },
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Ring(#[from] zero_cost_ffi::thread_ring::Error),
    #[error("nothing to judge: {0}")]
    ImageUnderTest(#[from] image_under_test::Error),
    #[error(transparent)]
    Report(#[from] html::Error),
    #[error("the evidence on file is that of an optimised image: cargo run --release -- evidence")]
    NotOptimised,
    #[error(transparent)]
    Evidence(#[from] baseline::Error),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("the output cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

fn named(id: &str) -> Result<&'static Statement, Failure> {
    all::ALL
        .iter()
        .find(|known| known.id == id)
        .ok_or_else(|| Failure::NoSuchClaim {
            wanted: id.to_owned(),
        })
}

fn run_prove(prove: &Prove) -> Result<ExitCode, Failure> {
    let ids = if prove.ids.is_empty() {
        all::ids().into_iter().map(str::to_owned).collect()
    } else {
        prove.ids.clone()
    };
    let statements = ids
        .iter()
        .map(|id| named(id))
        .collect::<Result<Vec<_>, _>>()?;
    prove.sizes.check(&ids)?;
    // Before anything starts. Without names, what cannot be run is said beside what can.
    #[cfg(target_os = "linux")]
    for id in &prove.ids {
        thread_ring::check(id, prove.sizes.hops)?;
    }
    let mut subject = ImageUnderTest::current()?;
    subject.tasks = prove.sizes.tasks;
    subject.hops = prove.sizes.hops;
    subject.on_file = match (prove.live, prove.record) {
        (_, true) => OnFile::Record,
        (true, false) => OnFile::Live,
        (false, false) => OnFile::Read,
    };
    subject.alone = statements.len() == 1;
    let checked: Vec<Claim> = statements
        .iter()
        .map(|statement| (statement.check)(&subject))
        .collect();
    let mut out = anstream::stdout().lock();
    match prove.output.format {
        Format::Text => text::table(&mut out, &bridge::report(&subject, &checked))?,
        Format::Json => json(&mut out, &bridge::report(&subject, &checked))?,
    }
    let missing: BTreeSet<_> = checked
        .iter()
        .flat_map(|claim| &claim.missing)
        .filter(|missing| requires(missing.what))
        .collect();
    for missing in &missing {
        writeln!(
            io::stderr(),
            "error: BARECALL_REQUIRE asks for {}: {}",
            missing.what,
            missing.why
        )?;
    }
    let failed = checked.iter().any(|claim| match claim.verdict {
        Verdict::DoesNotHold => true,
        Verdict::NotChecked => requires("all"),
        Verdict::Holds | Verdict::HoldsWithConditions => false,
    });
    Ok(ExitCode::from(u8::from(failed || !missing.is_empty())))
}

/// Whether `BARECALL_REQUIRE` names it.
fn requires(what: &str) -> bool {
    std::env::var("BARECALL_REQUIRE").is_ok_and(|list| {
        list.split(',')
            .any(|name| name.trim() == "all" || name.trim() == what)
    })
}

fn json(out: &mut impl io::Write, document: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)?;
    Ok(())
}

fn run_list(format: Format) -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => {
            let width = text::widest(all::ALL.iter().map(|claim| claim.id));
            for claim in all::ALL {
                writeln!(out, "{:<width$}  {}", claim.id, claim.says)?;
            }
        }
        Format::Json => {
            let claims = all::ALL
                .iter()
                .map(|claim| serde_json::json!({ "id": claim.id, "says": claim.says }))
                .collect::<Vec<_>>();
            serde_json::to_writer_pretty(
                &mut out,
                &serde_json::json!({
                    "schema": 1,
                    "version": env!("CARGO_PKG_VERSION"),
                    "date": today(),
                    "claims": claims,
                }),
            )?;
            writeln!(out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run_show(id: &str, sizes: &Sizes, format: Format) -> Result<ExitCode, Failure> {
    let statement = named(id)?;
    sizes.check(&[id.to_owned()])?;
    let mut subject = ImageUnderTest::current()?;
    subject.tasks = sizes.tasks;
    subject.hops = sizes.hops;
    subject.alone = true;
    let claim = (statement.check)(&subject);
    let report = bridge::report(&subject, std::slice::from_ref(&claim));
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => text::show(&mut out, &report)?,
        Format::Json => json(&mut out, &report)?,
    }
    Ok(ExitCode::from(u8::from(
        claim.verdict == Verdict::DoesNotHold,
    )))
}

fn check_all(subject: &ImageUnderTest) -> Vec<Claim> {
    all::ALL
        .iter()
        .map(|statement| (statement.check)(subject))
        .collect()
}

fn as_claimed(claims: &[Claim]) -> ExitCode {
    let fails = claims
        .iter()
        .any(|claim| claim.verdict == Verdict::DoesNotHold);
    ExitCode::from(u8::from(fails))
}

fn run_report(folder: &Path) -> Result<ExitCode, Failure> {
    // Before anything is checked: what cannot be written need not be.
    html::folder::writable(folder)?;
    let subject = ImageUnderTest::current()?;
    let checked = check_all(&subject);
    let index = html::write(folder, &bridge::report(&subject, &checked))?;
    writeln!(anstream::stdout().lock(), "{}", index.display())?;
    Ok(as_claimed(&checked))
}

fn run_cite(id: &str, format: Format) -> Result<ExitCode, Failure> {
    let statement = named(id)?;
    let subject = ImageUnderTest::current()?;
    let claim = (statement.check)(&subject);
    let report = bridge::report(&subject, std::slice::from_ref(&claim));
    let document = citation::Document::of(&report, &report.claims[0]);
    let mut out = anstream::stdout().lock();
    match format {
        Format::Text => writeln!(out, "{}", document.citation)?,
        Format::Json => json(&mut out, &document)?,
    }
    Ok(as_claimed(std::slice::from_ref(&claim)))
}

fn run_evidence(accept: bool) -> Result<ExitCode, Failure> {
    // Before anything is checked.
    if !evidence::optimised() {
        return Err(Failure::NotOptimised);
    }
    let subject = ImageUnderTest::current()?;
    let report = bridge::report(&subject, &check_all(&subject));
    let root = baseline::root();
    let outcome = if accept {
        evidence::accept(&root, &report, render::documents)?
    } else {
        evidence::compare(&root, &report, render::documents)?
    };
    writeln!(anstream::stdout().lock(), "{}", outcome.text.trim_end())?;
    for missing in &outcome.not_checked {
        writeln!(
            io::stderr(),
            "not checked: {}: {}",
            missing.what,
            missing.why
        )?;
    }
    let required = outcome
        .not_checked
        .iter()
        .any(|missing| requires(&missing.what));
    Ok(ExitCode::from(u8::from(!outcome.same || required)))
}

fn run_act(name: String) -> Result<ExitCode, Failure> {
    if let Some(polls) = polls::Polls::named(&name) {
        polls.perform()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some((kind, times)) = cross_thread_cost::Kind::named(&name) {
        kind.perform(times)?;
        return Ok(ExitCode::SUCCESS);
    }
    let act = Act::named(&name).ok_or(Failure::NoSuchAct { name })?;
    act.perform()?;
    Ok(ExitCode::SUCCESS)
}

fn run_errand(words: &[String]) -> Result<ExitCode, Failure> {
    let errand = Errand::named(words).ok_or_else(|| Failure::NoSuchErrand {
        words: words.join(" "),
    })?;
    errand.perform()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(target_os = "linux")]
fn run_thread_ring(words: &[String]) -> Result<ExitCode, Failure> {
    let (variant, plan) = thread_ring::told(words).ok_or_else(|| Failure::NoSuchRing {
        words: words.join(" "),
    })?;
    plan.run(variant)?;
    Ok(ExitCode::SUCCESS)
}
