//! The walks of one call in two languages, beside each other, with what each step is for.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use barecall::walk::{Leg, Step};

use crate::claim::{Evidence, Walked};
use crate::report::Phase;

const BOLD: Style = Style::new().bold();

/// The walks of Go that have one of the same exhibit in Rust, with that; and the others.
pub fn pairs(walks: &[Walked]) -> (Vec<(&Walked, &Walked)>, Vec<&Walked>) {
    let ours = |theirs: &Walked| {
        let name = theirs.act.strip_prefix("go/")?;
        walks
            .iter()
            .find(|walked| walked.act.strip_prefix("rust/") == Some(name))
    };
    let pairs: Vec<_> = walks
        .iter()
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
        Evidence::Live => walked.act.clone(),
        Evidence::Recorded => format!("{} (recorded)", walked.act),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Record;
    use crate::go::recorded::{GoFacts, WALKS};

    fn walked(act: &str, name: &str) -> Walked {
        let record = Record::<GoFacts>::read(&WALKS).expect("it is on file");
        let mut walks = record.facts.walks.into_iter();
        let found = walks.find(|walked| walked.name == name);
        let walk = found.expect("it is on file").walk;
        Walked {
            act: act.to_owned(),
            evidence: Evidence::Recorded,
            phases: act.starts_with("go/").then(|| crate::go::phase::of(&walk)),
            walk,
        }
    }

    #[test]
    fn what_is_the_same_call_is_side_by_side() {
        // Two bare calls stand for Rust's.
        let walks = [
            walked("rust/add_one", "c_add_one"),
            walked("go/add_one", "add_one"),
            walked("go/visit", "visit"),
        ];
        let (pairs, alone) = pairs(&walks);
        assert_eq!((pairs.len(), alone.len()), (1, 1));
        assert_eq!(alone[0].act, "go/visit");
        let mut out = Vec::new();
        print(&mut out, pairs[0].0, pairs[0].1).expect("a vector takes it");
        let text = String::from_utf8(out).expect("UTF-8");
        let line = |with: [&str; 2]| {
            let found = text
                .lines()
                .any(|line| with.iter().all(|part| line.contains(part)));
            assert!(found, "{with:?}:\n{text}");
        };
        line(["(recorded)", "go/add_one (recorded)"]);
        line(["out     1 instruction, same stack", "out     "]);
        line(["callee  2 instructions ", "callee  2 instructions"]);
        line(["back    0 instructions, same stack", "1 stack switch"]);
        line(["runtime.asmcgocall", "stack switch, switches stacks"]);
    }
}
