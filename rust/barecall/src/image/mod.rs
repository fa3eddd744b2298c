//! An object file as a linker or loader left it: code, names, and what each slot holds.

use std::ffi::CStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

use crate::names;
pub(crate) use crate::target::{Architecture, Format};

mod bounds;
mod elf;
mod fragments;
mod kind;
mod load;
mod macho;
mod object;
mod parts;
mod pe;

/// An executable or library, read: its functions, and what each of their calls reaches.
///
/// ```
/// let image = barecall::Image::current()?;
/// let main = image.function("main")?;
/// println!("{} makes {} calls", main.name(), main.calls().len());
/// # Ok::<(), barecall::Error>(())
/// ```
#[derive(Debug)]
pub struct Image {
    pub(crate) path: PathBuf,
    /// What sections and names are offsets into: what of the file's bytes is asked for once it is read.
    pub(crate) bytes: Vec<u8>,
    pub(crate) architecture: Architecture,
    pub(crate) format: Format,
    /// What occupies memory when the image is loaded, by address, without overlap.
    pub(crate) sections: Vec<Section>,
    /// Addresses that nothing writes once the image is loaded, beside the read-only sections.
    pub(crate) relro: Vec<(u64, u64)>,
    /// By address.
    pub(crate) slots: Vec<Slot>,
    /// Fragments of functions, by address and without overlap.
    pub(crate) functions: Vec<Fragment>,
    /// For every so many bytes ([`PAGE`]) from the first fragment on, how many fragments begin before; empty if they
    /// lie far apart.
    pub(crate) pages: Vec<u32>,
    /// Which fragment is a part of which function: pairs of function and part, sorted.
    pub(crate) parts: Vec<(u32, u32)>,
    /// By address, then the preferred name first.
    pub(crate) symbols: Vec<Symbol>,
    /// Where execution begins; 0 if nowhere.
    pub(crate) entry: u64,
    /// What the loader maps, for images whose loader maps segments (ELF).
    pub(crate) segments: Vec<Segment>,
    /// Whether it names a program (`ld.so`) that loads other images for it.
    pub(crate) interpreted: bool,
    /// The slots that the stubs of a lazily bound PLT number (`push 3; jmp .plt`), in that order.
    pub(crate) lazy_slots: Vec<u64>,
    /// What the compilers and linkers that made it wrote into it.
    pub(crate) producers: Vec<String>,
    /// Whether the loader may move the image, so that a word without relocation is no address.
    pub(crate) movable: bool,
    /// Where the symbols lie that a relocatable object leaves undefined: an invented range of addresses.
    pub(crate) outside: (u64, u64),
    /// An archive's members: where each begins, and its name.
    pub(crate) members: Vec<(u64, Name)>,
    /// Data between the code, as AArch64's mapping symbols tell: by address.
    pub(crate) literals: Vec<(u64, u64)>,
    /// Whether it has or uses anything that returns twice; empty until asked.
    pub(crate) twice: OnceLock<bool>,
    /// What following each fragment as a thunk says; see `resolve`.
    pub(crate) thunks: Vec<AtomicU8>,
}

/// What occupies a range of addresses when the image is loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub start: u64,
    pub end: u64,
    /// Where its contents begin in [`Image::bytes`]; none for zeroes, and for what is never asked for.
    pub offset: Option<usize>,
    pub executable: bool,
    /// Nothing writes here but the loader.
    pub constant: bool,
    /// Holds linker stubs (`.plt` and its kin, `__stubs`, import thunks).
    pub stubs: bool,
    /// The size of each entry (stub), in bytes; 0 if the file does not say.
    pub entry_size: u64,
    /// Its name, if that is a string of the file.
    pub name: Option<Name>,
}

/// A part of the file that the loader maps (`PT_LOAD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its address, before the loader moves the image.
    pub address: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its size in the file, in bytes.
    pub file_size: u64,
    pub executable: bool,
}

/// A word of the image that the loader fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub at: u64,
    pub bound: Bound,
}

/// What the loader puts into a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The address of a symbol of another image (or one that another image may override).
    Symbol(Name),
    /// The same, but only when it is first called through.
    Lazily(Name),
    /// An address of this image.
    Address(u64),
    /// What the resolver function at this address returns.
    Resolved(u64),
    /// Something that is no code address: a thread-local offset, a size, several relocations at once.
    Other,
}

/// A NUL-terminated string's offset in the image's bytes: six bytes in big-endian order, as there are many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name([u8; 6]);

