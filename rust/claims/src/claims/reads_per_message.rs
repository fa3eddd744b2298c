//! `reads-per-message`: what a message costs in system calls, waited for by a thread, a task, or by hand.

use std::collections::BTreeMap;

use zero_cost_ffi::thread_ring::{Error, Variant, uring};

use crate::evaluation::{Context, Evaluation, FigureSpec, MatrixSpec, Quote, Spec};
use crate::image_under_test::ImageUnderTest;
use crate::measure::missing::MissingTool as _;
use crate::measure::syscalls::{SyscallCount, SyscallCounts};
use crate::measure::thread_ring::{self, Case, HOPS};
use crate::report::{Axis, Chart, Claim, Evidence, Missing, Point, Series, Verdict, approximately};

/// The claim.
pub const SPEC: Spec = Spec {
    id: "reads-per-message",
    statement: "a thread reads once per message; a task twice where the message fills its buffer, and once where it does \
                not; epoll_wait is shared by the messages in flight",
    talk: Quote::simplified(
        "tasks call `read(2)` **multiple times** (+ `epoll(7)`)",
        "exact where the message fills the buffer, as a buffer of one byte is filled; with room for more the second \
             read vanishes, by level-triggered epoll there is none, and many messages share one epoll_wait",
    ),
    figures: &[FIGURES],
    matrices: &[CALLS],
    can_run: |_| Ok(check_limits()?),
    check,
    ..Spec::DEFAULT
};

const FIGURES: &[FigureSpec] = &[FigureSpec::new("controls", "rings")
    .counts("thread rings that read twice on purpose, and were seen to")];

const CALLS: MatrixSpec = MatrixSpec::new("system calls", "calls in 128 hops", &["read", EAGAIN, "write", "epoll_wait", "io_uring_enter"])
    .counts("system calls of all threads that a run of 128 more hops makes more; of the reads, also those that failed with \
            EAGAIN");
const EAGAIN: &str = "read, EAGAIN";

const IN_FLIGHT: [usize; 4] = [1, 4, 16, 64];
/// Bytes: a message has one, and the larger has room for more.
const BUFFERS: [usize; 2] = [1, 64];

/// What waits, and what a message has room in, in the order they are told.
const KINDS: [(Variant, usize); 8] = [
    (Variant::Threads, BUFFERS[0]),
    (Variant::Tokio, BUFFERS[0]),
    (Variant::Tokio, BUFFERS[1]),
    (Variant::EpollLevel, BUFFERS[0]),
    (Variant::EpollEdge, BUFFERS[0]),
    (Variant::EpollEdge, BUFFERS[1]),
    (Variant::IoUring, BUFFERS[0]),
    (Variant::EpollLevelTwice, BUFFERS[0]),
];

/// All that is counted: tokio's with every number in flight, the others' with two, the control once.
pub fn cases() -> Vec<Case> {
    let chosen = |variant| match variant {
        Variant::Tokio => &IN_FLIGHT[..],
        Variant::EpollLevelTwice => &IN_FLIGHT[..1],
        _ => &[IN_FLIGHT[0], IN_FLIGHT[2]],
    };
    KINDS
        .into_iter()
        .flat_map(|(variant, buffer)| {
            let in_flight = chosen(variant).iter();
            in_flight.map(move |&in_flight| Case::new(variant, in_flight, buffer))
        })
        .collect()
}

/// What a case is to call in [`HOPS`] hops, by name: at least, and at most.
type Expected = BTreeMap<&'static str, (SyscallCount, SyscallCount)>;

fn expected(case: &Case) -> Expected {
    let hops = i64::try_from(HOPS).unwrap_or(i64::MAX);
    let waits = hops / i64::try_from(case.in_flight).unwrap_or(1);
    let exactly = |made, again| (SyscallCount { made, again }, SyscallCount { made, again });
    let read_once = exactly(hops, 0);
    let read_twice = exactly(2 * hops, hops);
    let write = exactly(hops, 0);
    let of =
        |read, waits| BTreeMap::from([("read", read), ("write", write), ("epoll_wait", waits)]);
    // A read that brings less than there is room for has emptied the pipe, and that is known.
    let edge = [read_twice, read_once][usize::from(case.buffer > 1)];
    match case.variant {
        Variant::Threads => of(read_once, exactly(0, 0)),
        // It also looks after 61 polls in a row (`event_interval`), so with more in flight than that once more
        // than is needed, now and then.
        Variant::Tokio if case.in_flight > 61 => {
            of(edge, (exactly(waits, 0).0, exactly(2 * waits, 0).1))
        }
        Variant::Tokio | Variant::EpollEdge => of(edge, exactly(waits, 0)),
        Variant::EpollLevel => of(read_once, exactly(waits, 0)),
        Variant::EpollLevelTwice => of(read_twice, exactly(waits, 0)),
        Variant::IoUring => BTreeMap::from([("io_uring_enter", exactly(waits, 0))]),
        // No I/O, so nothing to count.
        Variant::ThreadChannels | Variant::TaskChannels => BTreeMap::new(),
    }
}

