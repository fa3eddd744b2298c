//! `million-tasks`: a sleeping task is one allocation, and the millionth is no larger than the first.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use zero_cost_ffi::machine::nap;

use super::{Evaluation, Rests, Statement, live, reproduce};
use crate::baseline::layouts::OnFile;
use crate::claim::{
    Assessment, Axis, Chart, Claim, Evidence, Measured, Missing, Point, Series, Talk, Verdict,
};
use crate::go::goroutines;
use crate::image_under_test::ImageUnderTest;
use crate::measure::limits;
use crate::scenario::idle_tasks::{Cell, Footprint, Idle, MANY, Sleeper};
use crate::scenario::{Scenario, child};

pub const STATEMENT: Statement = Statement {
    id: "million-tasks",
    says: "a sleeping task is one allocation, which holds its future and what tokio keeps beside it; \
           the millionth takes as much as the first, and all of it is given back",
    check,
};

/// How many, unless it is said: what the judge has time for among all claims.
const TASKS: u64 = 10_000;
/// As many threads are started at most; what more would take is extrapolated.
const THREADS: u64 = 1000;
/// Bytes a task may take of the machine's memory: twice its cell, for what the allocator takes beside it.
const PER_TASK: u64 = 512;
/// The same for a goroutine: its stack, and what belongs to it.
const PER_GOROUTINE: u64 = 4096;

/// Whether so many tasks, and the threads that they are compared with, can be had here.
///
/// # Errors
/// When they cannot: which limit is too low, and what raises it.
pub fn can_be_had(tasks: u64) -> Result<(), limits::Error> {
    limits::memory(limits::of_memory(), tasks, PER_TASK)?;
    limits::threads(limits::of_threads(), tasks.min(THREADS))
}

/// 10, 100, 1000, … from `first` up to `last`, and that.
fn sizes(first: u64, last: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(first), |size| size.checked_mul(10));
    let mut sizes: Vec<u64> = powers.take_while(|size| *size < last).collect();
    sizes.push(last);
    sizes
}

/// What was counted and measured, by number.
#[derive(Default)]
struct Found {
    tasks: Vec<Footprint>,
    cells: Vec<Cell>,
    threads: Vec<Footprint>,
    goroutines: Vec<goroutines::Taken>,
    /// Whether those were counted now, or by whom and when.
    goroutines_on_file: Option<String>,
    missing: Vec<Missing>,
}

fn check(subject: &ImageUnderTest) -> Claim {
    let most = subject.tasks.unwrap_or(TASKS);
    let mut found = Found::default();
    let counted = sizes(1000, most).into_iter().try_for_each(|count| {
        found.tasks.push(asleep(Sleeper::Tasks, count)?);
        Ok::<(), child::Error>(())
    });
    let cells = asleep(Sleeper::Cells, 0);
    let not_counted = match (counted, cells) {
        (Ok(()), Ok(cells)) => {
            found.cells = cells;
            None
        }
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
    };
    threads(&mut found, most, subject.tasks.is_some(), asleep);
    goroutines(&mut found, subject.tasks);
    judge(subject, &found, not_counted)
}

/// Has a child have so many asleep at once, and returns what that took.
fn asleep<T: serde::de::DeserializeOwned>(what: Sleeper, count: u64) -> Result<T, child::Error> {
    let scenario = Scenario::Idle(Idle { what, count });
    if scenario.shows_progress() {
        let _ = writeln!(io::stderr(), "million-tasks: {count} {}", what.as_str());
    }
    child::measure(scenario)
}

/// For comparison: fewer of them, since they cost more; all there may be when more tasks are asked for.
fn threads(
    found: &mut Found,
    most: u64,
    asked: bool,
    asleep: impl Fn(Sleeper, u64) -> Result<Footprint, child::Error>,
) {
    let most = most.min(if asked { THREADS } else { 100 });
    let mut why = limits::threads(limits::of_threads(), most)
        .err()
        .map(|error| error.to_string());
    for count in sizes(10, most) {
        if why.is_none() {
            match asleep(Sleeper::Threads, count) {
                Ok(taken) => found.threads.push(taken),
                Err(error) => why = Some(error.to_string()),
            }
        }
    }
    found.missing.extend(why.map(|why| Missing {
        what: "threads",
        why,
    }));
}

