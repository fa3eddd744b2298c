//! A hand-written event loop: epoll reports which pipes have a message, and one thread moves all messages.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use super::pipes::{self, Ends};
use super::{Plan, Run};

/// When epoll reports a pipe, and how the loop then reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// epoll reports a pipe as long as there is something to read. The loop reads once;
    /// if there is more, epoll reports the pipe again.
    Level,
    /// epoll reports a pipe when something arrives, and does not report again what is left
    /// unread. The loop reads until nothing is left: until a read fails with `EAGAIN`, or
    /// returns fewer bytes than there is room for.
    Edge,
    /// Like `Level`, but the loop reads until `EAGAIN`: one read too many. A control.
    LevelTwice,
}

/// Runs a thread ring in an event loop, on this thread.
///
/// # Errors
/// Returns an error if a system call fails.
pub fn run(plan: &Plan, trigger: Trigger) -> io::Result<Run> {
    let ring = pipes::pipes(plan.stages)?;
    let epoll = create()?;
    for (stage, (from, _)) in ring.iter().enumerate() {
        pipes::set_nonblocking(from)?;
        add(&epoll, from, stage, trigger)?;
    }
    pipes::lay_messages(plan, &ring)?;
    pipes::on_this_thread(|| relay(plan, trigger, &epoll, &ring))
}

fn relay(plan: &Plan, trigger: Trigger, epoll: &OwnedFd, ring: &[Ends]) -> io::Result<()> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; plan.stages];
    let mut room = vec![0; plan.buffer];
    let mut left = vec![plan.hops_each; plan.stages];
    let mut hops = plan.hops();
    while hops > 0 {
        let ready = wait(epoll, &mut events)?;
        for event in &events[..ready] {
            let stage = usize::try_from(event.u64).unwrap_or(usize::MAX);
            let (from, to) = &ring[stage];
            let messages = match trigger {
                Trigger::Level => read(from, &mut room)?.unwrap_or(0),
                Trigger::Edge => drain(from, &mut room, |n| n < plan.buffer)?,
                Trigger::LevelTwice => drain(from, &mut room, |_| false)?,
            };
            // What comes to a stage that has done its part stays with it.
            let passed = messages.min(left[stage]);
            for _ in 0..passed {
                (&*to).write_all(&[pipes::MESSAGE])?;
            }
            left[stage] -= passed;
            hops -= passed;
        }
    }
    Ok(())
}

/// Reads until nothing is left, or until `is_last` is true for a read. Returns the total number of bytes.
fn drain(from: &PipeReader, room: &mut [u8], is_last: impl Fn(usize) -> bool) -> io::Result<usize> {
    let mut all = 0;
    while let Some(n) = read(from, room)? {
        all += n;
        if is_last(n) {
            break;
        }
    }
    Ok(all)
}

/// Reads once. Returns `None` if there is nothing to read.
fn read(mut from: &PipeReader, room: &mut [u8]) -> io::Result<Option<usize>> {
    match from.read(room) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn create() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; a non-negative result is a new descriptor that nobody else owns.
    unsafe {
        match libc::epoll_create1(libc::EPOLL_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn add(epoll: &OwnedFd, from: &PipeReader, stage: usize, trigger: Trigger) -> io::Result<()> {
    let edge = if trigger == Trigger::Edge {
        libc::EPOLLET
    } else {
        0
    };
    let mut event = libc::epoll_event {
        events: (libc::EPOLLIN | edge).cast_unsigned(),
        u64: stage as u64,
    };
    // SAFETY: both descriptors are open, and the event lives until the call returns.
    let added = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            from.as_raw_fd(),
            &raw mut event,
        )
    };
    if added == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Waits until something is ready. Returns the number of events.
fn wait(epoll: &OwnedFd, events: &mut [libc::epoll_event]) -> io::Result<usize> {
    let room = libc::c_int::try_from(events.len()).unwrap_or(libc::c_int::MAX);
    loop {
        // SAFETY: the descriptor is open, and there is room for so many events.
        let ready = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, -1) };
        match usize::try_from(ready) {
            Ok(ready) => return Ok(ready),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}
