//! `one-instruction`: a call from Rust into C executes one instruction.

use crate::evaluation::{
    BARE, CONTROLS, Context, Evaluation, Outcome, Quote, Rests, Shows, Spec, WALKED, plain,
    provenance,
};
use crate::report::{Claim, Evidence, Side, Verdict};
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
    let calls: Vec<CallScenario> = plain()
        .iter()
        .map(|exhibit| CallScenario::new(Side::Rust, exhibit.name))
        .collect();
    evaluation.walk_bare(&context.image, &calls);
    let found = format!(
        "{} of {} exhibits, {}; {}; {} controls told apart",
        evaluation.value("exhibits"),
        plain().len(),
        evaluation.by_route(),
        evaluation.walked(),
        evaluation.value("controls")
    );
    evaluation.finish(Outcome {
        verdict: Verdict::Holds,
        rests: Rests::OnImage,
        found,
        conditions: vec![
            "for this image: this compiler, its flags and this link; another image may get another verdict".into(),
            "one instruction is not no cost: by `got`, the call also loads the pointer that the loader bound".into(),
            "only the call is counted; arguments are set up as for any call".into(),
        ],
        evidence: Evidence::Live,
        provenance: provenance(&context.image),
    })
}
