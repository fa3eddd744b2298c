//! What an image is made for: its instruction set and its file format.

/// The instruction set of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// x86-64.
    X86_64,
    /// AArch64.
    Aarch64,
}

/// The family of object files that an image belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Elf,
    MachO,
    /// Windows: COFF objects, and PE images linked from them.
    Pe,
}

impl Format {
    /// What this format's linkers put between a call and a slot: after an `@`, its name.
    pub(crate) const fn stub(self) -> &'static str {
        match self {
            Self::Elf => "plt",
            Self::MachO => "stub",
            Self::Pe => "thunk",
        }
    }
}
