//! The ladder: what executes between a call and its callee, each instruction a rung, coloured by what it is for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use barecall::walk::{Leg, Step};
use maud::{Markup, html};
use serde::Serialize;

use super::number::exact;
use crate::claim::{Claim, Walked};
use crate::report::Phase;

/// A language, by its name and by what its acts begin with.
const LANGUAGES: [(&str, &str); 3] = [("Rust", "rust/"), ("C", "c/"), ("Go", "go/")];
/// The calls that may stand for their language: the first that most of them make.
const CALLS: [&str; 3] = ["say_cstr", "say", "add_one"];
/// What a step is for that no phase is known of.
const BETWEEN: &str = "trampoline";

/// One language's call, walked.
#[derive(Clone, Debug, Serialize)]
pub struct Rung<'a> {
    pub language: &'static str,
    pub act: &'a str,
    /// Out and back together.
    pub instructions: u64,
    pub stack_switches: u64,
    /// The same by what they are for.
    pub phases: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    pub walked: &'a Walked,
}

/// The same call in each language that was walked; none where nothing was.
pub fn pick(claims: &[Claim]) -> Vec<Rung<'_>> {
    let of = |name: &str| -> Vec<Rung<'_>> {
        let walked = |prefix: &str| {
            let mut walks = claims.iter().flat_map(|claim| &claim.walks);
            walks.find(|walked| walked.act.strip_prefix(prefix) == Some(name))
        };
        LANGUAGES
            .iter()
            .filter_map(|(language, prefix)| Some(Rung::new(language, walked(prefix)?)))
            .collect()
    };
    let mut best = Vec::new();
    for call in CALLS {
        let rungs = of(call);
        if rungs.len() > best.len() {
            best = rungs;
        }
    }
    best
}

impl<'a> Rung<'a> {
    fn new(language: &'static str, walked: &'a Walked) -> Self {
        let walk = &walked.walk;
        let mut phases = BTreeMap::new();
        for (step, phase) in out(walked).into_iter().chain(back(walked)) {
            *phases.entry(word(phase)).or_default() += step.instructions;
        }
        Self {
            language,
            act: &walked.act,
            instructions: walk.out.instructions + walk.back.instructions,
            stack_switches: walk.out.stack_switches + walk.back.stack_switches,
            phases,
            walked,
        }
    }
}

type Rungs<'a> = Vec<(&'a Step, Option<Phase>)>;

/// The steps out, and what each is for: as the walk says, or else by what is known without it.
fn out(walked: &Walked) -> Rungs<'_> {
    let known = walked.phases.as_ref().map(|phases| &phases.out[..]);
    let mut steps = legs(&walked.walk.out, known);
    if let (Some(first), None) = (steps.first_mut(), known) {
        first.1 = Some(Phase::Call);
    }
    steps
}

fn back(walked: &Walked) -> Rungs<'_> {
    let known = walked.phases.as_ref().map(|phases| &phases.back[..]);
    legs(&walked.walk.back, known)
}

fn legs<'a>(leg: &'a Leg, known: Option<&[Phase]>) -> Rungs<'a> {
    let phase = |(at, step): (usize, &'a Step)| {
        let stub = step.symbol.ends_with("@plt").then_some(Phase::Stub);
        let phase = known.map_or(stub, |phases| phases.get(at).copied());
        (step, phase)
    };
    leg.steps.iter().enumerate().map(phase).collect()
}

const fn word(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(phase) => phase.as_str(),
        None => BETWEEN,
    }
}

fn class(phase: Option<Phase>) -> String {
    format!("phase-{}", word(phase).to_lowercase().replace(' ', "-"))
}

/// `1 instruction`, `2 instructions`.
fn plural(count: u64, what: &str) -> String {
    let ending = if count == 1 {
        ""
    } else if what.ends_with("ch") {
        "es"
    } else {
        "s"
    };
    format!("{what}{ending}")
}

