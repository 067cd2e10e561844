//! The output lines of a process.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The lines of standard output that are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reads {
    All,
    FirstLine,
}

/// The lines of a stream, read as they arrive.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    pub(crate) fn of(stream: impl Read + Send + 'static, reads: Reads) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let read = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                read.lock().unwrap().push(line);
                if matches!(reads, Reads::FirstLine) {
                    break;
                }
            }
        });
        Self { lines, reader: Some(reader) }
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.all().join("\n")
    }

    pub(crate) fn last(&self, lines: usize) -> String {
        let all = self.all();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Reads to the end of the stream, which requires that the process has ended.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.all()
    }
}
