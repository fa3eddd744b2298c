//! Linked ELF: executables and shared libraries, x86-64 and AArch64.

use std::path::{Path, PathBuf};

use object::elf::{self, FileHeader64};
use object::read::elf::{
    FileHeader as _, ProgramHeader as _, Rela as _, SectionHeader as _, SectionTable, Sym as _,
};
use object::{LittleEndian, SectionIndex, SymbolIndex};

use super::pieces::{self, Candidate};
use super::{
    Architecture, Bound, Format, Image, Name, Piece, Section, Segment, Slot, Symbol, section_of,
};
use crate::error::Error;

pub(super) type Header = FileHeader64<LittleEndian>;
pub(super) type Table<'a> = SectionTable<'a, Header>;
pub(super) const LE: LittleEndian = LittleEndian;

pub(super) fn read(path: PathBuf, bytes: Vec<u8>) -> Result<Image, Error> {
    let mut image = File {
        path: &path,
        bytes: &bytes,
    }
    .load()?;
    image.bytes = bytes;
    image.path = path;
    Ok(image)
}

/// The file's header, if it is of a class and for a machine that this crate reads.
pub(super) fn header<'a>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<(&'a Header, Architecture), Error> {
    let file = File { path, bytes };
    match (bytes.get(4), bytes.get(5)) {
        (Some(2), Some(1)) => {}
        (Some(1), _) => {
            return Err(file.unsupported("32-bit ELF; 64-bit x86-64 and AArch64 are"));
        }
        (Some(2), Some(2)) => {
            return Err(file.unsupported("big-endian ELF; x86-64 and AArch64 are"));
        }
        _ => return Err(file.damaged(4, "the ELF header is cut off, or names no class")),
    }
    let header = Header::parse(bytes).map_err(|error| file.damaged(0, error))?;
    let architecture = match header.e_machine(LE) {
        elf::EM_X86_64 => Architecture::X86_64,
        elf::EM_AARCH64 => Architecture::Aarch64,
        machine => {
            return Err(file.unsupported(format!(
                "ELF for machine {machine:?}; x86-64 and AArch64 are"
            )));
        }
    };
    Ok((header, architecture))
}

/// Whether this is an ELF file that has yet to be linked.
pub(super) fn is_relocatable(bytes: &[u8]) -> bool {
    Header::parse(bytes).is_ok_and(|header| header.e_type(LE) == elf::ET_REL)
}

/// Sorts slots by address; what is written there twice, and differently, is [`Bound::Other`].
pub(super) fn without_conflicts(slots: &mut Vec<Slot>) {
    slots.sort_by_key(|slot| slot.at);
    slots.dedup_by(|later, first| {
        let same = later.at == first.at;
        if same && later.bound != first.bound {
            first.bound = Bound::Other;
        }
        same
    });
}

/// Whether the mapping symbol of that name marks the beginning of data (or of code); none if it is another.
pub(super) fn is_data_mark(name: &[u8]) -> Option<bool> {
    match name {
        [b'$', b'd'] | [b'$', b'd', b'.', ..] => Some(true),
        [b'$', b'x'] | [b'$', b'x', b'.', ..] => Some(false),
        _ => None,
    }
}

/// The data between the code: from each mark of data to the next mark, or the section's end.
pub(super) fn between(sections: &[Section], mut marks: Vec<(u64, bool)>) -> Vec<(u64, u64)> {
    marks.retain(|mark| section_of(sections, mark.0).is_some_and(|section| section.executable));
    marks.sort_unstable();
    // Where both stand, the data is empty.
    let ends = marks.iter().skip(1).map(|mark| mark.0).chain([u64::MAX]);
    marks
        .iter()
        .zip(ends)
        .filter(|(mark, _)| mark.1)
        .filter_map(|(mark, next)| {
            let end = section_of(sections, mark.0)?.end.min(next);
            (mark.0 < end).then_some((mark.0, end))
        })
        .collect()
}

struct File<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl<'a> File<'a> {
    fn damaged(&self, offset: u64, detail: impl ToString) -> Error {
        Error::Damaged {
            path: self.path.to_owned(),
            offset,
            detail: detail.to_string(),
        }
    }

    fn unsupported(&self, detail: impl Into<String>) -> Error {
        Error::Unsupported {
            path: self.path.to_owned(),
            detail: detail.into(),
        }
    }

