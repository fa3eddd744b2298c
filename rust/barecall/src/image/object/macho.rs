//! Mach-O objects, and their relocations as those of ELF.

use object::elf::{self, RelocationType};
use object::macho::{self, RelocationInfo};
use object::read::macho::{
    LoadCommandVariant, MachHeader as _, Nlist as _, Section as _, Segment as _,
};

use super::super::bounds::File;
use super::super::macho::{
    Header, LE, MachSection, candidate, header, in_code, is_code, is_no_name, is_zeroes, plain,
};
use super::super::{Architecture, Format};
use super::layout::{
    Laid, Layout, Linkage, Local, Member, NewSection, Relocation, Target, linked_within, symbol,
};
use super::patch::low_kind;
use crate::error::Error;

/// A section, and where it was laid.
type Section<'a> = (&'a MachSection, Option<Laid>);

/// Adds an object to the layout.
pub(super) fn add<'a>(layout: &mut Layout<'a>, file: File<'a>) -> Result<(), Error> {
    let (header, architecture) = header(&file)?;
    if header.filetype(LE) != macho::MH_OBJECT {
        return Err(linked_within(&file));
    }
    layout.begin(&file, Format::MachO, architecture)?;
    let damaged = file.at(32, "the load commands");
    let mut commands = header.load_commands(LE, file.bytes, 0).map_err(&damaged)?;
    let mut sections: Vec<Section<'a>> = Vec::new();
    let mut read = 0u64;
    let (mut symtab, mut literals) = (None, &[][..]);
    while let Some(command) = commands.next().map_err(&damaged)? {
        match command.variant().map_err(&damaged)? {
            LoadCommandVariant::Segment64(segment, data) => {
                for section in segment.sections(LE, data).map_err(&damaged)? {
                    let laid = lay(layout, &file, section)?;
                    let bytes = laid.filter(|laid| laid.offset.is_some());
                    read += bytes.map_or(0, |laid| laid.size);
                    // What would be read twice would cost twice.
                    if read > file.bytes.len() as u64 {
                        return Err(file.damaged(
                            32,
                            "the sections come to more bytes than the file has: they overlap",
                        ));
                    }
                    sections.push((section, laid));
                }
            }
            LoadCommandVariant::Symtab(command) => symtab = Some(command),
            LoadCommandVariant::LinkeditData(command)
                if command.cmd.get(LE) == macho::LC_DATA_IN_CODE =>
            {
                literals = command.data(LE, file.bytes).map_err(&damaged)?;
            }
            _ => {}
        }
    }
    // From the header, which in an object stands for address 0 of its sections.
    for (offset, length) in in_code(literals) {
        let start = sections.iter().find_map(|(section, laid)| {
            let within = offset.checked_sub(section.addr(LE))?;
            (within < section.size(LE)).then_some(laid.as_ref()?.start + within)
        });
        layout
            .literals
            .extend(start.map(|start| (start, start + length)));
    }
    let symbols = match symtab {
        Some(symtab) => symbols(layout, &file, symtab, &sections)?,
        None => Vec::new(),
    };
    let mut relocations = Vec::new();
    for &(section, laid) in &sections {
        let Some(laid) = laid else {
            continue;
        };
        let at = u64::from(section.reloff(LE));
        let table = section
            .relocations(LE, file.bytes)
            .map_err(|error| file.damaged(at, error))?;
        let width = size_of::<macho::Relocation<object::LittleEndian>>();
        // Tables that overlap come to more than the file.
        if relocations.len() + table.len() > file.bytes.len() / width {
            return Err(file.damaged(at, "relocation tables that overlap"));
        }
        let mut reader = Reader {
            file: &file,
            architecture,
            sections: &sections,
            symbols: &symbols,
            out: &layout.out,
            addend: 0,
            subtracted: false,
        };
        for (n, entry) in (0u64..).zip(table) {
            let at = at + n * width as u64;
            relocations.extend(reader.read(laid, entry.info(LE), at)?);
        }
    }
    drop(damaged);
    layout.members.push(Member { file, relocations });
    Ok(())
}

