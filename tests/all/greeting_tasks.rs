//! C from tasks: what goes wrong in practice, one test for each, by name.
//!
//! Most need no runtime: a future is polled by hand, so that the order of events is
//! the test's, not the scheduler's.

#![cfg(target_os = "linux")]

use std::ffi::{CStr, CString};
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use std::{io, mem};

use tokio::runtime::{Builder, Runtime};
use zero_cost_ffi::greeting::{self, Error, counts};
use zero_cost_ffi::task::callback::{self, Greeting};
use zero_cost_ffi::task::dedicated::Host;
use zero_cost_ffi::task::{blocking, descriptor, direct};

use testkit::alone;

const NAME: &CStr = c"Ferris";
const TEXT: &CStr = c"Hi, Ferris! Bye, Ferris!";
const SOON: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A waker that counts, and wakes the thread that made it.
struct Counting {
    wakes: AtomicUsize,
    thread: Thread,
}

impl Counting {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            wakes: AtomicUsize::new(0),
            thread: thread::current(),
        })
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Acquire)
    }

    /// Sleeps until it was woken, and for ever if it never is: the test has a limit.
    fn wait(&self) {
        while self.wakes() == 0 {
            thread::park();
        }
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs a future to its end on this thread, by hand: no runtime is needed.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let counting = Counting::new();
        let waker = Waker::from(Arc::clone(&counting));
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => counting.wait(),
        }
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Until C has called back that often in this process.
fn until_called_back(times: u64) {
    while counts().callbacks < times {
        thread::yield_now();
    }
}

/// Nothing is left on either side of C.
fn nothing_is_left() {
    while !matches!(greeting::shutdown(), Ok(())) {
        thread::yield_now(); // a callback has begun, and is not over
    }
    let counts = counts();
    assert_eq!(counts.started, counts.ended, "{counts:?}");
    assert_eq!(counts.allocations, counts.frees, "{counts:?}");
    assert_eq!(counts.opened, counts.closed, "{counts:?}");
}

/// Keeps C's thread in a callback until it is dropped.
struct Held {
    release: Option<mpsc::Sender<()>>,
    greeting: Option<Greeting<()>>,
}

impl Held {
    fn new() -> Self {
        let (begun, wait) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let then = move |_: &CStr| {
            begun.send(()).expect("the test waits");
            let _ = held.recv(); // an error: dropped
        };
        let delay = Duration::from_nanos(1);
        let greeting = callback::greet_then(NAME, delay, vec![0; 25], then).expect("it starts");
        wait.recv().expect("C calls back");
        Self {
            release: Some(release),
            greeting: Some(greeting),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        let greeting = self.greeting.take().expect("it is dropped once");
        block_on(greeting).expect("it is over");
    }
}

// Every pattern says the same, and the callback under any runtime or none.

#[test]
fn every_pattern_greets() {
    let _limit = testkit::limit::seconds(30);
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        assert_eq!(direct::greet(NAME).await.expect("direct"), TEXT);
        assert_eq!(blocking::greet(NAME, SOON).await.expect("blocking"), TEXT);
        let greeting = callback::greet(NAME, SOON).expect("callback");
        assert_eq!(greeting.await.expect("callback"), TEXT);
        for delay in [Duration::ZERO, SOON] {
            assert_eq!(
                descriptor::greet(NAME, delay).await.expect("descriptor"),
                TEXT
            );
        }
        let host = Host::new().expect("a thread");
        assert_eq!(
            host.greet(NAME).await.expect("dedicated"),
            (TEXT.to_owned(), 1)
        );
        assert_eq!(host.clone().greet(NAME).await.expect("dedicated").1, 2);
    });
}

#[test]
fn a_callback_needs_no_runtime() {
    let _limit = testkit::limit::seconds(30);
    let greet = || callback::greet(NAME, SOON).expect("it starts");
    assert_eq!(block_on(greet()).expect("by hand"), TEXT);
    assert_eq!(futures::executor::block_on(greet()).expect("futures"), TEXT);
    for runtime in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        // Not even `enable_all`.
        let runtime = { runtime }.build().expect("a runtime");
        assert_eq!(runtime.block_on(greet()).expect("tokio"), TEXT);
        let spawned = runtime.block_on(runtime.spawn(greet())).expect("no panic");
        assert_eq!(spawned.expect("tokio, spawned"), TEXT);
    }
}

// The callback comes when it likes.

