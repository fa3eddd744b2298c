//! `every-opt-level`: it does not take an optimiser.

use std::collections::BTreeMap;
use std::path::Path;

use barecall::Route;
use zero_cost_ffi::catalogue::{self, Exhibit};

use crate::baseline::snapshot::{Call, Snapshot};
use crate::baseline::{self, TARGET};
use crate::evaluation::{
    Context, Evaluation, FigureSpec, Live, Outcome, Quote, Rests, Shows, Spec,
};
use crate::report::{Claim, Evidence, Verdict};

/// The claim.
pub static SPEC: Spec = Spec {
    id: "every-opt-level",
    statement: "the call is bare at opt-level 0, 1, 2, 3, s and z alike",
    talk: Quote::simplified(
        r#"unsafe { libc::puts("Hello\0".as_ptr() as *const i8) };"#,
        "`char` is unsigned on some targets, where `*const i8` does not compile; `.cast()` does",
    ),
    shows: Shows::Exhibits(|_| true),
    figures: &[&[
        FigureSpec::new("listings", "files")
            .counts("recorded listings of an exhibit in Rust, one for each opt-level"),
        FigureSpec::new("calls", "calls").counts(
            "calls of C functions that these listings' heads name, as found in the linked image",
        ),
    ]],
    live: Live::Command(RECORDS),
    check,
    ..Spec::DEFAULT
};

/// Builds every level again, and compares.
pub const RECORDS: &str = "cargo test --test all listings";
/// The folder of the listings, from the root of the repository.
pub const FOLDER: &str = "asm-snapshots/x86_64-unknown-linux-gnu";
/// The levels, as `-C opt-level` takes them.
pub const LEVELS: [&str; 6] = ["0", "1", "2", "3", "s", "z"];

fn check(_: &Context) -> Claim {
    judge(&baseline::root().join(FOLDER))
}

/// The verdict on the listings in a folder.
#[must_use]
pub fn judge(folder: &Path) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let mut provenance = BTreeMap::from([
        ("file".to_owned(), FOLDER.to_owned()),
        ("target".to_owned(), TARGET.to_owned()),
    ]);
    let on_file = folder.is_dir();
    if !on_file {
        let why = format!(
            "the listings are not at {}: run from the workspace, or record them: `{RECORDS}`",
            folder.display()
        );
        evaluation.lack("record", why);
    }
    let exhibits = on_file.then(catalogue::exhibits).unwrap_or_default();
    for exhibit in exhibits {
        for level in LEVELS {
            let name = format!("{}.rust.O{level}.snap", exhibit.name);
            match Snapshot::read(&folder.join(&name)) {
                Ok(snapshot) => {
                    add_to(&mut provenance, &snapshot);
                    listing(&mut evaluation, &exhibit, &name, &snapshot);
                }
                Err(error) => {
                    evaluation.fault(format_args!("{name}: {error}; to record it: `{RECORDS}`"));
                }
            }
        }
    }
    let found = format!(
        "{} calls in {} listings",
        evaluation.value("calls"),
        evaluation.value("listings")
    );
    evaluation.finish(Outcome {
        verdict: Verdict::HoldsWithConditions.where_checked(on_file),
        rests: Rests::OnImage,
        found,
        conditions: CONDITIONS.map(str::to_owned).into(),
        evidence: Evidence::Recorded,
        provenance,
    })
}

const CONDITIONS: [&str; 3] = [
    "recorded for the compiler and target named here; `cargo test` builds every level again and compares",
    "on AArch64 it is not bare where libc is shared: rustc emits `bl puts` and the linker puts a PLT stub behind it \
     (asm-snapshots/aarch64-unknown-linux-gnu); `-C target-feature=+crt-static` removes it",
    "at opt-level 0 the exhibit also calls Rust functions that are inlined at higher levels",
];

/// The compiler, and the latest date: a listing keeps its date until it changes.
fn add_to(provenance: &mut BTreeMap<String, String>, snapshot: &Snapshot) {
    if let Some(compiler) = snapshot.compiler() {
        provenance.insert("compiler".to_owned(), compiler.to_owned());
    }
    if let Some(date) = snapshot.recorded() {
        let latest = provenance.entry("date".to_owned()).or_default();
        *latest = std::mem::take(latest).max(date.to_owned());
    }
}

/// The facts in the listing's head, found in the linked image when it was recorded, and its text, which must not
/// say otherwise.
fn listing(evaluation: &mut Evaluation, exhibit: &Exhibit, name: &str, snapshot: &Snapshot) {
    let calls: Vec<Call<'_>> = snapshot.calls().collect();
    for Call { to, route, .. } in &calls {
        if !route.is_some_and(Route::is_bare) {
            let route = route.map_or("an unknown route", Route::as_str);
            evaluation.fault(format_args!("{name}: {to} by {route}"));
        }
    }
    let code = || {
        snapshot
            .body()
            .lines()
            .filter(|line| line.starts_with('\t'))
    };
    let holds = |operand: String| code().any(|line| line.contains(&operand));
    for symbol in exhibit.calls {
        let wanted = exhibit
            .calls
            .iter()
            .filter(|listed| *listed == symbol)
            .count();
        let found = calls.iter().filter(|call| call.to == *symbol).count();
        if found < wanted {
            evaluation.fault(format_args!(
                "{name}: {found} of {wanted} calls to {symbol}"
            ));
        }
        if !holds(format!("{symbol}@GOTPCREL")) || holds(format!("{symbol}@PLT")) {
            evaluation.fault(format_args!(
                "{name}: the listing does not reach {symbol} through the GOT"
            ));
        }
    }
    evaluation.add("listings", 1);
    evaluation.add("calls", calls.len() as u64);
}