fn lay<'a>(
    layout: &mut Layout<'a>,
    file: &File<'a>,
    section: &MachSection,
) -> Result<Option<Laid>, Error> {
    let (segment, kind) = (section.segment_name(), section.section_type(LE));
    let thread_local = matches!(
        kind,
        macho::S_THREAD_LOCAL_REGULAR | macho::S_THREAD_LOCAL_ZEROFILL
    );
    // Unwind tables and debug information are for others.
    if section.size(LE) == 0 || thread_local || [&b"__DWARF"[..], b"__LD"].contains(&segment) {
        return Ok(None);
    }
    let new = NewSection {
        name: section.name(),
        offset: (!is_zeroes(section)).then(|| section.offset(LE).into()),
        size: section.size(LE),
        align: 1u64.checked_shl(section.align(LE)).unwrap_or(0),
        executable: is_code(section).0,
        // The linker puts __DATA,__const where nothing writes.
        constant: segment == b"__TEXT" || section.name() == b"__const",
    };
    layout.lay(file, &new).map(Some)
}

/// Each symbol by its index.
fn symbols<'a>(
    layout: &mut Layout<'a>,
    file: &File<'a>,
    symtab: &macho::SymtabCommand<object::LittleEndian>,
    sections: &[Section<'a>],
) -> Result<Vec<Local<'a>>, Error> {
    let symbols = symtab
        .symbols::<Header, _>(LE, file.bytes)
        .map_err(|error| file.damaged(symtab.symoff.get(LE).into(), error))?;
    layout.symbol_count += symbols.len() as u64;
    let strings_at = u64::from(symtab.stroff.get(LE));
    let mut found = Vec::with_capacity(symbols.len());
    for (index, symbol) in symbols.enumerate() {
        if symbol.is_stab() {
            found.push(Local::Is(Target::Nowhere));
            continue;
        }
        let name = symbol.name(LE, symbols.strings());
        let name = plain(file.symbol_name(name, index.0, strings_at)?).0;
        let of = usize::from(symbol.n_sect())
            .checked_sub(1)
            .filter(|_| symbol.is_definition())
            .and_then(|n| {
                let (section, laid) = *sections.get(n)?;
                let within = symbol.n_value(LE).checked_sub(section.addr(LE))?;
                laid.filter(|laid| within <= laid.size).zip(Some(within))
            });
        let target = of.map_or(Target::Nowhere, |(laid, within)| {
            let address = laid.start + within;
            if laid.executable && within < laid.size && !is_no_name(name) {
                let text = layout.name(name);
                layout
                    .candidates
                    .push(candidate(symbol, address, name, text));
            }
            Target::Defined(address)
        });
        let linkage = if !symbol.n_type().contains(macho::N_EXT) {
            Linkage::Local
        } else if symbol.is_undefined() {
            Linkage::Undefined
        } else if symbol.n_desc(LE).contains(macho::N_WEAK_DEF) {
            Linkage::Weak
        } else {
            Linkage::Strong
        };
        found.push(layout.symbol(name, target, linkage));
    }
    Ok(found)
}

/// Reads one section's relocations; some come in pairs.
struct Reader<'r, 'a> {
    file: &'r File<'a>,
    architecture: Architecture,
    sections: &'r [Section<'a>],
    symbols: &'r [Local<'a>],
    out: &'r [u8],
    /// What `ARM64_RELOC_ADDEND` says of the next.
    addend: i64,
    /// A symbol is subtracted from the next.
    subtracted: bool,
}

