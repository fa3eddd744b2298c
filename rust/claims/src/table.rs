//! The table: a line a claim, then what was found of each exhibit and each control.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use zero_cost_ffi::catalogue;

use crate::claim::{Claim, Evidence, Verdict};
use crate::subject::{Subject, on_show, words};

const BOLD: Style = Style::new().bold();
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

pub fn print(out: &mut impl Write, subject: &Subject, claims: &[Claim]) -> io::Result<()> {
    routes(out, subject)?;
    writeln!(out, "{BOLD}{:<15}  {:<21}  evidence{BOLD:#}", "claim", "verdict")?;
    for claim in claims {
        let style = style(claim.verdict);
        let kind = match claim.evidence {
            Evidence::Live => "live",
            Evidence::Recorded => "recorded",
        };
        let recorded = match (claim.provenance.get("compiler"), claim.provenance.get("date")) {
            (Some(compiler), Some(date)) if claim.evidence == Evidence::Recorded => format!(" ({compiler}, {date})"),
            _ => String::new(),
        };
        writeln!(out, "{:<15}  {style}{:<21}{style:#}  {kind}: {}{DIM}{recorded}{DIM:#}", claim.id, claim.verdict.words(), claim.summary())?;
        for finding in &claim.findings {
            for line in finding.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    writeln!(out)?;
    let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count();
    writeln!(
        out,
        "{} of {} claims hold, {} of them with conditions; {} do not hold; {} not checked",
        count(Verdict::Holds) + count(Verdict::HoldsWithConditions),
        claims.len(),
        count(Verdict::HoldsWithConditions),
        count(Verdict::DoesNotHold),
        count(Verdict::NotChecked)
    )?;
    writeln!(out, "{DIM}conditions, source and listings: cargo run --release -- show {}{DIM:#}", claims.first().map_or("ID", |claim| claim.id))
}

/// Each exhibit beside its twin, each control: as this image has them.
fn routes(out: &mut impl Write, subject: &Subject) -> io::Result<()> {
    writeln!(out, "{DIM}{}, {}{DIM:#}", subject.image.producers().join("; "), crate::today())?;
    writeln!(out)?;
    writeln!(out, "{BOLD}{:<16}  {:<20}  {:<24}  in C{BOLD:#}", "exhibit", "calls", "by route (instructions)")?;
    let twins = catalogue::twins();
    for exhibit in catalogue::exhibits() {
        let rust = subject.exhibit(&exhibit).map(|function| on_show(&function, exhibit.calls)).unwrap_or_default();
        let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin).and_then(|twin| subject.twin(twin));
        let c = twin.map(|twin| cell(&on_show(&twin, exhibit.calls))).unwrap_or_default();
        writeln!(out, "{:<16}  {:<20}  {:<24}  {c}", exhibit.name, exhibit.calls[0], cell(&rust))?;
    }
    writeln!(out)?;
    writeln!(out, "{BOLD}{:<16}  {:<20}  found{BOLD:#}", "control", "must be")?;
    for control in catalogue::controls() {
        let calls = subject.control(&control).map(|control| control.calls()).unwrap_or_default();
        let found = calls.iter().rev().find(|call| !call.route().is_bare()).map_or_else(|| "only bare calls".to_owned(), words);
        writeln!(out, "{:<16}  {:<20}  {found}", control.name, control.route)?;
    }
    writeln!(out)
}

/// `got, tail (1)`; several calls that go alike, once, with their number.
fn cell(calls: &[barecall::Call<'_>]) -> String {
    let mut cells: Vec<(String, usize)> = Vec::new();
    for call in calls {
        let count = call.instructions().map_or_else(|| "?".to_owned(), |count| count.to_string());
        let cell = format!("{} ({count})", words(call));
        match cells.iter_mut().find(|known| known.0 == cell) {
            Some(known) => known.1 += 1,
            None => cells.push((cell, 1)),
        }
    }
    let cells: Vec<String> =
        cells.into_iter().map(|(cell, times)| if times == 1 { cell } else { format!("{times} × {cell}") }).collect();
    if cells.is_empty() { "no call found".to_owned() } else { cells.join("; ") }
}
