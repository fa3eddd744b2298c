//! Linked Mach-O: executables, dynamic libraries and bundles, x86-64 and AArch64.
//!
//! What a slot holds is told by the loader's own tables: chained fixups (`LC_DYLD_CHAINED_FIXUPS`), or rebases
//! and binds (`LC_DYLD_INFO`), lazy ones among them. A call to `__stubs` is a call to a linker's stub, which
//! jumps through such a slot. The underscore that C's symbols begin with here is not part of their names.

use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::macho::{self, MachHeader64};
use object::read::macho::{
    Fixup, LoadCommandVariant, MachHeader as _, Nlist as _, Section as _, Segment as _,
};

use super::linked::{File, word};
use super::pieces::{self, Candidate, Span};
use super::{Architecture, Bound, Format, Image, Name, Piece, Section, Slot, Symbol, section_of};
use crate::error::Error;

pub(super) type Header = MachHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// Whether these are the first bytes of a 64-bit little-endian Mach-O file.
pub(super) fn is_macho(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xcf, 0xfa, 0xed, 0xfe])
}

/// Whether this is a Mach-O file that has yet to be linked.
pub(super) fn is_relocatable(bytes: &[u8]) -> bool {
    is_macho(bytes)
        && Header::parse(bytes, 0).is_ok_and(|header| header.filetype(LE) == macho::MH_OBJECT)
}

/// The instruction set, if it is one that this crate reads.
pub(super) fn architecture(path: &Path, header: &Header) -> Result<Architecture, Error> {
    match header.cputype(LE) {
        macho::CPU_TYPE_X86_64 => Ok(Architecture::X86_64),
        macho::CPU_TYPE_ARM64 => Ok(Architecture::Aarch64),
        other => Err(Error::Unsupported {
            path: path.to_owned(),
            detail: format!(
                "Mach-O for processor {:#x}; x86-64 and AArch64 are",
                other.0
            ),
        }),
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
    pieces::is_no_name(name)
        || name
            .strip_prefix(b"ltmp")
            .is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
}

/// Whether a section holds code, and whether that is stubs.
pub(super) fn is_code(section: &macho::Section64<LittleEndian>) -> (bool, bool) {
    let flags = section.flags(LE).0;
    let code = flags & (macho::S_ATTR_PURE_INSTRUCTIONS.0 | macho::S_ATTR_SOME_INSTRUCTIONS.0) != 0;
    // Objective-C's stubs load a selector as well: they are no plain stub, so a call to one stays undecided.
    let stubs = section.section_type(LE) == macho::S_SYMBOL_STUBS
        || [&b"__stub_helper"[..], b"__objc_stubs", b"__auth_stubs"].contains(&section.name());
    (code, code && stubs)
}

pub(super) fn read(path: PathBuf, bytes: Vec<u8>) -> Result<Image, Error> {
    let mut image = Reader {
        file: File::new(&path, &bytes),
        segments: Vec::new(),
    }
    .load()?;
    image.bytes = bytes;
    image.path = path;
    Ok(image)
}

struct Reader<'a> {
    file: File<'a>,
    segments: Vec<&'a macho::SegmentCommand64<LittleEndian>>,
}