impl<'a> Reader<'_, 'a> {
    fn read(
        &mut self,
        laid: Laid,
        entry: RelocationInfo,
        at: u64,
    ) -> Result<Option<Relocation<'a>>, Error> {
        let offset = u64::from(entry.r_address);
        let (addend, subtracted) = (self.addend, self.subtracted);
        (self.addend, self.subtracted) = (0, false);
        let put = match (self.architecture, entry.r_type) {
            // The other half says what to.
            (Architecture::X86_64, macho::X86_64_RELOC_SUBTRACTOR)
            | (Architecture::Aarch64, macho::ARM64_RELOC_SUBTRACTOR) => {
                self.subtracted = true;
                return Ok(None);
            }
            (Architecture::Aarch64, macho::ARM64_RELOC_ADDEND) => {
                // 24 bits, signed
                self.addend = i64::from((entry.r_symbolnum << 8).cast_signed() >> 8);
                return Ok(None);
            }
            _ if subtracted => None,
            (Architecture::X86_64, _) => x86_64(entry, laid, self.out),
            (Architecture::Aarch64, _) => aarch64(entry, laid, self.out, addend),
        };
        let kind = put.map(|put| put.0);
        let mut addend = put.map_or(0, |put| put.1);
        let number = entry.r_symbolnum as usize;
        let symbol = if entry.r_extern {
            symbol(self.file, self.symbols, number, at)?
        } else if matches!(kind, Some(elf::R_X86_64_64 | elf::R_AARCH64_ABS64)) {
            // A section's number; the field has the address that the object gave it.
            let of = number
                .checked_sub(1)
                .and_then(|n| self.sections.get(n))
                .and_then(|&(section, laid)| Some((section, laid?)));
            Local::Is(of.map_or(Target::Nowhere, |(section, laid)| {
                addend = addend.wrapping_sub(section.addr(LE).cast_signed());
                Target::Defined(laid.start)
            }))
        } else {
            Local::Is(Target::Nowhere)
        };
        Ok(Some(Relocation {
            laid,
            offset,
            symbol,
            addend,
            kind,
            at,
        }))
    }
}

/// `r_length` of a field of four bytes, and of eight.
const FOUR: u8 = 2;
const EIGHT: u8 = 3;

/// The relocation of ELF that says the same, and its addend, which is in the field.
fn x86_64(entry: RelocationInfo, laid: Laid, out: &[u8]) -> Option<(RelocationType, i64)> {
    let offset = u64::from(entry.r_address);
    let narrow = i64::from(laid.bytes(out, offset).map_or(0, i32::from_le_bytes));
    let put = match (entry.r_type, entry.r_length) {
        (macho::X86_64_RELOC_UNSIGNED, EIGHT) => {
            let wide = laid.bytes(out, offset).map_or(0, i64::from_le_bytes);
            (elf::R_X86_64_64, wide)
        }
        (macho::X86_64_RELOC_UNSIGNED, FOUR) => (elf::R_X86_64_32, narrow),
        // The last three are for instructions with an immediate, whose size is in the field as well.
        (
            macho::X86_64_RELOC_SIGNED
            | macho::X86_64_RELOC_SIGNED_1
            | macho::X86_64_RELOC_SIGNED_2
            | macho::X86_64_RELOC_SIGNED_4,
            FOUR,
        ) => (elf::R_X86_64_PC32, narrow - 4),
        (macho::X86_64_RELOC_BRANCH, FOUR) => (elf::R_X86_64_PLT32, narrow - 4),
        (macho::X86_64_RELOC_GOT_LOAD | macho::X86_64_RELOC_GOT, _) => {
            (elf::R_X86_64_GOTPCREL, narrow - 4)
        }
        _ => return None,
    };
    Some(put)
}

/// The same for AArch64, where another entry has the addend.
fn aarch64(
    entry: RelocationInfo,
    laid: Laid,
    out: &[u8],
    addend: i64,
) -> Option<(RelocationType, i64)> {
    let offset = u64::from(entry.r_address);
    let put = match entry.r_type {
        macho::ARM64_RELOC_UNSIGNED if entry.r_length == EIGHT => {
            let wide = laid.bytes(out, offset).map_or(0, i64::from_le_bytes);
            (elf::R_AARCH64_ABS64, wide)
        }
        macho::ARM64_RELOC_BRANCH26 => (elf::R_AARCH64_CALL26, addend),
        macho::ARM64_RELOC_PAGE21 => (elf::R_AARCH64_ADR_PREL_PG_HI21, addend),
        macho::ARM64_RELOC_PAGEOFF12 => {
            let word = laid.bytes(out, offset).map_or(0, u32::from_le_bytes);
            (low_kind(word).0, addend)
        }
        macho::ARM64_RELOC_GOT_LOAD_PAGE21 => (elf::R_AARCH64_ADR_GOT_PAGE, addend),
        macho::ARM64_RELOC_GOT_LOAD_PAGEOFF12 => (elf::R_AARCH64_LD64_GOT_LO12_NC, addend),
        _ => return None,
    };
    Some(put)
}
