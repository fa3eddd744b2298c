//! `million-tasks`: a sleeping task is one allocation, and the millionth is no larger than the first.

use std::io::{self, Write as _};

use zero_cost_ffi::machine::nap;

use crate::baseline::layouts::{FOLDER, OnFile};
use crate::evaluation::{
    Context, Evaluation, FigureSpec, Live, MatrixSpec, OnFile as Keep, Outcome, Quote, Request,
    Size, Spec, provenance,
};
use crate::go::goroutines::{self, Goroutines};
use crate::image_under_test::ImageUnderTest;
use crate::measure::limits;
use crate::report::{Axis, Chart, Claim, Evidence, Missing, Point, Series, Verdict, approximately};
use crate::scenario::idle_tasks::{Cell, Footprint, Idle, MANY, Sleeper};
use crate::scenario::{Scenario, child};

/// The claim.
pub const SPEC: Spec = Spec {
    id: "million-tasks",
    statement: "a sleeping task is one allocation, which holds its future and what tokio keeps beside it; the millionth \
                takes as much as the first, and all of it is given back",
    talk: Quote::out_of_date(
        "vs. *stackful* coroutines (e.g. Goroutines ≥ 8 KB)",
        "a goroutine's least stack is 2,048 bytes since Go 1.4; with all that belongs to it, it still takes several \
             times what a sleeping task does",
    ),
    figures: &[FIGURES],
    matrices: &[TAKEN],
    sizes: &[Size::Tasks],
    live: Live::Prove("--tasks 1000000"),
    can_run: |request| match request.tasks {
        Some(tasks) => Ok(can_be_had(tasks)?),
        None => Ok(()),
    },
    check,
    ..Spec::DEFAULT
};

const FIGURES: &[FigureSpec] = &[
    FigureSpec::new(PER_TASK_BYTES, "bytes")
        .counts("bytes allocated for one sleeping task: its cell"),
    FigureSpec::new(FUTURE, "bytes").counts("size of the future in that cell"),
    FigureSpec::new("bytes beside a task's future", "bytes")
        .counts("bytes of a cell that are not its future's, before it is rounded up"),
    FigureSpec::new("a cell is a multiple of", "bytes")
        .counts("what a cell's size is rounded up to, found by futures of several sizes"),
    FigureSpec::new("sizes of futures tried", "futures")
        .counts("futures of different sizes whose cells these two numbers explain"),
];
const PER_TASK_BYTES: &str = "bytes a task";
const FUTURE: &str = "bytes of a task's future";

const TAKEN: MatrixSpec = MatrixSpec::new(
    "tasks asleep at once",
    "allocations, bytes",
    &["allocations", "bytes"],
)
.counts("allocations until so many tasks were all asleep, and the bytes asked for");

/// How many, unless it is said: what the judge has time for among all claims.
const TASKS: u64 = 10_000;
/// As many threads are started at most; what more would take is extrapolated.
const THREADS: u64 = 1000;
/// Bytes a task may take of the machine's memory: twice its cell, for what the allocator takes beside it.
const ROOM_PER_TASK: u64 = 512;
/// The same for a goroutine: its stack, and what belongs to it.
const ROOM_PER_GOROUTINE: u64 = 4096;

/// Whether so many tasks, and the threads that they are compared with, can be had here.
///
/// # Errors
/// When they cannot: which limit is too low, and what raises it.
pub fn can_be_had(tasks: u64) -> Result<(), limits::Error> {
    limits::memory(limits::of_memory(), tasks, ROOM_PER_TASK)?;
    limits::threads(limits::of_threads(), tasks.min(THREADS))
}

/// 10, 100, 1000, … from `first` up to `last`, and that.
#[must_use]
pub fn sizes(first: u64, last: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(first), |size| size.checked_mul(10));
    let mut sizes: Vec<u64> = powers.take_while(|size| *size < last).collect();
    sizes.push(last);
    sizes
}

/// What was counted and measured, by number.
#[derive(Default)]
pub struct Found {
    pub tasks: Vec<Footprint>,
    pub cells: Vec<Cell>,
    pub threads: Vec<Footprint>,
    pub goroutines: Vec<Goroutines>,
    /// The file and the date of those, where they are recorded.
    pub goroutines_on_file: Option<String>,
    pub missing: Vec<Missing>,
}

