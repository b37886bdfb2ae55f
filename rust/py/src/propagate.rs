//! Propagation of scores along hops.

use emodelx_core::propagate::{self, ByType};
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::arrays::{self, SparseArguments};
use crate::gate::{Run, enter};

#[pyfunction]
#[pyo3(signature = (type_prob, hops, *, threads=0, progress=None))]
pub fn propagate_types<'py>(
    py: Python<'py>,
    type_prob: PyReadonlyArray2<'py, f32>,
    hops: Vec<SparseArguments<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Bound<'py, PyArray2<f32>>>> {
    let types: &[ByType] = arrays::rows("type_prob", &type_prob)?;
    let hops = hops.iter().map(|hop| arrays::sparse("hop", hop)).collect::<PyResult<Vec<_>>>()?;
    let said = enter(py, &Run { threads, progress }, |monitor| {
        hops.iter().map(|hop| propagate::propagate(types, hop, monitor)).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(said.iter().map(|by_type| arrays::to_matrix(py, by_type)).collect())
}
