//! `same-stack`: no call moves to another stack.

use super::{Evaluation, Rests, Statement, live, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::image_under_test::ImageUnderTest;
use crate::report::Side;
use crate::scenario::call::CallScenario;

pub const STATEMENT: Statement = Statement {
    id: "same-stack",
    says: "C runs on the caller's own stack: no call moves the stack pointer elsewhere, out or back, in a task or not",
    check,
};

/// Every exhibit, and C's call back.
fn exhibits() -> Vec<CallScenario> {
    CallScenario::all()
        .into_iter()
        .filter(|act| !matches!(act.side, Side::C | Side::Control))
        .collect()
}

fn check(subject: &ImageUnderTest) -> Claim {
    let mut evaluation = Evaluation::default();
    evaluation.walk_on_one_stack(subject, &exhibits());
    let control = evaluation.walk_control(subject, CallScenario::OTHER_STACK, |walk| {
        (walk.out.stack_switches, walk.back.stack_switches) == (1, 1)
    });
    let rests = Rests::OnWalks;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::Holds, rests),
        found: evaluation.found(format!(
            "{} of {} calls walked: {} stack switches; control on another stack {control}",
            evaluation.value("walked"),
            exhibits().len(),
            evaluation.value("stack switches"),
        )),
        conditions: evaluation.conditions(
            rests,
            vec![
                "the stack is the thread's, and as large: C may need more of it than a task's code would by itself".into(),
                "walked by ptrace, one call of each; a signal handler may have a stack of its own".into(),
            ],
        ),
        missing: evaluation.missing(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "cf. Cgo with its C-incompatible stack",
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
