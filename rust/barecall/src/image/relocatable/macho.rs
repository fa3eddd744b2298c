//! Mach-O objects, and their relocations as those of ELF.

use object::LittleEndian;
use object::macho::{self, RelocationInfo};
use object::read::macho::{
    LoadCommandVariant, MachHeader as _, Nlist as _, Section as _, Segment as _,
};

use super::super::macho::{Header, architecture, is_code, is_no_name, plain};
use super::super::pieces::Candidate;
use super::super::{Architecture, Format};
use super::{
    Laid, Linker, Local, Member, NewSection, OTHER_KIND, Place, Relocation, Relocations, Target,
    linked_within,
};
use crate::error::Error;

const LE: LittleEndian = LittleEndian;

type MachSection = macho::Section64<LittleEndian>;

impl<'a> Linker<'a> {
    pub(super) fn add_macho(&mut self, place: Place<'a>, bytes: &'a [u8]) -> Result<(), Error> {
        let header = Header::parse(bytes, 0).map_err(|error| place.damaged(0, error))?;
        let architecture = architecture(place.path, header).map_err(|error| place.moved(error))?;
        if header.filetype(LE) != macho::MH_OBJECT {
            return Err(linked_within(&place));
        }
        self.begin(&place, Format::MachO, architecture)?;
        let damaged = |error| place.damaged(32, format!("the load commands: {error}"));
        let mut commands = header.load_commands(LE, bytes, 0).map_err(damaged)?;
        let mut sections: Vec<&'a MachSection> = Vec::new();
        let mut laid = Vec::new();
        let (mut symtab, mut in_code) = (None, None);
        while let Some(command) = commands.next().map_err(damaged)? {
            match command.variant().map_err(damaged)? {
                LoadCommandVariant::Segment64(segment, data) => {
                    for section in segment.sections(LE, data).map_err(damaged)? {
                        laid.push(self.lay_macho(&place, section, bytes)?);
                        sections.push(section);
                    }
                }
                LoadCommandVariant::Symtab(command) => symtab = Some(command),
                LoadCommandVariant::LinkeditData(command)
                    if command.cmd.get(LE) == macho::LC_DATA_IN_CODE =>
                {
                    in_code = Some(command.data(LE, bytes).map_err(damaged)?);
                }
                _ => {}
            }
        }
        // What would be read twice would cost twice.
        let claimed = sections
            .iter()
            .zip(&laid)
            .filter(|section| section.1.is_some());
        let claimed = claimed.fold(0, |sum: u64, section| {
            sum.saturating_add(section.0.size(LE))
        });
        let zeroes: u64 = laid
            .iter()
            .flatten()
            .filter(|laid| laid.offset.is_none())
            .map(|laid| laid.size)
            .sum();
        if claimed - zeroes > bytes.len() as u64 {
            return Err(place.damaged(
                32,
                "the sections come to more bytes than the file has: they overlap",
            ));
        }
        for entry in in_code.unwrap_or(&[]).chunks_exact(8) {
            // From the header, which in an object stands for address 0 of its sections.
            let offset = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let length = u16::from_le_bytes([entry[4], entry[5]]);
            let of = sections.iter().zip(&laid).find_map(|(section, laid)| {
                let within = u64::from(offset).checked_sub(section.addr(LE))?;
                (within < section.size(LE)).then_some(laid.as_ref()?.start + within)
            });
            if let Some(start) = of {
                self.literals.push((start, start + u64::from(length)));
            }
        }
        let symbols = match symtab {
            Some(symtab) => self.macho_symbols(&place, symtab, bytes, &sections, &laid)?,
            None => Vec::new(),
        };
        let mut relocations = Vec::new();
        for (section, laid_here) in sections.iter().zip(&laid) {
            let Some(laid_here) = *laid_here else {
                continue;
            };
            let at = u64::from(section.reloff(LE));
            let table = section
                .relocations(LE, bytes)
                .map_err(|error| place.damaged(at, error))?;
            // Each is eight bytes; tables that overlap come to more than the file.
            if relocations.len() + table.len() > bytes.len() / 8 {
                return Err(place.damaged(at, "relocation tables that overlap"));
            }
            let mut reader = Reader {
                place: &place,
                architecture,
                sections: &sections,
                laid: &laid,
                symbols: &symbols,
                out: &self.out,
                addend: 0,
                subtracted: false,
            };
            for (n, entry) in (0u64..).zip(table) {
                let entry = entry.info(LE);
                relocations.extend(reader.put(laid_here, entry, at + 8 * n)?);
            }
        }
        self.members.push(Member {
            place,
            relocations: Relocations::Put(relocations),
        });
        Ok(())
    }

