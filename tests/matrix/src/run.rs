//! Runs of all cells, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use onramp_webhooks_testkit::adapter::{Case, cases};

use crate::cell::Cell;
use crate::column::Column;

/// A case in all columns.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// Runs all selected cells, `jobs` at a time, and compares the responses of each row.
pub(crate) fn all(jobs: usize, wants: impl Fn(Column, &str) -> bool) -> Vec<Row> {
    let columns = Column::all();
    let cases: Vec<Case> = cases().collect();
    let work: Vec<_> = cases.iter().flat_map(|case| columns.iter().map(|column| (*case, *column))).collect();
    let wanted: Vec<bool> = work.iter().map(|(case, column)| wants(*column, case.name())).collect();
    let cells = Mutex::new(vec![Cell::DidNotRun; work.len()]);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(((case, column), wanted)) = work.get(at).zip(wanted.get(at)) else { break };
                    let cell = if *wanted { Cell::run(*case, *column) } else { Cell::Skipped };
                    if let Some(slot) = cells.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
                        *slot = cell;
                    }
                }
            });
        }
    });
    let cells = cells.into_inner().unwrap_or_else(PoisonError::into_inner);
    let rows = cases.iter().zip(cells.chunks(columns.len()));
    rows.map(|(case, cells)| Row { case: case.name(), cells: compared(cells) }).collect()
}

/// Compares each cell of a row with the first one that passed.
fn compared(cells: &[Cell]) -> Vec<Cell> {
    let first = cells.iter().find_map(|cell| match cell {
        Cell::Passed(responses) => Some(responses.clone()),
        _ => None,
    });
    cells.iter().cloned().map(|cell| cell.compared_with(&first.clone().unwrap_or_default())).collect()
}
