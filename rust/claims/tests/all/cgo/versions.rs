//! What each Go was counted to execute, on file, and the tables of `cgo/README.md` that are made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use barecall::walk::Walk;
use serde::{Deserialize, Serialize};

use claims::baseline::File;
use claims::go::calls::{CALLS, GoCallKind};
use claims::go::phase;
use claims::report::Phase;

/// The file.
pub const VERSIONS: File = File {
    path: "asm-snapshots/cgo/x86_64-unknown-linux-gnu/versions.json",
    schema: 2,
    command: "INSTA_UPDATE=always cargo test -p claims --test all cgo",
};

/// What is on file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Versions {
    /// The newest first.
    pub versions: Vec<Version>,
}

/// One Go's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub go: String,
    pub cc: String,
    /// The day.
    pub recorded: String,
    pub calls: BTreeMap<String, Counts>,
}

/// What was counted of a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub out: u64,
    pub callee: u64,
    pub back: u64,
    pub stack_switches: u64,
    pub atomics: u64,
    pub syscalls: u64,
    /// By phase, out and back together.
    pub phases: BTreeMap<String, u64>,
}

impl Counts {
    pub fn of(walk: &Walk) -> Self {
        Self {
            out: walk.out.instructions,
            callee: walk.callee.instructions,
            back: walk.back.instructions,
            stack_switches: walk.out.stack_switches + walk.back.stack_switches,
            atomics: walk.out.atomics + walk.back.atomics,
            syscalls: walk.out.syscalls + walk.back.syscalls,
            phases: Phase::ALL
                .into_iter()
                .map(|phase| (phase.as_str().to_owned(), phase::instructions(walk, phase)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    pub const fn total(&self) -> u64 {
        self.out + self.callee + self.back
    }
}

impl Versions {
    /// Every Go, then every C compiler.
    pub fn made_by(&self) -> Vec<String> {
        let versions = || self.versions.iter();
        let all = versions()
            .map(|version| &version.go)
            .chain(versions().map(|version| &version.cc));
        let mut made_by: Vec<String> = Vec::new();
        for name in all {
            if !made_by.contains(name) {
                made_by.push(name.clone());
            }
        }
        made_by
    }

    /// Puts a version in its place, or leaves it as it is if nothing but the day is new.
    pub fn put(&mut self, version: Version) {
        let same = |known: &&mut Version| known.go == version.go;
        match self.versions.iter_mut().find(same) {
            Some(known) if known.cc == version.cc && known.calls == version.calls => {}
            Some(known) => *known = version,
            None => self.versions.push(version),
        }
        self.versions.sort_by_key(|version| {
            let numbers = version.go.trim_start_matches("go").split('.');
            let numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
            std::cmp::Reverse(numbers)
        });
    }

    /// One row a call: out, the callee and back with the newest Go, and all of it with each.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let Some(newest) = self.versions.first() else {
            return table;
        };
        // Writing to a string cannot fail.
        let _ = write!(
            table,
            "| call | out | callee | back | stack switches | atomics |"
        );
        for version in &self.versions {
            let _ = write!(table, " all, {} |", version.go);
        }
        let _ = writeln!(table, "\n|:--|{}", "--:|".repeat(5 + self.versions.len()));
        for call in CALLS {
            let counts = &newest.calls[call.name];
            let _ = write!(table, "| `{}`: {} |", call.name, call.says);
            if call.kind == GoCallKind::Whole {
                let _ = write!(table, " | {} | | | |", counts.callee);
            } else {
                let _ = write!(
                    table,
                    " {} | {} | {} | {} | {} |",
                    counts.out, counts.callee, counts.back, counts.stack_switches, counts.atomics
                );
            }
            for version in &self.versions {
                let total = version.calls.get(call.name).map(Counts::total);
                let total = total.map_or_else(|| "–".to_owned(), |total| total.to_string());
                let _ = write!(table, " {total} |");
            }
            table.push('\n');
        }
        table
    }

    /// Where those of one call go, by phase, out and back together.
    pub fn phases(&self, name: &str) -> String {
        let mut table = "| phase |".to_owned();
        for version in &self.versions {
            let _ = write!(table, " {} |", version.go);
        }
        let _ = writeln!(table, "\n|:--|{}", "--:|".repeat(self.versions.len()));
        for phase in Phase::ALL {
            let of = |version: &Version| {
                let counts = version.calls.get(name)?;
                let share = counts.phases.get(phase.as_str())?;
                Some((*share, counts.out + counts.back))
            };
            if self.versions.iter().all(|version| of(version).is_none()) {
                continue;
            }
            let _ = write!(table, "| {} |", phase.as_str());
            for version in &self.versions {
                let _ = match of(version) {
                    Some((share, all)) => {
                        // Rounded to the nearest percent.
                        write!(table, " {share} ({} %) |", (share * 200 + all) / (2 * all))
                    }
                    None => write!(table, " 0 |"),
                };
            }
            table.push('\n');
        }
        table
    }
}
