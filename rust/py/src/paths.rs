//! Chains of candidates without sequences.

use emodelx_core::paths::{self, Path, Tracing};
use numpy::{PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::arrays::{self, BendArguments, SparseArguments};
use crate::gate::{Run, enter};

/// Candidates (-1 where none), probability of their steps, log-odds of the direction.
type PathArrays<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>, f32);

#[pyfunction]
#[pyo3(signature = (points, links, least_step, least_length, *, bends=None, threads=0, progress=None))]
pub fn trace_paths<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    links: SparseArguments<'py>,
    least_step: f32,
    least_length: usize,
    bends: Option<BendArguments<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<PathArrays<'py>>> {
    let points = arrays::points("points", &points)?;
    let links = arrays::sparse("links", &links)?;
    let bends = arrays::bends(bends.as_ref(), points.len())?;
    let tracing = Tracing { least_step, least_length };
    let run = Run { threads, progress };
    let found = enter(py, &run, |monitor| paths::trace(&points, &links, &bends, &tracing, monitor))?;
    Ok(found.iter().map(|path| to_arrays(py, path)).collect())
}

fn to_arrays<'py>(py: Python<'py>, path: &Path) -> PathArrays<'py> {
    let candidates = path.candidates.iter().map(|k| k.map_or(-1, |k| k as i64)).collect();
    (PyArray1::from_vec(py, candidates), PyArray1::from_slice(py, &path.probability), path.forward)
}
