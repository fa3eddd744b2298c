//! Instructions as text.

use std::fmt::Write as _;

use iced_x86::{Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter};

use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

use crate::aarch64;
use crate::image::{Architecture, Image};
use crate::step::Flow;

impl Image {
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

fn format_x86(instruction: &Instruction) -> String {
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
