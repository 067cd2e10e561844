//! The spill in a file.

mod file;
mod suite;
