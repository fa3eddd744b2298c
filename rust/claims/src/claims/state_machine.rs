//! `state-machine`: an `async fn` is the machine that one would write by hand, and the slide's is not.

use super::{Evaluation, Rests, Statement, live, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::image_under_test::ImageUnderTest;
use crate::scenario::futures::{
    self, PANICS, PENDING, PENDING_FOR_EVER, POLLED, TalkFuture, WOKEN, first_difference,
};
use crate::scenario::{Scenario, child};
use zero_cost_ffi::catalogue;

pub const STATEMENT: Statement = Statement {
    id: "state-machine",
    says: "an async fn does what the same machine written by hand does, poll by poll; \
           one that returns Pending without polling what it waits for is never woken",
    check,
};

fn check(subject: &ImageUnderTest) -> Claim {
    judge(subject, TalkFuture::GreetByHand, TalkFuture::GreetOnSlide)
}

/// The `async fn` against the machine that must do the same, and the one that must not.
fn judge(subject: &ImageUnderTest, by_hand: TalkFuture, on_slide: TalkFuture) -> Claim {
    let mut evaluation = Evaluation::default();
    let limit = Scenario::Future(TalkFuture::Greet).limit();
    let mut run = |which: TalkFuture| match child::run(Scenario::Future(which), limit) {
        Ok(lines) => lines.lines().map(str::to_owned).collect(),
        Err(error) => {
            evaluation.findings.push(error.to_string());
            Vec::new()
        }
    };
    let ours = run(TalkFuture::Greet);
    let theirs = run(by_hand);
    let slides = run(on_slide);
    compared(&mut evaluation, &ours, &theirs, by_hand);
    never_woken(&mut evaluation, &slides, on_slide);
    for machine in catalogue::machines() {
        evaluation.add(
            format!("bytes of {}", machine.name),
            machine.bytes as u64,
            "bytes",
        );
        if let Ok(poll) = subject.at(machine.name, machine.entry) {
            let long = poll.listing().instructions().len() as u64;
            evaluation.add(format!("poll of {}", machine.name), long, "instructions");
        }
    }
    for (which, lines) in [
        (TalkFuture::Greet, &ours),
        (by_hand, &theirs),
        (on_slide, &slides),
    ] {
        let polls = of_one_run(lines).filter(|line| *line == POLLED).count();
        let wakes = of_one_run(lines)
            .filter(|line| line.starts_with(WOKEN))
            .count();
        evaluation.add(
            format!("polls of {}", which.as_str()),
            polls as u64,
            "polls",
        );
        evaluation.add(
            format!("wakes of {}", which.as_str()),
            wakes as u64,
            "wakes",
        );
    }
    let rests = Rests::OnImage;
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: evaluation.verdict(Verdict::Holds, rests),
        found: format!(
            "greet and greet_by_hand: {} polls, {} wake, \"Hi!\" and \"Bye!\", and each panics when polled again; \
             greet_on_slide: {} poll, \"Hi!\", {} wakes in an hour of virtual time",
            evaluation.value("polls of greet"),
            evaluation.value("wakes of greet"),
            evaluation.value("polls of greet_on_slide"),
            evaluation.value("wakes of greet_on_slide"),
        ),
        conditions: vec![
            "run in tokio's virtual time: polled first, then whenever woken, and once more when done; and dropped \
             while asleep, which takes its timer along"
                .into(),
            format!("done after a second of virtual time: {}", slept(&ours)),
            "what they say when polled once too often is each one's own: `async fn` resumed after completion, \
             Contract violation".into(),
            "the same behaviour, not the same machine code: the listings of their polls are in asm-snapshots/".into(),
        ],
        missing: evaluation.missing(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "*self = Self::Wait1(sleep(Duration::from_secs(1)));",
            assessment: Assessment::Simplified,
            because: Some(
                "the slide returns Pending behind this line without having polled the sleep, so nothing will wake it; \
                 an await polls at once",
            ),
        },
        evidence: Evidence::Live,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance: live(subject),
        reproduce: reproduce(STATEMENT.id),
        walks: evaluation.walks,
    }
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
        evaluation.findings.push(format!(
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
        evaluation.findings.push(format!(
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
        evaluation.findings.push(format!(
            "{} is not left for ever: {difference}",
            on_slide.as_str()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let claim = check(&subject);
        assert_eq!(claim.verdict, Verdict::Holds, "{:?}", claim.findings);
        for (figure, value) in [
            ("polls of greet", 2),
            ("wakes of greet", 1),
            ("polls of greet_by_hand", 2),
            ("wakes of greet_by_hand", 1),
            ("polls of greet_on_slide", 1),
            ("wakes of greet_on_slide", 0),
        ] {
            assert_eq!(claim.figures[figure].value, value, "{figure}");
        }
    }

    /// Two runs agree on every count.
    #[test]
    fn it_is_the_same_in_every_run() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        assert_eq!(check(&subject).figures, check(&subject).figures);
    }

    #[test]
    fn one_wake_more_is_seen() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let claim = judge(
            &subject,
            TalkFuture::GreetWokenTwice,
            TalkFuture::GreetOnSlide,
        );
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
        let subject = ImageUnderTest::current().expect("the test's own image");
        let claim = judge(&subject, TalkFuture::GreetOnSlide, TalkFuture::GreetOnSlide);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(
            claim.findings[0].contains(PENDING_FOR_EVER),
            "{:?}",
            claim.findings
        );
        let claim = judge(&subject, TalkFuture::GreetByHand, TalkFuture::GreetByHand);
        assert_eq!(claim.verdict, Verdict::DoesNotHold);
        assert!(
            claim.findings[0].contains("greet_by_hand is not left for ever"),
            "{:?}",
            claim.findings
        );
    }
}
