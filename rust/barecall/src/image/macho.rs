//! Linked Mach-O: executables, dynamic libraries and bundles, x86-64 and AArch64.
//!
//! What a slot holds is told by the loader's own tables: chained fixups (`LC_DYLD_CHAINED_FIXUPS`), or rebases
//! and binds (`LC_DYLD_INFO`), lazy ones among them. A call to `__stubs` is a call to a linker's stub, which
//! jumps through such a slot. The underscore that C's symbols begin with here is not part of their names.

use object::LittleEndian;
use object::macho::{self, MachHeader64, Section64, SegmentCommand64};
use object::read::macho::{
    Fixup, LoadCommandVariant, MachHeader as _, Nlist as _, Section as _, Segment as _,
};

use super::bounds::File;
use super::parts::{self, Candidate, Contents, Parts, Span};
use super::{Architecture, Bound, Format, Name, Section, Slot, section_of};
use crate::error::Error;

pub(super) type Header = MachHeader64<LittleEndian>;
pub(super) type MachSection = Section64<LittleEndian>;
pub(super) const LE: LittleEndian = LittleEndian;

/// The file's header, and its instruction set, if it is one that this crate reads.
pub(super) fn header<'a>(file: &File<'a>) -> Result<(&'a Header, Architecture), Error> {
    let header = Header::parse(file.bytes, 0).map_err(|error| file.damaged(0, error))?;
    match header.cputype(LE) {
        macho::CPU_TYPE_X86_64 => Ok((header, Architecture::X86_64)),
        macho::CPU_TYPE_ARM64 => Ok((header, Architecture::Aarch64)),
        other => Err(file.unsupported(format!(
            "Mach-O for processor {:#x}; x86-64 and AArch64 are",
            other.0
        ))),
    }
}

/// A symbol's name as C and Rust write it, and how many bytes in front are the format's own.
pub(super) fn plain(name: &[u8]) -> (&[u8], usize) {
    match name {
        [b'_', rest @ ..] if !rest.is_empty() => (rest, 1),
        _ => (name, 0),
    }
}

/// Labels that the assembler makes are no names.
pub(super) fn is_no_name(name: &[u8]) -> bool {
    parts::is_no_name(name)
        || name
            .strip_prefix(b"ltmp")
            .is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
}

/// Whether a section holds code, and whether that is stubs.
pub(super) fn is_code(section: &MachSection) -> (bool, bool) {
    let flags = section.flags(LE).0;
    let code = flags & (macho::S_ATTR_PURE_INSTRUCTIONS.0 | macho::S_ATTR_SOME_INSTRUCTIONS.0) != 0;
    // Objective-C's stubs load a selector as well: they are no plain stub, so a call to one stays undecided.
    let stubs = section.section_type(LE) == macho::S_SYMBOL_STUBS
        || [&b"__stub_helper"[..], b"__objc_stubs", b"__auth_stubs"].contains(&section.name());
    (code, code && stubs)
}

/// The data between the code, as the linker noted it (`LC_DATA_IN_CODE`): offsets from the header, and lengths.
pub(super) fn in_code(table: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    table
        .as_chunks()
        .0
        .iter()
        .map(|&[a, b, c, d, e, f, ..]: &[u8; 8]| {
            let offset = u32::from_le_bytes([a, b, c, d]);
            (offset.into(), u16::from_le_bytes([e, f]).into())
        })
}

/// Whether a section takes no bytes of the file: it is zeroes.
pub(super) fn is_zeroes(section: &MachSection) -> bool {
    matches!(
        section.section_type(LE),
        macho::S_ZEROFILL | macho::S_GB_ZEROFILL | macho::S_THREAD_LOCAL_ZEROFILL
    )
}

