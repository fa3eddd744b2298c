//! `same-stack`: no call moves to another stack.

use crate::evaluation::{
    CONTROLS, Context, Evaluation, Outcome, Quote, Rests, Shows, Spec, WALKED,
};
use crate::report::Side;
use crate::report::{Claim, Verdict};
use crate::scenario::call::CallScenario;

/// The claim.
pub static SPEC: Spec = Spec {
    id: "same-stack",
    statement: "C runs on the caller's own stack: no call moves the stack pointer elsewhere, out or back, in a task or not",
    talk: Quote::as_said("cf. Cgo with its C-incompatible stack"),
    shows: Shows::Exhibits(|_| true),
    figures: &[CONTROLS, WALKED],
    check,
    ..Spec::DEFAULT
};

/// Every exhibit, and C's call back.
fn exhibits() -> Vec<CallScenario> {
    CallScenario::all()
        .into_iter()
        .filter(|act| !matches!(act.side, Side::C | Side::Control))
        .collect()
}

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    evaluation.walk_on_one_stack(&context.image, &exhibits());
    let control = evaluation.walk_control(&context.image, CallScenario::OTHER_STACK, |walk| {
        (walk.out.stack_switches, walk.back.stack_switches) == (1, 1)
    });
    let found = evaluation.found_by_walking(format!(
        "{} of {} calls walked: {} stack switches; control on another stack {control}",
        evaluation.value("walked"),
        exhibits().len(),
        evaluation.value("stack switches"),
    ));
    evaluation.finish(Outcome {
        rests: Rests::OnWalks,
        ..Outcome::live(&context.image, Verdict::Holds, found, CONDITIONS)
    })
}

const CONDITIONS: [&str; 2] = [
    "the stack is the thread's, and as large: C may need more of it than a task's code alone would",
    "walked by ptrace, one call of each; a signal handler may have its own stack",
];