/// For comparison: counted now where the number is given and there is Go; that takes its time.
fn goroutines(found: &mut Found, asked: Option<u64>) {
    let counted = asked.map(|most| {
        if most >= MANY {
            let _ = writeln!(io::stderr(), "million-tasks: {most} goroutines");
        }
        // As many as there is memory for, which is fewer than of tasks.
        let fits = |count: &u64| limits::memory(limits::of_memory(), *count, PER_GOROUTINE).is_ok();
        let counts: Vec<u64> = sizes(1000, most).into_iter().filter(fits).collect();
        goroutines::live(&counts)
    });
    match counted {
        Some(Ok(taken)) => found.goroutines = taken,
        not_counted => {
            if let Some(Err(error)) = not_counted {
                found.missing.push(Missing {
                    what: "go",
                    why: error.to_string(),
                });
            }
            match goroutines::on_file() {
                Ok(on_file) => {
                    found.goroutines = on_file.taken;
                    found.goroutines_on_file =
                        Some(format!("{}, {}", goroutines::FILE, on_file.date));
                }
                Err(error) => found.missing.push(Missing {
                    what: "go",
                    why: format!(
                        "and no goroutines are on file: {}: {error}",
                        goroutines::FILE
                    ),
                }),
            }
        }
    }
}

fn judge(subject: &ImageUnderTest, found: &Found, not_counted: Option<String>) -> Claim {
    let mut evaluation = Evaluation::default();
    for taken in &found.tasks {
        one_allocation_each(&mut evaluation, taken);
    }
    flat(&mut evaluation, &found.tasks);
    let cell = cells(&mut evaluation, &found.cells);
    for taken in &found.goroutines {
        if taken.asleep != taken.count {
            evaluation.findings.push(format!(
                "{} of {} goroutines were asleep",
                taken.asleep, taken.count
            ));
        }
    }
    compared(&mut evaluation.measured, found);
    evaluation.pictures.charts = charts(found);
    let mut provenance = live(subject);
    if let Ok(on_file) = OnFile::of("nap_cell") {
        if on_file.is_of(subject.image.producers()) {
            as_recorded(&mut evaluation, &on_file);
        }
        provenance.insert(
            "layouts",
            format!("{}, {}", crate::baseline::layouts::FOLDER, on_file.compiler),
        );
        evaluation.pictures.layouts.push(on_file.layout);
    }
    if let Some(taken) = found.goroutines.first() {
        let from = found
            .goroutines_on_file
            .clone()
            .unwrap_or_else(|| "counted now".to_owned());
        provenance.insert("goroutines", format!("{}, {from}", taken.go));
    }
    let rests = Rests::OnImage;
    let per_task = found
        .tasks
        .first()
        .map_or(0, |taken| taken.bytes / taken.count.max(1));
    let verdict = match &not_counted {
        Some(_) if evaluation.findings.is_empty() => Verdict::NotChecked,
        _ => evaluation.verdict(Verdict::Holds, rests),
    };
    let counts: Vec<String> = found
        .tasks
        .iter()
        .map(|taken| taken.count.to_string())
        .collect();
    let line = not_counted.clone().map_or_else(
        || {
            format!(
                "{} tasks asleep: 1 allocation of {per_task} bytes each, {}; all given back",
                counts.join(", "),
                cell.unwrap_or_else(|| format!("{} of them the future", nap::bytes()))
            )
        },
        |why| format!("not counted: {why}"),
    );
    evaluation
        .findings
        .extend(not_counted.filter(|_| verdict == Verdict::DoesNotHold));
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict,
        found: line,
        conditions: conditions(found),
        missing: found.missing.clone(),
        findings: evaluation.findings,
        talk: Talk {
            quote: "vs. *stackful* coroutines (e.g. Goroutines ≥ 8 KB)",
            assessment: Assessment::OutOfDate,
            because: Some(
                "a goroutine's least stack is 2,048 bytes since Go 1.4; with all that belongs to it, it still takes \
                 several times what a sleeping task does",
            ),
        },
        evidence: Evidence::Live,
        figures: evaluation.figures,
        measured: evaluation.measured,
        pictures: evaluation.pictures,
        provenance,
        reproduce: format!("{} --tasks 1000000", reproduce(STATEMENT.id)),
        walks: evaluation.walks,
    }
}