/// Reads a linked image.
pub(super) fn read(file: &File<'_>) -> Result<Parts, Error> {
    let (header, architecture) = header(file)?;
    match header.filetype(LE) {
        macho::MH_EXECUTE | macho::MH_DYLIB | macho::MH_BUNDLE => {}
        kind => {
            return Err(file.unsupported(format!(
                "Mach-O of type {:#x}; executables, dynamic libraries, bundles and objects are",
                kind.0
            )));
        }
    }
    let mut parts = Parts::new(architecture, Format::MachO, Contents::FILE);
    let mut reader = Reader {
        file,
        segments: Vec::new(),
        sections: Vec::new(),
        slots: [const { Vec::new() }; 3],
    };
    let mut commands = header
        .load_commands(LE, file.bytes, 0)
        .map_err(|error| file.damaged(32, error))?;
    let mut sections = Vec::new();
    // What needs all segments comes after them.
    let mut tables = Vec::new();
    let mut at = 32;
    loop {
        let damaged = |error| {
            let detail = format!("the load command behind the one here: {error}");
            file.damaged(at, detail)
        };
        let Some(command) = commands.next().map_err(damaged)? else {
            break;
        };
        let variant = command.variant().map_err(damaged)?;
        at = command.offset();
        if let LoadCommandVariant::Segment64(segment, data) = variant {
            reader.segment(segment, data, at, &mut sections)?;
            reader.segments.push(segment);
        } else {
            tables.push((at, variant));
        }
    }
    reader.sections = file.in_order(sections)?;
    for (offset, command) in tables {
        let damaged = |error| file.damaged(offset, error);
        match command {
            LoadCommandVariant::DyldInfo(command) => reader.dyld_info(command, offset)?,
            LoadCommandVariant::LinkeditData(command) => match command.cmd.get(LE) {
                macho::LC_DYLD_CHAINED_FIXUPS => reader.chained(command, offset)?,
                macho::LC_FUNCTION_STARTS => {
                    let starts = command
                        .function_starts(LE, file.bytes, reader.base())
                        .map_err(damaged)?;
                    for start in starts {
                        let start = start.map_err(damaged)?;
                        if reader.is_function(start) {
                            parts.spans.push(Span::new(start, 0));
                        }
                    }
                }
                macho::LC_DATA_IN_CODE => {
                    let table = in_code(command.data(LE, file.bytes).map_err(damaged)?);
                    parts.literals = table
                        .map(|(offset, length)| {
                            let start = reader.base().wrapping_add(offset);
                            (start, start.saturating_add(length))
                        })
                        .collect();
                }
                _ => {}
            },
            LoadCommandVariant::Symtab(command) => {
                reader.symbols(command, offset, &mut parts.candidates)?;
            }
            _ => {}
        }
    }
    parts.sections = reader.sections;
    parts.slots = reader.slots.into();
    Ok(parts)
}

struct Reader<'r, 'a> {
    file: &'r File<'a>,
    segments: Vec<&'a SegmentCommand64<LittleEndian>>,
    sections: Vec<Section>,
    /// What the loader writes: [`REBASES`], [`BINDS`] and [`WEAK_BINDS`].
    slots: [Vec<Slot>; 3],
}

/// Addresses of the image itself.
const REBASES: usize = 0;
const BINDS: usize = 1;
/// A definition elsewhere takes the place of one here.
const WEAK_BINDS: usize = 2;

