//! `switch-cost`: who is switched out at a hop, which is counted, and what that takes, which is measured.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use zero_cost_ffi::thread_ring::{Error, Plan, Run, Switches, Variant, creation, processor, uring};

use crate::evaluation::{Context, Evaluation, MatrixSpec, Quote, Size, Spec};
use crate::measure::thread_ring::{self, Case};
use crate::report::{
    Axis, Chart, Claim, Evidence, Measured, Point, Series, Verdict, approximately,
};

/// The claim.
pub const SPEC: Spec = Spec {
    id: "switch-cost",
    statement: "a message handed from thread to thread on one processor takes a context switch by the kernel; from task \
                to task it takes none, with I/O or without",
    talk: Quote::simplified(
        "\u{1f449} when I/O bound, context switch advantage disappears",
        "the switches are saved in full, with I/O too; what tasks pay in their place is epoll and a second read, and \
             which of the two takes longer depends on the messages in flight, the processors and the machine: measured \
             beside the verdict, and no part of it",
    ),
    matrices: &[SWITCHES],
    sizes: &[Size::Hops],
    can_run: |request| Ok(check_limits(request.hops)?),
    check,
    ..Spec::DEFAULT
};

const SWITCHES: MatrixSpec = MatrixSpec::new("switches", "switches", &[AT_LEAST, VOLUNTARY])
    .counts("context switches of the threads that pass a message on, in 1,024 hops on one processor with one message in \
            flight; `at least` counts any kind, up to the 1,016 that there must be, since only those are the same in \
            every run");
const AT_LEAST: &str = "at least";
const VOLUNTARY: &str = "voluntary";

/// Switches are counted over few hops. They do not depend on the time they take.
pub const COUNTED: Plan = Plan {
    stages: 8,
    in_flight: 1,
    hops_each: 128,
    buffer: 1,
};

/// Of these hops a switch follows, or the next thread could not run: the last one of each is behind its count.
const SWITCHED: u64 = (COUNTED.hops() - COUNTED.stages) as u64;

/// Those that hand on without the kernel's scheduler.
const WITHOUT: [Variant; 5] = [
    Variant::Tokio,
    Variant::EpollLevel,
    Variant::EpollEdge,
    Variant::IoUring,
    Variant::TaskChannels,
];
/// Their opposite, and the control: here, switches must be seen.
const WITH: [Variant; 2] = [Variant::Threads, Variant::ThreadChannels];

/// What is timed: who, and with room for how many bytes.
const TIMED: [(Variant, usize); 8] = [
    (Variant::Threads, 1),
    (Variant::Tokio, 1),
    (Variant::Tokio, 64),
    (Variant::EpollLevel, 1),
    (Variant::EpollEdge, 1),
    (Variant::IoUring, 1),
    (Variant::ThreadChannels, 1),
    (Variant::TaskChannels, 1),
];
const IN_FLIGHT: [usize; 2] = [1, 16];
/// Without `--hops`: so few that it takes no time to speak of.
const FEW_HOPS: u64 = 256;
/// How often all is timed, over few hops and over many.
const ROUNDS: [usize; 2] = [3, 5];

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let hops = context.request.hops;
    let absent = uring::check().err();
    let there = |variant: &Variant| *variant != Variant::IoUring || absent.is_none();
    if let Some(why) = &absent {
        evaluation.lack("io_uring", why);
    }
    let variants = WITH.into_iter().chain(WITHOUT).filter(there);
    let counted = variants.clone().try_for_each(|variant| {
        let run = processor::on_one(|| COUNTED.run(variant))?;
        if let Some(switches) = run.switches {
            count(&mut evaluation, variant, switches);
        }
        Ok::<_, Error>(())
    });
    let (verdict, found) = match counted.and_then(|()| time(hops, there)) {
        Ok(times) => {
            evaluation.notes = plainly(&times, hops);
            measure(&mut evaluation, &times);
            (Verdict::HoldsWithConditions, found(&evaluation))
        }
        Err(why) => {
            evaluation.lack("limits", &why);
            (Verdict::NotChecked, format!("not run: {why}"))
        }
    };
    evaluation.finish_live(&context.image, verdict, found, CONDITIONS)
}

/// Holds one thread ring's switches against the claim.
pub fn count(evaluation: &mut Evaluation, variant: Variant, switches: Switches) {
    let hops = COUNTED.hops();
    if WITH.contains(&variant) {
        if switches.all() < SWITCHED {
            evaluation.fault(format_args!(
                "{variant}: {} context switches in {hops} hops on one processor; there must be {SWITCHED}",
                switches.all()
            ));
        }
        let least = switches.all().min(SWITCHED);
        evaluation.set_cell(SWITCHES.name, variant.word(), AT_LEAST, least);
        // How many more there are is the scheduler's affair, and another number each time.
        let per_hop = approximately(switches.voluntary) / approximately(hops as u64);
        let name = format!("{variant}: voluntary switches per hop");
        evaluation.measure(name, per_hop, "switches");
    } else {
        if switches.voluntary != 0 {
            evaluation.fault(format_args!(
                "{variant}: {} voluntary context switches in {hops} hops; there must be none",
                switches.voluntary
            ));
        }
        let voluntary = switches.voluntary;
        evaluation.set_cell(SWITCHES.name, variant.word(), VOLUNTARY, voluntary);
    }
}

