//! The walks: which call of the image under test a scenario makes, and what is executed on its way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use barecall::Function;
use barecall::walk::{Walk, WalkError, Walker};
use zero_cost_ffi::{catalogue, ffi};

use super::missing::MissingTool;
use super::parallel;
use crate::image_under_test::ImageUnderTest;
use crate::report::Side;
use crate::scenario::call::{CallScenario, Runtime};
use crate::scenario::{Scenario, child};

/// A walk, or why there is none.
pub type WalkResult = Rc<Result<Walk, NotWalked>>;

/// Why there is no walk.
#[derive(Debug, thiserror::Error)]
pub enum NotWalked {
    #[error("{0}")]
    Walk(#[from] WalkError),
    #[error("there is no such call in this image")]
    NoSuchCall,
    #[error("the program under test cannot be started again: {0}")]
    Start(#[from] std::io::Error),
}

impl MissingTool for NotWalked {
    fn missing_tool(&self) -> Option<&'static str> {
        match self {
            Self::Walk(error) => error.missing_tool(),
            _ => None,
        }
    }
}

thread_local! {
    // Of the one image there is, the running program's: its image stays the same, and so do its walks.
    static TAKEN: RefCell<HashMap<CallScenario, WalkResult>> = RefCell::default();
}

impl ImageUnderTest {
    /// Walks these calls, each once in the life of the judge, as many at a time as there are processors.
    pub fn walks(&self, calls: &[CallScenario]) -> Vec<(CallScenario, WalkResult)> {
        TAKEN.with_borrow_mut(|taken| {
            let missing: Vec<CallScenario> = calls
                .iter()
                .copied()
                .filter(|call| !taken.contains_key(call))
                .collect();
            let walkers: Vec<_> = missing.iter().map(|call| self.walker(*call)).collect();
            let walks = parallel::map(walkers, |walker| Ok(walker?.run()?));
            taken.extend(missing.into_iter().zip(walks.into_iter().map(Rc::new)));
            calls
                .iter()
                .map(|call| (*call, Rc::clone(&taken[call])))
                .collect()
        })
    }

    /// A walk of a call, not taken yet.
    ///
    /// # Errors
    /// When the image has no such call.
    pub fn walker(&self, call: CallScenario) -> Result<Walker, NotWalked> {
        let (from, to) = self.ends(call).ok_or(NotWalked::NoSuchCall)?;
        Ok(walker(Scenario::Call(call))?
            .from(from)
            .to(to)
            .warmup(call.warmup()))
    }

    /// The caller and the callee, as a walk finds them.
    fn ends(&self, call: CallScenario) -> Option<(String, String)> {
        let visits = || {
            self.at("greet_for_each", ffi::greet_for_each as *const ())
                .ok()
        };
        if call == CallScenario::VISIT {
            // By name: its address, taken here, could be that of a copy made here.
            let visit = self.image.function("zero_cost_ffi::callback::visit").ok()?;
            return Some((self.exactly(&visits()?), self.exactly(&visit)));
        }
        if call == CallScenario::ADD_TO {
            return Some((self.exactly(&visits()?), "add_to".to_owned()));
        }
        if call.side == Side::Control {
            return self.control_ends(call, &visits()?);
        }
        let exhibit = catalogue::exhibits()
            .into_iter()
            .find(|exhibit| exhibit.name == call.name)?;
        let in_task = |runtime: Runtime| {
            let address = runtime.return_address().ok()?;
            Some(self.call_returning_to(address as u64)?.from())
        };
        let from = match call.side {
            Side::C => {
                let twin = catalogue::twins()
                    .into_iter()
                    .find(|twin| Some(twin.name) == exhibit.twin)?;
                self.twin(&twin)?
            }
            // Spawned as it is: where its poll is inlined, the call is in tokio's code.
            Side::CurrentThread if call.name == "return_address" => {
                in_task(Runtime::CurrentThread)?
            }
            Side::MultiThread if call.name == "return_address" => in_task(Runtime::MultiThread)?,
            _ => self.exhibit(&exhibit)?,
        };
        Some((self.exactly(&from), exhibit.calls[0].to_owned()))
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn control_ends(&self, call: CallScenario, visits: &Function<'_>) -> Option<(String, String)> {
        use crate::scenario::trampolines::{through_other_stack, visited};
        if call == CallScenario::VISIT_THROUGH_SHIM {
            let visited = self.at(call.name, visited as *const ()).ok()?;
            return Some((self.exactly(visits), self.exactly(&visited)));
        }
        let from = self.at(call.name, through_other_stack as *const ()).ok()?;
        Some((self.exactly(&from), "greet_add_one".to_owned()))
    }

    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    fn control_ends(&self, _: CallScenario, _: &Function<'_>) -> Option<(String, String)> {
        None
    }

    /// A function as a walk finds it: by address, since several may have its name.
    pub fn exactly(&self, function: &Function<'_>) -> String {
        let file = self.image.path().file_name().unwrap_or_default();
        format!("{}:{:#x}", file.to_string_lossy(), function.address())
    }
}

/// A walk of a scenario, whose ends are still to be named.
pub fn walker(scenario: Scenario) -> std::io::Result<Walker> {
    Ok(Walk::of(child::command(scenario, scenario.limit())?))
}
