//! What this machine gives a process: how much memory, and how many threads. Asked before either is taken.

use std::path::Path;

use super::procfs;

/// A limit, what is left of it, and how to raise it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub name: String,
    /// Bytes of memory, or threads.
    pub left: u64,
    pub raise: &'static str,
}

/// Why so many cannot be had here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{count} tasks take about {} MiB, and {} leaves {} MiB; {}, or ask for at most {most}: `--tasks {most}`",
        mib(*.needed), .limit.name, mib(.limit.left), .limit.raise
    )]
    Memory {
        count: u64,
        needed: u64,
        limit: Limit,
        most: u64,
    },
    #[error("{count} threads are more than the {} that {} leaves; {}", .limit.left, .limit.name, .limit.raise)]
    Threads { count: u64, limit: Limit },
}

const fn mib(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

/// Whether `count` of `bytes` each can be had: of the tightest limit, what is left must suffice.
///
/// # Errors
/// When they cannot.
pub fn memory(limits: Vec<Limit>, count: u64, bytes: u64) -> Result<(), Error> {
    let needed = count.saturating_mul(bytes);
    match tightest(limits) {
        Some(limit) if limit.left < needed => Err(Error::Memory {
            count,
            needed,
            most: limit.left / bytes,
            limit,
        }),
        _ => Ok(()),
    }
}

/// Whether `count` threads can be had.
///
/// # Errors
/// When they cannot.
pub fn threads(limits: Vec<Limit>, count: u64) -> Result<(), Error> {
    match tightest(limits) {
        Some(limit) if limit.left < count => Err(Error::Threads { count, limit }),
        _ => Ok(()),
    }
}

fn tightest(limits: Vec<Limit>) -> Option<Limit> {
    limits.into_iter().min_by_key(|limit| limit.left)
}

/// The limits of memory.
#[must_use]
pub fn of_memory() -> Vec<Limit> {
    let available = procfs::kib("/proc/meminfo", "MemAvailable:").map(|kib| Limit {
        name: "MemAvailable in /proc/meminfo".to_owned(),
        left: kib.saturating_mul(1024),
        raise: "end other programs",
    });
    let files = [
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ];
    let raise = "give the container more (`docker run --memory`)";
    let cgroup = cgroup("memory", &files, raise);
    available
        .into_iter()
        .chain(cgroup)
        .chain(of_process::memory())
        .collect()
}

/// The limits of threads.
#[must_use]
pub fn of_threads() -> Vec<Limit> {
    // As many as there are already, of all users.
    let running = std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| {
            let (_, all) = text.split_whitespace().nth(3)?.split_once('/')?;
            all.parse::<u64>().ok()
        })
        .unwrap_or(0);
    // What is used of the limit, and how much of it one thread takes.
    let files = [
        (
            "/proc/sys/kernel/threads-max",
            (running, 1),
            "`sysctl -w kernel.threads-max=1000000` raises it",
        ),
        (
            "/proc/sys/kernel/pid_max",
            (running, 1),
            "`sysctl -w kernel.pid_max=4194304` raises it",
        ),
        // A stack and its guard; and the program's own.
        (
            "/proc/sys/vm/max_map_count",
            (1000, 2),
            "`sysctl -w vm.max_map_count=2000000` raises it",
        ),
    ];
    let system = files.into_iter().filter_map(|(file, (used, each), raise)| {
        Some(Limit {
            name: file.to_owned(),
            left: procfs::number(file)?.saturating_sub(used) / each,
            raise,
        })
    });
    let raise = "give the container more (`docker run --pids-limit`)";
    system
        .chain(cgroup("pids", &[("pids.max", "pids.current")], raise))
        .chain(of_process::threads())
        .collect()
}

/// The limits of this process's control groups, version 1 or 2: its own, and those it is in.
fn cgroup(controller: &str, files: &[(&str, &str)], raise: &'static str) -> Vec<Limit> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in text.lines() {
        // `4:memory:/path`; in version 2, `0::/path`
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let root = Path::new("/sys/fs/cgroup");
        let root = match controllers {
            "" => root.to_owned(),
            _ if controllers.split(',').any(|name| name == controller) => root.join(controller),
            _ => continue,
        };
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            let folder = root.join(folder);
            limits.extend(files.iter().filter_map(|(most, current)| {
                let file = folder.join(most);
                let left =
                    procfs::number(&file)?.saturating_sub(procfs::number(folder.join(current))?);
                let name = file.display().to_string();
                Some(Limit { name, left, raise })
            }));
        }
    }
    limits
}

/// The limits that a process inherits (`ulimit`).
#[cfg(target_os = "linux")]
mod of_process {
    use super::Limit;
    use nix::sys::resource::{Resource, getrlimit};

    pub fn memory() -> Option<Limit> {
        limit(
            Resource::RLIMIT_AS,
            "the address space (`ulimit -v`)",
            "`ulimit -v unlimited` raises it",
        )
    }

    /// Root's are not limited.
    pub fn threads() -> Option<Limit> {
        let limit = limit(
            Resource::RLIMIT_NPROC,
            "the user's processes (`ulimit -u`)",
            "`ulimit -u 100000` raises it",
        );
        limit.filter(|_| !nix::unistd::geteuid().is_root())
    }

    fn limit(resource: Resource, name: &str, raise: &'static str) -> Option<Limit> {
        let (soft, _) = getrlimit(resource).ok()?;
        (soft != nix::libc::RLIM_INFINITY).then(|| Limit {
            name: name.to_owned(),
            left: soft,
            raise,
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod of_process {
    pub fn memory() -> Option<super::Limit> {
        None
    }

    pub fn threads() -> Option<super::Limit> {
        None
    }
}
