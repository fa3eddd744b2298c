//! c/greeting.h keeps its promises, to a caller who keeps none: bad input, handles
//! that are over, and a system that refuses threads, descriptors and memory.

#![cfg(target_os = "linux")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread;

use zero_cost_ffi::ffi::*;
use zero_cost_ffi::greeting::{Error, counts};

use testkit::alone;
use testkit::forbid;

const HOUR: u64 = 3_600_000_000_000;
const NAME: &CStr = c"Ferris";
const SIZE: usize = 25;

/// What a callback is told, and how often.
#[derive(Default)]
struct Told {
    times: AtomicUsize,
    status: AtomicI32,
}

impl Told {
    fn user_data(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    fn times(&self) -> usize {
        self.times.load(Ordering::Acquire)
    }

    /// Waits for a callback, and returns its status.
    fn wait(&self) -> greeting_status {
        while self.times() == 0 {
            thread::yield_now();
        }
        self.status.load(Ordering::Acquire)
    }
}

unsafe extern "C" fn tell(status: greeting_status, user_data: *mut c_void) {
    // SAFETY: every test here keeps its `Told` until it was told.
    let told = unsafe { &*user_data.cast::<Told>() };
    told.status.store(status, Ordering::Release);
    told.times.fetch_add(1, Ordering::Release);
}

/// Starts one that ends in a callback, in a buffer that is large enough.
fn start(
    buffer: &mut [c_char; SIZE],
    delay: u64,
    told: &Told,
) -> (greeting_status, greeting_handle) {
    let (name, mut handle) = (NAME.as_ptr(), 0);
    let start = buffer.as_mut_ptr();
    // SAFETY: every test here keeps the buffer until it was told.
    let status = unsafe {
        greeting_start(
            name,
            start,
            SIZE,
            delay,
            Some(tell),
            told.user_data(),
            &raw mut handle,
        )
    };
    (status, handle)
}

fn open(buffer: &mut [c_char; SIZE], delay: u64) -> (greeting_status, c_int, greeting_handle) {
    let (name, mut descriptor, mut handle) = (NAME.as_ptr(), -1, 0);
    let start = buffer.as_mut_ptr();
    // SAFETY: every test here keeps the buffer until it has freed the greeting.
    let status = unsafe {
        greeting_open(
            name,
            start,
            SIZE,
            delay,
            &raw mut descriptor,
            &raw mut handle,
        )
    };
    (status, descriptor, handle)
}

fn text(buffer: &[c_char; SIZE]) -> &CStr {
    // SAFETY: C wrote a NUL.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }
}

/// Nothing is kept from one test to the next: whoever asks gets an error if it is.
fn nothing_is_left() {
    // The last callback is counted before it is made, and until it has returned C refuses.
    // SAFETY: it has no precondition.
    while unsafe { greeting_shutdown() } != GREETING_OK {
        thread::yield_now();
    }
    let counts = counts();
    assert_eq!(counts.started, counts.ended, "{counts:?}");
    assert_eq!(counts.allocations, counts.frees, "{counts:?}");
    assert_eq!(counts.opened, counts.closed, "{counts:?}");
}

#[test]
fn null_is_an_error_wherever_it_is_passed() {
    let _limit = testkit::limit::seconds(30);
    let (name, mut buffer) = (NAME.as_ptr(), [0; SIZE]);
    let (mut fd, mut handle) = (-1, 0);
    let b = buffer.as_mut_ptr();
    let before = counts();
    // SAFETY: what is not null is valid, and whatever is null is refused.
    unsafe {
        assert_eq!(greeting_size(null()), 0);
        for (name, b) in [(null(), b), (name, null_mut())] {
            assert_eq!(greeting_now(name, b, SIZE), GREETING_NULL);
            assert_eq!(greeting_wait(name, b, SIZE, HOUR), GREETING_NULL);
            let started =
                greeting_start(name, b, SIZE, HOUR, Some(tell), null_mut(), &raw mut handle);
            assert_eq!(started, GREETING_NULL);
            let opened = greeting_open(name, b, SIZE, HOUR, &raw mut fd, &raw mut handle);
            assert_eq!(opened, GREETING_NULL);
        }
        let no_callback = greeting_start(name, b, SIZE, HOUR, None, null_mut(), &raw mut handle);
        assert_eq!(no_callback, GREETING_NULL);
        let opened = greeting_open(name, b, SIZE, HOUR, null_mut(), &raw mut handle);
        assert_eq!(opened, GREETING_NULL);
        let opened = greeting_open(name, b, SIZE, HOUR, &raw mut fd, null_mut());
        assert_eq!(opened, GREETING_NULL);
        greeting_count(null_mut());
        assert_eq!(
            greeting_host_greet(null_mut(), name, b, SIZE, null_mut()),
            GREETING_NULL
        );
        assert_eq!(greeting_host_free(null_mut()), GREETING_OK);
    }
    assert_eq!(
        (fd, handle, buffer),
        (-1, 0, [0; SIZE]),
        "an error means that nothing was done"
    );
    assert!(counts().started >= before.started);
}

#[test]
fn a_buffer_too_small_by_one_is_refused_and_untouched() {
    let _limit = testkit::limit::seconds(30);
    let (name, mut buffer) = (NAME.as_ptr(), [7; SIZE]);
    let (mut fd, mut handle) = (-1, 0);
    let b = buffer.as_mut_ptr();
    // SAFETY: the buffer is as large as is said, or larger.
    unsafe {
        assert_eq!(greeting_size(name), SIZE);
        for size in [0, 1, SIZE - 1] {
            assert_eq!(greeting_now(name, b, size), GREETING_TOO_SMALL);
            assert_eq!(greeting_wait(name, b, size, HOUR), GREETING_TOO_SMALL);
            let started =
                greeting_start(name, b, size, HOUR, Some(tell), null_mut(), &raw mut handle);
            assert_eq!(started, GREETING_TOO_SMALL);
            let opened = greeting_open(name, b, size, HOUR, &raw mut fd, &raw mut handle);
            assert_eq!(opened, GREETING_TOO_SMALL);
        }
        assert_eq!(buffer, [7; SIZE]);
        assert_eq!(greeting_now(name, b, SIZE), GREETING_OK);
    }
    assert_eq!(text(&buffer), c"Hi, Ferris! Bye, Ferris!");
}

#[test]
fn an_unknown_handle_is_an_error() {
    let _limit = testkit::limit::seconds(30);
    for handle in [0, 1, u64::MAX, 1 << 32 | 0xffff_fffe, 77 << 32] {
        // SAFETY: handles are checked.
        unsafe {
            assert_eq!(greeting_cancel(handle), GREETING_UNKNOWN);
            assert_eq!(greeting_result(handle), GREETING_UNKNOWN);
            assert_eq!(greeting_free(handle), GREETING_UNKNOWN);
        }
    }
}

#[test]
fn to_cancel_twice_is_an_error_and_calls_back_once() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let (mut buffer, told) = ([0; SIZE], Told::default());
        // C's thread is kept busy in a callback, so that both cancels come before its own.
        let (busy, mut other) = (Busy::default(), [0; SIZE]);
        busy.start(&mut other);
        let (status, handle) = start(&mut buffer, HOUR, &told);
        assert_eq!(status, GREETING_OK);
        // SAFETY: handles are checked.
        unsafe {
            assert_eq!(
                greeting_result(handle),
                GREETING_UNKNOWN,
                "it is none of greeting_open"
            );
            assert_eq!(greeting_cancel(handle), GREETING_OK);
            assert_eq!(greeting_cancel(handle), GREETING_CANCELLED);
            busy.release();
            assert_eq!(told.wait(), GREETING_CANCELLED);
            assert_eq!(greeting_cancel(handle), GREETING_UNKNOWN, "it is over");
        }
        assert_eq!(text(&buffer), c"Hi, Ferris!");
        nothing_is_left();
        assert_eq!(told.times(), 1);
        assert_eq!((counts().callbacks, counts().cancelled), (2, 1));
    });
}

