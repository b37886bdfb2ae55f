//! Propagation of scores along hops.

use emodelx_core::propagate::{self, ByType};
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::arrays::{self, SparseArguments};
use crate::gate::{Run, enter};

#[pyfunction]
#[pyo3(signature = (type_prob, hop, *, threads=0, progress=None))]
pub fn propagate_types<'py>(
    py: Python<'py>,
    type_prob: PyReadonlyArray2<'py, f32>,
    hop: SparseArguments<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let types: Vec<ByType> = arrays::rows("type_prob", &type_prob)?;
    let hop = arrays::sparse("hop", &hop)?;
    let said = enter(py, &Run { threads, progress }, |monitor| propagate::propagate(&types, &hop, monitor))?;
    Ok(arrays::to_matrix(py, &said))
}
