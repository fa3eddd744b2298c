//! docs/ladder.svg: the same call in each language, one square an instruction.

use std::fmt::Write as _;

use crate::baseline::Record;
use crate::report::facts::Facts;
use crate::report::headline::{self, Ladder, headline, word};
use crate::report::{Phase, Rung, without_hash};

/// The picture of what is on file.
#[must_use]
pub fn svg_of(records: &[Record<Facts>]) -> String {
    let paths = records.iter().flat_map(|record| &record.facts.walks);
    let ladders: Vec<Ladder<'_>> = paths.map(Ladder::from).collect();
    svg(&headline(&ladders), &ladders)
}

/// The class of what is for that, on the page and in the picture.
pub(super) fn class(phase: Option<Phase>) -> String {
    format!("phase-{}", word(phase).to_lowercase().replace(' ', "-"))
}

/// What any of them is for, in the order of a call, with its class.
pub(super) fn phases(rungs: &[Rung]) -> Vec<(&'static str, String)> {
    let all = Phase::ALL.into_iter().map(Some).chain([None]);
    all.filter(|phase| {
        rungs
            .iter()
            .any(|rung| rung.phases.contains_key(word(*phase)))
    })
    .map(|phase| (word(phase), class(phase)))
    .collect()
}

/// A row of squares.
const COLUMNS: u64 = 64;
const PITCH: u64 = 11;
const LEFT: u64 = 170;
const WIDTH: u64 = 900;

/// The picture: an SVG file that refers to nothing outside it.
#[must_use]
pub fn svg(rungs: &[Rung], ladders: &[Ladder<'_>]) -> String {
    let mut body = String::new();
    let mut y = 24;
    for rung in rungs {
        let Some(ladder) = headline::of(rung, ladders) else {
            continue;
        };
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "  <g>\n    <text class=\"name\" x=\"20\" y=\"{}\">{}</text>\n    \
             <text class=\"count\" x=\"150\" y=\"{}\">{}</text>\n",
            y + 12,
            rung.language,
            y + 12,
            rung.instructions
        );
        let mut at = 0;
        let mut place = || {
            let (row, column) = (at / COLUMNS, at % COLUMNS);
            at += 1;
            (LEFT + column * PITCH, y + row * (PITCH + 3))
        };
        for (way, steps) in [(0, ladder.steps_out()), (1, ladder.steps_back())] {
            for (step, phase) in steps {
                let title = format!(
                    "{}: {}, {}",
                    without_hash(&step.symbol),
                    step.instructions,
                    word(phase)
                );
                let _ = writeln!(
                    body,
                    "    <g class=\"{}\"><title>{}</title>",
                    class(phase),
                    escaped(&title)
                );
                for n in 0..step.instructions {
                    let (x, y) = place();
                    let switch = if n == 0 && step.stack_switches > 0 {
                        " class=\"switch\""
                    } else {
                        ""
                    };
                    let _ = writeln!(
                        body,
                        "      <rect x=\"{x}\" y=\"{y}\" width=\"9\" height=\"10\" rx=\"1.5\"{switch}/>"
                    );
                }
                body.push_str("    </g>\n");
            }
            if way == 0 {
                // The callee: what it executes is not counted, so it is no square.
                let (x, y) = place();
                let _ = writeln!(
                    body,
                    "    <path class=\"callee\" d=\"M{x} {}l4.5-4.5 4.5 4.5-4.5 4.5z\"><title>{}</title></path>",
                    y + 5,
                    escaped(ladder.to)
                );
            }
        }
        body.push_str("  </g>\n");
        y += (at.div_ceil(COLUMNS)) * (PITCH + 3) + 18;
    }
    let mut x = 20;
    for (phase, class) in phases(rungs)
        .into_iter()
        .chain([("the C function", "callee".to_owned())])
    {
        let _ = writeln!(
            body,
            "  <g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"9\" height=\"10\" rx=\"1.5\"/></g>\n  \
             <text class=\"legend\" x=\"{}\" y=\"{}\">{phase}</text>",
            x + 15,
            y + 9
        );
        x += 32 + 7 * phase.chars().count() as u64;
    }
    if rungs.iter().any(|rung| rung.stack_switches > 0) {
        let _ = writeln!(
            body,
            "  <rect class=\"switch\" x=\"{x}\" y=\"{y}\" width=\"9\" height=\"10\" rx=\"1.5\" fill=\"none\"/>\n  \
             <text class=\"legend\" x=\"{}\" y=\"{}\">switches stacks</text>",
            x + 15,
            y + 9
        );
    }
    let height = y + 30;
    let said: Vec<String> = rungs
        .iter()
        .map(|rung| format!("{} in {}", rung.instructions, rung.language))
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"title\">\n  <title id=\"title\">Instructions executed between a call and the C function, \
         out and back: {}</title>\n{STYLE}{body}</svg>\n",
        said.join(", ")
    )
}

const STYLE: &str = "  <style>
    svg { background: #fbfaf7; color: #1d1e21; font: 13px system-ui, sans-serif; --callee: #1d1e21;
      --call: #b5440f; --stub: #b8860b; --packing: #7b4fa3; --scheduler: #2f6fab; --stack: #c2255c; --c: #4d7c3a;
      --between: #77777d }
    @media (prefers-color-scheme: dark) { svg { background: #16181b; color: #e8e6e1; --callee: #e8e6e1;
      --call: #f0824a; --stub: #dcb04a; --packing: #b892de; --scheduler: #6aaee8; --stack: #f0709c; --c: #8cc474;
      --between: #9a9aa2 } }
    text { fill: currentColor } .name { font: 600 17px Georgia, serif }
    .count { font: 600 17px system-ui, sans-serif; text-anchor: end } .legend { font-size: 12px }
    .phase-call { fill: var(--call) } .phase-stub { fill: var(--stub) } .phase-argument-packing { fill: var(--packing) }
    .phase-scheduler { fill: var(--scheduler) } .phase-stack-switch { fill: var(--stack) }
    .phase-c-side { fill: var(--c) } .phase-trampoline { fill: var(--between) } .callee { fill: var(--callee) }
    .switch { stroke: currentColor; stroke-width: 2 }
  </style>
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
