//! `callbacks-too`: C calling back into Rust executes one instruction as well.

use zero_cost_ffi::ffi;

use super::{Evaluation, Rests, Statement, live, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::image_under_test::{ImageUnderTest, words};
use crate::scenario::call::CallScenario;

pub const STATEMENT: Statement = Statement {
    id: "callbacks-too",
    says: "when C calls back into a Rust extern \"C\" fn, exactly one instruction executes in between: the call",
    check,
};

fn check(subject: &ImageUnderTest) -> Claim {
    let mut evaluation = Evaluation::default();
    // At rest it is a call through a pointer, which could be any function's. Only a walk sees where it goes.
    let route = subject
        .at("greet_for_each", ffi::greet_for_each as *const ())
        .ok()
        .and_then(|function| function.calls().first().map(words))
        .unwrap_or_else(|| "no call".to_owned());
    evaluation.walk_bare(subject, &[CallScenario::VISIT]);
    let mut pair = Evaluation::default();
    let c = pair.walk_pair(
        subject,
        CallScenario::VISIT,
        CallScenario::ADD_TO,
        "the callback",
    );
    evaluation.figures.append(&mut pair.figures);
    evaluation.findings.append(&mut pair.findings);
    evaluation.walks.extend(pair.walks.pop());
    let control = evaluation.walk_control(subject, CallScenario::VISIT_THROUGH_SHIM, |walk| {
        walk.out.instructions == 2
    });
    let rests = Rests::OnWalks;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::HoldsWithConditions, rests),
        found: evaluation.found(format!(
            "by {route} at rest; {}; C calling back C {c}; control with a shim {control}",
            evaluation.walked()
        )),
        conditions: evaluation.conditions(
            rests,
            vec![
                "by pointer, chosen at run time: the image alone cannot show where it goes, so no such call is bare \
                 by its route; that it was is shown by the walk, for this call"
                    .into(),
                "the callback is an extern \"C\" fn itself; a closure is one call more, from such a function".into(),
                "it must not unwind into C: a panic that would aborts the process".into(),
            ],
        ),
        missing: evaluation.missing(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "zero-cost abstractions: FFI-friendly + state machines",
            assessment: Assessment::Simplified,
            because: Some("the talk shows the way out into C only; the way in is one instruction too, but by pointer"),
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