/// `a switch at 1016 of 1016 hops by threads, thread-channels; at 0 of 1024 by tokio, …`
fn found(evaluation: &Evaluation) -> String {
    let ran = |variants: &[Variant], column| {
        let value = |variant: &Variant| {
            let value = evaluation.value_of_cell(SWITCHES.name, variant.word(), column)?;
            Some((variant.word(), value))
        };
        let (names, values): (Vec<_>, Vec<_>) = variants.iter().filter_map(value).unzip();
        (names.join(", "), values)
    };
    let (with, switched) = ran(&WITH, AT_LEAST);
    let (without, voluntary) = ran(&WITHOUT, VOLUNTARY);
    format!(
        "on one processor a switch at {} of {SWITCHED} hops by {with}; at {} of {} by {without}",
        switched.into_iter().min().unwrap_or(0),
        voluntary.into_iter().max().unwrap_or(0),
        COUNTED.hops()
    )
}

const CONDITIONS: [&str; 7] = [
    "switches are counted on one processor with one message in flight, where each hop is by another thread than the \
     last. On several, and with more messages, a thread may find the next one there already, and is not switched out",
    "none is none that a task asks for: the kernel may still take the processor for something else",
    "tasks on tokio's current-thread runtime. On several workers they may wake each other, which is a switch",
    "a thread's last hop is not counted: it ends before it is switched out",
    "times are of this run and this machine, with one byte a message and nothing done to it; the work that a real \
     server does for a message makes every ratio smaller",
    "on a busy machine the scheduler gives many threads a larger share than the one that runs all tasks: only an idle \
     one compares them",
    "over many hops with several in flight, messages bunch up before threads, which then find one there already and \
     are not switched out: see the voluntary switches that `cargo bench --bench thread_ring` prints",
];

/// What was timed, in nanoseconds for each hop or creation, by round.
#[derive(Clone, Debug)]
pub struct Timed {
    pub what: What,
    pub rounds: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Hop { case: Case, pinned: bool },
    Thread,
    Task,
}

impl What {
    fn name(self) -> String {
        match self {
            Self::Hop { case, pinned } => format!("{case}, {}: a hop", place(pinned)),
            Self::Thread => "creation of a thread".to_owned(),
            Self::Task => "creation of a task".to_owned(),
        }
    }
}

const fn place(pinned: bool) -> &'static str {
    if pinned {
        "one processor"
    } else {
        "any processor"
    }
}

/// As many hops as asked for, rounded up to whole ones of every stage.
fn timed_plan(case: &Case, hops: Option<u64>) -> Plan {
    let hops = usize::try_from(hops.unwrap_or(FEW_HOPS)).unwrap_or(usize::MAX);
    case.plan(hops.div_ceil(case.plan(1).stages))
}

fn timed_cases() -> impl Iterator<Item = Case> {
    IN_FLIGHT
        .into_iter()
        .flat_map(|in_flight| TIMED.map(|(variant, buffer)| Case::new(variant, in_flight, buffer)))
}

/// Whether all that is timed can be run here, but for io_uring, which may be absent.
///
/// # Errors
/// What it takes.
pub fn check_limits(hops: Option<u64>) -> Result<(), Error> {
    thread_ring::possible(timed_cases().map(|case| (case.variant, timed_plan(&case, hops))))
}

/// Times all of them in turn, then all again: what changes meanwhile changes for all.
fn time(hops: Option<u64>, there: impl Fn(&Variant) -> bool) -> Result<Vec<Timed>, Error> {
    check_limits(hops)?;
    let by_hop = timed_cases()
        .filter(|case| there(&case.variant))
        .flat_map(|case| [true, false].map(|pinned| What::Hop { case, pinned }));
    let mut timed: Vec<Timed> = by_hop
        .chain([What::Thread, What::Task])
        .map(|what| Timed {
            what,
            rounds: Vec::new(),
        })
        .collect();
    let start = Instant::now();
    let rounds = ROUNDS[usize::from(hops.is_some())];
    for round in 1..=rounds {
        for timed in &mut timed {
            timed.rounds.push(once(timed.what, hops)?);
        }
        if start.elapsed() > Duration::from_secs(1) {
            // Nobody to tell where it cannot be written.
            let _ = writeln!(io::stderr(), "switch-cost: round {round} of {rounds} timed");
        }
    }
    Ok(timed)
}

