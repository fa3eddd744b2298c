//! COFF objects, and their relocations as those of ELF.
//!
//! `__imp_puts` is the slot of `puts` in the import address table: what ELF calls its entry in the GOT.

use object::elf::{self, RelocationType};
use object::read::coff::{CoffFile, Symbol as _};
use object::{LittleEndian as LE, SectionIndex, pe};

use super::super::bounds::File;
use super::super::parts::{Candidate, is_no_name};
use super::super::pe::architecture;
use super::super::{Architecture, Format};
use super::layout::{Laid, Layout, Linkage, Local, Member, NewSection, Relocation, Target, symbol};
use super::patch::{adr_value, low_kind, low_value};
use crate::error::Error;

/// Adds an object to the layout.
pub(super) fn add<'a>(layout: &mut Layout<'a>, file: File<'a>) -> Result<(), Error> {
    let damaged = |error| file.damaged(0, error);
    let machine = file
        .bytes
        .first_chunk()
        .map_or(0, |two| u16::from_le_bytes(*two));
    let architecture =
        architecture(pe::Machine(machine)).map_err(|detail| file.unsupported(detail))?;
    let coff = CoffFile::<&'a [u8]>::parse(file.bytes).map_err(damaged)?;
    layout.begin(&file, Format::Pe, architecture)?;
    let mut laid = vec![None];
    let mut read = 0;
    for section in coff.coff_section_table().iter() {
        let new = lay(layout, &file, section)?;
        read += new.map_or(0, |new| new.offset.map_or(0, |_| new.size));
        if read > file.bytes.len() as u64 {
            return Err(file.damaged(
                section.pointer_to_raw_data.get(LE).into(),
                "the sections up to this one come to more bytes than the file has: they overlap",
            ));
        }
        laid.push(new);
    }
    let symbols = symbols(layout, &file, &coff, &laid)?;
    let mut relocations = Vec::new();
    for (section, &laid) in coff.coff_section_table().iter().zip(&laid[1..]) {
        let Some(laid) = laid else { continue };
        let at = u64::from(section.pointer_to_relocations.get(LE));
        let table = section
            .coff_relocations(file.bytes)
            .map_err(|error| file.damaged(at, error))?;
        // Tables that overlap come to more than the file.
        if relocations.len() + table.len() > file.bytes.len() / size_of::<pe::ImageRelocation>() {
            return Err(file.damaged(at, "relocation tables that overlap"));
        }
        for (n, entry) in (0u64..).zip(table) {
            let at = at + n * size_of_val(entry) as u64;
            let symbol = symbol(&file, &symbols, entry.symbol().0, at)?;
            let offset = entry.virtual_address.get(LE).into();
            let imported = match symbol {
                Local::Global(name) => name.strip_prefix(b"__imp_"),
                Local::Is(_) => None,
            };
            let kind = entry.typ.get(LE);
            let out = &layout.out;
            let put = match architecture {
                Architecture::X86_64 => x86_64(kind, imported.is_some(), laid, offset, out),
                Architecture::Aarch64 => aarch64(kind, imported.is_some(), laid, offset, out),
            };
            relocations.push(Relocation {
                laid,
                offset,
                symbol: imported.map_or(symbol, Local::Global),
                addend: put.map_or(0, |put| put.1),
                kind: put.map(|put| put.0),
                at,
            });
        }
    }
    layout.members.push(Member { file, relocations });
    Ok(())
}

fn lay<'a>(
    layout: &mut Layout<'a>,
    file: &File<'a>,
    section: &pe::ImageSectionHeader,
) -> Result<Option<Laid>, Error> {
    let flags = section.characteristics.get(LE);
    let size = u64::from(section.size_of_raw_data.get(LE));
    let unloaded =
        pe::IMAGE_SCN_LNK_REMOVE.0 | pe::IMAGE_SCN_LNK_INFO.0 | pe::IMAGE_SCN_MEM_DISCARDABLE.0;
    let unwind = [&b".pdata"[..], b".xdata"].contains(&section.raw_name());
    if size == 0 || flags.0 & unloaded != 0 || unwind {
        return Ok(None);
    }
    let zeroes = flags.contains(pe::IMAGE_SCN_CNT_UNINITIALIZED_DATA);
    let new = NewSection {
        name: section.raw_name(),
        offset: (!zeroes).then(|| section.pointer_to_raw_data.get(LE).into()),
        size,
        align: section.coff_alignment(),
        executable: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
        constant: !flags.contains(pe::IMAGE_SCN_MEM_WRITE),
    };
    layout.lay(file, &new).map(Some)
}

