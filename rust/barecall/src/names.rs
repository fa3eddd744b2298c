//! Symbol names: demangling, telling Rust's from others', and finding one by what a person types.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The readable form of a symbol's name: Rust's demangled without the hash, others' as they are
/// (a version such as `@GLIBC_2.2.5` is dropped).
///
/// ```
/// assert_eq!(barecall::demangle("_ZN4core3fmt5Write9write_str17h0123456789abcdefE"), "core::fmt::Write::write_str");
/// assert_eq!(barecall::demangle("puts@GLIBC_2.2.5"), "puts");
/// ```
#[must_use]
pub fn demangle(name: &str) -> String {
    let name = unversioned(name);
    if is_rust(name) {
        let mut readable = Readable(String::new());
        // A few bytes of v0 mangling may stand for a megabyte: such a name stays as it is.
        if write!(readable, "{:#}", rustc_demangle::demangle(name)).is_ok() {
            return readable.0;
        }
    }
    name.to_owned()
}

/// A demangled name, up to a length that a person can still read.
struct Readable(String);

impl fmt::Write for Readable {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        const LONGEST: usize = 1 << 14;
        if self.0.len() + part.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

/// Whether the compiler that made this symbol was rustc: v0 mangling, or legacy mangling with its hash.
///
/// ```
/// assert!(barecall::is_rust("_RNvCs123_4main4main"));
/// assert!(!barecall::is_rust("puts"));
/// assert!(!barecall::is_rust("_ZN3foo3barEv")); // C++
/// assert!(barecall::is_rust("_ZN4core3ptr30drop_in_place$LT$alloc..Side$GT$17h4280b0b30786985eE.llvm.158"));
/// ```
#[must_use]
pub fn is_rust(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix("_R") {
        return rest.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
    }
    // Legacy: _ZN … 17h<16 hexadecimal digits>E, then perhaps a suffix such as .llvm.123 or .cold. There are dots
    // within the path, too: `alloc..vec..Vec`.
    let Some(hash) = name.rfind("17h").filter(|_| name.starts_with("_ZN")) else {
        return false;
    };
    let hash = name.as_bytes()[hash..].get(3..).unwrap_or(&[]);
    hash.get(..16)
        .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        && hash.get(16) == Some(&b'E')
        && matches!(hash.get(17), None | Some(b'.'))
}

/// A call that the compiler itself put in: memory primitives, unwinding, allocation shims, stack probes.
pub(crate) fn is_compiler_inserted(name: &str) -> bool {
    const NAMES: [&str; 19] = [
        "memcpy",
        "memmove",
        "memset",
        "memcmp",
        "bcmp",
        "strlen",
        "_Unwind_Resume",
        "__rust_probestack",
        "__stack_chk_fail",
        "__chkstk",
        "__tls_get_addr",
        "__cxa_finalize",
        "__cxa_begin_catch",
        "__gmon_start__",
        "__cxa_thread_atexit_impl",
        "__memcpy_chk",
        "__memset_chk",
        "__memmove_chk",
        "__rust_no_alloc_shim_is_unstable",
    ];
    NAMES.contains(&name)
        || ["__rust_alloc", "__rust_dealloc", "__rust_realloc", "_ITM_"].iter().any(|prefix| name.starts_with(prefix))
        // compiler-rt's and libgcc's arithmetic: __udivti3, __multf3, __aarch64_ldadd4_relax …
        || name.strip_prefix("__").is_some_and(|rest| {
            rest.starts_with("aarch64_")
                || (rest.len() >= 6 && ["ti3", "ti4", "tf3", "tf2", "di3", "df3", "sf3"].iter().any(|end| rest.ends_with(end)))
        })
}

/// Whether a call to this function never comes back.
pub(crate) fn never_returns(name: &str) -> bool {
    matches!(
        name,
        "abort"
            | "exit"
            | "_exit"
            | "_Exit"
            | "quick_exit"
            | "_Unwind_Resume"
            | "__stack_chk_fail"
            | "__assert_fail"
            | "longjmp"
            | "__longjmp_chk"
            | "pthread_exit"
            | "__cxa_throw"
            | "__cxa_rethrow"
            | "__fortify_fail"
            | "__chk_fail"
            | "rust_begin_unwind"
            | "rust_panic"
    ) || is_core_panic(name)
}

/// `core::panicking::…`, none of which returns. Of `std::panicking` some do.
fn is_core_panic(name: &str) -> bool {
    let v0 = |name: &str| {
        let path = name.strip_prefix("_R")?;
        let path = path
            .strip_prefix('I')
            .unwrap_or(path)
            .strip_prefix("NvNtC")?;
        // The crate's disambiguator: s…_
        let path = match path.strip_prefix('s') {
            Some(rest) => rest.split_once('_')?.1,
            None => path,
        };
        Some(path.starts_with("4core9panicking"))
    };
    name.starts_with("_ZN4core9panicking") || v0(name) == Some(true)
}

/// Whether a call to this function may come back a second time.
pub(crate) fn returns_twice(name: &str) -> bool {
    matches!(
        unversioned(name),
        "setjmp"
            | "_setjmp"
            | "__setjmp"
            | "sigsetjmp"
            | "__sigsetjmp"
            | "getcontext"
            | "vfork"
            | "__vfork"
    )
}

pub(crate) fn unversioned(name: &str) -> &str {
    match name.find('@') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}

/// How well a name fits what was asked for; greater is better. A name that is a symbol's whole name means that
/// symbol, even where it is also the end of others: C's `main` in a Rust program that has a `demo::main`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fit {
    Suffix,
    Demangled,
    Mangled,
}

