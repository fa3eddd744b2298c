//! Were the committed bindings made from the header that is there now? Read by
//! `build.rs` and by `tests/bindings`: a check that needs no tool at all.

/// How the committed bindings are made anew, and thereby accepted.
pub const ACCEPT: &str = "GREET_BLESS=1 cargo test --features bindgen --test bindings";

/// What stands before the fingerprint, in the bindings.
const MARK: &str = "// Fingerprint of c/greet.h: ";

/// The line that records `header` in bindings made from it.
pub fn line(header: &str) -> String {
    format!("{MARK}{:016x}", fnv1a(header))
}

/// Says what is wrong, and what to type, unless `bindings` were made from
/// `header`.
pub fn check(header: &str, bindings: &str) -> Result<(), String> {
    let expected = line(header);
    let found = bindings.lines().find(|line| line.starts_with(MARK));
    if found == Some(expected.as_str()) {
        return Ok(());
    }
    Err(format!(
        "rust/exhibits/ffi/bindings.rs was not made from this c/greet.h: \
         expected `{expected}`, found `{}`. Make it anew (needs libclang) with: {ACCEPT}",
        found.unwrap_or("no fingerprint"),
    ))
}

/// FNV-1a, 64 bits: it has to notice an edit, not to resist an attack.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .filter(|&byte| byte != b'\r') // the same for a checkout with CRLF
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
