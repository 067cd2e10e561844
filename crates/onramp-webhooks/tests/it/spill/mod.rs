//! The inbox made of two.

mod faulty_spill;
mod moving;
mod refused;
mod sharing;
mod stage;
mod starting;
mod suite;
mod waiting;
