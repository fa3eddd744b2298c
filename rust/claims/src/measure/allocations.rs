//! The judge's allocator, which counts: the system's, with what each thread asked of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

thread_local! {
    // Neither made when it is first used nor destroyed: both would allocate.
    static COUNT: Cell<Count> = const {
        Cell::new(Count {
            allocations: 0,
            bytes: 0,
            freed: 0,
        })
    };
}

/// Nothing is counted before the first [`Count::now`]: the judge allocates much and has a child count, and where it is
/// not optimised, counting takes longer than allocating.
static COUNTED: AtomicBool = AtomicBool::new(false);

/// What this thread asked of the allocator since anybody first asked for a count. Only differences mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub allocations: u64,
    /// Bytes asked for. What the allocator takes for them is its own affair.
    pub bytes: u64,
    /// Bytes given back.
    pub freed: u64,
}

impl Count {
    pub fn now() -> Self {
        COUNTED.store(true, Relaxed);
        COUNT.get()
    }
}

/// What was asked for between two counts.
impl Sub for Count {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            bytes: self.bytes - earlier.bytes,
            freed: self.freed - earlier.freed,
        }
    }
}

/// The system's allocator, counted: for a program's `#[global_allocator]`.
pub struct Counting;

#[cfg(test)]
#[global_allocator]
static COUNTING: Counting = Counting;

fn asked(bytes: usize) {
    if !COUNTED.load(Relaxed) {
        return;
    }
    let mut count = COUNT.get();
    count.allocations += 1;
    count.bytes += bytes as u64;
    COUNT.set(count);
}

fn given_back(bytes: usize) {
    if !COUNTED.load(Relaxed) {
        return;
    }
    let mut count = COUNT.get();
    count.freed += bytes as u64;
    COUNT.set(count);
}

// SAFETY: every request goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        asked(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        asked(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    /// Counts as a new one, and the old one given back.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        given_back(layout.size());
        asked(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
