//! Errors with their place in the file, and bounds on lies: what is read twice costs twice.

use std::cell::Cell;
use std::fmt::Display;
use std::path::Path;

use super::{Name, Section, section_of};
use crate::error::Error;

/// A file, or an archive's member, while it is read.
pub(super) struct File<'a> {
    pub path: &'a Path,
    pub bytes: &'a [u8],
    /// The archive member's name.
    member: Option<&'a [u8]>,
    /// Where in the whole file the bytes begin.
    base: u64,
    /// How many bytes of names may still be read, and how many slots be noted.
    names: Cell<usize>,
    slots: Cell<usize>,
}

impl<'a> File<'a> {
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self {
            path,
            bytes,
            member: None,
            base: 0,
            // Names may share bytes, but not many times over; a table that lies would cost quadratic time.
            names: Cell::new(bytes.len().saturating_mul(16)),
            // A slot is eight bytes of the image; another may be bound to override it.
            slots: Cell::new(bytes.len() / 4),
        }
    }

    /// The same for a part of the file: an archive's member.
    pub(super) fn member(&self, name: &'a [u8], base: u64, bytes: &'a [u8]) -> Self {
        Self {
            member: Some(name),
            base,
            ..Self::new(self.path, bytes)
        }
    }

    /// The name of the archive member that this is.
    pub(super) fn member_name(&self) -> Option<&'a [u8]> {
        self.member
    }

    /// The file contradicts itself; `offset` counts from the first of the bytes.
    pub(super) fn damaged(&self, offset: u64, detail: impl Display) -> Error {
        Error::Damaged {
            path: self.path.to_owned(),
            offset: self.base.saturating_add(offset),
            detail: self.told(detail),
        }
    }

    /// What makes of a reader's error one about the table of that name at `offset`.
    pub(super) fn at<'f>(
        &'f self,
        offset: u64,
        table: &'f str,
    ) -> impl Fn(object::Error) -> Error + use<'f, 'a> {
        move |error| self.damaged(offset, format!("{table}: {error}"))
    }

    pub(super) fn unsupported(&self, detail: impl Display) -> Error {
        Error::Unsupported {
            path: self.path.to_owned(),
            detail: self.told(detail),
        }
    }

    fn told(&self, detail: impl Display) -> String {
        match self.member {
            Some(member) => format!("member {}: {detail}", String::from_utf8_lossy(member)),
            None => detail.to_string(),
        }
    }

    /// A section's contents.
    pub(super) fn data(&self, shown: &[u8], offset: u64, size: u64) -> Result<&'a [u8], Error> {
        let part = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(size).ok())
            .and_then(|(from, size)| self.bytes.get(from..from.checked_add(size)?));
        part.ok_or_else(|| {
            let (shown, have) = (String::from_utf8_lossy(shown), self.bytes.len());
            let there = match self.member {
                Some(_) => "there are",
                None => "the file has",
            };
            let detail = format!("section {shown} claims {size} bytes here; {there} {have} in all");
            self.damaged(offset, detail)
        })
    }

    /// The address behind a section of memory.
    pub(super) fn end(
        &self,
        shown: &[u8],
        offset: u64,
        start: u64,
        size: u64,
    ) -> Result<u64, Error> {
        start.checked_add(size).ok_or_else(|| {
            let shown = String::from_utf8_lossy(shown);
            let detail = format!("section {shown} wraps around the address space");
            self.damaged(offset, detail)
        })
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

    /// The name of the `index`-th symbol, as a reader of a string table at `offset` found it, or why not.
    pub(super) fn symbol_name(
        &self,
        read: object::Result<&'a [u8]>,
        index: usize,
        offset: u64,
    ) -> Result<&'a [u8], Error> {
        let name = read.map_err(|_| {
            let detail = format!("the name of symbol {index} is not within the string table");
            self.damaged(offset, detail)
        })?;
        self.read_name(name, offset)?;
        Ok(name)
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
        Some(Name::new(self.offset_of(part)?.checked_add(skip)?))
    }

    /// The word at an address.
    pub(super) fn word(&self, sections: &[Section], address: u64) -> Option<u64> {
        let section = section_of(sections, address)?;
        let skip = usize::try_from(address - section.start).ok()?;
        let from = section.offset?.checked_add(skip)?;
        let word = self.bytes.get(from..from.checked_add(8)?)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }

    /// Sorts sections by address, and refuses those that share addresses, or bytes so often that they come to
    /// more than the file.
    pub(super) fn in_order(&self, mut sections: Vec<Section>) -> Result<Vec<Section>, Error> {
        let mut unread = self.bytes.len() as u64;
        for section in &sections {
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
        Ok(sections)
    }
}
