//! The callback pattern under Miri, which runs no C: there, a twin of C's greeter in
//! Rust stands in for it. Otherwise this tests the same with C itself.
//!
//! `cargo +nightly miri test --test all greeting_twin` (`rustup component add miri rust-src
//! --toolchain nightly`).

#![cfg(target_os = "linux")]

use std::ffi::CStr;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use zero_cost_ffi::greeting::Error;
use zero_cost_ffi::task::callback::{Greeting, greet_then};

const TEXT: &CStr = c"Hi, you! Bye, you!";
const SOON: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn greet(delay: Duration) -> Greeting<bool> {
    greet_then(c"you", delay, vec![0; 19], |text| text == TEXT).expect("it starts")
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn awaited() {
    for delay in [Duration::ZERO, SOON] {
        assert!(block_on(greet(delay)).expect("it greets"));
    }
}

#[test]
fn dropped_at_any_point() {
    let released = Arc::new(());
    let start = |delay| {
        let released = Arc::clone(&released);
        let then = move |_: &CStr| drop(released);
        greet_then(c"you", delay, vec![0; 19], then).expect("it starts")
    };
    for delay in [Duration::ZERO, SOON, HOUR] {
        drop(start(delay));
        let mut polled = start(delay);
        let _ = Pin::new(&mut polled).poll(&mut Context::from_waker(Waker::noop()));
        drop(polled);
    }
    while Arc::strong_count(&released) != 1 {
        thread::yield_now();
    }
}

#[test]
fn cancelled() {
    let greeting = greet(HOUR);
    greeting.cancel().expect("in time");
    assert!(matches!(block_on(greeting), Err(Error::Cancelled)));
}

#[test]
fn panicked() {
    let then = |_: &CStr| panic!("on C's thread");
    let greeting = greet_then(c"you", SOON, vec![0; 19], then).expect("it starts");
    let caught = catch_unwind(AssertUnwindSafe(|| block_on(greeting)));
    assert_eq!(
        caught.expect_err("it panics").downcast_ref(),
        Some(&"on C's thread")
    );
}

/// Faults for Miri to report, each by a run of its own: `cargo +nightly miri test --test
/// all -- --ignored greeting_twin::planted::use_after_free`. Each such run must fail.
#[cfg(miri)]
mod planted {
    use std::ffi::c_void;

    use zero_cost_ffi::ffi::*;

    /// Starts one that takes an hour, with that buffer.
    fn start(buffer: *mut [u8; 19], callback: greeting_callback) -> greeting_handle {
        let mut handle = 0;
        let hour = 3_600_000_000_000;
        // SAFETY: none: the fault is here.
        let status = unsafe {
            greeting_start(
                c"you".as_ptr(),
                buffer.cast(),
                19,
                hour,
                callback,
                buffer.cast(),
                &raw mut handle,
            )
        };
        assert_eq!(status, GREETING_OK);
        handle
    }

    unsafe extern "C" fn nothing(_: greeting_status, _: *mut c_void) {}

    unsafe extern "C" fn twice(_: greeting_status, lent: *mut c_void) {
        for _ in 0..2 {
            // SAFETY: none, the second time: the fault is here.
            drop(unsafe { Box::from_raw(lent.cast::<[u8; 19]>()) });
        }
    }

    #[test]
    #[ignore = "Miri must report it"]
    fn use_after_free() {
        let mut buffer = Box::new([0; 19]);
        let handle = start(&raw mut *buffer, Some(nothing));
        drop(buffer);
        // SAFETY: handles are checked.
        unsafe { greeting_cancel(handle) };
    }

    #[test]
    #[ignore = "Miri must report it"]
    fn leak() {
        let handle = start(Box::into_raw(Box::new([0; 19])), Some(nothing));
        // SAFETY: handles are checked.
        unsafe { greeting_cancel(handle) };
        // Another takes its place in the twin's map, where the pointer would still be found.
        assert!(super::block_on(super::greet(super::SOON)).is_ok());
    }

    #[test]
    #[ignore = "Miri must report it"]
    fn double_free() {
        let handle = start(Box::into_raw(Box::new([0; 19])), Some(twice));
        // SAFETY: handles are checked.
        unsafe { greeting_cancel(handle) };
    }
}

/// What c/greeting.h says, of as much as is used here.
#[cfg(miri)]
mod twin {
    use std::collections::BTreeMap;
    use std::ffi::{CStr, c_char, c_void};
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use zero_cost_ffi::ffi::*;

    struct Pending {
        buffer: *mut c_char,
        text: Vec<u8>,
        callback: unsafe extern "C" fn(greeting_status, *mut c_void),
        user_data: *mut c_void,
    }
    // SAFETY: C hands them from thread to thread as well.
    unsafe impl Send for Pending {}

    static PENDING: Mutex<BTreeMap<greeting_handle, Pending>> = Mutex::new(BTreeMap::new());

    /// Takes it, so that it is called back once, and calls back, on a thread of its own.
    fn over(handle: greeting_handle, status: greeting_status) -> bool {
        let Some(mine) = PENDING.lock().expect("no panic").remove(&handle) else {
            return false;
        };
        let call = move || {
            let mine = mine; // as a whole
            // SAFETY: greeting_start's caller promised both.
            unsafe {
                mine.buffer
                    .cast::<u8>()
                    .copy_from(mine.text.as_ptr(), mine.text.len());
                (mine.callback)(status, mine.user_data);
            }
        };
        if handle == 0 {
            call();
        } else {
            thread::spawn(call).join().expect("no panic");
        }
        true
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn greeting_start(
        name: *const c_char,
        buffer: *mut c_char,
        _: usize,
        delay: u64,
        callback: greeting_callback,
        user_data: *mut c_void,
        handle: *mut greeting_handle,
    ) -> greeting_status {
        static NEXT: Mutex<u64> = Mutex::new(1);
        // SAFETY: the caller's promise.
        let name = unsafe { CStr::from_ptr(name) }.to_str().expect("UTF-8");
        let text = format!("Hi, {name}! Bye, {name}!\0").into_bytes();
        let mine = if delay == 0 {
            0
        } else {
            let mut next = NEXT.lock().expect("no panic");
            *next += 1;
            *next
        };
        // SAFETY: the caller's promise.
        unsafe { handle.write(mine) };
        let callback = callback.expect("a callback");
        PENDING.lock().expect("no panic").insert(
            mine,
            Pending {
                buffer,
                text,
                callback,
                user_data,
            },
        );
        if mine == 0 {
            over(0, GREETING_OK);
        } else if delay < 1_000_000_000 {
            thread::spawn(move || {
                thread::sleep(Duration::from_nanos(delay));
                over(mine, GREETING_OK);
            });
        }
        GREETING_OK
    }

    #[unsafe(no_mangle)]
    extern "C" fn greeting_cancel(handle: greeting_handle) -> greeting_status {
        if over(handle, GREETING_CANCELLED) {
            GREETING_OK
        } else {
            GREETING_UNKNOWN
        }
    }
}
