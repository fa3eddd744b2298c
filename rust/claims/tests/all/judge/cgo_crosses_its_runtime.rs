//! `cgo-crosses-its-runtime`

use std::path::Path;

use claims::claims::cgo_crosses_its_runtime::{at_rest, judge};
use claims::go::recorded::{self, GoEvidence};
use claims::image_under_test::ImageUnderTest;
use claims::report::{Evidence, Side, Verdict, Walked};

fn image() -> ImageUnderTest {
    ImageUnderTest::current().expect("the test's own image")
}

fn on_file() -> GoEvidence<Vec<Walked>> {
    GoEvidence::recorded(&recorded::walks(), "go", "not here", |facts| facts.walks)
}

#[test]
fn without_go_what_is_on_file_holds_and_says_so() {
    let claim = judge(&image(), on_file());
    assert_eq!(
        claim.verdict,
        Verdict::HoldsWithConditions,
        "{:?}",
        claim.findings
    );
    assert_eq!(claim.evidence, Evidence::Recorded);
    assert_eq!(claim.missing[0].what, "go");
    assert!(claim.conditions[0].starts_with("by what is on file"));
    assert!(
        claim
            .walks
            .iter()
            .all(|walked| { (walked.side == Side::Go) == (walked.evidence == Evidence::Recorded) })
    );
}

#[test]
fn without_go_and_without_a_record_it_is_not_checked() {
    let claim = judge(
        &image(),
        GoEvidence::recorded(
            Path::new("/nowhere/walks.json"),
            "go",
            "not here",
            |facts| facts.walks,
        ),
    );
    assert_eq!(claim.verdict, Verdict::NotChecked);
    assert!(claim.missing[1].why.contains("/nowhere/walks.json"));
}

/// What is on file, with one walk in the place of another.
fn planted(name: &str, instead: &str, named: &str) {
    let mut go = on_file();
    let walk = |name: &str| {
        let found = go.found.iter().find(|walked| walked.name == name);
        found.expect("it is on file").walk.clone()
    };
    let other = walk(instead);
    for walked in &mut go.found {
        if walked.name == name {
            walked.walk = other.clone();
        }
    }
    let claim = judge(&image(), go);
    assert_eq!(claim.verdict, Verdict::DoesNotHold);
    assert!(claim.findings[0].contains(named), "{:?}", claim.findings);
}

#[test]
fn a_bare_call_from_go_turns_it() {
    planted(
        "add_one",
        "add_one_in_go",
        "go/add_one: 0 stack switches out",
    );
}

#[test]
fn a_control_that_is_seen_crossing_turns_it() {
    planted("add_one_in_go", "add_one", "go/add_one_in_go: not bare");
}

#[test]
fn a_callback_that_goes_the_wrong_way_turns_it() {
    planted("visit", "add_one", "go/visit: out: no ");
}

#[test]
fn a_walk_that_is_missing_turns_it() {
    let mut go = on_file();
    go.found.pop();
    let claim = judge(&image(), go);
    assert_eq!(claim.verdict, Verdict::DoesNotHold);
    assert!(claim.findings[0].contains("11 of 12 walks"));
}

/// The judge's own image has Rust's bare calls under no such names: nothing of Go is found there.
#[test]
fn an_image_without_go_turns_it() {
    let image = image();
    let faults = at_rest(image.image.path());
    assert!(faults[0].contains("main.addOne"), "{faults:?}");
}