impl<'a> Reader<'a> {
    fn load(mut self) -> Result<Image, Error> {
        let bytes = self.file.bytes;
        let header = Header::parse(bytes, 0).map_err(|error| self.file.damaged(0, error))?;
        let architecture = architecture(self.file.path, header)?;
        match header.filetype(LE) {
            macho::MH_EXECUTE | macho::MH_DYLIB | macho::MH_BUNDLE => {}
            kind => {
                return Err(self.file.unsupported(format!(
                    "Mach-O of type {:#x}; executables, dynamic libraries, bundles and objects are",
                    kind.0
                )));
            }
        }
        let mut commands = header
            .load_commands(LE, bytes, 0)
            .map_err(|error| self.file.damaged(32, error))?;
        let mut sections = Vec::new();
        // What needs all segments comes after them.
        let mut tables = Vec::new();
        let mut at = 32;
        loop {
            let damaged = |error| {
                let detail = format!("the load command behind the one here: {error}");
                self.file.damaged(at, detail)
            };
            let Some(command) = commands.next().map_err(damaged)? else {
                break;
            };
            let variant = command.variant().map_err(damaged)?;
            at = command.offset();
            if let LoadCommandVariant::Segment64(segment, data) = variant {
                self.segment(segment, data, at, &mut sections)?;
                self.segments.push(segment);
            } else {
                tables.push((at, variant));
            }
        }
        self.file.in_order(&mut sections)?;
        let mut slots = Vec::new();
        let (mut candidates, mut spans, mut literals) = (Vec::new(), Vec::new(), Vec::new());
        for (offset, command) in tables {
            let damaged = |error| self.file.damaged(offset, error);
            match command {
                LoadCommandVariant::DyldInfo(command) => {
                    self.dyld_info(command, offset, &sections, &mut slots)?;
                }
                LoadCommandVariant::LinkeditData(command) => match command.cmd.get(LE) {
                    macho::LC_DYLD_CHAINED_FIXUPS => {
                        self.chained(command, offset, &mut slots)?;
                    }
                    macho::LC_FUNCTION_STARTS => {
                        let starts = command
                            .function_starts(LE, bytes, self.base())
                            .map_err(damaged)?;
                        for start in starts {
                            let start = start.map_err(damaged)?;
                            if is_function(&sections, start) {
                                spans.push(Span {
                                    start,
                                    length: 0,
                                    unwind: false,
                                    padded: true,
                                    name: None,
                                });
                            }
                        }
                    }
                    macho::LC_DATA_IN_CODE => {
                        literals = self.literals(command.data(LE, bytes).map_err(damaged)?);
                    }
                    _ => {}
                },
                LoadCommandVariant::Symtab(command) => {
                    self.symbols(command, offset, &sections, &mut candidates)?;
                }
                _ => {}
            }
        }
        let slots = by_precedence(bytes, slots);
        let (functions, symbols): (Vec<Piece>, Vec<Symbol>) =
            pieces::of(bytes, &sections, candidates, spans);
        Ok(Image {
            path: PathBuf::new(),
            bytes: Vec::new(),
            architecture,
            format: Format::MachO,
            sections,
            relro: Vec::new(),
            slots,
            functions,
            pages: Vec::new(),
            parts: Vec::new(),
            symbols,
            entry: 0,
            segments: Vec::new(),
            interpreted: false,
            lazy_slots: Vec::new(),
            producers: Vec::new(),
            // A word that the loader does not rebase is no address.
            movable: true,
            outside: (0, 0),
            members: Vec::new(),
            literals,
            twice: std::sync::OnceLock::new(),
            thunks: Vec::new(),
        })
    }

    /// Where the header lies once it is loaded: what tables count from.
    fn base(&self) -> u64 {
        self.segments
            .iter()
            .find(|segment| segment.name() == b"__TEXT")
            .map_or(0, |segment| segment.vmaddr(LE))
    }

