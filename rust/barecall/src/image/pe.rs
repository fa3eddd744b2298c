//! Linked PE: Windows executables and DLLs, x86-64 and AArch64.
//!
//! The slots of the import address table are what the loader binds by name. A call to a symbol that was not
//! declared `dllimport` goes to an import thunk, which the linker puts between the functions and which jumps
//! through such a slot. Functions are known by the symbol table, if the linker left one (a PDB is not read), by
//! the export table, and by the unwind table (`.pdata`), which has no names.

use std::mem::offset_of;

use object::LittleEndian as LE;
use object::pe::{self, ImageLoadConfigDirectory64 as LoadConfig};
use object::read::coff::{Symbol as _, SymbolTable};
use object::read::pe::{ImageNtHeaders as _, ImageOptionalHeader as _, Import, PeFile64};

use super::bounds::File;
use super::parts::{Candidate, Contents, Parts, Span, is_no_name};
use super::{Architecture, Bound, Format, Name, Section, Slot, section_of};
use crate::error::Error;

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

/// Reads a linked image.
pub(super) fn read(file: File<'_>) -> Result<Parts, Error> {
    let mut reader = Reader::new(file)?;
    let mut sections = reader.sections()?;
    let imports = reader.imports()?;
    let (relocations, movable) = reader.relocations(&sections)?;
    let guards = reader.guards(&sections)?;
    let spans = reader.unwound(&sections)?;
    reader.set_thunks_apart(&mut sections, &imports, &spans);
    let candidates = reader.candidates(&sections)?;
    let contents = Contents::File {
        behind: reader.names,
        strings: Vec::new(),
    };
    Ok(Parts {
        sections,
        relro: without_gaps(&imports),
        // A delayed import's slot first holds the address of what binds it.
        slots: vec![relocations, imports, guards],
        candidates,
        spans,
        movable,
        ..Parts::new(reader.architecture, Format::Pe, contents)
    })
}

