//! The CPU-heavy steps of `EModelX`: from the network's probabilities to chains.
//!
//! Lengths are in Angstrom, points are `[x, y, z]`, volumes are indexed `[x, y, z]` in C order on a 1 A grid.
//! The crate knows no Python, prints nothing and keeps no global state; every result is the same for any
//! number of threads.

pub mod align;
pub mod backbone;
pub mod bends;
pub mod bfactors;
pub mod body;
pub mod bridge;
pub mod candidates;
pub mod cells;
pub mod chains;
pub mod chemistry;
pub mod cover;
pub mod dbscan;
pub mod elastic;
pub mod error;
pub mod extend;
pub mod fft;
pub mod field;
pub mod geometry;
pub mod links;
pub mod loops;
pub mod monitor;
pub mod packing;
pub mod paths;
pub mod placement;
pub mod propagate;
pub mod qscore;
pub mod refine;
pub mod register;
pub mod residues;
pub mod rigid;
pub mod rotations;
pub mod screen;
pub mod seeds;
pub mod sidechains;
pub mod sparse;
pub mod stride;
pub mod tables;
pub mod thread;
pub mod trace;
pub mod traces;
pub mod vectors;
pub mod volume;
pub mod walk;

pub use error::CoreError;
pub use monitor::Monitor;

/// A point or vector in Angstrom.
pub type Point = [f64; 3];
