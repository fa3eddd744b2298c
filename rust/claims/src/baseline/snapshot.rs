//! The snapshots on file: a head of facts, a blank line, and a body.
//!
//! ```text
//! ---
//! source: tests/listings.rs
//! description: recorded 2026-11-24
//! ---
//! # compiler  rustc 1.95.0 (59807616e 2026-04-14), LLVM 22.1.2
//! # call      puts  got  tail
//!
//! zero_cost_ffi::calls::say:
//! ```

use std::path::Path;
use std::{fs, io};

use barecall::Route;

use super::{TARGET, root};
use crate::report::Source;

/// A snapshot, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Behind insta's own head: the facts and the body.
    text: String,
    /// The day that it was recorded.
    recorded: Option<String>,
    facts: Vec<(String, String)>,
    /// Where the body begins in `text`.
    body: usize,
}

/// A call, as a fact states it: `puts  got  tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The callee.
    pub to: &'a str,
    /// The route; none where its name is not known.
    pub route: Option<Route>,
    /// Whether it is a tail call.
    pub tail: bool,
}

/// The listing on file of an exhibit at opt-level 3, with its facts.
#[must_use]
pub fn of(exhibit: &str) -> Option<Source> {
    let file = format!("asm-snapshots/{TARGET}/{exhibit}.rust.O3.snap");
    let snapshot = Snapshot::read(&root().join(&file)).ok()?;
    let text = snapshot.text().to_owned();
    Some(Source { file, text })
}

impl Snapshot {
    /// The snapshot in a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a snapshot.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        Self::parse(&text).ok_or_else(|| {
            let why = format!("{} is not a snapshot", file.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    /// The snapshot in a text; none if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, text) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
        let recorded = head
            .lines()
            .find_map(|line| line.strip_prefix("description: recorded "));
        let mut facts = Vec::new();
        let mut body = 0;
        for line in text.split_inclusive('\n') {
            let Some(fact) = line.strip_prefix("# ") else {
                break;
            };
            let (name, value) = fact.trim_end().split_once("  ")?;
            facts.push((name.to_owned(), value.trim_start().to_owned()));
            body += line.len();
        }
        Some(Self {
            recorded: recorded.map(|day| day.trim().to_owned()),
            facts,
            body,
            text: text.to_owned(),
        })
    }

    /// The day that it was recorded: `2026-11-24`.
    #[must_use]
    pub fn recorded(&self) -> Option<&str> {
        self.recorded.as_deref()
    }

    /// The facts of that name, in their order.
    pub fn facts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.facts.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The fact of that name; the first, where there are several.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        let mut named = self.facts.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// The compiler that made it.
    #[must_use]
    pub fn compiler(&self) -> Option<&str> {
        self.fact("compiler")
    }

    /// The calls that it states.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        self.facts("call").filter_map(|call| {
            let (to, how) = call.split_once("  ")?;
            let mut words = how.split_whitespace();
            Some(Call {
                to,
                route: words.next().and_then(|route| route.parse().ok()),
                tail: words.any(|word| word == "tail"),
            })
        })
    }

    /// The facts and the body, as they are on file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What follows the facts.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text[self.body..].trim_start_matches('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_facts_and_body_are_told_apart() {
        let text = "---\nsource: tests/listings.rs\ndescription: recorded 2026-11-24\n---\n\
            # exhibit   say: a  line\n# call      puts  got  tail\n# call      f  plt\n# call      g  new\n\n\
            say:\n\tjmp x\n# call  not a fact\n";
        let snapshot = Snapshot::parse(text).expect("a snapshot");
        assert_eq!(snapshot.recorded(), Some("2026-11-24"));
        assert_eq!(snapshot.fact("exhibit"), Some("say: a  line"));
        assert_eq!(snapshot.compiler(), None);
        let calls: Vec<_> = snapshot.calls().collect();
        let call = |to, route, tail| Call { to, route, tail };
        assert_eq!(
            calls,
            [
                call("puts", Some(Route::Got), true),
                call("f", Some(Route::Plt), false),
                call("g", None, false)
            ]
        );
        assert_eq!(snapshot.body(), "say:\n\tjmp x\n# call  not a fact\n");
        assert!(snapshot.text().starts_with("# exhibit   say"));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in [
            "",
            "# compiler  x\n",
            "---\nsource: x\n",
            "---\na: b\n---\n# no value\n",
        ] {
            assert_eq!(Snapshot::parse(text), None, "{text:?}");
        }
    }
}
