//! One claim in full: what it says, its conditions, and its exhibits' source and machine code beside their twins'.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use barecall::Function;
use serde::Serialize;
use zero_cost_ffi::catalogue::{self, Machine};

use crate::cite::Citation;
use crate::claim::{Claim, TALK, Walked};
use crate::explain;
use crate::go_twin;
use crate::pictures;
use crate::side_by_side;
use crate::subject::{Subject, words};
use crate::table::{style, widest};

const BOLD: Style = Style::new().bold();
const MARK: Style = AnsiColor::Green.on_default();
/// Width of the Rust column, in characters.
const COLUMN: usize = 72;

/// A claim in full: what `show` prints.
#[derive(Serialize)]
pub struct Full<'a> {
    schema: u32,
    version: &'static str,
    date: String,
    pub claim: &'a Claim,
    /// Where the talk's words are from.
    quoted_from: &'static str,
    pub citation: Citation,
    pub walks: &'a [Walked],
    pub exhibits: Vec<Shown>,
}

impl<'a> Full<'a> {
    pub fn of(subject: &Subject, claim: &'a Claim) -> Self {
        Self::with(claim, Citation::of(claim), exhibits(subject, claim.id))
    }

    pub fn with(claim: &'a Claim, citation: Citation, exhibits: Vec<Shown>) -> Self {
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            date: crate::today(),
            claim,
            quoted_from: TALK,
            citation,
            walks: &claim.walks,
            exhibits,
        }
    }
}

/// An exhibit as it stands and as it was compiled.
#[derive(Serialize)]
pub struct Shown {
    pub name: &'static str,
    pub says: &'static str,
    pub source: Code,
    pub rust: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c_source: Option<Code>,
    pub c: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_source: Option<Code>,
    /// As it is on file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub go: Vec<Line>,
}

#[derive(Serialize)]
pub struct Code {
    pub file: &'static str,
    pub text: String,
}

/// An instruction, and how it calls if it does.
#[derive(Serialize)]
pub struct Line {
    /// Its address; in the function, where the listing is on file.
    pub at: u64,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What it does there, where there is a rule that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub does: Option<String>,
}

/// The exhibits that a claim is about: those in tasks or the others; all, for those about levels and stacks; the
/// machines; none, for those about other things.
pub fn exhibits(subject: &Subject, id: &str) -> Vec<Shown> {
    match id {
        "state-machine" => return machines(subject, catalogue::machines()),
        "right-sized" => return machines(subject, catalogue::kept()),
        "million-tasks" => return Vec::new(),
        _ => {}
    }
    let twins = catalogue::twins();
    catalogue::exhibits()
        .into_iter()
        .filter(|exhibit| match id {
            "every-opt-level" | "same-stack" => true,
            // No call to C in these.
            "reads-per-message" | "switch-cost" => false,
            // The two that the walks of Go are beside.
            "cgo-crosses-its-runtime" => ["add_one", "say_cstr"].contains(&exhibit.name),
            "cgo-buys-something" | "drop-cancels" => false,
            "callbacks-too" => exhibit.calls == ["greet_for_each"],
            "one-instruction" | "no-more-than-c" => !exhibit.poll,
            "from-a-task" => exhibit.poll,
            _ => false,
        })
        .map(|exhibit| {
            let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
            Shown {
                name: exhibit.name,
                says: exhibit.says,
                source: Code {
                    file: exhibit.file,
                    text: cut(exhibit.source, exhibit.name),
                },
                rust: subject
                    .exhibit(&exhibit)
                    .map(|function| lines(&function))
                    .unwrap_or_default(),
                c_source: twin.map(|twin| Code {
                    file: twin.file,
                    text: cut(twin.source, twin.name),
                }),
                c: twin
                    .and_then(|twin| subject.twin(twin))
                    .map(|function| lines(&function))
                    .unwrap_or_default(),
                go_source: go_twin::source(exhibit.name),
                go: go_twin::lines(exhibit.name),
            }
        })
        .collect()
}

/// Each machine's source, and what its `poll` was compiled to.
fn machines(subject: &Subject, machines: Vec<Machine>) -> Vec<Shown> {
    machines
        .into_iter()
        .map(|machine| Shown {
            name: machine.name,
            says: machine.says,
            source: Code {
                file: machine.file,
                text: cut_from(machine.source, |line| line.starts_with(machine.begins)),
            },
            rust: subject
                .at(machine.name, machine.entry)
                .map(|function| lines(&function))
                .unwrap_or_default(),
            c_source: None,
            c: Vec::new(),
            go_source: None,
            go: Vec::new(),
        })
        .collect()
}

/// A function's text: from the line that declares it to the first that closes it.
fn cut(source: &str, name: &str) -> String {
    cut_from(source, |line| {
        !line.starts_with([' ', '/', '#', '*'])
            && line.contains(&format!(" {name}("))
            && !line.ends_with(';')
    })
}