/// What threads call to start, to end and to wait for each other. It varies by a few, and no message is moved by it.
pub const OF_THREADS: [&str; 7] = [
    "futex",
    "mmap",
    "munmap",
    "mprotect",
    "madvise",
    "brk",
    "sched_yield",
];

/// What is otherwise than is claimed.
#[must_use]
pub fn faults(case: &Case, counts: &SyscallCounts) -> Vec<String> {
    let expected = expected(case);
    let mut names: Vec<&str> = counts.keys().map(String::as_str).collect();
    if case.variant == Variant::Threads {
        names.retain(|name| !OF_THREADS.contains(name));
    }
    names.extend(expected.keys().copied());
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let found = counts.get(name).copied().unwrap_or_default();
            let (least, most) = expected.get(name).copied().unwrap_or_default();
            let within = (least.made..=most.made).contains(&found.made)
                && (least.again..=most.again).contains(&found.again);
            (!within).then(|| {
                format!(
                    "{case}: {} {name} in {HOPS} hops, {} of them EAGAIN; expected {}, {} of them EAGAIN",
                    found.made,
                    found.again,
                    if least == most { most.made.to_string() } else { format!("{} to {}", least.made, most.made) },
                    most.again
                )
            })
        })
        .collect()
}

/// What was counted, or why nothing was.
#[derive(Default)]
pub struct Counted {
    pub counts: Vec<(Case, SyscallCounts)>,
    pub missing: Vec<Missing>,
    pub findings: Vec<String>,
}

/// Whether all that is counted can be run here, but for io_uring, which may be absent.
///
/// # Errors
/// What it takes.
pub fn check_limits() -> Result<(), Error> {
    thread_ring::possible(cases().into_iter().map(|case| (case.variant, case.plan(1))))
}

fn count(mut cases: Vec<Case>) -> Counted {
    let mut counted = Counted::default();
    if let Err(why) = uring::check() {
        cases.retain(|case| case.variant != Variant::IoUring);
        counted.missing.push(Missing::new("io_uring", why));
    }
    if let Err(why) = check_limits() {
        counted.missing.push(Missing::new("limits", why));
        return counted;
    }
    match thread_ring::counts(&cases) {
        Ok(counts) => counted.counts = counts,
        Err(error) if error.missing_tool().is_some() => {
            counted.missing.push(Missing::new("ptrace", error));
        }
        Err(error) => counted
            .findings
            .push(format!("a thread ring could not be counted: {error}")),
    }
    counted
}

fn check(context: &Context) -> Claim {
    judge(&context.image, count(cases()))
}

/// The verdict on what was counted.
#[must_use]
pub fn judge(image: &ImageUnderTest, counted: Counted) -> Claim {
    let (counts, missing) = (counted.counts, counted.missing);
    let mut evaluation = Evaluation::new(&SPEC);
    evaluation.findings = counted.findings;
    for (case, counts) in &counts {
        held_against(&mut evaluation, case, counts);
    }
    evaluation.charts = charts(&counts);
    let verdict = Verdict::HoldsWithConditions.where_checked(!counts.is_empty());
    let found = found(&counts, &missing);
    let conditions = conditions(&missing);
    evaluation.missing = missing;
    evaluation.finish_live(image, verdict, found, conditions)
}

/// Holds one case's counts against the claim.
fn held_against(evaluation: &mut Evaluation, case: &Case, counts: &SyscallCounts) {
    evaluation.findings.extend(faults(case, counts));
    let row = case.to_string();
    for name in expected(case).keys() {
        let calls = counts.get(*name).copied().unwrap_or_default();
        evaluation.set_cell(CALLS.name, &row, name, calls.made.unsigned_abs());
        if *name == "read" {
            evaluation.set_cell(CALLS.name, &row, EAGAIN, calls.again.unsigned_abs());
        }
    }
    if case.variant == Variant::EpollLevelTwice {
        let taken_for = Case::new(Variant::EpollLevel, case.in_flight, case.buffer);
        if faults(&taken_for, counts).is_empty() {
            evaluation.fault(format_args!(
                "control {case}: the count cannot tell it from {taken_for}"
            ));
        } else {
            evaluation.add("controls", 1);
        }
    }
}

