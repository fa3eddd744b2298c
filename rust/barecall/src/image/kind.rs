//! What kind of file bytes are, as their beginning tells.

use object::macho;
use object::read::elf::FileHeader as _;
use object::read::macho::MachHeader as _;
use object::{FileKind, LittleEndian as LE, elf, pe};

use crate::target::Format;

/// A kind of file that this crate reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Archive,
    /// Relocatable: it has yet to be linked.
    Object(Format),
    /// An executable or a library; or an ELF or Mach-O file that is neither, which its reader says.
    Linked(Format),
}

/// The kind of file that begins with these bytes; none if it is not one that this crate reads.
pub(super) fn kind_of(bytes: &[u8]) -> Option<Kind> {
    let machine = bytes.first_chunk().map(|two| u16::from_le_bytes(*two));
    let known = if bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n") {
        Kind::Archive
    } else if bytes.starts_with(&elf::ELFMAG) {
        match elf::FileHeader64::<LE>::parse(bytes) {
            Ok(header) if header.e_type(LE) == elf::ET_REL => Kind::Object(Format::Elf),
            _ => Kind::Linked(Format::Elf),
        }
    } else if bytes.starts_with(&macho::MH_MAGIC_64.to_le_bytes()) {
        match macho::MachHeader64::<LE>::parse(bytes, 0) {
            Ok(header) if header.filetype(LE) == macho::MH_OBJECT => Kind::Object(Format::MachO),
            _ => Kind::Linked(Format::MachO),
        }
    } else if matches!(FileKind::parse(bytes), Ok(FileKind::Pe64)) {
        Kind::Linked(Format::Pe)
    } else if machine.is_some_and(|machine| COFF_MACHINES.contains(&pe::Machine(machine))) {
        Kind::Object(Format::Pe)
    } else {
        return None;
    };
    Some(known)
}

/// The machines for which a COFF object is read, and one that its reader names.
const COFF_MACHINES: [pe::Machine; 3] = [
    pe::IMAGE_FILE_MACHINE_AMD64,
    pe::IMAGE_FILE_MACHINE_ARM64,
    pe::IMAGE_FILE_MACHINE_ARM64EC,
];

pub(super) const UNIVERSAL: &str = "a universal Mach-O file";

/// What kind of file the bytes are, in words.
pub(super) fn what_is(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is empty".to_owned();
    }
    let known = match FileKind::parse(bytes) {
        _ if is_bitcode(bytes) => "LLVM bitcode",
        Ok(FileKind::MachO32) => "a 32-bit Mach-O file",
        Ok(FileKind::MachO64) => "a Mach-O file",
        Ok(FileKind::MachOFat32 | FileKind::MachOFat64) => UNIVERSAL,
        Ok(FileKind::DyldCache) => "a dyld cache",
        Ok(FileKind::Pe32) => "a 32-bit PE image",
        Ok(FileKind::Pe64) => "a PE image",
        Ok(FileKind::Coff) => "a COFF object",
        Ok(FileKind::CoffBig) => "a COFF object of the big kind (/bigobj)",
        Ok(FileKind::CoffImport) => "a member of an import library",
        Ok(FileKind::Archive) => "an archive",
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

pub(super) fn is_bitcode(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BC\xc0\xde") || bytes.starts_with(b"\xde\xc0\x17\x0b")
}