/// The picture at the top: each language's call, one square an instruction.
pub fn picture(rungs: &[Rung<'_>]) -> Markup {
    let phases = phases(rungs);
    html! {
        figure.squares aria-labelledby="picture-caption" {
            @for rung in rungs {
                div.language {
                    div.head {
                        span.name { (rung.language) }
                        span.count { (exact(rung.instructions)) }
                        span.unit { (plural(rung.instructions, "instruction")) }
                    }
                    div.way {
                        div.cells aria-hidden="true" {
                            @for (step, phase) in out(rung.walked) { (cells(step, phase)) }
                            span.callee { (rung.walked.walk.to) }
                            @for (step, phase) in back(rung.walked) { (cells(step, phase)) }
                        }
                        p.words {
                            (exact(rung.walked.walk.out.instructions)) " out, "
                            (exact(rung.walked.walk.back.instructions)) " back; "
                            @if rung.stack_switches == 0 { "same stack" }
                            @else { (exact(rung.stack_switches)) " " (plural(rung.stack_switches, "stack switch")) }
                            " · " code { (rung.act) }
                        }
                    }
                }
            }
            figcaption id="picture-caption" {
                "What executes between a call and the C function’s first instruction, and on the way back: one square "
                "an instruction, counted by single-stepping."
            }
            div.scroll tabindex="0" role="region" aria-label="Instructions by what they are for" {
                table.phases {
                    thead {
                        tr { th scope="col" { "for" } @for rung in rungs { th.number scope="col" { (rung.language) } } }
                    }
                    tbody {
                        @for (phase, class) in &phases {
                            tr {
                                th scope="row" { span class={ "swatch " (class) } {} (phase) }
                                @for rung in rungs {
                                    td.number {
                                        @match rung.phases.get(phase) { Some(count) => (exact(*count)), None => "–" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What any of them is for, in the order of a call, with its class.
fn phases(rungs: &[Rung<'_>]) -> Vec<(&'static str, String)> {
    let all = Phase::ALL.into_iter().map(Some).chain([None]);
    all.filter(|phase| {
        rungs
            .iter()
            .any(|rung| rung.phases.contains_key(word(*phase)))
    })
    .map(|phase| (word(phase), class(phase)))
    .collect()
}

fn cells(step: &Step, phase: Option<Phase>) -> Markup {
    html! {
        span class={ "run " (class(phase)) } title={ (step.symbol) ": " (step.instructions) ", " (word(phase)) } {
            @if step.stack_switches > 0 { b.switch { "⇅" } }
            @for _ in 0..step.instructions { i {} }
        }
    }
}

/// A walk, step by step.
pub fn steps(walked: &Walked) -> Markup {
    let walk = &walked.walk;
    let (out, back) = (out(walked), back(walked));
    let most = out
        .iter()
        .chain(&back)
        .map(|(step, _)| step.instructions)
        .max()
        .unwrap_or(1)
        .max(1);
    html! {
        ol.steps {
            li.place { span.symbol { (walk.from) } }
            @for (index, (step, phase)) in out.iter().enumerate() {
                (rung(step, *phase, most, (index == 0).then_some(&walk.call)))
            }
            li.place.callee { span.symbol { (walk.to) } }
            @for (step, phase) in &back { (rung(step, *phase, most, None)) }
            li.place { "back" }
        }
    }
}

fn rung(step: &Step, phase: Option<Phase>, most: u64, call: Option<&String>) -> Markup {
    // Only how wide a bar is drawn.
    #[allow(clippy::cast_precision_loss)]
    let width = step.instructions as f64 * 100.0 / most as f64;
    html! {
        li class=(class(phase)) {
            span.number { (exact(step.instructions)) }
            span.track aria-hidden="true" { span.bar style={ "width:" (format!("{width:.2}")) "%" } {} }
            span.symbol { (step.symbol) @if let Some(call) = call { " " code { (call) } } }
            span.note {
                (word(phase))
                @if step.stack_switches > 0 { strong { ", switches stacks" } }
                @if step.atomics > 0 { ", " (exact(step.atomics)) " " (plural(step.atomics, "atomic")) }
                @if step.syscalls > 0 { ", " (exact(step.syscalls)) " " (plural(step.syscalls, "system call")) }
            }
        }
    }
}

/// A symbol without what differs from build to build: cgo's hash of what it compiled.
pub fn without_hash(symbol: &str) -> String {
    let hash = symbol.strip_prefix("_cgo_").and_then(|rest| rest.get(..12));
    match hash {
        Some(hash) if hash.chars().all(|char| char.is_ascii_hexdigit()) => {
            symbol.replacen(hash, "HASH", 1)
        }
        _ => symbol.to_owned(),
    }
}

/// A row of squares.
const COLUMNS: u64 = 64;
const PITCH: u64 = 11;
const LEFT: u64 = 170;
const WIDTH: u64 = 900;

/// The picture at the top by itself, for a README: an SVG file without anything outside it.
pub fn svg(rungs: &[Rung<'_>]) -> String {
    let mut body = String::new();
    let mut y = 24;
    for rung in rungs {
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
        for (way, steps) in [(0, out(rung.walked)), (1, back(rung.walked))] {
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
                    escaped(&rung.walked.walk.to)
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

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_square_for_each_instruction_and_no_more() {
        let claims = [fixture::claim()];
        let rungs = pick(&claims);
        let counted: u64 = rungs.iter().map(|rung| rung.instructions).sum();
        assert_eq!(
            rungs
                .iter()
                .map(|rung| (rung.language, rung.instructions))
                .collect::<Vec<_>>(),
            [("Rust", 1), ("C", 2), ("Go", 12)]
        );
        let page = picture(&rungs).into_string();
        assert_eq!(page.matches("<i></i>").count() as u64, counted);
        assert_eq!(page.matches("⇅").count(), 2, "{page}");
        let file = svg(&rungs);
        let legend = phases(&rungs).len() as u64 + 2;
        assert_eq!(file.matches("<rect").count() as u64, counted + legend);
        assert!(file.contains("1 in Rust, 2 in C, 12 in Go"));
        for tag in ["g", "title", "text", "style", "svg"] {
            let opened = file.matches(&format!("<{tag}>")).count()
                + file.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, file.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert_eq!(
            without_hash("_cgo_ee0ae6c70822_Cfunc_puts"),
            "_cgo_HASH_Cfunc_puts"
        );
        assert_eq!(without_hash("_cgo_topofstack"), "_cgo_topofstack");
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let claims = [fixture::claim()];
        for text in [
            picture(&pick(&claims)).into_string(),
            svg(&pick(&claims)),
            steps(&claims[0].walks[2]).into_string(),
        ] {
            assert!(!text.contains("<script"), "{text}");
            assert!(text.contains("&lt;script&gt;"), "{text}");
        }
    }

    #[test]
    fn what_each_is_for_adds_up() {
        let claims = [fixture::claim()];
        for rung in pick(&claims) {
            assert_eq!(rung.phases.values().sum::<u64>(), rung.instructions);
        }
    }
}
