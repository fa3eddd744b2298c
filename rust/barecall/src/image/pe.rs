//! Linked PE: Windows executables and DLLs, x86-64 and AArch64.
//!
//! The slots of the import address table are what the loader binds by name. A call to a symbol that was not
//! declared `dllimport` goes to an import thunk, which the linker puts between the functions and which jumps
//! through such a slot. Functions are known by the symbol table, if the linker left one (a PDB is not read), by
//! the export table, and by the unwind table (`.pdata`), which has no names.

use std::path::PathBuf;

use object::LittleEndian as LE;
use object::pe;
use object::read::coff::{Symbol as _, SymbolTable};
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, Import, PeFile64};

use super::elf::without_conflicts;
use super::linked::{File, word};
use super::pieces::{self, Candidate, Span};
use super::{Architecture, Bound, Format, Image, Name, Section, Slot, section_of};
use crate::error::Error;
use crate::isa::{aarch64, x86_64};

/// Whether these are the first bytes of a PE image for 64 bits.
pub(super) fn is_pe(bytes: &[u8]) -> bool {
    matches!(object::FileKind::parse(bytes), Ok(object::FileKind::Pe64))
}

/// The instruction set, if it is one that this crate reads.
pub(super) fn architecture(machine: pe::Machine) -> Result<Architecture, String> {
    match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => Ok(Architecture::X86_64),
        pe::IMAGE_FILE_MACHINE_ARM64 => Ok(Architecture::Aarch64),
        pe::IMAGE_FILE_MACHINE_ARM64EC | pe::IMAGE_FILE_MACHINE_ARM64X => {
            Err("ARM64EC and ARM64X; x86-64 and AArch64 are".to_owned())
        }
        machine => Err(format!(
            "PE/COFF for machine {:#x}; x86-64 and AArch64 are",
            machine.0
        )),
    }
}

pub(super) fn read(path: PathBuf, mut bytes: Vec<u8>) -> Result<Image, Error> {
    let reader = Reader::new(File::new(&path, &bytes))?;
    let mut loaded = reader.load()?;
    let mut image = loaded.image;
    bytes.append(&mut loaded.names);
    (image.functions, image.symbols) =
        pieces::of(&bytes, &image.sections, loaded.candidates, loaded.spans);
    image.bytes = bytes;
    image.path = path;
    Ok(image)
}

struct Reader<'a> {
    file: File<'a>,
    pe: PeFile64<'a>,
    architecture: Architecture,
    base: u64,
    /// Names that are not in the file as such, to be put behind it.
    names: Vec<u8>,
}

/// An image without its path, bytes and functions, and what those are made from.
struct Loaded {
    image: Image,
    /// To be put behind the file's bytes.
    names: Vec<u8>,
    candidates: Vec<Candidate>,
    spans: Vec<Span>,
}

impl<'a> Reader<'a> {
    fn new(file: File<'a>) -> Result<Self, Error> {
        let pe = PeFile64::parse(file.bytes).map_err(|error| {
            let at = file
                .bytes
                .get(60..64)
                .map_or(0, |at| u32::from_le_bytes([at[0], at[1], at[2], at[3]]));
            file.damaged(at.into(), error)
        })?;
        let machine = pe.nt_headers().file_header().machine.get(LE);
        let architecture = architecture(machine).map_err(|detail| file.unsupported(detail))?;
        let base = pe.nt_headers().optional_header().image_base();
        Ok(Self {
            file,
            pe,
            architecture,
            base,
            names: Vec::new(),
        })
    }

    fn load(mut self) -> Result<Loaded, Error> {
        let mut sections = self.sections()?;
        let mut slots = self.imports()?;
        let imported = without_gaps(&slots);
        let moved = self.relocations(&sections, &mut slots)?;
        self.guards(&sections, &mut slots)?;
        without_conflicts(&mut slots);
        let spans = self.unwound(&sections)?;
        self.set_thunks_apart(&mut sections, &slots, &spans);
        let candidates = self.candidates(&sections)?;
        let image = Image {
            path: PathBuf::new(),
            bytes: Vec::new(),
            architecture: self.architecture,
            format: Format::Pe,
            sections,
            relro: imported,
            slots,
            functions: Vec::new(),
            pages: Vec::new(),
            parts: Vec::new(),
            symbols: Vec::new(),
            entry: 0,
            segments: Vec::new(),
            interpreted: false,
            lazy_slots: Vec::new(),
            producers: Vec::new(),
            movable: moved,
            outside: (0, 0),
            members: Vec::new(),
            literals: Vec::new(),
            twice: std::sync::OnceLock::new(),
            thunks: Vec::new(),
        };
        Ok(Loaded {
            image,
            names: self.names,
            candidates,
            spans,
        })
    }

