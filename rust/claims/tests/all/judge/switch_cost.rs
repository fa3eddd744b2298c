//! `switch-cost`

use claims::claims::switch_cost::{COUNTED, SPEC, Timed, What, count, plainly};
use claims::evaluation::Evaluation;
use claims::measure::thread_ring::Case;
use claims::report::Measured;
use zero_cost_ffi::thread_ring::{Variant, processor};

/// What is switched out, planted in the place of what is not, and the other way about.
#[test]
fn the_opposite_does_not_hold() {
    let run = |variant| {
        let run = processor::on_one(|| COUNTED.run(variant));
        run.expect("it runs").switches.expect("they are told")
    };
    let (threads, tasks) = (run(Variant::Threads), run(Variant::Tokio));
    for (variant, switches, holds) in [
        (Variant::Threads, threads, true),
        (Variant::Tokio, threads, false),
        (Variant::Threads, tasks, false),
    ] {
        let mut evaluation = Evaluation::new(&SPEC);
        count(&mut evaluation, variant, switches);
        assert_eq!(
            evaluation.findings.is_empty(),
            holds,
            "{variant}: {:?}",
            evaluation.findings
        );
    }
}

#[test]
fn it_says_plainly_what_the_ratios_say() {
    let times = |threads: &[f64], tasks: &[f64]| {
        let hop = |variant, rounds: &[f64]| Timed {
            what: What::Hop {
                case: Case {
                    variant,
                    in_flight: 1,
                    buffer: 1,
                },
                pinned: true,
            },
            rounds: rounds.to_vec(),
        };
        vec![hop(Variant::Threads, threads), hop(Variant::Tokio, tasks)]
    };
    for (threads, tasks, expected) in [
        (
            [20.0, 30.0, 20.0],
            [10.0, 10.0, 10.0],
            "2.00 times as long (2.00 to 3.00): tasks keep the advantage",
        ),
        (
            [5.0, 8.0, 9.0],
            [10.0, 10.0, 10.0],
            "0.80 times as long (0.50 to 0.90): the advantage disappears",
        ),
        (
            [5.0, 20.0, 9.0],
            [10.0, 10.0, 10.0],
            "0.90 times as long (0.50 to 2.00): undecided, the rounds disagree",
        ),
    ] {
        let said = plainly(&times(&threads, &tasks), Some(1_000));
        assert!(said[1].ends_with(expected), "{said:?}");
        let few = plainly(&times(&threads, &tasks), None);
        assert!(
            few[0].contains("too few to tell") && few[1].ends_with(')'),
            "{few:?}"
        );
    }
}

/// With a spread for whatever has rounds.
#[test]
fn a_summary_is_the_median_with_its_spread() {
    let summary = Measured::median(&[3.0, 1.0, 2.0], "ns");
    assert_eq!((summary.value, summary.spread), (2.0, Some([1.0, 3.0])));
}