fn check(context: &Context) -> Claim {
    let request = &context.request;
    let most = request.tasks.unwrap_or(TASKS);
    let mut found = Found::default();
    let mut count = || {
        for count in sizes(1000, most) {
            found.tasks.push(asleep(Sleeper::Tasks, count)?);
        }
        found.cells = asleep(Sleeper::Cells, 0)?;
        Ok::<(), child::Error>(())
    };
    let not_counted = count().err().map(|error| error.to_string());
    threads(&mut found, most, request.tasks.is_some(), asleep);
    goroutines(&mut found, request);
    judge(&context.image, found, not_counted)
}

/// Has a child have so many asleep at once, and returns what that took.
fn asleep<T: serde::de::DeserializeOwned>(what: Sleeper, count: u64) -> Result<T, child::Error> {
    let scenario = Scenario::Idle(Idle { what, count });
    if scenario.shows_progress() {
        let _ = writeln!(io::stderr(), "million-tasks: {count} {}", what.as_str());
    }
    child::measure(scenario)
}

/// Starts threads for comparison: few, since they cost more, or all that there may be when a number of tasks is asked
/// for.
pub fn threads(
    found: &mut Found,
    most: u64,
    asked: bool,
    asleep: impl Fn(Sleeper, u64) -> Result<Footprint, child::Error>,
) {
    let most = most.min(if asked { THREADS } else { 100 });
    let mut start = || {
        limits::threads(limits::of_threads(), most).map_err(|error| error.to_string())?;
        for count in sizes(10, most) {
            let taken = asleep(Sleeper::Threads, count).map_err(|error| error.to_string())?;
            found.threads.push(taken);
        }
        Ok::<(), String>(())
    };
    if let Err(why) = start() {
        found.missing.push(Missing::new("threads", why));
    }
}

/// Counts goroutines for comparison where their number is given, or no recorded evidence wanted, and there is Go;
/// otherwise reads what is on file.
fn goroutines(found: &mut Found, request: &Request) {
    let anew = request.tasks.is_some() || request.on_file != Keep::Read;
    let counted = anew.then(|| {
        let most = request.tasks.unwrap_or(TASKS);
        if most >= MANY {
            let _ = writeln!(io::stderr(), "million-tasks: {most} goroutines");
        }
        // As many as there is memory for, which is fewer than of tasks.
        let fits =
            |count: &u64| limits::memory(limits::of_memory(), *count, ROOM_PER_GOROUTINE).is_ok();
        let counts: Vec<u64> = sizes(1000, most).into_iter().filter(fits).collect();
        goroutines::live(&counts)
    });
    let mut lack = |why: String| found.missing.push(Missing::new("go", why));
    match counted {
        Some(Ok(taken)) => {
            // Only a number that was asked for: the file has a million.
            if request.on_file == Keep::Record
                && request.tasks.is_some()
                && let Err(error) = goroutines::record(&taken)
            {
                lack(error.to_string());
            }
            found.goroutines = taken;
            return;
        }
        Some(Err(error)) => lack(error.to_string()),
        None => {}
    }
    match goroutines::on_file() {
        Ok(on_file) => {
            let file = goroutines::FILE.path;
            found.goroutines_on_file = Some(format!("{file}, {}", on_file.recorded));
            found.goroutines = on_file.facts;
        }
        Err(error) => lack(format!("and no goroutines are on file: {error}")),
    }
}

