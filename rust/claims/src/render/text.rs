//! What is printed on a terminal: the table of all that was checked, and one claim in full.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{charts, side_by_side, wrapped};
use crate::report::{Call, Calls, Claim, Code, Evidence, Line, Matrix, Report, Verdict};

pub(super) const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const MARK: Style = AnsiColor::Green.on_default();
/// Of what was found of a claim, in characters.
const WIDTH: usize = 116;
/// Width of the Rust column, in characters.
const COLUMN: usize = 72;

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Holds => AnsiColor::Green,
        Verdict::HoldsWithConditions => AnsiColor::Cyan,
        Verdict::DoesNotHold => AnsiColor::Red,
        Verdict::NotChecked => AnsiColor::Yellow,
    };
    colour.on_default().bold()
}

/// The width of a column that has these texts.
pub fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts
        .map(|text| text.chars().count())
        .max()
        .unwrap_or_default()
}

/// Prints the table: what was found of each exhibit and each control, then of each claim.
///
/// # Errors
/// When it cannot be written.
pub fn table(out: &mut impl Write, report: &Report) -> io::Result<()> {
    routes(out, report)?;
    let claims = &report.claims;
    let width = widest(claims.iter().map(|claim| claim.id.as_str()));
    writeln!(
        out,
        "{BOLD}{:<width$}  {:<21}  evidence{BOLD:#}",
        "claim", "verdict"
    )?;
    for claim in claims {
        let style = style(claim.verdict);
        let provenance = |name| claim.provenance.get(name);
        let recorded = match (provenance("compiler"), provenance("date")) {
            (Some(compiler), Some(date)) if claim.evidence == Evidence::Recorded => {
                format!(" ({compiler}, {date})")
            }
            _ => String::new(),
        };
        writeln!(
            out,
            "{:<width$}  {style}{:<21}{style:#}  {}{DIM}{recorded}{DIM:#}",
            claim.id,
            claim.verdict.as_str(),
            claim.evidence.as_str(),
        )?;
        write!(out, "{}", wrapped(WIDTH, &claim.found, "    ", "    "))?;
        for line in claim.findings.iter().flat_map(|finding| finding.lines()) {
            writeln!(out, "    {line}")?;
        }
    }
    // Of one that was asked for by name; of all they would bury the verdicts.
    if let [claim] = &claims[..] {
        charts::charts(out, &claim.charts)?;
        matrices(out, &claim.matrices)?;
        measured(out, claim)?;
    }
    writeln!(out)?;
    let count = |verdict| {
        let with = claims.iter().filter(|claim| claim.verdict == verdict);
        with.count()
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
    // Once: several claims may have the same reason.
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
        claims.first().map_or("ID", |claim| &claim.id)
    )
}

