//! Jump tables.

use super::graph::Graph;
use super::value::{Table, Value};
use crate::function::word;
use crate::image::Bound;
use crate::ir::Width;

/// More entries than this and the table is taken for something else.
const MOST_ENTRIES: u64 = 1 << 14;

/// So many entries are looked at to tell what it is.
pub(super) const LOOKED_AT: u64 = 4;

/// So many are looked at behind one that leaves the function.
const MOST_BEHIND: u64 = 16;

/// More tables than this in a function, and no jump through a further one is followed.
const MOST_TABLES: usize = 4096;

impl Graph<'_> {
    /// The low part of a value: of a table's entry, the whole entry, extended in another way.
    pub(super) fn extended(&mut self, value: Value, width: Width) -> Value {
        match value {
            Value::Entry(table) => {
                let entries = self.tables[table];
                if entries.width.map(Width::bytes) == Some(width.bytes()) {
                    Value::Entry(self.table(Table {
                        width: Some(width),
                        ..entries
                    }))
                } else {
                    Value::Indexed
                }
            }
            Value::Target(_) | Value::Indexed => Value::Indexed,
            Value::Unknown => Value::Unknown,
            _ => Value::Dynamic,
        }
    }

    pub(super) fn sum(&mut self, a: Value, b: Value, shift: u8) -> Value {
        match (a, b) {
            (Value::Const(a), Value::Const(b)) => {
                Value::Const(a.wrapping_add(b.wrapping_shl(shift.into())))
            }
            (Value::Const(base), Value::Entry(table)) => {
                let table = Table {
                    base,
                    shift,
                    ..self.tables[table]
                };
                Value::Target(self.table(table))
            }
            (Value::Entry(table), Value::Const(base)) if shift == 0 => {
                let table = Table {
                    base,
                    ..self.tables[table]
                };
                Value::Target(self.table(table))
            }
            (Value::Unknown, _) | (_, Value::Unknown) => Value::Unknown,
            // A constant address and something from the program: perhaps the way into a table.
            (Value::Const(_) | Value::Entry(_) | Value::Target(_) | Value::Indexed, _)
            | (_, Value::Const(_) | Value::Entry(_) | Value::Target(_) | Value::Indexed) => {
                Value::Indexed
            }
            _ => Value::Dynamic,
        }
    }

    pub(super) fn table(&mut self, table: Table) -> usize {
        self.tables
            .iter()
            .position(|known| *known == table)
            .unwrap_or_else(|| {
                if self.tables.len() > MOST_TABLES {
                    return MOST_TABLES;
                }
                self.tables.push(if self.tables.len() == MOST_TABLES {
                    Table::new(u64::MAX, None)
                } else {
                    table
                });
                self.least.push(0);
                self.tables.len() - 1
            })
    }

    /// The address that an entry of a table leads to; `entries` are the table's bytes, if they are no whole addresses.
    fn entry(&self, table: Table, entries: &[u8], n: u64) -> Option<u64> {
        match table.width {
            None => self.image.pointer(table.at.wrapping_add(n * 8)),
            Some(width) => width.read(entries, n).map(|entry| {
                table
                    .base
                    .wrapping_add_signed(entry.wrapping_shl(table.shift.into()))
            }),
        }
    }

    /// Whether it is an array of functions: the first entry leads to the beginning of one, or out of the image, and none
    /// of the next into this function.
    pub(super) fn leads_out(&self, table: Table) -> bool {
        let entries = self
            .image
            .constants(table.at, LOOKED_AT * table.entry_size());
        let begins = match self.entry(table, entries, 0) {
            Some(to) => self.image.begins_function(to) != Some(false),
            None => {
                table.width.is_none()
                    && matches!(self.image.bound(table.at), Some(Bound::Symbol(_)))
            }
        };
        begins
            && (0..LOOKED_AT).all(|n| {
                let to = self.entry(table, entries, n);
                to.and_then(|to| self.index(to))
                    .is_none_or(|step| step == self.entry)
            })
    }

    /// The step whose address is in a slot at first, whether it may be written or not; none for the function's beginning.
    pub(super) fn label_at(&self, slot: u64) -> Option<usize> {
        match self.image.bound(slot)? {
            Bound::Address(to) => self.index(to).filter(|&step| step != self.entry),
            _ => None,
        }
    }

    /// Lengthens tables that were cut where they leave the function, but lead behind that to what nothing enters: a case
    /// between may lie in a part that is not known to be the function's. Whether there was one.
    pub(super) fn lengthen(&mut self) -> bool {
        let mut any = false;
        for table in 0..self.tables.len() {
            let width = self.tables[table].entry_size();
            // Of narrower entries nearly every one leads somewhere near.
            if width < 4 {
                continue;
            }
            let entries = self
                .image
                .constants(self.tables[table].at, MOST_ENTRIES * width);
            let step = |n| {
                let to = self.entry(self.tables[table], entries, n);
                to.and_then(|to| self.index(to))
            };
            let enters = |n: &u64| {
                step(*n).is_some_and(|step| {
                    let block = self.block_of(step);
                    self.begin(block) == step && !self.blocks[block].reached
                })
            };
            let mut least = self.least[table];
            let mut looked_at = 0;
            while let Some(cut) = (least..MOST_ENTRIES).find(|&n| step(n).is_none()) {
                looked_at = cut + MOST_BEHIND;
                match (cut..looked_at).find(enters) {
                    Some(n) => least = n + 1,
                    None => break,
                }
            }
            any |= least > self.least[table];
            self.least[table] = least;
            // A damaged function may have thousands of tables with thousands of entries.
            self.budget = self
                .budget
                .saturating_sub(usize::try_from(looked_at).unwrap_or(usize::MAX));
        }
        any
    }

    /// Where a jump table leads: steps of this function, up to the first entry that leaves it, or to where another
    /// table begins. Should that cut it short, the rest of its cases are blocks that nothing is seen to enter. None if it
    /// leads to no more than the function's own beginning: that may be one of many functions.
    pub(super) fn targets(&self, table: usize) -> Option<Vec<u32>> {
        let (table, least) = (self.tables[table], self.least[table]);
        let mut targets = Vec::new();
        // A short function has no long table; this is asked at every visit.
        let most = (8 * self.body.len() as u64).clamp(1 << 10, MOST_ENTRIES);
        let width = table.entry_size();
        let next = self
            .tables
            .iter()
            .filter(|other| other.base == other.at && table.base == table.at)
            .filter_map(|other| other.at.checked_sub(table.at))
            .filter(|&distance| distance > 0)
            .min();
        let most = next.map_or(most, |distance| most.min(distance.div_ceil(width)));
        let entries = self.image.constants(table.at, most.saturating_mul(width));
        for n in 0..most {
            let target = self.entry(table, entries, n);
            let Some(step) = target.and_then(|target| self.index(target)) else {
                if n < least {
                    continue;
                }
                let entry = word(self.entry);
                let any = targets.iter().any(|&target| target != entry);
                return any.then(|| in_order(targets));
            };
            targets.push(word(step));
        }
        next.is_some().then(|| in_order(targets))
    }
}

fn in_order(mut targets: Vec<u32>) -> Vec<u32> {
    targets.sort_unstable();
    targets.dedup();
    targets
}