    fn sections(&self) -> Result<Vec<Section>, Error> {
        let mut sections = Vec::new();
        let have = self.file.bytes.len() as u64;
        for header in self.pe.section_table().iter() {
            let flags = header.characteristics.get(LE);
            let start = self
                .base
                .wrapping_add(header.virtual_address.get(LE).into());
            let size = u64::from(header.virtual_size.get(LE));
            let raw = u64::from(header.size_of_raw_data.get(LE)).min(size);
            let at = u64::from(header.pointer_to_raw_data.get(LE));
            let shown = String::from_utf8_lossy(header.raw_name()).into_owned();
            let end = start.checked_add(size).ok_or_else(|| {
                let detail = format!("section {shown} wraps around the address space");
                self.file.damaged(at, detail)
            })?;
            if at + raw > have {
                let detail =
                    format!("section {shown} claims {raw} bytes here; the file has {have} in all");
                return Err(self.file.damaged(at, detail));
            }
            let section = Section {
                start,
                end: start + raw,
                offset: usize::try_from(at).ok(),
                executable: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
                constant: !flags.contains(pe::IMAGE_SCN_MEM_WRITE),
                stubs: false,
                entry_size: 0,
                name: None,
            };
            // Behind what the file has, zeroes.
            let zeroes = Section {
                start: start + raw,
                end,
                offset: None,
                ..section
            };
            sections.extend(
                [section, zeroes]
                    .into_iter()
                    .filter(|part| part.start < part.end),
            );
        }
        self.file.in_order(&mut sections)?;
        Ok(sections)
    }

    /// Where a data directory's contents lie in the file.
    fn directory(&self, index: usize) -> Option<(u64, &'a [u8])> {
        let directory = self.pe.data_directory(index)?;
        let data = directory
            .data(self.file.bytes, &self.pe.section_table())
            .ok()?;
        Some((self.file.offset_of(data)? as u64, data))
    }

    /// What the loader binds by name: at once, or when it is first called through (`/delayload`).
    fn imports(&mut self) -> Result<Vec<Slot>, Error> {
        let mut slots = Vec::new();
        let place = |index| {
            self.directory(index)
                .map_or(0, |directory: (u64, &[u8])| directory.0)
        };
        let (at, delayed_at) = (
            place(pe::IMAGE_DIRECTORY_ENTRY_IMPORT),
            place(pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT),
        );
        let damaged = |error| self.file.damaged(at, format!("the import table: {error}"));
        if let Some(table) = self.pe.import_table().map_err(damaged)? {
            let mut descriptors = table.descriptors().map_err(damaged)?;
            while let Some(descriptor) = descriptors.next().map_err(damaged)? {
                let library = table.name(descriptor.name.get(LE)).map_err(damaged)?;
                self.file.read_name(library, at)?;
                let first = descriptor.first_thunk.get(LE);
                let names = match descriptor.original_first_thunk.get(LE) {
                    0 => first,
                    names => names,
                };
                let mut thunks = table.thunks(names).map_err(damaged)?;
                let mut slot = self.base.wrapping_add(first.into());
                while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().map_err(damaged)? {
                    let import = table
                        .import::<pe::ImageNtHeaders64>(thunk)
                        .map_err(damaged)?;
                    let name = imported(&self.file, &mut self.names, library, import, at)?;
                    slots.push(Slot {
                        at: slot,
                        bound: Bound::Symbol(name),
                    });
                    slot = slot.wrapping_add(8);
                }
            }
        }
        let damaged = |error| {
            self.file
                .damaged(delayed_at, format!("the delay import table: {error}"))
        };
        if let Some(table) = self.pe.delay_load_import_table().map_err(damaged)? {
            let mut descriptors = table.descriptors().map_err(damaged)?;
            while let Some(descriptor) = descriptors.next().map_err(damaged)? {
                let library = table
                    .name(descriptor.dll_name_rva.get(LE))
                    .map_err(damaged)?;
                self.file.read_name(library, delayed_at)?;
                let mut thunks = table
                    .thunks(descriptor.import_name_table_rva.get(LE))
                    .map_err(damaged)?;
                let first = descriptor.import_address_table_rva.get(LE);
                let mut slot = self.base.wrapping_add(first.into());
                while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().map_err(damaged)? {
                    let import = table
                        .import::<pe::ImageNtHeaders64>(thunk)
                        .map_err(damaged)?;
                    let name = imported(&self.file, &mut self.names, library, import, delayed_at)?;
                    slots.push(Slot {
                        at: slot,
                        bound: Bound::Lazily(name),
                    });
                    slot = slot.wrapping_add(8);
                }
            }
        }
        slots.sort_by_key(|slot| slot.at);
        Ok(slots)
    }

