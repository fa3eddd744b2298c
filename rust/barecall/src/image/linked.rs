//! What the readers of linked Mach-O and PE images have in common: errors with their place, and bounds on lies.

use std::cell::Cell;
use std::path::Path;

use super::{Name, Section};
use crate::error::Error;

pub(super) struct File<'a> {
    pub path: &'a Path,
    pub bytes: &'a [u8],
    /// How many bytes of names may still be read, and how many slots be noted.
    names: Cell<usize>,
    slots: Cell<usize>,
}

impl<'a> File<'a> {
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self {
            path,
            bytes,
            // Names may share bytes, but not many times over; a table that lies would cost quadratic time.
            names: Cell::new(bytes.len().saturating_mul(16)),
            // A slot is eight bytes of the image; another may be bound to override it.
            slots: Cell::new(bytes.len() / 4),
        }
    }

    pub(super) fn damaged(&self, offset: u64, detail: impl ToString) -> Error {
        Error::Damaged {
            path: self.path.to_owned(),
            offset,
            detail: detail.to_string(),
        }
    }

    pub(super) fn unsupported(&self, detail: impl Into<String>) -> Error {
        Error::Unsupported {
            path: self.path.to_owned(),
            detail: detail.into(),
        }
    }

    /// Takes note of a name that was read, of a table at `offset`.
    pub(super) fn read_name(&self, name: &[u8], offset: u64) -> Result<(), Error> {
        let left = self.names.get().checked_sub(name.len()).ok_or_else(|| {
            self.damaged(
                offset,
                "the names overlap so often that they come to 16 times the file",
            )
        })?;
        self.names.set(left);
        Ok(())
    }

    /// Takes note of a word that the loader writes, as a table at `offset` says.
    pub(super) fn count_slot(&self, offset: u64) -> Result<(), Error> {
        let left = self.slots.get().checked_sub(1).ok_or_else(|| {
            self.damaged(
                offset,
                "the loader is to write more words than the file has",
            )
        })?;
        self.slots.set(left);
        Ok(())
    }

    /// Where a part of the file's bytes begins.
    pub(super) fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let at = (part.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        (at.checked_add(part.len())? <= self.bytes.len()).then_some(at)
    }

    /// The name that is a NUL-terminated part of the file, `skip` bytes in.
    pub(super) fn name(&self, part: &[u8], skip: usize) -> Option<Name> {
        Some(Name(self.offset_of(part)?.checked_add(skip)?))
    }

    /// Sorts sections by address, and refuses those that share addresses, or bytes so often that they come to
    /// more than the file.
    pub(super) fn in_order(&self, sections: &mut [Section]) -> Result<(), Error> {
        let mut unread = self.bytes.len() as u64;
        for section in sections.iter() {
            let Some(offset) = section.offset else {
                continue;
            };
            let size = section.end - section.start;
            unread = unread.checked_sub(size).ok_or_else(|| {
                self.damaged(
                    offset as u64,
                    "the sections up to this one come to more bytes than the file has: they overlap",
                )
            })?;
        }
        sections.sort_by_key(|section| section.start);
        for pair in sections.windows(2) {
            if pair[1].start < pair[0].end {
                let detail = format!(
                    "the sections at addresses {:#x} and {:#x} overlap",
                    pair[0].start, pair[1].start
                );
                return Err(self.damaged(pair[1].offset.unwrap_or(0) as u64, detail));
            }
        }
        Ok(())
    }
}

/// The word of the file at an address.
pub(super) fn word(bytes: &[u8], sections: &[Section], address: u64) -> Option<u64> {
    let section = super::section_of(sections, address)?;
    let skip = usize::try_from(address - section.start).ok()?;
    let from = section.offset?.checked_add(skip)?;
    let word = bytes.get(from..from.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}
