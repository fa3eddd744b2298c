//! The ladder: what executes between a call and its callee, each instruction a rung, coloured by what it is for.

use barecall::walk::Step;
use maud::{Markup, html};

use super::inline::exact;
use crate::render::picture::{class, phases};
use crate::report::headline::{self, Ladder, word};
use crate::report::{Phase, Report, Walked};

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
pub fn picture(report: &Report) -> Markup {
    let rungs = &report.headline;
    let walks = report.claims.iter().flat_map(|claim| &claim.walks);
    let ladders: Vec<Ladder<'_>> = walks.map(Ladder::from).collect();
    let drawn = || {
        let ladder = |rung| Some((rung, headline::of(rung, &ladders)?));
        rungs.iter().filter_map(ladder)
    };
    let phases = phases(rungs);
    html! {
        figure.squares aria-labelledby="picture-caption" {
            @for (rung, ladder) in drawn() {
                div.language {
                    div.head {
                        span.name { (rung.language) }
                        span.count { (exact(rung.instructions)) }
                        span.unit { (plural(rung.instructions, "instruction")) }
                    }
                    div.way {
                        div.cells aria-hidden="true" {
                            @for (step, phase) in ladder.steps_out() { (cells(step, phase)) }
                            span.callee { (ladder.to) }
                            @for (step, phase) in ladder.steps_back() { (cells(step, phase)) }
                        }
                        p.words {
                            (exact(ladder.out.instructions)) " out, "
                            (exact(ladder.back.instructions)) " back; "
                            @if rung.stack_switches == 0 { "same stack" }
                            @else { (exact(rung.stack_switches)) " " (plural(rung.stack_switches, "stack switch")) }
                            " · " code { (rung.side.as_str()) "/" (rung.name) }
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
                                        @match rung.phases.get(*phase) { Some(count) => (exact(*count)), None => "–" }
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
    let ladder = Ladder::from(walked);
    let (out, back) = (ladder.steps_out(), ladder.steps_back());
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
