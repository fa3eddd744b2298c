//! The walks of one call in two languages, beside each other, with what each step is for.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use barecall::walk::{Leg, Step};

use super::text::BOLD;
use crate::report::{Evidence, Phase, Side, Walked};

/// The walks of Go that have one of the same exhibit in Rust, with that; and the others.
pub fn pairs(walks: &[Walked]) -> (Vec<(&Walked, &Walked)>, Vec<&Walked>) {
    let ours = |theirs: &Walked| {
        let same = |ours: &&Walked| ours.side == Side::Rust && ours.name == theirs.name;
        walks.iter().find(same)
    };
    let pairs: Vec<_> = walks
        .iter()
        .filter(|theirs| theirs.side == Side::Go)
        .filter_map(|theirs| Some((ours(theirs)?, theirs)))
        .collect();
    let paired = |walked: &&Walked| {
        let same = |other: &Walked| std::ptr::eq(*walked, other);
        !pairs
            .iter()
            .any(|(ours, theirs)| same(ours) || same(theirs))
    };
    let alone = walks.iter().filter(paired).collect();
    (pairs, alone)
}

/// Prints two walks beside each other.
///
/// # Errors
/// When it cannot be written.
pub fn print(out: &mut impl Write, ours: &Walked, theirs: &Walked) -> io::Result<()> {
    let (left, right) = (column(ours), column(theirs));
    let lines = left.iter().flatten();
    let width = lines.map(|line| line.text.chars().count()).max();
    let width = width.unwrap_or(0);
    writeln!(
        out,
        "\n{BOLD}{:<width$}  {}{BOLD:#}",
        title(ours),
        title(theirs)
    )?;
    for (left, right) in left.iter().zip(&right) {
        for row in 0..left.len().max(right.len()) {
            let plain = Line::default();
            let (left, right) = (
                left.get(row).unwrap_or(&plain),
                right.get(row).unwrap_or(&plain),
            );
            let (mark, text) = (style(right.phase), &right.text);
            let line = format!("{:<width$}  {mark}{text}{mark:#}", left.text);
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

/// Whose walk it is, and whether it is one on file.
pub fn title(walked: &Walked) -> String {
    match walked.evidence {
        Evidence::Live => walked.label(),
        Evidence::Recorded => format!("{} (recorded)", walked.label()),
    }
}

#[derive(Default)]
struct Line {
    text: String,
    phase: Option<Phase>,
}

fn style(phase: Option<Phase>) -> Style {
    let colour = match phase {
        Some(Phase::Packing) => AnsiColor::Cyan,
        Some(Phase::Scheduler) => AnsiColor::Yellow,
        Some(Phase::StackSwitch) => AnsiColor::Red,
        Some(Phase::CSide) => AnsiColor::Green,
        Some(Phase::Call | Phase::Stub) | None => return Style::new(),
    };
    colour.on_default()
}

/// Out, the callee, and back: three parts, which begin beside each other's.
fn column(walked: &Walked) -> [Vec<Line>; 3] {
    let walk = &walked.walk;
    let phases = walked.phases.as_ref();
    let mut out = leg("out", &walk.out, phases.map(|phases| &phases.out[..]));
    if let Some(first) = out.get_mut(1) {
        first.text = format!("{}  {}", first.text.trim_end(), walk.call);
    }
    let callee = vec![
        Line {
            text: format!("        {}", walk.to),
            phase: None,
        },
        Line {
            text: format!("callee  {} instructions", walk.callee.instructions),
            phase: None,
        },
    ];
    let back = leg("back", &walk.back, phases.map(|phases| &phases.back[..]));
    [out, callee, back]
}

fn leg(way: &str, leg: &Leg, phases: Option<&[Phase]>) -> Vec<Line> {
    let instructions = match leg.instructions {
        1 => "1 instruction".to_owned(),
        n => format!("{n} instructions"),
    };
    let switches = match leg.stack_switches {
        0 => "same stack".to_owned(),
        1 => "1 stack switch".to_owned(),
        n => format!("{n} stack switches"),
    };
    let mut lines = vec![Line {
        text: format!("{way:<6}  {instructions}, {switches}"),
        phase: None,
    }];
    let width = leg.steps.iter().map(|step| step.symbol.len()).max();
    for (index, step) in leg.steps.iter().enumerate() {
        let phase = phases.and_then(|phases| phases.get(index)).copied();
        let width = if phases.is_some() { width } else { None };
        lines.push(Line {
            text: text(step, phase, width.unwrap_or(0).min(44)),
            phase,
        });
    }
    lines
}

fn text(step: &Step, phase: Option<Phase>, width: usize) -> String {
    let mut notes = Vec::new();
    if let Some(phase) = phase.filter(|phase| *phase != Phase::Call) {
        notes.push(phase.as_str().to_owned());
    }
    if step.stack_switches > 0 {
        notes.push("switches stacks".to_owned());
    }
    if step.atomics > 0 {
        notes.push(format!("{} atomic", step.atomics));
    }
    if step.syscalls > 0 {
        notes.push(format!("{} system call", step.syscalls));
    }
    let line = format!(
        "{:6}  {:width$}  {}",
        step.instructions,
        step.symbol,
        notes.join(", ")
    );
    line.trim_end().to_owned()
}
