//! A function of the program in Go as the files have it: by name where addresses would change with every change
//! elsewhere in the program.

use std::fmt::Write as _;

use barecall::walk::Walk;
use barecall::{Function, Image};

/// A walk without what differs from build to build though the code does not: the hash in `_cgo_<hash>_`, which is
/// that of what is built.
pub fn hashless(walk: &Walk) -> Walk {
    let mut walk = walk.clone();
    walk.call = without_hash(&walk.call);
    for leg in [&mut walk.out, &mut walk.back] {
        for step in &mut leg.steps {
            step.symbol = without_hash(&step.symbol);
        }
    }
    walk
}

/// `_cgo_f806a57e788a_Cfunc_puts` and `_cgoexp_f806a57e788a_goVisit` with `HASH` for the hash.
pub fn without_hash(text: &str) -> String {
    const DIGITS: usize = 12;
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, prefix)) = ["_cgo_", "_cgoexp_"]
        .into_iter()
        .filter_map(|prefix| rest.find(prefix).map(|at| (at, prefix)))
        .min()
    {
        let (before, after) = rest.split_at(at + prefix.len());
        out.push_str(before);
        rest = after;
        let hash = rest.as_bytes().get(..=DIGITS).unwrap_or_default();
        if hash.last() == Some(&b'_') && hash[..DIGITS].iter().all(u8::is_ascii_hexdigit) {
            out.push_str("HASH");
            rest = &rest[DIGITS..];
        }
    }
    out + rest
}

/// One instruction a line, behind its distance from the function's first.
pub fn listing(image: &Image, function: &Function<'_>) -> String {
    let mut out = String::new();
    let (start, end) = function.parts().next().expect("it has a first part");
    for instruction in function.listing().instructions() {
        let text = instruction.text();
        let text = match target(&text) {
            Some(to) if (start..end).contains(&to) => {
                text.replace(&format!("{to:#x}"), &format!("+{:#x}", to - start))
            }
            Some(to) => text.replace(&format!("{to:#x}"), &name(image, to)),
            None => without_data_address(&text),
        };
        // Writing to a string cannot fail.
        let _ = write!(out, "{:6x}  {text}", instruction.address() - start);
        if let Some(call) = instruction.call() {
            let _ = write!(out, "  ; {}", call.route());
            if call.via().len() > 1 || call.to().is_some_and(|to| !text.contains(&to)) {
                let _ = write!(
                    out,
                    " -> {}, via {}",
                    call.to().unwrap_or_default(),
                    call.via().join(", ")
                );
            }
        }
        out.push('\n');
    }
    without_hash(&out)
}

/// Where a jump or a direct call goes.
fn target(text: &str) -> Option<u64> {
    if !text.starts_with(['j', 'c']) || text.starts_with("cmp") {
        return None;
    }
    let last = text.split_whitespace().next_back()?;
    u64::from_str_radix(last.strip_prefix("0x")?, 16).ok()
}

fn name(image: &Image, at: u64) -> String {
    let function = image.function_at(at);
    let function = function.filter(|function| function.address() == at);
    function.map_or_else(|| format!("{at:#x}"), |function| function.name())
}

/// `[rip + 0xb4fdf]` as `[rip + …]`.
fn without_data_address(text: &str) -> String {
    for sign in ["[rip + ", "[rip - "] {
        if let Some(at) = text.find(sign) {
            let (before, after) = text.split_at(at);
            if let Some(end) = after.find(']') {
                return format!("{before}[rip + …{}", &after[end..]);
            }
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hash_is_left_out_of_names() {
        for (text, expected) in [
            ("_cgo_f806a57e788a_Cfunc_puts", "_cgo_HASH_Cfunc_puts"),
            ("_cgoexp_f806a57e788a_goVisit", "_cgoexp_HASH_goVisit"),
            (
                "call _cgo_f806a57e788a_C ; _cgo_0123456789ab_D",
                "call _cgo_HASH_C ; _cgo_HASH_D",
            ),
            ("_cgo_topofstack", "_cgo_topofstack"),
            ("_cgo_", "_cgo_"),
            ("main._Cfunc_puts.abi0", "main._Cfunc_puts.abi0"),
        ] {
            assert_eq!(without_hash(text), expected);
        }
    }

    #[test]
    fn only_addresses_are_left_out_of_instructions() {
        assert_eq!(
            without_data_address("mov rax, qword ptr [rip + 0xb4fdf]"),
            "mov rax, qword ptr [rip + …]"
        );
        assert_eq!(
            without_data_address("cmp byte ptr [rip - 0x18], 0"),
            "cmp byte ptr [rip + …], 0"
        );
        let untouched = "mov r14, qword ptr fs:[0xfffffffffffffff8]";
        assert_eq!(without_data_address(untouched), untouched);
        assert_eq!(target("jbe short 0x48522b"), Some(0x48_522b));
        assert_eq!(target("call rax"), None);
        assert_eq!(target("cmp rdi, 0x10"), None);
    }
}
