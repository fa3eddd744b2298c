//! Instructions as text, and a function's listing with each call's route beside it.

use std::fmt::{self, Write as _};

use crate::call::{Call, Function};
use crate::image::Image;
use crate::isa;

impl<'a> Function<'a> {
    /// Its instructions, in the order of their addresses within each part, the entry's part first.
    ///
    /// ```
    /// let image = barecall::Image::current()?;
    /// let listing = image.function("main")?.listing();
    /// assert!(listing.instructions().iter().any(|instruction| instruction.call().is_some()));
    /// println!("{listing}");
    /// # Ok::<(), barecall::Error>(())
    /// ```
    #[must_use]
    pub fn listing(&self) -> Listing<'a> {
        let image = self.image();
        let set = isa::of(image.architecture);
        let calls = self.calls();
        let mut instructions = Vec::new();
        for (mut address, end) in self.parts() {
            while address < end {
                let left = usize::try_from(end - address).unwrap_or(usize::MAX);
                let bytes = image.contents(address, left);
                let bytes = &bytes[..set.length(bytes).clamp(1, 15).min(bytes.len())];
                // A part without contents in the file.
                if bytes.is_empty() {
                    break;
                }
                let call = calls
                    .binary_search_by_key(&address, Call::at)
                    .ok()
                    .map(|at| calls[at].clone());
                instructions.push(Instruction {
                    image,
                    address,
                    bytes,
                    call,
                });
                address += bytes.len() as u64;
            }
        }
        Listing { instructions }
    }
}

/// A function's instructions. Printed, it is one line for each.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    instructions: Vec<Instruction<'a>>,
}

impl<'a> Listing<'a> {
    /// The instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction<'a>] {
        &self.instructions
    }

    /// The instructions at `marks` behind a `>`, with `context` more on either side of each; without marks,
    /// all of them.
    #[must_use]
    pub fn excerpt(&self, marks: &[u64], context: usize) -> String {
        let marked = |n: usize| marks.contains(&self.instructions[n].address);
        let near = |n: usize| {
            if marks.is_empty() {
                return true;
            }
            let last = self.instructions.len() - 1;
            (n.saturating_sub(context)..=n.saturating_add(context).min(last)).any(marked)
        };
        let mut text = String::new();
        let mut shown = 0;
        for n in (0..self.instructions.len()).filter(|&n| near(n)) {
            if n > shown {
                text.push_str("   ...\n");
            }
            let mark = if marked(n) { '>' } else { ' ' };
            // Writing to a String cannot fail.
            let _ = writeln!(text, " {mark} {}", self.instructions[n]);
            shown = n + 1;
        }
        if shown < self.instructions.len() {
            text.push_str("   ...\n");
        }
        text
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.instructions
            .iter()
            .try_for_each(|instruction| writeln!(f, "{instruction}"))
    }
}

/// One instruction. Printed, it is address, bytes, text and, of a call, its route and target.
#[derive(Clone)]
pub struct Instruction<'a> {
    image: &'a Image,
    address: u64,
    bytes: &'a [u8],
    call: Option<Call<'a>>,
}

impl<'a> Instruction<'a> {
    /// Its address in the image.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The instruction as text.
    #[must_use]
    pub fn text(&self) -> String {
        isa::of(self.image.architecture).text(self.bytes, self.address)
    }

    /// The call that it makes, if it is one.
    #[must_use]
    pub const fn call(&self) -> Option<&Call<'a>> {
        self.call.as_ref()
    }
}

impl fmt::Display for Instruction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self
            .bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        write!(f, "{:8x}  {:<30}  ", self.address, bytes.join(" "))?;
        match &self.call {
            Some(call) => write!(f, "{:<36}  ; {call}", self.text()),
            None => f.write_str(&self.text()),
        }
    }
}

impl fmt::Debug for Instruction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The route, the target and what lies between: `plt -> puts, 2 instructions, via puts@plt`.
impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to().unwrap_or_else(|| "?".to_owned());
        write!(f, "{} -> {to}", self.route())?;
        if self.tail() {
            f.write_str(", tail")?;
        }
        if let Some(count @ 2..) = self.instructions() {
            write!(f, ", {count} instructions")?;
        }
        let via = self.via();
        if !via.is_empty() {
            write!(f, ", via {}", via.join(", "))?;
        }
        Ok(())
    }
}
