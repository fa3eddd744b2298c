//! The table: what was found of each exhibit and each control, then a line a claim.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use zero_cost_ffi::catalogue;

use crate::claim::{Claim, Evidence, Verdict};
use crate::image_under_test::{ImageUnderTest, on_show, words};
use crate::render::pictures;
use crate::render::show;
use crate::render::wrap::wrapped;

const BOLD: Style = Style::new().bold();
/// Of what was found of a claim, in characters.
const WIDTH: usize = 116;
const DIM: Style = Style::new().dimmed();

pub fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Holds => AnsiColor::Green,
        Verdict::HoldsWithConditions => AnsiColor::Cyan,
        Verdict::DoesNotHold => AnsiColor::Red,
        Verdict::NotChecked => AnsiColor::Yellow,
    };
    colour.on_default().bold()
}

pub fn print(out: &mut impl Write, subject: &ImageUnderTest, claims: &[Claim]) -> io::Result<()> {
    routes(out, subject)?;
    let width = widest(claims.iter().map(|claim| claim.id));
    writeln!(
        out,
        "{BOLD}{:<width$}  {:<21}  evidence{BOLD:#}",
        "claim", "verdict"
    )?;
    for claim in claims {
        let style = style(claim.verdict);
        let kind = match claim.evidence {
            Evidence::Live => "live",
            Evidence::Recorded => "recorded",
        };
        let recorded = match (
            claim.provenance.get("compiler"),
            claim.provenance.get("date"),
        ) {
            (Some(compiler), Some(date)) if claim.evidence == Evidence::Recorded => {
                format!(" ({compiler}, {date})")
            }
            _ => String::new(),
        };
        writeln!(
            out,
            "{:<width$}  {style}{:<21}{style:#}  {kind}{DIM}{recorded}{DIM:#}",
            claim.id,
            claim.verdict.words(),
        )?;
        write!(out, "{}", wrapped(WIDTH, &claim.found, "    ", "    "))?;
        for finding in &claim.findings {
            for line in finding.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    // Of one that was asked for by name; of all they would bury the verdicts.
    if let [claim] = claims {
        pictures::charts(out, &claim.pictures.charts)?;
        show::measured(out, claim)?;
    }
    writeln!(out)?;
    let count = |verdict| {
        claims
            .iter()
            .filter(|claim| claim.verdict == verdict)
            .count()
    };
    writeln!(
        out,
        "{} of {} claims hold, {} of them with conditions; {} do not hold; {} not checked",
        count(Verdict::Holds) + count(Verdict::HoldsWithConditions),
        claims.len(),
        count(Verdict::HoldsWithConditions),
        count(Verdict::DoesNotHold),
        count(Verdict::NotChecked)
    )?;
    // Aloud, and once: several claims have the same reason.
    let missing: BTreeSet<_> = claims.iter().flat_map(|claim| &claim.missing).collect();
    for missing in missing {
        writeln!(out, "missing: {}: {}", missing.what, missing.why)?;
    }
    writeln!(
        out,
        "n: instructions from the call to the C function's first; 1 is bare"
    )?;
    writeln!(
        out,
        "{DIM}conditions, source and listings: cargo run --release -- show {}{DIM:#}",
        claims.first().map_or("ID", |claim| claim.id)
    )
}

/// The width of a column that has these texts.
pub fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(str::len).max().unwrap_or_default()
}

/// Each exhibit beside its twin, each control: as this image has them.
fn routes(out: &mut impl Write, subject: &ImageUnderTest) -> io::Result<()> {
    writeln!(
        out,
        "{DIM}zero-cost-ffi {}, {}{DIM:#}",
        env!("CARGO_PKG_VERSION"),
        crate::today()
    )?;
    writeln!(out, "{DIM}{}{DIM:#}", subject.image.path().display())?;
    for producer in subject.image.producers() {
        writeln!(out, "{DIM}made by {producer}{DIM:#}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{BOLD}{:<16}  {:<20}  n  {:<28}  n  route in C{BOLD:#}",
        "exhibit", "calls", "route in Rust"
    )?;
    let twins = catalogue::twins();
    for exhibit in catalogue::exhibits() {
        let rust = subject
            .exhibit(&exhibit)
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        let twin = twins
            .iter()
            .find(|twin| Some(twin.name) == exhibit.twin)
            .and_then(|twin| subject.twin(twin))
            .map(|twin| on_show(&twin, exhibit.calls));
        let (n, route) = cell(&rust);
        write!(
            out,
            "{:<16}  {:<20}  {n}  {route:<28}",
            exhibit.name, exhibit.calls[0]
        )?;
        match twin {
            Some(twin) => {
                let (n, route) = cell(&twin);
                writeln!(out, "  {n}  {route}")?;
            }
            None => writeln!(out)?,
        }
    }
    writeln!(out)?;
    writeln!(
        out,
        "{BOLD}{:<16}  {:<20}  found{BOLD:#}",
        "control", "must be"
    )?;
    for control in catalogue::controls() {
        let calls = subject
            .control(&control)
            .map(|control| control.calls())
            .unwrap_or_default();
        let found = calls
            .iter()
            .rev()
            .find(|call| !call.route().is_bare())
            .map_or_else(|| "only bare calls".to_owned(), words);
        writeln!(out, "{:<16}  {:<20}  {found}", control.name, control.route)?;
    }
    writeln!(out)
}

/// The most instructions of any of these calls, and how they go, each way once.
fn cell(calls: &[barecall::Call<'_>]) -> (String, String) {
    let mut ways: Vec<String> = calls.iter().map(words).collect();
    ways.dedup();
    if ways.is_empty() {
        return ("-".to_owned(), "no such call".to_owned());
    }
    let counts: Option<Vec<u32>> = calls.iter().map(barecall::Call::instructions).collect();
    let most = counts.and_then(|counts| counts.into_iter().max());
    (
        most.map_or_else(|| "?".to_owned(), |most| most.to_string()),
        ways.join("; "),
    )
}
