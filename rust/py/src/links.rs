//! Links: connection likelihoods.

use emodelx_core::links;
use numpy::{PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;

use crate::arrays::{self, SparseArrays};
use crate::gate::{Run, enter};

#[pyfunction]
#[pyo3(signature = (points, bb_prob, min_distance, max_distance, *, threads=0, progress=None))]
pub fn link_candidates<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    bb_prob: PyReadonlyArray3<'py, f32>,
    min_distance: f64,
    max_distance: f64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<SparseArrays<'py>> {
    let points = arrays::points("points", &points)?;
    let volume = arrays::probabilities("bb_prob", &bb_prob)?;
    let rows = enter(py, &Run { threads, progress }, |monitor| {
        links::link(&points, &volume, [min_distance, max_distance], monitor)
    })?;
    Ok(arrays::from_sparse(py, rows))
}