    /// Everything but the path and the bytes, which the caller still holds.
    fn load(&self) -> Result<Image, Error> {
        let (header, architecture) = header(self.path, self.bytes)?;
        match header.e_type(LE) {
            elf::ET_EXEC | elf::ET_DYN => {}
            elf::ET_CORE => {
                return Err(self.unsupported("a core dump; name the executable that dumped it"));
            }
            kind => return Err(self.unsupported(format!("ELF of type {kind:?}"))),
        }
        let segments = header
            .program_headers(LE, self.bytes)
            .map_err(|error| self.damaged(32, error))?;
        let table = header
            .sections(LE, self.bytes)
            .map_err(|error| self.damaged(40, error))?;
        if table.is_empty() {
            return Err(self.unsupported("an ELF file without section headers"));
        }
        let sections = self.sections(&table)?;
        let relro = segments
            .iter()
            .filter(|segment| segment.p_type(LE) == elf::PT_GNU_RELRO)
            // There is one; each is asked about every word.
            .take(8)
            .map(|segment| {
                (
                    segment.p_vaddr(LE),
                    segment.p_vaddr(LE).saturating_add(segment.p_memsz(LE)),
                )
            })
            .flat_map(|range| without_variables(&table, range))
            .collect();
        let (slots, lazy_slots) = self.slots(&table, &sections)?;
        let (functions, symbols) = self.functions(&table, &sections)?;
        let literals = self.literals(&table, &sections, architecture);
        Ok(Image {
            path: PathBuf::new(),
            bytes: Vec::new(),
            architecture,
            format: Format::Elf,
            sections,
            relro,
            slots,
            functions,
            pages: Vec::new(),
            parts: Vec::new(),
            symbols,
            entry: header.e_entry(LE),
            segments: segments
                .iter()
                .filter(|segment| segment.p_type(LE) == elf::PT_LOAD)
                .map(|segment| Segment {
                    address: segment.p_vaddr(LE),
                    memory_size: segment.p_memsz(LE),
                    offset: segment.p_offset(LE),
                    file_size: segment.p_filesz(LE),
                    executable: segment.p_flags(LE).contains(elf::PF_X),
                    writable: segment.p_flags(LE).contains(elf::PF_W),
                })
                .collect(),
            interpreted: segments
                .iter()
                .any(|segment| segment.p_type(LE) == elf::PT_INTERP),
            lazy_slots,
            producers: self.producers(&table),
            movable: header.e_type(LE) == elf::ET_DYN,
            outside: (0, 0),
            members: Vec::new(),
            literals,
            twice: std::sync::OnceLock::new(),
            thunks: Vec::new(),
        })
    }