/// A callback that does not return before it is told to.
#[derive(Default)]
struct Busy {
    /// 0: not begun, 1: begun, 2: to return.
    state: AtomicUsize,
}

impl Busy {
    fn start(&self, buffer: &mut [c_char; SIZE]) {
        let user_data = std::ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the buffer and `self` stay until `release`, at least.
        let status = unsafe {
            greeting_start(
                NAME.as_ptr(),
                buffer.as_mut_ptr(),
                SIZE,
                1,
                Some(Self::hold),
                user_data,
                null_mut(),
            )
        };
        assert_eq!(status, GREETING_OK);
        while self.state.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
    }

    fn release(&self) {
        self.state.store(2, Ordering::Release);
    }

    unsafe extern "C" fn hold(_: greeting_status, user_data: *mut c_void) {
        // SAFETY: `start` gave itself.
        let busy = unsafe { &*user_data.cast::<Self>() };
        busy.state.store(1, Ordering::Release);
        while busy.state.load(Ordering::Acquire) != 2 {
            thread::yield_now();
        }
        // SAFETY: it has no precondition.
        let refused = unsafe { greeting_shutdown() };
        assert_eq!(refused, GREETING_PENDING, "in a callback");
    }
}

#[test]
fn a_handle_that_is_over_is_not_the_next_ones() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let mut old = Vec::new();
        // Also after a shutdown, which forgets the table.
        for round in 0..100 {
            let mut buffer = [0; SIZE];
            let (status, _, handle) = open(&mut buffer, HOUR);
            assert_eq!(status, GREETING_OK);
            assert!(!old.contains(&handle), "{handle:#x} again");
            for &over in &old {
                // SAFETY: handles are checked.
                assert_eq!(unsafe { greeting_free(over) }, GREETING_UNKNOWN);
            }
            // SAFETY: as above.
            assert_eq!(unsafe { greeting_free(handle) }, GREETING_OK);
            old.push(handle);
            if round % 10 == 0 {
                nothing_is_left();
            }
        }
        nothing_is_left();
    });
}

