//! The walk and the walked thread on one processor: waking another one takes
//! longer than a step, most of all in a virtual machine.

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps this thread and a traced one on the same processor, where they take
/// turns. Dropping it frees this thread again.
#[derive(Debug)]
pub(crate) struct OneCpu(Option<CpuSet>);

impl OneCpu {
    /// Moves both threads to this thread's processor.
    pub(crate) fn shared_with(tid: Pid) -> Self {
        // It is for speed only: where it is forbidden, the walk is slower.
        Self(share_with(tid).ok())
    }
}

fn share_with(tid: Pid) -> nix::Result<CpuSet> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut here = CpuSet::new();
    // SAFETY: no arguments.
    here.set(usize::try_from(unsafe { libc::sched_getcpu() }).map_err(|_| Errno::ENOSYS)?)?;
    sched_setaffinity(tid, &here)?;
    sched_setaffinity(this, &here)?;
    Ok(before)
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = sched_setaffinity(Pid::from_raw(0), before);
        }
    }
}
