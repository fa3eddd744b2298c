//! `from-a-task`: the same call, made by a future's `poll`, costs the same.

use std::collections::BTreeMap;

use barecall::Function;

use crate::evaluation::{
    BARE, CONTROLS, Context, Evaluation, FigureSpec, OnFile, Quote, Shows, Spec, WALKED, polled,
};
use crate::image_under_test::{ImageUnderTest, words};
use crate::measure::{cross_thread, per_poll};
use crate::report::{Claim, Measured, Verdict};
use crate::scenario::call::{CallScenario, Runtime};

/// The claim.
pub static SPEC: Spec = Spec {
    id: "from-a-task",
    statement: "a call from inside a task is the same single instruction, on either tokio runtime",
    talk: Quote::simplified(
        "which precludes green threads: cannot afford runtime",
        "a task has a runtime, and pays it per poll; the call into C does not pass through it",
    ),
    shows: Shows::Exhibits(|exhibit| exhibit.poll),
    figures: &[BARE, CONTROLS, WALKED, FIGURES],
    check,
    ..Spec::DEFAULT
};

const FIGURES: &[FigureSpec] = &[
    FigureSpec::new("executed in a task", "calls")
        .counts("bare calls that a task executed, one a runtime, found by the address that C returned to"),
    FigureSpec::new("patterns", "patterns")
        .counts("ways for a task to wait for C, of which each call in the image is bare"),
    FigureSpec::new("per call in a task", "instructions")
        .counts("instructions of one more call in a poll, the loop around it and the callee included"),
    FigureSpec::new("per call outside", "instructions")
        .counts("instructions of one more call in no task, the loop around it and the callee included"),
    FigureSpec::new("per poll", "instructions")
        .counts("instructions of one more poll on the current-thread runtime: to wake, find and poll the task, less \
                those of the loop in its place, its reading of the clock excluded"),
];

fn check(context: &Context) -> Claim {
    let image = &context.image;
    let mut evaluation = Evaluation::new(&SPEC);
    for exhibit in polled() {
        evaluation.bare(image, &exhibit);
    }
    // Not only what could be executed: the call that a task did execute, found by where C was to return to.
    for runtime in Runtime::BOTH {
        let returned = runtime.return_address();
        let runtime = runtime.side().as_str();
        let call = returned.map(|address| image.call_returning_to(address as u64));
        match call {
            Ok(Some(call)) if call.route().is_bare() && call.reaches("greet_return_address") => {
                evaluation.add("executed in a task", 1);
            }
            Ok(Some(call)) => evaluation.fault(format_args!(
                "on {runtime} the task's call was {call:?}, {}",
                words(&call)
            )),
            Ok(None) => evaluation.fault(format_args!(
                "on {runtime} C returned to no call instruction of this image"
            )),
            Err(error) => evaluation.fault(format_args!("no {runtime} runtime: {error}")),
        }
    }
    evaluation.controls(image);
    let sides = Runtime::BOTH.map(Runtime::side);
    evaluation.walk_bare(image, &CallScenario::of(&sides, &polled()));
    patterns(image, &mut evaluation);
    let per_poll = polls(image, &mut evaluation);
    // It takes a second or two, and no verdict rests on it.
    if context.request.alone || context.request.on_file != OnFile::Read {
        match cross_thread::measure() {
            Ok(measured) => {
                for (how, spread) in measured {
                    let value = Measured {
                        spread: Some([spread.least, spread.greatest]),
                        ..Measured::once(spread.median, "instructions")
                    };
                    evaluation.measured.insert(how.as_str().to_owned(), value);
                }
            }
            Err(why) => evaluation.lack(
                "valgrind",
                format_args!("what a task hands to another thread is not measured: {why}"),
            ),
        }
    }
    let found = format!(
        "{} of {} polls, {}; {} of 2 calls executed in tasks; {}; bare in {} patterns; {per_poll}",
        evaluation.value("exhibits"),
        polled().len(),
        evaluation.by_route(),
        evaluation.value("executed in a task"),
        evaluation.walked(),
        evaluation.value("patterns")
    );
    evaluation.finish_live(image, Verdict::HoldsWithConditions, found, CONDITIONS)
}

const CONDITIONS: [&str; 4] = [
    "per call nothing more than outside; per poll what is counted here, on the current-thread runtime, where \
     one thread executes everything, without the runtime's reading of the clock, which differs each time",
    "a poll on the multi-thread runtime and a hand-over by spawn_blocking involve several threads, and which of \
     them must be woken differs each time: they are measured, in user space and with their spread, where this \
     claim alone is asked for, and no verdict rests on them",
    "walked: return_address spawned as it is, the others boxed, so that tokio polls the exhibit's own code and no \
     inlined copy",
    "a call that waits blocks its worker: being cheap is not being allowed",
];

/// In each pattern of waiting for C the call into C is bare, wherever in Rust it was inlined to.
#[cfg(target_os = "linux")]
fn patterns(image: &ImageUnderTest, evaluation: &mut Evaluation) {
    let patterns = zero_cost_ffi::catalogue::patterns();
    for pattern in &patterns {
        std::hint::black_box(pattern.run); // so that it is in this image
    }
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    let rust = |function: &Function<'_>| function.mangled().is_some_and(barecall::is_rust);
    for call in image
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
                evaluation.fault(format_args!(
                    "pattern {}: {call:?}, {}",
                    pattern.name,
                    words(&call)
                ));
            }
        }
    }
    for pattern in &patterns {
        let name = pattern.name;
        let mut callees = pattern.calls.iter();
        match callees.find(|callee| !found.contains_key(*callee)) {
            Some(callee) => evaluation.fault(format_args!(
                "pattern {name}: no call of {callee} in this image"
            )),
            None => evaluation.add("patterns", 1),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn patterns(_: &ImageUnderTest, _: &mut Evaluation) {}

/// Per call nothing, per poll so much: `per call 5 in a task and 5 outside, per poll 330`.
fn polls(image: &ImageUnderTest, evaluation: &mut Evaluation) -> String {
    match per_poll::count(image) {
        Ok(counted) => {
            evaluation.add("per call in a task", counted.per_call);
            evaluation.add("per call outside", counted.per_call_outside);
            evaluation.add("per poll", counted.per_poll);
            if counted.per_call > counted.per_call_outside {
                evaluation.fault(format_args!("a call costs more in a task: {counted:?}"));
            }
            format!(
                "per call {} instructions in a task and {} outside, per poll {} more",
                counted.per_call, counted.per_call_outside, counted.per_poll
            )
        }
        Err(why) => format!("polls not counted: {why}"),
    }
}
