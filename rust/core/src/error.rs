//! The one error type of the core.

use thiserror::Error;

/// What can go wrong in the core.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CoreError {
    /// An argument does not make sense; the message names it.
    #[error("{0}")]
    Invalid(String),
    /// The caller asked the step to stop.
    #[error("interrupted")]
    Interrupted,
}