#[test]
fn a_callback_inside_the_start() {
    let _limit = testkit::limit::seconds(30);
    let here = thread::current().id();
    let then = move |_: &CStr| assert_eq!(thread::current().id(), here);
    let greeting = callback::greet_then(NAME, Duration::ZERO, vec![0; 25], then);
    let waker = Waker::from(Counting::new());
    let ready = poll(&mut greeting.expect("it starts"), &waker);
    assert!(matches!(ready, Poll::Ready(Ok(()))), "{ready:?}");
}

#[test]
fn a_callback_before_the_first_poll() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let mut greeting = callback::greet(NAME, SOON).expect("it starts");
        until_called_back(1);
        nothing_is_left(); // so that the callback has not only begun
        let counting = Counting::new();
        let ready = poll(&mut greeting, &Waker::from(Arc::clone(&counting)));
        assert!(matches!(ready, Poll::Ready(Ok(text)) if text.as_c_str() == TEXT));
        assert_eq!(counting.wakes(), 0, "nobody was waiting");
    });
}

#[test]
fn a_waker_replaced_between_polls() {
    let _limit = testkit::limit::seconds(30);
    let held = Held::new();
    let mut greeting = callback::greet(NAME, SOON).expect("it starts");
    let (first, second) = (Counting::new(), Counting::new());
    for counting in [&first, &second] {
        assert!(poll(&mut greeting, &Waker::from(Arc::clone(counting))).is_pending());
    }
    assert_eq!(Arc::strong_count(&first), 1, "what is replaced is let go");
    drop(held);
    second.wait();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

/// A waker that polls the future, and then drops it, while it is woken: it would wait
/// for ever for a lock that is held around the wake.
#[test]
fn a_wake_that_polls_and_drops_at_once() {
    struct Eager {
        greeting: Mutex<Option<Greeting<CString>>>,
        done: mpsc::Sender<bool>,
    }
    impl Wake for Eager {
        fn wake(self: Arc<Self>) {
            let mut greeting = self
                .greeting
                .lock()
                .expect("no panic")
                .take()
                .expect("one wake");
            let ready = poll(&mut greeting, Waker::noop());
            drop(greeting);
            self.done.send(ready.is_ready()).expect("the test waits");
        }
    }
    let _limit = testkit::limit::seconds(30);
    let held = Held::new();
    let (done, wait) = mpsc::channel();
    let eager = Arc::new(Eager {
        greeting: Mutex::new(None),
        done,
    });
    let mut greeting = callback::greet(NAME, SOON).expect("it starts");
    assert!(poll(&mut greeting, &Waker::from(Arc::clone(&eager))).is_pending());
    *eager.greeting.lock().expect("no panic") = Some(greeting);
    drop(held);
    assert!(wait.recv().expect("it was woken"), "ready when it is woken");
}

#[test]
fn a_wake_after_the_runtime_is_gone() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        for (mut runtime, forget) in [
            (Builder::new_multi_thread(), false),
            (Builder::new_current_thread(), false),
            (Builder::new_multi_thread(), true),
        ] {
            let held = Held::new();
            let runtime = runtime.build().expect("a runtime");
            let mut greeting = callback::greet(NAME, SOON).expect("it starts");
            // A task's own waker, kept beyond its runtime's end.
            let (send, receive) = mpsc::channel();
            let task = runtime.spawn(async move {
                let first = std::future::poll_fn(|cx| {
                    Poll::Ready(Pin::new(&mut greeting).poll(cx).is_pending())
                });
                assert!(first.await, "it is pending");
                if forget {
                    send.send(greeting).expect("the test waits");
                } else {
                    drop(greeting.await); // or dropped, with its runtime, before that
                }
            });
            if forget {
                runtime.block_on(task).expect("no panic");
            } else {
                runtime.block_on(tokio::task::yield_now());
            }
            let outlives = receive.try_recv();
            assert_eq!(outlives.is_ok(), forget);
            drop(runtime);
            drop(held); // C calls back, and wakes, or finds nobody
            if let Ok(greeting) = outlives {
                assert_eq!(block_on(greeting).expect("it is done"), TEXT);
            }
        }
        nothing_is_left();
    });
}

// The future goes when it likes.

#[test]
fn a_drop_while_c_has_the_buffer() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let held = Held::new();
        let lent = Arc::new(());
        let then = {
            let lent = Arc::clone(&lent);
            move |_: &CStr| drop(lent)
        };
        let greeting = callback::greet_then(NAME, HOUR, vec![0; 25], then).expect("it starts");
        drop(greeting);
        // Cancelled, but C has not called back: what it was lent is still there.
        assert_eq!((counts().cancelled, Arc::strong_count(&lent)), (1, 2));
        drop(held);
        while Arc::strong_count(&lent) != 1 {
            thread::yield_now();
        }
        nothing_is_left();
        assert_eq!(counts().callbacks, 2);
    });
}