#[test]
fn free_in_mid_flight_takes_the_buffer_back() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        // With a descriptor: at any time.
        for delay in [HOUR, 1, 0] {
            for _ in 0..100 {
                let mut buffer = [0; SIZE];
                let (status, descriptor, handle) = open(&mut buffer, delay);
                assert!(status == GREETING_OK && descriptor >= 0);
                // SAFETY: handles are checked.
                assert_eq!(unsafe { greeting_free(handle) }, GREETING_OK);
                // C touches it no more: what is written now stays.
                buffer.fill(7);
                thread::yield_now();
                assert_eq!(buffer, [7; SIZE]);
                // SAFETY: as above.
                assert_eq!(unsafe { greeting_free(handle) }, GREETING_UNKNOWN);
            }
        }
        // With a callback: it is owed that.
        let (mut buffer, told) = ([0; SIZE], Told::default());
        let (_, handle) = start(&mut buffer, HOUR, &told);
        // SAFETY: handles are checked.
        unsafe {
            assert_eq!(greeting_free(handle), GREETING_PENDING);
            assert_eq!(greeting_shutdown(), GREETING_PENDING);
            assert_eq!(greeting_cancel(handle), GREETING_OK);
        }
        assert_eq!(told.wait(), GREETING_CANCELLED);
        nothing_is_left();
    });
}

#[test]
fn the_callback_of_no_delay_is_made_within_the_start() {
    let _limit = testkit::limit::seconds(30);
    let (mut buffer, told) = ([0; SIZE], Told::default());
    assert_eq!(start(&mut buffer, 0, &told), (GREETING_OK, 0));
    assert_eq!((told.times(), told.wait()), (1, GREETING_OK));
    assert_eq!(text(&buffer), c"Hi, Ferris! Bye, Ferris!");
}

