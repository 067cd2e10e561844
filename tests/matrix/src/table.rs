//! The table, and the reasons for failed cells.

use comfy_table::Table;

use crate::cell::Cell;
use crate::column::Column;
use crate::run::Row;

/// Prints the table, and returns whether no cell failed.
pub(crate) fn print(rows: &[Row]) -> bool {
    let columns = Column::all();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(std::iter::once("case".to_owned()).chain(columns.iter().map(ToString::to_string)));
    for row in rows {
        table.add_row(std::iter::once(row.case).chain(row.cells.iter().map(word)));
    }
    println!("{table}");
    for row in rows {
        for (cell, column) in row.cells.iter().zip(&columns) {
            match cell {
                Cell::Failed(why) => println!("\n{} on {column} FAILED:\n{why}", row.case),
                Cell::Differs(how) => println!("\n{} on {column} DIFFERS in {how}", row.case),
                _ => {}
            }
        }
    }
    conclude(rows)
}

fn word(cell: &Cell) -> &'static str {
    match cell {
        Cell::Passed(_) => "passed",
        Cell::Differs(_) => "DIFFERS",
        Cell::Failed(_) => "FAILED",
        Cell::Skipped => "skipped",
        Cell::DidNotRun => "DID NOT RUN",
    }
}

fn conclude(rows: &[Row]) -> bool {
    let count = |is: fn(&Cell) -> bool| rows.iter().flat_map(|row| &row.cells).filter(|cell| is(cell)).count();
    let passed = count(|cell| matches!(cell, Cell::Passed(_)));
    let skipped = count(|cell| matches!(cell, Cell::Skipped));
    let red = count(|cell| matches!(cell, Cell::Differs(_) | Cell::Failed(_) | Cell::DidNotRun));
    println!("\nmatrix: {passed} passed, {red} failed, {skipped} skipped");
    red == 0 && passed > 0
}
