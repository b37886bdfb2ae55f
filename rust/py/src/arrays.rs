//! Checks of numpy arguments; every message names the argument and what is wrong with it.

use numpy::{Element, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The points of an `(n, 3)` array, all finite.
pub fn points(name: &str, array: &PyReadonlyArray2<'_, f64>) -> PyResult<Vec<[f64; 3]>> {
    let shape = array.shape();
    if shape[1] != 3 {
        return Err(PyValueError::new_err(format!("{name} must have shape (n, 3), not ({}, {})", shape[0], shape[1])));
    }
    let points: Vec<[f64; 3]> = array.as_array().rows().into_iter().map(|r| [r[0], r[1], r[2]]).collect();
    if points.iter().flatten().any(|v| !v.is_finite()) {
        return Err(PyValueError::new_err(format!("{name} must be finite")));
    }
    Ok(points)
}

/// The values of a C-contiguous `(nx, ny, nz)` volume and its shape.
pub fn volume<'a, T: Element>(name: &str, array: &'a PyReadonlyArray3<'_, T>) -> PyResult<(&'a [T], [usize; 3])> {
    let shape = [array.shape()[0], array.shape()[1], array.shape()[2]];
    let values = array.as_slice().map_err(|_| PyValueError::new_err(format!("{name} must be C-contiguous")))?;
    Ok((values, shape))
}
