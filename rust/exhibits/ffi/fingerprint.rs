//! Checks that the committed bindings were generated from the current header. `build.rs` and the tests use this check,
//! which needs no tools.

/// The command that regenerates the committed bindings, and so accepts a change.
pub const ACCEPT: &str = "GREET_BLESS=1 cargo test --features bindgen --test all bindings";

/// A header of the C side, and the bindings generated from it.
#[derive(Clone, Copy)]
#[allow(
    dead_code,
    reason = "the build script makes bindings only with the feature `bindgen`"
)]
pub struct Bound {
    /// The header's path, from the root of the repository.
    pub header: &'static str,
    /// The path of the committed bindings.
    pub bindings: &'static str,
    /// The names that the header defines, as a regular expression.
    pub names: &'static str,
}

/// The synchronous library.
pub const GREET: Bound = Bound {
    header: "c/greet.h",
    bindings: "rust/exhibits/ffi/bindings.rs",
    names: "(greet|GREET)_.*|greeter.*",
};

/// The greeting that takes time.
pub const GREETING: Bound = Bound {
    header: "c/greeting.h",
    bindings: "rust/exhibits/ffi/greeting.rs",
    names: "(greeting|GREETING)_.*",
};

impl Bound {
    /// The text before the fingerprint in the bindings.
    fn mark(&self) -> String {
        format!("// Fingerprint of {}: ", self.header)
    }

    /// The line that records the text `header` in bindings generated from it.
    pub fn line(&self, header: &str) -> String {
        format!("{}{:016x}", self.mark(), fnv1a(header))
    }

    /// Returns an error, with the command to type, unless the text `bindings` was
    /// generated from the text `header`.
    pub fn check(&self, header: &str, bindings: &str) -> Result<(), String> {
        let (mark, expected) = (self.mark(), self.line(header));
        let found = bindings.lines().find(|line| line.starts_with(&mark));
        if found == Some(expected.as_str()) {
            return Ok(());
        }
        Err(format!(
            "{} was not made from this {}: \
             expected `{expected}`, found `{}`. Make it anew (needs libclang) with: {ACCEPT}",
            self.bindings,
            self.header,
            found.unwrap_or("no fingerprint"),
        ))
    }
}

/// FNV-1a with 64 bits: it must notice an edit, not resist an attack.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .filter(|&byte| byte != b'\r') // the same for a checkout with CRLF
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
