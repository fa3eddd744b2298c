//! `no-more-than-c`: the same call written in C executes no less.

use zero_cost_ffi::catalogue;

use super::{Statement, Tally, live, plain, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::subject::{Subject, on_show, words};

pub const STATEMENT: Statement = Statement {
    id: "no-more-than-c",
    says: "from its call to the C function's first instruction, Rust executes no more instructions than C does",
    check,
};

fn check(subject: &Subject) -> Claim {
    let mut tally = Tally::default();
    let twins = catalogue::twins();
    for exhibit in plain() {
        let rust = subject
            .exhibit(&exhibit)
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        let twin = twins.iter().find(|twin| Some(twin.name) == exhibit.twin);
        let c = twin
            .and_then(|twin| subject.twin(twin))
            .map(|function| on_show(&function, exhibit.calls))
            .unwrap_or_default();
        // The dearest call counts. Where a resolver may run on the way, the count is at least that of a stub.
        let most = |calls: &[barecall::Call<'_>], unknown| {
            calls
                .iter()
                .map(|call| call.instructions().unwrap_or(unknown))
                .max()
        };
        match (most(&rust, u32::MAX), most(&c, 2)) {
            (Some(ours), Some(theirs)) if ours <= theirs => {
                tally.add("pairs", 1, "functions");
                let callee = exhibit.calls[0];
                tally.most(
                    format!("to {callee} from Rust"),
                    ours.into(),
                    "instructions",
                );
                tally.most(format!("to {callee} from C"), theirs.into(), "instructions");
            }
            (ours, theirs) => {
                let shown = |calls: &[barecall::Call<'_>]| {
                    calls.iter().map(words).collect::<Vec<_>>().join("; ")
                };
                tally.findings.push(format!(
                    "{}: Rust {ours:?} instructions ({}), C {theirs:?} ({})",
                    exhibit.name,
                    shown(&rust),
                    shown(&c)
                ));
            }
        }
    }
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: tally.verdict(Verdict::Holds),
        found: format!(
            "{} pairs; to puts {} instruction(s) in Rust and {} in C, to a static library's function {} and {}",
            tally.value("pairs"),
            tally.value("to puts from Rust"),
            tally.value("to puts from C"),
            tally.value("to greet_add_one from Rust"),
            tally.value("to greet_add_one from C"),
        ),
        conditions: vec![
            "C as this C compiler makes it by default: it calls a shared library's function through a PLT stub; with \
             -fno-plt it calls as Rust does"
                .into(),
            "to a static library's function C calls directly where Rust loads the address from the GOT: one \
             instruction each, but not the same one"
                .into(),
            "the call is compared, not the loop around it".into(),
        ],
        findings: tally.findings,
        talk: Talk {
            quote: "zero-cost abstractions: FFI-friendly + state machines",
            assessment: Assessment::AsSaid,
            because: None,
        },
        evidence: Evidence::Live,
        figures: tally.figures,
        provenance: live(subject),
        reproduce: reproduce(STATEMENT.id),
    }
}
