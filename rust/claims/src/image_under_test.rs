//! What is judged: the running program's own image, with the exhibits, twins and controls found in it.
//!
//! They are found by the address of the code that runs, not by name alone: what is read is what is executed.

use std::cell::OnceCell;

use barecall::{Call, Function, Image};
use zero_cost_ffi::catalogue::{self, Control, Exhibit, Twin};

use crate::go::program::Program;
use crate::go::toolchain::NoGo;

/// The image, and how far the loader moved it.
pub struct ImageUnderTest {
    pub image: Image,
    bias: u64,
    go: OnceCell<Result<Program, NoGo>>,
}

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Image(#[from] barecall::Error),
    #[error(
        "{name} runs at {entry:#x}, where the image has no function: the file was replaced while it ran; start it again"
    )]
    Elsewhere { name: &'static str, entry: u64 },
}

impl ImageUnderTest {
    /// The running program.
    pub fn current() -> Result<Self, Error> {
        let image = Image::current()?;
        let first = catalogue::exhibits()[0];
        let listed = image.function(first.path)?.address();
        let bias = address(first.entry).wrapping_sub(listed);
        let subject = Self {
            image,
            bias,
            go: OnceCell::new(),
        };
        for (name, entry) in catalogue::exhibits()
            .iter()
            .map(|exhibit| (exhibit.name, exhibit.entry))
            .chain(
                catalogue::twins()
                    .iter()
                    .map(|twin| (twin.name, twin.entry)),
            )
            .chain(
                catalogue::controls()
                    .iter()
                    .map(|control| (control.name, control.entry)),
            )
        {
            subject.at(name, entry)?;
        }
        Ok(subject)
    }

    /// The program in Go, built when it is first asked for; or why there is none.
    pub fn go(&self) -> Result<&Program, &NoGo> {
        self.go.get_or_init(Program::build).as_ref()
    }

    /// The function whose first instruction runs at an address of the running program.
    pub fn at(&self, name: &'static str, entry: *const ()) -> Result<Function<'_>, Error> {
        let at = address(entry).wrapping_sub(self.bias);
        let found = self
            .image
            .function_at(at)
            .filter(|function| function.address() == at);
        found.ok_or(Error::Elsewhere {
            name,
            entry: address(entry),
        })
    }

    /// The machine code of an exhibit.
    pub fn exhibit(&self, exhibit: &Exhibit) -> Option<Function<'_>> {
        self.at(exhibit.name, exhibit.entry).ok()
    }

    /// The machine code of a twin.
    pub fn twin(&self, twin: &Twin) -> Option<Function<'_>> {
        self.at(twin.name, twin.entry).ok()
    }

    /// The machine code of a control.
    pub fn control(&self, control: &Control) -> Option<Function<'_>> {
        self.at(control.name, control.entry).ok()
    }

    /// The call that returns to an address of the running program.
    pub fn call_returning_to(&self, address: u64) -> Option<Call<'_>> {
        let behind = address.wrapping_sub(self.bias);
        // The address behind a call may be the next function's.
        let function = self.image.function_at(behind.wrapping_sub(1))?;
        function
            .calls()
            .into_iter()
            .find(|call| call.at() + call.bytes().len() as u64 == behind)
    }
}

/// Architecture and system: `x86_64-linux`.
#[must_use]
pub fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

fn address(entry: *const ()) -> u64 {
    entry.addr() as u64
}

/// The calls of a function that reach one of the symbols an exhibit is to call.
pub fn on_show<'a>(function: &Function<'a>, symbols: &[&str]) -> Vec<Call<'a>> {
    function
        .calls()
        .into_iter()
        .filter(|call| symbols.iter().any(|symbol| call.reaches(symbol)))
        .collect()
}

/// How a call goes, in words: `got`, `register, tail`, `plt, via puts@plt`.
pub fn words(call: &Call<'_>) -> String {
    let mut words = vec![call.route().as_str().to_owned()];
    if call.tail() {
        words.push("tail".to_owned());
    }
    let via = call.via();
    if !via.is_empty() {
        words.push(format!("via {}", via.join(" and ")));
    }
    words.join(", ")
}