    fn sections(&self, table: &Table<'a>) -> Result<Vec<Section>, Error> {
        let mut sections = Vec::new();
        let mut unread = self.bytes.len() as u64;
        let names = Header::parse(self.bytes)
            .and_then(|header| header.shstrndx(LE, self.bytes))
            .ok()
            .and_then(|index| strings(table, SectionIndex(index as usize)));
        for section in table.iter() {
            let flags = section.sh_flags(LE);
            let (start, size, at) = (
                section.sh_addr(LE),
                section.sh_size(LE),
                section.sh_offset(LE),
            );
            let zeroes = section.sh_type(LE) == elf::SHT_NOBITS;
            // .tbss occupies no memory of its own.
            if !flags.contains(elf::SHF_ALLOC)
                || size == 0
                || (zeroes && flags.contains(elf::SHF_TLS))
            {
                continue;
            }
            let name = table.section_name(LE, section).unwrap_or(b"");
            let shown = String::from_utf8_lossy(name);
            let end = start.checked_add(size).ok_or_else(|| {
                self.damaged(
                    at,
                    format!("section {shown} wraps around the address space"),
                )
            })?;
            let have = self.bytes.len() as u64;
            if !zeroes && at.checked_add(size).is_none_or(|end| end > have) {
                return Err(self.damaged(
                    at,
                    format!("section {shown} claims {size} bytes here; the file has {have} in all"),
                ));
            }
            if !zeroes {
                unread = unread.checked_sub(size).ok_or_else(|| {
                    self.damaged(
                        at,
                        format!(
                            "the sections up to {shown} come to more bytes than the file has: they overlap"
                        ),
                    )
                })?;
            }
            sections.push(Section {
                start,
                end,
                offset: if zeroes {
                    None
                } else {
                    usize::try_from(at).ok()
                },
                executable: flags.contains(elf::SHF_EXECINSTR),
                // The GOT is written by the loader alone, whether or not it is protected afterwards.
                constant: !flags.contains(elf::SHF_WRITE) || name == b".got" || name == b".got.plt",
                stubs: [&b".plt"[..], b".plt.got", b".plt.sec", b".iplt"].contains(&name),
                entry_size: section.sh_entsize(LE),
                name: names
                    .and_then(|names| Some(Name(names.checked_add(section.sh_name(LE) as usize)?))),
            });
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

    /// What the loader writes, from every relocation table that it reads; and which of that the PLT's stubs number.
    fn slots(
        &self,
        table: &Table<'a>,
        sections: &[Section],
    ) -> Result<(Vec<Slot>, Vec<u64>), Error> {
        let now = self.binds_now(table);
        let (mut slots, mut lazy) = (Vec::new(), Vec::new());
        let have = self.bytes.len() as u64;
        let mut unread = have;
        for section in table
            .iter()
            .filter(|section| section.sh_flags(LE).contains(elf::SHF_ALLOC))
        {
            let damaged = |error| self.damaged(section.sh_offset(LE), error);
            if matches!(section.sh_type(LE), elf::SHT_RELA | elf::SHT_RELR) {
                unread = unread.checked_sub(section.sh_size(LE)).ok_or_else(|| {
                    self.damaged(
                        section.sh_offset(LE),
                        "relocation tables come to more bytes than the file has: they overlap",
                    )
                })?;
            }
            if let Some((relocations, link)) = section.rela(LE, self.bytes).map_err(damaged)? {
                slots.reserve_exact(relocations.len());
                let symbols = match link {
                    SectionIndex(0) => None,
                    link => Some(
                        table
                            .symbol_table_by_index(LE, self.bytes, link)
                            .map_err(damaged)?,
                    ),
                };
                let of_plt = table
                    .section_name(LE, section)
                    .is_ok_and(|name| name.ends_with(b"plt"));
                let strings = symbols
                    .as_ref()
                    .and_then(|symbols| strings(table, symbols.string_section()));
                for relocation in relocations {
                    let addend = relocation.r_addend(LE);
                    let symbol = || {
                        let index = SymbolIndex(relocation.r_sym(LE, false) as usize);
                        let symbol = symbols.as_ref()?.symbol(index).ok()?;
                        // A variable's address is no place to call.
                        let callable = !matches!(
                            symbol.st_type(),
                            elf::STT_OBJECT | elf::STT_TLS | elf::STT_COMMON
                        );
                        Some(Name(strings?.checked_add(symbol.st_name(LE) as usize)?))
                            .filter(|_| callable && addend == 0)
                    };
                    let kind = relocation.r_type(LE, false).0;
                    if matches!(kind, 7 | 1026) || (of_plt && matches!(kind, 37 | 1032)) {
                        lazy.push(relocation.r_offset(LE));
                    }
                    let bound = match kind {
                        // R_X86_64_64, _GLOB_DAT; R_AARCH64_ABS64, _GLOB_DAT
                        1 | 6 | 257 | 1025 => symbol().map_or(Bound::Other, Bound::Symbol),
                        // R_X86_64_JUMP_SLOT; R_AARCH64_JUMP_SLOT
                        7 | 1026 if now => symbol().map_or(Bound::Other, Bound::Symbol),
                        7 | 1026 => symbol().map_or(Bound::Other, Bound::Lazily),
                        // R_X86_64_RELATIVE; R_AARCH64_RELATIVE
                        8 | 1027 => Bound::Address(addend.cast_unsigned()),
                        // R_X86_64_IRELATIVE; R_AARCH64_IRELATIVE
                        37 | 1032 => Bound::Resolved(addend.cast_unsigned()),
                        _ => Bound::Other,
                    };
                    slots.push(Slot {
                        at: relocation.r_offset(LE),
                        bound,
                    });
                }
            }
            if let Some(words) = section.relr(LE, self.bytes).map_err(damaged)? {
                for address in words {
                    if let Some(word) = self.word(sections, address) {
                        // Eight bytes of the table may stand for 63 words, but not for the same ones twice.
                        if slots.len() as u64 > have / 4 {
                            return Err(self.damaged(
                                section.sh_offset(LE),
                                "relative relocations for more words than the file has",
                            ));
                        }
                        slots.push(Slot {
                            at: address,
                            bound: Bound::Address(word),
                        });
                    }
                }
            }
        }
        without_conflicts(&mut slots);
        Ok((slots, lazy))
    }

    fn producers(&self, table: &Table<'a>) -> Vec<String> {
        let comment = table
            .section_by_name(LE, b".comment")
            .and_then(|(_, section)| section.data(LE, self.bytes).ok());
        let lines = comment
            .unwrap_or(&[])
            .split(|&byte| byte == 0)
            .filter(|line| !line.is_empty());
        lines
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    /// Whether the loader binds every slot before the program starts.
    fn binds_now(&self, table: &Table<'a>) -> bool {
        let Ok(Some((entries, _))) = table.dynamic(LE, self.bytes) else {
            return false;
        };
        entries.iter().any(|entry| match entry.d_tag.get(LE) {
            elf::DT_BIND_NOW => true,
            elf::DT_FLAGS => entry.d_val.get(LE) & elf::DF_BIND_NOW.0 != 0,
            elf::DT_FLAGS_1 => entry.d_val.get(LE) & elf::DF_1_NOW.0 != 0,
            _ => false,
        })
    }

    /// Functions and names, from the symbol tables and the unwind table.
    fn functions(
        &self,
        table: &Table<'a>,
        sections: &[Section],
    ) -> Result<(Vec<Piece>, Vec<Symbol>), Error> {
        let mut candidates = Vec::new();
        for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
            let symbols = table
                .symbols(LE, self.bytes, kind)
                .map_err(|error| self.damaged(0, error))?;
            let Some(strings) = strings(table, symbols.string_section()) else {
                continue;
            };
            let at = table
                .section(symbols.string_section())
                .map_or(0, |section| section.sh_offset(LE));
            // Names may share bytes, but not many times over; a table that lies would cost quadratic time.
            let mut budget = (self.bytes.len() as u64).saturating_mul(16);
            let versions = match kind {
                elf::SHT_DYNSYM => table.versions(LE, self.bytes).ok().flatten(),
                _ => None,
            };
            for (index, symbol) in symbols.enumerate() {
                let typed = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
                let address = symbol.st_value(LE);
                if symbol.is_undefined(LE)
                    || !(typed || symbol.st_type() == elf::STT_NOTYPE)
                    || !section_of(sections, address).is_some_and(|section| section.executable)
                {
                    continue;
                }
                let text = symbols.symbol_name(LE, symbol).map_err(|_| {
                    self.damaged(
                        at,
                        format!(
                            "the name of symbol {} is not within the string table",
                            index.0
                        ),
                    )
                })?;
                budget = budget.checked_sub(text.len() as u64).ok_or_else(|| {
                    self.damaged(
                        at,
                        "the symbols' names overlap so often that they come to 16 times the file",
                    )
                })?;
                if pieces::is_no_name(text) {
                    continue;
                }
                candidates.push(Candidate {
                    address,
                    untyped: !typed,
                    local: symbol.is_local(),
                    underscored: text[0] == b'_',
                    length: text.len(),
                    name: Name(strings.saturating_add(symbol.st_name(LE) as usize)),
                    size: symbol.st_size(LE),
                    resolver: symbol.st_type() == elf::STT_GNU_IFUNC,
                    superseded: versions
                        .as_ref()
                        .is_some_and(|versions| versions.version_index(LE, index).is_hidden()),
                });
            }
        }
        let unwind = match table.section_by_name(LE, b".eh_frame") {
            Some((_, section)) => (
                section.sh_addr(LE),
                section.data(LE, self.bytes).unwrap_or(&[]),
            ),
            None => (0, &[][..]),
        };
        let known = pieces::unwound(sections, unwind.0, unwind.1);
        Ok(pieces::of(self.bytes, sections, candidates, known))
    }

    /// Data between the code: from each mapping symbol `$d` to the next `$x`.
    fn literals(
        &self,
        table: &Table<'a>,
        sections: &[Section],
        architecture: Architecture,
    ) -> Vec<(u64, u64)> {
        let Ok(symbols) = table.symbols(LE, self.bytes, elf::SHT_SYMTAB) else {
            return Vec::new();
        };
        if architecture != Architecture::Aarch64 {
            return Vec::new();
        }
        let marks = symbols
            .iter()
            .filter_map(|symbol| {
                let data = is_data_mark(symbols.symbol_name(LE, symbol).ok()?)?;
                Some((symbol.st_value(LE), data))
            })
            .collect();
        between(sections, marks)
    }

    fn word(&self, sections: &[Section], address: u64) -> Option<u64> {
        let section = section_of(sections, address)?;
        let from = section
            .offset?
            .checked_add(usize::try_from(address - section.start).ok()?)?;
        Some(u64::from_le_bytes(
            self.bytes
                .get(from..from.checked_add(8)?)?
                .try_into()
                .ok()?,
        ))
    }
}

/// What of a range that the loader protects is not variables: GNU ld may put `.data` into it, in a static
/// image that has nothing else to protect.
fn without_variables(table: &Table<'_>, (start, end): (u64, u64)) -> Vec<(u64, u64)> {
    table
        .iter()
        .filter(|section| {
            let name = table.section_name(LE, section).unwrap_or(b"");
            let variables = name == b".data" || name == b".bss" || name.starts_with(b".data.");
            section.sh_flags(LE).contains(elf::SHF_ALLOC)
                && (!variables || name.starts_with(b".data.rel.ro"))
        })
        .map(|section| {
            let from = section.sh_addr(LE);
            let to = from.saturating_add(section.sh_size(LE));
            (from.max(start), to.min(end))
        })
        .filter(|(from, to)| from < to)
        .collect()
}

/// Where a string table begins in the file.
fn strings(table: &Table<'_>, index: SectionIndex) -> Option<usize> {
    usize::try_from(table.section(index).ok()?.sh_offset(LE)).ok()
}