#[test]
fn a_future_that_is_forgotten_keeps_what_c_has() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let lent = Arc::new(());
        let then = {
            let lent = Arc::clone(&lent);
            move |_: &CStr| drop(lent)
        };
        let greeting = callback::greet_then(NAME, SOON, vec![0; 25], then).expect("it starts");
        mem::forget(greeting);
        // Not cancelled: it runs to its end, and C gives back what it was lent.
        while Arc::strong_count(&lent) != 1 {
            thread::yield_now();
        }
        nothing_is_left();
        assert_eq!((counts().callbacks, counts().cancelled), (1, 0));

        // With a descriptor it is leaked, with what C has: never freed under C.
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut greeting = Box::pin(descriptor::greet(NAME, HOUR));
            let first =
                std::future::poll_fn(|cx| Poll::Ready(greeting.as_mut().poll(cx).is_pending()));
            assert!(first.await);
            mem::forget(greeting);
        });
        drop(runtime);
        assert!(matches!(greeting::shutdown(), Err(Error::Pending)));
        assert_eq!((counts().opened, counts().closed), (1, 0));
    });
}

#[test]
fn a_cancel_that_comes_too_late() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let greeting = callback::greet(NAME, SOON).expect("it starts");
        until_called_back(1);
        assert!(matches!(greeting.cancel(), Err(Error::UnknownHandle)));
        assert_eq!(block_on(greeting).expect("it was done"), TEXT);

        let greeting = callback::greet(NAME, HOUR).expect("it starts");
        greeting.cancel().expect("in time");
        let again = greeting.cancel();
        assert!(
            matches!(again, Err(Error::Cancelled | Error::UnknownHandle)),
            "{again:?}"
        );
        assert!(matches!(block_on(greeting), Err(Error::Cancelled)));
        nothing_is_left();
    });
}

#[test]
fn a_drop_on_cs_own_thread() {
    let _limit = testkit::limit::seconds(30);
    let (done, wait) = mpsc::channel();
    let other = callback::greet(NAME, HOUR).expect("it starts");
    let then = move |_: &CStr| {
        drop(other); // cancels, from within a callback
        done.send(()).expect("the test waits");
    };
    let greeting = callback::greet_then(NAME, SOON, vec![0; 25], then).expect("it starts");
    wait.recv().expect("no deadlock");
    block_on(greeting).expect("it is over");
}

#[test]
fn a_descriptor_dropped_at_any_await() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            drop(descriptor::greet(NAME, HOUR)); // before the first poll
            assert_eq!(counts().started, 0);
            for _ in 0..100 {
                let mut greeting = pin!(descriptor::greet(NAME, HOUR));
                std::future::poll_fn(|cx| Poll::Ready(greeting.as_mut().poll(cx).is_pending()))
                    .await;
            }
            // Its descriptor's number is soon another's: that one must be told.
            assert_eq!(
                descriptor::greet(NAME, SOON).await.expect("it greets"),
                TEXT
            );
        });
        nothing_is_left();
        assert_eq!((counts().opened, counts().cancelled), (101, 100));
    });
}

// Panics.

/// Without the report on stderr of those that are meant.
fn quiet<T>(test: impl FnOnce() -> T) -> T {
    panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(test));
    drop(panic::take_hook());
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

#[test]
fn a_panic_in_the_closure_comes_back_at_the_await() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        for delay in [Duration::ZERO, SOON] {
            let then = |_: &CStr| -> usize { panic!("no more than 1") };
            let caught = quiet(|| {
                let greeting = callback::greet_then(NAME, delay, vec![0; 25], then);
                let greeting = greeting.expect("the panic is not the start's");
                catch_unwind(AssertUnwindSafe(|| block_on(greeting))).expect_err("it panics")
            });
            assert_eq!(caught.downcast_ref(), Some(&"no more than 1"));
        }
        nothing_is_left();
    });
}

