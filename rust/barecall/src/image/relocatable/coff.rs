//! COFF objects, and their relocations as those of ELF.
//!
//! `__imp_puts` is the slot of `puts` in the import address table: what ELF calls its entry in the GOT.

use object::LittleEndian as LE;
use object::SectionIndex;
use object::pe;
use object::read::coff::{CoffFile, Symbol as _};

use super::super::pe::architecture;
use super::super::pieces::{self, Candidate};
use super::super::{Architecture, Format};
use super::macho::low_bits;
use super::{
    Laid, Linker, Local, Member, NewSection, OTHER_KIND, Place, Relocation, Relocations, Target,
};
use crate::error::Error;

impl<'a> Linker<'a> {
    pub(super) fn add_coff(&mut self, place: Place<'a>, bytes: &'a [u8]) -> Result<(), Error> {
        let damaged = |error| place.damaged(0, error);
        let machine = bytes
            .get(..2)
            .map_or(0, |two| u16::from_le_bytes([two[0], two[1]]));
        let architecture =
            architecture(pe::Machine(machine)).map_err(|detail| place.unsupported(detail))?;
        let file = CoffFile::<&'a [u8]>::parse(bytes).map_err(damaged)?;
        self.begin(&place, Format::Pe, architecture)?;
        let mut laid = vec![None];
        let mut read = 0;
        for section in file.coff_section_table().iter() {
            let new = self.lay_coff(&place, section, bytes)?;
            read += new.map_or(0, |new| new.offset.map_or(0, |_| new.size));
            if read > bytes.len() as u64 {
                return Err(place.damaged(
                    section.pointer_to_raw_data.get(LE).into(),
                    "the sections up to this one come to more bytes than the file has: they overlap",
                ));
            }
            laid.push(new);
        }
        let symbols = self.coff_symbols(&place, &file, bytes, &laid)?;
        let mut relocations = Vec::new();
        for (section, &laid) in file.coff_section_table().iter().zip(&laid[1..]) {
            let Some(laid) = laid else { continue };
            let at = u64::from(section.pointer_to_relocations.get(LE));
            let table = section
                .coff_relocations(bytes)
                .map_err(|error| place.damaged(at, error))?;
            // Each is ten bytes; tables that overlap come to more than the file.
            if relocations.len() + table.len() > bytes.len() / 10 {
                return Err(place.damaged(at, "relocation tables that overlap"));
            }
            for (n, entry) in (0u64..).zip(table) {
                let at = at + 10 * n;
                let index = entry.symbol_table_index.get(LE) as usize;
                let symbol = *symbols.get(index).ok_or_else(|| {
                    let have = symbols.len();
                    place.damaged(
                        at,
                        format!("a relocation uses symbol {index}; there are {have}"),
                    )
                })?;
                relocations.push(put(
                    architecture,
                    &self.out,
                    laid,
                    entry.virtual_address.get(LE).into(),
                    entry.typ.get(LE).0,
                    symbol,
                    at,
                ));
            }
        }
        self.members.push(Member {
            place,
            relocations: Relocations::Put(relocations),
        });
        Ok(())
    }

    fn lay_coff(
        &mut self,
        place: &Place<'a>,
        section: &pe::ImageSectionHeader,
        bytes: &'a [u8],
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
        let data = if zeroes {
            None
        } else {
            let data = section.coff_data(bytes).map_err(|()| {
                let shown = String::from_utf8_lossy(section.raw_name());
                let have = bytes.len();
                place.damaged(
                    section.pointer_to_raw_data.get(LE).into(),
                    format!("section {shown} claims {size} bytes here; there are {have} in all"),
                )
            })?;
            Some(data)
        };
        let new = NewSection {
            size,
            data,
            executable: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
            constant: !flags.contains(pe::IMAGE_SCN_MEM_WRITE),
        };
        self.lay_section(place, section.raw_name(), section.coff_alignment(), &new)
            .map(Some)
    }

