//! The talk's futures, run in virtual time: what each does, line by line.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use zero_cost_ffi::machine::{self, Greet, GreetOnSlide};

/// One of the futures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TalkFuture {
    Greet,
    GreetByHand,
    GreetOnSlide,
    /// The control: as `greet`, but its first poll wakes it at once, for nothing. The comparison must see it.
    GreetWokenTwice,
}

impl TalkFuture {
    /// As the catalogue names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::GreetByHand => "greet_by_hand",
            Self::GreetOnSlide => "greet_on_slide",
            Self::GreetWokenTwice => "greet_woken_twice",
        }
    }

    /// Runs it, and prints what it does. What it prints itself is in between.
    pub(super) fn run(self) -> io::Result<()> {
        match self {
            Self::Greet => run(machine::greet),
            Self::GreetByHand => run(|| Greet::Init),
            Self::GreetOnSlide => run(|| GreetOnSlide::Init),
            Self::GreetWokenTwice => run(greet_woken_twice),
        }
    }
}

async fn greet_woken_twice() {
    let mut greet = std::pin::pin!(machine::greet());
    let mut first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
        }
        greet.as_mut().poll(cx)
    })
    .await;
}

/// How long a future may take. In virtual time: nobody waits.
pub const HOUR: Duration = Duration::from_secs(3600);

pub const POLLED: &str = "polled";
pub const WOKEN: &str = "woken";
pub const READY: &str = "ready";
pub const PANICS: &str = "panics";
/// It has given its waker to whoever is to wake it.
pub const PENDING: &str = "pending, its waker is kept";
/// Nobody can ever wake it.
pub const PENDING_FOR_EVER: &str = "pending, nobody has its waker";
pub const DROPPED: &str = "dropped asleep, its waker is let go";
pub const DROPPED_KEPT: &str = "dropped asleep, its waker is still kept";

fn run<F: Future<Output = ()>>(make: impl Fn() -> F) -> io::Result<()> {
    // A panic is one of the lines.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        to_the_end(make()).await;
        dropped_asleep(make()).await;
    });
    Ok(())
}

/// Polled as an executor does: first, and then whenever it is woken, until it is ready; and once too often.
async fn to_the_end<F: Future<Output = ()>>(future: F) {
    let alarm = Arc::new(Alarm::default());
    let mut future = Box::pin(future);
    let start = Instant::now();
    while poll(future.as_mut(), &alarm).is_pending() {
        let woken = timeout(HOUR - start.elapsed(), alarm.woken()).await;
        let elapsed = start.elapsed().as_millis();
        match woken {
            Ok(()) => println!("{WOKEN} after {elapsed} ms"),
            Err(_) => return println!("not {WOKEN} within {elapsed} ms"),
        }
    }
    match catch_unwind(AssertUnwindSafe(|| poll(future.as_mut(), &alarm))) {
        Ok(_) => println!("polled again, it does not panic"),
        Err(panic) => println!("{PANICS}: {}", text(&*panic)),
    }
}

/// Dropped while it waits: its timer must go with it.
async fn dropped_asleep<F: Future<Output = ()>>(future: F) {
    let alarm = Arc::new(Alarm::default());
    let mut future = Box::pin(future);
    let _ = poll(future.as_mut(), &alarm);
    drop(future);
    println!(
        "{}",
        if alarm.is_kept() {
            DROPPED_KEPT
        } else {
            DROPPED
        }
    );
    sleep(HOUR).await;
    if alarm.rung.load(Ordering::Relaxed) {
        println!("{WOKEN}, though it was dropped");
    }
}

fn poll<F: Future<Output = ()>>(future: Pin<&mut F>, alarm: &Arc<Alarm>) -> Poll<()> {
    println!("{POLLED}");
    let waker = Waker::from(Arc::clone(alarm));
    let polled = future.poll(&mut Context::from_waker(&waker));
    drop(waker);
    match polled {
        Poll::Ready(()) => println!("{READY}"),
        Poll::Pending if alarm.is_kept() => println!("{PENDING}"),
        Poll::Pending => println!("{PENDING_FOR_EVER}"),
    }
    polled
}

/// The waker that a future is given. It tells whether it is kept, and whether it was used.
#[derive(Default)]
struct Alarm {
    rung: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Alarm {
    /// Whether anyone but the driver has it.
    fn is_kept(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn woken(&self) {
        poll_fn(|cx| {
            *self.waiting() = Some(cx.waker().clone());
            if self.rung.swap(false, Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        if let Some(waker) = self.waiting().take() {
            waker.wake();
        }
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not with a text")
}

/// The first line in which two futures differ, apart from the message of a panic.
pub fn first_difference(one: &[String], other: &[String]) -> Option<String> {
    let mut lines = (0..one.len().max(other.len())).map(|at| (one.get(at), other.get(at)));
    lines.find_map(|(ours, theirs)| {
        let known = |line: Option<&String>| {
            line.map(|line| {
                line.split_once(": ")
                    .filter(|(what, _)| *what == PANICS)
                    .map_or(line.as_str(), |(what, _)| what)
                    .to_owned()
            })
        };
        let said = |line: Option<&String>| line.map_or("nothing", String::as_str).to_owned();
        (known(ours) != known(theirs))
            .then(|| format!("\"{}\" and \"{}\"", said(ours), said(theirs)))
    })
}
