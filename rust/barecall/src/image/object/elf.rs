//! ELF objects.

use object::elf;
use object::read::elf::{FileHeader as _, Rela as _, SectionHeader as _, Sym as _};

use super::super::bounds::File;
use super::super::elf::{LE, Table, candidate, header, table};
use super::super::parts::{is_data_mark, is_no_name};
use super::super::{Architecture, Format};
use super::layout::{
    Laid, Layout, Linkage, Local, Member, NewSection, Relocation, Target, linked_within, symbol,
};
use crate::error::Error;

/// Adds an object to the layout.
pub(super) fn add<'a>(layout: &mut Layout<'a>, file: File<'a>) -> Result<(), Error> {
    let (header, architecture) = header(&file)?;
    if header.e_type(LE) != elf::ET_REL {
        return Err(linked_within(&file));
    }
    let table = table(&file, header)?;
    apart(&file, &table)?;
    layout.begin(&file, Format::Elf, architecture)?;
    let laid = lay(layout, &file, &table)?;
    let relocations = relocations(layout, &file, &table, &laid)?;
    layout.members.push(Member { file, relocations });
    Ok(())
}

/// No two sections share bytes of the file: what is read twice costs twice.
fn apart(file: &File<'_>, table: &Table<'_>) -> Result<(), Error> {
    let mut ranges = Vec::new();
    for section in table.iter() {
        let (offset, size) = (section.sh_offset(LE), section.sh_size(LE));
        if matches!(section.sh_type(LE), elf::SHT_NOBITS | elf::SHT_NULL) || size == 0 {
            continue;
        }
        file.data(table.section_name(LE, section).unwrap_or(b""), offset, size)?;
        ranges.push((offset, offset + size));
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if pair[1].0 < pair[0].1 {
            let detail = format!(
                "the sections at offsets {:#x} and {:#x} overlap",
                pair[0].0, pair[1].0
            );
            return Err(file.damaged(pair[1].0, detail));
        }
    }
    Ok(())
}

fn lay<'a>(
    layout: &mut Layout<'a>,
    file: &File<'a>,
    table: &Table<'a>,
) -> Result<Vec<Option<Laid>>, Error> {
    let mut laid = vec![None; table.len()];
    for (index, section) in table.enumerate() {
        let flags = section.sh_flags(LE);
        let name = table.section_name(LE, section).unwrap_or(b"");
        // Symbols tell where functions are; the unwind table of an object adds nothing.
        if !flags.contains(elf::SHF_ALLOC)
            || flags.contains(elf::SHF_TLS)
            || section.sh_size(LE) == 0
            || name == b".eh_frame"
        {
            continue;
        }
        let zeroes = section.sh_type(LE) == elf::SHT_NOBITS;
        let new = NewSection {
            name,
            offset: (!zeroes).then(|| section.sh_offset(LE)),
            size: section.sh_size(LE),
            align: section.sh_addralign(LE),
            executable: flags.contains(elf::SHF_EXECINSTR),
            constant: !flags.contains(elf::SHF_WRITE) || name.starts_with(b".data.rel.ro"),
        };
        laid[index.0] = Some(layout.lay(file, &new)?);
    }
    Ok(laid)
}

/// The relocations; on the way, the layout takes note of the symbols.
fn relocations<'a>(
    layout: &mut Layout<'a>,
    file: &File<'a>,
    table: &Table<'a>,
    laid: &[Option<Laid>],
) -> Result<Vec<Relocation<'a>>, Error> {
    let symbols = table
        .symbols(LE, file.bytes, elf::SHT_SYMTAB)
        .map_err(|error| file.damaged(0, error))?;
    layout.symbol_count += symbols.len() as u64;
    let strings_at = table
        .section(symbols.string_section())
        .map_or(0, |section| section.sh_offset(LE));
    let mut found = Vec::with_capacity(symbols.len());
    for (index, symbol) in symbols.enumerate() {
        let name = file.symbol_name(symbols.symbol_name(LE, symbol), index.0, strings_at)?;
        let section = symbols
            .symbol_section(LE, symbol, index)
            .map_err(|error| file.damaged(0, format!("symbol {}: {error}", index.0)))?;
        let target = match section.and_then(|section| *laid.get(section.0)?) {
            Some(laid) if symbol.st_type() != elf::STT_TLS && symbol.st_value(LE) <= laid.size => {
                define(layout, symbol, name, laid)
            }
            _ => Target::Nowhere,
        };
        let linkage = if symbol.is_local() {
            Linkage::Local
        } else if symbol.is_undefined(LE) {
            Linkage::Undefined
        } else if symbol.is_weak() {
            Linkage::Weak
        } else {
            Linkage::Strong
        };
        found.push(layout.symbol(name, target, linkage));
    }
    let mut relocations = Vec::new();
    for section in table.iter() {
        let kind = section.sh_type(LE);
        if !matches!(kind, elf::SHT_RELA | elf::SHT_REL | elf::SHT_CREL) {
            continue;
        }
        let Some(laid) = laid.get(section.sh_info(LE) as usize).copied().flatten() else {
            continue;
        };
        let at = section.sh_offset(LE);
        let rela = section
            .rela(LE, file.bytes)
            .map_err(|error| file.damaged(at, error))?;
        let Some((entries, link)) = rela else {
            return Err(file.unsupported(
                "relocations without addends, or compressed ones (SHT_REL, SHT_CREL); SHT_RELA is",
            ));
        };
        if link != symbols.section() && !entries.is_empty() && link.0 != 0 {
            return Err(file.damaged(at, "relocations that use another symbol table"));
        }
        relocations.reserve_exact(entries.len());
        for (n, entry) in (0u64..).zip(entries) {
            let at = at.saturating_add(n.saturating_mul(size_of_val(entry) as u64));
            relocations.push(Relocation {
                laid,
                offset: entry.r_offset(LE),
                symbol: match entry.r_sym(LE, false) as usize {
                    0 => Local::Is(Target::Nowhere),
                    index => symbol(file, &found, index, at)?,
                },
                addend: entry.r_addend(LE),
                kind: Some(entry.r_type(LE, false)),
                at,
            });
        }
    }
    Ok(relocations)
}

/// Takes note of a symbol within a section; where it is.
fn define(
    layout: &mut Layout<'_>,
    symbol: &elf::Sym64<object::LittleEndian>,
    name: &[u8],
    laid: Laid,
) -> Target {
    let address = laid.start + symbol.st_value(LE);
    let resolver = symbol.st_type() == elf::STT_GNU_IFUNC;
    if layout.architecture == Some(Architecture::Aarch64)
        && let Some(data) = is_data_mark(name)
    {
        layout.marks.push((address, data));
    }
    let callable = matches!(
        symbol.st_type(),
        elf::STT_FUNC | elf::STT_GNU_IFUNC | elf::STT_NOTYPE
    );
    if callable && laid.executable && symbol.st_value(LE) < laid.size && !is_no_name(name) {
        let text = layout.name(name);
        if resolver {
            layout.resolvers.insert(address, text);
        }
        layout
            .candidates
            .push(candidate(symbol, address, name, text));
    }
    if resolver {
        Target::Ifunc(address)
    } else {
        Target::Defined(address)
    }
}
