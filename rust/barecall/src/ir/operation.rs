//! What one instruction does, and where control goes after it.

/// A general-purpose register, by its number in the instruction set.
pub(crate) type Reg = u8;

/// A set of registers: bit `n` is register `n`.
pub(crate) type Regs = u32;

/// `[base + (index << shift) + disp]`; addresses relative to the instruction are already absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mem {
    pub base: Option<Reg>,
    pub index: Option<(Reg, u8)>,
    pub disp: i64,
}

impl Mem {
    /// Anywhere but in a frame whose address nobody gave away.
    // With a shift of 0, a constant in the index register would make a constant address of it.
    pub(crate) const ANYWHERE: Self = Self {
        base: None,
        index: Some((0, 1)),
        disp: 0,
    };

    /// Somewhere near where a register points: if that is the frame, anywhere in it.
    pub(crate) const fn around(base: Reg) -> Self {
        Self {
            base: Some(base),
            index: Some((base, 1)),
            disp: 0,
        }
    }

    pub(crate) const fn at(address: u64) -> Self {
        Self {
            base: None,
            index: None,
            disp: address.cast_signed(),
        }
    }

    pub(crate) const fn based(base: Reg, disp: i64) -> Self {
        Self {
            base: Some(base),
            index: None,
            disp,
        }
    }

    /// The address, if no register is part of it.
    pub(crate) const fn address(self) -> Option<u64> {
        match self {
            Self {
                base: None,
                index: None,
                disp,
            } => Some(disp.cast_unsigned()),
            _ => None,
        }
    }
}

/// Where an indirect call or jump finds its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Reg(Reg),
    Mem(Mem),
    /// Somewhere the flow does not follow: a segment-relative address, an authenticated pointer.
    Elsewhere,
}

impl Place {
    /// The address of the slot that the instruction itself names.
    pub(crate) const fn slot(self) -> Option<u64> {
        match self {
            Self::Mem(mem) => mem.address(),
            Self::Reg(_) | Self::Elsewhere => None,
        }
    }
}

/// What an instruction puts into a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    /// A number or an address known from the instruction alone.
    Const(u64),
    /// Another register's value.
    Copy(Reg),
    /// A register plus a number.
    Add(Reg, i64),
    /// A register plus another, the latter shifted left.
    Sum(Reg, Reg, u8),
    /// A register plus the low part of another, the latter extended and then shifted left.
    Offset(Reg, Reg, Width, u8),
    /// The pointer-sized word at an address.
    Load(Mem),
    /// A narrower, extended word at an address: an entry of a jump table.
    Entry(Mem, Width),
    /// A register plus the word at an address: of a jump table for code of any size, an entry.
    Plus(Reg, Mem),
    /// This register's own value or that of another (a conditional move).
    Either(Reg),
}

/// Width and extension of a jump table's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    U8,
    U16,
    U32,
    I8,
    I16,
    I32,
    I64,
}

impl Width {
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    /// The `n`th entry of a table.
    pub(crate) fn read(self, table: &[u8], n: u64) -> Option<i64> {
        let from = usize::try_from(n.checked_mul(self.bytes())?).ok()?;
        let bytes = table.get(from..)?;
        Some(match self {
            Self::U8 => (*bytes.first()?).into(),
            Self::I8 => bytes.first()?.cast_signed().into(),
            Self::U16 => u16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::I16 => i16::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::U32 => u32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::I32 => i32::from_le_bytes(*bytes.first_chunk()?).into(),
            Self::I64 => i64::from_le_bytes(*bytes.first_chunk()?),
        })
    }
}

/// What an instruction does to registers and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that the flow follows.
    None,
    /// One register gets a value.
    Set(Reg, Expr),
    /// `width` bytes are written; with `from`, they are that whole register.
    Store {
        mem: Mem,
        width: u8,
        from: Option<Reg>,
    },
    /// The stack grows by a word that receives a register (or a value not followed).
    Push(Option<Reg>),
    /// The stack shrinks by a word that goes to a register.
    Pop(Reg),
    /// The stack pointer becomes the frame pointer, and the frame pointer is popped.
    Leave,
    /// The stack pointer is rounded down.
    Realign,
    /// Anything else: these registers are read, those written, and perhaps memory too.
    Clobber {
        reads: Regs,
        writes: Regs,
        store: Option<(Mem, u8)>,
    },
}

impl Effect {
    /// These registers are read and written, and memory may be, anywhere.
    pub(crate) const fn anything(reads: Regs, writes: Regs) -> Self {
        Self::Clobber {
            reads,
            writes,
            store: Some((Mem::ANYWHERE, u8::MAX)),
        }
    }
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Jump(u64),
    Branch(u64),
    Call(u64),
    CallVia(Place),
    JumpVia(Place),
    /// Return, trap, or an undecodable byte.
    Stop,
}

impl Flow {
    pub(crate) const fn is_call(self) -> bool {
        matches!(self, Self::Call(_) | Self::CallVia(_))
    }
}

/// One instruction. An instruction with two effects becomes two steps at the same address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub at: u64,
    pub len: u8,
    pub effect: Effect,
    pub flow: Flow,
}

/// Where a call through a register or memory goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallTarget<A = u64> {
    /// To this address, which the instruction itself names.
    Address(A),
    /// To this address, which a register holds.
    RegisterAddress(A),
    /// To what this slot of the image holds, loaded by the call itself.
    Slot(A),
    /// To what this slot of the image holds, loaded into a register or spilled earlier.
    RegisterSlot(A),
    /// Not a constant of the image.
    Pointer,
    /// Could not be decided.
    Undecided,
    /// A jump within the function: no call.
    IntraFunction,
}

impl<A> CallTarget<A> {
    /// The same with another address, if it has one.
    pub(crate) fn map<B>(self, address: impl FnOnce(A) -> B) -> CallTarget<B> {
        match self {
            Self::Address(at) => CallTarget::Address(address(at)),
            Self::RegisterAddress(at) => CallTarget::RegisterAddress(address(at)),
            Self::Slot(at) => CallTarget::Slot(address(at)),
            Self::RegisterSlot(at) => CallTarget::RegisterSlot(address(at)),
            Self::Pointer => CallTarget::Pointer,
            Self::Undecided => CallTarget::Undecided,
            Self::IntraFunction => CallTarget::IntraFunction,
        }
    }
}
