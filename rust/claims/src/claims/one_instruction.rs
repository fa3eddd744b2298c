//! `one-instruction`: a call from Rust into C executes one instruction.

use crate::evaluation::{BARE, CONTROLS, Context, Evaluation, Quote, Shows, Spec, WALKED, plain};
use crate::report::{Claim, Side, Verdict};
use crate::scenario::call::CallScenario;

/// The claim.
pub static SPEC: Spec = Spec {
    id: "one-instruction",
    statement: "between a Rust function and the C function it calls, exactly one instruction executes: the call",
    talk: Quote::as_said("Rust favors abstractions at no _additional_ costs … including FFI"),
    shows: Shows::Exhibits(|exhibit| !exhibit.poll),
    figures: &[BARE, CONTROLS, WALKED],
    check,
    ..Spec::DEFAULT
};

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    for exhibit in plain() {
        evaluation.bare(&context.image, &exhibit);
    }
    evaluation.controls(&context.image);
    let calls = CallScenario::of(&[Side::Rust], &plain());
    evaluation.walk_bare(&context.image, &calls);
    let found = format!(
        "{} of {} exhibits, {}; {}; {} controls told apart",
        evaluation.value("exhibits"),
        plain().len(),
        evaluation.by_route(),
        evaluation.walked(),
        evaluation.value("controls")
    );
    evaluation.finish_live(&context.image, Verdict::Holds, found, CONDITIONS)
}

const CONDITIONS: [&str; 3] = [
    "for this image: this compiler, its flags and this link; another image may get another verdict",
    "one instruction is not no cost: by `got`, the call also loads the pointer that the loader bound",
    "only the call is counted; arguments are set up as for any call",
];
