//! The table of controls: each route, on each architecture, from each compiler and linker that is here,
//! expected against found. A miss fails, and so does a false "bare".
//!
//! The sources are in `fixtures/routes`. They are linked without a C library, against a stand-in for one, so
//! that an AArch64 image needs no more than an assembler and a linker. What is missing on the machine is said
//! on stderr, and is a failure where `BARECALL_REQUIRE` (a list with commas, or `all`) names it: `clang`,
//! `aarch64`, `lld`, `mold`.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use barecall::{Call, Image, Route};

use Arch::{Aarch64, X86};
use Linker::{Bfd, Lld, Mold};
use Producer::{Asm, Clang, Gcc, Rustc};
use Route::{Direct, Got, Plt, Pointer, Register, Thunk, Unresolved};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Arch {
    X86,
    Aarch64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Producer {
    Gcc,
    Clang,
    Rustc,
    /// Written by hand.
    Asm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Linker {
    Bfd,
    Lld,
    Mold,
}

const BOTH: &[Arch] = &[X86, Aarch64];
const C: &[Producer] = &[Gcc, Clang];
const BARE: &[Route] = &[Direct, Got, Register];
const NOT_BARE: &[Route] = &[Pointer, Unresolved];

/// One image, and what its calls must be.
struct Control {
    name: &'static str,
    arch: &'static [Arch],
    producers: &'static [Producer],
    /// Each with its flags.
    linkers: &'static [(Linker, &'static str)],
    /// Compiler flags, beside -O2 unless they say otherwise.
    cflags: &'static str,
    /// Besides the stand-in for the C library, if the image is linked with one.
    sources: &'static [&'static str],
    libc: Libc,
    calls: &'static [Expected],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Libc {
    Shared,
    /// Its code is in the image.
    Inside,
}

/// What the calls of a function must be.
#[derive(Clone, Copy)]
struct Expected {
    from: &'static str,
    which: Which,
    routes: &'static [Route],
    /// A stub or thunk on the way.
    via: &'static str,
    /// Whether each is a tail call, if it matters.
    tail: Option<bool>,
}