#[test]
fn a_panic_that_nobody_awaits_ends_nothing() {
    alone(|| {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                panic!("in a destructor");
            }
        }
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("in a waker");
            }
        }
        let _limit = testkit::limit::seconds(30);
        quiet(|| {
            // The closure's panic, its panic's own destructor, and its result's.
            let start = |then: fn(&CStr) -> Loud| {
                callback::greet_then(NAME, SOON, vec![0; 25], then).expect("it starts")
            };
            mem::forget(start(|_| panic!("nobody awaits this")));
            mem::forget(start(|_| panic::panic_any(Loud)));
            drop(start(|_| Loud));
            // A cancelled closure that panics as it is dropped.
            let loud = Loud;
            let then = move |_: &CStr| mem::forget(loud);
            let greeting = callback::greet_then(NAME, HOUR, vec![0; 25], then).expect("it starts");
            greeting.cancel().expect("in time");
            let caught = catch_unwind(AssertUnwindSafe(|| block_on(greeting)));
            assert!(caught.is_err(), "the destructor's panic comes back too");
            // A waker that panics on C's thread.
            let mut greeting = callback::greet(NAME, SOON).expect("it starts");
            let _ = poll(&mut greeting, &Waker::from(Arc::new(Panics)));
            until_called_back(5);
            nothing_is_left();
            assert_eq!(block_on(greeting).expect("it is done all the same"), TEXT);
        });
        // C's thread is alive: the next is greeted.
        let greeting = callback::greet(NAME, SOON).expect("it starts");
        assert_eq!(block_on(greeting).expect("it is done"), TEXT);
    });
}

// The wrong thread.

#[test]
fn a_foreign_thread_without_a_reactor_is_an_error() {
    let _limit = testkit::limit::seconds(30);
    // Not tokio's "there is no reactor running", which is a panic.
    let error = futures::executor::block_on(descriptor::greet(NAME, SOON)).expect_err("no runtime");
    assert!(matches!(error, Error::NoRuntime), "{error}");
    let error = futures::executor::block_on(blocking::greet(NAME, SOON)).expect_err("no runtime");
    assert!(matches!(error, Error::NoRuntime), "{error}");
    // C's own thread is one.
    let (send, receive) = mpsc::channel();
    let then = move |_: &CStr| {
        let result = futures::executor::block_on(descriptor::greet(NAME, SOON));
        send.send(matches!(result, Err(Error::NoRuntime)))
            .expect("the test waits");
    };
    let greeting = callback::greet_then(NAME, SOON, vec![0; 25], then).expect("it starts");
    block_on(greeting).expect("no panic");
    assert!(receive.recv().expect("it was called"));
}

/// `errno` is the thread's. After an await it may be another thread's: what C says is
/// read in the same poll.
#[test]
fn errno_is_not_read_after_an_await() {
    let _limit = testkit::limit::seconds(30);
    let fails = async {
        // SAFETY: no descriptor has this number, which is an error.
        let failed = unsafe { libc::close(-1) } == -1;
        let at_once = io::Error::last_os_error().raw_os_error();
        let mut first = true;
        std::future::poll_fn(|_| {
            if mem::take(&mut first) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        (failed, at_once, io::Error::last_os_error().raw_os_error())
    };
    let mut task = Box::pin(fails);
    assert!(poll(&mut task, Waker::noop()).is_pending());
    let resumed = thread::spawn(move || poll(&mut task, Waker::noop()));
    let Poll::Ready((failed, at_once, late)) = resumed.join().expect("no panic") else {
        panic!("it is ready in its second poll");
    };
    assert!(failed);
    assert_eq!(at_once, Some(libc::EBADF));
    assert_ne!(
        late,
        Some(libc::EBADF),
        "the control: another worker has another errno"
    );
}

// Threads that block.

/// With one thread for what blocks, a call of no delay waits for one of 50 ms; with
/// two it does not.
#[test]
fn the_cap_on_blocking_threads_is_a_queue() {
    let _limit = testkit::limit::seconds(30);
    let order = |threads| {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(threads)
            .build()
            .expect("a runtime");
        let order = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let calls = [("long", 200), ("short", 0)].map(|(which, delay)| {
                let order = Arc::clone(&order);
                tokio::spawn(async move {
                    let text = blocking::greet(NAME, Duration::from_millis(delay)).await;
                    assert_eq!(text.expect("it greets"), TEXT);
                    order.lock().expect("no panic").push(which);
                })
            });
            for call in calls {
                call.await.expect("no panic");
            }
        });
        Arc::into_inner(order)
            .expect("no task is left")
            .into_inner()
            .expect("no panic")
    };
    assert_eq!(order(1), ["long", "short"]);
    assert_eq!(order(2), ["short", "long"]);
}

#[test]
fn a_runtime_that_is_dropped_waits_for_what_blocks() {
    let _limit = testkit::limit::seconds(30);
    let begin = |runtime: &Runtime| {
        let (begun, wait) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        runtime.spawn_blocking(move || {
            begun.send(()).expect("the test waits");
            let _ = held.recv();
            ended.send(()).expect("the test waits");
        });
        wait.recv().expect("it begins");
        (release, end)
    };
    // Told not to wait, it does not: the call is still under way.
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (release, end) = begin(&runtime);
    runtime.shutdown_background();
    assert!(end.try_recv().is_err(), "it has not ended");
    drop(release);
    end.recv().expect("it ends by itself");
    // Otherwise it does: when the drop is over, so is the call.
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (release, end) = begin(&runtime);
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(release);
    });
    drop(runtime);
    end.try_recv().expect("the drop waited for it");
    later.join().expect("no panic");
}

