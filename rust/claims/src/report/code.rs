//! The code on show: exhibits, controls, their calls, and their listings.

use std::fmt;

use barecall::Route;
use serde::{Deserialize, Serialize};

/// The calls of an exhibit, and of its twin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// The exhibit's name: `say_twice`.
    pub name: String,
    /// What it shows, in a line.
    pub says: String,
    /// The C function that it calls.
    pub callee: String,
    /// In Rust.
    pub rust: Calls,
    /// In C; none where the exhibit has no twin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c: Option<Calls>,
}

/// The calls that a function makes of the callee on show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Instructions from the call to the callee's first one, the call included; of the longest of these calls. None
    /// where that is not known, or where there is no such call.
    pub instructions: Option<u32>,
    /// Each call, in the order of their addresses.
    pub calls: Vec<Call>,
}

/// One call, as it was found in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The callee; none where it could not be told.
    pub to: Option<String>,
    /// The route: `got`, `plt` …
    pub route: Route,
    /// Whether it is a jump that takes the place of a call.
    pub tail: bool,
    /// What executes in between, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// Instructions from the call to the callee's first one, the call included; none where that is not known.
    pub instructions: Option<u32>,
}

/// The route with its attributes: `got`, `register, tail`, `plt, via puts@plt`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.route)?;
        if self.tail {
            f.write_str(", tail")?;
        }
        if !self.via.is_empty() {
            write!(f, ", via {}", self.via.join(" and "))?;
        }
        Ok(())
    }
}

/// A control: built to be the opposite of an exhibit, it must be classified so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Its name: `through_shim`.
    pub name: String,
    /// The route that must be found.
    pub expected: Route,
    /// Its call that is not bare; none if all are.
    pub found: Option<Call>,
}

/// A function on show: as it is written, and as it was compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The exhibit's name.
    pub name: String,
    /// What it shows, in a line.
    pub says: String,
    /// In Rust.
    pub source: Source,
    /// In Rust, compiled.
    pub rust: Vec<Line>,
    /// Its twin in C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c_source: Option<Source>,
    /// Its twin in C, compiled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub c: Vec<Line>,
    /// Its twin in Go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_source: Option<Source>,
    /// Its twin in Go, compiled, as recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub go: Vec<Line>,
}

/// A stretch of a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file, from the root of the repository.
    pub file: String,
    /// The text.
    pub text: String,
}

/// An instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its address in the image; its offset in the function, where the listing is recorded.
    pub at: u64,
    /// The instruction: `call qword ptr [rip + 0x8d54b]`.
    pub text: String,
    /// The call that it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// What it does here, in words, where there is a rule that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub does: Option<String>,
}
