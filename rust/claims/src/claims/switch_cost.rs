//! `switch-cost`: who is switched out at a hop, which is counted, and what that takes, which is measured.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use zero_cost_ffi::thread_ring::{Error, Plan, Run, Switches, Variant, creation, processor, uring};

use super::{Evaluation, Rests, Statement, live, reproduce};
use crate::claim::{
    Assessment, Axis, Chart, Claim, Evidence, Measured, Missing, Point, Series, Talk, Verdict,
};
use crate::image_under_test::ImageUnderTest;
use crate::measure::thread_ring::{self, Case};

pub const STATEMENT: Statement = Statement {
    id: "switch-cost",
    says: "a message handed from thread to thread on one processor takes a context switch by the kernel; from task to \
           task it takes none, with I/O or without",
    check,
};

/// Switches are counted over few hops. They do not depend on the time they take.
const COUNTED: Plan = Plan {
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

fn check(subject: &ImageUnderTest) -> Claim {
    let mut evaluation = Evaluation::default();
    let mut missing = Vec::new();
    let absent = uring::check().err();
    let there = |variant: &Variant| *variant != Variant::IoUring || absent.is_none();
    if let Some(why) = &absent {
        missing.push(Missing {
            what: "io_uring",
            why: why.to_string(),
        });
    }
    let counted = WITH
        .into_iter()
        .chain(WITHOUT)
        .filter(there)
        .try_for_each(|variant| {
            let run = processor::on_one(|| COUNTED.run(variant))?;
            if let Some(switches) = run.switches {
                count(&mut evaluation, variant, switches);
            }
            Ok::<_, Error>(())
        });
    let timed = counted.and_then(|()| time(subject.hops, there));
    let mut conditions = Vec::new();
    match timed {
        Ok(times) => {
            conditions.extend(plainly(&times, subject.hops));
            measure(&mut evaluation, &times);
        }
        Err(error) => missing.push(Missing {
            what: "limits",
            why: error.to_string(),
        }),
    }
    conditions.extend(CONDITIONS.map(str::to_owned));
    let ran = !missing.iter().any(|missing| missing.what == "limits");
    let verdict = match evaluation.verdict(Verdict::HoldsWithConditions, Rests::OnImage) {
        Verdict::HoldsWithConditions if !ran => Verdict::NotChecked,
        verdict => verdict,
    };
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict,
        found: if ran {
            found(&evaluation)
        } else {
            format!(
                "not run: {}",
                missing.last().map_or("", |missing| &missing.why)
            )
        },
        conditions,
        findings: evaluation.findings,
        missing,
        talk: Talk {
            quote: "\u{1f449} when I/O bound, context switch advantage disappears",
            assessment: Assessment::Simplified,
            because: Some(
                "the switches are saved in full, with I/O too; what tasks pay in their place is epoll and a second read, \
                 and which of the two takes longer depends on the messages in flight, the processors and the machine: \
                 measured beside the verdict, and no part of it",
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

/// Holds one thread ring's switches against the claim.
fn count(evaluation: &mut Evaluation, variant: Variant, switches: Switches) {
    let hops = COUNTED.hops();
    if WITH.contains(&variant) {
        if switches.all() < SWITCHED {
            evaluation.findings.push(format!(
                "{variant}: {} context switches in {hops} hops on one processor; there must be {SWITCHED}",
                switches.all()
            ));
        }
        evaluation.add(
            format!("{variant}: hops with a switch, at least"),
            switches.all().min(SWITCHED),
            "hops",
        );
        // How many more there are is the scheduler's affair, and another number each time.
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let per_hop = switches.voluntary as f64 / hops as f64;
        let measured = Measured {
            value: per_hop,
            spread: None,
            unit: "switches",
        };
        evaluation
            .measured
            .insert(format!("{variant}: voluntary switches per hop"), measured);
    } else {
        if switches.voluntary != 0 {
            evaluation.findings.push(format!(
                "{variant}: {} voluntary context switches in {hops} hops; there must be none",
                switches.voluntary
            ));
        }
        evaluation.add(
            format!("{variant}: voluntary switches"),
            switches.voluntary,
            "switches",
        );
    }
}

/// `a switch at 1016 of 1016 hops by threads, thread-channels; at 0 of 1024 by tokio, …`
fn found(evaluation: &Evaluation) -> String {
    let ran = |variants: &[Variant], what: &str| {
        let values: Vec<(Variant, u64)> = variants
            .iter()
            .filter_map(|variant| {
                Some((
                    *variant,
                    evaluation.figures.get(&format!("{variant}: {what}"))?.value,
                ))
            })
            .collect();
        let names: Vec<&str> = values.iter().map(|(variant, _)| variant.word()).collect();
        (names.join(", "), values)
    };
    let (with, switched) = ran(&WITH, "hops with a switch, at least");
    let (without, voluntary) = ran(&WITHOUT, "voluntary switches");
    format!(
        "on one processor a switch at {} of {SWITCHED} hops by {with}; at {} of {} by {without}",
        switched.iter().map(|(_, value)| *value).min().unwrap_or(0),
        voluntary.iter().map(|(_, value)| *value).max().unwrap_or(0),
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
struct Timed {
    what: What,
    rounds: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
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
    IN_FLIGHT.into_iter().flat_map(|in_flight| {
        TIMED.map(|(variant, buffer)| Case {
            variant,
            in_flight,
            buffer,
        })
    })
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
    #[expect(
        clippy::cast_precision_loss,
        reason = "nanoseconds are measured, not counted"
    )]
    let each = elapsed.as_nanos() as f64 / count as f64;
    Ok(each)
}

/// The median, the least and the greatest.
fn summary(values: &[f64], unit: &'static str) -> Measured {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    Measured {
        value: at(sorted.len() / 2),
        spread: Some([at(0), at(sorted.len().saturating_sub(1))]),
        unit,
    }
}

/// How many times as long one took as the other, round by round.
fn ratio(times: &[Timed], one: What, other: What) -> Option<Measured> {
    let rounds = |what| {
        times
            .iter()
            .find(|timed| timed.what == what)
            .map(|timed| &timed.rounds)
    };
    let ratios: Vec<f64> = rounds(one)?
        .iter()
        .zip(rounds(other)?)
        .map(|(one, other)| one / other)
        .collect();
    Some(summary(&ratios, "times"))
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
                    case: Case {
                        variant,
                        in_flight,
                        buffer: 1,
                    },
                    pinned,
                };
                let name = format!(
                    "{threads} to {tasks}, {in_flight} in flight, {}",
                    place(pinned)
                );
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
    for timed in times {
        evaluation
            .measured
            .insert(timed.what.name(), summary(&timed.rounds, "ns"));
    }
    evaluation.measured.extend(ratios(times));
    let series = |pinned| {
        TIMED.map(|(variant, buffer)| Series {
            name: format!("{variant}, {buffer}-byte buffer, {}", place(pinned)),
            exact: false,
            evidence: Evidence::Live,
            points: IN_FLIGHT
                .into_iter()
                .filter_map(|in_flight| {
                    let what = What::Hop {
                        case: Case {
                            variant,
                            in_flight,
                            buffer,
                        },
                        pinned,
                    };
                    let timed = times.iter().find(|timed| timed.what == what)?;
                    let Measured { value, spread, .. } = summary(&timed.rounds, "ns");
                    #[expect(clippy::cast_precision_loss, reason = "few")]
                    let x = Some(in_flight as f64);
                    Some(Point {
                        label: None,
                        x,
                        y: value,
                        spread,
                    })
                })
                .collect(),
        })
    };
    evaluation.pictures.charts.push(Chart {
        id: "time-per-hop",
        title: "Time per hop",
        x: Some(Axis {
            name: "messages in flight",
            unit: "messages",
            log: true,
        }),
        y: Axis {
            name: "time",
            unit: "ns per hop",
            log: true,
        },
        series: [true, false]
            .into_iter()
            .flat_map(series)
            .filter(|series| !series.points.is_empty())
            .collect(),
    });
}

/// Whether the advantage disappears, in words: over few hops, which are mostly start-up, that cannot be told.
fn plainly(times: &[Timed], hops: Option<u64>) -> Vec<String> {
    let rounds = times.first().map_or(0, |timed| timed.rounds.len());
    let heading = match hops {
        Some(hops) => {
            format!("measured here, now, over {hops} hops, in {rounds} interleaved rounds")
        }
        None => format!(
            "measured here, now, over {FEW_HOPS} hops, in {rounds} interleaved rounds: too few to tell whether the \
             advantage disappears; `{} --hops 100000` tells",
            reproduce(STATEMENT.id)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let mut evaluation = Evaluation::default();
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
        let summary = summary(&[3.0, 1.0, 2.0], "ns");
        assert_eq!((summary.value, summary.spread), (2.0, Some([1.0, 3.0])));
    }
}
