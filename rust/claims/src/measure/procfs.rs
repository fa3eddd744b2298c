//! Numbers of the kernel's, from the files in which it gives them.

use std::fs;
use std::path::Path;

/// A file that is one number. `None` where there is no such file, or no number in it: `max` is no limit.
pub fn number(file: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A field of a file such as `/proc/meminfo`, in KiB: `kib("/proc/self/status", "VmRSS:")`.
pub fn kib(file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
