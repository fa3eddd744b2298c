//! A walk as text that can be read aloud, step by step, and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::record::{Leg, Step, Walk};

/// Longer legs are shown by their beginning and end.
const LONGEST: usize = 60;

/// ```text
/// walk    say -> puts (warm-up 1, 100 of 100 walks identical)
///
/// out     2 instructions, same stack
///      1  say       call 0x401030
///      1  puts@plt
///         puts
/// callee  152 instructions
/// back    0 instructions, same stack
/// ```
impl Display for Walk {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "walk    {} -> {} (warm-up {}",
            self.from, self.to, self.warmup
        )?;
        if self.repeats.walks > 1 {
            let repeats = &self.repeats;
            write!(
                f,
                ", {} of {} walks identical",
                repeats.identical, repeats.walks
            )?;
        }
        if self.randomised {
            f.write_str(", addresses randomised")?;
        }
        write!(f, ")\n\nout     ")?;
        write_leg(f, &self.out, Some(&self.call))?;
        let callee = count(self.callee.instructions, "instruction");
        write!(f, "        {}\ncallee  {callee}\nback    ", self.to)?;
        write_leg(f, &self.back, None)
    }
}

impl Walk {
    /// The walk as text that can be read aloud, which [`Display`] prints.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_string()
    }

    /// The walk as JSON, `"schema": 1`.
    ///
    /// # Panics
    /// Never: a walk has string keys and finite numbers only.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: u32,
            /// Of barecall.
            version: &'static str,
            #[serde(flatten)]
            walk: &'a Walk,
        }
        serde_json::to_string_pretty(&Document {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            walk: self,
        })
        .expect("a walk has string keys and finite numbers only")
    }
}

fn write_leg(f: &mut Formatter<'_>, leg: &Leg, call: Option<&str>) -> fmt::Result {
    let stack = match leg.stack_switches {
        0 => "same stack".to_owned(),
        1 => "1 stack switch".to_owned(),
        n => format!("{n} stack switches"),
    };
    let mut notes = vec![count(leg.instructions, "instruction"), stack];
    notes.extend(events(leg.atomics, leg.syscalls));
    writeln!(f, "{}", notes.join(", "))?;
    let left_out = leg.steps.len().saturating_sub(LONGEST);
    let (begin, rest) = leg.steps.split_at(leg.steps.len().min(LONGEST / 2));
    let (middle, end) = rest.split_at(left_out);
    // A demangled name may be very long: the notes beside it need not be aligned.
    let names = leg.steps.iter().map(|step| step.symbol.len());
    let width = names.max().unwrap_or(0).min(40);
    for (index, step) in begin.iter().enumerate() {
        write_step(f, step, width, call.filter(|_| index == 0))?;
    }
    if !middle.is_empty() {
        let instructions: u64 = middle.iter().map(|step| step.instructions).sum();
        let steps = middle.len();
        writeln!(
            f,
            "{instructions:6}  ({steps} more steps: --format json lists them)"
        )?;
    }
    end.iter()
        .try_for_each(|step| write_step(f, step, width, None))
}

fn write_step(f: &mut Formatter<'_>, step: &Step, width: usize, call: Option<&str>) -> fmt::Result {
    let switches = match step.stack_switches {
        0 => None,
        1 => Some("switches stacks".to_owned()),
        n => Some(format!("switches stacks {n} times")),
    };
    let notes: Vec<String> = call
        .map(str::to_owned)
        .into_iter()
        .chain(switches)
        .chain(events(step.atomics, step.syscalls))
        .collect();
    let (instructions, symbol) = (step.instructions, &step.symbol);
    let line = format!("{instructions:6}  {symbol:width$}  {}", notes.join(", "));
    writeln!(f, "{}", line.trim_end())
}

/// The atomic instructions and system calls, where there are any.
fn events(atomics: u64, syscalls: u64) -> impl Iterator<Item = String> {
    [(atomics, "atomic"), (syscalls, "system call")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| count(n, what))
}

fn count(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
