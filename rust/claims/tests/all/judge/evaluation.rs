//! What every claim is evaluated with: figures that are declared, controls that are told apart, faults that are seen.

use barecall::walk::Walk;
use claims::claims::{SPECS, no_more_than_c};
use claims::evaluation::{
    BARE, CONTROLS, Context, Evaluation, FigureSpec, Outcome, Quote, Rests, Shows, Spec, WALKED,
};
use claims::image_under_test::ImageUnderTest;
use claims::report::{Claim, Evidence, TALK, Verdict};
use claims::scenario::call::CallScenario;
use zero_cost_ffi::catalogue::{self, Exhibit};

static DUMMY: Spec = Spec {
    id: "dummy",
    statement: "a dummy is a claim like any other",
    talk: Quote::simplified("so it is said", "not by everybody"),
    shows: Shows::Nothing,
    figures: &[
        BARE,
        CONTROLS,
        WALKED,
        no_more_than_c::WALKED_PAIRS,
        &[FigureSpec::new("dummies", "dummies").counts("dummies that were counted")],
    ],
    matrices: &[no_more_than_c::WALKED_OUT, no_more_than_c::WALKED_BACK],
    check: dummy,
    ..Spec::DEFAULT
};

fn dummy(_: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&DUMMY);
    evaluation.add("dummies", 2);
    evaluation.most_in_cell("walked to the callee", "puts", "C", 2);
    evaluation.most_in_cell("walked to the callee", "puts", "C", 1);
    evaluation.finish(Outcome {
        verdict: Verdict::Holds,
        rests: Rests::OnImage,
        found: "2 dummies".to_owned(),
        conditions: vec!["for dummies only".to_owned()],
        evidence: Evidence::Live,
        provenance: [("date".to_owned(), "today".to_owned())].into(),
    })
}

#[test]
fn a_dummy_claim_comes_out_whole() {
    let context = Context {
        image: ImageUnderTest::current().expect("the test's own image"),
        request: claims::evaluation::Request::default(),
    };
    let specs: &[&Spec] = &[SPECS[0], &DUMMY];
    let claim = (specs[1].check)(&context);
    assert_eq!((&*claim.id, &*claim.statement), (DUMMY.id, DUMMY.statement));
    assert_eq!(claim.verdict, Verdict::Holds);
    assert_eq!(claim.found, "2 dummies");
    assert_eq!(claim.conditions, ["for dummies only"]);
    assert_eq!(
        (&*claim.talk.quote, &*claim.talk.from),
        ("so it is said", TALK)
    );
    assert_eq!(claim.talk.because.as_deref(), Some("not by everybody"));
    assert_eq!(claim.provenance["date"], "today");
    assert_eq!(claim.reproduce, "cargo run --release -- prove dummy");
    let dummies = &claim.figures["dummies"];
    assert_eq!((dummies.value, &*dummies.unit), (2, "dummies"));
    assert_eq!(dummies.counts, "dummies that were counted");
    // A matrix that nothing was put in is left out.
    assert_eq!(claim.matrices.len(), 1);
    assert_eq!(claim.matrices[0].rows[0].values, [None, Some(2)]);
}

#[test]
#[should_panic(expected = "dummy declares no figure \"dumies\"")]
fn an_unknown_figure_is_a_panic() {
    let _ = Evaluation::new(&DUMMY).value("dumies");
}

#[test]
#[should_panic(expected = "dummy declares no matrix \"walked\"")]
fn an_unknown_matrix_is_a_panic() {
    Evaluation::new(&DUMMY).set_cell("walked", "puts", "C", 1);
}

/// Every claim is declared once, and whole.
#[test]
fn every_spec_is_whole() {
    for spec in SPECS {
        assert!(!spec.id.is_empty() && !spec.statement.is_empty());
        assert!(!spec.talk.quote.is_empty(), "{}", spec.id);
        assert_eq!(SPECS.iter().filter(|other| other.id == spec.id).count(), 1);
    }
}

