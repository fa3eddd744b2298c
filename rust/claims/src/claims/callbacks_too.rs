//! `callbacks-too`: C calling back into Rust executes one instruction as well.

use zero_cost_ffi::ffi;

use super::no_more_than_c::{WALKED_BACK, WALKED_OUT, WALKED_PAIRS, walk_pair};
use crate::evaluation::{
    CONTROLS, Context, Evaluation, Outcome, Quote, Rests, Shows, Spec, WALKED,
};
use crate::image_under_test::words;
use crate::report::{Claim, Verdict};
use crate::scenario::call::CallScenario;

/// The claim.
pub static SPEC: Spec = Spec {
    id: "callbacks-too",
    statement: "when C calls back into a Rust extern \"C\" fn, exactly one instruction executes in between: the call",
    talk: Quote::simplified(
        "zero-cost abstractions: FFI-friendly + state machines",
        "the talk shows the way out into C only; the way in is one instruction too, but by pointer",
    ),
    shows: Shows::Exhibits(|exhibit| exhibit.calls == ["greet_for_each"]),
    figures: &[CONTROLS, WALKED, WALKED_PAIRS],
    matrices: &[WALKED_OUT, WALKED_BACK],
    check,
    ..Spec::DEFAULT
};

fn check(context: &Context) -> Claim {
    let image = &context.image;
    let mut evaluation = Evaluation::new(&SPEC);
    // At rest it is a call through a pointer, which could be any function's. Only a walk sees where it goes.
    let route = image
        .at("greet_for_each", ffi::greet_for_each as *const ())
        .ok()
        .and_then(|function| function.calls().first().map(words))
        .unwrap_or_else(|| "no call".to_owned());
    evaluation.walk_bare(image, &[CallScenario::VISIT]);
    let c = walk_pair(
        &mut evaluation,
        image,
        CallScenario::VISIT,
        CallScenario::ADD_TO,
        "the callback",
    );
    let control = evaluation.walk_control(image, CallScenario::VISIT_THROUGH_SHIM, |walk| {
        walk.out.instructions == 2
    });
    let found = evaluation.found_by_walking(format!(
        "by {route} at rest; {}; C calling back C {c}; control with a shim {control}",
        evaluation.walked()
    ));
    evaluation.finish(Outcome {
        rests: Rests::OnWalks,
        ..Outcome::live(image, Verdict::HoldsWithConditions, found, CONDITIONS)
    })
}

const CONDITIONS: [&str; 3] = [
    "by pointer, chosen at run time: the image alone cannot show where it goes, so no such call is bare by its \
     route; the walk shows that this one was",
    "the callback is an extern \"C\" fn itself; a closure costs one more call, from such a function",
    "it must not unwind into C: a panic that would aborts the process",
];
