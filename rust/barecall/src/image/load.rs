//! Opening a file: what kind it is, and an [`Image`] built of the raw parts that its format's reader finds in it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

use super::bounds::File;
use super::kind::{Kind, UNIVERSAL, is_bitcode, kind_of, what_is};
use super::parts::{Contents, Parts};
use super::{
    Bound, Format, Fragment, Image, Name, PAGE, Section, Slot, elf, fragments, macho, object, pe,
    section_of, text,
};
use crate::error::Error;

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
        if kind_of(&bytes).is_some() {
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
        let file = File::new(&path, &bytes);
        let parts = match kind_of(&bytes) {
            Some(Kind::Archive) => object::archive(&file)?,
            Some(Kind::Object(format)) => object::object(&file, format)?,
            Some(Kind::Linked(Format::Elf)) => elf::read(&file)?,
            Some(Kind::Linked(Format::MachO)) => macho::read(&file)?,
            Some(Kind::Linked(Format::Pe)) => pe::read(file)?,
            None => return Err(unread(path, &bytes)),
        };
        Ok(build(path, bytes, parts))
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
}

/// Bytes that tell what kind of file it is: a PE image says so some way in.
const BEGINNING: u64 = 1 << 16;

/// Sorts the raw parts, settles what they contradict each other about, and makes an image of them.
fn build(path: PathBuf, file: Vec<u8>, parts: Parts) -> Image {
    let (mut bytes, strings) = match parts.contents {
        Contents::Made(bytes) => {
            drop(file);
            (bytes, Vec::new())
        }
        Contents::File { behind, strings } => {
            let mut bytes = file;
            bytes.extend(behind);
            (bytes, strings)
        }
    };
    let mut slots = settled(&bytes, parts.slots);
    let mut sections = parts.sections;
    let (mut functions, mut symbols) =
        fragments::of(&bytes, &sections, parts.candidates, parts.spans);
    // They lie behind all others, so that the order holds.
    symbols.extend(parts.undefined);
    let mut literals = parts.literals;
    literals.extend(between(&sections, parts.marks));
    literals.sort_unstable();
    if !strings.is_empty() {
        let moved = compact(&mut bytes, &sections, strings);
        for section in &mut sections {
            section.offset = section.offset.map(&moved);
            section.name = section.name.map(|name| Name::new(moved(name.offset())));
        }
        let renamed = |name: Name| Name::new(moved(name.offset()));
        for slot in &mut slots {
            if let Bound::Symbol(name) | Bound::Lazily(name) = &mut slot.bound {
                *name = renamed(*name);
            }
        }
        for function in &mut functions {
            function.name = function.name.map(renamed);
        }
        for symbol in &mut symbols {
            symbol.name = renamed(symbol.name);
        }
    }
    let mut fragments_of: Vec<_> = (0u32..)
        .zip(&functions)
        .filter_map(|(part, fragment)| Some((fragment.part_of?, part)))
        .collect();
    fragments_of.sort_unstable();
    Image {
        path,
        bytes,
        architecture: parts.architecture,
        format: parts.format,
        sections,
        relro: parts.relro,
        slots,
        pages: pages(&functions),
        parts: fragments_of,
        thunks: functions.iter().map(|_| AtomicU8::new(0)).collect(),
        functions,
        symbols,
        entry: parts.entry,
        segments: parts.segments,
        interpreted: parts.interpreted,
        lazy_slots: parts.lazy_slots,
        producers: parts.producers,
        movable: parts.movable,
        outside: parts.outside,
        members: parts.members,
        literals,
        twice: OnceLock::new(),
    }
}