#[derive(Clone, Copy)]
enum Which {
    /// All that reach this symbol; there is one at least.
    To(&'static str),
    /// All; there is one at least.
    All,
    /// The last by address.
    Last,
    /// There is none.
    None,
    /// None reaches this symbol.
    NotTo(&'static str),
}

const fn to(from: &'static str, to: &'static str, routes: &'static [Route]) -> Expected {
    Expected {
        from,
        which: Which::To(to),
        routes,
        via: "",
        tail: None,
    }
}

const fn all(from: &'static str, routes: &'static [Route]) -> Expected {
    Expected {
        which: Which::All,
        ..to(from, "", routes)
    }
}

const fn last(from: &'static str) -> Expected {
    Expected {
        which: Which::Last,
        ..to(from, "", NOT_BARE)
    }
}

const fn never(from: &'static str, symbol: &'static str) -> Expected {
    Expected {
        which: Which::NotTo(symbol),
        ..to(from, "", &[])
    }
}

const fn none(from: &'static str) -> Expected {
    Expected {
        which: Which::None,
        ..to(from, "", &[])
    }
}

impl Expected {
    const fn via(self, via: &'static str) -> Self {
        Self { via, ..self }
    }

    const fn tail(self, tail: bool) -> Self {
        Self {
            tail: Some(tail),
            ..self
        }
    }
}

const STUBS: &[Expected] = &[
    to("once", "puts", &[Plt]).via("puts@plt").tail(false),
    to("twice", "puts", &[Plt]).via("puts@plt"),
    to("tail", "puts", &[Plt]).via("puts@plt").tail(true),
    to("guarded", "puts", &[Plt]).via("puts@plt").tail(true),
    to("looped", "puts", &[Plt]).via("puts@plt"),
    to("cases", "puts", &[Plt]).via("puts@plt"),
    all("argument", &[Pointer]),
    all("global", &[Pointer]),
    all("method", &[Pointer]),
];

const NO_STUBS: &[Expected] = &[
    to("once", "puts", &[Got, Register]).tail(false),
    to("twice", "puts", &[Got, Register]),
    to("tail", "puts", &[Got, Register]).tail(true),
    to("guarded", "puts", &[Got, Register]).tail(true),
    to("looped", "puts", &[Got, Register]),
    to("cases", "puts", &[Got, Register]),
    all("cases", &[Got, Register]),
    all("argument", &[Pointer]),
    all("global", &[Pointer]),
    all("method", &[Pointer]),
];

const RETPOLINES: &[Expected] = &[
    to("once", "puts", &[Plt]).via("puts@plt"),
    all("argument", &[Unresolved]),
    all("global", &[Unresolved]),
    all("method", &[Unresolved]),
];

const STRAIGHT: &[Expected] = &[
    to("once", "puts", &[Direct]).tail(false),
    to("twice", "puts", &[Direct]),
    to("tail", "puts", &[Direct]).tail(true),
    to("guarded", "puts", &[Direct]).tail(true),
    to("looped", "puts", &[Direct]),
    to("cases", "puts", &[Direct]),
    all("argument", &[Pointer]),
    all("global", &[Pointer]),
    all("method", &[Pointer]),
];

/// An entry in the middle of a function passes control on if it only jumps elsewhere, not if it goes on in there.
const MIDDLES: &[Expected] = &[
    all("into_named", &[Thunk]).via("named+"),
    all("into_own", &[Direct]),
    to("into_unnamed", "leaf", &[Thunk]).via("0x"),
];

/// Within a function's parts nothing is a call; from one function into another's middle is.
const PARTS: &[Expected] = &[
    none("parted"),
    all("stranger", &[Thunk]).via("theirs+").tail(true),
    all("theirs", &[Direct]).tail(true),
];

/// A tail call through an array is one,
const TAILS: &[Expected] = &[
    all("by_constant", &[Pointer]).tail(true),
    all("by_changing", &[Pointer]).tail(true),
    all("by_pointer", &[Pointer]).tail(true),
    all("by_distance", &[Pointer]).tail(true),
    all("by_method", &[Pointer]).tail(true),
    all("by_own_distance", &[Pointer]).tail(true),
    all("then_more", &[Pointer]).tail(false),
    all("first", &[Pointer]).tail(true),
    all("second", &[Pointer]).tail(true),
    all("third", &[Pointer]).tail(true),
];

/// a switch's jump is none.
const SWITCHES: &[Expected] = &[none("switched"), none("interpreted"), none("scanned")];

/// Where it is the program that chooses, a call never reaches `puts` for certain.
const LABELS: &[Expected] = &[
    never("fallen_into", "puts"),
    never("cold_first", "puts"),
    never("threaded", "puts"),
];

const DEFAULT: Control = Control {
    name: "",
    arch: BOTH,
    producers: C,
    linkers: &[(Bfd, "-pie"), (Lld, "-pie"), (Mold, "-pie")],
    cflags: "-fPIE",
    sources: &["calls.c"],
    libc: Libc::Shared,
    calls: &[],
};

const CONTROLS: &[Control] = &[
    Control {
        name: "plt, lazy",
        linkers: &[
            (Bfd, "-pie -z lazy"),
            (Lld, "-pie -z lazy"),
            (Mold, "-pie -z lazy"),
        ],
        calls: STUBS,
        ..DEFAULT
    },
    Control {
        name: "plt, now",
        linkers: &[
            (Bfd, "-pie -z now"),
            (Lld, "-pie -z now"),
            (Mold, "-pie -z now"),
        ],
        calls: STUBS,
        ..DEFAULT
    },
    Control {
        name: "plt, not movable",
        linkers: &[(Bfd, "-no-pie"), (Lld, "-no-pie"), (Mold, "-no-pie")],
        cflags: "-fno-pie",
        calls: STUBS,
        ..DEFAULT
    },
    Control {
        name: "plt, IBT (.plt.sec)",
        arch: &[X86],
        linkers: &[
            (Bfd, "-pie -z ibtplt -z lazy"),
            (Bfd, "-pie -z ibtplt -z now"),
            (Lld, "-pie -z force-ibt -z lazy"),
            (Lld, "-pie -z force-ibt -z now"),
        ],
        cflags: "-fPIE -fcf-protection=full",
        calls: STUBS,
        ..DEFAULT
    },
    Control {
        name: "plt, BTI and PAC",
        arch: &[Aarch64],
        linkers: &[
            (Bfd, "-pie -z force-bti"),
            (Bfd, "-pie -z pac-plt"),
            (Bfd, "-pie -z force-bti -z pac-plt -z now"),
            (Lld, "-pie -z force-bti"),
            (Lld, "-pie -z pac-plt"),
            (Lld, "-pie -z force-bti -z pac-plt -z now"),
        ],
        cflags: "-fPIE -mbranch-protection=standard",
        calls: STUBS,
        ..DEFAULT
    },
    Control {
        name: "plt, .plt.got",
        arch: &[X86],
        sources: &["address.c"],
        calls: &[to("once", "puts", &[Plt]).via("puts@plt")],
        ..DEFAULT
    },
    Control {
        name: "got, -fno-plt",
        arch: &[X86],
        cflags: "-fPIE -fno-plt",
        calls: NO_STUBS,
        ..DEFAULT
    },
    Control {
        name: "got, -fno-plt",
        arch: &[Aarch64],
        producers: &[Gcc],
        cflags: "-fPIE -fno-plt",
        calls: NO_STUBS,
        ..DEFAULT
    },
    Control {
        name: "got, -fno-plt -O1",
        arch: &[X86],
        cflags: "-O1 -fPIE -fno-plt",
        calls: &[
            to("once", "puts", &[Got, Register]),
            to("looped", "puts", &[Got, Register]),
            to("cases", "puts", &[Got, Register]),
            all("argument", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "got relaxed (addr32)",
        arch: &[X86],
        linkers: &[
            (Bfd, "-static"),
            (Lld, "-static"),
            (Mold, "-static"),
            (Bfd, "-pie"),
            (Lld, "-pie"),
        ],
        cflags: "-fPIE -fno-plt",
        libc: Libc::Inside,
        calls: &[
            to("once", "puts", &[Direct]),
            to("tail", "puts", &[Direct]).tail(true),
            to("guarded", "puts", &[Direct]).tail(true),
            to("looped", "puts", &[Direct, Register]),
            all("global", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "got in a static image",
        arch: &[Aarch64],
        producers: &[Gcc],
        linkers: &[
            (Bfd, "-static"),
            (Lld, "-static"),
            (Mold, "-static"),
            (Bfd, "-pie"),
            (Lld, "-pie"),
        ],
        cflags: "-fPIE -fno-plt",
        libc: Libc::Inside,
        calls: &[
            to("once", "puts", &[Register]),
            to("tail", "puts", &[Register]).tail(true),
            to("looped", "puts", &[Register]),
            to("cases", "puts", &[Register]),
            all("global", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "got, RELR",
        producers: &[Gcc, Rustc],
        linkers: &[
            (Bfd, "-pie -z pack-relative-relocs"),
            (Lld, "-pie -z pack-relative-relocs"),
            (Mold, "-pie --pack-dyn-relocs=relr"),
        ],
        cflags: "-fPIE -fno-plt",
        libc: Libc::Inside,
        calls: &[
            to("once", "puts", BARE),
            to("twice", "puts", BARE),
            all("argument", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "direct",
        linkers: &[
            (Bfd, "-static"),
            (Lld, "-static"),
            (Mold, "-static"),
            (Bfd, "-pie"),
            (Lld, "-pie"),
            (Mold, "-pie"),
        ],
        libc: Libc::Inside,
        calls: STRAIGHT,
        ..DEFAULT
    },
    Control {
        name: "rustc, shared libc",
        arch: &[X86],
        producers: &[Rustc],
        calls: &[
            to("once", "puts", &[Got]),
            to("twice", "puts", &[Register]),
            to("tail", "puts", &[Got]).tail(true),
            to("looped", "puts", &[Register]),
            all("argument", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "rustc, shared libc",
        arch: &[Aarch64],
        producers: &[Rustc],
        calls: &[
            to("once", "puts", &[Plt]).via("puts@plt"),
            to("twice", "puts", &[Plt]).via("puts@plt"),
            to("tail", "puts", &[Plt]).via("puts@plt").tail(true),
            to("looped", "puts", &[Plt]),
            all("argument", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "rustc, C inside",
        producers: &[Rustc],
        linkers: &[
            (Bfd, "-pie"),
            (Lld, "-pie"),
            (Mold, "-pie"),
            (Bfd, "-static"),
            (Lld, "-static"),
        ],
        libc: Libc::Inside,
        calls: &[
            to("once", "puts", BARE),
            to("twice", "puts", BARE),
            to("tail", "puts", BARE).tail(true),
            to("looped", "puts", BARE),
            all("argument", &[Pointer]),
        ],
        ..DEFAULT
    },
    Control {
        name: "thunk, -O2",
        sources: &["caller.c", "shim.c"],
        calls: &[
            to("through", "puts", &[Thunk]).via("shim"),
            to("chain", "puts", &[Thunk]).via("chained, "),
        ],
        ..DEFAULT
    },
    Control {
        name: "thunk, -O0",
        cflags: "-O0 -fPIE",
        sources: &["caller.c", "shim.c"],
        libc: Libc::Inside,
        calls: &[
            to("through", "puts", &[Thunk]).via("shim"),
            to("chain", "puts", &[Thunk]).via("chained, link, shim"),
        ],
        ..DEFAULT
    },
    Control {
        name: "thunk, -O0 -fno-plt",
        cflags: "-O0 -fPIE -fno-plt",
        producers: &[Gcc],
        sources: &["caller.c", "shim.c"],
        calls: &[to("shim", "puts", &[Got, Register])],
        ..DEFAULT
    },
    Control {
        name: "no thunk: it does more",
        sources: &["caller.c", "busy.c"],
        calls: &[
            to("through", "shim", &[Direct]),
            to("chain", "chained", &[Direct]),
        ],
        ..DEFAULT
    },
    Control {
        name: "into the middle",
        arch: &[X86],
        producers: &[Asm],
        linkers: &[
            (Bfd, "-pie -s -E"),
            (Lld, "-pie -s -E"),
            (Mold, "-pie -s -E"),
        ],
        sources: &["middle_x86_64.s"],
        calls: MIDDLES,
        ..DEFAULT
    },
    Control {
        name: "into the middle",
        arch: &[Aarch64],
        producers: &[Asm],
        linkers: &[
            (Bfd, "-pie -s -E"),
            (Lld, "-pie -s -E"),
            (Mold, "-pie -s -E"),
        ],
        sources: &["middle_aarch64.s"],
        calls: MIDDLES,
        ..DEFAULT
    },
    Control {
        name: "thunks in a cycle",
        sources: &["cycle.c", "cycle2.c"],
        calls: &[
            all("into", &[Unresolved]),
            all("ping", &[Unresolved]).tail(true),
        ],
        ..DEFAULT
    },
    Control {
        name: "thunk, out of range",
        arch: &[Aarch64],
        linkers: &[
            (Bfd, "-static --section-start=.far=0x40000000"),
            (
                Lld,
                "-static --section-start=.text=0x1000000 --section-start=.far=0x40000000",
            ),
        ],
        cflags: "-fno-pie",
        sources: &["caller.c", "far.c"],
        libc: Libc::Inside,
        calls: &[
            to("through", "shim", &[Thunk]),
            to("chain", "chained", &[Thunk]),
        ],
        ..DEFAULT
    },
    Control {
        name: "retpoline",
        arch: &[X86],
        producers: &[Clang],
        cflags: "-fPIE -mretpoline",
        calls: RETPOLINES,
        ..DEFAULT
    },
    Control {
        name: "retpoline",
        arch: &[X86],
        producers: &[Gcc],
        cflags: "-fPIE -mindirect-branch=thunk -fcf-protection=none",
        calls: RETPOLINES,
        ..DEFAULT
    },
    Control {
        name: "retpoline, external",
        arch: &[X86],
        producers: &[Clang],
        cflags: "-fPIE -mretpoline -mretpoline-external-thunk",
        sources: &["calls.c", "thunks_x86_64.s"],
        calls: RETPOLINES,
        ..DEFAULT
    },
    Control {
        name: "retpoline, external",
        arch: &[X86],
        producers: &[Gcc],
        cflags: "-fPIE -mindirect-branch=thunk-extern -fcf-protection=none",
        sources: &["calls.c", "thunks_x86_64.s"],
        calls: RETPOLINES,
        ..DEFAULT
    },
    Control {
        name: ".cold part",
        producers: &[Gcc],
        sources: &["cold.c", "fatal.c"],
        calls: &[
            to("split", "puts", &[Plt]).via("puts@plt"),
            to("split", "fatal", &[Direct]),
        ],
        ..DEFAULT
    },
    Control {
        name: ".warm part",
        arch: &[X86],
        producers: &[Asm],
        sources: &["parts_x86_64.s"],
        calls: PARTS,
        ..DEFAULT
    },
    Control {
        name: ".warm part",
        arch: &[Aarch64],
        producers: &[Asm],
        sources: &["parts_aarch64.s"],
        calls: PARTS,
        ..DEFAULT
    },
    Control {
        name: "alias",
        sources: &["alias_caller.c", "alias.c", "icf.c"],
        calls: &[
            to("by_alias", "alias", &[Direct]),
            to("by_alias", "real", &[Direct]),
            to("by_twin", "twin", &[Direct]),
        ],
        ..DEFAULT
    },
    Control {
        name: "--icf=all",
        linkers: &[(Lld, "-pie --icf=all")],
        cflags: "-fPIE -ffunction-sections -fno-ipa-icf",
        producers: &[Gcc],
        sources: &["alias_caller.c", "alias.c", "icf.c"],
        calls: &[
            to("by_twin", "twin", &[Direct]),
            to("by_twin", "other_twin", &[Direct]),
        ],
        ..DEFAULT
    },
    Control {
        name: "no --icf",
        linkers: &[(Lld, "-pie"), (Bfd, "-pie"), (Mold, "-pie")],
        cflags: "-fPIE -ffunction-sections -fno-ipa-icf",
        producers: &[Gcc],
        sources: &["alias_caller.c", "alias.c", "icf.c"],
        calls: &[
            to("by_twin", "twin", &[Direct]),
            never("by_twin", "other_twin"),
        ],
        ..DEFAULT
    },
    Control {
        name: "array of functions",
        sources: &["arrays.c", "handlers.c"],
        calls: TAILS,
        ..DEFAULT
    },
    Control {
        name: "array of functions",
        linkers: &[(Bfd, "-no-pie"), (Lld, "-no-pie"), (Mold, "-no-pie")],
        cflags: "-fno-pie",
        sources: &["arrays.c", "handlers.c"],
        calls: TAILS,
        ..DEFAULT
    },
    Control {
        name: "array of functions, -s",
        linkers: &[
            (Bfd, "-pie -s -E"),
            (Lld, "-pie -s -E"),
            (Mold, "-pie -s -E"),
        ],
        sources: &["arrays.c", "handlers.c"],
        calls: TAILS,
        ..DEFAULT
    },
    Control {
        name: "labels",
        arch: &[X86],
        cflags: "-fPIE -fno-plt",
        sources: &["labels.c", "used.c"],
        calls: LABELS,
        ..DEFAULT
    },
    Control {
        name: "labels, -s",
        arch: &[X86],
        linkers: &[
            (Bfd, "-pie -s -E"),
            (Lld, "-pie -s -E"),
            (Mold, "-pie -s -E"),
        ],
        cflags: "-fPIE -fno-plt",
        sources: &["labels.c", "used.c"],
        calls: LABELS,
        ..DEFAULT
    },
    Control {
        name: "labels, -s",
        arch: &[Aarch64],
        producers: &[Gcc],
        linkers: &[
            (Bfd, "-pie -s -E"),
            (Lld, "-pie -s -E"),
            (Mold, "-pie -s -E"),
        ],
        cflags: "-fPIE -fno-plt",
        sources: &["labels.c", "used.c"],
        // Here the call of `puts` is one of its own.
        calls: &[never("fallen_into", "puts"), never("threaded", "puts")],
        ..DEFAULT
    },
    // Without symbols, GCC's cold part of `switched` would be a function as any other.
    Control {
        name: "switch",
        sources: &["arrays.c", "handlers.c"],
        calls: SWITCHES,
        ..DEFAULT
    },
    Control {
        name: "switch",
        linkers: &[(Bfd, "-no-pie"), (Lld, "-no-pie"), (Mold, "-no-pie")],
        cflags: "-fno-pie",
        sources: &["arrays.c", "handlers.c"],
        calls: SWITCHES,
        ..DEFAULT
    },
    Control {
        name: "-mcmodel=large",
        arch: &[X86],
        producers: &[Gcc],
        cflags: "-fPIE -mcmodel=large",
        calls: STUBS,
        ..DEFAULT
    },
    Control {
        name: "-mcmodel=large",
        arch: &[X86],
        producers: &[Clang],
        cflags: "-fPIE -mcmodel=large",
        calls: NO_STUBS,
        ..DEFAULT
    },
    Control {
        name: "-mcmodel=large -fno-plt",
        arch: &[X86],
        cflags: "-fPIE -mcmodel=large -fno-plt",
        calls: NO_STUBS,
        ..DEFAULT
    },
    Control {
        name: "ifunc",
        linkers: &[
            (Bfd, "-static"),
            (Lld, "-static"),
            (Bfd, "-pie"),
            (Lld, "-pie"),
            (Mold, "-pie"),
        ],
        sources: &["ifunc_caller.c", "ifunc.c"],
        libc: Libc::Inside,
        calls: &[to("pick", "picked", &[Plt])],
        ..DEFAULT
    },
    Control {
        name: "ifunc, -fno-plt",
        arch: &[X86],
        linkers: &[
            (Bfd, "-static"),
            (Lld, "-static"),
            (Bfd, "-pie"),
            (Lld, "-pie"),
            (Mold, "-pie"),
        ],
        cflags: "-fPIE -fno-plt",
        sources: &["ifunc_caller.c", "ifunc.c"],
        libc: Libc::Inside,
        calls: &[to("pick", "picked", &[Got])],
        ..DEFAULT
    },
    Control {
        name: "data flow",
        arch: &[X86],
        producers: &[Asm],
        sources: &["flow_x86_64.s"],
        calls: &[
            to("branches_bare", "puts", &[Register]),
            to("loop_bare", "puts", &[Register]),
            to("spilled_bare", "puts", &[Register]),
            to("next_table_bare", "puts", &[Register]),
            to("after_abort_bare", "puts", &[Register]),
            last("before_label"),
            last("cut_table"),
            last("one_branch"),
            last("partial"),
            last("caller_saved"),
            last("overlapped"),
            last("escaped"),
            last("escaped_above"),
            last("chosen_address"),
            last("merged_address"),
            last("indexed"),
            last("indexed_below"),
            last("string_store"),
            last("narrow_address"),
            last("state_saved"),
            last("beyond_table"),
            last("breakpoint"),
            last("unknown_instruction"),
            last("subroutine"),
            last("changed_by_subroutine"),
            last("transaction"),
            last("past_prefix"),
            last("computed"),
            last("second_return"),
            last("outer"),
            last("settled_table"),
            last("cut_reached"),
            last("lea_disp_index"),
            last("movq_sp"),
            last("or_sp"),
            last("call_over"),
            last("kernel_answer"),
            to("sum_bare", "puts", &[Register]),
            to("sum_slot", "puts", &[Got]),
            last("sum_argument"),
            last("sum_moved"),
            last("sum_either"),
            last("sum_loaded"),
            last("sum_second_return"),
            all("array_tail", &[Pointer]).tail(true),
            all("distance_tail", &[Pointer]).tail(true),
            all("given_tail", &[Pointer]).tail(true),
            none("wide_cases"),
            all("own_code", &[Unresolved]),
            last("xor_byte"),
            last("mixed_table"),
            last("written_table"),
            last("left_table"),
            last("by_element"),
            last("lost_index"),
            last("own_label"),
            last("own_label_at_once"),
            last("rounded_twice"),
            last("hidden_instruction"),
        ],
        ..DEFAULT
    },
    Control {
        name: "data flow",
        arch: &[Aarch64],
        producers: &[Asm],
        sources: &["flow_aarch64.s"],
        calls: &[
            to("branches_bare", "puts", &[Register]),
            to("loop_bare", "puts", &[Register]),
            to("spilled_bare", "puts", &[Register]),
            to("selected_bare", "puts", &[Register]),
            to("vectors_bare", "puts", &[Register]),
            last("one_branch"),
            last("partial"),
            last("inserted"),
            last("selected"),
            last("selected_zero"),
            last("incremented"),
            last("from_vector"),
            last("from_lane"),
            last("converted"),
            last("written_back"),
            last("written_back_vector"),
            last("swapped"),
            last("compared"),
            last("exclusive"),
            last("loaded_second"),
            last("base_first"),
            last("system_register"),
            last("signed_pointer"),
            last("caller_saved"),
            last("overlapped"),
            last("overlapped_vector"),
            last("escaped"),
            last("escaped_above"),
            last("chosen_address"),
            last("masked_address"),
            last("subtracted_address"),
            last("indexed"),
            last("stored_structure"),
            last("atomic_store"),
            last("authenticated"),
            last("breakpoint"),
            last("unknown_instruction"),
            last("subroutine"),
            last("computed"),
            last("patched"),
            last("overwritten"),
            last("narrow_index"),
            none("literals"),
            to("calls_overwritten", "overwritten", &[Direct]),
        ],
        ..DEFAULT
    },
];

#[test]
fn every_route_is_found_and_nothing_is_bare_that_is_not() {
    let tools = Tools::found();
    let mut jobs: Vec<Job> = Vec::new();
    for control in CONTROLS {
        for &arch in control.arch {
            for &producer in control.producers {
                for &linker in control.linkers {
                    if tools.compiles(arch, producer) && tools.links(arch, linker.0) {
                        jobs.push((control, arch, producer, linker));
                    }
                }
            }
        }
    }
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((n, &(control, arch, producer, linker))) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(n).map(|job| (n, job))
                } {
                    let image = tools.build(n, control, arch, producer, linker);
                    let found: Vec<Row> = match &image {
                        Ok(image) => (control.calls.iter())
                            .map(|expected| check(image, *expected))
                            .collect(),
                        Err(why) => vec![Row {
                            verdict: "does not build".to_owned(),
                            shown: format!("does not build: {why}"),
                            wrong: Some(String::new()),
                            bare: false,
                        }],
                    };
                    let head = format!(
                        "{:<24} {:<8} {:<6} {:<5} {:<34}",
                        control.name,
                        if arch == X86 { "x86-64" } else { "AArch64" },
                        format!("{producer:?}").to_lowercase(),
                        format!("{:?}", linker.0).to_lowercase(),
                        linker.1,
                    );
                    rows.lock()
                        .unwrap()
                        .extend(found.into_iter().map(|row| (n, head.clone(), row)));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| row.0);
    let mut table =
        String::from("\nexpected against found, per control, architecture, producer and linker\n");
    let (mut misses, mut falsely_bare) = (0, 0);
    let mut details = String::new();
    for (_, head, row) in &rows {
        let verdict = if row.wrong.is_some() { "MISS" } else { "ok" };
        let _ = writeln!(table, "{head} {:<4} {}", verdict, row.shown);
        if let Some(detail) = &row.wrong {
            misses += 1;
            falsely_bare += usize::from(row.bare);
            let _ = writeln!(details, "{head} {}\n{detail}", row.shown);
        }
    }
    let path = tools.folder.join("table.txt");
    std::fs::write(&path, &table).unwrap();
    say(&summary(&jobs, &rows));
    say(&format!(
        "{} controls in {} images: {misses} misses, of which {falsely_bare} falsely bare; each is in {}\n",
        rows.len(),
        jobs.len(),
        path.display()
    ));
    assert!(misses == 0, "{misses} misses:\n{details}");
}

/// One control, built for one architecture by one producer with one linker and its flags.
type Job = (&'static Control, Arch, Producer, (Linker, &'static str));

/// The table, a line per control, architecture and producer, for all linkers.
fn summary(jobs: &[Job], rows: &[(usize, String, Row)]) -> String {
    let mut table = format!(
        "\n{:<24} {:<8} {:<6} {:<14} {:<11} expected: found\n",
        "control", "target", "from", "linkers", "as expected"
    );
    let same = |a: &Job, b: &Job| a.0.name == b.0.name && a.1 == b.1 && a.2 == b.2;
    for (n, job) in jobs.iter().enumerate() {
        if jobs[..n].iter().any(|earlier| same(earlier, job)) {
            continue;
        }
        let mine: Vec<_> = rows.iter().filter(|row| same(&jobs[row.0], job)).collect();
        let mut linkers: Vec<_> = (jobs.iter().filter(|other| same(other, job)))
            .map(|other| format!("{:?}", other.3.0).to_lowercase())
            .collect();
        linkers.dedup();
        linkers.sort_unstable();
        linkers.dedup();
        let verdicts: BTreeSet<_> = mine.iter().map(|row| row.2.verdict.as_str()).collect();
        let right = mine.iter().filter(|row| row.2.wrong.is_none()).count();
        let _ = writeln!(
            table,
            "{:<24} {:<8} {:<6} {:<14} {:<11} {}",
            job.0.name,
            if job.1 == X86 { "x86-64" } else { "AArch64" },
            format!("{:?}", job.2).to_lowercase(),
            linkers.join(" "),
            format!("{right} of {}", mine.len()),
            verdicts.into_iter().collect::<Vec<_>>().join(", "),
        );
    }
    table
}

struct Row {
    /// The routes, expected and found.
    verdict: String,
    shown: String,
    /// The calls found, if they are not as expected.
    wrong: Option<String>,
    /// Whether one of them is called bare and must not be.
    bare: bool,
}

fn check(image: &Image, expected: Expected) -> Row {
    let calls = match image.function(expected.from) {
        Ok(function) => function.calls(),
        Err(error) => {
            return Row {
                verdict: "no such function".to_owned(),
                shown: format!("{}: {error}", expected.from),
                wrong: Some(String::new()),
                bare: false,
            };
        }
    };
    let chosen: Vec<&Call> = match expected.which {
        Which::All | Which::None => calls.iter().collect(),
        Which::To(symbol) | Which::NotTo(symbol) => {
            calls.iter().filter(|call| call.reaches(symbol)).collect()
        }
        Which::Last => calls
            .iter()
            .max_by_key(|call| call.at())
            .into_iter()
            .collect(),
    };
    let routes: BTreeSet<Route> = chosen.iter().map(|call| call.route()).collect();
    let words = |routes: &mut dyn Iterator<Item = Route>| {
        routes.map(Route::as_str).collect::<Vec<_>>().join("|")
    };
    let right = chosen.is_empty() == matches!(expected.which, Which::None | Which::NotTo(_))
        && routes.iter().all(|route| expected.routes.contains(route))
        && expected.tail.is_none_or(|tail| chosen.iter().all(|call| call.tail() == tail))
        && chosen.iter().all(|call| call.via().join(", ").starts_with(expected.via))
        // A bare call is one instruction; anything through a stub or a thunk is more, or not known.
        && chosen.iter().all(|call| call.route().is_bare() == (call.instructions() == Some(1)));
    let target = match expected.which {
        Which::To(symbol) | Which::NotTo(symbol) => symbol,
        Which::All | Which::Last | Which::None => "?",
    };
    let (wanted, found) = (
        if expected.routes.is_empty() {
            "nothing".to_owned()
        } else {
            words(&mut expected.routes.iter().copied())
        },
        if routes.is_empty() {
            "nothing".to_owned()
        } else {
            words(&mut routes.iter().copied())
        },
    );
    Row {
        verdict: format!("{wanted}: {found}"),
        shown: format!(
            "{} -> {target}: expected {wanted}, found {found} ({})",
            expected.from,
            chosen.len(),
        ),
        wrong: (!right).then(|| {
            calls.iter().fold(String::new(), |mut list, call| {
                let _ = writeln!(
                    list,
                    "    {call:?}, via {:?}, {:?} instructions: {}",
                    call.via(),
                    call.instructions(),
                    call.text()
                );
                list
            })
        }),
        bare: routes
            .iter()
            .any(|route| route.is_bare() && !expected.routes.contains(route)),
    }
}

/// What is on this machine.
struct Tools {
    folder: PathBuf,
    clang: Option<String>,
    arm_gcc: Option<String>,
    arm_ld: Option<String>,
    arm_rustc: bool,
    lld: Option<String>,
    mold: Option<String>,
    parts: Mutex<HashMap<Part, Made>>,
}

/// What goes into several images, made once in a run: compiling it anew for each linker took most of the time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Object(Arch, Producer, &'static str, &'static str),
    /// The stand-in for the C library, as this linker links it.
    Shared(Arch, Linker),
}

/// Where it is to be, and whether it is, or why not.
type Made = Arc<(PathBuf, OnceLock<Result<(), String>>)>;

impl Tools {
    fn found() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("routes");
        std::fs::create_dir_all(&folder).unwrap();
        let bundled = Command::new("rustc")
            .args(["--print", "sysroot"])
            .output()
            .ok()
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .map(|root| {
                format!(
                    "{}/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld",
                    root.trim()
                )
            });
        let first = |names: &[&str]| {
            names
                .iter()
                .find(|name| {
                    Command::new(name)
                        .arg("--version")
                        .output()
                        .is_ok_and(|output| output.status.success())
                })
                .map(|&name| name.to_owned())
        };
        let arm_rustc = rustc(Aarch64, &folder.join("probe.o"));
        if let Err(why) = &arm_rustc {
            testkit::missing(
                "aarch64",
                &format!("rustc makes no AArch64 object of calls.rs: {why}"),
            );
        }
        let tools = Self {
            folder,
            arm_rustc: arm_rustc.is_ok(),
            clang: first(&["clang", "clang-14", "clang-19"]),
            arm_gcc: first(&["aarch64-linux-gnu-gcc"]),
            arm_ld: first(&["aarch64-linux-gnu-ld"]),
            lld: bundled
                .and_then(|bundled| first(&[&bundled]))
                .or_else(|| first(&["ld.lld"])),
            mold: first(&["mold"]),
            parts: Mutex::default(),
        };
        let report = |there: bool, what, why| {
            if !there {
                testkit::missing(what, why);
            }
        };
        report(
            tools.clang.is_some(),
            "clang",
            "no clang, clang-14 or clang-19 in PATH",
        );
        report(
            tools.arm_gcc.is_some() && tools.arm_ld.is_some(),
            "aarch64",
            "no aarch64-linux-gnu-gcc and -ld in PATH (Debian: apt-get install gcc-aarch64-linux-gnu)",
        );
        report(
            tools.lld.is_some(),
            "lld",
            "neither rustc's own rust-lld nor ld.lld in PATH",
        );
        report(tools.mold.is_some(), "mold", "no mold in PATH");
        tools
    }

    fn compiles(&self, arch: Arch, producer: Producer) -> bool {
        match producer {
            Gcc | Asm => arch == X86 || self.arm_gcc.is_some(),
            Clang => self.clang.is_some(),
            // The stand-in for the C library is C.
            Rustc => {
                arch == X86 || (self.arm_rustc && (self.arm_gcc.is_some() || self.clang.is_some()))
            }
        }
    }

    fn links(&self, arch: Arch, linker: Linker) -> bool {
        match linker {
            Bfd => arch == X86 || self.arm_ld.is_some(),
            Lld => self.lld.is_some(),
            Mold => self.mold.is_some(),
        }
    }

    fn build(
        &self,
        n: usize,
        control: &Control,
        arch: Arch,
        producer: Producer,
        (linker, flags): (Linker, &str),
    ) -> Result<Image, String> {
        let mut objects = Vec::new();
        if producer == Rustc {
            objects.push(self.part(Part::Object(arch, Rustc, "", "calls.rs"))?);
        } else {
            for &source in control.sources {
                objects.push(self.part(Part::Object(arch, producer, control.cflags, source))?);
            }
        }
        objects.push(self.part(if control.libc == Libc::Inside {
            self.libc(arch)
        } else {
            Part::Shared(arch, linker)
        })?);
        let image = self.folder.join(format!("{n}-image"));
        let mut link = self.linker(arch, linker);
        link.args(flags.split_whitespace())
            .args(["-e", "0x0", "--build-id=none"])
            .args(&objects)
            .arg("-o")
            .arg(&image);
        run(&mut link)?;
        Image::open(&image).map_err(|error| error.to_string())
    }

    /// Who asks for the same meanwhile waits for it.
    fn part(&self, part: Part) -> Result<PathBuf, String> {
        let made = {
            let mut parts = self.parts.lock().unwrap();
            let at = self.folder.join(format!("part-{}.o", parts.len()));
            Arc::clone(
                parts
                    .entry(part)
                    .or_insert_with(|| Arc::new((at, OnceLock::new()))),
            )
        };
        let (at, ended) = &*made;
        ended.get_or_init(|| self.make(part, at)).clone()?;
        Ok(at.clone())
    }

    fn make(&self, part: Part, at: &Path) -> Result<(), String> {
        match part {
            Part::Object(arch, Rustc, ..) => rustc(arch, at),
            Part::Object(arch, producer, flags, source) => {
                self.compile(arch, producer, flags, source, at)
            }
            Part::Shared(arch, linker) => {
                let mut link = self.linker(arch, linker);
                link.args(["-shared", "-soname=libfake.so", "--version-script"])
                    .arg(fixture("libc.map"))
                    .arg(self.part(self.libc(arch))?)
                    .arg("-o")
                    .arg(at);
                run(&mut link)
            }
        }
    }

    fn libc(&self, arch: Arch) -> Part {
        let producer = if self.compiles(arch, Gcc) { Gcc } else { Clang };
        Part::Object(arch, producer, "-fPIC", "libc.c")
    }

    fn compile(
        &self,
        arch: Arch,
        producer: Producer,
        flags: &str,
        source: &str,
        object: &Path,
    ) -> Result<(), String> {
        let mut compiler = match (producer, arch) {
            (Clang, _) => Command::new(self.clang.as_deref().unwrap_or("clang")),
            (_, X86) => Command::new("gcc"),
            (_, Aarch64) => Command::new(self.arm_gcc.as_deref().unwrap_or("gcc")),
        };
        if producer == Clang {
            compiler.arg(match arch {
                X86 => "--target=x86_64-linux-gnu",
                Aarch64 => "--target=aarch64-linux-gnu",
            });
        }
        compiler
            .args(["-c", "-O2", "-ffreestanding", "-fno-stack-protector", "-w"])
            .args(flags.split_whitespace())
            .arg(fixture(source))
            .arg("-o")
            .arg(object);
        run(&mut compiler)
    }

    fn linker(&self, arch: Arch, linker: Linker) -> Command {
        let name = match (linker, arch) {
            (Bfd, X86) => Some("ld"),
            (Bfd, Aarch64) => self.arm_ld.as_deref(),
            (Lld, _) => self.lld.as_deref(),
            (Mold, _) => self.mold.as_deref(),
        };
        Command::new(name.unwrap_or("ld"))
    }
}

/// Compiles calls.rs. For AArch64, for which there may be no `core`, without one: a matter between this
/// compiler and its library, so that another version may refuse.
fn rustc(arch: Arch, object: &Path) -> Result<(), String> {
    let mut rustc = Command::new("rustc");
    rustc
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=obj",
            "-Copt-level=2",
        ])
        .args(["-Cpanic=abort", "-Awarnings"]);
    match arch {
        X86 => rustc.arg("--target=x86_64-unknown-linux-gnu"),
        Aarch64 => rustc
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["--cfg=no_core", "--target=aarch64-unknown-linux-gnu"]),
    };
    run(rustc.arg(fixture("calls.rs")).arg("-o").arg(object))
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/routes")
        .join(name)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let message = String::from_utf8_lossy(&output.stderr);
        Err(format!("{command:?}: {message}"))
    }
}

/// To stderr itself: the test harness keeps what eprintln! writes when a test passes.
fn say(text: &str) {
    // Nothing to be done about a stderr that cannot be written.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
