//! `million-tasks`

use std::io;

use claims::baseline::layouts::OnFile;
use claims::claims::million_tasks::{Found, SPEC, can_be_had, cells, judge, sizes, threads};
use claims::evaluation::{Context, Evaluation, Request};
use claims::image_under_test::ImageUnderTest;
use claims::report::{Claim, Verdict};
use claims::scenario::idle_tasks::{Cell, Footprint, Idle, Sleeper};
use claims::scenario::{Scenario, child};

fn image() -> ImageUnderTest {
    ImageUnderTest::current().expect("the test's own image")
}

/// As a task of 256 bytes takes, each time.
fn taken(count: u64) -> Footprint {
    Footprint {
        count,
        asleep: count,
        allocations: count,
        bytes: 256 * count,
        left: 0,
        bytes_left: 0,
        resident: None,
        kernel_stacks: None,
        asleep_after: 0.1,
        ended_after: 0.1,
    }
}

fn judged(plant: impl Fn(&mut Found)) -> Claim {
    let mut found = Found {
        tasks: vec![taken(1000), taken(10_000)],
        ..Found::default()
    };
    plant(&mut found);
    judge(&image(), found, None)
}

#[test]
fn what_is_planted_is_seen() {
    assert_eq!(judged(|_| {}).verdict, Verdict::Holds);
    type InjectedFault = fn(&mut Found);
    let mut plants: Vec<(InjectedFault, &str)> = vec![
        (
            |found| found.tasks[1].allocations += 1,
            "10001 allocations, not 10000",
        ),
        (|found| found.tasks[1].bytes += 8, "not 256 each as 1000 do"),
        (|found| found.tasks[0].asleep -= 1, "999 asleep at once"),
        (|found| found.tasks[0].left = 3, "3 not ended"),
        (
            |found| found.tasks[0].bytes_left = 256,
            "256 bytes are not given back",
        ),
        (
            |found| {
                found
                    .tasks
                    .iter_mut()
                    .for_each(|taken| taken.bytes = 64 * taken.count)
            },
            "cannot hold its future",
        ),
        (
            |found| {
                found.cells.push(Cell {
                    future: 8,
                    allocations: 2,
                    bytes: 128,
                })
            },
            "2 allocations of 128 bytes",
        ),
    ];
    // Only under the compiler that the cell is on file for.
    if OnFile::of("nap_cell").is_ok_and(|on_file| on_file.is_of(image().image.producers())) {
        plants.push((
            |found| {
                found
                    .tasks
                    .iter_mut()
                    .for_each(|taken| taken.bytes = 512 * taken.count)
            },
            "its cell has 256 on file",
        ));
    }
    for (plant, named) in plants {
        let claim = judged(plant);
        assert_eq!(claim.verdict, Verdict::DoesNotHold, "{named}");
        assert!(
            claim.findings.iter().any(|finding| finding.contains(named)),
            "{:?}",
            claim.findings
        );
    }
}

/// Another tokio, with other numbers, is explained by those, or not at all.
#[test]
fn the_numbers_are_found_not_given() {
    let cell = |future, bytes| Cell {
        future,
        allocations: 1,
        bytes,
    };
    let mut evaluation = Evaluation::new(&SPEC);
    let found = cells(
        &mut evaluation,
        &[cell(0, 64), cell(24, 64), cell(32, 128), cell(88, 128)],
    );
    assert!(found.is_some_and(|found| found.ends_with("beside it 40, in lines of 64")));
    let mut evaluation = Evaluation::new(&SPEC);
    assert_eq!(
        cells(
            &mut evaluation,
            &[cell(0, 64), cell(24, 64), cell(32, 192), cell(40, 256)]
        ),
        None
    );
    assert!(evaluation.findings.is_empty());
}

#[test]
fn the_sizes_grow_by_tens() {
    assert_eq!(sizes(1000, 1_000_000), [1000, 10_000, 100_000, 1_000_000]);
    assert_eq!(sizes(1000, 25_000), [1000, 10_000, 25_000]);
    assert_eq!(sizes(1000, 7), [7]);
    assert_eq!(sizes(1000, 1000), [1000]);
}

#[test]
fn what_is_not_counted_is_said() {
    let claim = judge(&image(), Found::default(), Some("no memory".to_owned()));
    assert_eq!(claim.verdict, Verdict::NotChecked);
    assert!(claim.found.contains("not counted: no memory"));
    assert!(can_be_had(u64::MAX).is_err());
}

/// Started where there are fewer threads to be had than asked for: the rest is judged, and that is said.
#[test]
fn without_threads_the_tasks_are_counted() {
    let mut found = Found::default();
    let scenario = Scenario::Idle(Idle {
        what: Sleeper::Threads,
        count: 10,
    });
    threads(&mut found, 100, false, |_, _| {
        Err(child::Error::Start {
            scenario,
            source: io::Error::from(io::ErrorKind::WouldBlock),
        })
    });
    assert_eq!(found.missing[0].what, "threads");
    assert!(found.threads.is_empty());
}

#[test]
fn it_holds_and_is_the_same_in_every_run() {
    let context = Context {
        image: ImageUnderTest::current().expect("the test's own image"),
        request: Request::default(),
    };
    let claim = (SPEC.check)(&context);
    assert_eq!(
        claim.verdict,
        Verdict::Holds,
        "{} {:?}",
        claim.found,
        claim.findings
    );
    let again = (SPEC.check)(&context);
    assert_eq!(
        (&claim.figures, &claim.matrices),
        (&again.figures, &again.matrices)
    );
    for count in [1000, 10_000] {
        let row = count.to_string();
        let cell = claim.cell("tasks asleep at once", &row, "allocations");
        assert_eq!(cell, Some(count), "allocations for {count} tasks");
    }
    for (figure, value) in [
        ("bytes a task", 256),
        ("bytes beside a task's future", 104),
        ("a cell is a multiple of", 128),
        ("sizes of futures tried", 18),
    ] {
        assert_eq!(claim.figures[figure].value, value, "{figure}");
    }
    let names: Vec<&str> = claim.charts[0]
        .series
        .iter()
        .map(|series| series.name.as_str())
        .collect();
    assert!(
        names.contains(&"task, allocated") && names.contains(&"goroutine, stack"),
        "{names:?}"
    );
}
