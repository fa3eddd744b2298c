//! `one-instruction`: a call from Rust into C executes one instruction.

use super::{Evaluation, Rests, Statement, live, plain, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::image_under_test::ImageUnderTest;
use crate::report::Side;
use crate::scenario::call::CallScenario;

pub const STATEMENT: Statement = Statement {
    id: "one-instruction",
    says: "between a Rust function and the C function it calls, exactly one instruction executes: the call",
    check,
};

fn check(subject: &ImageUnderTest) -> Claim {
    let mut evaluation = Evaluation::default();
    for exhibit in plain() {
        evaluation.bare(subject, &exhibit);
    }
    evaluation.controls(subject);
    let acts: Vec<CallScenario> = plain()
        .iter()
        .map(|exhibit| CallScenario::new(Side::Rust, exhibit.name))
        .collect();
    evaluation.walk_bare(subject, &acts);
    let rests = Rests::OnImage;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::Holds, rests),
        found: format!(
            "{} of {} exhibits, {}; {}; {} controls told apart",
            evaluation.value("exhibits"),
            plain().len(),
            evaluation.by_route(),
            evaluation.walked(),
            evaluation.value("controls")
        ),
        conditions: evaluation.conditions(rests, vec![
            "for this image: this compiler, its flags and this link; another image is another verdict".into(),
            "one instruction, not no cost: by `got` the call also loads the pointer that the loader bound".into(),
            "what is counted is the call; arguments are set up as for any call".into(),
        ]),
        missing: evaluation.missing(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "Rust favors abstractions at no _additional_ costs … including FFI",
            assessment: Assessment::AsSaid,
            because: None,
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
