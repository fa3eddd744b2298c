//! Instructions as text.

use iced_x86::{Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter};

use crate::image::{Architecture, Image};

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
            Architecture::Aarch64 => String::new(),
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