#[test]
fn a_descriptor_stays_readable_and_its_result_the_same() {
    let _limit = testkit::limit::seconds(30);
    let mut buffer = [0; SIZE];
    let (status, descriptor, handle) = open(&mut buffer, 1);
    assert_eq!(status, GREETING_OK);
    let mut poll = libc::pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    for _ in 0..2 {
        // SAFETY: one `pollfd`, with a descriptor that is open until it is freed.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 10_000) }, 1);
        // SAFETY: handles are checked.
        assert_eq!(unsafe { greeting_result(handle) }, GREETING_OK);
    }
    assert_eq!(text(&buffer), c"Hi, Ferris! Bye, Ferris!");
    // SAFETY: as above.
    unsafe {
        assert_eq!(
            greeting_cancel(handle),
            GREETING_UNKNOWN,
            "nothing to cancel any more"
        );
        assert_eq!(greeting_free(handle), GREETING_OK);
    }
}

#[test]
fn deadlines_are_kept_in_order() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        static ORDER: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
        unsafe extern "C" fn note(_: greeting_status, user_data: *mut c_void) {
            ORDER.lock().expect("no panic").push(user_data.addr());
        }
        // Held, so that all are in the queue before the first is due; then those that
        // are due come by their deadline, though they were started in another order.
        let (busy, mut other) = (Busy::default(), [0; SIZE]);
        busy.start(&mut other);
        let mut buffers = vec![[0; SIZE]; 1000];
        for (index, buffer) in buffers.iter_mut().enumerate() {
            let place = index * 7919 % 1000;
            let delay = 1_000_000 * (place as u64 + 1);
            let user_data = std::ptr::without_provenance_mut(place);
            // SAFETY: the buffers stay until the callbacks were counted; `note` only reads the pointer's address.
            let status = unsafe {
                greeting_start(
                    NAME.as_ptr(),
                    buffer.as_mut_ptr(),
                    SIZE,
                    delay,
                    Some(note),
                    user_data,
                    null_mut(),
                )
            };
            assert_eq!(status, GREETING_OK);
        }
        busy.release();
        while counts().ended < 1001 {
            thread::yield_now();
        }
        nothing_is_left();
        let order = ORDER.lock().expect("no panic");
        assert!(order.len() == 1000);
        // Started one after another, a later start with a delay longer by 1 ms is due
        // later as long as the starts took less than that, which a busy machine may
        // not grant for neighbours: none is out of place by more than 100.
        for (at, &place) in order.iter().enumerate() {
            assert!(at.abs_diff(place) <= 100, "{place} came as number {at}");
        }
    });
}

#[test]
fn where_threads_are_refused_it_is_an_error_and_nothing_leaks() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        for call in [libc::SYS_clone3, libc::SYS_clone] {
            forbid(call).expect("a filter for this thread");
        }
        assert!(
            thread::Builder::new().spawn(|| ()).is_err(),
            "the control: threads are refused"
        );
        let told = Told::default();
        for _ in 0..3 {
            let mut buffer = [7; SIZE];
            assert_eq!(start(&mut buffer, HOUR, &told), (GREETING_NO_THREAD, 0));
            assert_eq!(open(&mut buffer, HOUR), (GREETING_NO_THREAD, -1, 0));
            assert_eq!(buffer, [7; SIZE]);
        }
        assert_eq!(told.times(), 0, "an error: the callback never runs");
        // What needs no thread goes on.
        let mut buffer = [0; SIZE];
        assert_eq!(start(&mut buffer, 0, &told), (GREETING_OK, 0));
        assert_eq!(told.times(), 1);
        nothing_is_left();
        assert!(counts().opened == 3 && counts().allocations >= 6);
    });
}

