//! The exchange between C's thread and a task, under a model checker: every order in
//! which the two can run is run.
//!
//! The file is the exhibits' own, as it stands, with loom's lock in the place of
//! std's. Two threads always: C's, which completes, and the task's, which polls,
//! cancels or drops. C's rule is modelled as well: whoever is first, the deadline or
//! the cancel, is the one that completes, once.

use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use loom::future::block_on;
use loom::sync;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use exchange::Exchange;
use futures::task::noop_waker_ref;
use testkit::alone::{again, name_of};

// The exhibits' own file with loom's lock in the place of std's: the library has it with the one, this test with
// the other, and `super::sync` is all that it knows of either.
#[path = "../../rust/exhibits/task/exchange.rs"]
mod exchange;

/// A result that counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Both sides, and what is counted.
fn sides() -> (Arc<Exchange<Counted>>, Arc<AtomicUsize>, Counted) {
    let drops = Arc::new(AtomicUsize::new(0));
    (
        Arc::new(Exchange::new()),
        Arc::clone(&drops),
        Counted(drops),
    )
}

/// How many orders there were, which is more than one, or nothing was explored.
fn explore(what: &str, model: impl Fn() + Sync + Send + 'static) {
    let _limit = testkit::limit::seconds(60);
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&orders);
    loom::model(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let orders = orders.load(Relaxed);
    println!("{what}: {orders} orders");
    assert!(orders > 1, "{what}: nothing was explored");
}

#[test]
fn a_task_that_waits_is_woken_in_every_order() {
    explore("complete against await", || {
        let (exchange, drops, result) = sides();
        let theirs = Arc::clone(&exchange);
        let c = thread::spawn(move || drop(theirs.complete(result)));
        // A wake that is lost is a deadlock, which loom reports.
        let result = block_on(poll_fn(|cx| exchange.poll(cx)));
        assert_eq!(drops.load(Relaxed), 0, "it was dropped before it was taken");
        drop(result);
        c.join().expect("C's thread");
        assert_eq!(drops.load(Relaxed), 1);
    });
}

/// Polled with another waker first: the last one is to be woken.
#[test]
fn a_waker_that_is_replaced_is_not_the_one_woken() {
    explore("complete against polls with two wakers", || {
        let (exchange, drops, result) = sides();
        let theirs = Arc::clone(&exchange);
        let c = thread::spawn(move || drop(theirs.complete(result)));
        let first = exchange.poll(&mut Context::from_waker(noop_waker_ref()));
        if first.is_pending() {
            drop(block_on(poll_fn(|cx| exchange.poll(cx))));
        }
        drop(first);
        c.join().expect("C's thread");
        assert_eq!(drops.load(Relaxed), 1);
    });
}

#[test]
fn a_task_that_is_dropped_leaves_nothing_in_any_order() {
    for polls in 0..=2 {
        explore("complete against polls and drop", move || {
            let (exchange, drops, result) = sides();
            let theirs = Arc::clone(&exchange);
            let c = thread::spawn(move || drop(theirs.complete(result)));
            let taken = (0..polls).any(|_| {
                let polled = exchange.poll(&mut Context::from_waker(noop_waker_ref()));
                polled.is_ready()
            });
            let to_come = exchange.close();
            assert!(!(taken && to_come), "taken, and still to come");
            assert!(exchange.is_closed());
            c.join().expect("C's thread");
            assert_eq!(drops.load(Relaxed), 1, "dropped exactly once");
        });
    }
}

/// The whole of it: C's deadline against the drop, which cancels. The callback runs
/// exactly once, whoever is first, and what C was lent is released once.
#[test]
fn a_drop_that_cancels_and_a_deadline_call_back_once() {
    for polls in 0..=1 {
        explore("deadline against drop with cancel", move || {
            let (exchange, drops, result) = sides();
            let c = Arc::new(Greeter {
                pending: sync::Mutex::new(Some((Arc::clone(&exchange), result))),
                callbacks: AtomicUsize::new(0),
            });
            let theirs = Arc::clone(&c);
            let deadline = thread::spawn(move || theirs.call_back());
            for _ in 0..polls {
                if let Poll::Ready(result) =
                    exchange.poll(&mut Context::from_waker(noop_waker_ref()))
                {
                    drop(result);
                    break;
                }
            }
            if exchange.close() {
                c.call_back(); // cancels: C calls back at once, if it has not
            }
            deadline.join().expect("C's thread");
            assert_eq!(c.callbacks.load(Relaxed), 1, "called back exactly once");
            assert_eq!(drops.load(Relaxed), 1, "released exactly once");
        });
    }
}

/// c/greeting.c in short: under its lock the greeting leaves the queue, once.
struct Greeter {
    pending: sync::Mutex<Option<(Arc<Exchange<Counted>>, Counted)>>,
    callbacks: AtomicUsize,
}

impl Greeter {
    fn call_back(&self) {
        let mine = self.pending.lock().expect("no panic").take();
        if let Some((exchange, result)) = mine {
            self.callbacks.fetch_add(1, Relaxed);
            drop(exchange.complete(result));
        }
    }
}

/// The control: a machine that looks first and registers in a second step loses the
/// wake in between, and the model checker finds that order.
#[test]
fn a_machine_that_loses_a_wake_is_found() {
    const PLANTED: &str = "LOOM_PLANTED";
    if std::env::var_os(PLANTED).is_some() {
        return loses_a_wake();
    }
    // In a process of its own: loom's report ends the process.
    let _limit = testkit::limit::seconds(60);
    let output = again(name_of(&a_machine_that_loses_a_wake_is_found))
        .env(PLANTED, "")
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the lost wake goes unnoticed");
    assert!(stderr.contains("deadlock"), "{stderr}");
}

fn loses_a_wake() {
    explore("control: looks, then registers", || {
        let done = Arc::new(sync::Mutex::new(false));
        let waker = Arc::new(sync::Mutex::new(None::<std::task::Waker>));
        let (theirs, to_wake) = (Arc::clone(&done), Arc::clone(&waker));
        thread::spawn(move || {
            *theirs.lock().expect("no panic") = true;
            if let Some(waker) = to_wake.lock().expect("no panic").take() {
                waker.wake();
            }
        });
        block_on(poll_fn(|cx| {
            if *done.lock().expect("no panic") {
                return Poll::Ready(());
            }
            *waker.lock().expect("no panic") = Some(cx.waker().clone());
            Poll::Pending
        }));
    });
}

/// The control: a machine that completes twice is found.
#[test]
#[should_panic(expected = "called back exactly once")]
fn a_machine_that_calls_back_twice_is_found() {
    explore("control: looks, then calls back", || {
        let callbacks = Arc::new(AtomicUsize::new(0));
        let pending = Arc::new(sync::Mutex::new(true));
        let call_back = |pending: &sync::Mutex<bool>, callbacks: &AtomicUsize| {
            let mine = *pending.lock().expect("no panic");
            if mine {
                *pending.lock().expect("no panic") = false;
                callbacks.fetch_add(1, Relaxed);
            }
        };
        let (theirs, counted) = (Arc::clone(&pending), Arc::clone(&callbacks));
        let deadline = thread::spawn(move || call_back(&theirs, &counted));
        call_back(&pending, &callbacks);
        deadline.join().expect("C's thread");
        assert_eq!(callbacks.load(Relaxed), 1, "called back exactly once");
    });
}
