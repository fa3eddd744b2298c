//! What a format's reader finds in a file: the raw parts of which [`super::load`] builds an [`Image`](super::Image).

use super::{Architecture, Format, Name, Section, Segment, Slot, Symbol};

/// The raw parts of an image. Unless a field says otherwise, they are in no order, and may contradict each other.
pub(super) struct Parts {
    pub architecture: Architecture,
    pub format: Format,
    pub contents: Contents,
    /// Sorted by address, and without overlap: [`File::in_order`](super::bounds::File::in_order).
    pub sections: Vec<Section>,
    pub segments: Vec<Segment>,
    pub interpreted: bool,
    pub entry: u64,
    pub relro: Vec<(u64, u64)>,
    /// What the loader writes. What it writes at one address twice is only known if both agree; but each layer
    /// takes the place of those before it.
    pub slots: Vec<Vec<Slot>>,
    pub lazy_slots: Vec<u64>,
    /// The names in the code, and the functions among them.
    pub candidates: Vec<Candidate>,
    /// The functions that other tables than symbols know.
    pub spans: Vec<Span>,
    /// The symbols that are left undefined, in the order of the addresses that were invented for them.
    pub undefined: Vec<Symbol>,
    pub outside: (u64, u64),
    pub producers: Vec<String>,
    pub movable: bool,
    pub members: Vec<(u64, Name)>,
    /// Data between the code, where a table tells.
    pub literals: Vec<(u64, u64)>,
    /// Where data begins (or code again), where marks tell.
    pub marks: Vec<(u64, bool)>,
}

/// What sections and names are offsets into.
pub(super) enum Contents {
    /// The file, and behind it names that are not in it as such.
    File {
        behind: Vec<u8>,
        /// The only tables of the file that names are in; empty if they may be anywhere.
        strings: Vec<(usize, usize)>,
    },
    /// Bytes made for this image.
    Made(Vec<u8>),
}

impl Contents {
    /// The file as it is.
    pub(super) const FILE: Self = Self::File {
        behind: Vec::new(),
        strings: Vec::new(),
    };
}

impl Parts {
    pub(super) fn new(architecture: Architecture, format: Format, contents: Contents) -> Self {
        Self {
            architecture,
            format,
            contents,
            sections: Vec::new(),
            segments: Vec::new(),
            interpreted: false,
            entry: 0,
            relro: Vec::new(),
            slots: Vec::new(),
            lazy_slots: Vec::new(),
            candidates: Vec::new(),
            spans: Vec::new(),
            undefined: Vec::new(),
            outside: (0, 0),
            producers: Vec::new(),
            movable: true,
            members: Vec::new(),
            literals: Vec::new(),
            marks: Vec::new(),
        }
    }
}

/// A symbol in an executable section. The order of the fields decides which name of an address is preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub address: u64,
    /// Not a function by its type, so good for a name only.
    pub untyped: bool,
    pub local: bool,
    pub underscored: bool,
    pub length: usize,
    pub name: Name,
    pub size: u64,
    /// See [`Symbol::resolver`].
    pub resolver: bool,
    /// See [`Symbol::superseded`].
    pub superseded: bool,
}

impl Candidate {
    /// A global function of unknown size.
    pub(super) fn new(address: u64, text: &[u8], name: Name) -> Self {
        Self {
            address,
            untyped: false,
            local: false,
            underscored: text.first() == Some(&b'_'),
            length: text.len(),
            name,
            size: 0,
            resolver: false,
            superseded: false,
        }
    }
}

/// Where a function lies, as far as that is known.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub start: u64,
    /// 0: to where the next one begins.
    pub length: u64,
    pub name: Option<Name>,
    /// The unwind table says so: it must be right about a function's length, a symbol need not be.
    pub unwind: bool,
    /// See [`Fragment::has_landing_pads`](super::Fragment::has_landing_pads).
    pub has_landing_pads: bool,
}

impl Span {
    /// A function of which only the beginning and the length are known (0: not even that).
    pub(super) fn new(start: u64, length: u64) -> Self {
        Self {
            start,
            length,
            name: None,
            unwind: false,
            has_landing_pads: true,
        }
    }
}

/// Whether a symbol of that name is one that no function goes by: AArch64's mapping symbols (`$x`, `$d`), and labels
/// that the assembler makes.
pub(super) fn is_no_name(name: &[u8]) -> bool {
    name.is_empty() || name[0] == b'$' || name.starts_with(b".L")
}

/// Whether the mapping symbol of that name marks the beginning of data (or of code); none if it is another.
pub(super) fn is_data_mark(name: &[u8]) -> Option<bool> {
    match name {
        [b'$', b'd'] | [b'$', b'd', b'.', ..] => Some(true),
        [b'$', b'x'] | [b'$', b'x', b'.', ..] => Some(false),
        _ => None,
    }
}