/// Whether `name` is what `wanted` says: the mangled name, the demangled one, or the demangled one's end
/// from a `::` or `.` boundary on.
pub(crate) fn fit(wanted: &str, name: &str) -> Option<Fit> {
    if wanted == name || wanted == unversioned(name) {
        return Some(Fit::Mangled);
    }
    // Demangling every name is slow: the last word of what was asked for stands in each mangled name too.
    let word = wanted.rsplit([':', '.']).find(|word| is_word(word));
    if word.is_some_and(|word| !name.contains(word)) {
        return None;
    }
    let demangled = demangle(name);
    // Legacy mangling does not number closures, so its `{{closure}}` is any of v0's.
    match (wanted.contains(LEGACY), demangled.contains(LEGACY)) {
        (true, false) => fit_text(wanted, &as_legacy(&demangled)),
        (false, true) => fit_text(&as_legacy(wanted), &demangled),
        _ => fit_text(wanted, &demangled),
    }
}

fn fit_text(wanted: &str, demangled: &str) -> Option<Fit> {
    let head = demangled
        .strip_suffix(wanted)
        .filter(|_| !wanted.is_empty())?;
    if head.is_empty() {
        Some(Fit::Demangled)
    } else {
        (head.ends_with("::") || head.ends_with('.')).then_some(Fit::Suffix)
    }
}

const LEGACY: &str = "{{closure}}";
const V0: &str = "{closure#";

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `{closure#7}` as `{{closure}}`.
fn as_legacy(name: &str) -> Cow<'_, str> {
    if !name.contains(V0) {
        return Cow::Borrowed(name);
    }
    let mut legacy = String::with_capacity(name.len() + 2);
    let mut rest = name;
    while let Some(at) = rest.find(V0) {
        let Some(end) = rest[at..].find('}') else {
            break;
        };
        legacy.push_str(&rest[..at]);
        legacy.push_str(LEGACY);
        rest = &rest[at + end + 1..];
    }
    legacy.push_str(rest);
    Cow::Owned(legacy)
}

/// How near a name is to what was typed, 0 to 1: for "did you mean".
pub(crate) fn likeness(wanted: &str, name: &str) -> f64 {
    let last = |name| {
        str::rsplit(name, "::")
            .next()
            .and_then(|name| name.rsplit('.').next())
    };
    let ends = strsim::jaro_winkler(last(wanted).unwrap_or(wanted), last(name).unwrap_or(name));
    ends.max(strsim::jaro_winkler(wanted, name))
}

/// The nearest of `names` to `wanted`, best first.
pub(crate) fn near(wanted: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    const MOST: usize = 5;
    let mut scored: Vec<(f64, String)> = names
        .map(|name| (likeness(wanted, &name), name))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored
        .into_iter()
        .take(MOST)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Fit, fit, fit_text, never_returns};

    #[test]
    fn whole_names_and_suffixes_at_a_boundary() {
        assert_eq!(fit("puts", "puts@GLIBC_2.2.5"), Some(Fit::Mangled));
        let say = "_ZN4demo3say17h0123456789abcdefE";
        assert_eq!(fit(say, say), Some(Fit::Mangled));
        assert_eq!(fit("demo::say", say), Some(Fit::Demangled));
        assert_eq!(fit("say", say), Some(Fit::Suffix));
        assert_eq!(
            fit("_Cfunc_add_one", "main._Cfunc_add_one"),
            Some(Fit::Suffix)
        );
        for (wanted, name) in [("uts", "puts"), ("ay", say), (":say", say), ("", "puts")] {
            assert_eq!(fit(wanted, name), None, "{wanted}");
        }
    }

    #[test]
    fn closures_of_both_manglings_are_the_same() {
        let legacy = "_ZN4demo4task28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE";
        for wanted in [
            "task::{{closure}}",
            "task::{closure#0}",
            "demo::task::{{closure}}",
        ] {
            assert!(fit(wanted, legacy).is_some(), "{wanted}");
        }
        let v0 = "demo::task::{closure#0}";
        assert_eq!(fit_text("task::{closure#1}", v0), None);
        assert_eq!(fit_text("task::{closure#0}", v0), Some(Fit::Suffix));
    }

    #[test]
    fn only_what_ends_in_a_panic_never_returns() {
        for name in [
            "abort",
            "_ZN4core9panicking9panic_fmt17h0123456789abcdefE",
            "_RNvNtCsdBezzDwma51_4core9panicking9panic_fmt",
            "_RINvNtCsdBezzDwma51_4core9panicking13assert_failedllECs1234_7mycrate",
        ] {
            assert!(never_returns(name), "{name}");
        }
        for name in [
            "puts",
            "_RNvNtNtCsdBezzDwma51_3std9panicking11panic_count17is_zero_slow_path",
            "_RNvNtCsdBezzDwma51_3std9panicking9panicking",
            "_RINvCs1234_7mycrate5visitNtNtCsdBezzDwma51_4core9panicking10AssertKindEB2_",
        ] {
            assert!(!never_returns(name), "{name}");
        }
    }
}
