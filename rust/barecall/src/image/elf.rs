//! Linked ELF: executables and shared libraries, x86-64 and AArch64.

use object::elf::{self, FileHeader64};
use object::read::elf::{
    FileHeader as _, ProgramHeader as _, Rela as _, SectionHeader as _, SectionTable, Sym as _,
    SymbolTable,
};
use object::{LittleEndian, SectionIndex, SymbolIndex};

use super::bounds::File;
use super::parts::{Candidate, Contents, Parts, is_data_mark, is_no_name};
use super::{Architecture, Bound, Format, Name, Section, Segment, Slot, fragments, section_of};
use crate::error::Error;

type Header = FileHeader64<LittleEndian>;
pub(super) type Table<'a> = SectionTable<'a, Header>;
pub(super) const LE: LittleEndian = LittleEndian;

/// The file's header, if it is of a class and for a machine that this crate reads.
pub(super) fn header<'a>(file: &File<'a>) -> Result<(&'a Header, Architecture), Error> {
    let ident = |at: usize| file.bytes.get(at).copied();
    match (
        ident(4).map(elf::FileClass),
        ident(5).map(elf::DataEncoding),
    ) {
        (Some(elf::ELFCLASS64), Some(elf::ELFDATA2LSB)) => {}
        (Some(elf::ELFCLASS32), _) => {
            return Err(file.unsupported("32-bit ELF; 64-bit x86-64 and AArch64 are"));
        }
        (Some(elf::ELFCLASS64), Some(elf::ELFDATA2MSB)) => {
            return Err(file.unsupported("big-endian ELF; x86-64 and AArch64 are"));
        }
        _ => return Err(file.damaged(4, "the ELF header is cut off, or names no class")),
    }
    let header = Header::parse(file.bytes).map_err(|error| file.damaged(0, error))?;
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

/// The section headers.
pub(super) fn table<'a>(file: &File<'a>, header: &Header) -> Result<Table<'a>, Error> {
    header
        .sections(LE, file.bytes)
        .map_err(|error| file.damaged(40, error))
}

/// Reads a linked image.
pub(super) fn read(file: &File<'_>) -> Result<Parts, Error> {
    let (header, architecture) = header(file)?;
    match header.e_type(LE) {
        elf::ET_EXEC | elf::ET_DYN => {}
        elf::ET_CORE => {
            return Err(file.unsupported("a core dump; name the executable that dumped it"));
        }
        kind => return Err(file.unsupported(format!("ELF of type {kind:?}"))),
    }
    let segments = header
        .program_headers(LE, file.bytes)
        .map_err(|error| file.damaged(32, error))?;
    let table = table(file, header)?;
    if table.is_empty() {
        return Err(file.unsupported("an ELF file without section headers"));
    }
    let of_kind = |kind| {
        segments
            .iter()
            .filter(move |segment| segment.p_type(LE) == kind)
    };
    let names = header
        .shstrndx(LE, file.bytes)
        .ok()
        .and_then(|index| start_of(&table, SectionIndex(index as usize)));
    let mut reader = Reader {
        file,
        table,
        parts: Parts::new(architecture, Format::Elf, Contents::FILE),
    };
    reader.parts.sections = reader.sections(names)?;
    reader.parts.relro = of_kind(elf::PT_GNU_RELRO)
        // There is one; each is asked about every word.
        .take(8)
        .map(|segment| {
            let start = segment.p_vaddr(LE);
            (start, start.saturating_add(segment.p_memsz(LE)))
        })
        .flat_map(|range| reader.without_variables(range))
        .collect();
    reader.slots()?;
    reader.symbols()?;
    reader.parts.spans = match reader.table.section_by_name(LE, b".eh_frame") {
        Some((_, section)) => fragments::unwound(
            &reader.parts.sections,
            section.sh_addr(LE),
            section.data(LE, file.bytes).unwrap_or(&[]),
        ),
        None => Vec::new(),
    };
    let strings =
        |section: &&elf::SectionHeader64<LittleEndian>| section.sh_type(LE) == elf::SHT_STRTAB;
    let strings = reader.table.iter().filter(strings).filter_map(|section| {
        let from = usize::try_from(section.sh_offset(LE)).ok()?;
        Some((
            from,
            from.checked_add(usize::try_from(section.sh_size(LE)).ok()?)?,
        ))
    });
    Ok(Parts {
        contents: Contents::File {
            behind: Vec::new(),
            strings: strings.collect(),
        },
        segments: of_kind(elf::PT_LOAD)
            .map(|segment| Segment {
                address: segment.p_vaddr(LE),
                offset: segment.p_offset(LE),
                file_size: segment.p_filesz(LE),
                executable: segment.p_flags(LE).contains(elf::PF_X),
            })
            .collect(),
        interpreted: of_kind(elf::PT_INTERP).next().is_some(),
        entry: header.e_entry(LE),
        producers: reader.producers(),
        movable: header.e_type(LE) == elf::ET_DYN,
        ..reader.parts
    })
}

struct Reader<'r, 'a> {
    file: &'r File<'a>,
    table: Table<'a>,
    parts: Parts,
}

