//! `drop-cancels`: a future that is dropped cancels the C work, and nothing is lost or touched again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self as std_task, Poll, Waker};
use std::thread;
use std::time::Duration;

use zero_cost_ffi::greeting::Error;
use zero_cost_ffi::task;

use crate::evaluation::{Context, Evaluation, FigureSpec, Quote, Spec};
use crate::measure::callback_audit::{Balance, CallbackAudit, InjectedFault, Submitted, turn};
use crate::report::{Claim, Verdict, approximately};
use crate::scenario::call::Runtime;

/// The claim.
pub const SPEC: Spec = Spec {
    id: "drop-cancels",
    statement: "a future dropped at any point cancels what C does for it: one callback, all released once, none too early",
    talk: Quote::simplified(
        "usual drop semantics",
        "to drop a future is to drop a value, but C knows nothing of it: that this cancels, and that C keeps what it \
             was lent until it is done, is the wrapper's work",
    ),
    figures: &[FIGURES],
    check,
    ..Spec::DEFAULT
};

const FIGURES: &[FigureSpec] = &[
    FigureSpec::new("submissions", "submissions")
        .counts("futures that started work in C and were dropped"),
    FigureSpec::new("callbacks", "callbacks")
        .counts("calls of the callback by C, cancelled or not"),
    FigureSpec::new("releases", "releases").counts("calls of the release function by C"),
    FigureSpec::new("left in C", "blocks").counts("blocks that C allocated and did not free"),
    FigureSpec::new("controls", "faults")
        .counts("faults that were planted, and that the audit found"),
];

/// How many are dropped at each point.
pub const TIMES: usize = 64;
/// What is not to end by itself.
const LONG: Duration = Duration::from_secs(3600);
/// What ends almost at once, on C's thread.
const SHORT: Duration = Duration::from_nanos(1);
/// How long C may take to be done with what was cancelled.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before it was polled, C having called back within the start.
    CalledBackInStart,
    /// Before it was polled, C being at work.
    Unpolled,
    /// After a poll that found it pending.
    Polled,
    /// While C may be calling back.
    Racing,
    /// After C has called back, the result not being taken.
    CalledBack,
    /// After it was ready.
    Taken,
    /// After it was cancelled by hand, and ready.
    Cancelled,
    /// In a task, after a poll that found it pending.
    InTask(Runtime),
}

impl Point {
    /// Every point.
    pub const ALL: [Self; 9] = [
        Self::CalledBackInStart,
        Self::Unpolled,
        Self::Polled,
        Self::Racing,
        Self::CalledBack,
        Self::Taken,
        Self::Cancelled,
        Self::InTask(Runtime::CurrentThread),
        Self::InTask(Runtime::MultiThread),
    ];
}

fn check(context: &Context) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let (verdict, found) = match balance(None, &Point::ALL, TIMES) {
        Ok(balance) => {
            count(&mut evaluation, balance);
            (Verdict::HoldsWithConditions, found(&evaluation))
        }
        Err(error) => {
            let why = format!("C cannot start a greeting: {error}");
            evaluation.lack("threads", &why);
            (Verdict::NotChecked, why)
        }
    };
    evaluation.finish_live(&context.image, verdict, found, CONDITIONS)
}

fn count(evaluation: &mut Evaluation, balance: Balance) {
    evaluation.add("submissions", balance.submissions);
    evaluation.add("callbacks", balance.callbacks);
    evaluation.add("releases", balance.releases);
    let left = balance.allocations.abs_diff(balance.frees);
    evaluation.add("left in C", left);
    // How many there were depends on which won the race; that they are given back does not.
    let allocated = approximately(balance.allocations);
    evaluation.measure("allocated by C", allocated, "blocks");
    evaluation.findings.extend(balance.faults);
    for fault in InjectedFault::ALL {
        match control(fault) {
            Ok(()) => evaluation.add("controls", 1),
            Err(why) => evaluation.fault(why),
        }
    }
}

fn found(evaluation: &Evaluation) -> String {
    format!(
        "{} dropped at {} points: {} callbacks, {} releases; {} of C's blocks left; {} of {} planted faults seen",
        evaluation.value("submissions"),
        Point::ALL.len(),
        evaluation.value("callbacks"),
        evaluation.value("releases"),
        evaluation.value("left in C"),
        evaluation.value("controls"),
        InjectedFault::ALL.len()
    )
}