fn conditions(found: &Found) -> Vec<String> {
    let mut conditions = vec![
        "counted by the judge's allocator, on tokio's current-thread runtime, in the thread that runs them all; the \
         tasks are polled as they come, or the runtime's queue would grow by 8 bytes a task"
            .to_owned(),
        "bytes are flat, since nothing is shared that grows: the cell holds the future, and the future holds its timer, \
         which is linked into the timer wheel where it lies. Time per task is measured, once for each number, and not \
         flat: memory that is used for the first time, and outgrows the caches, takes longer"
            .to_owned(),
        "exact is what is asked of the allocator; resident is what it takes for that, glibc's aligned allocation \
         nearly twice as much"
            .to_owned(),
        "threads: a few are started; what more would take is extrapolated, and marked so. Beside what is resident, \
         each has 2 MiB of address space, and a stack in the kernel"
            .to_owned(),
    ];
    match &found.goroutines_on_file {
        Some(file) => conditions.push(format!(
            "goroutines are on file ({file}); with Go and `--tasks` they are counted anew"
        )),
        None if !found.goroutines.is_empty() => {
            conditions.push("goroutines: what Go reserves for stacks, in spans of 16".to_owned())
        }
        None => {}
    }
    conditions
}

/// As many allocations as tasks, asleep at once, ended and given back.
fn one_allocation_each(evaluation: &mut Evaluation, taken: &Footprint) {
    let count = taken.count;
    evaluation.add(
        format!("allocations for {count} tasks"),
        taken.allocations,
        "allocations",
    );
    evaluation.add(format!("bytes for {count} tasks"), taken.bytes, "bytes");
    for (found, wanted, what) in [
        (taken.asleep, count, "asleep at once"),
        (taken.allocations, count, "allocations"),
        (taken.left, 0, "not ended after their sleep"),
    ] {
        if found != wanted {
            evaluation
                .findings
                .push(format!("{count} tasks: {found} {what}, not {wanted}"));
        }
    }
    if taken.bytes_left != 0 {
        evaluation.findings.push(format!(
            "{count} tasks: {} bytes are not given back",
            taken.bytes_left
        ));
    }
}

/// As many bytes a task however many there are, and no less than its future takes.
fn flat(evaluation: &mut Evaluation, taken: &[Footprint]) {
    evaluation.add("bytes of a task's future", nap::bytes() as u64, "bytes");
    let Some(first) = taken.first() else {
        return;
    };
    let per_task = first.bytes / first.count;
    evaluation.add("bytes a task", per_task, "bytes");
    for taken in taken {
        if taken.bytes != per_task * taken.count {
            evaluation.findings.push(format!(
                "{} tasks take {} bytes, not {per_task} each as {} do",
                taken.count, taken.bytes, first.count
            ));
        }
    }
    if per_task < nap::bytes() as u64 {
        evaluation.findings.push(format!(
            "a task of {per_task} bytes cannot hold its future of {}",
            nap::bytes()
        ));
    }
}

/// What is allocated is what the compiler says that a cell is.
fn as_recorded(evaluation: &mut Evaluation, on_file: &OnFile) {
    let (counted, said) = (evaluation.value("bytes a task"), on_file.layout.bytes);
    if counted != said && counted > 0 {
        evaluation.findings.push(format!(
            "a task takes {counted} bytes, and its cell has {said} on file"
        ));
    }
}

