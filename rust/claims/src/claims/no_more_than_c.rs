//! `no-more-than-c`: the same call written in C executes no less.

use zero_cost_ffi::catalogue;

use super::{Rests, Statement, Tally, live, plain, reproduce};
use crate::act::{Act, Side};
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
    // All at once, which is faster than a pair at a time.
    let acts: Vec<Act> = plain()
        .iter()
        .flat_map(|exhibit| [Side::Rust, Side::C].map(|side| Act::new(side, exhibit.name)))
        .collect();
    subject.walks(&acts);
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
                let count = |count: Option<u32>| match count {
                    None => "makes no such call".to_owned(),
                    Some(u32::MAX) => "executes it is not known how many instructions".to_owned(),
                    Some(count) => format!("executes {count}"),
                };
                tally.findings.push(format!(
                    "{}: Rust {} ({}), C {} ({})",
                    exhibit.name,
                    count(ours),
                    shown(&rust),
                    count(theirs),
                    shown(&c)
                ));
            }
        }
    }
    for exhibit in plain() {
        let [ours, theirs] = [Side::Rust, Side::C].map(|side| Act::new(side, exhibit.name));
        tally.walk_pair(subject, ours, theirs, exhibit.calls[0]);
    }
    let rests = Rests::OnImage;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: tally.verdict(Verdict::Holds, rests),
        found: format!(
            "{} pairs; to puts {} instruction(s) in Rust and {} in C, to a static library's function {} and {}; {}",
            tally.value("pairs"),
            tally.value("to puts from Rust"),
            tally.value("to puts from C"),
            tally.value("to greet_add_one from Rust"),
            tally.value("to greet_add_one from C"),
            walked(&tally),
        ),
        conditions: tally.conditions(rests, vec![
            "C as this C compiler makes it by default: it calls a shared library's function through a PLT stub; with \
             -fno-plt it calls as Rust does"
                .into(),
            "to a static library's function C calls directly where Rust loads the address from the GOT: one \
             instruction each, but not the same one"
                .into(),
            "the call is compared, not the loop around it".into(),
        ]),
        missing: tally.missing(),
        findings: tally.findings,
        talk: Talk {
            quote: "zero-cost abstractions: FFI-friendly + state machines",
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

/// `walked: to puts 1 and 2 out, 0 and 0 back`
fn walked(tally: &Tally) -> String {
    if tally.value("walked pairs") == 0 {
        return "not walked".to_owned();
    }
    format!(
        "{} walked: to puts {} and {} out, {} and {} back",
        tally.value("walked pairs"),
        tally.value("walked to puts from Rust"),
        tally.value("walked to puts from C"),
        tally.value("walked back from puts to Rust"),
        tally.value("walked back from puts to C"),
    )
}