/// Each symbol by its index; those in between, which only say more of the one before, are nowhere.
fn symbols<'a>(
    layout: &mut Layout<'a>,
    file: &File<'a>,
    coff: &CoffFile<'a>,
    laid: &[Option<Laid>],
) -> Result<Vec<Local<'a>>, Error> {
    let symbols = coff.coff_symbol_table();
    let at = u64::from(coff.coff_header().pointer_to_symbol_table.get(LE));
    layout.symbol_count += symbols.len() as u64;
    let mut found = vec![Local::Is(Target::Nowhere); symbols.len()];
    for (index, symbol) in symbols.iter() {
        let class = symbol.storage_class();
        let external =
            class == pe::IMAGE_SYM_CLASS_EXTERNAL || class == pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL;
        if !external && class != pe::IMAGE_SYM_CLASS_STATIC && class != pe::IMAGE_SYM_CLASS_LABEL {
            continue;
        }
        let name = symbol.name(symbols.strings()).map_err(|error| {
            file.damaged(at, format!("the name of symbol {}: {error}", index.0))
        })?;
        file.read_name(name, at)?;
        let of = symbol
            .section()
            .and_then(|SectionIndex(n)| laid.get(n).copied().flatten());
        let within = u64::from(symbol.value());
        let target = match of {
            Some(laid) if within <= laid.size => {
                let address = laid.start + within;
                // A section's own symbol names no function.
                let named =
                    !is_no_name(name) && name[0] != b'.' && class != pe::IMAGE_SYM_CLASS_LABEL;
                if laid.executable && within < laid.size && named {
                    let text = layout.name(name);
                    layout.candidates.push(Candidate {
                        untyped: symbol.derived_type() != pe::IMAGE_SYM_DTYPE_FUNCTION,
                        local: !external,
                        ..Candidate::new(address, name, text)
                    });
                }
                Target::Defined(address)
            }
            _ => Target::Nowhere,
        };
        let linkage = match external {
            false => Linkage::Local,
            true if symbol.is_definition() => Linkage::Strong,
            // Undefined ones, common ones, and weak ones, whose default another may replace.
            true => Linkage::Undefined,
        };
        found[index.0] = layout.symbol(name, target, linkage);
    }
    Ok(found)
}

/// The relocation of ELF that says the same, and its addend, which is in the field.
fn x86_64(
    kind: pe::RelocationType,
    imported: bool,
    laid: Laid,
    offset: u64,
    out: &[u8],
) -> Option<(RelocationType, i64)> {
    let narrow = || i64::from(laid.bytes(out, offset).map_or(0, i32::from_le_bytes));
    let put = match kind {
        pe::IMAGE_REL_AMD64_ABSOLUTE => (elf::R_X86_64_NONE, 0),
        pe::IMAGE_REL_AMD64_ADDR64 if !imported => {
            let wide = laid.bytes(out, offset).map_or(0, i64::from_le_bytes);
            (elf::R_X86_64_64, wide)
        }
        pe::IMAGE_REL_AMD64_ADDR32 if !imported => (elf::R_X86_64_32, narrow()),
        // The number is of the bytes between the field and the instruction's end.
        pe::RelocationType(n)
            if (pe::IMAGE_REL_AMD64_REL32.0..=pe::IMAGE_REL_AMD64_REL32_5.0).contains(&n) =>
        {
            let behind = i64::from(n - pe::IMAGE_REL_AMD64_REL32.0);
            let kind = if imported {
                elf::R_X86_64_GOTPCREL
            } else {
                elf::R_X86_64_PC32
            };
            (kind, narrow() - 4 - behind)
        }
        _ => return None,
    };
    Some(put)
}

/// The same for AArch64.
fn aarch64(
    kind: pe::RelocationType,
    imported: bool,
    laid: Laid,
    offset: u64,
    out: &[u8],
) -> Option<(RelocationType, i64)> {
    let word = laid.bytes(out, offset).map_or(0, u32::from_le_bytes);
    let (low, scale) = low_kind(word);
    let put = match (kind, imported) {
        (pe::IMAGE_REL_ARM64_ABSOLUTE, _) => (elf::R_AARCH64_NONE, 0),
        (pe::IMAGE_REL_ARM64_BRANCH26, false) => (elf::R_AARCH64_CALL26, 0),
        (pe::IMAGE_REL_ARM64_BRANCH19, false) => (elf::R_AARCH64_CONDBR19, 0),
        (pe::IMAGE_REL_ARM64_BRANCH14, false) => (elf::R_AARCH64_TSTBR14, 0),
        (pe::IMAGE_REL_ARM64_PAGEBASE_REL21, false) => {
            (elf::R_AARCH64_ADR_PREL_PG_HI21, adr_value(word))
        }
        (pe::IMAGE_REL_ARM64_PAGEBASE_REL21, true) => {
            (elf::R_AARCH64_ADR_GOT_PAGE, adr_value(word))
        }
        (pe::IMAGE_REL_ARM64_REL21, false) => (elf::R_AARCH64_ADR_PREL_LO21, adr_value(word)),
        (pe::IMAGE_REL_ARM64_PAGEOFFSET_12A, false) => {
            (elf::R_AARCH64_ADD_ABS_LO12_NC, low_value(word))
        }
        (pe::IMAGE_REL_ARM64_PAGEOFFSET_12L, false) => (low, low_value(word) << scale),
        (pe::IMAGE_REL_ARM64_PAGEOFFSET_12L, true) if scale == 3 => {
            (elf::R_AARCH64_LD64_GOT_LO12_NC, low_value(word) << 3)
        }
        (pe::IMAGE_REL_ARM64_ADDR64, false) => {
            let wide = laid.bytes(out, offset).map_or(0, i64::from_le_bytes);
            (elf::R_AARCH64_ABS64, wide)
        }
        _ => return None,
    };
    Some(put)
}
