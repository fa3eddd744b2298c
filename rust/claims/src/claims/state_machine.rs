//! `state-machine`: an `async fn` is the machine that one would write by hand, and the slide's is not.

use zero_cost_ffi::catalogue;

use crate::evaluation::{
    Context, Evaluation, MatrixSpec, Outcome, Quote, Rests, Shows, Spec, provenance,
};
use crate::image_under_test::ImageUnderTest;
use crate::report::{Assessment, Claim, Evidence, Verdict};
use crate::scenario::futures::{
    self, PANICS, PENDING, PENDING_FOR_EVER, POLLED, TalkFuture, WOKEN, first_difference,
};
use crate::scenario::{Scenario, child};

/// The claim.
pub static SPEC: Spec = Spec {
    id: "state-machine",
    statement: "an async fn does what the same machine written by hand does, poll by poll; \
                one that returns Pending without polling what it waits for is never woken",
    talk: Quote {
        quote: "*self = Self::Wait1(sleep(Duration::from_secs(1)));",
        assessment: Assessment::Simplified,
        because: Some(
            "the slide returns Pending behind this line without having polled the sleep, so nothing will wake it; \
             an await polls at once",
        ),
    },
    shows: Shows::Futures(catalogue::machines),
    matrices: &[
        MatrixSpec {
            name: "times",
            unit: "times",
            counts: "how often the future was polled, and woken, until it was done or an hour of virtual time had passed",
            columns: &["polled", "woken"],
        },
        MatrixSpec {
            name: "size",
            unit: "bytes",
            counts: "bytes of the future",
            columns: &["bytes"],
        },
        MatrixSpec {
            name: "code",
            unit: "instructions",
            counts: "instructions of its poll function in the image, executed or not",
            columns: &["poll"],
        },
    ],
    check,
    ..Spec::DEFAULT
};

fn check(context: &Context) -> Claim {
    judge(
        &context.image,
        TalkFuture::GreetByHand,
        TalkFuture::GreetOnSlide,
    )
}

/// The `async fn` against the machine that must do the same, and the one that must not.
fn judge(image: &ImageUnderTest, by_hand: TalkFuture, on_slide: TalkFuture) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let [ours, theirs, slides] = [TalkFuture::Greet, by_hand, on_slide].map(|which| {
        let scenario = Scenario::Future(which);
        match child::run(scenario, scenario.limit()) {
            Ok(lines) => lines.lines().map(str::to_owned).collect(),
            Err(error) => {
                evaluation.fault(error);
                Vec::new()
            }
        }
    });
    compared(&mut evaluation, &ours, &theirs, by_hand);
    never_woken(&mut evaluation, &slides, on_slide);
    for machine in catalogue::machines() {
        evaluation.set_cell("size", machine.name, "bytes", machine.bytes as u64);
        if let Ok(poll) = image.at(machine.name, machine.entry) {
            let long = poll.listing().instructions().len() as u64;
            evaluation.set_cell("code", machine.name, "poll", long);
        }
    }
    for (which, lines) in [
        (TalkFuture::Greet, &ours),
        (by_hand, &theirs),
        (on_slide, &slides),
    ] {
        let times = |is: fn(&str) -> bool| of_one_run(lines).filter(|line| is(line)).count() as u64;
        let (polls, wakes) = (
            times(|line| line == POLLED),
            times(|line| line.starts_with(WOKEN)),
        );
        evaluation.set_cell("times", which.as_str(), "polled", polls);
        evaluation.set_cell("times", which.as_str(), "woken", wakes);
    }
    let times = |name, column| {
        let times = evaluation.value_of_cell("times", name, column);
        times.unwrap_or_default()
    };
    let found = format!(
        "greet and greet_by_hand: {} polls, {} wake, \"Hi!\" and \"Bye!\", and each panics when polled again; \
         greet_on_slide: {} poll, \"Hi!\", {} wakes in an hour of virtual time",
        times("greet", "polled"),
        times("greet", "woken"),
        times("greet_on_slide", "polled"),
        times("greet_on_slide", "woken"),
    );
    evaluation.finish(Outcome {
        verdict: Verdict::Holds,
        rests: Rests::OnImage,
        found,
        conditions: vec![
            "run in tokio's virtual time: polled first, then whenever woken, and once more when done; and dropped \
             while asleep, which takes its timer along"
                .into(),
            format!("done after a second of virtual time: {}", slept(&ours)),
            "what they say when polled once too often is each one's own: `async fn` resumed after completion, \
             Contract violation"
                .into(),
            "the same behaviour, not the same machine code: the listings of their polls are in asm-snapshots/"
                .into(),
        ],
        evidence: Evidence::Live,
        provenance: provenance(image),
    })
}

