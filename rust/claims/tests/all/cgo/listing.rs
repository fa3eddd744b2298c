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
        let call = instruction.call();
        let via = call.map(barecall::Call::via).unwrap_or_default();
        let text = match target(&text) {
            Some(to) if (start..end).contains(&to) => {
                text.replace(&format!("{to:#x}"), &format!("+{:#x}", to - start))
            }
            Some(to) => {
                let name = via.first().cloned().or_else(|| name(image, to));
                text.replace(&format!("{to:#x}"), &name.unwrap_or_else(|| "…".to_owned()))
            }
            None => without_addresses(&text, |at| name(image, at)),
        };
        // Writing to a string cannot fail.
        let _ = write!(out, "{:6x}  {text}", instruction.address() - start);
        if let Some(call) = call {
            let _ = write!(out, "  ; {}", call.route());
            if via.len() > 1 || call.to().is_some_and(|to| !text.contains(&to)) {
                let _ = write!(
                    out,
                    " -> {}, via {}",
                    call.to().unwrap_or_default(),
                    via.join(", ")
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

fn name(image: &Image, at: u64) -> Option<String> {
    let function = image.function_at(at);
    let function = function.filter(|function| function.address() == at);
    function.map(|function| function.name())
}

/// `[rip + 0xb4fdf]` as `[rip + …]`; an address of the image as a value by name, or as `…`.
fn without_addresses(text: &str, name: impl Fn(u64) -> Option<String>) -> String {
    for sign in ["[rip + ", "[rip - "] {
        if let Some(at) = text.find(sign) {
            let (before, after) = text.split_at(at);
            if let Some(end) = after.find(']') {
                return format!("{before}[rip + …{}", &after[end..]);
            }
        }
    }
    // Where the linker puts a program that cannot be moved; no number that Go's runtime reckons with lies there.
    const IMAGE: std::ops::Range<u64> = 0x40_0000..0x100_0000;
    let value = text.rsplit_once(", 0x").and_then(|(before, digits)| {
        let at = u64::from_str_radix(digits, 16).ok()?;
        IMAGE.contains(&at).then_some((before, at))
    });
    match value {
        Some((before, at)) => {
            format!("{before}, {}", name(at).unwrap_or_else(|| "…".to_owned()))
        }
        None => text.to_owned(),
    }
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
        let without = |text| without_addresses(text, |at| (at == 0x48_5000).then(|| "f".into()));
        for (text, expected) in [
            (
                "mov rax, qword ptr [rip + 0xb4fdf]",
                "mov rax, qword ptr [rip + …]",
            ),
            ("cmp byte ptr [rip - 0x18], 0", "cmp byte ptr [rip + …], 0"),
            ("mov rdi, 0x485000", "mov rdi, f"),
            ("mov rbp, 0x6b3608", "mov rbp, …"),
        ] {
            assert_eq!(without(text), expected);
        }
        for untouched in [
            "mov r14, qword ptr fs:[0xfffffffffffffff8]",
            "sub rsp, 0x20",
        ] {
            assert_eq!(without(untouched), untouched);
        }
        assert_eq!(target("jbe short 0x48522b"), Some(0x48_522b));
        assert_eq!(target("call rax"), None);
        assert_eq!(target("cmp rdi, 0x10"), None);
    }
}
