//! Where control does not simply go on to the next instruction: calls, jumps, and what ends a path.

use super::operation::{Flow, Mem, Place};

/// An instruction behind which control need not go on to the next.
#[derive(Clone, Copy, Default)]
pub(crate) struct ControlTransfer {
    /// Its index among the function's instructions.
    pub index: u32,
    kind: u8,
    /// Only the data flow can tell where it goes.
    pub open: bool,
    /// Where it goes, or the slot's address, or which of the others it is.
    target: u64,
}

impl ControlTransfer {
    pub const NONE: u8 = 0;
    const CALL: u8 = 1;
    const JUMP: u8 = 2;
    const BRANCH: u8 = 3;
    const STOP: u8 = 4;
    const OTHER: u8 = 5;
    /// Through what lies at an address.
    const CALL_SLOT: u8 = 6;
    const JUMP_SLOT: u8 = 7;

    /// Whether it certainly ends here or goes no further than so.
    pub const fn stays_within(&self, (start, end): (u64, u64)) -> bool {
        let near = start <= self.target && self.target < end;
        self.kind == Self::STOP || (near && (self.kind == Self::JUMP || self.kind == Self::BRANCH))
    }

    /// Whether it goes through what lies at an address.
    pub const fn is_through_slot(kind: u8) -> bool {
        matches!(kind, Self::CALL_SLOT | Self::JUMP_SLOT)
    }

    /// The kind of transfer that a flow is; 0 if it is none, at most 7.
    pub const fn kind_of(flow: Flow) -> u8 {
        match flow {
            Flow::CallVia(place) if place.slot().is_some() => Self::CALL_SLOT,
            Flow::JumpVia(place) if place.slot().is_some() => Self::JUMP_SLOT,
            Flow::Next => Self::NONE,
            Flow::Call(_) => Self::CALL,
            Flow::Jump(_) => Self::JUMP,
            Flow::Branch(_) => Self::BRANCH,
            Flow::Stop => Self::STOP,
            Flow::CallVia(_) | Flow::JumpVia(_) => Self::OTHER,
        }
    }
}

/// The transfers, in order.
#[derive(Default)]
pub(crate) struct ControlTransfers {
    all: Vec<ControlTransfer>,
    /// The lower half of each one's target, to be searched through.
    targets: Vec<u32>,
    others: Vec<Flow>,
}

impl ControlTransfers {
    pub fn clear(&mut self) {
        self.all.clear();
        self.targets.clear();
        self.others.clear();
    }

    pub const fn len(&self) -> usize {
        self.all.len()
    }

    pub fn get(&self, n: usize) -> ControlTransfer {
        self.all[n]
    }

    /// The step of a jump or branch to an address.
    pub fn one_to(&self, address: u64) -> Option<usize> {
        let mut from = 0;
        while let Some(n) = position(&self.targets[from..], address as u32) {
            let transfer = self.all[from + n];
            if transfer.target == address
                && matches!(
                    transfer.kind,
                    ControlTransfer::JUMP | ControlTransfer::BRANCH
                )
            {
                return Some(transfer.index as usize);
            }
            from += n + 1;
        }
        None
    }

    /// The first transfer at or behind an instruction.
    pub fn first_at(&self, step: usize) -> usize {
        self.all
            .partition_point(|transfer| (transfer.index as usize) < step)
    }

    /// Only the data flow can tell where this one goes.
    pub fn open(&mut self, n: usize) {
        self.all[n].open = true;
    }

    pub fn iter(&self) -> impl Iterator<Item = ControlTransfer> {
        self.all.iter().copied()
    }

    /// Where control goes behind it.
    pub fn flow(&self, transfer: ControlTransfer) -> Flow {
        match transfer.kind {
            ControlTransfer::CALL => Flow::Call(transfer.target),
            ControlTransfer::JUMP => Flow::Jump(transfer.target),
            ControlTransfer::BRANCH => Flow::Branch(transfer.target),
            ControlTransfer::OTHER => self.others[transfer.target as usize],
            ControlTransfer::CALL_SLOT => Flow::CallVia(Place::Mem(Mem::at(transfer.target))),
            ControlTransfer::JUMP_SLOT => Flow::JumpVia(Place::Mem(Mem::at(transfer.target))),
            _ => Flow::Stop,
        }
    }

    /// Appends a transfer, unless it is none.
    pub fn push(&mut self, index: usize, flow: Flow) {
        let target = match flow {
            Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to) => to,
            Flow::CallVia(place) | Flow::JumpVia(place) => place.slot().unwrap_or_else(|| {
                self.others.push(flow);
                self.others.len() as u64 - 1
            }),
            Flow::Stop => 0,
            Flow::Next => return,
        };
        self.push_kind(index, ControlTransfer::kind_of(flow), target);
    }

    /// The same by its kind, none of the others.
    pub fn push_kind(&mut self, index: usize, kind: u8, target: u64) {
        self.all.push(ControlTransfer {
            index: index as u32,
            kind,
            open: false,
            target,
        });
        self.targets.push(target as u32);
    }
}

/// Where a word is found first, many looked at at a time.
fn position(all: &[u32], wanted: u32) -> Option<usize> {
    let (chunks, rest) = all.as_chunks::<16>();
    let has = |chunk: &[u32; 16]| chunk.iter().fold(false, |any, &one| any | (one == wanted));
    let (before, among) = match chunks.iter().position(has) {
        Some(n) => (16 * n, &chunks[n][..]),
        None => (16 * chunks.len(), rest),
    };
    let n = among.iter().position(|&one| one == wanted)?;
    Some(before + n)
}
