//! Side chains.

use emodelx_core::backbone::MainChain;
use emodelx_core::chemistry::MOST_ATOMS;
use emodelx_core::sidechains::{self, Atoms};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{self, FieldArguments};
use crate::gate::{Run, enter};

#[pyfunction]
#[pyo3(signature = (main_chains, types, density, *, threads=0, progress=None))]
pub fn pack_side_chains<'py>(
    py: Python<'py>,
    main_chains: PyReadonlyArray3<'py, f64>,
    types: PyReadonlyArray1<'py, u8>,
    density: Option<FieldArguments<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let main_chains = residues(&main_chains)?;
    let types = arrays::vector("types", &types)?;
    let density = density.as_ref().map(|field| arrays::field("density", field)).transpose()?;
    let run = Run { threads, progress };
    let packed = enter(py, &run, |monitor| sidechains::pack(&main_chains, types, density.as_ref(), monitor))?;
    let values: Vec<f64> = packed.iter().flat_map(values).collect();
    PyArray1::from_vec(py, values).reshape([packed.len(), MOST_ATOMS, 3])
}

fn residues(array: &PyReadonlyArray3<'_, f64>) -> PyResult<Vec<MainChain>> {
    let (values, shape) = arrays::volume("main_chains", array)?;
    if shape[1..] != [4, 3] {
        return Err(PyValueError::new_err(format!("main_chains must have shape (n, 4, 3), not {shape:?}")));
    }
    if !values.iter().all(|v| v.is_finite()) {
        return Err(PyValueError::new_err("main_chains must be finite"));
    }
    Ok(values.as_chunks::<3>().0.as_chunks::<4>().0.to_vec())
}

fn values(atoms: &Atoms) -> impl Iterator<Item = f64> {
    atoms.iter().flat_map(|atom| atom.unwrap_or([f64::NAN; 3]))
}
