//! Candidates: clusters, non-maximum suppression, centroids.

use emodelx_core::candidates::{self, TypeVoxels};
use emodelx_core::dbscan;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;

use crate::arrays;
use crate::gate::{Run, enter};

#[pyfunction(name = "dbscan")]
#[pyo3(signature = (points, eps, min_samples, *, threads=0, progress=None))]
pub fn cluster<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    eps: f64,
    min_samples: usize,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let points = arrays::points("points", &points)?;
    let labels = enter(py, &Run { threads, progress }, |monitor| dbscan::dbscan(&points, eps, min_samples, monitor))?;
    Ok(PyArray1::from_vec(py, labels))
}

#[pyfunction]
#[pyo3(signature = (ca_prob, voxels, radius, *, threads=0, progress=None))]
pub fn find_peaks<'py>(
    py: Python<'py>,
    ca_prob: PyReadonlyArray3<'py, f32>,
    voxels: PyReadonlyArray1<'py, i64>,
    radius: f64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let volume = arrays::probabilities("ca_prob", &ca_prob)?;
    let voxels = arrays::indices("voxels", &voxels)?;
    let peaks =
        enter(py, &Run { threads, progress }, |monitor| candidates::find_peaks(&volume, &voxels, radius, monitor))?;
    Ok(PyArray1::from_iter(py, peaks.into_iter().map(|i| i as i64)))
}

type Refined<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f32>>);

#[pyfunction]
#[pyo3(signature = (ca_prob, voxels, type_voxels, type_prob, *, threads=0, progress=None))]
pub fn refine_candidates<'py>(
    py: Python<'py>,
    ca_prob: PyReadonlyArray3<'py, f32>,
    voxels: PyReadonlyArray1<'py, i64>,
    type_voxels: PyReadonlyArray1<'py, i64>,
    type_prob: PyReadonlyArray2<'py, f32>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Refined<'py>> {
    let volume = arrays::probabilities("ca_prob", &ca_prob)?;
    let voxels = arrays::indices("voxels", &voxels)?;
    let known = arrays::vector("type_voxels", &type_voxels)?;
    let prob = arrays::finite("type_prob", arrays::matrix("type_prob", &type_prob, candidates::TYPES)?)?;
    let (positions, types) = enter(py, &Run { threads, progress }, |monitor| {
        candidates::refine(&volume, &TypeVoxels::new(known, prob)?, &voxels, monitor)
    })?;
    Ok((arrays::to_matrix(py, &positions), arrays::to_matrix(py, &types)))
}
