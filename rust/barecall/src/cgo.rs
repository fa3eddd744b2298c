//! Go's calls into C: what lies in between is the Go runtime, by way of a function that cgo writes for each C function.

/// The function of the runtime that every call from Go into C goes through.
pub(crate) const RUNTIME: &str = "runtime.cgocall";

/// The C function that a function of this name calls through the runtime: `puts` for `main._Cfunc_puts.abi0`.
pub(crate) fn callee(name: &str) -> Option<&str> {
    let (_, callee) = name.split_once("._Cfunc_")?;
    let callee = callee.strip_suffix(".abi0").unwrap_or(callee);
    // These are cgo's own, in Go: they copy, and call C's `malloc` by a function of its own.
    let helpers = ["CString", "CBytes", "GoString", "GoStringN", "GoBytes"];
    (!callee.is_empty() && !helpers.contains(&callee)).then_some(callee)
}

#[cfg(test)]
mod tests {
    use super::callee;

    #[test]
    fn what_cgo_writes_is_told_by_its_name() {
        assert_eq!(callee("main._Cfunc_puts.abi0"), Some("puts"));
        assert_eq!(callee("example.com/a/b._Cfunc_puts"), Some("puts"));
        for other in [
            "puts",
            "main.puts",
            "main._Cfunc_CString",
            "_cgo_f806a57e788a_Cfunc_puts",
            "runtime.cgocall",
            "main._Cfunc_",
        ] {
            assert_eq!(callee(other), None, "{other}");
        }
    }
}
