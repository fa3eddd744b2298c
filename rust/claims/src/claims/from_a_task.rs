//! `from-a-task`: the same call, made by a future's `poll`, costs the same.

use std::collections::BTreeMap;

use barecall::Function;

use super::{Evaluation, Rests, Statement, live, polled, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Measured, Missing, Talk, Verdict};
use crate::image_under_test::{ImageUnderTest, OnFile, words};
use crate::measure::{cross_thread, per_poll};
use crate::scenario::call::{CallScenario, Runtime};

pub const STATEMENT: Statement = Statement {
    id: "from-a-task",
    says: "a call from inside a task is the same single instruction, on either tokio runtime",
    check,
};

fn check(subject: &ImageUnderTest) -> Claim {
    let mut evaluation = Evaluation::default();
    for exhibit in polled() {
        evaluation.bare(subject, &exhibit);
    }
    // Not only what could be executed: the call that a task did execute, found by where C was to return to.
    for runtime in Runtime::BOTH {
        let returned = runtime.return_address();
        let runtime = runtime.side().as_str();
        let call = returned.map(|address| subject.call_returning_to(address as u64));
        match call {
            Ok(Some(call)) if call.route().is_bare() && call.reaches("greet_return_address") => {
                evaluation.add("executed in a task", 1, "calls");
            }
            Ok(Some(call)) => evaluation.findings.push(format!(
                "on {runtime} the task's call was {call:?}, {}",
                words(&call)
            )),
            Ok(None) => evaluation.findings.push(format!(
                "on {runtime} C returned to no call instruction of this image"
            )),
            Err(error) => evaluation
                .findings
                .push(format!("no {runtime} runtime: {error}")),
        }
    }
    evaluation.controls(subject);
    let acts: Vec<CallScenario> = polled()
        .iter()
        .flat_map(|exhibit| {
            Runtime::BOTH.map(|runtime| CallScenario::new(runtime.side(), exhibit.name))
        })
        .collect();
    evaluation.walk_bare(subject, &acts);
    patterns(subject, &mut evaluation);
    let per_poll = polls(subject, &mut evaluation);
    let mut missing = evaluation.missing();
    // It takes a second or two, and no verdict rests on it.
    if subject.alone || subject.on_file != OnFile::Read {
        match cross_thread::measure() {
            Ok(measured) => {
                evaluation
                    .measured
                    .extend(measured.into_iter().map(|(how, spread)| {
                        let measured = Measured {
                            value: spread.median,
                            spread: Some([spread.least, spread.greatest]),
                            unit: "instructions",
                        };
                        (how.as_str().to_owned(), measured)
                    }))
            }
            Err(why) => missing.push(Missing {
                what: "valgrind",
                why: format!("what a task hands to another thread is not measured: {why}"),
            }),
        }
    }
    let rests = Rests::OnImage;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::HoldsWithConditions, rests),
        found: format!(
            "{} of {} polls, {}; {} of 2 calls executed in tasks; {}; bare in {} patterns; {per_poll}",
            evaluation.value("exhibits"),
            polled().len(),
            evaluation.by_route(),
            evaluation.value("executed in a task"),
            evaluation.walked(),
            evaluation.value("patterns")
        ),
        conditions: evaluation.conditions(rests, vec![
            "per call nothing more than outside; per poll what is counted here, on the current-thread runtime, of which \
             one thread executes everything, without the runtime's reading of the clock, which is not the same each time"
                .into(),
            "a poll on the multi-thread runtime and a hand-over by spawn_blocking are several threads': who has to be woken \
             is another each time, so that these are measured, in user space and with their spread, where this claim \
             alone is asked for, and no verdict rests on them"
                .into(),
            "walked: return_address spawned as it is, the others boxed, so that tokio polls the exhibit's own code and no \
                 inlined copy"
                    .into(),
                "a call that waits blocks its worker: being cheap is not being allowed".into(),
        ]),
        missing,
        findings: evaluation.findings,
        talk: Talk {
            quote: "which precludes green threads: cannot afford runtime",
            assessment: Assessment::Simplified,
            because: Some("a task has a runtime, and pays it per poll; the call into C does not pass through it"),
        },
        evidence: Evidence::Live,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance: live(subject),
        reproduce: reproduce(STATEMENT.id),
        walks: evaluation.walks,
    }
}

/// In each pattern of waiting for C the call into C is bare, wherever in Rust it was inlined to.
#[cfg(target_os = "linux")]
fn patterns(subject: &ImageUnderTest, evaluation: &mut Evaluation) {
    let patterns = zero_cost_ffi::catalogue::patterns();
    for pattern in &patterns {
        std::hint::black_box(pattern.run); // so that it is in this image
    }
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    let rust = |function: &Function<'_>| function.mangled().is_some_and(barecall::is_rust);
    for call in subject
        .image
        .functions()
        .filter(rust)
        .flat_map(|function| function.calls())
    {
        // Of most calls none is C's: their names are asked for once, not once for each pattern's.
        let names = call.to_mangled();
        let named = |callee: &&&str| names.iter().any(|name| name.contains(**callee));
        for pattern in &patterns {
            let mut callees = pattern.calls.iter().filter(named);
            let Some(callee) = callees.find(|callee| call.reaches(callee)) else {
                continue;
            };
            *found.entry(callee).or_default() += 1;
            // How many there are is the inliner's to say.
            if !call.route().is_bare() {
                evaluation.findings.push(format!(
                    "pattern {}: {call:?}, {}",
                    pattern.name,
                    words(&call)
                ));
            }
        }
    }
    for pattern in &patterns {
        match pattern
            .calls
            .iter()
            .find(|callee| !found.contains_key(*callee))
        {
            Some(callee) => evaluation.findings.push(format!(
                "pattern {}: no call of {callee} in this image",
                pattern.name
            )),
            None => evaluation.add("patterns", 1, "patterns"),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn patterns(_: &ImageUnderTest, _: &mut Evaluation) {}

/// Per call nothing, per poll so much: `per call 5 in a task and 5 outside, per poll 330`.
fn polls(subject: &ImageUnderTest, evaluation: &mut Evaluation) -> String {
    match per_poll::count(subject) {
        Ok(counted) => {
            for (name, value) in [
                ("per call in a task", counted.per_call),
                ("per call outside", counted.per_call_outside),
                ("per poll", counted.per_poll),
            ] {
                evaluation.add(name, value, "instructions");
            }
            if counted.per_call > counted.per_call_outside {
                evaluation
                    .findings
                    .push(format!("a call costs more in a task: {counted:?}"));
            }
            format!(
                "per call {} instructions in a task and {} outside, per poll {} more",
                counted.per_call, counted.per_call_outside, counted.per_poll
            )
        }
        Err(why) => format!("polls not counted: {why}"),
    }
}
