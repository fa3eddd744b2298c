//! The memory of a traced program, and the breakpoints in it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;

use nix::unistd::Pid;

const INT3: u8 = 0xcc;

/// The memory of a process.
#[derive(Debug)]
pub(super) struct Memory(File);

impl Memory {
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let path = format!("/proc/{pid}/mem");
        Ok(Self(OpenOptions::new().read(true).write(true).open(path)?))
    }

    /// Reads at most so many bytes; fewer where the mapping ends.
    pub(super) fn read(&self, address: u64, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        let read = self.0.read_at(&mut buffer, address).unwrap_or(0);
        buffer.truncate(read);
        buffer
    }

    /// Breaks at an address, and returns the byte that was there.
    fn plant(&self, address: u64) -> io::Result<u8> {
        let mut byte = [0];
        self.0.read_exact_at(&mut byte, address)?;
        self.0.write_all_at(&[INT3], address)?;
        Ok(byte[0])
    }

    fn write(&self, address: u64, byte: u8) {
        // The code may have been unmapped since, with its breakpoint.
        let _ = self.0.write_at(&[byte], address);
    }

    fn restore(&self, bytes: &SavedBytes) {
        for (address, byte) in bytes {
            self.write(*address, *byte);
        }
    }
}

/// Where breakpoints are, and the bytes that belong there.
pub(crate) type SavedBytes = HashMap<u64, u8>;

/// Breakpoints in the memory of the program.
#[derive(Debug, Default)]
pub(super) struct Breakpoints {
    /// None before the program is executed.
    pub(super) memory: Option<Memory>,
    bytes: SavedBytes,
}

impl Breakpoints {
    /// None yet, in the memory of a process that has just executed a program.
    pub(super) fn none_in(pid: Pid) -> Self {
        Self {
            memory: Memory::of(pid).ok(),
            bytes: SavedBytes::new(),
        }
    }

    pub(super) fn set(&mut self, address: u64) -> io::Result<()> {
        if !self.contains(address) {
            let memory = self.memory.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            self.bytes.insert(address, memory.plant(address)?);
        }
        Ok(())
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        self.bytes.contains_key(&address)
    }

    pub(super) fn remove_all(&mut self) {
        self.lift();
        self.bytes.clear();
    }

    /// Takes all of them out for a while; [`Breakpoints::replace`] puts them back.
    pub(super) fn lift(&self) {
        self.undo(&self.bytes);
    }

    pub(super) fn replace(&self) {
        if let Some(memory) = &self.memory {
            self.bytes.keys().for_each(|at| memory.write(*at, INT3));
        }
    }

    /// Removes the copies that a forked child has: nobody would look after them.
    pub(super) fn lift_from_child(&self, child: Pid) {
        // A copy that is gone already needs no cleaning.
        if let Ok(memory) = Memory::of(child) {
            memory.restore(&self.bytes);
        }
    }

    /// Breaks at a few more addresses, all or none of them, for one run.
    pub(super) fn patch(&self, addresses: &[u64]) -> Option<SavedBytes> {
        let memory = self.memory.as_ref()?;
        let mut patch = SavedBytes::with_capacity(addresses.len());
        for address in addresses {
            let Ok(byte) = memory.plant(*address) else {
                memory.restore(&patch);
                return None;
            };
            patch.insert(*address, byte);
        }
        Some(patch)
    }

    pub(super) fn undo(&self, patch: &SavedBytes) {
        if let Some(memory) = &self.memory {
            memory.restore(patch);
        }
    }
}