impl<'a> Reader<'_, 'a> {
    /// Where the header lies once it is loaded: what tables count from.
    fn base(&self) -> u64 {
        self.segments
            .iter()
            .find(|segment| segment.name() == b"__TEXT")
            .map_or(0, |segment| segment.vmaddr(LE))
    }

    fn segment(
        &self,
        segment: &'a SegmentCommand64<LittleEndian>,
        data: &'a [u8],
        offset: u64,
        sections: &mut Vec<Section>,
    ) -> Result<(), Error> {
        let writable = segment.initprot(LE).0 & macho::VM_PROT_WRITE.0 != 0;
        // The loader makes it read-only once it has bound what is in it.
        let protected = segment.name() == b"__DATA_CONST";
        let headers = segment
            .sections(LE, data)
            .map_err(|error| self.file.damaged(offset, error))?;
        for section in headers {
            let (start, size) = (section.addr(LE), section.size(LE));
            if size == 0 {
                continue;
            }
            let (name, at) = (section.name(), u64::from(section.offset(LE)));
            let zeroes = is_zeroes(section);
            let end = self.file.end(name, at, start, size)?;
            if !zeroes {
                self.file.data(name, at, size)?;
            }
            let (executable, stubs) = is_code(section);
            // Slots are written by the loader alone, lazily at the latest.
            let slots = matches!(
                section.section_type(LE),
                macho::S_NON_LAZY_SYMBOL_POINTERS | macho::S_LAZY_SYMBOL_POINTERS
            ) || [&b"__got"[..], b"__auth_got", b"__la_symbol_ptr"].contains(&name);
            sections.push(Section {
                start,
                end,
                offset: usize::try_from(at).ok().filter(|_| !zeroes),
                executable,
                constant: !writable || protected || slots,
                stubs,
                ..Section::default()
            });
        }
        Ok(())
    }

    /// Rebases and binds as a list of commands to the loader.
    fn dyld_info(
        &mut self,
        command: &macho::DyldInfoCommand<LittleEndian>,
        offset: u64,
    ) -> Result<(), Error> {
        let (file, bytes) = (self.file, self.file.bytes);
        let damaged = |error| file.damaged(offset, error);
        let mut rebases = command.rebases(LE, bytes, 8).map_err(damaged)?;
        while let Some(rebase) = rebases.next().map_err(damaged)? {
            self.file.count_slot(offset)?;
            let Some(at) = self.place(rebase.segment_index.into(), rebase.segment_offset) else {
                continue;
            };
            let bound = match file.word(&self.sections, at) {
                Some(to) if rebase.kind == macho::REBASE_TYPE_POINTER => Bound::Address(to),
                _ => Bound::Other,
            };
            self.slots[REBASES].push(Slot { at, bound });
        }
        let binds = command.binds(LE, bytes, 8).map_err(damaged)?;
        let weak = command.weak_binds(LE, bytes, 8).map_err(damaged)?;
        let lazy = command.lazy_binds(LE, bytes, 8).map_err(damaged)?;
        for (layer, make, mut binds) in [
            (BINDS, Bound::Symbol as fn(Name) -> Bound, binds),
            (WEAK_BINDS, Bound::Symbol, weak),
            (BINDS, Bound::Lazily, lazy),
        ] {
            while let Some(bind) = binds.next().map_err(damaged)? {
                self.file.count_slot(offset)?;
                let Some(at) = self.place(bind.segment_index.into(), bind.segment_offset) else {
                    continue;
                };
                let pointer = bind.addend == 0 && bind.kind == macho::BIND_TYPE_POINTER;
                let name = self.name(bind.symbol).filter(|_| pointer);
                self.slots[layer].push(Slot {
                    at,
                    bound: name.map_or(Bound::Other, make),
                });
            }
        }
        Ok(())
    }

    /// Rebases and binds as chains through the slots themselves.
    fn chained(
        &mut self,
        command: &macho::LinkeditDataCommand<LittleEndian>,
        offset: u64,
    ) -> Result<(), Error> {
        let (file, bytes) = (self.file, self.file.bytes);
        let damaged = |error| file.damaged(offset, error);
        let fixups = command.chained_fixups(LE, bytes).map_err(damaged)?;
        let mut imports = Vec::new();
        let mut all = fixups.imports(LE).map_err(damaged)?;
        while let Some(import) = all.next().map_err(damaged)? {
            self.file.read_name(import.name, offset)?;
            imports.push(self.name(import.name).filter(|_| import.addend == 0));
        }
        let mut chains = fixups.segments(LE).map_err(damaged)?;
        while let Some(chain) = chains.next().map_err(damaged)? {
            let Some(segment) = self.segments.get(chain.index() as usize) else {
                return Err(self.file.damaged(
                    offset,
                    format!("fixups for segment {}, which is not there", chain.index()),
                ));
            };
            let data = segment.data(LE, bytes).map_err(|()| {
                self.file.damaged(
                    segment.fileoff(LE),
                    "a segment with fixups is not within the file",
                )
            })?;
            let mut fixups = chain.fixups(LE, self.base(), data);
            while let Some((at, fixup)) = fixups.next().map_err(damaged)? {
                self.file.count_slot(offset)?;
                let at = segment.vmaddr(LE).wrapping_add(at);
                let (layer, bound) = match fixup {
                    Fixup::Rebase(rebase) => (
                        REBASES,
                        Bound::Address(self.base().wrapping_add(rebase.target_offset)),
                    ),
                    Fixup::Bind(bind) if bind.addend == 0 => {
                        let name = imports.get(bind.ordinal as usize).copied().flatten();
                        (BINDS, name.map_or(Bound::Other, Bound::Symbol))
                    }
                    _ => (BINDS, Bound::Other),
                };
                self.slots[layer].push(Slot { at, bound });
            }
        }
        Ok(())
    }

    fn place(&self, segment: usize, offset: u64) -> Option<u64> {
        let segment = self.segments.get(segment)?;
        Some(segment.vmaddr(LE).wrapping_add(offset))
    }

    fn name(&self, symbol: &[u8]) -> Option<Name> {
        self.file.name(symbol, plain(symbol).1)
    }

    fn symbols(
        &self,
        command: &macho::SymtabCommand<LittleEndian>,
        offset: u64,
        candidates: &mut Vec<Candidate>,
    ) -> Result<(), Error> {
        let symbols = command
            .symbols::<Header, _>(LE, self.file.bytes)
            .map_err(|error| self.file.damaged(offset, error))?;
        let strings_at = u64::from(command.stroff.get(LE));
        for (index, symbol) in symbols.enumerate() {
            let address = symbol.n_value(LE);
            if !symbol.is_definition() || !self.is_function(address) {
                continue;
            }
            let name = symbol.name(LE, symbols.strings());
            let name = self.file.symbol_name(name, index.0, strings_at)?;
            let (short, skipped) = plain(name);
            let Some(text) = self.file.name(name, skipped) else {
                continue;
            };
            if is_no_name(short) {
                continue;
            }
            candidates.push(candidate(symbol, address, short, text));
        }
        Ok(())
    }

    /// Whether code that is no linker's stub lies at an address.
    fn is_function(&self, address: u64) -> bool {
        section_of(&self.sections, address)
            .is_some_and(|section| section.executable && !section.stubs)
    }
}

/// A symbol in the code.
pub(super) fn candidate(
    symbol: &macho::Nlist64<LittleEndian>,
    address: u64,
    text: &[u8],
    name: Name,
) -> Candidate {
    Candidate {
        // A further entry into a function.
        untyped: symbol.n_desc(LE).contains(macho::N_ALT_ENTRY),
        local: !symbol.n_type().contains(macho::N_EXT),
        ..Candidate::new(address, text, name)
    }
}