fn once(what: What, hops: Option<u64>) -> Result<f64, Error> {
    const THREADS: usize = 32;
    const TASKS: usize = 1_000;
    let (elapsed, count) = match what {
        What::Hop { case, pinned } => {
            let plan = timed_plan(&case, hops);
            let run: Run = if pinned {
                processor::on_one(|| plan.run(case.variant))?
            } else {
                plan.run(case.variant)?
            };
            (run.elapsed, plan.hops())
        }
        What::Thread => (creation::threads(THREADS)?, THREADS),
        What::Task => (creation::tasks(TASKS)?, TASKS),
    };
    Ok(elapsed.as_secs_f64() * 1e9 / approximately(count as u64))
}

/// How many times as long one took as the other, round by round.
fn ratio(times: &[Timed], one: What, other: What) -> Option<Measured> {
    let of = |what| times.iter().find(|timed| timed.what == what);
    let rounds = of(one)?.rounds.iter().zip(&of(other)?.rounds);
    let ratios: Vec<f64> = rounds.map(|(one, other)| one / other).collect();
    Some(Measured::median(&ratios, "times"))
}

/// Threads and tasks: by pipe, and by channel.
const PAIRS: [(Variant, Variant); 2] = [
    (Variant::Threads, Variant::Tokio),
    (Variant::ThreadChannels, Variant::TaskChannels),
];

fn ratios(times: &[Timed]) -> Vec<(String, Measured)> {
    let mut ratios = Vec::new();
    for (threads, tasks) in PAIRS {
        for in_flight in IN_FLIGHT {
            for pinned in [true, false] {
                let hop = |variant| What::Hop {
                    case: Case::new(variant, in_flight, 1),
                    pinned,
                };
                let place = place(pinned);
                let name = format!("{threads} to {tasks}, {in_flight} in flight, {place}");
                ratios.extend(ratio(times, hop(threads), hop(tasks)).map(|ratio| (name, ratio)));
            }
        }
    }
    let creation = ratio(times, What::Thread, What::Task);
    ratios
        .extend(creation.map(|ratio| ("creation of a thread to one of a task".to_owned(), ratio)));
    ratios
}

fn measure(evaluation: &mut Evaluation, times: &[Timed]) {
    let summary = |timed: &Timed| Measured::median(&timed.rounds, "ns");
    for timed in times {
        let name = timed.what.name();
        evaluation.measured.insert(name, summary(timed));
    }
    evaluation.measured.extend(ratios(times));
    let point = |timed: &Timed, in_flight: usize| {
        let Measured { value, spread, .. } = summary(timed);
        Point {
            spread,
            ..Point::at(in_flight as u64, value)
        }
    };
    let series = |pinned, (variant, buffer)| {
        let points = IN_FLIGHT.into_iter().filter_map(|in_flight| {
            let case = Case::new(variant, in_flight, buffer);
            let what = What::Hop { case, pinned };
            let timed = times.iter().find(|timed| timed.what == what)?;
            Some(point(timed, in_flight))
        });
        let name = format!("{variant}, {buffer}-byte buffer, {}", place(pinned));
        Series::measured(name, Evidence::Live, points)
    };
    evaluation.charts.push(Chart::new(
        "time-per-hop",
        "Time per hop",
        Some(Axis::log("messages in flight", "messages")),
        Axis::log("time", "ns per hop"),
        [true, false]
            .into_iter()
            .flat_map(|pinned| TIMED.map(|timed| series(pinned, timed))),
    ));
}

/// Whether the advantage disappears, in words. Over few hops, which are mostly start-up, it cannot be told.
#[must_use]
pub fn plainly(times: &[Timed], hops: Option<u64>) -> Vec<String> {
    let rounds = times.first().map_or(0, |timed| timed.rounds.len());
    let heading = match hops {
        Some(hops) => {
            format!("measured here, now, over {hops} hops, in {rounds} interleaved rounds")
        }
        None => format!(
            "measured here, now, over {FEW_HOPS} hops, in {rounds} interleaved rounds: too few to tell whether the \
             advantage disappears; `{} --hops 100000` tells",
            SPEC.command(Evidence::Live)
        ),
    };
    let lines = ratios(times).into_iter().map(|(name, ratio)| {
        let [least, greatest] = ratio.spread.unwrap_or([ratio.value; 2]);
        let line = format!(
            "{name}: {:.2} times as long ({least:.2} to {greatest:.2})",
            ratio.value
        );
        if hops.is_none() {
            return line;
        }
        let plain = match () {
            () if least > 1.0 => "tasks keep the advantage",
            () if greatest < 1.0 => "the advantage disappears",
            () => "undecided, the rounds disagree",
        };
        format!("{line}: {plain}")
    });
    std::iter::once(heading).chain(lines).collect()
}