/// The verdict on what was counted, or on why it was not.
#[must_use]
pub fn judge(image: &ImageUnderTest, found: Found, not_counted: Option<String>) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    for taken in &found.tasks {
        one_allocation_each(&mut evaluation, taken);
    }
    flat(&mut evaluation, &found.tasks);
    let cell = cells(&mut evaluation, &found.cells);
    for taken in &found.goroutines {
        if taken.asleep != taken.count {
            evaluation.fault(format_args!(
                "{} of {} goroutines were asleep",
                taken.asleep, taken.count
            ));
        }
    }
    compared(&mut evaluation, &found);
    evaluation.charts = charts(&found);
    let mut provenance = provenance(image);
    if let Ok(on_file) = OnFile::of("nap_cell") {
        // What is allocated is what the compiler says that a cell is.
        let (counted, said) = (evaluation.value(PER_TASK_BYTES), on_file.layout.bytes);
        if on_file.is_of(image.image.producers()) && counted != said && counted > 0 {
            evaluation.fault(format_args!(
                "a task takes {counted} bytes, and its cell has {said} on file"
            ));
        }
        let compiler = format!("{FOLDER}, {}", on_file.compiler);
        provenance.insert("layouts".to_owned(), compiler);
        evaluation.layouts.push(on_file.layout);
    }
    if let Some(taken) = found.goroutines.first() {
        let from = found.goroutines_on_file.as_deref();
        let from = format!("{}, {}", taken.go, from.unwrap_or("counted now"));
        provenance.insert("goroutines".to_owned(), from);
    }
    let conditions = conditions(&found);
    let (verdict, line) = match not_counted {
        Some(why) => {
            if !evaluation.findings.is_empty() {
                evaluation.fault(&why);
            }
            (Verdict::NotChecked, format!("not counted: {why}"))
        }
        None => {
            let counts = found.tasks.iter().map(|taken| taken.count.to_string());
            let counts: Vec<String> = counts.collect();
            let line = format!(
                "{} tasks asleep: 1 allocation of {} bytes each, {}; all given back",
                counts.join(", "),
                evaluation.value(PER_TASK_BYTES),
                cell.unwrap_or_else(|| format!("{} of them the future", nap::bytes()))
            );
            (Verdict::Holds, line)
        }
    };
    evaluation.missing = found.missing;
    evaluation.finish(Outcome {
        provenance,
        ..Outcome::live(image, verdict, line, conditions)
    })
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
    let values = [taken.allocations, taken.bytes];
    evaluation.set_row(TAKEN.name, &count.to_string(), values);
    for (found, wanted, what) in [
        (taken.asleep, count, "asleep at once"),
        (taken.allocations, count, "allocations"),
        (taken.left, 0, "not ended after their sleep"),
    ] {
        if found != wanted {
            evaluation.fault(format_args!("{count} tasks: {found} {what}, not {wanted}"));
        }
    }
    let left = taken.bytes_left;
    if left != 0 {
        evaluation.fault(format_args!(
            "{count} tasks: {left} bytes are not given back"
        ));
    }
}

/// As many bytes a task however many there are, and no less than its future takes.
fn flat(evaluation: &mut Evaluation, taken: &[Footprint]) {
    evaluation.add(FUTURE, nap::bytes() as u64);
    let Some(first) = taken.first() else {
        return;
    };
    let per_task = first.bytes / first.count;
    evaluation.add(PER_TASK_BYTES, per_task);
    for taken in taken {
        if taken.bytes != per_task * taken.count {
            evaluation.fault(format_args!(
                "{} tasks take {} bytes, not {per_task} each as {} do",
                taken.count, taken.bytes, first.count
            ));
        }
    }
    let future = nap::bytes();
    if per_task < future as u64 {
        evaluation.fault(format_args!(
            "a task of {per_task} bytes cannot hold its future of {future}"
        ));
    }
}

/// A cell is what tokio keeps and the future, up to a whole number of lines: the two numbers that explain every size.
pub fn cells(evaluation: &mut Evaluation, cells: &[Cell]) -> Option<String> {
    for cell in cells {
        if cell.allocations != 1 || cell.bytes < cell.future {
            evaluation.fault(format_args!(
                "a future of {} bytes: {} allocations of {} bytes",
                cell.future, cell.allocations, cell.bytes
            ));
        }
    }
    let steps = cells.windows(2);
    let steps = steps.map(|pair| pair[1].bytes.abs_diff(pair[0].bytes));
    let line = steps.filter(|step| *step > 0).min()?;
    // The largest future that a cell of its size has room for leaves nothing over.
    let beside = |cell: &Cell| cell.bytes.saturating_sub(cell.future);
    let beside = cells.iter().map(beside).min()?;
    let explained = |cell: &Cell| (beside + cell.future).div_ceil(line) * line == cell.bytes;
    if !cells.iter().all(explained) {
        // Another tokio may do otherwise: that says nothing against the claim.
        return None;
    }
    evaluation.add("bytes beside a task's future", beside);
    evaluation.add("a cell is a multiple of", line);
    evaluation.add("sizes of futures tried", cells.len() as u64);
    Some(format!(
        "the future {}, beside it {beside}, in lines of {line}",
        nap::bytes()
    ))
}