struct Reader<'a> {
    file: File<'a>,
    pe: PeFile64<'a>,
    architecture: Architecture,
    base: u64,
    /// Names that are not in the file as such, to be put behind it.
    names: Vec<u8>,
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

    fn sections(&self) -> Result<Vec<Section>, Error> {
        let mut sections = Vec::new();
        for header in self.pe.section_table().iter() {
            let flags = header.characteristics.get(LE);
            let start = self.address(header.virtual_address.get(LE));
            let size = u64::from(header.virtual_size.get(LE));
            let raw = u64::from(header.size_of_raw_data.get(LE)).min(size);
            let at = u64::from(header.pointer_to_raw_data.get(LE));
            let end = self.file.end(header.raw_name(), at, start, size)?;
            self.file.data(header.raw_name(), at, raw)?;
            let section = Section {
                start,
                end: start + raw,
                offset: usize::try_from(at).ok(),
                executable: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
                constant: !flags.contains(pe::IMAGE_SCN_MEM_WRITE),
                ..Section::default()
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
        self.file.in_order(sections)
    }

    fn address(&self, relative: u32) -> u64 {
        self.base.wrapping_add(relative.into())
    }

    /// A data directory's contents, and where they lie in the file.
    fn directory(&self, index: usize) -> Option<(u64, &'a [u8])> {
        let directory = self.pe.data_directory(index)?;
        let data = directory
            .data(self.file.bytes, &self.pe.section_table())
            .ok()?;
        Some((self.file.offset_of(data)? as u64, data))
    }

    /// Where a data directory's contents lie in the file; 0 if nowhere.
    fn place(&self, index: usize) -> u64 {
        self.directory(index).map_or(0, |directory| directory.0)
    }

    /// What the loader binds by name: at once, or when it is first called through (`/delayload`); by address.
    fn imports(&mut self) -> Result<Vec<Slot>, Error> {
        let mut slots = Vec::new();
        let at = self.place(pe::IMAGE_DIRECTORY_ENTRY_IMPORT);
        let place = self.file.at(at, "the import table");
        if let Some(table) = self.pe.import_table().map_err(&place)? {
            let mut descriptors = table.descriptors().map_err(&place)?;
            while let Some(descriptor) = descriptors.next().map_err(&place)? {
                let library = table.name(descriptor.name.get(LE)).map_err(&place)?;
                self.file.read_name(library, at)?;
                let first = descriptor.first_thunk.get(LE);
                let names = match descriptor.original_first_thunk.get(LE) {
                    0 => first,
                    names => names,
                };
                let mut thunks = table.thunks(names).map_err(&place)?;
                let mut slot = self.address(first);
                while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().map_err(&place)? {
                    let import = table
                        .import::<pe::ImageNtHeaders64>(thunk)
                        .map_err(&place)?;
                    let name = imported(&self.file, &mut self.names, library, import, at)?;
                    slots.push(Slot {
                        at: slot,
                        bound: Bound::Symbol(name),
                    });
                    slot = slot.wrapping_add(8);
                }
            }
        }
        let at = self.place(pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT);
        let place = self.file.at(at, "the delay import table");
        if let Some(table) = self.pe.delay_load_import_table().map_err(&place)? {
            let mut descriptors = table.descriptors().map_err(&place)?;
            while let Some(descriptor) = descriptors.next().map_err(&place)? {
                let library = table
                    .name(descriptor.dll_name_rva.get(LE))
                    .map_err(&place)?;
                self.file.read_name(library, at)?;
                let mut thunks = table
                    .thunks(descriptor.import_name_table_rva.get(LE))
                    .map_err(&place)?;
                let mut slot = self.address(descriptor.import_address_table_rva.get(LE));
                while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().map_err(&place)? {
                    let import = table
                        .import::<pe::ImageNtHeaders64>(thunk)
                        .map_err(&place)?;
                    let name = imported(&self.file, &mut self.names, library, import, at)?;
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
    fn relocations(&self, sections: &[Section]) -> Result<(Vec<Slot>, bool), Error> {
        let at = self.place(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC);
        let place = self.file.at(at, "the base relocations");
        let mut slots = Vec::new();
        let blocks = self
            .pe
            .data_directories()
            .relocation_blocks(self.file.bytes, &self.pe.section_table())
            .map_err(&place)?;
        let Some(mut blocks) = blocks else {
            let flags = self.pe.nt_headers().optional_header().dll_characteristics();
            return Ok((
                slots,
                flags.contains(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE),
            ));
        };
        while let Some(block) = blocks.next().map_err(&place)? {
            for relocation in block {
                self.file.count_slot(at)?;
                let slot = self.address(relocation.virtual_address);
                let bound = match self.file.word(sections, slot) {
                    Some(to) if relocation.typ == pe::IMAGE_REL_BASED_DIR64 => Bound::Address(to),
                    _ => Bound::Other,
                };
                slots.push(Slot { at: slot, bound });
            }
        }
        Ok((slots, true))
    }

    /// Slots into which the loader puts functions of its own, for control flow guard.
    fn guards(&self, sections: &[Section]) -> Result<Vec<Slot>, Error> {
        /// Behind what `object` describes: `GuardXFGCheckFunctionPointer`, `GuardXFGDispatchFunctionPointer`,
        /// `GuardXFGTableDispatchFunctionPointer` and `GuardMemcpyFunctionPointer`.
        const XFG_AND_MEMCPY: [usize; 4] = [280, 288, 296, 312];
        const CF_AND_RF: [usize; 4] = [
            offset_of!(LoadConfig, guard_cf_check_function_pointer),
            offset_of!(LoadConfig, guard_cf_dispatch_function_pointer),
            offset_of!(LoadConfig, guard_rf_failure_routine_function_pointer),
            offset_of!(LoadConfig, guard_rf_verify_stack_pointer_function_pointer),
        ];
        let Some((at, config)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG) else {
            return Ok(Vec::new());
        };
        let field = |offset: usize| {
            let field = u64::from_le_bytes(*config.get(offset..)?.first_chunk()?);
            (field != 0).then_some(field)
        };
        if field(offset_of!(LoadConfig, chpe_metadata_pointer)).is_some() {
            return Err(self.file.unsupported(format!(
                "code for two machines in one image (ARM64EC, ARM64X: the metadata at {at:#x}); \
                 plain x86-64 and AArch64 are"
            )));
        }
        let slots = CF_AND_RF.into_iter().chain(XFG_AND_MEMCPY);
        Ok(slots
            .filter_map(field)
            .filter(|&slot| section_of(sections, slot).is_some())
            .map(|slot| Slot {
                at: slot,
                bound: Bound::Other,
            })
            .collect())
    }

    /// The functions that the unwind table knows.
    fn unwound(&self, sections: &[Section]) -> Result<Vec<Span>, Error> {
        let Some((at, table)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION) else {
            return Ok(Vec::new());
        };
        let half =
            |bytes: &[u8], n: usize| Some(u32::from_le_bytes(*bytes.get(4 * n..)?.first_chunk()?));
        let width = match self.architecture {
            Architecture::X86_64 => 12,
            Architecture::Aarch64 => size_of::<pe::ImageArm64RuntimeFunctionEntry>(),
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
            let start = self.address(begin);
            if section_of(sections, start).is_some_and(|section| section.executable) {
                spans.push(Span {
                    unwind: true,
                    ..Span::new(start, length.into())
                });
            }
        }
        Ok(spans)
    }

    /// Makes sections of their own of import thunks, as other formats' stubs have.
    fn set_thunks_apart(&self, sections: &mut Vec<Section>, imports: &[Slot], known: &[Span]) {
        let mut covered: Vec<(u64, u64)> = known
            .iter()
            .map(|span| (span.start, span.start.saturating_add(span.length)))
            .collect();
        covered.sort_unstable();
        let in_function = |at: u64| {
            let after = covered.partition_point(|span| span.0 <= at);
            after.checked_sub(1).is_some_and(|n| at < covered[n].1)
        };
        let is_import = |slot: u64| {
            imports
                .binary_search_by_key(&slot, |import| import.at)
                .is_ok()
        };
        let mut apart: Vec<Section> = Vec::new();
        for section in std::mem::take(sections) {
            let code = section
                .offset
                .filter(|_| section.executable)
                .and_then(|offset| {
                    let size = usize::try_from(section.end - section.start).ok()?;
                    self.file.bytes.get(offset..offset.checked_add(size)?)
                })
                .unwrap_or(&[]);
            // What is left of the section from an address on.
            let rest = |from: u64| Section {
                start: from,
                offset: usize::try_from(from - section.start)
                    .ok()
                    .and_then(|skipped| section.offset?.checked_add(skipped)),
                ..section.clone()
            };
            let mut from = section.start;
            for (start, len) in thunks(self.architecture, code, section.start, is_import) {
                if start < from || in_function(start) {
                    continue;
                }
                // One behind another: the same section.
                match apart.last_mut() {
                    Some(last) if last.stubs && last.end == start => last.end = start + len,
                    _ => {
                        if from < start {
                            apart.push(Section {
                                end: start,
                                ..rest(from)
                            });
                        }
                        apart.push(Section {
                            end: start + len,
                            stubs: true,
                            ..rest(start)
                        });
                    }
                }
                from = start + len;
            }
            if from < section.end {
                apart.push(rest(from));
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
        let symbols = SymbolTable::parse(header, self.file.bytes)
            .map_err(self.file.at(at, "the symbol table"))?;
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
                .address(section.virtual_address.get(LE))
                .wrapping_add(symbol.value().into());
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
            if is_no_name(name) || (local && name[0] == b'.') {
                continue;
            }
            let text = keep(&self.file, &mut self.names, name);
            candidates.push(Candidate {
                untyped: symbol.derived_type() != pe::IMAGE_SYM_DTYPE_FUNCTION,
                local,
                ..Candidate::new(address, name, text)
            });
        }
        let at = self.place(pe::IMAGE_DIRECTORY_ENTRY_EXPORT);
        let place = self.file.at(at, "the export table");
        if let Some(table) = self.pe.export_table().map_err(&place)? {
            for (pointer, index) in table.name_iter() {
                let address = table.address_by_index(index).map_err(&place)?;
                let name = table.name_from_pointer(pointer).map_err(&place)?;
                self.file.read_name(name, at)?;
                let address = self.address(address);
                if name.is_empty() || !is_function(address) {
                    continue;
                }
                let text = self.file.name(name, 0);
                candidates.extend(text.map(|text| Candidate::new(address, name, text)));
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
    Name::new(at)
}

/// Import thunks, by address, with their lengths: jumps through a slot that `is_import`. Compilers that jump
/// through one at a function's end do so otherwise: with a prefix, or another register.
fn thunks(
    architecture: Architecture,
    code: &[u8],
    address: u64,
    is_import: impl Fn(u64) -> bool,
) -> Vec<(u64, u64)> {
    let at = |n: usize| address.wrapping_add(n as u64);
    match architecture {
        Architecture::X86_64 => code
            .array_windows()
            .enumerate()
            // jmp *slot(%rip), not behind a REX prefix
            .filter(|&(n, window)| match *window {
                [0xff, 0x25, a, b, c, d] if n == 0 || code[n - 1] != 0x48 => {
                    let distance = i32::from_le_bytes([a, b, c, d]);
                    is_import(at(n + 6).wrapping_add_signed(distance.into()))
                }
                _ => false,
            })
            .map(|(n, _)| (at(n), 6))
            .collect(),
        Architecture::Aarch64 => {
            let words = code.as_chunks().0;
            let words: Vec<u32> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
            words
                .array_windows()
                .enumerate()
                .map(|(n, window)| (at(4 * n), window))
                .filter(|&(at, &[adrp, ldr, br])| {
                    // adrp x16, page; ldr xT, [x16, #offset]; br xT
                    let pages = (adrp >> 5 & 0x7_ffff) << 2 | adrp >> 29 & 3;
                    let pages = i64::from((pages << 11).cast_signed() >> 11);
                    let slot = (at & !0xfff)
                        .wrapping_add_signed(pages << 12)
                        .wrapping_add(u64::from(ldr >> 10 & 0xfff) << 3);
                    adrp & 0x9f00_001f == 0x9000_0010
                        && ldr & 0xffc0_03e0 == 0xf940_0200
                        && br == 0xd61f_0000 | (ldr & 31) << 5
                        && is_import(slot)
                })
                .map(|(at, _)| (at, 12))
                .collect()
        }
    }
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
