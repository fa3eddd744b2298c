//! The callback audit: for each submission to C, it counts the callbacks and the releases of what C was lent.
//!
//! Used by the claim `drop-cancels` and by the stress test, so that both check the same. Each fault that it must find
//! can be injected.

use std::ffi::{CStr, c_void};
use std::mem;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use zero_cost_ffi::ffi;
use zero_cost_ffi::greeting::{self, Counts, Error};
use zero_cost_ffi::task::callback::{self, Greeting};

const NAME: &CStr = c"Ferris";

/// A fault that the audit must find. Real code has each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFault {
    /// C calls back twice.
    CallsBackTwice,
    /// What C was lent is never released.
    Leaks,
    /// It is released twice.
    ReleasesTwice,
    /// The future owns it, and releases it while C still has it.
    ReleasesEarly,
    /// The future is forgotten, so that nothing is cancelled.
    NeverCancels,
}

impl InjectedFault {
    pub const ALL: [Self; 5] = [
        Self::CallsBackTwice,
        Self::Leaks,
        Self::ReleasesTwice,
        Self::ReleasesEarly,
        Self::NeverCancels,
    ];

    /// What the audit must say of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallsBackTwice => "called back 2 times",
            Self::Leaks => "released 0 times",
            Self::ReleasesTwice => "released 2 times",
            Self::ReleasesEarly => "released before C was done",
            Self::NeverCancels => "not cancelled",
        }
    }
}

/// Waits for other audits of this process: C counts for the whole process, so that one at a time can balance.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One audit. Open one while you hold [`turn`].
pub struct CallbackAudit {
    tickets: Arc<[Ticket]>,
    next: AtomicUsize,
    fault: Option<InjectedFault>,
    before: Counts,
}

/// One submission, and what happened to it. It is what C has as `user_data`.
#[derive(Default)]
struct Ticket {
    inner: OnceLock<(ffi::greeting_callback, UserData)>,
    fault: Option<InjectedFault>,
    callbacks: AtomicU32,
    /// The status of the first callback.
    status: AtomicI32,
    /// Whether it must have been cancelled.
    cancelled: AtomicU32,
    released: AtomicU32,
    early: AtomicU32,
}

/// The argument of the future's own callback.
struct UserData(*mut c_void);
// SAFETY: greeting.h hands it from thread to thread as well; only the callback makes anything of it.
unsafe impl Send for UserData {}
// SAFETY: as above; it is only copied.
unsafe impl Sync for UserData {}

/// Stands for what C was lent, and records its release.
struct Lent {
    tickets: Arc<[Ticket]>,
    index: usize,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let ticket = &self.tickets[self.index];
        ticket.released.fetch_add(1, SeqCst);
        if ticket.callbacks.load(SeqCst) == 0 {
            ticket.early.fetch_add(1, SeqCst);
        }
    }
}

/// A submission under way.
pub struct Submitted {
    pub greeting: Greeting<usize>,
    pub index: usize,
    early: Option<Lent>,
    forgets: bool,
}

impl CallbackAudit {
    /// An audit of at most so many submissions.
    #[must_use]
    pub fn open(places: usize, fault: Option<InjectedFault>) -> Self {
        // From an empty table, so that the same is allocated every time. Refused where others use C meanwhile.
        let _ = greeting::shutdown();
        let ticket = || Ticket {
            fault,
            ..Ticket::default()
        };
        Self {
            tickets: (0..places).map(|_| ticket()).collect(),
            next: AtomicUsize::new(0),
            fault,
            before: greeting::counts(),
        }
    }

    /// Submits a greeting that takes `delay`, and that answers with its index.
    ///
    /// # Errors
    /// C's.
    ///
    /// # Panics
    /// When there is no place left.
    pub fn submit(&self, delay: Duration) -> Result<Submitted, Error> {
        let index = self.next.fetch_add(1, SeqCst);
        let lent = || Lent {
            tickets: Arc::clone(&self.tickets),
            index,
        };
        let ticket = &self.tickets[index];
        let start = |buffer, size, inner, user_data| {
            // It was empty: each submission has its own ticket.
            let _ = ticket.inner.set((inner, UserData(user_data)));
            let ticket = std::ptr::from_ref(ticket).cast_mut().cast();
            let (name, mut handle) = (NAME.as_ptr(), 0);
            let delay = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            // SAFETY: the name has a NUL; the ticket lives until C is shut down, or for ever: `settle`; the rest is
            // what `greet_by` promises.
            let status = unsafe {
                ffi::greeting_start(
                    name,
                    buffer,
                    size,
                    delay,
                    Some(witness),
                    ticket,
                    &raw mut handle,
                )
            };
            Error::check(status).map(|()| handle)
        };
        let buffer = vec![0; greeting::size(NAME)];
        let mine = {
            let once = (self.fault != Some(InjectedFault::ReleasesEarly)).then(lent);
            let twice = (self.fault == Some(InjectedFault::ReleasesTwice)).then(lent);
            (once, twice)
        };
        let then = move |_: &CStr| {
            drop(mine);
            index
        };
        // SAFETY: `witness` calls the callback once, when C calls it first; or never, with a fault injected.
        let greeting = unsafe { callback::greet_by(start, buffer, then) }?;
        Ok(Submitted {
            greeting,
            index,
            early: (self.fault == Some(InjectedFault::ReleasesEarly)).then(lent),
            forgets: self.fault == Some(InjectedFault::NeverCancels),
        })
    }

