//! `right-sized`

use claims::baseline::layouts::OnFile;
use claims::claims::right_sized::{futures, judge};
use claims::image_under_test::ImageUnderTest;
use claims::report::Verdict;
use zero_cost_ffi::catalogue::Machine;

/// As many futures as there are rules.
const FUTURES: usize = 11;

fn image() -> ImageUnderTest {
    ImageUnderTest::current().expect("the test's own image")
}

#[test]
fn it_holds() {
    let claim = judge(&image(), &futures());
    assert_eq!(
        claim.verdict,
        Verdict::HoldsWithConditions,
        "{:?}",
        claim.findings
    );
    assert_eq!(claim.layouts.len(), FUTURES);
    // Exact, where the compiler is the one on file.
    let on_file = OnFile::of("held").expect("it is on file");
    if on_file.is_of(image().image.producers()) {
        for (name, bytes) in [
            ("greet", 120),
            ("greet_by_hand", 112),
            ("greet_on_slide", 112),
            ("held", 1026),
            ("scoped", 2),
            ("dropped", 1027),
            ("in_turn", 1026),
            ("at_once", 2050),
            ("argument", 2050),
            ("wrapped", 8215),
            ("boxed", 16),
        ] {
            assert_eq!(claim.cell("futures", name, "size"), Some(bytes), "{name}");
        }
        assert_eq!(claim.figures["as on file"].value, FUTURES as u64);
    }
}

#[test]
fn it_is_the_same_in_every_run() {
    let [one, other] = [(), ()].map(|()| judge(&image(), &futures()));
    assert_eq!((one.figures, one.matrices), (other.figures, other.matrices));
}

/// Each future in the place of another: the rule, the offset, or the file must tell them apart.
#[test]
fn another_in_its_place_is_seen() {
    let futures = futures();
    let image = image();
    for (name, other) in [
        ("scoped", "held"),
        ("held", "scoped"),
        ("boxed", "argument"),
        ("at_once", "in_turn"),
        ("greet", "held"),
    ] {
        let planted: Vec<Machine> = futures
            .iter()
            .map(|future| {
                if future.name == name {
                    let other = futures
                        .iter()
                        .find(|future| future.name == other)
                        .expect("it is there");
                    Machine {
                        name: future.name,
                        ..*other
                    }
                } else {
                    *future
                }
            })
            .collect();
        let claim = judge(&image, &planted);
        assert_eq!(claim.verdict, Verdict::DoesNotHold, "{other} for {name}");
        assert!(
            claim.findings[0].starts_with(&format!("{name}: ")),
            "{:?}",
            claim.findings
        );
    }
    let claim = judge(&image, &futures[1..]);
    assert_eq!(claim.verdict, Verdict::DoesNotHold, "one is missing");
}
