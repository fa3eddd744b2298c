//! The judge: `cargo run --release` checks every claim of this workspace on the running program's own image, and
//! prints what became of each.
//!
//! Exit codes: 0 all is as claimed; 1 a claim does not hold; 2 usage or environment.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use claims::baseline::{self, evidence};
use claims::claims::SPECS;
use claims::cli::{Cli, Command, Format, Prove, Sizes};
use claims::evaluation::{CannotRun, Context, OnFile, Request, Size, Spec};
use claims::image_under_test::{self, ImageUnderTest};
use claims::render::{self, citation, html, text};
use claims::report::{Missing, Report, Verdict};
use claims::scenario::child::{self, ChildError};

/// Counts what this program allocates: some claims are about that.
#[global_allocator]
static ALLOCATOR: claims::measure::allocations::Counting = claims::measure::allocations::Counting;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Prove(cli.prove)) {
        Command::Prove(asked) => prove(&asked),
        Command::List(output) => list(output.format),
        Command::Show { id, sizes, output } => show(&id, sizes, output.format),
        Command::Report { out } => report(&out),
        Command::Cite { id, output } => cite(&id, output.format),
        Command::Evidence { accept } => compare(accept),
        Command::Scenario { .. } => child::serve()
            .unwrap_or(Err(ChildError::NotAsked))
            .map(|()| ExitCode::SUCCESS)
            .map_err(Failure::Child),
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
    #[error("no claim {wanted}; the claims are: {}", ids(SPECS.iter()).join(", "))]
    NoSuchClaim { wanted: String },
    #[error("--{flag} is for {for_them}, which is not among the claims to check")]
    NothingToSize {
        flag: &'static str,
        for_them: String,
    },
    #[error("{0}")]
    CannotRun(CannotRun),
    #[error("nothing to judge: {0}")]
    ImageUnderTest(#[from] image_under_test::Error),
    #[error(transparent)]
    Report(#[from] html::Error),
    #[error("the evidence on file is that of an optimised image: cargo run --release -- evidence")]
    NotOptimised,
    #[error(transparent)]
    Evidence(#[from] baseline::Error),
    #[error(transparent)]
    Child(#[from] ChildError),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

fn ids<'a>(specs: impl Iterator<Item = &'a &'static Spec>) -> Vec<&'static str> {
    specs.map(|spec| spec.id).collect()
}

fn named(id: &str) -> Result<&'static Spec, Failure> {
    let found = SPECS.iter().find(|spec| spec.id == id);
    found.copied().ok_or_else(|| Failure::NoSuchClaim {
        wanted: id.to_owned(),
    })
}

/// What the checks are given, once it is known that these claims can be run as asked. Claims that nobody
/// named are not asked first: the table says of them what could not be run.
fn context(specs: &[&'static Spec], named: bool, request: Request) -> Result<Context, Failure> {
    for (flag, size, asked) in [
        ("hops", Size::Hops, request.hops),
        ("tasks", Size::Tasks, request.tasks),
    ] {
        let takes_it = |spec: &&&'static Spec| spec.sizes.contains(&size);
        if asked.is_some() && !specs.iter().any(|spec| takes_it(&spec)) {
            let for_them = ids(SPECS.iter().filter(takes_it)).join(", ");
            return Err(Failure::NothingToSize { flag, for_them });
        }
    }
    let asks = named || request.tasks.is_some() || request.hops.is_some();
    for spec in specs.iter().filter(|_| asks) {
        (spec.can_run)(&request).map_err(Failure::CannotRun)?;
    }
    Ok(Context {
        image: ImageUnderTest::current()?,
        request,
    })
}

fn prove(asked: &Prove) -> Result<ExitCode, Failure> {
    let specs = match &asked.ids[..] {
        [] => SPECS.to_vec(),
        ids => ids.iter().map(|id| named(id)).collect::<Result<_, _>>()?,
    };
    let request = Request {
        tasks: asked.sizes.tasks,
        hops: asked.sizes.hops,
        alone: specs.len() == 1,
        on_file: match (asked.live, asked.record) {
            (_, true) => OnFile::Record,
            (true, false) => OnFile::Live,
            (false, false) => OnFile::Read,
        },
    };
    let context = context(&specs, !asked.ids.is_empty(), request)?;
    let report = claims::judge(&context, &specs, |_| ());
    match asked.output.format {
        Format::Text => text::table(&mut anstream::stdout().lock(), &report)?,
        Format::Json => json(&report)?,
    }
    let missing = report.claims.iter().flat_map(|claim| &claim.missing);
    let required = say_required(missing)?;
    let not_checked = |verdict| verdict == Verdict::NotChecked && requires("all");
    let failed = report
        .claims
        .iter()
        .any(|claim| claim.verdict == Verdict::DoesNotHold || not_checked(claim.verdict));
    Ok(ExitCode::from(u8::from(failed || required)))
}

/// Says which of these `BARECALL_REQUIRE` asks for, each once; whether it asks for any.
fn say_required<'a>(missing: impl Iterator<Item = &'a Missing>) -> io::Result<bool> {
    let required: BTreeSet<_> = missing.filter(|missing| requires(&missing.what)).collect();
    for Missing { what, why } in &required {
        writeln!(
            io::stderr(),
            "error: BARECALL_REQUIRE asks for {what}: {why}"
        )?;
    }
    Ok(!required.is_empty())
}

/// Whether `BARECALL_REQUIRE` names it.
fn requires(what: &str) -> bool {
    std::env::var("BARECALL_REQUIRE").is_ok_and(|list| {
        list.split(',')
            .any(|name| name.trim() == "all" || name.trim() == what)
    })
}

fn json(document: &impl serde::Serialize) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)?;
    Ok(())
}

fn list(format: Format) -> Result<ExitCode, Failure> {
    match format {
        Format::Text => {
            let width = text::widest(SPECS.iter().map(|spec| spec.id));
            let mut out = anstream::stdout().lock();
            for spec in SPECS {
                writeln!(out, "{:<width$}  {}", spec.id, spec.statement)?;
            }
        }
        Format::Json => {
            let claim =
                |spec: &&'static Spec| serde_json::json!({ "id": spec.id, "says": spec.statement });
            json(&serde_json::json!({
                "schema": 1,
                "version": env!("CARGO_PKG_VERSION"),
                "date": claims::today(),
                "claims": SPECS.iter().map(claim).collect::<Vec<_>>(),
            }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The report of one claim, which is asked for alone.
fn only(id: &str, sizes: Sizes) -> Result<Report, Failure> {
    let spec = named(id)?;
    let request = Request {
        tasks: sizes.tasks,
        hops: sizes.hops,
        alone: true,
        ..Request::default()
    };
    let context = context(&[spec], false, request)?;
    Ok(claims::judge(&context, &[spec], |_| ()))
}

fn all() -> Result<Report, Failure> {
    let context = context(SPECS, false, Request::default())?;
    Ok(claims::judge(&context, SPECS, |_| ()))
}

fn as_claimed(report: &Report) -> ExitCode {
    let mut claims = report.claims.iter();
    let fails = claims.any(|claim| claim.verdict == Verdict::DoesNotHold);
    ExitCode::from(u8::from(fails))
}

fn show(id: &str, sizes: Sizes, format: Format) -> Result<ExitCode, Failure> {
    let report = only(id, sizes)?;
    match format {
        Format::Text => text::show(&mut anstream::stdout().lock(), &report)?,
        Format::Json => json(&report)?,
    }
    Ok(as_claimed(&report))
}

fn report(folder: &Path) -> Result<ExitCode, Failure> {
    // Before anything is checked: what cannot be written need not be.
    html::folder::writable(folder)?;
    let report = all()?;
    let index = html::write(folder, &report)?;
    writeln!(anstream::stdout().lock(), "{}", index.display())?;
    Ok(as_claimed(&report))
}

fn cite(id: &str, format: Format) -> Result<ExitCode, Failure> {
    let report = only(id, Sizes::default())?;
    let document = citation::Document::of(&report, &report.claims[0]);
    match format {
        Format::Text => writeln!(anstream::stdout().lock(), "{}", document.citation)?,
        Format::Json => json(&document)?,
    }
    Ok(as_claimed(&report))
}

fn compare(accept: bool) -> Result<ExitCode, Failure> {
    // Before anything is checked.
    if !evidence::optimised() {
        return Err(Failure::NotOptimised);
    }
    let (root, report) = (baseline::root(), all()?);
    let outcome = if accept {
        evidence::accept(&root, &report, render::documents)?
    } else {
        evidence::compare(&root, &report, render::documents)?
    };
    writeln!(anstream::stdout().lock(), "{}", outcome.text.trim_end())?;
    for Missing { what, why } in &outcome.not_checked {
        writeln!(io::stderr(), "not checked: {what}: {why}")?;
    }
    let mut required = outcome.not_checked.iter();
    let required = required.any(|missing| requires(&missing.what));
    Ok(ExitCode::from(u8::from(!outcome.same || required)))
}
