//! The inbox with a spill.

pub(crate) mod faulty_spill;
pub(crate) mod harness;
mod moving;
mod permanent;
mod refused;
mod reported;
mod sharing;
mod starting;
mod suite;
mod waiting;
mod working;
