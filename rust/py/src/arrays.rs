//! Checks of numpy arguments; every message names the argument and what is wrong with it.

use emodelx_core::bends::Bends;
use emodelx_core::field::Field;
use emodelx_core::sparse::SparseRows;
use emodelx_core::volume::Volume;
use numpy::ndarray::Dimension;
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::to_python;

/// Row starts, columns and values of a sparse matrix, from Python.
pub type SparseArguments<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f32>);

/// Row starts, columns and values of a sparse matrix, to Python.
pub type SparseArrays<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);

/// Candidates before, in the middle and after, and odds, from Python: a bend each.
pub type BendArguments<'py> =
    (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f32>);

/// A volume, the position of its first voxel and the size of its voxels, from Python.
pub type FieldArguments<'py> = (PyReadonlyArray3<'py, f32>, [f64; 3], [f64; 3]);

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

/// The points of an `(n, 3)` array; None where they are not finite.
pub fn some_points(name: &str, array: &PyReadonlyArray2<'_, f64>) -> PyResult<Vec<Option<[f64; 3]>>> {
    let rows = matrix(name, array, 3)?.as_chunks::<3>().0;
    Ok(rows.iter().map(|p| p.iter().all(|v| v.is_finite()).then_some(*p)).collect())
}

/// The values of a C-contiguous `(nx, ny, nz)` volume and its shape.
pub fn volume<'a, T: Element>(name: &str, array: &'a PyReadonlyArray3<'_, T>) -> PyResult<(&'a [T], [usize; 3])> {
    let shape = [array.shape()[0], array.shape()[1], array.shape()[2]];
    Ok((c_slice(name, array)?, shape))
}

/// A volume of finite values.
pub fn probabilities<'a>(name: &str, array: &'a PyReadonlyArray3<'_, f32>) -> PyResult<Volume<'a>> {
    let (values, shape) = volume(name, array)?;
    Volume::new(finite(name, values)?, shape).map_err(|e| to_python(&e))
}

/// A volume of finite values with its place in space.
pub fn field<'a>(name: &str, (values, origin, spacing): &'a FieldArguments<'_>) -> PyResult<Field<'a>> {
    if !origin.iter().all(|v| v.is_finite()) || !spacing.iter().all(|v| v.is_finite() && *v > 0.0) {
        return Err(PyValueError::new_err(format!("{name} must have a finite origin and a positive spacing")));
    }
    Ok(Field { volume: probabilities(name, values)?, origin: *origin, spacing: *spacing })
}

/// The values of a contiguous array of one dimension.
pub fn vector<'a, T: Element>(name: &str, array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err(format!("{name} must be contiguous")))
}

/// The values of a C-contiguous `(n, columns)` array.
pub fn matrix<'a, T: Element>(name: &str, array: &'a PyReadonlyArray2<'_, T>, columns: usize) -> PyResult<&'a [T]> {
    let shape = array.shape();
    if shape[1] != columns {
        return Err(PyValueError::new_err(format!(
            "{name} must have shape (n, {columns}), not ({}, {})",
            shape[0], shape[1]
        )));
    }
    c_slice(name, array)
}

/// The values in C order; Fortran order, which `as_slice` lets through, would transpose them.
fn c_slice<'a, T: Element, D: Dimension>(name: &str, array: &'a PyReadonlyArray<'_, T, D>) -> PyResult<&'a [T]> {
    match array.as_slice() {
        Ok(values) if array.is_c_contiguous() => Ok(values),
        _ => Err(PyValueError::new_err(format!("{name} must be C-contiguous"))),
    }
}

/// The finite rows of an `(n, W)` array.
pub fn rows<'a, const W: usize>(name: &str, array: &'a PyReadonlyArray2<'_, f32>) -> PyResult<&'a [[f32; W]]> {
    Ok(finite(name, matrix(name, array, W)?)?.as_chunks::<W>().0)
}

/// `values`, all finite.
pub fn finite<'a>(name: &str, values: &'a [f32]) -> PyResult<&'a [f32]> {
    // Whole chunks are looked at without a branch, which the compiler turns into vector instructions.
    let all_finite = |chunk: &[f32]| chunk.iter().fold(true, |all, v| all & v.is_finite());
    if values.chunks(1024).all(all_finite) {
        Ok(values)
    } else {
        Err(PyValueError::new_err(format!("{name} must be finite")))
    }
}

/// The values of an array of indices, none negative.
pub fn indices(name: &str, array: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let index =
        |&v: &i64| usize::try_from(v).map_err(|_| PyValueError::new_err(format!("{name} must not be negative")));
    vector(name, array)?.iter().map(index).collect()
}

/// A sparse matrix, checked.
pub fn sparse(name: &str, (start, column, value): &SparseArguments<'_>) -> PyResult<SparseRows> {
    let owned = (vector(name, start)?.to_vec(), vector(name, column)?.to_vec(), vector(name, value)?.to_vec());
    SparseRows::new(owned.0, owned.1, owned.2).map_err(|e| PyValueError::new_err(format!("{name}: {e}")))
}

/// The arrays of a sparse matrix.
pub fn from_sparse(py: Python<'_>, rows: SparseRows) -> SparseArrays<'_> {
    let (start, column, value) = rows.into_parts();
    (PyArray1::from_vec(py, start), PyArray1::from_vec(py, column), PyArray1::from_vec(py, value))
}

/// An `(n, W)` array, of no rows too.
pub fn to_matrix<'py, T: Element + Copy, const W: usize>(py: Python<'py>, rows: &[[T; W]]) -> Bound<'py, PyArray2<T>> {
    let flat = PyArray1::from_slice(py, rows.as_flattened());
    flat.reshape([rows.len(), W]).unwrap_or_else(|_| PyArray2::zeros(py, [rows.len(), W], false))
}

/// The bends of `n` candidates; none where none are given.
pub fn bends(given: Option<&BendArguments<'_>>, n: usize) -> PyResult<Bends> {
    let Some((before, middle, after, odds)) = given else {
        return Ok(Bends::default());
    };
    let (before, middle) = (indices("bends", before)?, indices("bends", middle)?);
    let (after, odds) = (indices("bends", after)?, finite("bends", vector("bends", odds)?)?);
    if [middle.len(), after.len(), odds.len()] != [before.len(); 3] {
        return Err(PyValueError::new_err("bends must be arrays of one length"));
    }
    let triples: Vec<[usize; 3]> = (0..before.len()).map(|i| [before[i], middle[i], after[i]]).collect();
    Bends::new(n, &triples, odds).map_err(|e| to_python(&e))
}
