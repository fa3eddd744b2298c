//! What was counted, which is exact, and what was measured.

use serde::{Deserialize, Serialize};

/// A counted value: exact, the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The count.
    pub value: u64,
    /// What one of them is: `instructions`, `calls`.
    pub unit: String,
    /// What is counted, exactly: `instructions once round the loop, callee excluded`.
    pub counts: String,
}

/// Many counted values of one kind, by row and column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Its name within the claim.
    pub name: String,
    /// What each cell counts, exactly.
    pub counts: String,
    /// What one of them is: `instructions`.
    pub unit: String,
    /// The columns, from left to right.
    pub columns: Vec<String>,
    /// The rows, from the top.
    pub rows: Vec<Row>,
}

impl Matrix {
    /// The value of a cell; none where there is nothing to count, or no such cell.
    #[must_use]
    pub fn value(&self, row: &str, column: &str) -> Option<u64> {
        let column = self.columns.iter().position(|name| name == column)?;
        let row = self.rows.iter().find(|known| known.name == row)?;
        *row.values.get(column)?
    }
}

/// A row of a [`Matrix`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What the row is of.
    pub name: String,
    /// One value a column; none where there is nothing to count.
    pub values: Vec<Option<u64>>,
}

/// A measured value: of this run, on this machine. No verdict rests on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The value; the median, where it was measured several times.
    pub value: f64,
    /// The least and the greatest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
    /// The unit: `ns`, `bytes`.
    pub unit: String,
}

impl Measured {
    /// A value that was measured once.
    #[must_use]
    pub fn once(value: f64, unit: &str) -> Self {
        Self {
            value,
            spread: None,
            unit: unit.to_owned(),
        }
    }

    /// The median, the least and the greatest of several.
    #[must_use]
    pub fn median(values: &[f64], unit: &str) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self {
            spread: Some([at(0), at(sorted.len().saturating_sub(1))]),
            ..Self::once(at(sorted.len() / 2), unit)
        }
    }
}