/// A cell is what tokio keeps and the future, up to a whole number of lines: the two numbers that explain every size.
fn cells(evaluation: &mut Evaluation, cells: &[Cell]) -> Option<String> {
    for cell in cells {
        if cell.allocations != 1 || cell.bytes < cell.future {
            evaluation.findings.push(format!(
                "a future of {} bytes: {} allocations of {} bytes",
                cell.future, cell.allocations, cell.bytes
            ));
        }
    }
    let line = cells
        .windows(2)
        .map(|pair| pair[1].bytes.abs_diff(pair[0].bytes))
        .filter(|step| *step > 0)
        .min()?;
    // The largest future that a cell of its size has room for leaves nothing over.
    let beside = cells
        .iter()
        .map(|cell| cell.bytes.saturating_sub(cell.future))
        .min()?;
    let explained = |cell: &Cell| (beside + cell.future).div_ceil(line) * line == cell.bytes;
    if !cells.iter().all(explained) {
        // Another tokio may do otherwise: that says nothing against the claim.
        return None;
    }
    evaluation.add("bytes beside a task's future", beside, "bytes");
    evaluation.add("a cell is a multiple of", line, "bytes");
    evaluation.add("sizes of futures tried", cells.len() as u64, "futures");
    Some(format!(
        "the future {}, beside it {beside}, in lines of {line}",
        nap::bytes()
    ))
}