fn cut_from(source: &str, declares: impl Fn(&str) -> bool) -> String {
    let declares = |line: &&str| declares(line);
    let mut lines = source.lines().skip_while(|line| !declares(line));
    let mut text = String::new();
    for line in lines.by_ref() {
        text.push_str(line);
        text.push('\n');
        if line == "}" {
            break;
        }
    }
    text
}

fn lines(function: &Function<'_>) -> Vec<Line> {
    let listing = function.listing();
    let line = |instruction: &barecall::Instruction<'_>| Line {
        at: instruction.address(),
        text: instruction.text(),
        call: instruction.call().map(|call| {
            let to = call.to().unwrap_or_else(|| "?".to_owned());
            format!("{} to {to}", words(&call))
        }),
        does: explain::instruction(&instruction.text(), instruction.call()),
    };
    listing.instructions().iter().map(line).collect()
}

pub fn print(out: &mut impl Write, subject: &Subject, claim: &Claim) -> io::Result<()> {
    let verdict = style(claim.verdict);
    writeln!(
        out,
        "{BOLD}{}{BOLD:#}: {verdict}{}{verdict:#}",
        claim.id,
        claim.verdict.words()
    )?;
    writeln!(out, "  {}", claim.says)?;
    writeln!(out, "  {}", claim.found)?;
    for finding in &claim.findings {
        writeln!(out, "  {}", finding.replace('\n', "\n  "))?;
    }
    writeln!(out, "{BOLD}conditions{BOLD:#}")?;
    for condition in &claim.conditions {
        writeln!(out, "  - {condition}")?;
    }
    measured(out, claim)?;
    writeln!(
        out,
        "{BOLD}the talk{BOLD:#}, {}: {}",
        claim.talk.assessment.words(),
        claim.talk.because.unwrap_or("the same")
    )?;
    writeln!(out, "  \"{}\" ({TALK})", claim.talk.quote)?;
    writeln!(out, "{BOLD}provenance{BOLD:#}")?;
    for (name, value) in &claim.provenance {
        writeln!(out, "  {name}: {value}")?;
    }
    writeln!(out, "  reproduce: {}", claim.reproduce)?;
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
    pictures::print(out, &claim.pictures)?;
    for exhibit in exhibits(subject, claim.id) {
        writeln!(out)?;
        writeln!(out, "{BOLD}{}{BOLD:#}: {}", exhibit.name, exhibit.says)?;
        for code in [Some(&exhibit.source), exhibit.c_source.as_ref()]
            .into_iter()
            .flatten()
        {
            writeln!(out, "  // {}", code.file)?;
            for line in code.text.lines() {
                writeln!(out, "  {line}")?;
            }
        }
        if !exhibit.c.is_empty() {
            writeln!(out, "{BOLD}  {:<COLUMN$}    C{BOLD:#}", "Rust")?;
        }
        for row in 0..exhibit.rust.len().max(exhibit.c.len()) {
            let (rust, rust_marked) = cell(exhibit.rust.get(row));
            let (c, c_marked) = cell(exhibit.c.get(row));
            let (rust_style, c_style) = (mark(rust_marked), mark(c_marked));
            writeln!(
                out,
                "{rust_style}{rust:<width$}{rust_style:#}  {c_style}{}{c_style:#}",
                c,
                width = COLUMN + 2
            )?;
        }
    }
    Ok(())
}

/// What was measured, a line each, with the least and the greatest.
pub fn measured(out: &mut impl Write, claim: &Claim) -> io::Result<()> {
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

fn mark(marked: bool) -> Style {
    if marked { MARK } else { Style::new() }
}

/// An instruction as a column has it, and whether it is a call.
fn cell(line: Option<&Line>) -> (String, bool) {
    let Some(line) = line else {
        return (String::new(), false);
    };
    match &line.call {
        Some(call) => (format!("> {}  ; {call}", line.text), true),
        None => (format!("  {}", line.text), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exhibit_and_twin_has_source() {
        for exhibit in catalogue::exhibits() {
            let text = cut(exhibit.source, exhibit.name);
            assert!(
                text.contains(&format!("fn {}(", exhibit.name)) && text.ends_with("}\n"),
                "{}: {text}",
                exhibit.name
            );
            assert_eq!(text.matches("\n}").count(), 1, "{text}");
        }
        for machine in catalogue::machines().iter().chain(&catalogue::kept()) {
            let text = cut_from(machine.source, |line| line.starts_with(machine.begins));
            assert!(
                text.starts_with(machine.begins) && text.ends_with("}\n"),
                "{}: {text}",
                machine.name
            );
        }
        for twin in catalogue::twins() {
            let text = cut(twin.source, twin.name);
            assert!(
                text.contains(&format!(" {}(", twin.name)) && text.ends_with("}\n"),
                "{}: {text}",
                twin.name
            );
        }
    }
}