    fn lay_macho(
        &mut self,
        place: &Place<'a>,
        section: &MachSection,
        bytes: &'a [u8],
    ) -> Result<Option<Laid>, Error> {
        let size = section.size(LE);
        let (segment, kind) = (section.segment_name(), section.section_type(LE));
        let thread_local = matches!(
            kind,
            macho::S_THREAD_LOCAL_REGULAR | macho::S_THREAD_LOCAL_ZEROFILL
        );
        // Unwind tables and debug information are for others.
        if size == 0 || thread_local || [&b"__DWARF"[..], b"__LD"].contains(&segment) {
            return Ok(None);
        }
        let zeroes = matches!(kind, macho::S_ZEROFILL | macho::S_GB_ZEROFILL);
        let data = if zeroes {
            None
        } else {
            let at = u64::from(section.offset(LE));
            let data = usize::try_from(at)
                .ok()
                .zip(usize::try_from(size).ok())
                .and_then(|(at, size)| bytes.get(at..at.checked_add(size)?));
            Some(data.ok_or_else(|| {
                let shown = String::from_utf8_lossy(section.name());
                let have = bytes.len();
                place.damaged(
                    at,
                    format!("section {shown} claims {size} bytes here; there are {have} in all"),
                )
            })?)
        };
        let (executable, _) = is_code(section);
        let new = NewSection {
            size,
            data,
            executable,
            // The linker puts __DATA,__const where nothing writes.
            constant: segment == b"__TEXT" || section.name() == b"__const",
        };
        let align = 1u64.checked_shl(section.align(LE)).unwrap_or(0);
        self.lay_section(place, section.name(), align, &new)
            .map(Some)
    }

