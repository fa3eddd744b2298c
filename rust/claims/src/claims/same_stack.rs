//! `same-stack`: no call moves to another stack.

use super::{Rests, Statement, Tally, live, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::image_under_test::Subject;
use crate::scenario::act::{Act, Side};

pub const STATEMENT: Statement = Statement {
    id: "same-stack",
    says: "C runs on the caller's own stack: no call moves the stack pointer elsewhere, out or back, in a task or not",
    check,
};

/// Every exhibit, and C's call back.
fn exhibits() -> Vec<Act> {
    Act::all()
        .into_iter()
        .filter(|act| !matches!(act.side, Side::C | Side::Control))
        .collect()
}

fn check(subject: &Subject) -> Claim {
    let mut tally = Tally::default();
    tally.walk_on_one_stack(subject, &exhibits());
    let control = tally.walk_control(subject, Act::OTHER_STACK, |walk| {
        (walk.out.stack_switches, walk.back.stack_switches) == (1, 1)
    });
    let rests = Rests::OnWalks;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: tally.verdict(Verdict::Holds, rests),
        found: tally.found(format!(
            "{} of {} calls walked: {} stack switches; control on another stack {control}",
            tally.value("walked"),
            exhibits().len(),
            tally.value("stack switches"),
        )),
        conditions: tally.conditions(
            rests,
            vec![
                "the stack is the thread's, and as large: C may need more of it than a task's code would by itself".into(),
                "walked by ptrace, one call of each; a signal handler may have a stack of its own".into(),
            ],
        ),
        missing: tally.missing(),
        findings: tally.findings,
        talk: Talk {
            quote: "cf. Cgo with its C-incompatible stack",
            assessment: Assessment::AsSaid,
            because: None,
        },
        evidence: Evidence::Live,
        figures: tally.figures,
        measured: tally.measured,
        pictures: tally.pictures,
        provenance: live(subject),
        reproduce: reproduce(STATEMENT.id),
        walks: tally.walks,
    }
}