impl<'a> Reader<'_, 'a> {
    fn sections(&self, names: Option<usize>) -> Result<Vec<Section>, Error> {
        /// What is read once and never asked for again.
        const FOR_UNWINDING: [&[u8]; 3] = [b".eh_frame", b".eh_frame_hdr", b".gcc_except_table"];
        let mut sections = Vec::new();
        let mut unread = self.file.bytes.len() as u64;
        for section in self.table.iter() {
            let flags = section.sh_flags(LE);
            let (start, size) = (section.sh_addr(LE), section.sh_size(LE));
            let offset = section.sh_offset(LE);
            let zeroes = section.sh_type(LE) == elf::SHT_NOBITS;
            // .tbss occupies no memory of its own.
            if !flags.contains(elf::SHF_ALLOC)
                || size == 0
                || (zeroes && flags.contains(elf::SHF_TLS))
            {
                continue;
            }
            let name = self.table.section_name(LE, section).unwrap_or(b"");
            let end = self.file.end(name, offset, start, size)?;
            if !zeroes {
                self.file.data(name, offset, size)?;
                unread = unread.checked_sub(size).ok_or_else(|| {
                    let shown = String::from_utf8_lossy(name);
                    let detail = format!(
                        "the sections up to {shown} come to more bytes than the file has: they overlap"
                    );
                    self.file.damaged(offset, detail)
                })?;
            }
            sections.push(Section {
                start,
                end,
                offset: usize::try_from(offset)
                    .ok()
                    .filter(|_| !zeroes && !FOR_UNWINDING.contains(&name)),
                executable: flags.contains(elf::SHF_EXECINSTR),
                // The GOT is written by the loader alone, whether or not it is protected afterwards.
                constant: !flags.contains(elf::SHF_WRITE) || name == b".got" || name == b".got.plt",
                stubs: [&b".plt"[..], b".plt.got", b".plt.sec", b".iplt"].contains(&name),
                entry_size: section.sh_entsize(LE),
                name: names
                    .and_then(|names| names.checked_add(section.sh_name(LE) as usize))
                    .map(Name::new),
            });
        }
        self.file.in_order(sections)
    }

    /// What of a range that the loader protects is not variables: GNU ld may put `.data` into it, in a static
    /// image that has nothing else to protect.
    fn without_variables(&self, (start, end): (u64, u64)) -> Vec<(u64, u64)> {
        self.table
            .iter()
            .filter(|section| {
                let name = self.table.section_name(LE, section).unwrap_or(b"");
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

    /// What the loader writes, from every relocation table that it reads; and which of that the PLT's stubs number.
    fn slots(&mut self) -> Result<(), Error> {
        let now = self.binds_now();
        let (mut slots, mut lazy_slots) = (Vec::new(), Vec::new());
        let mut unread = self.file.bytes.len() as u64;
        for section in self.table.iter() {
            if !section.sh_flags(LE).contains(elf::SHF_ALLOC) {
                continue;
            }
            let at = section.sh_offset(LE);
            let damaged = |error| self.file.damaged(at, error);
            if matches!(section.sh_type(LE), elf::SHT_RELA | elf::SHT_RELR) {
                unread = unread.checked_sub(section.sh_size(LE)).ok_or_else(|| {
                    self.file.damaged(
                        at,
                        "relocation tables come to more bytes than the file has: they overlap",
                    )
                })?;
            }
            if let Some((relocations, link)) = section.rela(LE, self.file.bytes).map_err(damaged)? {
                let symbols = match link {
                    SectionIndex(0) => None,
                    link => Some(
                        self.table
                            .symbol_table_by_index(LE, self.file.bytes, link)
                            .map_err(damaged)?,
                    ),
                };
                let name = self.table.section_name(LE, section).unwrap_or(b"");
                slots.reserve_exact(relocations.len());
                for relocation in relocations {
                    let (bound, numbered) = self.bound(relocation, symbols.as_ref(), now);
                    let at = relocation.r_offset(LE);
                    slots.push(Slot { at, bound });
                    if numbered || (name.ends_with(b"plt") && matches!(bound, Bound::Resolved(_))) {
                        lazy_slots.push(at);
                    }
                }
            }
            for address in section
                .relr(LE, self.file.bytes)
                .map_err(damaged)?
                .into_iter()
                .flatten()
            {
                if let Some(word) = self.file.word(&self.parts.sections, address) {
                    // Eight bytes of the table may stand for 63 words, but not for the same ones twice.
                    if slots.len() > self.file.bytes.len() / 4 {
                        return Err(self
                            .file
                            .damaged(at, "relative relocations for more words than the file has"));
                    }
                    slots.push(Slot {
                        at: address,
                        bound: Bound::Address(word),
                    });
                }
            }
        }
        self.parts.slots.push(slots);
        self.parts.lazy_slots = lazy_slots;
        Ok(())
    }

    /// What a relocation puts into its word, and whether that is a slot that the PLT's stubs number.
    fn bound(
        &self,
        relocation: &elf::Rela64<LittleEndian>,
        symbols: Option<&SymbolTable<'a, Header>>,
        now: bool,
    ) -> (Bound, bool) {
        let addend = relocation.r_addend(LE);
        let symbol = || {
            let index = SymbolIndex(relocation.r_sym(LE, false) as usize);
            let symbol = symbols?.symbol(index).ok()?;
            // A variable's address is no place to call.
            let callable = !matches!(
                symbol.st_type(),
                elf::STT_OBJECT | elf::STT_TLS | elf::STT_COMMON
            );
            let strings = start_of(&self.table, symbols?.string_section())?;
            let name = strings.checked_add(symbol.st_name(LE) as usize)?;
            (callable && addend == 0).then(|| Name::new(name))
        };
        let bound = match relocation.r_type(LE, false) {
            elf::R_X86_64_64
            | elf::R_X86_64_GLOB_DAT
            | elf::R_AARCH64_ABS64
            | elf::R_AARCH64_GLOB_DAT => symbol().map(Bound::Symbol),
            elf::R_X86_64_JUMP_SLOT | elf::R_AARCH64_JUMP_SLOT => {
                let bound = symbol().map(if now { Bound::Symbol } else { Bound::Lazily });
                return (bound.unwrap_or(Bound::Other), true);
            }
            elf::R_X86_64_RELATIVE | elf::R_AARCH64_RELATIVE => {
                Some(Bound::Address(addend.cast_unsigned()))
            }
            elf::R_X86_64_IRELATIVE | elf::R_AARCH64_IRELATIVE => {
                Some(Bound::Resolved(addend.cast_unsigned()))
            }
            _ => None,
        };
        (bound.unwrap_or(Bound::Other), false)
    }

    fn producers(&self) -> Vec<String> {
        let comment = self
            .table
            .section_by_name(LE, b".comment")
            .and_then(|(_, section)| section.data(LE, self.file.bytes).ok());
        let lines = comment
            .unwrap_or(&[])
            .split(|&byte| byte == 0)
            .filter(|line| !line.is_empty());
        lines
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }

    /// Whether the loader binds every slot before the program starts.
    fn binds_now(&self) -> bool {
        let Ok(Some((entries, _))) = self.table.dynamic(LE, self.file.bytes) else {
            return false;
        };
        entries.iter().any(|entry| match entry.d_tag.get(LE) {
            elf::DT_BIND_NOW => true,
            elf::DT_FLAGS => entry.d_val.get(LE) & elf::DF_BIND_NOW.0 != 0,
            elf::DT_FLAGS_1 => entry.d_val.get(LE) & elf::DF_1_NOW.0 != 0,
            _ => false,
        })
    }

    /// The names in the code, of both symbol tables; and where data begins between it.
    fn symbols(&mut self) -> Result<(), Error> {
        for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
            let symbols = self
                .table
                .symbols(LE, self.file.bytes, kind)
                .map_err(|error| self.file.damaged(0, error))?;
            let Ok(section) = self.table.section(symbols.string_section()) else {
                continue;
            };
            let at = section.sh_offset(LE);
            let marked =
                kind == elf::SHT_SYMTAB && self.parts.architecture == Architecture::Aarch64;
            let versions = match kind {
                elf::SHT_DYNSYM => self.table.versions(LE, self.file.bytes).ok().flatten(),
                _ => None,
            };
            for (index, symbol) in symbols.enumerate() {
                let typed = is_function(symbol);
                let address = symbol.st_value(LE);
                if symbol.is_undefined(LE)
                    || !(typed || symbol.st_type() == elf::STT_NOTYPE)
                    || !section_of(&self.parts.sections, address)
                        .is_some_and(|section| section.executable)
                {
                    continue;
                }
                let text = symbols.symbol_name(LE, symbol);
                let text = self.file.symbol_name(text, index.0, at)?;
                if let Some(data) = is_data_mark(text).filter(|_| marked) {
                    self.parts.marks.push((address, data));
                }
                let Some(name) = self.file.name(text, 0).filter(|_| !is_no_name(text)) else {
                    continue;
                };
                self.parts.candidates.push(Candidate {
                    superseded: versions
                        .as_ref()
                        .is_some_and(|versions| versions.version_index(LE, index).is_hidden()),
                    ..candidate(symbol, address, text, name)
                });
            }
        }
        Ok(())
    }
}

/// Whether a symbol is a function by its type.
fn is_function(symbol: &elf::Sym64<LittleEndian>) -> bool {
    matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC)
}

/// A symbol in the code.
pub(super) fn candidate(
    symbol: &elf::Sym64<LittleEndian>,
    address: u64,
    text: &[u8],
    name: Name,
) -> Candidate {
    Candidate {
        untyped: !is_function(symbol),
        local: symbol.is_local(),
        size: symbol.st_size(LE),
        resolver: symbol.st_type() == elf::STT_GNU_IFUNC,
        ..Candidate::new(address, text, name)
    }
}

/// Where a section begins in the file.
fn start_of(table: &Table<'_>, index: SectionIndex) -> Option<usize> {
    usize::try_from(table.section(index).ok()?.sh_offset(LE)).ok()
}
