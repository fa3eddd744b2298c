//! A stage is a thread, which reads once per message and blocks until there is something to read.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::thread;
use std::time::Instant;

use super::pipes::{self, Done, Ends};
use super::{Error, Plan, Run, Switches, limits};

/// A message that ends the stage which receives it. The stage passes it on, so that no
/// stage waits for ever if another failed or could not be started.
const END: u8 = 0;

/// Runs a stage, in a thread.
///
/// # Errors
/// Returns an error if a pipe fails, or if the thread ring ended early.
fn stage(ends: &Ends, hops: usize, buffer: usize) -> io::Result<()> {
    let (mut from, mut to) = (&ends.0, &ends.1);
    let mut room = vec![0; buffer];
    let mut left = hops;
    while left > 0 {
        let messages = read(&mut from, &mut room[..buffer.min(left)])?;
        to.write_all(messages)?;
        left -= messages.len();
    }
    Ok(())
}

fn read<'a>(from: &mut &PipeReader, room: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let n = from.read(room)?;
    match &room[..n] {
        [] => Err(io::ErrorKind::UnexpectedEof.into()),
        messages if messages.contains(&END) => {
            Err(io::Error::other("another stage of the thread ring failed"))
        }
        messages => Ok(messages),
    }
}

/// Runs a ring of threads.
///
/// # Errors
/// Returns an error if a thread cannot be started or a system call fails.
pub fn run(plan: &Plan) -> Result<Run, Error> {
    let ring = pipes::pipes(plan.stages)?;
    thread::scope(|scope| {
        let mut stages = Vec::with_capacity(plan.stages);
        for ends in &ring {
            let stage = move || {
                let before = Switches::of_this_thread()?;
                let done = stage(ends, plan.hops_each, plan.buffer);
                if done.is_err() {
                    // Nothing to be done about a pipe that fails twice.
                    let _ = (&ends.1).write_all(&[END]);
                }
                done?;
                Ok(Done {
                    at: Instant::now(),
                    switches: Switches::of_this_thread()? - before,
                })
            };
            match limits::spawn(scope, stage) {
                Ok(started) => stages.push(started),
                Err(error) => {
                    for started in 0..stages.len() {
                        pipes::writer_to(&ring, started).write_all(&[END])?;
                    }
                    return Err(error);
                }
            }
        }
        let start = Instant::now();
        pipes::lay_messages(plan, &ring)?;
        let stages = stages
            .into_iter()
            .map(|stage| {
                stage
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(pipes::total(start, &stages))
    })
}
