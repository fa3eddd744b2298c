//! Many tasks asleep at once, and how often they asked for memory: once each. `--example million_tasks 1000000`.
//!
//! ```text
//! 10000 tasks asleep, 10000 allocations, 256 bytes each
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use zero_cost_ffi::machine::nap;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every request goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tasks: usize = std::env::args()
        .nth(1)
        .unwrap_or("10000".to_owned())
        .parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        tokio::task::yield_now().await; // the first makes room for those that yield
        let before = (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed));
        for task in 0..tasks {
            drop(nap::spawn());
            if task % 32 == 0 {
                tokio::task::yield_now().await; // those that were spawned are polled, and fall asleep
            }
        }
        let allocations = ALLOCATIONS.load(Relaxed) - before.0;
        let each = (BYTES.load(Relaxed) - before.1) / tasks.max(1);
        let asleep = runtime.metrics().num_alive_tasks();
        println!("{asleep} tasks asleep, {allocations} allocations, {each} bytes each");
    });
    Ok(()) // the runtime drops them asleep
}
