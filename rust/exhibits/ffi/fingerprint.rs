//! Checks that the committed bindings were made from the header that is there now. `build.rs` and the tests use it:
//! a check that needs no tool at all.

/// How the committed bindings are made anew, and thereby accepted.
pub const ACCEPT: &str = "GREET_BLESS=1 cargo test --features bindgen --test all bindings";

/// A header of the C side, and what is made of it.
#[derive(Clone, Copy)]
#[allow(
    dead_code,
    reason = "the build script makes bindings only with the feature `bindgen`"
)]
pub struct Bound {
    /// The header's path, from the root of the repository.
    pub header: &'static str,
    /// The path of the bindings on file.
    pub bindings: &'static str,
    /// The names in it that are its own, as a regular expression.
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
    /// What stands before the fingerprint, in the bindings.
    fn mark(&self) -> String {
        format!("// Fingerprint of {}: ", self.header)
    }

    /// The line that records the header, whose text this is, in bindings made from it.
    pub fn line(&self, header: &str) -> String {
        format!("{}{:016x}", self.mark(), fnv1a(header))
    }

    /// Says what is wrong, and what to type, unless the text `bindings` was made
    /// from the text `header`.
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

/// FNV-1a, 64 bits: it has to notice an edit, not to resist an attack.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .filter(|&byte| byte != b'\r') // the same for a checkout with CRLF
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