#[test]
fn where_descriptors_run_out_it_is_an_error_and_nothing_is_lost() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let mut buffers = vec![Box::new([0; SIZE]); 64];
        let (mut open_ones, mut refused) = (Vec::new(), 0);
        let limit = libc::rlimit {
            rlim_cur: 32,
            rlim_max: 32,
        };
        // SAFETY: the limit is read during the call.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert_eq!(set, 0);
        for buffer in &mut buffers {
            match open(buffer, 20_000_000) {
                (GREETING_OK, descriptor, handle) => open_ones.push((descriptor, handle)),
                (status, ..) => {
                    assert_eq!(status, GREETING_NO_DESCRIPTOR);
                    refused += 1;
                }
            }
        }
        assert!(
            open_ones.len() > 8 && refused > 8,
            "{} and {refused}",
            open_ones.len()
        );
        for (descriptor, handle) in open_ones {
            let mut poll = libc::pollfd {
                fd: descriptor,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one `pollfd`, with a descriptor that is open until it is freed; handles are checked.
            unsafe {
                assert_eq!(libc::poll(&raw mut poll, 1, 10_000), 1);
                assert_eq!(greeting_result(handle), GREETING_OK);
                assert_eq!(greeting_free(handle), GREETING_OK);
            }
        }
        nothing_is_left();
    });
}

#[test]
fn where_memory_is_short_it_is_an_error_and_nothing_leaks() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        // C copies the name: 256 MiB, where no more than 64 are to be had.
        let name = [vec![b'a'; 256 << 20], vec![0]].concat();
        let mut buffer = vec![7_u8; 2 * name.len() + 11];
        let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        let pages: u64 = pages
            .split(' ')
            .next()
            .expect("a word")
            .parse()
            .expect("a number");
        let most = pages * 4096 + (64 << 20);
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: the limit is read during the call.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
        assert_eq!(set, 0);
        let told = Told::default();
        let (mut descriptor, mut handle) = (-1, 0);
        let (name, b, size) = (
            name.as_ptr().cast(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
        );
        // SAFETY: the name has a NUL, the buffer is as large as is said.
        unsafe {
            let status = greeting_start(
                name,
                b,
                size,
                HOUR,
                Some(tell),
                told.user_data(),
                &raw mut handle,
            );
            assert_eq!(status, GREETING_NO_MEMORY);
            let status = greeting_open(name, b, size, HOUR, &raw mut descriptor, &raw mut handle);
            assert_eq!(status, GREETING_NO_MEMORY);
        }
        assert_eq!((told.times(), descriptor, handle, buffer[0]), (0, -1, 0, 7));
        nothing_is_left();
    });
}

#[test]
fn a_host_refuses_every_thread_but_its_own() {
    let _limit = testkit::limit::seconds(30);
    // SAFETY: it has no precondition.
    let host = unsafe { greeting_host_new() };
    assert!(!host.is_null());
    let address = host.addr();
    let provenance = host.expose_provenance();
    assert_eq!(address, provenance);
    thread::spawn(move || {
        let host: *mut greeting_host = std::ptr::with_exposed_provenance_mut(provenance);
        let mut buffer = [0; SIZE];
        // SAFETY: the host is alive until the thread has ended; C checks whose it is.
        unsafe {
            let status =
                greeting_host_greet(host, NAME.as_ptr(), buffer.as_mut_ptr(), SIZE, null_mut());
            assert_eq!(status, GREETING_WRONG_THREAD);
            assert_eq!(greeting_host_free(host), GREETING_WRONG_THREAD);
        }
    })
    .join()
    .expect("no panic");
    let (mut buffer, mut served) = ([0; SIZE], 0);
    // SAFETY: this is its thread; it is released once.
    unsafe {
        let status = greeting_host_greet(
            host,
            NAME.as_ptr(),
            buffer.as_mut_ptr(),
            SIZE,
            &raw mut served,
        );
        assert_eq!((status, served), (GREETING_OK, 1));
        let status =
            greeting_host_greet(host, NAME.as_ptr(), buffer.as_mut_ptr(), 1, &raw mut served);
        assert_eq!((status, served), (GREETING_TOO_SMALL, 1));
        assert_eq!(greeting_host_free(host), GREETING_OK);
    }
}

#[test]
fn every_status_is_an_error_with_words() {
    for status in GREETING_WRONG_THREAD..=-1 {
        let error = Error::check(status).expect_err("negative");
        assert!(!matches!(error, Error::UnknownStatus(_)), "{status}");
        assert!(!error.to_string().is_empty());
    }
    assert!(matches!(Error::check(-77), Err(Error::UnknownStatus(-77))));
}
