//! One case on one adapter and store.

use crate::case::Case;
use crate::column::Column;
use crate::panics;

/// The outcome of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The expectation holds, with these responses.
    Passed(Vec<String>),
    /// The expectation holds, but the responses differ from those of the first adapter in the row.
    Differs(String),
    /// The expectation does not hold.
    Failed(String),
    /// Skipped by an option.
    Skipped,
    /// Not run, although it was not skipped.
    DidNotRun,
}

impl Cell {
    /// Runs the case on a new thread and a new runtime.
    pub(crate) fn run(case: Case, column: Column) -> Self {
        let name = format!("{} on {column}", case.name());
        let run = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(case.run(column))
        };
        let Ok(thread) = std::thread::Builder::new().name(name.clone()).spawn(run) else { return Self::DidNotRun };
        match thread.join() {
            Ok(responses) => Self::Passed(responses),
            Err(_) => Self::Failed(panics::of(&name)),
        }
    }

    /// Compares the responses with those of another adapter.
    pub(crate) fn compared_with(self, first: &[String]) -> Self {
        match self {
            Self::Passed(responses) if responses != first => Self::Differs(difference(first, &responses)),
            same => same,
        }
    }
}

/// Returns the first lines in which two transcripts differ.
fn difference(first: &[String], responses: &[String]) -> String {
    let line = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_else(|| "nothing".to_owned());
    let at = first.iter().zip(responses).take_while(|(one, other)| one == other).count();
    format!("response {}:\n  {}\nexpected:\n  {}", at + 1, line(responses, at), line(first, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_different_response_and_one_more_or_less_differ() {
        let first = lines(&["200", "404"]);
        assert_eq!(Cell::Passed(first.clone()).compared_with(&first), Cell::Passed(first.clone()));
        for other in [&["200", "405"][..], &["200"], &["200", "404", "200"], &[]] {
            let compared = Cell::Passed(lines(other)).compared_with(&first);
            assert!(matches!(compared, Cell::Differs(_)), "{other:?}");
        }
    }
}
