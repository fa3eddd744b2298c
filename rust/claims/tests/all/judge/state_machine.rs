//! `state-machine`

use claims::claims::state_machine::judge;
use claims::image_under_test::ImageUnderTest;
use claims::report::{Claim, Verdict};
use claims::scenario::futures::{PENDING_FOR_EVER, TalkFuture};

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
