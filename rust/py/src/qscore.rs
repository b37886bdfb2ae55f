//! Q-scores of atoms.

use emodelx_core::qscore;
use numpy::{PyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;

use crate::arrays;
use crate::gate::{Run, enter};

#[pyfunction]
#[pyo3(signature = (values, spacing, atoms, *, threads=0, progress=None))]
pub fn q_scores<'py>(
    py: Python<'py>,
    values: PyReadonlyArray3<'py, f32>,
    spacing: [f64; 3],
    atoms: PyReadonlyArray2<'py, f64>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let volume = arrays::probabilities("values", &values)?;
    let atoms = arrays::points("atoms", &atoms)?;
    let scores = enter(py, &Run { threads, progress }, |monitor| qscore::q_scores(&volume, &spacing, &atoms, monitor))?;
    Ok(PyArray1::from_vec(py, scores))
}
