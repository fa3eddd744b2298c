//! The claims: one file each, with one line here.

/// Declares the claims' modules, and lists their specifications in this order.
///
/// `cargo fmt` does not see these modules; `.ci/run` formats their files by name.
macro_rules! claims {
    ($($(#[$when:meta])* $name:ident,)*) => {
        $($(#[$when])* pub mod $name;)*

        /// The claims' specifications, in the order of the argument.
        pub static SPECS: &[&crate::evaluation::Spec] = &[$($(#[$when])* &$name::SPEC),*];
    };
}

claims! {
    one_instruction,
    every_opt_level,
    no_more_than_c,
    from_a_task,
    same_stack,
    callbacks_too,
    below_zero,
    state_machine,
}

mod cgo_buys_something;
mod cgo_crosses_its_runtime;
#[cfg(target_os = "linux")]
mod drop_cancels;
pub mod million_tasks;
#[cfg(target_os = "linux")]
pub mod reads_per_message;
mod right_sized;
#[cfg(target_os = "linux")]
pub mod switch_cost;

use std::collections::BTreeMap;

use barecall::walk::Walk;
use zero_cost_ffi::catalogue::{self, Exhibit};

use crate::claim::{Claim, Figure, Measured, Missing, Pictures, Verdict, Walked};
use crate::image_under_test::ImageUnderTest;
use crate::measure::walks::NotWalked;
use crate::scenario::act::Act;

/// A claim before it is checked.
pub struct Statement {
    pub id: &'static str,
    pub says: &'static str,
    pub check: fn(&ImageUnderTest) -> Claim,
}

/// The claims that are not among [`SPECS`] yet.
pub const ALL: &[Statement] = &[
    #[cfg(target_os = "linux")]
    drop_cancels::STATEMENT,
    right_sized::STATEMENT,
    million_tasks::STATEMENT,
    // A thread ring is Linux's: pipes that epoll and io_uring wait for.
    #[cfg(target_os = "linux")]
    reads_per_message::STATEMENT,
    #[cfg(target_os = "linux")]
    switch_cost::STATEMENT,
    cgo_crosses_its_runtime::STATEMENT,
    cgo_buys_something::STATEMENT,
];

/// The claims' names, in that order.
pub fn ids() -> Vec<&'static str> {
    ALL.iter().map(|claim| claim.id).collect()
}

/// The exhibits that are calls from ordinary functions.
fn plain() -> Vec<Exhibit> {
    catalogue::exhibits()
        .into_iter()
        .filter(|exhibit| !exhibit.poll)
        .collect()
}

/// What was counted on the way to a verdict.
#[derive(Default)]
struct Evaluation {
    figures: BTreeMap<String, Figure>,
    measured: BTreeMap<String, Measured>,
    pictures: Pictures,
    findings: Vec<String>,
    walks: Vec<Walked>,
    /// Why no program can be walked here.
    not_walked: Option<String>,
}

/// What is left of a claim where nothing can be walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rests {
    /// Its verdict is the image's.
    OnImage,
    /// It is not checked.
    #[allow(dead_code, reason = "gone when the last claim has a Spec")]
    OnWalks,
}

impl Evaluation {
    fn add(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        self.figures
            .entry(name.into())
            .or_insert(Figure { value: 0, unit })
            .value += value;
    }

    /// A count that may differ from run to run.
    fn measure(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let value = value as f64;
        let measured = Measured {
            value,
            spread: None,
            unit,
        };
        self.measured.insert(name.into(), measured);
    }

    /// Asserts an exhibit's calls bare, and counts them by route.
    fn bare(&mut self, subject: &ImageUnderTest, exhibit: &Exhibit) {
        let Some(function) = subject.exhibit(exhibit) else {
            self.findings
                .push(format!("{} is not in the image", exhibit.path));
            return;
        };
        match function.bare_calls(exhibit.calls) {
            Ok(calls) => {
                self.add("exhibits", 1, "functions");
                for call in calls {
                    self.add(format!("calls by {}", call.route()), 1, "calls");
                }
            }
            Err(error) => self.findings.push(error.to_string()),
        }
    }

    /// Walks these acts, and asserts each bare and on one stack.
    fn walk_bare(&mut self, subject: &ImageUnderTest, acts: &[Act]) {
        self.walk(subject, acts, |walk| walk.is_bare() && walk.is_same_stack());
    }

    fn walk(&mut self, subject: &ImageUnderTest, acts: &[Act], as_claimed: fn(&Walk) -> bool) {
        for (act, taken) in subject.walks(acts) {
            match &*taken {
                Ok(walk) => {
                    self.add("walked", 1, "calls");
                    self.most("walked out", walk.out.instructions, "instructions");
                    self.most("walked back", walk.back.instructions, "instructions");
                    let switches = walk.out.stack_switches + walk.back.stack_switches;
                    self.add("stack switches", switches, "switches");
                    if !as_claimed(walk) {
                        self.findings.push(format!("walked {act}:\n{walk}"));
                    }
                    self.walks.push(Walked::new(act, walk));
                }
                Err(error) => self.failed(act, error),
            }
        }
    }

    fn failed(&mut self, act: Act, error: &NotWalked) {
        if error.is_environment() {
            self.not_walked = Some(error.to_string());
        } else {
            self.findings
                .push(format!("{act} could not be walked: {error}"));
        }
    }

    fn missing(&self) -> Vec<Missing> {
        let ptrace = self.not_walked.clone().map(|why| Missing {
            what: "ptrace",
            why,
        });
        ptrace.into_iter().collect()
    }

    /// `10 walked: 1 out, 0 back, same stack`
    fn walked(&self) -> String {
        if self.value("walked") == 0 {
            return "not walked".to_owned();
        }
        format!(
            "{} walked: {} out, {} back, {}",
            self.value("walked"),
            self.value("walked out"),
            self.value("walked back"),
            match self.value("stack switches") {
                0 => "same stack".to_owned(),
                n => format!("{n} stack switches"),
            }
        )
    }

    /// The conditions of a claim, and what it lacks where nothing was walked.
    fn conditions(&self, rests: Rests, mut conditions: Vec<String>) -> Vec<String> {
        if let Some(why) = self.not_walked.as_ref().filter(|_| rests == Rests::OnImage) {
            conditions.insert(0, format!("not walked, so by the image alone: {why}"));
        }
        conditions
    }

    fn most(&mut self, name: impl Into<String>, value: u64, unit: &'static str) {
        let figure = self
            .figures
            .entry(name.into())
            .or_insert(Figure { value, unit });
        figure.value = figure.value.max(value);
    }

    /// A figure's value, 0 if nothing was counted.
    fn value(&self, name: &str) -> u64 {
        self.figures.get(name).map_or(0, |figure| figure.value)
    }

    fn verdict(&self, otherwise: Verdict, rests: Rests) -> Verdict {
        if !self.findings.is_empty() {
            return Verdict::DoesNotHold;
        }
        match (&self.not_walked, rests) {
            (None, _) => otherwise,
            (Some(_), Rests::OnImage) => Verdict::HoldsWithConditions,
            (Some(_), Rests::OnWalks) => Verdict::NotChecked,
        }
    }
}

/// What every live verdict rests on.
fn live(subject: &ImageUnderTest) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("image", subject.image.path().display().to_string()),
        ("made by", subject.image.producers().join("; ")),
        (
            "target",
            format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        ),
        ("date", crate::today()),
    ])
}

fn reproduce(id: &str) -> String {
    format!("cargo run --release -- prove {id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{
        BARE, CONTROLS, Context, Evaluation, FigureSpec, Outcome, Quote, Rests, Shows, Spec, WALKED,
    };
    use crate::report::{Assessment, Claim, Evidence, TALK, Verdict};

    static DUMMY: Spec = Spec {
        id: "dummy",
        statement: "a dummy is a claim like any other",
        talk: Quote {
            quote: "so it is said",
            assessment: Assessment::Simplified,
            because: Some("not by everybody"),
        },
        shows: Shows::Nothing,
        figures: &[
            BARE,
            CONTROLS,
            WALKED,
            no_more_than_c::WALKED_PAIRS,
            &[FigureSpec {
                name: "dummies",
                unit: "dummies",
                counts: "dummies that were counted",
            }],
        ],
        matrices: &[no_more_than_c::WALKED_OUT, no_more_than_c::WALKED_BACK],
        check: dummy,
        ..Spec::DEFAULT
    };

    fn dummy(_: &Context) -> Claim {
        let mut evaluation = Evaluation::new(&DUMMY);
        evaluation.add("dummies", 2);
        evaluation.most_in_cell("walked to the callee", "puts", "C", 2);
        evaluation.most_in_cell("walked to the callee", "puts", "C", 1);
        evaluation.finish(Outcome {
            verdict: Verdict::Holds,
            rests: Rests::OnImage,
            found: "2 dummies".to_owned(),
            conditions: vec!["for dummies only".to_owned()],
            evidence: Evidence::Live,
            provenance: [("date".to_owned(), "today".to_owned())].into(),
        })
    }

    #[test]
    fn a_dummy_claim_comes_out_whole() {
        let context = Context {
            image: ImageUnderTest::current().expect("the test's own image"),
            request: crate::evaluation::Request::default(),
        };
        let specs: &[&Spec] = &[SPECS[0], &DUMMY];
        let claim = (specs[1].check)(&context);
        assert_eq!((&*claim.id, &*claim.statement), (DUMMY.id, DUMMY.statement));
        assert_eq!(claim.verdict, Verdict::Holds);
        assert_eq!(claim.found, "2 dummies");
        assert_eq!(claim.conditions, ["for dummies only"]);
        assert_eq!(
            (&*claim.talk.quote, &*claim.talk.from),
            ("so it is said", TALK)
        );
        assert_eq!(claim.talk.because.as_deref(), Some("not by everybody"));
        assert_eq!(claim.provenance["date"], "today");
        assert_eq!(claim.reproduce, "cargo run --release -- prove dummy");
        let dummies = &claim.figures["dummies"];
        assert_eq!((dummies.value, &*dummies.unit), (2, "dummies"));
        assert_eq!(dummies.counts, "dummies that were counted");
        // A matrix that nothing was put in is left out.
        assert_eq!(claim.matrices.len(), 1);
        assert_eq!(claim.matrices[0].rows[0].values, [None, Some(2)]);
    }

    #[test]
    #[should_panic(expected = "dummy declares no figure \"dumies\"")]
    fn an_unknown_figure_is_a_panic() {
        let _ = Evaluation::new(&DUMMY).value("dumies");
    }

    #[test]
    #[should_panic(expected = "dummy declares no matrix \"walked\"")]
    fn an_unknown_matrix_is_a_panic() {
        Evaluation::new(&DUMMY).set_cell("walked", "puts", "C", 1);
    }

    /// Every claim is declared once, and whole.
    #[test]
    fn every_spec_is_whole() {
        for spec in SPECS {
            assert!(!spec.id.is_empty() && !spec.statement.is_empty());
            assert!(!spec.talk.quote.is_empty(), "{}", spec.id);
            assert_eq!(SPECS.iter().filter(|other| other.id == spec.id).count(), 1);
        }
    }

    /// An exhibit rewritten to call through a control: the claim must turn, and name the trampoline.
    #[test]
    fn an_exhibit_through_a_control_does_not_hold() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        for control in catalogue::controls() {
            let calls: &[&str] = if control.name.contains("say") || control.name.contains("dlsym") {
                &["puts"]
            } else {
                &["greet_add_one"]
            };
            let exhibit = Exhibit {
                name: control.name,
                path: control.path,
                calls,
                entry: control.entry,
                ..catalogue::exhibits()[0]
            };
            let mut evaluation = Evaluation::new(&DUMMY);
            evaluation.bare(&subject, &exhibit);
            assert_eq!(
                evaluation.verdict(Verdict::Holds, Rests::OnImage),
                Verdict::DoesNotHold
            );
            for word in [control.route].into_iter().chain(control.via) {
                assert!(
                    evaluation.findings[0].contains(word),
                    "{}: {:?}",
                    control.name,
                    evaluation.findings
                );
            }
        }
    }

    /// A blind instrument must not pass: every control it misses is a finding.
    #[test]
    fn the_controls_are_checked() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let mut evaluation = Evaluation::new(&DUMMY);
        evaluation.controls(&subject);
        assert_eq!(evaluation.findings, Vec::<String>::new());
        assert_eq!(
            evaluation.value("controls") as usize,
            catalogue::controls().len()
        );
    }

    /// What each claim about walks is to find fault with, planted in the place of an exhibit.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    mod walked {
        use super::*;
        use crate::scenario::act::Side;

        fn turned(planted: impl FnOnce(&mut Evaluation, &ImageUnderTest), named: &str) {
            let subject = ImageUnderTest::current().expect("the test's own image");
            let mut evaluation = Evaluation::new(&DUMMY);
            planted(&mut evaluation, &subject);
            for rests in [Rests::OnImage, Rests::OnWalks] {
                assert_eq!(
                    evaluation.verdict(Verdict::Holds, rests),
                    Verdict::DoesNotHold
                );
            }
            assert!(
                evaluation.findings[0].contains(named),
                "{:?}",
                evaluation.findings
            );
        }

        #[test]
        fn a_stub_in_between_is_seen() {
            let say = Act::new(Side::C, "say");
            turned(
                |evaluation, subject| evaluation.walk_bare(subject, &[say]),
                "puts@plt",
            );
        }

        #[test]
        fn a_callback_through_a_shim_is_seen() {
            turned(
                |evaluation, subject| evaluation.walk_bare(subject, &[Act::VISIT_THROUGH_SHIM]),
                "visit_shim",
            );
        }

        #[test]
        fn another_stack_is_seen() {
            turned(
                |evaluation, subject| evaluation.walk_on_one_stack(subject, &[Act::OTHER_STACK]),
                "switches stacks",
            );
            turned(
                |evaluation, subject| evaluation.walk_bare(subject, &[Act::OTHER_STACK]),
                "on_other_stack",
            );
        }

        #[test]
        fn more_than_c_is_seen() {
            let [rust, c] = [Side::Rust, Side::C].map(|side| Act::new(side, "say"));
            turned(
                |evaluation, subject| {
                    drop(no_more_than_c::walk_pair(
                        evaluation, subject, c, rust, "puts",
                    ))
                },
                "2 instructions",
            );
        }

        #[test]
        fn a_control_that_is_not_seen_is_a_fault() {
            let unseen = |walk: &Walk| walk.out.stack_switches == 1;
            turned(
                |evaluation, subject| {
                    drop(evaluation.walk_control(subject, Act::VISIT_THROUGH_SHIM, unseen))
                },
                "cannot tell it",
            );
        }

        #[test]
        fn what_is_not_reached_is_no_proof() {
            let nowhere = Act::new(Side::Rust, "no_such_exhibit");
            turned(
                |evaluation, subject| evaluation.walk_bare(subject, &[nowhere]),
                "no such call",
            );
        }
    }
}
