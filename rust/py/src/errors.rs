//! The one road from core errors to Python exceptions.

use emodelx_core::CoreError;
use pyo3::PyErr;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};

pub fn to_python(error: &CoreError) -> PyErr {
    match error {
        CoreError::Invalid(message) => PyValueError::new_err(message.clone()),
        CoreError::Interrupted => PyKeyboardInterrupt::new_err("interrupted"),
    }
}