/// The slots of all layers by address. What one layer writes to an address twice, and differently, is
/// [`Bound::Other`]; each layer takes the place of those before it.
fn settled(bytes: &[u8], layers: Vec<Vec<Slot>>) -> Vec<Slot> {
    let same = |a: Bound, b: Bound| match (a, b) {
        (Bound::Symbol(a), Bound::Symbol(b)) | (Bound::Lazily(a), Bound::Lazily(b)) => {
            a == b || text(bytes, a) == text(bytes, b)
        }
        _ => a == b,
    };
    let mut settled: Vec<Slot> = Vec::new();
    for mut layer in layers {
        layer.sort_by_key(|slot| slot.at);
        layer.dedup_by(|later, first| {
            let again = later.at == first.at;
            if again && !same(later.bound, first.bound) {
                first.bound = Bound::Other;
            }
            again
        });
        settled.retain(|slot| {
            layer
                .binary_search_by_key(&slot.at, |above| above.at)
                .is_err()
        });
        if settled.is_empty() {
            settled = layer;
        } else {
            settled.append(&mut layer);
            settled.sort_by_key(|slot| slot.at);
        }
    }
    settled.shrink_to_fit();
    settled
}

/// The data between the code: from each mark of data to the next mark, or the section's end.
fn between(sections: &[Section], mut marks: Vec<(u64, bool)>) -> Vec<(u64, u64)> {
    marks.retain(|mark| section_of(sections, mark.0).is_some_and(|section| section.executable));
    marks.sort_unstable();
    // Where both stand, the data is empty.
    let ends = marks.iter().skip(1).map(|mark| mark.0).chain([u64::MAX]);
    marks
        .iter()
        .zip(ends)
        .filter(|(mark, _)| mark.1)
        .filter_map(|(mark, next)| {
            let end = section_of(sections, mark.0)?.end.min(next);
            (mark.0 < end).then_some((mark.0, end))
        })
        .collect()
}

/// Lets go of the bytes that are neither in a section nor in a table of strings: symbol tables, relocations, debug
/// information. Returns where each byte that is left lies now.
fn compact(
    bytes: &mut Vec<u8>,
    sections: &[Section],
    strings: Vec<(usize, usize)>,
) -> impl Fn(usize) -> usize + use<> {
    /// A smaller gap is not worth moving what is behind it.
    const GAP: usize = 1 << 16;
    let mut kept = strings;
    kept.extend(sections.iter().filter_map(|section| {
        let from = section.offset?;
        let size = usize::try_from(section.end - section.start).ok()?;
        Some((from, from.checked_add(size)?))
    }));
    kept.sort_unstable();
    // Each stretch that is kept: where it began, and where it begins now.
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    let (mut read, mut written) = (0, 0);
    for (from, to) in kept {
        let to = to.min(bytes.len());
        // A table of strings may lie about where it is.
        if to <= read || from >= to {
            continue;
        }
        let start = if from.saturating_sub(read) < GAP {
            read
        } else {
            from
        };
        if stretches.is_empty() || start != read {
            stretches.push((start, written));
        }
        if start != written {
            bytes.copy_within(start..to, written);
        }
        written += to - start;
        read = to;
    }
    bytes.truncate(written);
    bytes.shrink_to_fit();
    move |offset| {
        let at = stretches.partition_point(|stretch| stretch.0 <= offset);
        let (from, now) = at.checked_sub(1).map_or((0, 0), |at| stretches[at]);
        now + (offset - from)
    }
}

/// See [`Image::pages`].
fn pages(functions: &[Fragment]) -> Vec<u32> {
    let (Some(first), Some(last)) = (functions.first(), functions.last()) else {
        return Vec::new();
    };
    let span = (last.start - first.start) / PAGE;
    if span > 16 * functions.len() as u64 {
        return Vec::new();
    }
    let mut pages = Vec::new();
    for (n, fragment) in (0u32..).zip(functions) {
        let page = (fragment.start - first.start) / PAGE;
        while pages.len() as u64 <= page {
            pages.push(n);
        }
    }
    pages
}

/// Why bytes that no reader takes are not read.
fn unread(path: PathBuf, bytes: &[u8]) -> Error {
    let known = ::object::FileKind::parse(bytes).is_ok() || is_bitcode(bytes);
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
