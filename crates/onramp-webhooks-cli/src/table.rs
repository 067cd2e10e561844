//! Aligned columns.

use anstyle::Style;
use console::{measure_text_width, truncate_str};

use crate::exit::CliError;
use crate::output::Output;
use crate::text::{Line, escaped};

/// Rows of text in columns. Data from outside is escaped.
#[derive(Default)]
pub(crate) struct Table(Vec<Vec<Cell>>);

/// A text in a style.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self::styled(Style::new(), text)
    }

    pub(crate) fn styled(style: Style, text: impl AsRef<str>) -> Self {
        Self { text: escaped(text.as_ref()).into_owned(), style }
    }
}

impl Table {
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Writes the rows to standard output. On a terminal, they are cut to its width; a pipe gets the full text.
    pub(crate) fn write(&self, output: &Output) -> Result<(), CliError> {
        let widths = self.widths();
        self.0.iter().try_for_each(|row| output.line(&line(row, &widths, output.width())))
    }

    /// Returns the width of each column, which is zero for a column without text.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.0 {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(measure_text_width(&cell.text));
            }
        }
        widths
    }
}

fn line(row: &[Cell], widths: &[usize], terminal: Option<usize>) -> Line {
    let mut left = terminal.unwrap_or(usize::MAX);
    let mut line = Line::new();
    let last = row.iter().rposition(|cell| !cell.text.is_empty());
    for (at, (cell, width)) in row.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0) {
        if last.is_none_or(|last| at > last) || left == 0 {
            break;
        }
        let shown = truncate_str(&cell.text, left, "…");
        let used = measure_text_width(&shown);
        line = line.styled(cell.style, &shown);
        let pad = if last == Some(at) { 0 } else { (width + 2).saturating_sub(used).min(left - used) };
        line = line.text(" ".repeat(pad));
        left = left.saturating_sub(used + pad);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cut_to_the_terminal() {
        let mut table = Table::default();
        table.row(["1", "", "ä", "note with \x1b[2J"].map(Cell::new));
        table.row(["1000", "", "bcd", ""].map(Cell::new));
        let widths = table.widths();
        let lines = |terminal| table.0.iter().map(|row| line(row, &widths, terminal).as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(None), ["1     ä    note with \\u{1b}[2J", "1000  bcd"]);
        assert_eq!(lines(Some(15)), ["1     ä    not…", "1000  bcd"]);
        assert_eq!(lines(Some(3)), ["1  ", "10…"]);
    }
}
