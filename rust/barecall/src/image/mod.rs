//! An object file as a linker or loader left it: code, names, and what each slot holds.

use std::ffi::CStr;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

use crate::error::Error;
use crate::names;
pub(crate) use crate::target::{Architecture, Format};

mod elf;
mod linked;
mod macho;
mod pe;
mod pieces;
mod relocatable;

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
    pub(crate) bytes: Vec<u8>,
    pub(crate) architecture: Architecture,
    pub(crate) format: Format,
    /// What occupies memory when the image is loaded, by address, without overlap.
    pub(crate) sections: Vec<Section>,
    /// Addresses that nothing writes once the image is loaded, beside the read-only sections.
    pub(crate) relro: Vec<(u64, u64)>,
    /// By address.
    pub(crate) slots: Vec<Slot>,
    /// By address; pieces of functions, without overlap.
    pub(crate) functions: Vec<Piece>,
    /// For every so many bytes ([`PAGE`]) from the first piece on, how many pieces begin before; empty if they lie far
    /// apart.
    pub(crate) pages: Vec<u32>,
    /// Which piece is a part of which function: pairs of function and part, sorted.
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
    /// What following each piece as a thunk says: 0 not asked yet, 1 no, 2 yes, 3 it is Go's
    /// side of a call into C.
    pub(crate) thunks: Vec<AtomicU8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub start: u64,
    pub end: u64,
    /// Where its contents begin in the file; none for zeroes.
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
    /// Its size in memory, in bytes.
    pub memory_size: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its size in the file, in bytes.
    pub file_size: u64,
    pub executable: bool,
    pub writable: bool,
}

/// A word of the image that the loader fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub at: u64,
    pub bound: Bound,
}

/// What the loader puts there.
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

/// A NUL-terminated string's offset in the image's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub usize);

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
pub(crate) struct Piece {
    pub start: u64,
    pub end: u64,
    pub name: Option<Name>,
    /// The function it is a part of (an index into `functions`), for a `.cold` or `.warm` part or a remainder.
    pub part_of: Option<u32>,
    /// Whether unwinding may enter it: the unwind table does not tell, or tells of a language's own table.
    pub padded: bool,
}

