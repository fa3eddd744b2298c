//! The walks: which call of the judged image each act makes, and what was executed on its way.

use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use barecall::Function;
use barecall::walk::{Walk, WalkError, Walker};
use zero_cost_ffi::{catalogue, ffi};

use crate::image_under_test::ImageUnderTest;
use crate::scenario::act::{Act, Side};

/// A walk that was taken, or why it was not.
pub type Taken = Rc<Result<Walk, NotWalked>>;

#[derive(Debug, thiserror::Error)]
pub enum NotWalked {
    #[error("{0}")]
    Walk(#[from] WalkError),
    #[error("there is no such call in this image")]
    NoSuchCall,
}

impl NotWalked {
    /// Whether no program can be walked here, so that this says nothing of the call.
    pub const fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::Walk(WalkError::Unsupported | WalkError::Forbidden { .. })
        )
    }
}

impl ImageUnderTest {
    /// Takes the walks of these acts, each once in the life of the judge, as many at a time as there are processors.
    pub fn walks(&self, acts: &[Act]) -> Vec<(Act, Taken)> {
        let mut taken = self.taken.borrow_mut();
        let missing: Vec<Act> = acts
            .iter()
            .copied()
            .filter(|act| !taken.contains_key(act))
            .collect();
        let walkers = missing.iter().map(|act| self.walker(*act)).collect();
        for (act, result) in missing.iter().zip(at_once(walkers)) {
            let result = result.map_or(Err(NotWalked::NoSuchCall), |walk| walk.map_err(Into::into));
            taken.insert(*act, Rc::new(result));
        }
        acts.iter()
            .map(|act| (*act, Rc::clone(&taken[act])))
            .collect()
    }

    /// A walk of an act, not taken yet; `None` if the image has no such call.
    pub fn walker(&self, act: Act) -> Option<Walker> {
        let (from, to) = self.call(act)?;
        let mut program = command(self, act);
        program.stdin(Stdio::null()).stdout(Stdio::null());
        Some(Walk::of(program).from(from).to(to).warmup(act.warmup()))
    }

    /// The caller and the callee of an act, as a walk finds them.
    fn call(&self, act: Act) -> Option<(String, String)> {
        let visits = || {
            self.at("greet_for_each", ffi::greet_for_each as *const ())
                .ok()
        };
        if act == Act::VISIT {
            // By name: its address, taken here, could be that of a copy made here.
            let visit = self.image.function("zero_cost_ffi::callback::visit").ok()?;
            return Some((self.exactly(&visits()?), self.exactly(&visit)));
        }
        if act == Act::ADD_TO {
            return Some((self.exactly(&visits()?), "add_to".to_owned()));
        }
        if act.side == Side::Control {
            return self.control_call(act, visits()?);
        }
        let exhibit = catalogue::exhibits()
            .into_iter()
            .find(|exhibit| exhibit.name == act.name)?;
        let from = match act.side {
            Side::C => {
                let twin = catalogue::twins()
                    .into_iter()
                    .find(|twin| Some(twin.name) == exhibit.twin)?;
                self.twin(&twin)?
            }
            // Spawned as it is: where its poll is inlined, the call is in tokio's.
            Side::Task(runtime) if act.name == "return_address" => {
                let address = runtime.return_address().ok()?;
                self.call_returning_to(address as u64)?.from()
            }
            _ => self.exhibit(&exhibit)?,
        };
        Some((self.exactly(&from), exhibit.calls[0].to_owned()))
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn control_call(&self, act: Act, visits: Function<'_>) -> Option<(String, String)> {
        use crate::scenario::trampolines::{through_other_stack, visited};
        if act == Act::VISIT_THROUGH_SHIM {
            let visited = self.at(act.name, visited as *const ()).ok()?;
            return Some((self.exactly(&visits), self.exactly(&visited)));
        }
        let from = self.at(act.name, through_other_stack as *const ()).ok()?;
        Some((self.exactly(&from), "greet_add_one".to_owned()))
    }

    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    fn control_call(&self, _: Act, _: Function<'_>) -> Option<(String, String)> {
        None
    }

    /// By address: names may be several functions'.
    pub fn exactly(&self, function: &Function<'_>) -> String {
        let file = self.image.path().file_name().unwrap_or_default();
        format!("{}:{:#x}", file.to_string_lossy(), function.address())
    }
}

/// Takes these walks, as many at a time as there are processors.
pub fn at_once(walkers: Vec<Option<Walker>>) -> Vec<Option<Result<Walk, WalkError>>> {
    let walkers: Vec<Mutex<Option<Walker>>> = walkers.into_iter().map(Mutex::new).collect();
    let results: Vec<Mutex<Option<Result<Walk, WalkError>>>> =
        walkers.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..at_once.min(walkers.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(walker) = walkers.get(index) else {
                        break;
                    };
                    let walker = walker.lock().unwrap_or_else(PoisonError::into_inner).take();
                    *results[index]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = walker.map(Walker::run);
                }
            });
        }
    });
    results
        .into_iter()
        .map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// The judge itself, performing.
