//! Checking a claim: its specification, what its check is given, and what it counts on the way to a verdict.

mod spec;

use std::collections::BTreeMap;
use std::fmt;

use barecall::Route;
use barecall::walk::Walk;
use zero_cost_ffi::catalogue::{self, Exhibit};

use crate::baseline;
use crate::image_under_test::ImageUnderTest;
use crate::measure::missing::MissingTool as _;
use crate::measure::walks::NotWalked;
use crate::report::{
    Axis, Chart, Claim, Evidence, Figure, Layout, Matrix, Measured, Missing, Row, TALK, Talk,
    Verdict, Walked,
};
use crate::scenario::call::CallScenario;

pub use spec::{
    CannotRun, Context, FigureSpec, Live, MatrixSpec, OnFile, Quote, Request, Shows, Size, Spec,
};

/// What each live verdict rests on.
#[must_use]
pub fn provenance(image: &ImageUnderTest) -> BTreeMap<String, String> {
    [
        ("image", image.image.path().display().to_string()),
        ("made by", image.image.producers().join("; ")),
        ("target", crate::image_under_test::target()),
        ("date", crate::today()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What is left of a claim where nothing can be walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rests {
    /// Its verdict is the image's.
    OnImage,
    /// It is not checked.
    OnWalks,
}

/// What remains to be said when all is counted.
pub struct Outcome {
    /// The verdict, if nothing speaks against it.
    pub verdict: Verdict,
    /// What is left of it where nothing can be walked.
    pub rests: Rests,
    /// What was found, in one line.
    pub found: String,
    /// Conditions and scope.
    pub conditions: Vec<String>,
    /// Whether it rests on this run.
    pub evidence: Evidence,
    /// What it was found in.
    pub provenance: BTreeMap<String, String>,
}

impl Outcome {
    /// An outcome that rests on this image, found live in it, with these conditions.
    #[must_use]
    pub fn live(
        image: &ImageUnderTest,
        verdict: Verdict,
        found: String,
        conditions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            verdict,
            rests: Rests::OnImage,
            found,
            conditions: conditions.into_iter().map(Into::into).collect(),
            evidence: Evidence::Live,
            provenance: provenance(image),
        }
    }
}

/// What is counted on the way to a verdict.
pub struct Evaluation {
    spec: &'static Spec,
    figures: BTreeMap<String, Figure>,
    matrices: Vec<Matrix>,
    /// What was measured, by name.
    pub measured: BTreeMap<String, Measured>,
    /// Remarks with measured numbers in them.
    pub notes: Vec<String>,
    /// What can be drawn.
    pub charts: Vec<Chart>,
    /// Where bytes are.
    pub layouts: Vec<Layout>,
    /// What speaks against the claim.
    pub findings: Vec<String>,
    /// What was missing.
    pub missing: Vec<Missing>,
    /// The walks taken.
    pub walks: Vec<Walked>,
    /// Why no program can be walked here.
    not_walked: Option<String>,
}

/// The exhibits that are calls from ordinary functions.
#[must_use]
pub fn plain() -> Vec<Exhibit> {
    let all = catalogue::exhibits().into_iter();
    all.filter(|exhibit| !exhibit.poll).collect()
}

/// The exhibits that are calls from a future's `poll`.
#[must_use]
pub fn polled() -> Vec<Exhibit> {
    let all = catalogue::exhibits().into_iter();
    all.filter(|exhibit| exhibit.poll).collect()
}

/// The figures of [`Evaluation::bare`].
pub const BARE: &[FigureSpec] = &[
    FigureSpec::new("exhibits", "functions")
        .counts("exhibits all of whose calls of the C function are bare in the image"),
    FigureSpec::new("calls by direct", "calls")
        .counts("calls in these exhibits to the symbol itself"),
    FigureSpec::new("calls by got", "calls")
        .counts("calls in these exhibits through a slot of the global offset table"),
    FigureSpec::new("calls by register", "calls")
        .counts("calls in these exhibits through a register loaded from such a slot"),
];

/// The figures of [`Evaluation::controls`] and [`Evaluation::walk_control`].
pub const CONTROLS: &[FigureSpec] = &[FigureSpec::new("controls", "functions")
    .counts("controls classified as what they were built to be")];

/// The figures of [`Evaluation::walk_bare`] and [`Evaluation::walk_on_one_stack`].
pub const WALKED: &[FigureSpec] = &[
    FigureSpec::new("walked", "calls").counts("calls that were single-stepped, out and back"),
    FigureSpec::new("walked out", "instructions")
        .counts("most instructions from a call to the callee's first, the call included"),
    FigureSpec::new("walked back", "instructions")
        .counts("most instructions from behind the callee's return to the caller's next"),
    FigureSpec::new("stack switches", "switches")
        .counts("moves of the stack pointer to another stack on all these walks"),
];

impl Evaluation {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(spec: &'static Spec) -> Self {
        let matrices = spec.matrices.iter().map(|matrix| Matrix {
            name: matrix.name.to_owned(),
            counts: matrix.counts.to_owned(),
            unit: matrix.unit.to_owned(),
            columns: matrix.columns.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        });
        Self {
            spec,
            figures: BTreeMap::new(),
            matrices: matrices.collect(),
            measured: BTreeMap::new(),
            notes: Vec::new(),
            charts: Vec::new(),
            layouts: Vec::new(),
            findings: Vec::new(),
            missing: Vec::new(),
            walks: Vec::new(),
            not_walked: None,
        }
    }

    fn declared(&self, name: &str) -> &'static FigureSpec {
        let mut declared = self.spec.figures.iter().copied().flatten();
        declared
            .find(|figure| figure.name == name)
            .unwrap_or_else(|| panic!("{} declares no figure {name:?}", self.spec.id))
    }

    fn figure(&mut self, name: &str) -> &mut u64 {
        let FigureSpec { unit, counts, .. } = self.declared(name);
        let figure = self.figures.entry(name.to_owned()).or_insert(Figure {
            value: 0,
            unit: (*unit).to_owned(),
            counts: (*counts).to_owned(),
        });
        &mut figure.value
    }

    /// Adds to a figure.
    ///
    /// # Panics
    /// When the claim's [`Spec`] declares none of that name; so do the others that name one.
    pub fn add(&mut self, name: &str, value: u64) {
        *self.figure(name) += value;
    }

    /// Raises a figure to a value, if it is less.
    pub fn most(&mut self, name: &str, value: u64) {
        let figure = self.figure(name);
        *figure = (*figure).max(value);
    }

    /// A figure's value; 0 if nothing was counted.
    #[must_use]
    pub fn value(&self, name: &str) -> u64 {
        self.declared(name);
        self.figures.get(name).map_or(0, |figure| figure.value)
    }

    fn matrix(&self, name: &str) -> usize {
        let mut declared = self.matrices.iter();
        let at = declared.position(|matrix| matrix.name == name);
        at.unwrap_or_else(|| panic!("{} declares no matrix {name:?}", self.spec.id))
    }

    fn column(&self, matrix: &str, name: &str) -> usize {
        let columns = &self.matrices[self.matrix(matrix)].columns;
        let at = columns.iter().position(|column| column == name);
        at.unwrap_or_else(|| panic!("{}: {matrix} has no column {name:?}", self.spec.id))
    }

    fn row(&mut self, matrix: &str, name: &str) -> &mut [Option<u64>] {
        let at = self.matrix(matrix);
        let Matrix { columns, rows, .. } = &mut self.matrices[at];
        let at = rows.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            rows.push(Row {
                name: name.to_owned(),
                values: vec![None; columns.len()],
            });
            rows.len() - 1
        });
        &mut rows[at].values
    }

    fn cell(&mut self, matrix: &str, row: &str, column: &str) -> &mut Option<u64> {
        let column = self.column(matrix, column);
        &mut self.row(matrix, row)[column]
    }

    /// Sets a cell of a matrix; the row is added if it is new.
    pub fn set_cell(&mut self, matrix: &str, row: &str, column: &str, value: u64) {
        *self.cell(matrix, row, column) = Some(value);
    }

    /// Sets a row of a matrix, from left to right; the row is added if it is new.
    pub fn set_row<const N: usize>(
        &mut self,
        matrix: &str,
        row: &str,
        values: [impl Into<Option<u64>>; N],
    ) {
        let row = self.row(matrix, row);
        assert_eq!(row.len(), N, "values for the columns of {matrix:?}");
        for (cell, value) in row.iter_mut().zip(values) {
            *cell = value.into();
        }
    }

    /// Raises a cell of a matrix to a value, if it is less or empty.
    pub fn most_in_cell(&mut self, matrix: &str, row: &str, column: &str, value: u64) {
        let cell = self.cell(matrix, row, column);
        *cell = Some(cell.unwrap_or_default().max(value));
    }

    /// The value of a cell, if it was set.
    #[must_use]
    pub fn value_of_cell(&self, matrix: &str, row: &str, column: &str) -> Option<u64> {
        self.column(matrix, column);
        self.matrices[self.matrix(matrix)].value(row, column)
    }

    /// The value of a cell; 0 if it was not set.
    #[must_use]
    pub fn count_in(&self, matrix: &str, row: &str, column: &str) -> u64 {
        self.value_of_cell(matrix, row, column).unwrap_or_default()
    }

    /// Draws columns of a matrix side by side, row by row: each by its name in the matrix and in the chart.
    pub fn draw(
        &mut self,
        matrix: &str,
        text: [&str; 2],
        y: Axis,
        evidence: Evidence,
        columns: &[(&str, &str)],
    ) {
        let matrix = &self.matrices[self.matrix(matrix)];
        let chart = Chart::of_matrix(matrix, text, y, evidence, columns);
        self.charts.push(chart);
    }

    /// Notes a measured value.
    pub fn measure(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        self.measured
            .insert(name.into(), Measured::once(value, unit));
    }

    /// Adds something that speaks against the claim.
    pub fn fault(&mut self, finding: impl fmt::Display) {
        self.findings.push(finding.to_string());
    }

    /// Says what is missing, and why.
    pub fn lack(&mut self, what: &str, why: impl fmt::Display) {
        self.missing.push(Missing::new(what, why));
    }

    /// Says that a file of evidence cannot be used: where it is damaged or of another version, against the claim.
    pub fn unusable(&mut self, error: &baseline::Error) {
        match error {
            baseline::Error::Read { .. } => self.lack("record", error),
            error => self.fault(error),
        }
    }

    /// Asserts an exhibit's calls bare, and counts them by route.
    pub fn bare(&mut self, image: &ImageUnderTest, exhibit: &Exhibit) {
        let Some(function) = image.exhibit(exhibit) else {
            return self.fault(format_args!("{} is not in the image", exhibit.path));
        };
        match function.bare_calls(exhibit.calls) {
            Ok(calls) => {
                self.add("exhibits", 1);
                for call in calls {
                    self.add(&format!("calls by {}", call.route()), 1);
                }
            }
            Err(error) => self.fault(error),
        }
    }

    /// Each control must be classified as what it is, or the instrument is broken and nothing holds.
    pub fn controls(&mut self, image: &ImageUnderTest) {
        for control in catalogue::controls() {
            let calls = image
                .control(&control)
                .map(|function| function.calls())
                .unwrap_or_default();
            let found = calls.iter().rev().find(|call| !call.route().is_bare());
            let named = |via| found.is_some_and(|call| call.via().iter().any(|name| name == via));
            match found {
                Some(call)
                    if call.route().as_str() == control.route && control.via.is_none_or(named) =>
                {
                    self.add("controls", 1);
                }
                _ => self.fault(format_args!(
                    "control {}: expected {}, found {calls:?}: the instrument cannot tell it from an exhibit",
                    control.name, control.route
                )),
            }
        }
    }

    /// Walks these calls, and asserts each bare and on one stack.
    pub fn walk_bare(&mut self, image: &ImageUnderTest, acts: &[CallScenario]) {
        self.walk(image, acts, |walk| walk.is_bare() && walk.is_same_stack());
    }

    /// Walks these calls, and asserts that none moves to another stack.
    pub fn walk_on_one_stack(&mut self, image: &ImageUnderTest, acts: &[CallScenario]) {
        self.walk(image, acts, Walk::is_same_stack);
    }

    fn walk(
        &mut self,
        image: &ImageUnderTest,
        acts: &[CallScenario],
        as_claimed: fn(&Walk) -> bool,
    ) {
        for (act, taken) in image.walks(acts) {
            match &*taken {
                Ok(walk) => {
                    self.add("walked", 1);
                    self.most("walked out", walk.out.instructions);
                    self.most("walked back", walk.back.instructions);
                    let switches = walk.out.stack_switches + walk.back.stack_switches;
                    self.add("stack switches", switches);
                    if !as_claimed(walk) {
                        self.fault(format_args!("walked {act}:\n{walk}"));
                    }
                    self.walks.push(walked(act, walk));
                }
                Err(error) => self.failed(act, error),
            }
        }
    }

    /// Walks a control, which must be seen as what it is, or the walks show nothing. What it took:
    /// `7 out, 3 back, 2 stack switches`.
    pub fn walk_control(
        &mut self,
        image: &ImageUnderTest,
        act: CallScenario,
        seen: fn(&Walk) -> bool,
    ) -> String {
        match &*image.walks(&[act])[0].1 {
            Ok(walk) => {
                self.add("controls", 1);
                if !seen(walk) {
                    self.fault(format_args!(
                        "{act}: the walk cannot tell it from the exhibits:\n{walk}"
                    ));
                }
                self.walks.push(walked(act, walk));
                format!(
                    "{} out, {} back, {} stack switches",
                    walk.out.instructions,
                    walk.back.instructions,
                    walk.out.stack_switches + walk.back.stack_switches
                )
            }
            Err(error) => {
                self.failed(act, error);
                "not walked".to_owned()
            }
        }
    }

    /// A walk that was not taken: because nothing can be walked here, or because something is wrong.
    pub fn failed(&mut self, act: CallScenario, error: &NotWalked) {
        if error.missing_tool().is_some() {
            self.not_walked = Some(error.to_string());
        } else {
            self.fault(format_args!("{act} could not be walked: {error}"));
        }
    }

    /// `10 walked: 1 out, 0 back, same stack`
    #[must_use]
    pub fn walked(&self) -> String {
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

    /// The line of evidence of a claim that rests on walks, or why there is none.
    #[must_use]
    pub fn found_by_walking(&self, found: String) -> String {
        match &self.not_walked {
            Some(why) => format!("not walked: {why}"),
            None => found,
        }
    }

    /// `11 calls: 7 got, 4 register`
    #[must_use]
    pub fn by_route(&self) -> String {
        let counts = Route::ALL
            .into_iter()
            .filter(|route| route.is_bare())
            .map(|route| (self.value(&format!("calls by {route}")), route))
            .filter(|(count, _)| *count > 0);
        let counts: Vec<(u64, Route)> = counts.collect();
        let shares: Vec<String> = counts
            .iter()
            .map(|(count, route)| format!("{count} {route}"))
            .collect();
        let total = counts.iter().map(|(count, _)| count).sum::<u64>();
        format!("{total} calls: {}", shares.join(", "))
    }

    /// The verdict: `otherwise`, unless something speaks against it or what it rests on is missing.
    #[must_use]
    pub fn verdict(&self, otherwise: Verdict, rests: Rests) -> Verdict {
        if !self.findings.is_empty() {
            return Verdict::DoesNotHold;
        }
        match (&self.not_walked, rests) {
            (None, _) => otherwise,
            (Some(_), Rests::OnImage) => match otherwise {
                Verdict::Holds => Verdict::HoldsWithConditions,
                other => other,
            },
            (Some(_), Rests::OnWalks) => Verdict::NotChecked,
        }
    }

    /// The claim, checked, with an [`Outcome::live`].
    #[must_use]
    pub fn finish_live(
        self,
        image: &ImageUnderTest,
        verdict: Verdict,
        found: String,
        conditions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Claim {
        self.finish(Outcome::live(image, verdict, found, conditions))
    }

    /// The claim, checked.
    #[must_use]
    pub fn finish(mut self, outcome: Outcome) -> Claim {
        let spec = self.spec;
        let mut conditions = outcome.conditions;
        if let Some(why) = &self.not_walked {
            self.missing.insert(0, Missing::new("ptrace", why));
            self.missing.dedup();
            if outcome.rests == Rests::OnImage {
                conditions.insert(0, format!("not walked, so by the image alone: {why}"));
            }
        }
        self.matrices.retain(|matrix| !matrix.rows.is_empty());
        Claim {
            id: spec.id.to_owned(),
            statement: spec.statement.to_owned(),
            verdict: self.verdict(outcome.verdict, outcome.rests),
            found: outcome.found,
            conditions,
            findings: self.findings,
            notes: self.notes,
            missing: self.missing,
            talk: Talk {
                quote: spec.talk.quote.to_owned(),
                from: TALK.to_owned(),
                assessment: spec.talk.assessment,
                because: spec.talk.because.map(str::to_owned),
            },
            evidence: outcome.evidence,
            figures: self.figures,
            matrices: self.matrices,
            measured: self.measured,
            walks: self.walks,
            charts: self.charts,
            layouts: self.layouts,
            // The judge fills these in: they are the same for whatever the check found.
            shows: Vec::new(),
            listing: None,
            provenance: outcome.provenance,
            reproduce: spec.command(outcome.evidence),
        }
    }
}

/// A walk taken now, and whose it is.
#[must_use]
pub fn walked(act: CallScenario, walk: &Walk) -> Walked {
    Walked {
        side: act.side,
        name: act.name.to_owned(),
        evidence: Evidence::Live,
        phases: None,
        walk: walk.clone(),
    }
}