    /// Words that hold addresses of the image itself; and whether the loader may move it.
    fn relocations(&self, sections: &[Section], slots: &mut Vec<Slot>) -> Result<bool, Error> {
        let at = self
            .directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC)
            .map_or(0, |directory| directory.0);
        let damaged = |error| {
            self.file
                .damaged(at, format!("the base relocations: {error}"))
        };
        let blocks = self
            .pe
            .data_directories()
            .relocation_blocks(self.file.bytes, &self.pe.section_table())
            .map_err(damaged)?;
        let Some(mut blocks) = blocks else {
            let flags = self.pe.nt_headers().optional_header().dll_characteristics();
            return Ok(flags.contains(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE));
        };
        // A delayed import's slot first holds the address of what binds it: that is told already.
        let bound: Vec<u64> = slots.iter().map(|slot| slot.at).collect();
        while let Some(block) = blocks.next().map_err(damaged)? {
            for relocation in block {
                self.file.count_slot(at)?;
                let slot = self.base.wrapping_add(relocation.virtual_address.into());
                if bound.binary_search(&slot).is_ok() {
                    continue;
                }
                let bound = match word(self.file.bytes, sections, slot) {
                    Some(to) if relocation.typ == pe::IMAGE_REL_BASED_DIR64 => Bound::Address(to),
                    _ => Bound::Other,
                };
                slots.push(Slot { at: slot, bound });
            }
        }
        Ok(true)
    }

    /// Slots into which the loader puts functions of its own, for control flow guard.
    fn guards(&self, sections: &[Section], slots: &mut Vec<Slot>) -> Result<(), Error> {
        let Some((at, config)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG) else {
            return Ok(());
        };
        let field = |offset: usize| {
            let bytes = config.get(offset..offset + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?)).filter(|&field| field != 0)
        };
        // CHPEMetadataPointer
        if field(200).is_some() {
            return Err(self.file.unsupported(format!(
                "code for two machines in one image (ARM64EC, ARM64X: the metadata at {at:#x}); \
                 plain x86-64 and AArch64 are"
            )));
        }
        // GuardCFCheckFunctionPointer, GuardCFDispatchFunctionPointer, GuardRFFailureRoutineFunctionPointer,
        // GuardRFVerifyStackPointerFunctionPointer, GuardXFGCheck-, -Dispatch- and -TableDispatchFunctionPointer,
        // GuardMemcpyFunctionPointer
        for slot in [112, 120, 216, 232, 280, 288, 296, 312]
            .into_iter()
            .filter_map(field)
        {
            if section_of(sections, slot).is_some() {
                slots.retain(|known| known.at != slot);
                slots.push(Slot {
                    at: slot,
                    bound: Bound::Other,
                });
            }
        }
        Ok(())
    }

    /// The functions that the unwind table knows.
    fn unwound(&self, sections: &[Section]) -> Result<Vec<Span>, Error> {
        let Some((at, table)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION) else {
            return Ok(Vec::new());
        };
        let half = |bytes: &[u8], n: usize| {
            let bytes = bytes.get(4 * n..4 * n + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let width = match self.architecture {
            Architecture::X86_64 => 12,
            Architecture::Aarch64 => 8,
        };
        let mut spans = Vec::new();
        for (n, entry) in (0u64..).zip(table.chunks_exact(width)) {
            let (Some(begin), Some(second)) = (half(entry, 0), half(entry, 1)) else {
                break;
            };
            let damaged = |detail: &str| self.file.damaged(at + n * width as u64, detail);
            let length = match self.architecture {
                Architecture::X86_64 => second
                    .checked_sub(begin)
                    .ok_or_else(|| damaged("an unwind entry that ends before it begins"))?,
                // A packed entry has the length in words.
                Architecture::Aarch64 if second & 3 != 0 => 4 * (second >> 2 & 0x7ff),
                Architecture::Aarch64 => {
                    let word = self
                        .pe
                        .section_table()
                        .pe_data_at(self.file.bytes, second)
                        .and_then(|data| half(data, 0))
                        .ok_or_else(|| damaged("unwind data outside of the image"))?;
                    4 * (word & 0x3_ffff)
                }
            };
            let start = self.base.wrapping_add(begin.into());
            if section_of(sections, start).is_some_and(|section| section.executable) {
                spans.push(Span {
                    start,
                    length: length.into(),
                    unwind: true,
                    padded: true,
                    name: None,
                });
            }
        }
        Ok(spans)
    }

    /// Makes sections of their own of import thunks, as other formats' stubs have.
    fn set_thunks_apart(&self, sections: &mut Vec<Section>, slots: &[Slot], known: &[Span]) {
        let mut covered: Vec<(u64, u64)> = known
            .iter()
            .map(|span| (span.start, span.start.saturating_add(span.length)))
            .collect();
        covered.sort_unstable();
        let in_function = |at: u64| {
            let after = covered.partition_point(|span| span.0 <= at);
            after.checked_sub(1).is_some_and(|n| at < covered[n].1)
        };
        let imported = |slot: u64| {
            slots
                .binary_search_by_key(&slot, |slot| slot.at)
                .is_ok_and(|n| matches!(slots[n].bound, Bound::Symbol(_) | Bound::Lazily(_)))
        };
        let mut apart = Vec::new();
        for section in std::mem::take(sections) {
            let code = section
                .offset
                .filter(|_| section.executable)
                .and_then(|offset| {
                    let size = usize::try_from(section.end - section.start).ok()?;
                    self.file.bytes.get(offset..offset.checked_add(size)?)
                })
                .unwrap_or(&[]);
            let mut from = section.clone();
            for (start, len) in thunks(self.architecture, code, section.start, &imported) {
                if start < from.start || in_function(start) {
                    continue;
                }
                // One behind another: the same section.
                let follows = apart
                    .last_mut()
                    .filter(|last: &&mut Section| last.stubs && last.end == start);
                if let Some(last) = follows {
                    last.end = start + len;
                } else {
                    if from.start < start {
                        apart.push(Section {
                            end: start,
                            ..from.clone()
                        });
                    }
                    let skipped = usize::try_from(start - from.start).unwrap_or(usize::MAX);
                    apart.push(Section {
                        start,
                        end: start + len,
                        offset: from.offset.and_then(|offset| offset.checked_add(skipped)),
                        stubs: true,
                        ..section
                    });
                }
                let skipped = usize::try_from(start + len - from.start).unwrap_or(usize::MAX);
                from.offset = from.offset.and_then(|offset| offset.checked_add(skipped));
                from.start = start + len;
            }
            if from.start < from.end {
                apart.push(from);
            }
        }
        *sections = apart;
    }

    /// Symbols, of the symbol table and of the export table.
    fn candidates(&mut self, sections: &[Section]) -> Result<Vec<Candidate>, Error> {
        let is_function = |address| {
            section_of(sections, address)
                .is_some_and(|section| section.executable && !section.stubs)
        };
        let mut candidates = Vec::new();
        let header = self.pe.nt_headers().file_header();
        let at = header.pointer_to_symbol_table.get(LE).into();
        let damaged = |error| self.file.damaged(at, format!("the symbol table: {error}"));
        let symbols = SymbolTable::parse(header, self.file.bytes).map_err(damaged)?;
        for (index, symbol) in symbols.iter() {
            let number = symbol.section_number();
            let Ok(section) = usize::try_from(number.0) else {
                continue;
            };
            let Ok(section) = self
                .pe
                .section_table()
                .section(object::SectionIndex(section))
            else {
                continue;
            };
            let address = self
                .base
                .wrapping_add(section.virtual_address.get(LE).into())
                .wrapping_add(symbol.value().into());
            let typed = symbol.derived_type() == pe::IMAGE_SYM_DTYPE_FUNCTION;
            let local = symbol.storage_class() == pe::IMAGE_SYM_CLASS_STATIC;
            let named = local || symbol.storage_class() == pe::IMAGE_SYM_CLASS_EXTERNAL;
            if !named || !is_function(address) {
                continue;
            }
            let name = symbol.name(symbols.strings()).map_err(|error| {
                self.file
                    .damaged(at, format!("the name of symbol {}: {error}", index.0))
            })?;
            self.file.read_name(name, at)?;
            // A section's own symbol names no function.
            if pieces::is_no_name(name) || (local && name[0] == b'.') {
                continue;
            }
            candidates.push(Candidate {
                address,
                untyped: !typed,
                local,
                underscored: name[0] == b'_',
                length: name.len(),
                name: keep(&self.file, &mut self.names, name),
                size: 0,
                resolver: false,
                superseded: false,
            });
        }
        let at = self
            .directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT)
            .map_or(0, |directory| directory.0);
        let damaged = |error| self.file.damaged(at, format!("the export table: {error}"));
        if let Some(table) = self.pe.export_table().map_err(damaged)? {
            for (pointer, index) in table.name_iter() {
                let address = table.address_by_index(index).map_err(damaged)?;
                let name = table.name_from_pointer(pointer).map_err(damaged)?;
                self.file.read_name(name, at)?;
                let address = self.base.wrapping_add(address.into());
                if name.is_empty() || !is_function(address) {
                    continue;
                }
                if let Some(text) = self.file.name(name, 0) {
                    candidates.push(Candidate {
                        address,
                        untyped: false,
                        local: false,
                        underscored: name[0] == b'_',
                        length: name.len(),
                        name: text,
                        size: 0,
                        resolver: false,
                        superseded: false,
                    });
                }
            }
        }
        Ok(candidates)
    }
}