/// Measures the most of each kind that there were, and extrapolates what a million threads would take.
fn compared(evaluation: &mut Evaluation, found: &Found) {
    let mut add = |name: String, value: Option<f64>, unit| {
        if let Some(value) = value {
            evaluation.measure(name, value, unit);
        }
    };
    for (what, taken) in [("task", &found.tasks), ("thread", &found.threads)] {
        let Some(taken) = taken.last() else { continue };
        let count = taken.count;
        let resident = taken.resident.map(|bytes| per(bytes, count));
        add(format!("resident a {what}, of {count}"), resident, "bytes");
        let time = nanoseconds(taken.asleep_after, count);
        add(format!("time a {what}, of {count}"), Some(time), "ns");
        if what == "thread" {
            let stack = taken.kernel_stacks.map(|bytes| per(bytes, count));
            add(format!("kernel stack a thread, of {count}"), stack, "bytes");
            let million = resident.map(|bytes| bytes * 1e6);
            let name = "resident of a million threads, extrapolated".to_owned();
            add(name, million, "bytes");
        }
    }
    if let Some(taken) = found.goroutines.last() {
        let count = taken.count;
        for (what, bytes) in [("stack", taken.stack_bytes), ("resident", taken.resident)] {
            let name = format!("{what} a goroutine, of {count}");
            add(name, Some(per(bytes, count)), "bytes");
        }
    }
}

fn per(bytes: u64, count: u64) -> f64 {
    approximately(bytes) / approximately(count)
}

fn nanoseconds(seconds: f64, count: u64) -> f64 {
    seconds * 1e9 / approximately(count)
}

/// Bytes and time of one, against how many there are.
fn charts(found: &Found) -> Vec<Chart> {
    let here = |name: &str, taken: &[Footprint], of: fn(&Footprint) -> Option<f64>| {
        let points = points(taken, |taken| (taken.count, of(taken)));
        Series::measured(name, Evidence::Live, points)
    };
    let go = |name: &str, of: fn(&Goroutines) -> f64| {
        let points = points(&found.goroutines, |taken| (taken.count, Some(of(taken))));
        let evidence = match found.goroutines_on_file {
            Some(_) => Evidence::Recorded,
            None => Evidence::Live,
        };
        Series::measured(name, evidence, points)
    };
    let allocated = |taken: &Footprint| Some(per(taken.bytes, taken.count));
    let resident = |taken: &Footprint| taken.resident.map(|bytes| per(bytes, taken.count));
    let asleep_after = |taken: &Footprint| Some(nanoseconds(taken.asleep_after, taken.count));
    let ended_after = |taken: &Footprint| Some(nanoseconds(taken.ended_after, taken.count));
    // What more threads than were started would take, if each took as much as those.
    let last = found.threads.last();
    let last = last.and_then(|taken| Some((taken.count, resident(taken)?)));
    let extrapolated = points(&found.tasks, |task| {
        let beyond = last.filter(|(most, _)| task.count > *most);
        (task.count, beyond.map(|(_, bytes)| bytes))
    });
    let bytes = [
        Series {
            exact: true,
            ..here("task, allocated", &found.tasks, allocated)
        },
        here("task, resident", &found.tasks, resident),
        here("thread, resident", &found.threads, resident),
        Series::measured("thread, extrapolated", Evidence::Live, extrapolated),
        go("goroutine, stack", |taken| {
            per(taken.stack_bytes, taken.count)
        }),
        go("goroutine, resident", |taken| {
            per(taken.resident, taken.count)
        }),
    ];
    let times = [
        here("task, until all sleep", &found.tasks, asleep_after),
        here("task, from there to the end", &found.tasks, ended_after),
        here("thread, until all sleep", &found.threads, asleep_after),
        go("goroutine, until all sleep", |taken| {
            nanoseconds(taken.asleep_after, taken.count)
        }),
    ];
    let chart = |id, title, y, series: &[Series]| {
        Chart::new(
            id,
            title,
            Some(Axis::log("how many", "")),
            y,
            series.to_vec(),
        )
    };
    let memory = "Memory of one sleeper, against how many there are";
    let time = "Time for one sleeper, against how many there are";
    vec![
        chart(
            "bytes-per-task",
            memory,
            Axis::log("memory of one", "bytes"),
            &bytes,
        ),
        chart(
            "time-per-task",
            time,
            Axis::log("time for one", "ns"),
            &times,
        ),
    ]
}

/// The points of those that have a value.
fn points<T>(taken: &[T], point: impl Fn(&T) -> (u64, Option<f64>)) -> Vec<Point> {
    let points = taken.iter().map(point);
    points
        .filter_map(|(count, value)| Some(Point::at(count, value?)))
        .collect()
}