/// The most of each kind that there were, and what a million would take.
fn compared(measured: &mut BTreeMap<String, Measured>, found: &Found) {
    let mut add = |name: String, value: Option<f64>, unit| {
        if let Some(value) = value {
            measured.insert(
                name,
                Measured {
                    value,
                    spread: None,
                    unit,
                },
            );
        }
    };
    if let Some(taken) = found.tasks.last() {
        add(
            format!("resident a task, of {}", taken.count),
            per(taken.resident, taken.count),
            "bytes",
        );
        add(
            format!("time a task, of {}", taken.count),
            Some(nanoseconds(taken.asleep_after, taken.count)),
            "ns",
        );
    }
    if let Some(taken) = found.threads.last() {
        let resident = per(taken.resident, taken.count);
        add(
            format!("resident a thread, of {}", taken.count),
            resident,
            "bytes",
        );
        add(
            format!("kernel stack a thread, of {}", taken.count),
            per(taken.kernel_stacks, taken.count),
            "bytes",
        );
        add(
            format!("time a thread, of {}", taken.count),
            Some(nanoseconds(taken.asleep_after, taken.count)),
            "ns",
        );
        add(
            "resident of a million threads, extrapolated".to_owned(),
            resident.map(|bytes| bytes * 1e6),
            "bytes",
        );
    }
    if let Some(taken) = found.goroutines.last() {
        add(
            format!("stack a goroutine, of {}", taken.count),
            per(Some(taken.stack_bytes), taken.count),
            "bytes",
        );
        add(
            format!("resident a goroutine, of {}", taken.count),
            per(Some(taken.resident), taken.count),
            "bytes",
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count is that large")]
fn per(bytes: Option<u64>, count: u64) -> Option<f64> {
    bytes.map(|bytes| bytes as f64 / count as f64)
}

#[expect(clippy::cast_precision_loss, reason = "no count is that large")]
fn nanoseconds(seconds: f64, count: u64) -> f64 {
    seconds * 1e9 / count as f64
}

/// Bytes and time of one, against how many there are.
fn charts(found: &Found) -> Vec<Chart> {
    let number = || {
        Some(Axis {
            name: "how many",
            unit: "",
            log: true,
        })
    };
    let goroutines = if found.goroutines_on_file.is_some() {
        Evidence::Recorded
    } else {
        Evidence::Live
    };
    let bytes = [
        series(
            "task, allocated",
            true,
            Evidence::Live,
            &found.tasks,
            |taken| Some((taken.count, per(Some(taken.bytes), taken.count)?)),
        ),
        series(
            "task, resident",
            false,
            Evidence::Live,
            &found.tasks,
            |taken| Some((taken.count, per(taken.resident, taken.count)?)),
        ),
        series(
            "thread, resident",
            false,
            Evidence::Live,
            &found.threads,
            |taken| Some((taken.count, per(taken.resident, taken.count)?)),
        ),
        extrapolated(found),
        series(
            "goroutine, stack",
            false,
            goroutines,
            &found.goroutines,
            |taken| Some((taken.count, per(Some(taken.stack_bytes), taken.count)?)),
        ),
        series(
            "goroutine, resident",
            false,
            goroutines,
            &found.goroutines,
            |taken| Some((taken.count, per(Some(taken.resident), taken.count)?)),
        ),
    ];
    let times = [
        series(
            "task, until all sleep",
            false,
            Evidence::Live,
            &found.tasks,
            |taken| Some((taken.count, nanoseconds(taken.asleep_after, taken.count))),
        ),
        series(
            "task, from there to the end",
            false,
            Evidence::Live,
            &found.tasks,
            |taken| Some((taken.count, nanoseconds(taken.ended_after, taken.count))),
        ),
        series(
            "thread, until all sleep",
            false,
            Evidence::Live,
            &found.threads,
            |taken| Some((taken.count, nanoseconds(taken.asleep_after, taken.count))),
        ),
        series(
            "goroutine, until all sleep",
            false,
            goroutines,
            &found.goroutines,
            |taken| Some((taken.count, nanoseconds(taken.asleep_after, taken.count))),
        ),
    ];
    let chart = |id, title, y, series: Vec<Series>| Chart {
        id,
        title,
        x: number(),
        y,
        series: series
            .into_iter()
            .filter(|series| !series.points.is_empty())
            .collect(),
    };
    vec![
        chart(
            "bytes-per-task",
            "Memory of one sleeper, against how many there are",
            Axis {
                name: "memory of one",
                unit: "bytes",
                log: true,
            },
            bytes.into(),
        ),
        chart(
            "time-per-task",
            "Time for one sleeper, against how many there are",
            Axis {
                name: "time for one",
                unit: "ns",
                log: true,
            },
            times.into(),
        ),
    ]
}

/// A line of a chart: of each that was taken, how many there were and what one took.
fn series<T>(
    name: &str,
    exact: bool,
    evidence: Evidence,
    taken: &[T],
    point: impl Fn(&T) -> Option<(u64, f64)>,
) -> Series {
    #[expect(clippy::cast_precision_loss, reason = "no count is that large")]
    let at = |(count, y): (u64, f64)| Point {
        label: None,
        x: Some(count as f64),
        y,
        spread: None,
    };
    Series {
        name: name.to_owned(),
        exact,
        evidence,
        points: taken.iter().filter_map(point).map(at).collect(),
    }
}

/// What more threads than were started would take, if each took as much as those.
fn extrapolated(found: &Found) -> Series {
    let last = found
        .threads
        .last()
        .and_then(|taken| Some((taken.count, per(taken.resident, taken.count)?)));
    let beyond: Vec<u64> = found.tasks.iter().map(|taken| taken.count).collect();
    series(
        "thread, extrapolated",
        false,
        Evidence::Live,
        &beyond,
        |&count| {
            last.filter(|(most, _)| count > *most)
                .map(|(_, bytes)| (count, bytes))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> ImageUnderTest {
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
        judge(&subject(), &found, None)
    }

    #[test]
    fn it_holds_and_is_the_same_in_every_run() {
        let subject = subject();
        let claim = check(&subject);
        assert_eq!(
            claim.verdict,
            Verdict::Holds,
            "{} {:?}",
            claim.found,
            claim.findings
        );
        assert_eq!(claim.figures, check(&subject).figures);
        for (figure, value) in [
            ("allocations for 1000 tasks", 1000),
            ("allocations for 10000 tasks", 10_000),
            ("bytes a task", 256),
            ("bytes beside a task's future", 104),
            ("a cell is a multiple of", 128),
            ("sizes of futures tried", 18),
        ] {
            assert_eq!(claim.figures[figure].value, value, "{figure}");
        }
        let names: Vec<&str> = claim.pictures.charts[0]
            .series
            .iter()
            .map(|series| series.name.as_str())
            .collect();
        assert!(
            names.contains(&"task, allocated") && names.contains(&"goroutine, stack"),
            "{names:?}"
        );
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
        if OnFile::of("nap_cell").is_ok_and(|on_file| on_file.is_of(subject().image.producers())) {
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
        let mut evaluation = Evaluation::default();
        let found = cells(
            &mut evaluation,
            &[cell(0, 64), cell(24, 64), cell(32, 128), cell(88, 128)],
        );
        assert!(found.is_some_and(|found| found.ends_with("beside it 40, in lines of 64")));
        let mut evaluation = Evaluation::default();
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
        let claim = judge(&subject(), &Found::default(), Some("no memory".to_owned()));
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
}