    /// Each symbol by its index; those in between, which only say more of the one before, are nowhere.
    fn coff_symbols(
        &mut self,
        place: &Place<'a>,
        file: &CoffFile<'a>,
        bytes: &'a [u8],
        laid: &[Option<Laid>],
    ) -> Result<Vec<Local<'a>>, Error> {
        let symbols = file.coff_symbol_table();
        let at = u64::from(file.coff_header().pointer_to_symbol_table.get(LE));
        self.symbol_count += symbols.len() as u64;
        // Names may share bytes, but not many times over; a table that lies would cost quadratic time.
        let mut budget = bytes.len().saturating_mul(16);
        let mut found = vec![Local::Is(Target::Nowhere); symbols.len()];
        for (index, symbol) in symbols.iter() {
            let class = symbol.storage_class();
            let external =
                class == pe::IMAGE_SYM_CLASS_EXTERNAL || class == pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL;
            if !external
                && class != pe::IMAGE_SYM_CLASS_STATIC
                && class != pe::IMAGE_SYM_CLASS_LABEL
            {
                continue;
            }
            let name = symbol.name(symbols.strings()).map_err(|error| {
                place.damaged(at, format!("the name of symbol {}: {error}", index.0))
            })?;
            budget = budget.checked_sub(name.len()).ok_or_else(|| {
                place.damaged(
                    at,
                    "the symbols' names overlap so often that they come to 16 times the file",
                )
            })?;
            let of = symbol
                .section()
                .and_then(|SectionIndex(n)| laid.get(n).copied().flatten());
            let target = match of {
                Some(laid) if u64::from(symbol.value()) <= laid.size => {
                    let within = u64::from(symbol.value());
                    let address = laid.start + within;
                    // A section's own symbol names no function.
                    let named = !pieces::is_no_name(name)
                        && name[0] != b'.'
                        && class != pe::IMAGE_SYM_CLASS_LABEL;
                    if laid.executable && within < laid.size && named {
                        let text = self.name(name);
                        self.candidates.push(Candidate {
                            address,
                            untyped: symbol.derived_type() != pe::IMAGE_SYM_DTYPE_FUNCTION,
                            local: !external,
                            underscored: name[0] == b'_',
                            length: name.len(),
                            name: text,
                            size: 0,
                            resolver: false,
                            superseded: false,
                        });
                    }
                    Target::Defined(address)
                }
                _ => Target::Nowhere,
            };
            if !external || name.is_empty() {
                found[index.0] = Local::Is(target);
                continue;
            }
            found[index.0] = Local::Global(name);
            // Undefined ones, common ones, and weak ones, whose default another may replace, are defined elsewhere.
            if symbol.is_definition() {
                self.define(name, target, false);
            }
        }
        Ok(found)
    }
}

fn put<'a>(
    architecture: Architecture,
    out: &[u8],
    laid: Laid,
    offset: u64,
    kind: u16,
    symbol: Local<'a>,
    at: u64,
) -> Relocation<'a> {
    let bytes = |len: usize| {
        let from = laid.offset?.checked_add(usize::try_from(offset).ok()?)?;
        let within = offset.checked_add(len as u64)? <= laid.size;
        out.get(from..from.checked_add(len)?).filter(|_| within)
    };
    let four = bytes(4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let eight = bytes(8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let narrow = i64::from(four.map_or(0, i32::from_le_bytes));
    let wide = eight.map_or(0, i64::from_le_bytes);
    let word = four.map_or(0, u32::from_le_bytes);
    let imported = match symbol {
        Local::Global(name) => name.strip_prefix(b"__imp_"),
        Local::Is(_) => None,
    };
    let symbol = imported.map_or(symbol, Local::Global);
    let (kind, addend) = match (architecture, kind, imported.is_some()) {
        // ABSOLUTE: nothing
        (_, 0, _) => (0, 0),
        // ADDR64, ADDR32, REL32 to REL32_5 (with so many bytes behind the field)
        (Architecture::X86_64, 1, false) => (1, wide),
        (Architecture::X86_64, 2, false) => (10, narrow),
        (Architecture::X86_64, 4..=9, false) => (2, narrow - 4 - i64::from(kind - 4)),
        (Architecture::X86_64, 4..=9, true) => (9, narrow - 4 - i64::from(kind - 4)),
        // BRANCH26, PAGEBASE_REL21, REL21, PAGEOFFSET_12A and _12L, ADDR64, BRANCH19, BRANCH14
        (Architecture::Aarch64, 3, false) => (283, 0),
        (Architecture::Aarch64, 4, false) => (275, page_addend(word)),
        (Architecture::Aarch64, 4, true) => (311, page_addend(word)),
        (Architecture::Aarch64, 5, false) => (274, page_addend(word)),
        (Architecture::Aarch64, 6, false) => (277, i64::from(word >> 10 & 0xfff)),
        (Architecture::Aarch64, 7, false) => {
            let scale = match low_bits(word) {
                278 => 0,
                284 => 1,
                285 => 2,
                286 => 3,
                _ => 4,
            };
            (low_bits(word), i64::from(word >> 10 & 0xfff) << scale)
        }
        (Architecture::Aarch64, 7, true) if low_bits(word) == 286 => {
            (312, i64::from(word >> 10 & 0xfff) << 3)
        }
        (Architecture::Aarch64, 14, false) => (257, wide),
        (Architecture::Aarch64, 15, false) => (280, 0),
        (Architecture::Aarch64, 16, false) => (279, 0),
        _ => (OTHER_KIND, 0),
    };
    Relocation {
        laid,
        offset,
        symbol,
        addend,
        kind,
        at,
    }
}

/// What an `adrp` or `adr` has in its field already.
fn page_addend(word: u32) -> i64 {
    let value = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    i64::from((value << 11).cast_signed() >> 11)
}
