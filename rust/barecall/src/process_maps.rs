//! What is mapped where in a process, as Linux tells in `/proc/PID/maps`.

use std::fmt::Display;
use std::ops::Range;
use std::{fs, io};

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub range: Range<u64>,
    pub executable: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// The file's path, or what the kernel calls it (`[vdso]`); empty for anonymous memory.
    pub path: String,
    /// Which file it is: its device, inode and path, as the kernel writes them.
    pub file: String,
}

/// The mappings of a process (a process ID, or `self`), by address.
pub(crate) fn of(process: impl Display) -> io::Result<Vec<Mapping>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    Ok(maps.lines().filter_map(mapping).collect())
}

/// `7ffff7dd8000-7ffff7f2d000 r-xp 00026000 00:1f 1234   /usr/lib/x86_64-linux-gnu/libc.so.6`
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(4, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let permissions = fields.next()?;
    let offset = fields.next()?;
    let file = fields.next()?;
    Some(Mapping {
        range: hex(start)?..hex(end)?,
        executable: permissions.contains('x'),
        offset: hex(offset)?,
        path: file.splitn(3, ' ').nth(2)?.trim_start().to_owned(),
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::mapping;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7ffff7dd8000-7ffff7f2d000 r-xp 00026000 00:1f 12                         /a b/libc.so.6";
        let read = mapping(line).unwrap();
        assert_eq!(read.range, 0x7fff_f7dd_8000..0x7fff_f7f2_d000);
        assert_eq!(
            (read.executable, read.offset, read.path.as_str()),
            (true, 0x26000, "/a b/libc.so.6")
        );
        assert_eq!(
            mapping("1000-2000 rw-p 00000000 00:00 0 ").unwrap().path,
            ""
        );
    }
}
