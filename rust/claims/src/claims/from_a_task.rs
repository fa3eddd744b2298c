//! `from-a-task`: the same call, made by a future's `poll`, costs the same.

use super::{Rests, Statement, Tally, live, polled, reproduce};
use crate::act::{Act, Runtime, Side};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::subject::{Subject, words};

pub const STATEMENT: Statement = Statement {
    id: "from-a-task",
    says: "a call from inside a task is the same single instruction, on either tokio runtime",
    check,
};

fn check(subject: &Subject) -> Claim {
    let mut tally = Tally::default();
    for exhibit in polled() {
        tally.bare(subject, &exhibit);
    }
    // Not only what could be executed: the call that a task did execute, found by where C was to return to.
    for runtime in Runtime::BOTH {
        let returned = runtime.return_address();
        let runtime = runtime.word();
        let call = returned.map(|address| subject.call_returning_to(address as u64));
        match call {
            Ok(Some(call)) if call.route().is_bare() && call.reaches("greet_return_address") => {
                tally.add("executed in a task", 1, "calls");
            }
            Ok(Some(call)) => tally.findings.push(format!(
                "on {runtime} the task's call was {call:?}, {}",
                words(&call)
            )),
            Ok(None) => tally.findings.push(format!(
                "on {runtime} C returned to no call instruction of this image"
            )),
            Err(error) => tally
                .findings
                .push(format!("no {runtime} runtime: {error}")),
        }
    }
    tally.controls(subject);
    let acts: Vec<Act> = polled()
        .iter()
        .flat_map(|exhibit| {
            Runtime::BOTH.map(|runtime| Act::new(Side::Task(runtime), exhibit.name))
        })
        .collect();
    tally.walk_bare(subject, &acts);
    let rests = Rests::OnImage;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: tally.verdict(Verdict::HoldsWithConditions, rests),
        found: format!(
            "{} of {} polls, {}; {} of 2 calls executed in tasks; {}",
            tally.value("exhibits"),
            polled().len(),
            tally.by_route(),
            tally.value("executed in a task"),
            tally.walked()
        ),
        conditions: tally.conditions(rests, vec![
            "per call nothing; what a task costs it costs per poll and per wake, which is not counted here".into(),
            "walked: return_address spawned as it is, the others boxed, so that tokio polls the exhibit's own code and no \
                 inlined copy"
                    .into(),
                "a call that waits blocks its worker: being cheap is not being allowed".into(),
        ]),
        missing: tally.missing(),
        findings: tally.findings,
        talk: Talk {
            quote: "which precludes green threads: cannot afford runtime",
            assessment: Assessment::Simplified,
            because: Some("a task has a runtime, and pays it per poll; the call into C does not pass through it"),
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
