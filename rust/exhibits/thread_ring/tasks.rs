//! A stage is a tokio task: the code is that of the thread, with `.await` added.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use super::pipes;
use super::{Plan, Run};

/// Runs a stage, in a task.
///
/// # Errors
/// Returns an error if a pipe fails.
async fn stage(from: &mut Receiver, to: &mut Sender, hops: usize, buffer: usize) -> io::Result<()> {
    let mut room = vec![0; buffer];
    let mut left = hops;
    while left > 0 {
        let n = from.read(&mut room[..buffer.min(left)]).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&room[..n]).await?;
        left -= n;
    }
    Ok(())
}

/// Runs a ring of tasks, all on this thread.
///
/// # Errors
/// Returns an error if a system call fails.
///
/// # Panics
/// Panics within another runtime.
pub fn run(plan: &Plan) -> io::Result<Run> {
    let plan = *plan;
    // Otherwise as it comes, with tokio's defaults.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let ring = pipes::pipes(plan.stages)?;
    pipes::lay_messages(&plan, &ring)?;
    // Tasks do not start before this thread waits for them.
    let stages = runtime.block_on(async {
        ring.into_iter()
            .map(|(from, to)| {
                let mut from = Receiver::from_owned_fd(from.into())?;
                let mut to = Sender::from_owned_fd(to.into())?;
                Ok(tokio::spawn(async move {
                    stage(&mut from, &mut to, plan.hops_each, plan.buffer).await?;
                    // Kept open until all have ended: a closed end is an event for the other.
                    Ok((from, to))
                }))
            })
            .collect::<io::Result<Vec<_>>>()
    })?;
    pipes::on_this_thread(|| runtime.block_on(join(stages)).map(drop))
}

/// Waits for all tasks, and returns their results.
pub(super) async fn join<T>(tasks: Vec<JoinHandle<io::Result<T>>>) -> io::Result<Vec<T>> {
    let mut returned = Vec::with_capacity(tasks.len());
    for task in tasks {
        returned.push(match task.await {
            Ok(result) => result?,
            // Not cancelled: nothing aborts it, and the runtime is alive.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        });
    }
    Ok(returned)
}