impl Image {
    /// Reads an executable, a shared library, a relocatable object, a static archive or an rlib.
    ///
    /// Objects and archives are linked in memory, at invented addresses, as far as they go: a call to a symbol
    /// that they define is [`Route::Direct`](crate::Route::Direct), one through the GOT is bare as well, and one
    /// to a symbol that they leave undefined is [`Route::Unresolved`](crate::Route::Unresolved): it becomes
    /// direct in a static image and goes through a PLT stub to a shared library, so only the linked image can
    /// tell. It still names its target.
    ///
    /// The formats are ELF, Mach-O and PE/COFF, each for x86-64 and AArch64.
    ///
    /// # Errors
    /// When the file cannot be read, is not an object file, is damaged, or is of a kind that is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let kind = std::fs::metadata(path).map_err(io)?.file_type();
        if !kind.is_file() {
            let kind = if kind.is_dir() {
                "a directory"
            } else {
                "a FIFO, socket or device"
            };
            return Err(Error::NotAFile {
                path: path.to_owned(),
                kind,
            });
        }
        // What is no image is told by its beginning, however long it is.
        let mut file = std::fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        (&mut file)
            .take(BEGINNING)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        if is_read(&bytes) {
            let len = file.metadata().map_err(io)?.len();
            let left = usize::try_from(len)
                .unwrap_or(usize::MAX)
                .saturating_sub(bytes.len());
            bytes
                .try_reserve_exact(left)
                .map_err(|error| io(std::io::Error::new(std::io::ErrorKind::OutOfMemory, error)))?;
            file.read_to_end(&mut bytes).map_err(io)?;
        }
        Self::read(path, bytes)
    }

    /// Reads an image from memory; `path` is what errors and reports call it.
    ///
    /// # Errors
    /// As [`Image::open`], except for reading the file.
    pub fn read(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, Error> {
        let path = path.into();
        let mut image = if is_archive(&bytes) {
            relocatable::archive(path.clone(), &bytes)?
        } else if elf::is_relocatable(&bytes)
            || macho::is_relocatable(&bytes)
            || relocatable::is_coff(&bytes)
        {
            relocatable::object(path.clone(), &bytes)?
        } else if bytes.starts_with(b"\x7fELF") {
            elf::read(path.clone(), bytes)?
        } else if macho::is_macho(&bytes) {
            macho::read(path.clone(), bytes)?
        } else if pe::is_pe(&bytes) {
            pe::read(path.clone(), bytes)?
        } else {
            return Err(unread(path, &bytes));
        };
        image.path = path;
        image.parts = (0u32..)
            .zip(&image.functions)
            .filter_map(|(part, piece)| Some((piece.part_of?, part)))
            .collect();
        image.parts.sort_unstable();
        image.pages = pages(&image.functions);
        image.thunks = image.functions.iter().map(|_| AtomicU8::new(0)).collect();
        Ok(image)
    }

    /// The running program's own image, as it lies on disk.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn current() -> Result<Self, Error> {
        let path = std::env::current_exe().map_err(|source| Error::Io {
            path: "the running program".into(),
            source,
        })?;
        Self::open(path)
    }

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
    pub(crate) fn piece_at(&self, address: u64) -> Option<usize> {
        let at = self.pieces_before(address)?;
        (address < self.functions[at].end).then_some(at)
    }

    /// The piece that begins at an address.
    pub(crate) fn piece_from(&self, address: u64) -> Option<usize> {
        let at = self.pieces_before(address)?;
        (address == self.functions[at].start).then_some(at)
    }

    /// Whether a function begins at an address, and no part of one. None where only unwinding tells that something does:
    /// without names, parts are no different.
    pub(crate) fn begins_function(&self, address: u64) -> Option<bool> {
        let Some(piece) = self.piece_from(address) else {
            return Some(false);
        };
        let piece = self.functions[piece];
        let name = self.text(piece.name?);
        Some(piece.part_of.is_none() && pieces::part_of(name).is_none())
    }

    /// The last piece that begins at an address or before.
    fn pieces_before(&self, address: u64) -> Option<usize> {
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
        let end = name.0.saturating_add(1000).min(self.bytes.len());
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
            let end = name.0.saturating_add(32).min(self.bytes.len());
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
        match self.bound(address) {
            Some(Bound::Symbol(name) | Bound::Lazily(name)) => {
                names::returns_twice(self.text(name))
            }
            Some(Bound::Address(to)) => self.returns_twice(to),
            _ => false,
        }
    }

    /// Whether a call through the slot at this address never comes back, as far as its name tells.
    pub(crate) fn holds_what_never_returns(&self, address: u64) -> bool {
        match self.bound(address) {
            Some(Bound::Symbol(name) | Bound::Lazily(name)) => {
                names::never_returns(self.beginning(name))
            }
            Some(Bound::Address(to)) => self.never_returns(to),
            _ => false,
        }
    }

    /// Whether a piece begins here that is what another function inside it left of its own.
    pub(crate) fn is_remainder(&self, address: u64) -> bool {
        self.piece_from(address).is_some_and(|piece| {
            self.functions[piece].part_of.is_some() && self.functions[piece].name.is_none()
        })
    }

    /// Whether a direct call to this address never comes back, as far as its name tells.
    pub(crate) fn never_returns(&self, address: u64) -> bool {
        // Of a function with a name, the same sooner.
        let piece = self.piece_from(address);
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

/// See [`Image::pages`].
fn pages(functions: &[Piece]) -> Vec<u32> {
    let (Some(first), Some(last)) = (functions.first(), functions.last()) else {
        return Vec::new();
    };
    let span = (last.start - first.start) / PAGE;
    if span > 16 * functions.len() as u64 {
        return Vec::new();
    }
    let mut pages = Vec::new();
    for (n, piece) in (0u32..).zip(functions) {
        let page = (piece.start - first.start) / PAGE;
        while pages.len() as u64 <= page {
            pages.push(n);
        }
    }
    pages
}

/// Bytes that tell what kind of file it is: a PE image says so some way in.
const BEGINNING: u64 = 1 << 16;

/// Whether these are the first bytes of a file that is read on.
fn is_read(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
        || is_archive(bytes)
        || macho::is_macho(bytes)
        || pe::is_pe(bytes)
        || relocatable::is_coff(bytes)
}

fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n")
}

/// Why bytes that no reader takes are not read.
fn unread(path: PathBuf, bytes: &[u8]) -> Error {
    let known = object::FileKind::parse(bytes).is_ok() || is_bitcode(bytes);
    let detail = what_is(bytes);
    if known {
        let hint = if detail == UNIVERSAL {
            "take out the part for one architecture with `lipo -thin arm64 FILE -output NEW`; that is"
        } else {
            "executables, libraries, objects and archives in ELF, Mach-O and PE/COFF for x86-64 and AArch64 are"
        };
        let detail = format!("{detail}; {hint}");
        return Error::Unsupported { path, detail };
    }
    Error::NotAnObject { path, detail }
}

