//! Instructions as text, and a function's listing with each call's route beside it.

use std::fmt::{self, Write as _};

use iced_x86::{Decoder, DecoderOptions, Formatter as _, IntelFormatter};
use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

use crate::call::{Call, Function};
use crate::image::{Architecture, Image};
use crate::ir::Flow;
use crate::isa::aarch64;

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
        let calls = self.calls();
        let mut instructions = Vec::new();
        for (mut address, end) in self.parts() {
            while address < end {
                let left = usize::try_from(end - address).unwrap_or(usize::MAX);
                let bytes = image.contents(address, left);
                let bytes = &bytes[..image
                    .instruction_length(address)
                    .clamp(1, 15)
                    .min(bytes.len())];
                // A part without contents in the file.
                if bytes.is_empty() {
                    break;
                }
                let call = calls
                    .binary_search_by_key(&address, Call::at)
                    .ok()
                    .map(|at| calls[at]);
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
#[derive(Clone, Copy)]
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
        self.image.instruction_text(self.address)
    }

    /// The call that it makes, if it is one.
    #[must_use]
    pub const fn call(&self) -> Option<Call<'a>> {
        self.call
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

impl Image {
    /// How many bytes the instruction at an address has.
    fn instruction_length(&self, address: u64) -> usize {
        match self.architecture {
            Architecture::X86_64 => {
                let code = self.contents(address, 15);
                Decoder::with_ip(64, code, address, DecoderOptions::NONE)
                    .decode()
                    .len()
            }
            Architecture::Aarch64 => 4,
        }
    }

    /// The instruction at an address, as text.
    pub(crate) fn instruction_text(&self, address: u64) -> String {
        match self.architecture {
            Architecture::X86_64 => {
                let mut decoder = Decoder::with_ip(
                    64,
                    self.contents(address, 15),
                    address,
                    DecoderOptions::NONE,
                );
                format_x86(&decoder.decode())
            }
            Architecture::Aarch64 => format_aarch64(self.contents(address, 4), address),
        }
    }
}

fn format_x86(instruction: &iced_x86::Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_rip_relative_addresses(true);
    options.set_space_after_operand_separator(true);
    options.set_space_between_memory_add_operators(true);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_leading_zeros(false);
    options.set_memory_size_options(iced_x86::MemorySizeOptions::Always);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

fn format_aarch64(code: &[u8], address: u64) -> String {
    let Some((_, word)) = aarch64::words(code, address).next() else {
        return String::new();
    };
    // A branch's target is an address here, as in x86-64's listing; the crate prints distances.
    let target = match aarch64::flow(address, word) {
        Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) => Some(to),
        _ => aarch64::named_address(address, word),
    };
    let mut text = String::new();
    if let Ok(instruction) = InstDecoder::default().decode(&mut U8Reader::new(code)) {
        // A String takes everything.
        let _ = write!(text, "{instruction}");
    }
    // What the crate does not know (some of the newer tag instructions) it calls invalid.
    if text.is_empty() || text.starts_with("invalid") {
        return format!(".inst {word:#010x}");
    }
    if let Some(to) = target
        && let Some(at) = text.rfind("$")
    {
        text.truncate(at);
        let _ = write!(text, "{to:#x}");
    }
    text
}