    fn segment(
        &self,
        segment: &'a macho::SegmentCommand64<LittleEndian>,
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
            let kind = section.section_type(LE);
            let zeroes = matches!(
                kind,
                macho::S_ZEROFILL | macho::S_GB_ZEROFILL | macho::S_THREAD_LOCAL_ZEROFILL
            );
            if size == 0 {
                continue;
            }
            let at = u64::from(section.offset(LE));
            let shown = String::from_utf8_lossy(section.name()).into_owned();
            let end = start.checked_add(size).ok_or_else(|| {
                let detail = format!("section {shown} wraps around the address space");
                self.file.damaged(at, detail)
            })?;
            let have = self.file.bytes.len() as u64;
            if !zeroes && at.checked_add(size).is_none_or(|end| end > have) {
                let detail =
                    format!("section {shown} claims {size} bytes here; the file has {have} in all");
                return Err(self.file.damaged(at, detail));
            }
            let (executable, stubs) = is_code(section);
            // Slots are written by the loader alone, lazily at the latest.
            let slots = matches!(
                kind,
                macho::S_NON_LAZY_SYMBOL_POINTERS | macho::S_LAZY_SYMBOL_POINTERS
            ) || [&b"__got"[..], b"__auth_got", b"__la_symbol_ptr"]
                .contains(&section.name());
            sections.push(Section {
                start,
                end,
                offset: if zeroes {
                    None
                } else {
                    usize::try_from(at).ok()
                },
                executable,
                constant: !writable || protected || slots,
                stubs,
                entry_size: 0,
                name: None,
            });
        }
        Ok(())
    }

    /// Rebases and binds as a list of commands to the loader.
    fn dyld_info(
        &self,
        command: &macho::DyldInfoCommand<LittleEndian>,
        offset: u64,
        sections: &[Section],
        slots: &mut Vec<Ranked>,
    ) -> Result<(), Error> {
        let bytes = self.file.bytes;
        let damaged = |error| self.file.damaged(offset, error);
        let mut rebases = command.rebases(LE, bytes, 8).map_err(damaged)?;
        while let Some(rebase) = rebases.next().map_err(damaged)? {
            self.file.count_slot(offset)?;
            let Some(at) = self.place(rebase.segment_index.into(), rebase.segment_offset) else {
                continue;
            };
            let bound = match word(bytes, sections, at) {
                Some(to) if rebase.kind == macho::REBASE_TYPE_POINTER => Bound::Address(to),
                _ => Bound::Other,
            };
            slots.push((REBASE, Slot { at, bound }));
        }
        let binds = command.binds(LE, bytes, 8).map_err(damaged)?;
        let weak = command.weak_binds(LE, bytes, 8).map_err(damaged)?;
        let lazy = command.lazy_binds(LE, bytes, 8).map_err(damaged)?;
        for (rank, lazily, mut binds) in [
            (BIND, false, binds),
            (WEAK, false, weak),
            (BIND, true, lazy),
        ] {
            while let Some(bind) = binds.next().map_err(damaged)? {
                self.file.count_slot(offset)?;
                let Some(at) = self.place(bind.segment_index.into(), bind.segment_offset) else {
                    continue;
                };
                let name = self.name(bind.symbol);
                let bound = match name {
                    Some(name) if bind.addend == 0 && bind.kind == macho::BIND_TYPE_POINTER => {
                        if lazily {
                            Bound::Lazily(name)
                        } else {
                            Bound::Symbol(name)
                        }
                    }
                    _ => Bound::Other,
                };
                slots.push((rank, Slot { at, bound }));
            }
        }
        Ok(())
    }

    /// Rebases and binds as chains through the slots themselves.
    fn chained(
        &self,
        command: &macho::LinkeditDataCommand<LittleEndian>,
        offset: u64,
        slots: &mut Vec<Ranked>,
    ) -> Result<(), Error> {
        let bytes = self.file.bytes;
        let damaged = |error| self.file.damaged(offset, error);
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
                let (rank, bound) = match fixup {
                    Fixup::Rebase(rebase) => (
                        REBASE,
                        Bound::Address(self.base().wrapping_add(rebase.target_offset)),
                    ),
                    Fixup::Bind(bind) if bind.addend == 0 => {
                        let name = imports.get(bind.ordinal as usize).copied().flatten();
                        (BIND, name.map_or(Bound::Other, Bound::Symbol))
                    }
                    _ => (BIND, Bound::Other),
                };
                slots.push((rank, Slot { at, bound }));
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
        sections: &[Section],
        candidates: &mut Vec<Candidate>,
    ) -> Result<(), Error> {
        let symbols = command
            .symbols::<Header, _>(LE, self.file.bytes)
            .map_err(|error| self.file.damaged(offset, error))?;
        let strings_at = u64::from(command.stroff.get(LE));
        for (index, symbol) in symbols.enumerate() {
            let address = symbol.n_value(LE);
            if !symbol.is_definition() || !is_function(sections, address) {
                continue;
            }
            let name = symbol.name(LE, symbols.strings()).map_err(|_| {
                let detail = format!(
                    "the name of symbol {} is not within the string table",
                    index.0
                );
                self.file.damaged(strings_at, detail)
            })?;
            self.file.read_name(name, strings_at)?;
            let (short, skipped) = plain(name);
            let Some(text) = self.file.name(name, skipped) else {
                continue;
            };
            if is_no_name(short) {
                continue;
            }
            candidates.push(Candidate {
                address,
                // A further entry into a function.
                untyped: symbol.n_desc(LE).0 & macho::N_ALT_ENTRY.0 != 0,
                local: symbol.n_type().0 & macho::N_EXT.0 == 0,
                underscored: short[0] == b'_',
                length: short.len(),
                name: text,
                size: 0,
                resolver: false,
                superseded: false,
            });
        }
        Ok(())
    }

    /// Data between the code, as the linker noted it: entries of an offset from the header, a length and a kind.
    fn literals(&self, table: &[u8]) -> Vec<(u64, u64)> {
        let mut literals: Vec<_> = table
            .chunks_exact(8)
            .map(|entry| {
                let offset = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
                let length = u16::from_le_bytes([entry[4], entry[5]]);
                let start = self.base().wrapping_add(offset.into());
                (start, start.saturating_add(length.into()))
            })
            .collect();
        literals.sort_unstable();
        literals
    }
}

/// Whether code that is no linker's stub lies at an address.
fn is_function(sections: &[Section], address: u64) -> bool {
    section_of(sections, address).is_some_and(|section| section.executable && !section.stubs)
}

/// A slot and which of several writes to it counts: the greatest.
type Ranked = (u8, Slot);

const REBASE: u8 = 0;
const BIND: u8 = 1;
/// A definition elsewhere takes the place of one here.
const WEAK: u8 = 2;

/// Slots by address; what is written there twice, and differently, at the same rank, is [`Bound::Other`].
fn by_precedence(bytes: &[u8], mut slots: Vec<Ranked>) -> Vec<Slot> {
    slots.sort_by_key(|&(rank, slot)| (slot.at, std::cmp::Reverse(rank)));
    let same = |a: Bound, b: Bound| match (a, b) {
        (Bound::Symbol(a), Bound::Symbol(b)) | (Bound::Lazily(a), Bound::Lazily(b)) => {
            a == b || super::text(bytes, a) == super::text(bytes, b)
        }
        _ => a == b,
    };
    slots.dedup_by(|later, first| {
        let again = later.1.at == first.1.at;
        if again && later.0 == first.0 && !same(later.1.bound, first.1.bound) {
            first.1.bound = Bound::Other;
        }
        again
    });
    slots.into_iter().map(|slot| slot.1).collect()
}
