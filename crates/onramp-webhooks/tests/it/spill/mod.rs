//! The inbox made of two.

pub(crate) mod faulty_spill;
mod moving;
mod refused;
mod sharing;
pub(crate) mod stage;
mod starting;
mod suite;
mod waiting;
mod working;