/// The first part of what was printed: the run to the end, without the one that is dropped asleep.
fn of_one_run(lines: &[String]) -> impl Iterator<Item = &str> {
    let last = |line: &&String| line.starts_with(PANICS) || line.starts_with("not ");
    let end = lines
        .iter()
        .position(|line| last(&line))
        .unwrap_or(lines.len());
    // What is polled once too often is not counted: that is ours.
    let end = if lines.get(end).is_some_and(|line| line.starts_with(PANICS)) {
        end - 1
    } else {
        end
    };
    lines[..end].iter().map(String::as_str)
}

/// `1000 ms`
fn slept(lines: &[String]) -> String {
    let woken = lines
        .iter()
        .find_map(|line| line.strip_prefix(WOKEN)?.strip_prefix(" after "));
    woken.unwrap_or("never").to_owned()
}

/// Both do the same, and what an `async fn` is to do.
fn compared(evaluation: &mut Evaluation, ours: &[String], theirs: &[String], by_hand: TalkFuture) {
    if let Some(difference) = first_difference(ours, theirs) {
        evaluation.fault(format_args!(
            "greet and {} differ: {difference}",
            by_hand.as_str()
        ));
    }
    let woken = format!("{WOKEN} after {}", slept(ours));
    let expected = [
        POLLED,
        "Hi!",
        PENDING,
        &woken,
        POLLED,
        "Bye!",
        futures::READY,
        POLLED,
        PANICS,
        POLLED,
        "Hi!",
        PENDING,
        futures::DROPPED,
    ];
    let expected: Vec<String> = expected.map(str::to_owned).into();
    if let Some(difference) = first_difference(ours, &expected) {
        evaluation.fault(format_args!(
            "greet does not do what an async fn is to do: {difference}"
        ));
    }
}

/// Not by luck: nobody even has its waker.
fn never_woken(evaluation: &mut Evaluation, lines: &[String], on_slide: TalkFuture) {
    let hour = format!("not {WOKEN} within {} ms", futures::HOUR.as_millis());
    let expected = [
        POLLED,
        "Hi!",
        PENDING_FOR_EVER,
        &hour,
        POLLED,
        "Hi!",
        PENDING_FOR_EVER,
        futures::DROPPED,
    ];
    let expected: Vec<String> = expected.map(str::to_owned).into();
    if let Some(difference) = first_difference(lines, &expected) {
        evaluation.fault(format_args!(
            "{} is not left for ever: {difference}",
            on_slide.as_str()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(by_hand: TalkFuture, on_slide: TalkFuture) -> Claim {
        let image = ImageUnderTest::current().expect("the test's own image");
        judge(&image, by_hand, on_slide)
    }

    #[test]
    fn it_holds() {
        let claim = found(TalkFuture::GreetByHand, TalkFuture::GreetOnSlide);
        assert_eq!(claim.verdict, Verdict::Holds, "{:?}", claim.findings);
        let times = claim.matrices.iter().find(|matrix| matrix.name == "times");
        let rows = times.expect("the matrix").rows.iter();
        let rows: Vec<_> = rows.map(|row| (&*row.name, &*row.values)).collect();
        assert_eq!(
            rows,
            [
                ("greet", &[Some(2), Some(1)][..]),
                ("greet_by_hand", &[Some(2), Some(1)]),
                ("greet_on_slide", &[Some(1), Some(0)]),
            ]
        );
    }

    /// Two runs agree on every count.
    #[test]
    fn it_is_the_same_in_every_run() {
        let run = || found(TalkFuture::GreetByHand, TalkFuture::GreetOnSlide);
        let (one, other) = (run(), run());
        assert_eq!(one.figures, other.figures);
        assert_eq!(one.matrices, other.matrices);
    }

    #[test]
    fn one_wake_more_is_seen() {
        let claim = found(TalkFuture::GreetWokenTwice, TalkFuture::GreetOnSlide);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(
            claim.findings[0].contains("greet and greet_woken_twice differ: \"woken after"),
            "{:?}",
            claim.findings
        );
    }

    /// The slide's in the place of the one by hand, and the right one in the slide's.
    #[test]
    fn each_in_the_others_place_is_seen() {
        let claim = found(TalkFuture::GreetOnSlide, TalkFuture::GreetOnSlide);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(
            claim.findings[0].contains(PENDING_FOR_EVER),
            "{:?}",
            claim.findings
        );
        let claim = found(TalkFuture::GreetByHand, TalkFuture::GreetByHand);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(
            claim.findings[0].contains("greet_by_hand is not left for ever"),
            "{:?}",
            claim.findings
        );
    }
}
