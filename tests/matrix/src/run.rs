//! Runs of all cells, several at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::case::Case;
use crate::cell::Cell;
use crate::column::Column;

/// A case in all columns.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// Runs all selected cells, `jobs` at a time and as many that wait, and compares the responses of each row.
pub(crate) fn all(jobs: usize, wants: impl Fn(Column, &str) -> bool) -> Vec<Row> {
    let columns = Column::all();
    let cases: Vec<_> = Case::all().collect();
    let work: Vec<_> = cases.iter().flat_map(|case| columns.iter().map(|column| (*case, *column))).collect();
    let wanted: Vec<bool> = work.iter().map(|(case, column)| wants(*column, case.name())).collect();
    let cells = Mutex::new(vec![Cell::DidNotRun; work.len()]);
    let run = |(at, wanted): (usize, bool)| {
        let Some((case, column)) = work.get(at) else { return };
        let cell = if wanted { Cell::run(*case, *column) } else { Cell::Skipped };
        if let Some(slot) = cells.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
            *slot = cell;
        }
    };
    // Cases that mostly wait do so beside the others.
    let (waiting, busy): (Vec<_>, Vec<_>) =
        wanted.into_iter().enumerate().partition(|(at, _)| work.get(*at).is_some_and(|(case, _)| case.mostly_waits()));
    thread::scope(|scope| {
        for queue in [waiting, busy] {
            let queue = Arc::new(Mutex::new(queue.into_iter()));
            for _ in 0..jobs {
                let (queue, run) = (Arc::clone(&queue), &run);
                scope.spawn(move || {
                    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    std::iter::from_fn(next).for_each(run);
                });
            }
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