/// Each exhibit beside its twin, and each control.
fn routes(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(
        out,
        "{DIM}{} {}, {}{DIM:#}",
        report.generator, report.version, report.date
    )?;
    writeln!(out, "{DIM}{}{DIM:#}", report.toolchain.image)?;
    for producer in &report.toolchain.made_by {
        writeln!(out, "{DIM}made by {producer}{DIM:#}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{BOLD}{:<16}  {:<20}  n  {:<28}  n  route in C{BOLD:#}",
        "exhibit", "calls", "route in Rust"
    )?;
    for exhibit in &report.exhibits {
        let (n, route) = cell(&exhibit.rust);
        write!(
            out,
            "{:<16}  {:<20}  {n}  {route:<28}",
            exhibit.name, exhibit.callee
        )?;
        match &exhibit.c {
            Some(twin) => {
                let (n, route) = cell(twin);
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
    for control in &report.controls {
        let found = control.found.as_ref();
        let found = found.map_or_else(|| "only bare calls".to_owned(), Call::to_string);
        writeln!(
            out,
            "{:<16}  {:<20}  {found}",
            control.name,
            control.expected.to_string()
        )?;
    }
    writeln!(out)
}

/// How many instructions, and by which routes, each once.
fn cell(calls: &Calls) -> (String, String) {
    let mut routes: Vec<String> = calls.calls.iter().map(Call::to_string).collect();
    routes.dedup();
    if routes.is_empty() {
        return ("-".to_owned(), "no such call".to_owned());
    }
    let most = calls.instructions;
    (
        most.map_or_else(|| "?".to_owned(), |most| most.to_string()),
        routes.join("; "),
    )
}

/// Prints each claim of the report in full: its conditions, and its exhibits' source and machine code beside their
/// twins'.
///
/// # Errors
/// When it cannot be written.
pub fn show(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for claim in &report.claims {
        head(out, claim)?;
        let (pairs, alone) = side_by_side::pairs(&claim.walks);
        for (ours, theirs) in pairs {
            side_by_side::print(out, ours, theirs)?;
        }
        for walked in alone {
            writeln!(out, "\n{BOLD}{}{BOLD:#}", side_by_side::title(walked))?;
            for line in walked.walk.to_text().lines() {
                writeln!(out, "{}", format!("  {line}").trim_end())?;
            }
        }
        charts::charts(out, &claim.charts)?;
        charts::layouts(out, &claim.layouts)?;
        for shown in report.code_of(claim) {
            code(out, shown)?;
        }
    }
    Ok(())
}

fn head(out: &mut impl Write, claim: &Claim) -> io::Result<()> {
    let verdict = style(claim.verdict);
    writeln!(
        out,
        "{BOLD}{}{BOLD:#}: {verdict}{}{verdict:#}",
        claim.id,
        claim.verdict.as_str()
    )?;
    writeln!(out, "  {}", claim.statement)?;
    writeln!(out, "  {}", claim.found)?;
    for finding in &claim.findings {
        writeln!(out, "  {}", finding.replace('\n', "\n  "))?;
    }
    writeln!(out, "{BOLD}conditions{BOLD:#}")?;
    for condition in &claim.conditions {
        writeln!(out, "  - {condition}")?;
    }
    if !claim.notes.is_empty() {
        writeln!(out, "{BOLD}notes{BOLD:#}")?;
        for note in &claim.notes {
            writeln!(out, "  - {note}")?;
        }
    }
    matrices(out, &claim.matrices)?;
    measured(out, claim)?;
    writeln!(
        out,
        "{BOLD}the talk{BOLD:#}, {}: {}",
        claim.talk.assessment.as_str(),
        claim.talk.because.as_deref().unwrap_or("the same")
    )?;
    writeln!(out, "  \"{}\" ({})", claim.talk.quote, claim.talk.from)?;
    writeln!(out, "{BOLD}provenance{BOLD:#}")?;
    for (name, value) in &claim.provenance {
        writeln!(out, "  {name}: {value}")?;
    }
    writeln!(out, "  reproduce: {}", claim.reproduce)
}

/// What was counted in rows and columns.
fn matrices(out: &mut impl Write, matrices: &[Matrix]) -> io::Result<()> {
    for matrix in matrices {
        writeln!(
            out,
            "{BOLD}{}{BOLD:#} ({}: {})",
            matrix.name, matrix.unit, matrix.counts
        )?;
        let first = widest(matrix.rows.iter().map(|row| row.name.as_str()));
        write!(out, "  {:first$}", "")?;
        for column in &matrix.columns {
            write!(out, "  {column:>5}")?;
        }
        writeln!(out)?;
        for row in &matrix.rows {
            write!(out, "  {:first$}", row.name)?;
            for (value, column) in row.values.iter().zip(&matrix.columns) {
                let width = widest([column.as_str()].into_iter()).max(5);
                let value = value.map_or_else(|| "-".to_owned(), |value| value.to_string());
                write!(out, "  {value:>width$}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// What was measured, a line each, with the least and the greatest.
fn measured(out: &mut impl Write, claim: &Claim) -> io::Result<()> {
    if claim.measured.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{BOLD}measured{BOLD:#} ({}, this run; no verdict rests on it)",
        claim.id
    )?;
    let width = widest(claim.measured.keys().map(String::as_str));
    for (name, measured) in &claim.measured {
        let spread = measured
            .spread
            .map(|[least, greatest]| format!("  ({least:.2} to {greatest:.2})"));
        writeln!(
            out,
            "  {name:<width$}  {:>10.2} {}{}",
            measured.value,
            measured.unit,
            spread.unwrap_or_default()
        )?;
    }
    Ok(())
}

/// An exhibit's source, and its machine code beside its twin's.
fn code(out: &mut impl Write, code: &Code) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{BOLD}{}{BOLD:#}: {}", code.name, code.says)?;
    for source in [Some(&code.source), code.c_source.as_ref()]
        .into_iter()
        .flatten()
    {
        writeln!(out, "  // {}", source.file)?;
        for line in source.text.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    if !code.c.is_empty() {
        writeln!(out, "{BOLD}  {:<COLUMN$}    C{BOLD:#}", "Rust")?;
    }
    for row in 0..code.rust.len().max(code.c.len()) {
        let (rust, rust_style) = instruction(code.rust.get(row));
        let (c, c_style) = instruction(code.c.get(row));
        let width = COLUMN + 2;
        writeln!(
            out,
            "{rust_style}{rust:<width$}{rust_style:#}  {c_style}{c}{c_style:#}"
        )?;
    }
    Ok(())
}

/// An instruction as a column has it.
fn instruction(line: Option<&Line>) -> (String, Style) {
    let Some(line) = line else {
        return (String::new(), Style::new());
    };
    match &line.call {
        Some(call) => {
            let to = call.to.as_deref().unwrap_or("?");
            (format!("> {}  ; {call} to {to}", line.text), MARK)
        }
        None => (format!("  {}", line.text), Style::new()),
    }
}
