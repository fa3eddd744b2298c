//! What this machine gives a process: how much memory, and how many threads. Asked before either is taken.

use std::path::{Path, PathBuf};

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
pub fn of_memory() -> Vec<Limit> {
    let mut limits = Vec::new();
    if let Some(kib) = meminfo("MemAvailable:") {
        limits.push(Limit {
            name: "MemAvailable in /proc/meminfo".to_owned(),
            left: kib.saturating_mul(1024),
            raise: "end other programs",
        });
    }
    let files = [
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ];
    limits.extend(cgroup(
        "memory",
        &files,
        "give the container more (`docker run --memory`)",
    ));
    limits.extend(of_process::memory());
    limits
}

/// The limits of threads.
pub fn of_threads() -> Vec<Limit> {
    let mut limits = Vec::new();
    // As many as there are already, of all users.
    let running = std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| {
            let (_, all) = text.split_whitespace().nth(3)?.split_once('/')?;
            all.parse::<u64>().ok()
        });
    for (file, raise) in [
        (
            "/proc/sys/kernel/threads-max",
            "`sysctl -w kernel.threads-max=1000000` raises it",
        ),
        (
            "/proc/sys/kernel/pid_max",
            "`sysctl -w kernel.pid_max=4194304` raises it",
        ),
    ] {
        if let Some(most) = number(Path::new(file)) {
            limits.push(Limit {
                name: file.to_owned(),
                left: most.saturating_sub(running.unwrap_or(0)),
                raise,
            });
        }
    }
    let maps = Path::new("/proc/sys/vm/max_map_count");
    if let Some(most) = number(maps) {
        limits.push(Limit {
            name: maps.display().to_string(),
            // A stack and its guard; and the program's own.
            left: most.saturating_sub(1000) / 2,
            raise: "`sysctl -w vm.max_map_count=2000000` raises it",
        });
    }
    let files = [("pids.max", "pids.current")];
    limits.extend(cgroup(
        "pids",
        &files,
        "give the container more (`docker run --pids-limit`)",
    ));
    limits.extend(of_process::threads());
    limits
}

fn number(file: &Path) -> Option<u64> {
    // `max` is no number: there is no limit.
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn meminfo(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The limits of this process's control groups, version 1 or 2: its own, and those it is in.
fn cgroup(controller: &str, files: &[(&str, &str)], raise: &'static str) -> Vec<Limit> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let root = if controllers.is_empty() {
            PathBuf::from("/sys/fs/cgroup")
        } else if controllers.split(',').any(|name| name == controller) {
            Path::new("/sys/fs/cgroup").join(controller)
        } else {
            continue;
        };
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            for (most, current) in files {
                let file = root.join(folder).join(most);
                if let (Some(most), Some(current)) =
                    (number(&file), number(&root.join(folder).join(current)))
                {
                    limits.push(Limit {
                        name: file.display().to_string(),
                        left: most.saturating_sub(current),
                        raise,
                    });
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(left: u64) -> Limit {
        Limit {
            name: "pids.max".to_owned(),
            left,
            raise: "`docker run --pids-limit` raises it",
        }
    }

    #[test]
    fn the_tightest_counts() {
        let limits = || vec![limit(5000), limit(999), limit(70_000)];
        assert!(threads(limits(), 999).is_ok());
        let error = threads(limits(), 1000).expect_err("one too many");
        assert_eq!(
            error.to_string(),
            "1000 threads are more than the 999 that pids.max leaves; `docker run --pids-limit` raises it"
        );
        assert!(memory(vec![limit(1 << 30)], 1 << 20, 1024).is_ok());
        let error = memory(vec![limit(1 << 30)], 1 << 20, 2048).expect_err("too much");
        assert!(
            error
                .to_string()
                .contains("take about 2048 MiB, and pids.max leaves 1024 MiB"),
            "{error}"
        );
        assert!(error.to_string().ends_with("`--tasks 524288`"), "{error}");
        assert!(memory(vec![limit(u64::MAX - 1)], u64::MAX, 1024).is_err());
        assert!(memory(Vec::new(), u64::MAX, 1024).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_limits() {
        let names = |limits: Vec<Limit>| {
            limits
                .into_iter()
                .map(|limit| limit.name)
                .collect::<Vec<_>>()
        };
        assert!(
            names(of_memory())
                .iter()
                .any(|name| name.contains("MemAvailable"))
        );
        assert!(
            names(of_threads())
                .iter()
                .any(|name| name.contains("threads-max"))
        );
    }
}