    fn macho_symbols(
        &mut self,
        place: &Place<'a>,
        symtab: &macho::SymtabCommand<LittleEndian>,
        bytes: &'a [u8],
        sections: &[&'a MachSection],
        laid: &[Option<Laid>],
    ) -> Result<Vec<Local<'a>>, Error> {
        let symbols = symtab
            .symbols::<Header, _>(LE, bytes)
            .map_err(|error| place.damaged(symtab.symoff.get(LE).into(), error))?;
        self.symbol_count += symbols.len() as u64;
        let strings_at = u64::from(symtab.stroff.get(LE));
        // Names may share bytes, but not many times over; a table that lies would cost quadratic time.
        let mut budget = bytes.len().saturating_mul(16);
        let mut found = Vec::with_capacity(symbols.len());
        for (index, symbol) in symbols.enumerate() {
            if symbol.is_stab() {
                found.push(Local::Is(Target::Nowhere));
                continue;
            }
            let name = symbol.name(LE, symbols.strings()).map_err(|_| {
                let detail = format!(
                    "the name of symbol {} is not within the string table",
                    index.0
                );
                place.damaged(strings_at, detail)
            })?;
            budget = budget.checked_sub(name.len()).ok_or_else(|| {
                place.damaged(
                    strings_at,
                    "the symbols' names overlap so often that they come to 16 times the file",
                )
            })?;
            let name = plain(name).0;
            let external = symbol.n_type().0 & macho::N_EXT.0 != 0;
            let ordinal = usize::from(symbol.n_sect()).checked_sub(1);
            let of = ordinal
                .filter(|_| symbol.is_definition())
                .and_then(|n| Some((*sections.get(n)?, (*laid.get(n)?)?)));
            let target = match of {
                Some((section, laid)) => match symbol.n_value(LE).checked_sub(section.addr(LE)) {
                    Some(within) if within <= laid.size => {
                        let address = laid.start + within;
                        if laid.executable && within < laid.size && !is_no_name(name) {
                            let text = self.name(name);
                            self.candidates.push(Candidate {
                                address,
                                untyped: symbol.n_desc(LE).0 & macho::N_ALT_ENTRY.0 != 0,
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
                },
                None => Target::Nowhere,
            };
            if !external || name.is_empty() {
                found.push(Local::Is(target));
                continue;
            }
            found.push(Local::Global(name));
            if !symbol.is_undefined() {
                let weak = symbol.n_desc(LE).0 & macho::N_WEAK_DEF.0 != 0;
                self.define(name, target, weak);
            }
        }
        Ok(found)
    }
}

/// Reads one section's relocations; some come in pairs.
struct Reader<'r, 'a> {
    place: &'r Place<'a>,
    architecture: Architecture,
    sections: &'r [&'a MachSection],
    laid: &'r [Option<Laid>],
    symbols: &'r [Local<'a>],
    out: &'r [u8],
    /// What ARM64_RELOC_ADDEND says of the next.
    addend: i64,
    /// A symbol is subtracted from the next.
    subtracted: bool,
}

impl<'a> Reader<'_, 'a> {
    fn put(
        &mut self,
        laid: Laid,
        entry: RelocationInfo,
        at: u64,
    ) -> Result<Option<Relocation<'a>>, Error> {
        let offset = u64::from(entry.r_address);
        let (addend, subtracted) = (self.addend, self.subtracted);
        (self.addend, self.subtracted) = (0, false);
        let kind = u32::from(entry.r_type.0);
        let bytes = |len: usize| {
            let from = laid.offset?.checked_add(usize::try_from(offset).ok()?)?;
            let within = offset.checked_add(len as u64)? <= laid.size;
            self.out
                .get(from..from.checked_add(len)?)
                .filter(|_| within)
        };
        let four = bytes(4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let eight = bytes(8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        let narrow = i64::from(four.map_or(0, i32::from_le_bytes));
        let wide = eight.map_or(0, i64::from_le_bytes);
        let instruction = four.map_or(0, u32::from_le_bytes);
        let (kind, mut addend) = match (self.architecture, kind) {
            // The other half says what to.
            (Architecture::X86_64, 5) | (Architecture::Aarch64, 1) => {
                self.subtracted = true;
                return Ok(None);
            }
            (Architecture::Aarch64, 10) => {
                // 24 bits, signed
                self.addend = i64::from((entry.r_symbolnum << 8).cast_signed() >> 8);
                return Ok(None);
            }
            _ if subtracted => (OTHER_KIND, 0),
            // X86_64_RELOC_UNSIGNED as 64 or 32
            (Architecture::X86_64, 0) if entry.r_length == 3 => (1, wide),
            (Architecture::X86_64, 0) if entry.r_length == 2 => (10, narrow),
            // SIGNED, its variants for instructions with an immediate, BRANCH; as PC32 and PLT32
            (Architecture::X86_64, 1 | 6 | 7 | 8) if entry.r_length == 2 => (2, narrow - 4),
            (Architecture::X86_64, 2) if entry.r_length == 2 => (4, narrow - 4),
            // GOT_LOAD, GOT as GOTPCREL
            (Architecture::X86_64, 3 | 4) => (9, narrow - 4),
            // ARM64_RELOC_UNSIGNED as ABS64
            (Architecture::Aarch64, 0) if entry.r_length == 3 => (257, wide),
            // BRANCH26, PAGE21, PAGEOFF12
            (Architecture::Aarch64, 2) => (283, addend),
            (Architecture::Aarch64, 3) => (275, addend),
            (Architecture::Aarch64, 4) => (low_bits(instruction), addend),
            // GOT_LOAD_PAGE21, GOT_LOAD_PAGEOFF12
            (Architecture::Aarch64, 5) => (311, addend),
            (Architecture::Aarch64, 6) => (312, addend),
            _ => (OTHER_KIND, 0),
        };
        let number = entry.r_symbolnum as usize;
        let symbol = if entry.r_extern {
            *self.symbols.get(number).ok_or_else(|| {
                let have = self.symbols.len();
                self.place.damaged(
                    at,
                    format!("a relocation uses symbol {number}; there are {have}"),
                )
            })?
        } else if matches!(kind, 1 | 257) {
            // A section's number; the field has the address that the object gave it.
            let of = number
                .checked_sub(1)
                .and_then(|n| Some((*self.sections.get(n)?, (*self.laid.get(n)?)?)));
            match of {
                Some((section, laid)) => {
                    addend = addend.wrapping_sub(section.addr(LE).cast_signed());
                    Local::Is(Target::Defined(laid.start))
                }
                None => Local::Is(Target::Nowhere),
            }
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

/// Which of ELF's relocations puts the low twelve bits of an address into this instruction: an `add`, or a load
/// or store, which counts in words of its width.
pub(super) fn low_bits(word: u32) -> u32 {
    if word & 0x1f00_0000 == 0x1100_0000 {
        return 277;
    }
    match (word >> 30, word >> 26 & 1, word >> 23 & 1) {
        // 128 bits: a vector register's whole
        (0, 1, 1) => 299,
        (0, ..) => 278,
        (1, ..) => 284,
        (2, ..) => 285,
        _ => 286,
    }
}
