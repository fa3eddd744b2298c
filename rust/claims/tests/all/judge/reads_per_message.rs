//! `reads-per-message`

use claims::claims::reads_per_message::{Counted, OF_THREADS, faults, judge};
use claims::image_under_test::ImageUnderTest;
use claims::measure::syscalls::{SyscallCount, SyscallCounts};
use claims::measure::thread_ring::Case;
use claims::report::{Claim, Verdict};
use zero_cost_ffi::thread_ring::Variant;

fn counted(variant: Variant) -> (Case, SyscallCounts) {
    let case = Case {
        variant,
        in_flight: 1,
        buffer: 1,
    };
    let mut counts = case.counts().expect("it is counted");
    // Of the test harness, which has threads.
    counts.retain(|name, _| !OF_THREADS.contains(&name.as_str()));
    (case, counts)
}

fn judged(counts: Vec<(Case, SyscallCounts)>) -> Claim {
    let image = ImageUnderTest::current().expect("the test's own image");
    judge(
        &image,
        Counted {
            counts,
            ..Counted::default()
        },
    )
}

/// What reads once too often, planted in the place of what the claim says reads once: the claim turns.
#[test]
fn a_read_too_many_does_not_hold() {
    let (_, counts) = counted(Variant::EpollLevelTwice);
    for variant in [Variant::Threads, Variant::EpollLevel] {
        let planted = Case {
            variant,
            in_flight: 1,
            buffer: 1,
        };
        let claim = judged(vec![(planted, counts.clone())]);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        let expected =
            format!("{planted}: 256 read in 128 hops, 128 of them EAGAIN; expected 128, 0 of them");
        assert!(
            claim
                .findings
                .iter()
                .any(|finding| finding.starts_with(&expected)),
            "{:?}",
            claim.findings
        );
    }
}

/// The other way about: what reads once does not pass for a task, nor for the control.
#[test]
fn a_read_too_few_does_not_hold() {
    let (_, counts) = counted(Variant::EpollLevel);
    for variant in [Variant::Tokio, Variant::EpollEdge, Variant::EpollLevelTwice] {
        let planted = Case {
            variant,
            in_flight: 1,
            buffer: 1,
        };
        let claim = judged(vec![(planted, counts.clone())]);
        assert_eq!(claim.verdict, Verdict::DoesNotHold, "{variant}");
    }
}

/// A call that nobody spoke of is no smaller a fault.
#[test]
fn an_unexpected_call_does_not_hold() {
    for variant in [Variant::Threads, Variant::Tokio] {
        let (case, mut counts) = counted(variant);
        assert_eq!(faults(&case, &counts), Vec::<String>::new());
        counts.insert("epoll_ctl".to_owned(), SyscallCount { made: 1, again: 0 });
        assert_eq!(judged(vec![(case, counts)]).verdict, Verdict::DoesNotHold);
    }
}

#[test]
fn without_counts_it_is_not_checked() {
    let claim = judged(Vec::new());
    assert_eq!(claim.verdict, Verdict::NotChecked);
    assert!(claim.found.starts_with("not counted"), "{}", claim.found);
}
