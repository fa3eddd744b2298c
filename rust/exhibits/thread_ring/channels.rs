//! The same thread rings without I/O, with a channel instead of each pipe.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::sync::mpsc as task_mpsc;

use super::pipes::{self, Done, MESSAGE};
use super::{Error, Plan, Run, Switches, limits, tasks};

fn ended() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Runs a ring of threads with `std::sync::mpsc` channels.
///
/// # Errors
/// Returns an error if a thread cannot be started.
pub fn threads(plan: &Plan) -> Result<Run, Error> {
    let (mut senders, receivers): (Vec<_>, Vec<_>) =
        (0..plan.stages).map(|_| mpsc::channel::<u8>()).unzip();
    let first: Vec<_> = pipes::starts(plan)
        .map(|stage| senders[stage].clone())
        .collect();
    senders.rotate_left(1);
    thread::scope(|scope| {
        let mut stages = Vec::with_capacity(plan.stages);
        for (from, to) in receivers.into_iter().zip(senders) {
            // Where one is not started, its ends are dropped: its neighbours see that, and end.
            stages.push(limits::spawn(scope, move || {
                let before = Switches::of_this_thread()?;
                for _ in 0..plan.hops_each {
                    let message = from.recv().map_err(|_| ended())?;
                    to.send(message).map_err(|_| ended())?;
                }
                let done = Done {
                    at: Instant::now(),
                    switches: Switches::of_this_thread()? - before,
                };
                // The receiver is kept until all have ended: the last messages still come to it.
                Ok((done, from))
            })?);
        }
        let start = Instant::now();
        for sender in first {
            sender.send(MESSAGE).map_err(|_| ended())?;
        }
        let stages = stages
            .into_iter()
            .map(|stage| {
                stage
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<io::Result<Vec<_>>>()?;
        let (stages, _receivers): (Vec<_>, Vec<_>) = stages.into_iter().unzip();
        Ok(pipes::total(start, &stages))
    })
}

/// Runs a ring of tasks with `tokio::sync::mpsc` channels, all on this thread.
///
/// # Errors
/// Returns an error if the runtime cannot be built.
///
/// # Panics
/// Panics within another runtime.
pub fn tasks(plan: &Plan) -> io::Result<Run> {
    let plan = *plan;
    let runtime = Builder::new_current_thread().build()?;
    let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..plan.stages)
        .map(|_| task_mpsc::unbounded_channel::<u8>())
        .unzip();
    for stage in pipes::starts(&plan) {
        senders[stage].send(MESSAGE).map_err(|_| ended())?;
    }
    senders.rotate_left(1);
    let stages = receivers
        .into_iter()
        .zip(senders)
        .map(|(mut from, to)| {
            runtime.spawn(async move {
                for _ in 0..plan.hops_each {
                    let message = from.recv().await.ok_or_else(ended)?;
                    to.send(message).map_err(|_| ended())?;
                }
                Ok(from)
            })
        })
        .collect();
    pipes::on_this_thread(|| runtime.block_on(tasks::join(stages)).map(drop))
}