/// An exhibit rewritten to call through a control: the claim must turn, and name the trampoline.
#[test]
fn an_exhibit_through_a_control_does_not_hold() {
    let subject = ImageUnderTest::current().expect("the test's own image");
    for control in catalogue::controls() {
        let calls: &[&str] = if control.name.contains("say") || control.name.contains("dlsym") {
            &["puts"]
        } else {
            &["greet_add_one"]
        };
        let exhibit = Exhibit {
            name: control.name,
            path: control.path,
            calls,
            entry: control.entry,
            ..catalogue::exhibits()[0]
        };
        let mut evaluation = Evaluation::new(&DUMMY);
        evaluation.bare(&subject, &exhibit);
        assert_eq!(
            evaluation.verdict(Verdict::Holds, Rests::OnImage),
            Verdict::DoesNotHold
        );
        for word in [control.route].into_iter().chain(control.via) {
            assert!(
                evaluation.findings[0].contains(word),
                "{}: {:?}",
                control.name,
                evaluation.findings
            );
        }
    }
}

/// A blind instrument must not pass: every control it misses is a finding.
#[test]
fn the_controls_are_checked() {
    let subject = ImageUnderTest::current().expect("the test's own image");
    let mut evaluation = Evaluation::new(&DUMMY);
    evaluation.controls(&subject);
    assert_eq!(evaluation.findings, Vec::<String>::new());
    assert_eq!(
        evaluation.value("controls") as usize,
        catalogue::controls().len()
    );
}

/// What each claim about walks is to find fault with, planted in the place of an exhibit.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod walked {
    use super::*;
    use claims::report::Side;

    fn turned(planted: impl FnOnce(&mut Evaluation, &ImageUnderTest), named: &str) {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let mut evaluation = Evaluation::new(&DUMMY);
        planted(&mut evaluation, &subject);
        for rests in [Rests::OnImage, Rests::OnWalks] {
            assert_eq!(
                evaluation.verdict(Verdict::Holds, rests),
                Verdict::DoesNotHold
            );
        }
        assert!(
            evaluation.findings[0].contains(named),
            "{:?}",
            evaluation.findings
        );
    }

    #[test]
    fn a_stub_in_between_is_seen() {
        let say = CallScenario::new(Side::C, "say");
        turned(
            |evaluation, subject| evaluation.walk_bare(subject, &[say]),
            "puts@plt",
        );
    }

    #[test]
    fn a_callback_through_a_shim_is_seen() {
        turned(
            |evaluation, subject| {
                evaluation.walk_bare(subject, &[CallScenario::VISIT_THROUGH_SHIM])
            },
            "visit_shim",
        );
    }

    #[test]
    fn another_stack_is_seen() {
        turned(
            |evaluation, subject| {
                evaluation.walk_on_one_stack(subject, &[CallScenario::OTHER_STACK])
            },
            "switches stacks",
        );
        turned(
            |evaluation, subject| evaluation.walk_bare(subject, &[CallScenario::OTHER_STACK]),
            "on_other_stack",
        );
    }

    #[test]
    fn more_than_c_is_seen() {
        let [rust, c] = [Side::Rust, Side::C].map(|side| CallScenario::new(side, "say"));
        turned(
            |evaluation, subject| {
                drop(no_more_than_c::walk_pair(
                    evaluation, subject, c, rust, "puts",
                ))
            },
            "2 instructions",
        );
    }

    #[test]
    fn a_control_that_is_not_seen_is_a_fault() {
        let unseen = |walk: &Walk| walk.out.stack_switches == 1;
        turned(
            |evaluation, subject| {
                drop(evaluation.walk_control(subject, CallScenario::VISIT_THROUGH_SHIM, unseen))
            },
            "cannot tell it",
        );
    }

    #[test]
    fn what_is_not_reached_is_no_proof() {
        let nowhere = CallScenario::new(Side::Rust, "no_such_exhibit");
        turned(
            |evaluation, subject| evaluation.walk_bare(subject, &[nowhere]),
            "no such call",
        );
    }
}
