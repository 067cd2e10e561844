//! The trace of a run: everything that happened, in sequence, as a hash.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher};

/// The trace. Two runs with equal hashes did the same.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    prints: bool,
    events: u64,
}

impl Trace {
    pub(crate) fn new(prints: bool) -> Self {
        Self { prints, ..Self::default() }
    }

    pub(crate) fn add(&mut self, millis: u128, event: fmt::Arguments<'_>) {
        self.events += 1;
        self.hasher.write_u128(millis);
        // Writing to a hasher cannot fail.
        let _ = Hashed(&mut self.hasher).write_fmt(event);
        if self.prints {
            println!("{:>9.3} {event}", millis as f64 / 1_000.0);
        }
    }

    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}

struct Hashed<'a>(&'a mut DefaultHasher);

impl fmt::Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