const UNIVERSAL: &str = "a universal Mach-O file";

/// What kind of file the bytes are, in words.
fn what_is(bytes: &[u8]) -> String {
    use object::FileKind as Kind;
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    let known = match object::FileKind::parse(bytes) {
        _ if is_bitcode(bytes) => "LLVM bitcode",
        Ok(Kind::MachO32) => "a 32-bit Mach-O file",
        Ok(Kind::MachO64) => "a Mach-O file",
        Ok(Kind::MachOFat32 | Kind::MachOFat64) => UNIVERSAL,
        Ok(Kind::DyldCache) => "a dyld cache",
        Ok(Kind::Pe32) => "a 32-bit PE image",
        Ok(Kind::Pe64) => "a PE image",
        Ok(Kind::Coff) => "a COFF object",
        Ok(Kind::CoffBig) => "a COFF object of the big kind (/bigobj)",
        Ok(Kind::CoffImport) => "a member of an import library",
        Ok(Kind::Archive) => "an archive",
        Ok(_) => "an object file of another format",
        Err(_) => {
            let head: Vec<String> = bytes
                .iter()
                .take(4)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            return format!("it begins with {}", head.join(" "));
        }
    };
    known.to_owned()
}

fn is_bitcode(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BC\xc0\xde") || bytes.starts_with(b"\xde\xc0\x17\x0b")
}

fn section_of(sections: &[Section], address: u64) -> Option<&Section> {
    let at = sections
        .partition_point(|section| section.start <= address)
        .checked_sub(1)?;
    sections.get(at).filter(|section| address < section.end)
}

/// A name's text; bytes that are no UTF-8 end it.
fn text(bytes: &[u8], name: Name) -> &str {
    let bytes = bytes.get(name.0..).unwrap_or(&[]);
    let bytes = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    /// The start, end and file offset of this process's executable mapping of that name.
    fn mapped(is_it: impl Fn(&str) -> bool) -> (u64, u64, u64) {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps
            .lines()
            .find(|line| line.contains(" r-xp ") && is_it(line))
            .unwrap();
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        // `start-end r-xp offset …`
        let fields: Vec<_> = line.split(['-', ' ']).collect();
        (hex(fields[0]), hex(fields[1]), hex(fields[4]))
    }

    #[test]
    fn the_bias_of_a_mapping_leads_to_the_functions_in_it() {
        let program = std::env::current_exe().unwrap();
        let (start, _, offset) = mapped(|line| line.ends_with(program.to_str().unwrap()));
        let image = Image::current().unwrap();
        let bias = image.bias(start, offset, true).unwrap();
        let here = Image::current as fn() -> Result<Image, Error> as usize as u64;
        let function = image.function_at(here - bias).unwrap();
        assert_eq!(function.address(), here - bias);
        assert!(function.name().ends_with("Image::current"), "{function:?}");
        assert_ne!(image.entry, 0);
        assert!(image.interpreted);
        assert!(image.imports().any(|name| name == "memcpy"));
    }

    #[test]
    fn the_vdso_is_an_image_in_memory() {
        let (start, end, offset) = mapped(|line| line.ends_with("[vdso]"));
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
        memory.seek(std::io::SeekFrom::Start(start)).unwrap();
        memory.read_exact(&mut bytes).unwrap();
        let image = Image::read("[vdso]", bytes).unwrap();
        assert_eq!(image.bias(start, offset, true), Some(start));
        assert!(image.function("__vdso_clock_gettime").is_ok());
        assert!(!image.interpreted);
    }

    #[test]
    fn symbols_tell_resolvers_and_old_versions() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps
            .lines()
            .find_map(|line| Some(&line[line.find('/')?..]).filter(|p| p.ends_with("/libc.so.6")))
            .unwrap();
        let libc = Image::open(path).unwrap();
        let named = |wanted: &str| {
            libc.symbols
                .iter()
                .filter(|symbol| libc.text(symbol.name) == wanted)
                .copied()
                .collect::<Vec<_>>()
        };
        let copies = named("memcpy");
        let (old, current): (Vec<_>, Vec<_>) =
            copies.into_iter().partition(|symbol| symbol.superseded);
        assert!(!current.is_empty());
        if libc.architecture() == Architecture::X86_64 {
            assert!(current.iter().all(|symbol| symbol.resolver));
            assert!(!old.is_empty());
        }
        assert!(named("puts").iter().all(|symbol| !symbol.resolver));
    }
}