    /// Whether C has called back for this one.
    pub fn is_called_back(&self, index: usize) -> bool {
        self.tickets[index].callbacks.load(SeqCst) > 0
    }

    /// Declares that this one must have been cancelled.
    pub fn must_be_cancelled(&self, index: usize) {
        self.tickets[index].cancelled.store(1, SeqCst);
    }

    /// Waits until C is done, and balances. What is not done by then is a fault.
    pub fn settle(self, within: Duration) -> Balance {
        let mut faults = Vec::new();
        let until = Instant::now() + within;
        // C shuts down when nothing is under way and no callback is being made: from there on nothing changes.
        while let Err(error) = greeting::shutdown() {
            if Instant::now() > until {
                faults.push(format!("C is not done after {within:?}: {error}"));
                // It may still call back.
                mem::forget(Arc::clone(&self.tickets));
                break;
            }
            thread::yield_now();
        }
        let submitted = self.next.load(SeqCst).min(self.tickets.len());
        let mut balance = Balance {
            submissions: submitted as u64,
            ..Balance::default()
        };
        for (index, ticket) in self.tickets[..submitted].iter().enumerate() {
            let callbacks = ticket.callbacks.load(SeqCst);
            let released = ticket.released.load(SeqCst);
            balance.callbacks += u64::from(callbacks);
            balance.releases += u64::from(released);
            let status = ticket.status.load(SeqCst);
            balance.cancelled += u64::from(callbacks > 0 && status == ffi::GREETING_CANCELLED);
            let mut found = |what: String| faults.push(format!("submission {index} was {what}"));
            if callbacks != 1 {
                found(format!("called back {callbacks} times"));
            }
            if released != 1 {
                found(format!("released {released} times"));
            }
            if ticket.early.load(SeqCst) != 0 {
                found("released before C was done".to_owned());
            }
            if ticket.cancelled.load(SeqCst) == 1 && status != ffi::GREETING_CANCELLED {
                found("not cancelled".to_owned());
            }
        }
        let after = greeting::counts();
        balance.allocations = after.allocations - self.before.allocations;
        balance.frees = after.frees - self.before.frees;
        for (what, made, ended) in [
            (
                "greetings were started, but ended",
                after.started,
                after.ended,
            ),
            (
                "blocks of C's were allocated, but freed",
                after.allocations,
                after.frees,
            ),
        ] {
            if made != ended {
                faults.push(format!("{made} {what}: {ended}"));
            }
        }
        // Those of this audit: one for each.
        let callbacks = after.callbacks - self.before.callbacks;
        if callbacks != balance.submissions {
            faults.push(format!(
                "{} submissions, but C counts {callbacks} callbacks",
                balance.submissions
            ));
        }
        balance.faults = faults;
        balance
    }
}

impl Submitted {
    /// Drops the future, here.
    pub fn drop_now(self) {
        drop(self.early);
        if self.forgets {
            mem::forget(self.greeting);
        }
    }
}

/// The result of an audit.
#[derive(Debug, Default)]
pub struct Balance {
    pub submissions: u64,
    pub callbacks: u64,
    /// Submissions whose callback said that they were cancelled.
    pub cancelled: u64,
    /// Times that what C was lent was released.
    pub releases: u64,
    /// Blocks that C allocated, and freed.
    pub allocations: u64,
    pub frees: u64,
    /// All that does not balance.
    pub faults: Vec<String>,
}

/// Stands between C and the future's own callback.
///
/// # Safety
/// `user_data` points to a ticket.
unsafe extern "C" fn witness(status: ffi::greeting_status, user_data: *mut c_void) {
    // SAFETY: the caller's promise.
    let ticket = unsafe { &*user_data.cast::<Ticket>() };
    if ticket.callbacks.fetch_add(1, SeqCst) > 0 {
        return; // what the callback would use is gone
    }
    ticket.status.store(status, SeqCst);
    let leaks = ticket.fault == Some(InjectedFault::Leaks);
    if let Some((Some(inner), user_data)) = ticket.inner.get().filter(|_| !leaks) {
        // SAFETY: C calls it, for the first time, with what it was given.
        unsafe { inner(status, user_data.0) };
    }
    if ticket.fault == Some(InjectedFault::CallsBackTwice) {
        // SAFETY: the same ticket.
        unsafe { witness(status, std::ptr::from_ref(ticket).cast_mut().cast()) };
    }
}
