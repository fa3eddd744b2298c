//! A test that hangs is a failure, with a name, instead of a run that never ends.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the process, naming the test, unless the returned guard is dropped within that many seconds.
///
/// The clock runs on a thread of its own: the test may hang anywhere.
#[must_use]
pub fn seconds(limit: u64) -> Limit {
    let over = Arc::new(AtomicBool::new(false));
    let (watched, test) = (Arc::clone(&over), thread::current());
    let until = Instant::now() + Duration::from_secs(limit);
    thread::spawn(move || {
        while !watched.load(Ordering::Relaxed) {
            if Instant::now() >= until {
                let name = test.name().unwrap_or("a test");
                let _ = writeln!(std::io::stderr(), "{name} is not over in {limit} s");
                std::process::abort();
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
    Limit(over)
}

/// The guard of a test that is under a limit.
pub struct Limit(Arc<AtomicBool>);

impl Drop for Limit {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