#[test]
fn what_blocks_is_not_cancelled_by_a_drop() {
    let _limit = testkit::limit::seconds(30);
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut dropped = Box::pin(blocking::greet(NAME, Duration::from_millis(20)));
        std::future::poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await;
        drop(dropped);
        // Behind it, on the only thread: it ran to its end, and took its buffer with it.
        assert_eq!(
            blocking::greet(NAME, Duration::ZERO)
                .await
                .expect("it greets"),
            TEXT
        );
    });
}

// A thread of its own.

#[test]
fn what_a_host_was_asked_is_answered_in_order() {
    let _limit = testkit::limit::seconds(30);
    let host = Host::new().expect("a thread");
    let greetings: Vec<_> = (0..1000).map(|_| host.greet(NAME)).collect();
    drop(host); // what was sent is answered all the same
    for (index, greeting) in greetings.into_iter().enumerate() {
        let (text, served) = block_on(greeting).expect("it greets");
        assert_eq!((text.as_c_str(), served), (TEXT, index as u64 + 1));
    }
}

#[test]
fn what_nobody_waits_for_a_host_skips() {
    let _limit = testkit::limit::seconds(30);
    let host = Host::new().expect("a thread");
    // Keeps the host's thread, in a wake, until the others are dropped.
    struct Holds(Mutex<mpsc::Receiver<()>>, mpsc::SyncSender<()>);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {
            self.1.send(()).expect("the test waits");
            let _ = self.0.lock().expect("no panic").recv();
        }
    }
    let (release, held) = mpsc::channel();
    let (begun, wait) = mpsc::sync_channel(1);
    let waker = Waker::from(Arc::new(Holds(Mutex::new(held), begun)));
    // The first may be answered before it is polled; then another is asked.
    let mut asked = 0;
    let _first = loop {
        asked += 1;
        let mut greeting = Box::pin(host.greet(NAME));
        if poll(&mut greeting, &waker).is_pending() {
            break greeting;
        }
    };
    wait.recv().expect("it is woken");
    for _ in 0..10 {
        drop(host.greet(NAME));
    }
    let last = host.greet(NAME);
    drop(release);
    assert_eq!(
        block_on(last).expect("it greets").1,
        asked + 1,
        "the ten were not greeted"
    );
}

#[test]
fn where_threads_are_refused_a_host_is_an_error() {
    alone(|| {
        let _limit = testkit::limit::seconds(30);
        for call in [libc::SYS_clone3, libc::SYS_clone] {
            testkit::forbid(call).expect("a filter for this thread");
        }
        assert!(matches!(Host::new(), Err(Error::Thread(_))));
        let dropped = Arc::new(());
        let then = {
            let dropped = Arc::clone(&dropped);
            move |_: &CStr| drop(dropped)
        };
        let refused = callback::greet_then(NAME, HOUR, vec![0; 25], then);
        assert!(matches!(refused, Err(Error::NoThread)), "{refused:?}");
        assert_eq!(
            Arc::strong_count(&dropped),
            1,
            "the closure is dropped, and the buffer"
        );
        nothing_is_left();
    });
}

// Bad input.

#[test]
fn a_name_with_a_nul_is_an_error() {
    let error = CString::new("Fer\0ris")
        .map_err(Error::from)
        .expect_err("a NUL");
    assert!(matches!(error, Error::InteriorNul(_)), "{error}");
}

#[test]
fn a_buffer_too_small_is_an_error_and_drops_what_was_given() {
    let _limit = testkit::limit::seconds(30);
    let lent = Arc::new(());
    for size in [0, 24] {
        let then = {
            let lent = Arc::clone(&lent);
            move |_: &CStr| drop(lent)
        };
        let refused = callback::greet_then(NAME, SOON, vec![0; size], then);
        assert!(matches!(refused, Err(Error::TooSmall)), "{refused:?}");
    }
    assert_eq!(Arc::strong_count(&lent), 1);
}

#[test]
fn a_future_polled_after_it_was_ready_panics() {
    let _limit = testkit::limit::seconds(30);
    let mut greeting = callback::greet(NAME, Duration::ZERO).expect("it starts");
    assert!(poll(&mut greeting, Waker::noop()).is_ready());
    let again = quiet(|| catch_unwind(AssertUnwindSafe(|| poll(&mut greeting, Waker::noop()))));
    assert!(again.is_err());
}
