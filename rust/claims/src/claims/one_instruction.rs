//! `one-instruction`: a call from Rust into C executes one instruction.

use super::{Rests, Statement, Tally, live, plain, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::image_under_test::Subject;
use crate::scenario::act::{Act, Side};

pub const STATEMENT: Statement = Statement {
    id: "one-instruction",
    says: "between a Rust function and the C function it calls, exactly one instruction executes: the call",
    check,
};

fn check(subject: &Subject) -> Claim {
    let mut tally = Tally::default();
    for exhibit in plain() {
        tally.bare(subject, &exhibit);
    }
    tally.controls(subject);
    let acts: Vec<Act> = plain()
        .iter()
        .map(|exhibit| Act::new(Side::Rust, exhibit.name))
        .collect();
    tally.walk_bare(subject, &acts);
    let rests = Rests::OnImage;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: tally.verdict(Verdict::Holds, rests),
        found: format!(
            "{} of {} exhibits, {}; {}; {} controls told apart",
            tally.value("exhibits"),
            plain().len(),
            tally.by_route(),
            tally.walked(),
            tally.value("controls")
        ),
        conditions: tally.conditions(rests, vec![
            "for this image: this compiler, its flags and this link; another image is another verdict".into(),
            "one instruction, not no cost: by `got` the call also loads the pointer that the loader bound".into(),
            "what is counted is the call; arguments are set up as for any call".into(),
        ]),
        missing: tally.missing(),
        findings: tally.findings,
        talk: Talk {
            quote: "Rust favors abstractions at no _additional_ costs … including FFI",
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
