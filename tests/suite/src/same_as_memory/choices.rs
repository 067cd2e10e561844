//! Choices that bytes make, one byte each: fuzzers change bytes, and proptest reduces them.

/// Bytes that have not been used yet. After the last one, all choices are the first alternative.
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Returns a number below `end`.
    pub(super) fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// Returns `true` in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u8) -> bool {
        self.byte() % 100 >= 100 - percent
    }

    /// Returns a number below `end` in so many of a hundred cases.
    pub(super) fn option(&mut self, percent: u8, end: u8) -> Option<u8> {
        let is_some = self.percent(percent);
        is_some.then(|| self.below(end))
    }

    /// Returns fewer than `end` items.
    pub(super) fn list<T>(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(end)).map(|_| item(self)).collect()
    }

    /// Returns one of several values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        *values.iter().cycle().nth(self.byte().into()).unwrap()
    }
}