/// The name that an import goes by: its own, or its number in its library.
fn imported(
    file: &File<'_>,
    names: &mut Vec<u8>,
    library: &[u8],
    import: Import<'_>,
    at: u64,
) -> Result<Name, Error> {
    file.count_slot(at)?;
    match import {
        Import::Name(_, name) => {
            file.read_name(name, at)?;
            Ok(file
                .name(name, 0)
                .unwrap_or_else(|| keep(file, names, name)))
        }
        Import::Ordinal(number) => {
            file.read_name(library, at)?;
            let library = String::from_utf8_lossy(library);
            Ok(keep(file, names, format!("{library}#{number}").as_bytes()))
        }
    }
}

/// Puts a name behind the file's bytes.
fn keep(file: &File<'_>, names: &mut Vec<u8>, name: &[u8]) -> Name {
    let at = file.bytes.len() + names.len();
    names.extend(name);
    names.push(0);
    Name(at)
}

/// Import thunks, by address, with their lengths: jumps through a slot that is `imported`. Compilers that jump
/// through one at a function's end do so otherwise: with a prefix, or another register.
fn thunks(
    architecture: Architecture,
    code: &[u8],
    address: u64,
    imported: &impl Fn(u64) -> bool,
) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    match architecture {
        Architecture::X86_64 => {
            for (n, jump) in code.windows(6).enumerate() {
                let rex = n > 0 && code[n - 1] == 0x48;
                if jump.starts_with(&[0xff, 0x25]) && !rex {
                    let at = address.wrapping_add(n as u64);
                    if x86_64::stub(jump, at).is_some_and(|(slot, _)| imported(slot)) {
                        found.push((at, 6));
                    }
                }
            }
        }
        Architecture::Aarch64 => {
            for (n, chunk) in code.chunks_exact(4).enumerate() {
                let word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
                // adrp x16
                if word & 0x9f00_001f != 0x9000_0010 {
                    continue;
                }
                let at = address.wrapping_add(4 * n as u64);
                let stub = &code[4 * n..code.len().min(4 * n + 12)];
                if aarch64::stub(stub, at).is_some_and(|(slot, _)| imported(slot)) {
                    found.push((at, 12));
                }
            }
        }
    }
    found
}

/// Slots, sorted, as ranges of addresses; there are few, as each is asked about every word.
fn without_gaps(slots: &[Slot]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for slot in slots {
        let end = slot.at.saturating_add(8);
        match ranges.last_mut() {
            // The empty slot that ends each library's.
            Some(last) if slot.at >= last.1 && slot.at - last.1 <= 8 => last.1 = end,
            Some(last) if slot.at < last.1 => {}
            _ => ranges.push((slot.at, end)),
        }
    }
    ranges.truncate(8);
    ranges
}
