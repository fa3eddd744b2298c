//! Relocatable files: ELF, Mach-O and COFF objects, static archives and rlibs, linked in memory to see where their calls lead.
//!
//! What a call in an object reaches is decided by its relocation. So the object (or all objects of an archive
//! together) is given invented addresses, every symbol that it leaves undefined an address of its own outside
//! all sections, and every symbol taken from the GOT a slot; then the relocations are applied, as a linker
//! would, and the result is read like a linked image. Nothing here is a stub: whether a call to an undefined
//! symbol goes through one is for the real linker to say, so such a call is `unresolved`, and still names it.
//!
//! A call to a symbol that is defined here is `direct`: it is when an executable is linked from this. A shared
//! library may interpose a PLT stub before a symbol that it exports; read the library to see it.
//!
//! The relocations of Mach-O and COFF are put as those of ELF that say the same.

use object::read::archive::ArchiveFile;

use self::layout::Layout;
use super::Format;
use super::bounds::File;
use super::kind::{Kind, kind_of, what_is};
use super::parts::Parts;
use crate::error::Error;

mod coff;
mod elf;
mod layout;
mod link;
mod macho;
mod patch;

/// Reads one relocatable object.
pub(super) fn object(file: &File<'_>, format: Format) -> Result<Parts, Error> {
    let mut layout = Layout::default();
    add(&mut layout, File::new(file.path, file.bytes), format)?;
    link::link(layout, file)
}

/// Reads a static archive: every object in it. Other members (an rlib's metadata, bitcode) are passed over.
pub(super) fn archive(file: &File<'_>) -> Result<Parts, Error> {
    let bytes = file.bytes;
    let archive = ArchiveFile::parse(bytes).map_err(|error| file.damaged(0, error))?;
    if archive.is_thin() {
        return Err(
            file.unsupported("a thin archive, which only names its members' files; name those")
        );
    }
    let mut layout = Layout::default();
    let mut others = Vec::new();
    // Behind the last member that could be read.
    let mut end = 8;
    for member in archive.members() {
        let member = member.map_err(file.at(end, "the archive's member here"))?;
        // Long names are in a table, where they may overlap.
        file.read_name(member.name(), end)?;
        let (offset, size) = member.file_range();
        let data = member.data(bytes).map_err(|_| {
            let shown = String::from_utf8_lossy(member.name());
            let have = bytes.len();
            file.damaged(
                offset,
                format!("member {shown} claims {size} bytes here; the file has {have} in all"),
            )
        })?;
        end = offset.saturating_add(data.len() as u64);
        match kind_of(data) {
            // On Linux, an rlib's metadata is wrapped in an object without code.
            Some(Kind::Object(format) | Kind::Linked(format @ (Format::Elf | Format::MachO))) => {
                add(
                    &mut layout,
                    file.member(member.name(), offset, data),
                    format,
                )?;
            }
            _ if others.len() < 3 => {
                let shown = String::from_utf8_lossy(member.name());
                others.push(format!("{shown} ({})", what_is(data)));
            }
            _ => {}
        }
    }
    if layout.members.is_empty() {
        return Err(if others.is_empty() {
            file.unsupported("an archive without members")
        } else {
            file.unsupported(format!(
                "an archive without objects for x86-64 or AArch64; it holds {} …",
                others.join(", ")
            ))
        });
    }
    link::link(layout, file)
}

/// Lays out an object's sections and takes note of its symbols and relocations.
fn add<'a>(layout: &mut Layout<'a>, file: File<'a>, format: Format) -> Result<(), Error> {
    match format {
        Format::Elf => elf::add(layout, file),
        Format::MachO => macho::add(layout, file),
        Format::Pe => coff::add(layout, file),
    }
}