#[cfg(not(test))]
fn command(subject: &ImageUnderTest, act: Act) -> Command {
    let mut program = Command::new(subject.image.path());
    program.args(["act", &act.to_string()]);
    program
}

/// The test program, performing.
#[cfg(test)]
fn command(subject: &ImageUnderTest, act: Act) -> Command {
    use crate::scenario::act::tests::{ACT, ARGUMENTS};
    let mut program = Command::new(subject.image.path());
    program.args(ARGUMENTS).env(ACT, act.to_string());
    program
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::scenario::act::Runtime;

    /// Instructions out and back, and stack switches.
    fn counts(walk: &Walk) -> (u64, u64, u64) {
        let switches = walk.out.stack_switches + walk.back.stack_switches;
        (walk.out.instructions, walk.back.instructions, switches)
    }

    /// As it was compiled for the tests: not optimised. `CLAIMS_REPEAT` takes every walk that many times.
    #[test]
    fn every_walk_is_the_same_in_every_repeat() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let often = [
            Act::new(Side::Rust, "say"),
            Act::new(Side::C, "say"),
            Act::new(Side::Rust, "add_one"),
        ];
        let asked = std::env::var("CLAIMS_REPEAT")
            .ok()
            .and_then(|times| times.parse().ok());
        for act in Act::all() {
            let few = if often.contains(&act) { 100 } else { 2 };
            let times = asked.unwrap_or(few);
            let walk = subject
                .walker(act)
                .unwrap_or_else(|| panic!("{act}: no such call"))
                .repeat(times)
                .run()
                .unwrap_or_else(|error| panic!("{act}: {error}"));
            assert_eq!(walk.repeats.identical, times, "{act}: {walk}");
            println!("{act}: {:?}, {times} of {times}", counts(&walk));
            let expected = match act.side {
                Side::Rust | Side::Task(_) => (1, 0, 0),
                // gcc's default: through a PLT stub to a shared library, directly to a static one.
                Side::C if act.name.starts_with("say") => (2, 0, 0),
                Side::C => (1, 0, 0),
                Side::Control if act == Act::VISIT_THROUGH_SHIM => (2, 0, 0),
                Side::Control => (7, 3, 2),
            };
            assert_eq!(counts(&walk), expected, "{act}:\n{walk}");
        }
    }

    /// The task's call is walked where it was executed, not where it might have been.
    #[test]
    fn a_spawned_task_is_walked_where_its_call_is() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        for runtime in Runtime::BOTH {
            let act = Act::new(Side::Task(runtime), "return_address");
            let (_, taken) = &subject.walks(&[act])[0];
            let walk = taken.as_ref().as_ref().expect("it is walked");
            assert!(walk.is_bare(), "{walk}");
            let returned = runtime.return_address().expect("a runtime");
            let call = subject
                .call_returning_to(returned as u64)
                .expect("a call of this image");
            assert_eq!(walk.from, call.from().name());
        }
    }

    /// Each is taken once, whoever asks.
    #[test]
    fn a_walk_is_taken_once() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let act = Act::new(Side::Rust, "sum");
        let first = subject.walks(&[act]);
        let again = subject.walks(&[act, act]);
        assert!(Rc::ptr_eq(&first[0].1, &again[1].1));
    }
}