const CONDITIONS: [&str; 3] = [
    "of a C library that calls back exactly once, also after a cancel, and says so: c/greeting.h; no future can add what \
     the library does not promise",
    "of the callback pattern (rust/exhibits/task/callback.rs); spawn_blocking cancels nothing, and a future that is \
     forgotten (mem::forget) is not dropped",
    "that C touches no memory after it was released is shown here by the order of the two, and under valgrind by the \
     tests",
];

/// Whether the same audit finds a fault that is planted.
///
/// # Errors
/// What it found instead.
pub fn control(fault: InjectedFault) -> Result<(), String> {
    let balance = balance(Some(fault), &[Point::Unpolled], 1).map_err(|error| error.to_string())?;
    let (expected, faults) = (fault.as_str(), balance.faults);
    if faults.iter().any(|found| found.contains(expected)) {
        return Ok(());
    }
    Err(format!(
        "control {fault:?}: expected `{expected}`, found {faults:?}: the audit does not see it"
    ))
}

/// Drops so many at each of these points, and balances the account.
///
/// # Errors
/// When C cannot start a greeting, or there is no runtime.
pub fn balance(
    fault: Option<InjectedFault>,
    points: &[Point],
    times: usize,
) -> Result<Balance, Error> {
    let _turn = turn();
    let audit = Arc::new(CallbackAudit::open(points.len() * times, fault));
    for point in points {
        match point {
            Point::InTask(runtime) => in_task(&audit, *runtime, times)?,
            _ => (0..times).try_for_each(|time| drop_at(&audit, *point, time, fault))?,
        }
    }
    // The tasks are over: nobody else has it.
    Ok(Arc::into_inner(audit).map_or_else(Balance::default, |audit| audit.settle(PATIENCE)))
}

fn drop_at(
    audit: &CallbackAudit,
    point: Point,
    time: usize,
    fault: Option<InjectedFault>,
) -> Result<(), Error> {
    let delay = match point {
        Point::CalledBackInStart => Duration::ZERO,
        Point::Racing => Duration::from_micros(20),
        Point::CalledBack | Point::Taken => SHORT,
        // Nobody will cancel it.
        _ if fault == Some(InjectedFault::NeverCancels) => SHORT,
        _ => LONG,
    };
    let mut submitted = audit.submit(delay)?;
    if matches!(point, Point::Unpolled | Point::Polled | Point::Cancelled) {
        audit.must_be_cancelled(submitted.index);
    }
    match point {
        Point::CalledBackInStart | Point::Unpolled | Point::InTask(_) => {}
        Point::Polled => drop(poll(&mut submitted)),
        // From long before the deadline to long after it.
        Point::Racing => {
            for _ in 0..time * 32 {
                std::hint::spin_loop();
            }
        }
        Point::CalledBack => {
            while !audit.is_called_back(submitted.index) {
                thread::yield_now();
            }
        }
        Point::Taken => drop(block_on(&mut submitted.greeting)??),
        Point::Cancelled => {
            submitted.greeting.cancel()?;
            drop(block_on(&mut submitted.greeting)?);
        }
    }
    submitted.drop_now();
    Ok(())
}

/// The same as [`Point::Polled`], in a task.
fn in_task(audit: &Arc<CallbackAudit>, runtime: Runtime, times: usize) -> Result<(), Error> {
    let audit = Arc::clone(audit);
    let task = async move {
        for _ in 0..times {
            let mut submitted = audit.submit(LONG)?;
            audit.must_be_cancelled(submitted.index);
            poll_fn(|cx| Poll::Ready(Pin::new(&mut submitted.greeting).poll(cx).is_pending()))
                .await;
            submitted.drop_now();
        }
        Ok(())
    };
    match runtime {
        Runtime::CurrentThread => task::on_current_thread(task),
        Runtime::MultiThread => task::on_multi_thread(task),
    }
    .map_err(Error::Thread)?
}

fn poll(submitted: &mut Submitted) -> Poll<Result<usize, Error>> {
    Pin::new(&mut submitted.greeting).poll(&mut std_task::Context::from_waker(Waker::noop()))
}

/// Runs a future to its end on this thread.
fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    Ok(runtime.map_err(Error::Thread)?.block_on(future))
}
