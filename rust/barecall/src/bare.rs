//! The assertion: a function calls these symbols, each by a bare call.

use std::fmt;

use crate::calls::{Call, Function};

/// Why a function's calls are not what was asserted, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotBare {
    /// The function, by its readable name.
    pub function: String,
    /// The symbols it was to call.
    pub expected: Vec<String>,
    /// What is wrong, one finding each: the call that is not bare, or the symbol that is not called.
    pub findings: Vec<String>,
    /// Every call of the function, as a line of text.
    pub calls: Vec<String>,
}

impl fmt::Display for NotBare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: expected a bare call to {}",
            self.function,
            self.expected.join(", ")
        )?;
        for finding in &self.findings {
            writeln!(f, "  found: {finding}")?;
        }
        write!(f, "  its calls:")?;
        if self.calls.is_empty() {
            write!(f, " none")?;
        }
        for call in &self.calls {
            write!(f, "\n    {call}")?;
        }
        Ok(())
    }
}

impl<'a> Function<'a> {
    /// Checks that this function calls each of `symbols`, as many times as it is listed or more often, and each
    /// time by a bare call. Returns those calls, by address. Its other calls are its own business.
    ///
    /// ```
    /// let image = barecall::Image::current()?;
    /// let main = image.function("main")?;
    /// let error = main.bare_calls(&["no_such_symbol"]).unwrap_err();
    /// assert!(error.to_string().contains("no call reaches no_such_symbol"));
    /// # Ok::<(), barecall::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NotBare`], naming each call that takes another route, each symbol that is not reached (or not as often), and
    /// all calls of the function: a target that only the running program knows is none of `symbols`.
    pub fn bare_calls(&self, symbols: &[&str]) -> Result<Vec<Call<'a>>, NotBare> {
        let calls = self.calls();
        let mut findings = Vec::new();
        let outward: Vec<Call<'a>> = calls
            .iter()
            .copied()
            .filter(|call| symbols.iter().any(|symbol| call.reaches(symbol)))
            .collect();
        for call in outward.iter().filter(|call| !call.route().is_bare()) {
            findings.push(describe(call));
        }
        let mut counted: Vec<&str> = symbols.to_vec();
        counted.sort_unstable();
        counted.dedup();
        for symbol in counted {
            let wanted = symbols.iter().filter(|listed| **listed == symbol).count();
            let found = outward.iter().filter(|call| call.reaches(symbol)).count();
            if found == 0 {
                findings.push(format!("no call reaches {symbol}"));
            } else if found < wanted {
                findings.push(format!("{found} of {wanted} calls to {symbol}"));
            }
        }
        if findings.is_empty() {
            return Ok(outward);
        }
        Err(NotBare {
            function: self.name(),
            expected: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            findings,
            calls: calls.iter().map(describe).collect(),
        })
    }
}

fn describe(call: &Call<'_>) -> String {
    let to = call.to().unwrap_or_else(|| "an unknown target".to_owned());
    let via = call.via();
    let via = if via.is_empty() {
        String::new()
    } else {
        format!(", via {}", via.join(", "))
    };
    format!(
        "{:#x}  {}  {} to {to}{via}",
        call.at(),
        call.text(),
        call.route()
    )
}
