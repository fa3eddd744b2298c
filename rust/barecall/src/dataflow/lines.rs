//! Which step lies at an address.

use crate::function::{Body, word};

/// A line is so many bytes of code, as a power of two: few instructions begin in it.
const LINE: u32 = 3;

/// The steps of a function by address.
#[derive(Default)]
pub(super) struct Lines {
    /// In order of address.
    parts: Vec<Part>,
    /// The first step of each line, or of the next if none begins there; before each part's, one more.
    steps: Vec<u32>,
}

/// Operations that lie one behind the other.
#[derive(Clone, Copy)]
struct Part {
    start: u64,
    end: u64,
    /// Where its lines begin.
    line: usize,
}

impl Lines {
    /// Forgets what was, and takes these steps.
    pub(super) fn of(&mut self, body: &Body<'_>) {
        self.parts.clear();
        self.steps.clear();
        let mut first = 0;
        for n in 0..=body.beginnings.len() {
            let next = body
                .beginnings
                .get(n)
                .map_or(body.len(), |&next| next as usize);
            let (start, last) = (body.at(first), body.at(next - 1));
            let line = self.steps.len() + 1;
            let lines = ((last - start) >> LINE) as usize + 1;
            self.steps.resize(line + lines, 0);
            let steps = &mut self.steps[line - 1..];
            body.each_address_back(first..next, |step, at| {
                let line = ((at - start) >> LINE) as usize;
                // An instruction is shorter than two lines: none begins in at most one.
                steps[line + 1] = word(step);
                steps[line] = word(step);
            });
            self.parts.push(Part {
                start,
                end: last.saturating_add(body.size(next - 1).into()),
                line,
            });
            first = next;
        }
    }

    fn part(&self, address: u64) -> Option<&Part> {
        let behind = self.parts.partition_point(|part| part.start <= address);
        let part = self.parts.get(behind.checked_sub(1)?)?;
        (address < part.end).then_some(part)
    }

    /// Whether an address lies in a step.
    pub(super) fn has(&self, address: u64) -> bool {
        self.part(address).is_some()
    }

    /// The first step at an address.
    pub(super) fn index(&self, body: &Body<'_>, address: u64) -> Option<usize> {
        let part = self.part(address)?;
        let line = part.line + ((address - part.start) >> LINE) as usize;
        // No line begins behind the last step.
        let step = body.first_from(*self.steps.get(line)? as usize, address);
        (step < body.len() && body.at(step) == address).then_some(step)
    }
}