impl Name {
    /// The string at that offset. There is none beyond the 2^48 bytes that can be addressed.
    pub(crate) fn new(offset: usize) -> Self {
        let [_, _, rest @ ..] = (offset as u64).to_be_bytes();
        Self(rest)
    }

    /// Its offset.
    pub(crate) fn offset(self) -> usize {
        let Self([a, b, c, d, e, f]) = self;
        usize::try_from(u64::from_be_bytes([0, 0, a, b, c, d, e, f])).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Name({:#x})", self.offset())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub address: u64,
    pub name: Name,
    /// Not the function, but what chooses it when the image is loaded (`STT_GNU_IFUNC`).
    pub resolver: bool,
    /// An old version of the symbol, kept for programs that were linked to it (`memcpy@GLIBC_2.2.5`): not what the
    /// name means today.
    pub superseded: bool,
}

/// A stretch of code: a whole function, or a part of one that lies elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment {
    pub start: u64,
    pub end: u64,
    pub name: Option<Name>,
    /// The function it is a part of (an index into `functions`), for a `.cold` or `.warm` part or a remainder.
    pub part_of: Option<u32>,
    /// Whether unwinding may enter it: the unwind table does not tell, or tells of a language's own table.
    pub has_landing_pads: bool,
}

impl Image {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The compilers and linkers that made it, as they signed it (ELF's `.comment`): `rustc version 1.95.0 (…)`.
    #[must_use]
    pub fn producers(&self) -> &[String] {
        &self.producers
    }

    /// The instruction set.
    #[must_use]
    pub const fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Whether it names none of its functions.
    pub(crate) fn is_stripped(&self) -> bool {
        self.functions.iter().all(|piece| piece.name.is_none())
    }

    /// What must be added to the image's addresses where the part of the file from `offset` on is mapped at `start`.
    ///
    /// Two segments may share a page of the file, so it takes one that is as executable as the mapping.
    pub(crate) fn bias(&self, start: u64, offset: u64, executable: bool) -> Option<u64> {
        const PAGE: u64 = 0xfff;
        let holds = |segment: &&Segment| {
            (segment.offset & !PAGE..segment.offset.saturating_add(segment.file_size))
                .contains(&offset)
        };
        let segment = self
            .segments
            .iter()
            .filter(holds)
            .min_by_key(|segment| segment.executable != executable)?;
        let address = segment
            .address
            .wrapping_add(offset)
            .wrapping_sub(segment.offset);
        Some(start.wrapping_sub(address))
    }

    /// The names of what the loader binds from other images.
    pub(crate) fn imports(&self) -> impl Iterator<Item = &str> {
        self.bindings().filter_map(|(_, bound)| match bound {
            Bound::Symbol(name) | Bound::Lazily(name) => Some(self.text(name)),
            _ => None,
        })
    }

    /// Every word that the loader fills in, by address, and what with.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = (u64, Bound)> {
        self.slots.iter().map(|slot| (slot.at, slot.bound))
    }

    /// Where the linker's stub around an address begins.
    pub(crate) fn stub_around(&self, address: u64) -> Option<u64> {
        let section = self.section_at(address).filter(|section| section.stubs)?;
        let size = match section.entry_size {
            0 => 16,
            size => size,
        };
        Some(address - (address - section.start) % size)
    }

    /// The piece that contains an address.
    pub(crate) fn fragment_at(&self, address: u64) -> Option<usize> {
        let at = self.fragments_before(address)?;
        (address < self.functions[at].end).then_some(at)
    }

    /// The piece that begins at an address.
    pub(crate) fn fragment_from(&self, address: u64) -> Option<usize> {
        let at = self.fragments_before(address)?;
        (address == self.functions[at].start).then_some(at)
    }

    /// Whether a function begins at an address, and no part of one. None where only unwinding tells that something does:
    /// without names, parts are no different.
    pub(crate) fn begins_function(&self, address: u64) -> Option<bool> {
        let Some(piece) = self.fragment_from(address) else {
            return Some(false);
        };
        let piece = self.functions[piece];
        let name = self.text(piece.name?);
        Some(piece.part_of.is_none() && whole_name(name).is_none())
    }

    /// The last piece that begins at an address or before.
    fn fragments_before(&self, address: u64) -> Option<usize> {
        let first = self.functions.first()?.start;
        let page = usize::try_from(address.checked_sub(first)? / PAGE).unwrap_or(usize::MAX);
        // Between the first of this page's and of the next's; behind the last page is the last.
        let from = self.pages.get(page).map_or(0, |&from| from as usize);
        let to = self
            .pages
            .get(page.saturating_add(1))
            .map_or(self.functions.len(), |&to| to as usize);
        let among = &self.functions[from..to];
        (from + among.partition_point(|piece| piece.start <= address)).checked_sub(1)
    }

    /// The symbol that a relocatable object leaves undefined and that was given this address.
    pub(crate) fn undefined(&self, address: u64) -> Option<Name> {
        let (start, end) = self.outside;
        if (start..end).contains(&address) {
            self.name_at(address)
        } else {
            None
        }
    }

    /// The archive member that an address belongs to.
    pub(crate) fn member_at(&self, address: u64) -> Option<&str> {
        let at = self
            .members
            .partition_point(|member| member.0 <= address)
            .checked_sub(1)?;
        Some(self.text(self.members[at].1))
    }

    /// Whether an address lies in data between the code.
    pub(crate) fn is_literal(&self, address: u64) -> bool {
        let after = self
            .literals
            .partition_point(|literal| literal.0 <= address);
        after
            .checked_sub(1)
            .is_some_and(|at| address < self.literals[at].1)
    }

    /// The section that contains an address.
    pub(crate) fn section_at(&self, address: u64) -> Option<&Section> {
        section_of(&self.sections, address)
    }

    /// Where the bytes at an address lie in the file, at most `len`, to the end of the section.
    pub(crate) fn place(&self, address: u64, len: usize) -> Range<usize> {
        let found = self.section_at(address).and_then(|section| {
            let skip = usize::try_from(address - section.start).ok()?;
            let left = usize::try_from(section.end - address).ok()?.min(len);
            let from = section.offset?.checked_add(skip)?;
            let to = from.checked_add(left)?;
            (to <= self.bytes.len()).then_some(from..to)
        });
        found.unwrap_or(0..0)
    }

    /// Those bytes.
    pub(crate) fn contents(&self, address: u64, len: usize) -> &[u8] {
        &self.bytes[self.place(address, len)]
    }

    /// Whether nothing but the loader writes the word at an address.
    pub(crate) fn is_constant(&self, address: u64) -> bool {
        self.section_at(address)
            .is_some_and(|section| section.constant)
            || self
                .relro
                .iter()
                .any(|&(start, end)| address >= start && address.saturating_add(8) <= end)
    }

    /// Whether an address lies in code.
    pub(crate) fn is_code(&self, address: u64) -> bool {
        self.section_at(address)
            .is_some_and(|section| section.executable)
    }

    /// Whether the word at an address is a constant that a call may go through.
    pub(crate) fn holds_code(&self, address: u64) -> bool {
        self.is_constant(address)
            && match self.bound(address) {
                Some(Bound::Address(to)) => self.is_code(to),
                Some(Bound::Symbol(_) | Bound::Lazily(_) | Bound::Resolved(_)) => true,
                Some(Bound::Other) | None => false,
            }
    }

    /// What the loader puts into the word at an address.
    pub(crate) fn bound(&self, address: u64) -> Option<Bound> {
        if let Ok(at) = self.slots.binary_search_by_key(&address, |slot| slot.at) {
            return Some(self.slots[at].bound);
        }
        if self.movable {
            return None;
        }
        let word: [u8; 8] = self.contents(address, 8).try_into().ok()?;
        Some(Bound::Address(u64::from_le_bytes(word)))
    }

    /// The address of this image that a constant word holds.
    pub(crate) fn pointer(&self, address: u64) -> Option<u64> {
        match self.bound(address)? {
            Bound::Address(to) if self.is_constant(address) => Some(to),
            _ => None,
        }
    }

    /// The bytes from an address on that nothing writes, at most `len`.
    pub(crate) fn constants(&self, address: u64, len: u64) -> &[u8] {
        let len = if self
            .section_at(address)
            .is_some_and(|section| section.constant)
        {
            len
        } else {
            let holds = |&&(start, end): &&(u64, u64)| (start..end).contains(&address);
            match self.relro.iter().find(holds) {
                Some(&(_, end)) => len.min(end - address),
                None => 0,
            }
        };
        self.contents(address, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A name's text.
    pub(crate) fn text(&self, name: Name) -> &str {
        text(&self.bytes, name)
    }

    /// A name's first thousand bytes, enough to recognise it by: this is asked at every call.
    fn beginning(&self, name: Name) -> &str {
        let end = name.offset().saturating_add(1000).min(self.bytes.len());
        text(&self.bytes[..end], name)
    }

    /// The preferred name of what begins at an address.
    pub(crate) fn name_at(&self, address: u64) -> Option<Name> {
        let at = self
            .symbols
            .partition_point(|symbol| symbol.address < address);
        self.symbols
            .get(at)
            .filter(|symbol| symbol.address == address)
            .map(|symbol| symbol.name)
    }

    /// Every name of what begins at an address.
    pub(crate) fn names_at(&self, address: u64) -> impl Iterator<Item = &str> {
        let at = self
            .symbols
            .partition_point(|symbol| symbol.address < address);
        self.symbols[at..]
            .iter()
            .take_while(move |symbol| symbol.address == address)
            .map(|symbol| self.text(symbol.name))
    }

    /// Whether anything may come back twice (`setjmp`), as far as names tell.
    pub(crate) fn has_what_returns_twice(&self) -> bool {
        // The longest such name is shorter, its version's beginning included.
        let is_it = |name: Name| {
            let end = name.offset().saturating_add(32).min(self.bytes.len());
            names::returns_twice(text(&self.bytes[..end], name))
        };
        *self.twice.get_or_init(|| {
            let named = self.symbols.iter().any(|symbol| is_it(symbol.name));
            named
                || self.slots.iter().any(|slot| match slot.bound {
                    Bound::Symbol(name) | Bound::Lazily(name) => is_it(name),
                    _ => false,
                })
        })
    }

    /// Whether a call to this address may come back twice (`setjmp`), as far as its name tells.
    pub(crate) fn returns_twice(&self, address: u64) -> bool {
        match self.stub(address) {
            Some(Bound::Symbol(name) | Bound::Lazily(name)) => {
                names::returns_twice(self.text(name))
            }
            _ => self.names_at(address).any(names::returns_twice),
        }
    }

    /// The same for a call through the slot at this address.
    pub(crate) fn holds_what_returns_twice(&self, address: u64) -> bool {
        self.holds(address, names::returns_twice, Self::returns_twice)
    }

    /// Whether a call through the slot at this address never comes back, as far as its name tells.
    pub(crate) fn holds_what_never_returns(&self, address: u64) -> bool {
        self.holds(address, names::never_returns, Self::never_returns)
    }

    /// Whether a slot holds what is told by its name if it is elsewhere, or by its address if it is here.
    fn holds(
        &self,
        slot: u64,
        by_name: fn(&str) -> bool,
        by_address: fn(&Self, u64) -> bool,
    ) -> bool {
        match self.bound(slot) {
            Some(Bound::Symbol(name) | Bound::Lazily(name)) => by_name(self.beginning(name)),
            Some(Bound::Address(to)) => by_address(self, to),
            _ => false,
        }
    }

    /// Whether a piece begins here that is what another function inside it left of its own.
    pub(crate) fn is_remainder(&self, address: u64) -> bool {
        self.fragment_from(address).is_some_and(|piece| {
            self.functions[piece].part_of.is_some() && self.functions[piece].name.is_none()
        })
    }

    /// Whether a direct call to this address never comes back, as far as its name tells.
    pub(crate) fn never_returns(&self, address: u64) -> bool {
        // Of a function with a name, the same sooner.
        let piece = self.fragment_from(address);
        let name = piece.and_then(|piece| self.functions[piece].name);
        match name.or_else(|| self.name_at(address)) {
            Some(name) => names::never_returns(self.beginning(name)),
            None => match self.stub(address) {
                Some(Bound::Symbol(name) | Bound::Lazily(name)) => {
                    names::never_returns(self.beginning(name))
                }
                _ => false,
            },
        }
    }
}

/// Between neighbouring entries of [`Image::pages`] lie so many bytes.
const PAGE: u64 = 1 << 10;

/// The name of the function that one of this name is a part of: `name` for `name.cold`, `name.warm` and their kin.
fn whole_name(name: &str) -> Option<&str> {
    // .cold: gcc's, clang's and BOLT's; .warm: BOLT's.
    let end = name.find(".cold").or_else(|| name.find(".warm"))?;
    Some(&name[..end])
}

fn section_of(sections: &[Section], address: u64) -> Option<&Section> {
    let at = sections
        .partition_point(|section| section.start <= address)
        .checked_sub(1)?;
    sections.get(at).filter(|section| address < section.end)
}

/// A name's text; bytes that are no UTF-8 end it.
fn text(bytes: &[u8], name: Name) -> &str {
    let bytes = bytes.get(name.offset()..).unwrap_or(&[]);
    let bytes = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