/// `reads per message: threads 1, tokio 2 (1-byte buffer) or 1 (64-byte), …`
fn found(counts: &[(Case, SyscallCounts)], missing: &[Missing]) -> String {
    if counts.is_empty() {
        let why: Vec<&str> = missing.iter().map(|missing| missing.why.as_str()).collect();
        return format!("not counted: {}", why.join("; "));
    }
    let of = |variant, buffer, in_flight, name: &str| {
        let case = Case::new(variant, in_flight, buffer);
        let (_, counts) = counts.iter().find(|(counted, _)| *counted == case)?;
        Some(counts.get(name).map_or(0, |calls| calls.made))
    };
    let [small, large] = BUFFERS;
    let reads = |variant, buffer| {
        of(variant, buffer, IN_FLIGHT[0], "read").map_or_else(
            || "not counted".to_owned(),
            |calls| per_hop(calls).to_string(),
        )
    };
    let waits = |in_flight| of(Variant::Tokio, small, in_flight, "epoll_wait").unwrap_or(0);
    let [fewest, .., most] = IN_FLIGHT;
    format!(
        "reads per message: threads {}, tokio {} ({small}-byte buffer) or {} ({large}-byte), by hand {} (level) or {} \
         (edge), io_uring {}; epoll_wait in {HOPS} hops: {} with {fewest} in flight, {} with {most}; control {}",
        reads(Variant::Threads, small),
        reads(Variant::Tokio, small),
        reads(Variant::Tokio, large),
        reads(Variant::EpollLevel, small),
        reads(Variant::EpollEdge, small),
        reads(Variant::IoUring, small),
        waits(fewest),
        waits(most),
        reads(Variant::EpollLevelTwice, small),
    )
}

/// Exact: the number of hops is a power of two.
fn per_hop(calls: i64) -> f64 {
    approximately(calls.unsigned_abs()) / approximately(HOPS as u64)
}

fn conditions(missing: &[Missing]) -> Vec<String> {
    let lacking = missing
        .iter()
        .filter(|missing| missing.what == "io_uring")
        .map(|missing| format!("io_uring was not counted: {}", missing.why));
    let always = [
        "a message of one byte through a pipe, in a ring where messages do not run into each other: a pipe that holds \
         several is emptied by fewer reads than messages, by whoever has the room",
        "twice is for a message that fills the buffer: then only a read that fails with EAGAIN shows that the pipe is \
         empty. With room to spare, fewer bytes than asked for show it (tokio-rs/tokio#4840), and the second read \
         vanishes, as it does in edge-triggered epoll by hand",
        "epoll_wait is one for all the messages that are in flight; tokio also looks after 61 polls in a row \
         (event_interval), so with 64 it is a little more than one in 64",
        "tokio's current-thread runtime, with its defaults. On several workers the reads are the same, and how often \
         epoll_wait is called depends on who is awake",
        "a thread's one read is also where it waits: it is switched out, which a task is not (see switch-cost)",
        "counted by ptrace, as what a longer run calls more than a shorter one; of threads without what they call to \
         start and end (futex, mmap, …), which varies",
    ];
    lacking.chain(always.map(str::to_owned)).collect()
}

fn charts(counts: &[(Case, SyscallCounts)]) -> Vec<Chart> {
    if counts.is_empty() {
        return Vec::new();
    }
    let series = |(variant, buffer), of: &dyn Fn(&Case, &SyscallCounts) -> i64| {
        let counts = counts.iter();
        let own = counts.filter(|(case, _)| (case.variant, case.buffer) == (variant, buffer));
        let points =
            own.map(|(case, counts)| Point::at(case.in_flight as u64, per_hop(of(case, counts))));
        let name = format!("{variant}, {buffer}-byte buffer");
        Series::counted(name, Evidence::Live, points)
    };
    let chart = |id, title, y, of: &dyn Fn(&Case, &SyscallCounts) -> i64| {
        Chart::new(
            id,
            title,
            Some(Axis::log("messages in flight", "messages")),
            Axis::linear(y, "calls per hop"),
            KINDS.map(|kind| series(kind, of)),
        )
    };
    let all = |case: &Case, counts: &SyscallCounts| {
        let expected = expected(case);
        let counted = counts
            .iter()
            .filter(|(name, _)| expected.contains_key(name.as_str()));
        counted.map(|(_, calls)| calls.made).sum()
    };
    let reads = |_: &Case, counts: &SyscallCounts| counts.get("read").map_or(0, |calls| calls.made);
    vec![
        chart(
            "system-calls-per-hop",
            "System calls per hop",
            "system calls",
            &all,
        ),
        chart("reads-per-hop", "Calls of read(2) per hop", "reads", &reads),
    ]
}
