//! The tables that a benchmark prints.

/// A cell: text, with numbers in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    /// The text around the numbers, which has one part more than there are numbers.
    text: Vec<String>,
    numbers: Vec<f64>,
}

pub(super) type Row = Vec<Cell>;

/// Reads the rows of all tables in the output of a benchmark. Lines between the tables are kept as rows of one cell.
pub(super) fn read(output: &str) -> Vec<Row> {
    output.lines().map(row).collect()
}

fn row(line: &str) -> Row {
    let Some(cells) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
        return vec![Cell::text(line)];
    };
    let is_rule = cells.chars().all(|character| matches!(character, '-' | '|' | ':' | ' '));
    // The first cell names the row.
    let of = |(at, cell): (usize, &str)| if at == 0 || is_rule { Cell::text(cell) } else { Cell::read(cell) };
    cells.split('|').enumerate().map(of).collect()
}

/// Returns the lines of rows, with the columns of each table as wide as their widest cells.
pub(super) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let tables = rows.chunk_by(|row, next| row.len() > 1 && row.len() == next.len());
    tables.flat_map(|table| table.iter().map(|row| line(row, &widths(table)))).collect()
}

fn widths(table: &[Vec<String>]) -> Vec<usize> {
    let width = |column: usize| {
        table
            .iter()
            .filter_map(|row| row.get(column))
            .filter(|cell| !is_rule(cell))
            .map(|cell| cell.trim().chars().count())
            .max()
            .unwrap_or(0)
    };
    (0..table.first().map_or(0, Vec::len)).map(width).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    if let [line] = row {
        return line.clone();
    }
    let padded = |(cell, width): (&String, &usize)| match is_rule(cell) {
        true => "-".repeat(width + 2),
        false => format!(" {:width$} ", cell.trim()),
    };
    format!("|{}|", row.iter().zip(widths).map(padded).collect::<Vec<_>>().join("|"))
}

fn is_rule(cell: &str) -> bool {
    !cell.is_empty() && cell.chars().all(|character| character == '-')
}

impl Cell {
    fn text(text: &str) -> Self {
        Self { text: vec![text.to_owned()], numbers: Vec::new() }
    }

    fn read(cell: &str) -> Self {
        let (mut text, mut numbers, mut rest) = (vec![String::new()], Vec::new(), cell);
        while let Some(next) = rest.chars().next() {
            match number(rest) {
                Some((number, after)) => {
                    numbers.push(number);
                    text.push(String::new());
                    rest = after;
                }
                None => {
                    text.last_mut().into_iter().for_each(|text| text.push(next));
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
        }
        Self { text, numbers }
    }

    /// Returns the cell with medians of the numbers in `these`, and their ratios to the medians in `others`. There are no ratios if the two
    /// say different things.
    pub(super) fn compared(these: &[&Self], others: &[&Self]) -> String {
        let Some(first) = these.first() else { return String::new() };
        let same = |cell: &&&Self| cell.numbers.len() == first.numbers.len();
        let others: &[&Self] = if these.iter().chain(others).all(|cell| same(&cell)) { others } else { &[] };
        let medians = |cells: &[&Self]| -> Vec<f64> {
            let nth = |at| median(cells.iter().filter_map(|cell: &&Self| cell.numbers.get(at).copied()).collect());
            (0..first.numbers.len()).map(nth).collect()
        };
        let figure = |(this, other): (f64, f64)| {
            if others.is_empty() { this.to_string() } else { format!("{this} ({:.2})", this / other) }
        };
        let figures = medians(these).into_iter().zip(medians(others)).map(figure);
        let texts = first.text.iter().map(String::as_str);
        let mut compared = String::new();
        for (text, figure) in texts.zip(figures.chain([String::new()])) {
            compared.push_str(text);
            compared.push_str(&figure);
        }
        compared
    }
}

/// Reads a number at the beginning of `text`, whose thousands may be separated by spaces.
fn number(text: &str) -> Option<(f64, &str)> {
    let mut digits = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (group, after) = rest.split_at_checked(end)?;
        digits.push_str(group);
        rest = after;
        let next = rest.strip_prefix(' ').unwrap_or_default();
        let is_group = next.len() >= 3 && next.bytes().take(3).all(|byte| byte.is_ascii_digit());
        if group.is_empty() || !is_group || next.as_bytes().get(3).is_some_and(u8::is_ascii_digit) {
            break;
        }
        rest = next;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|character: char| !character.is_ascii_digit()).unwrap_or(fraction.len());
        let (group, after) = fraction.split_at_checked(end)?;
        digits.push('.');
        digits.push_str(group);
        rest = after;
    }
    Some((digits.parse().ok()?, rest))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(these: &[&str], others: &[&str]) -> String {
        let read = |cells: &[&str]| -> Vec<Cell> { cells.iter().map(|cell| Cell::read(cell)).collect() };
        let (these, others) = (read(these), read(others));
        Cell::compared(&these.iter().collect::<Vec<_>>(), &others.iter().collect::<Vec<_>>())
    }

    #[test]
    fn figures_are_medians_with_their_ratios() {
        assert_eq!(compared(&["20 000/s", "30 000/s", "10 000/s"], &["10 000/s"]), "20000 (2.00)/s");
        assert_eq!(compared(&[" 2.0 / 6.0 ms "], &[" 4.0 / 3.0 ms "]), " 2 (0.50) / 6 (2.00) ms ");
        assert_eq!(compared(&["bare"], &["bare"]), "bare");
        assert_eq!(compared(&["1", "3", "4"], &["1 / 2"]), "3", "the cells differ");
    }

    #[test]
    fn names_of_rows_are_no_figures() {
        let rows = read("(b) title of 128\n| callers | rate |\n|---|---|\n| 128 | 1 024 |");
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3], [Cell::text(" 128 "), Cell::read(" 1 024 ")]);
        assert_eq!(rows[3][1].numbers, [1_024.0]);
        assert_eq!((rows[0].len(), rows[2][1].numbers.len()), (1, 0));
    }
}
