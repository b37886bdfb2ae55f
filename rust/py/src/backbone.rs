//! Main chains.

use emodelx_core::backbone::{self, Guides, MainChain, Run as Residues};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::arrays::{self, FieldArguments};
use crate::gate::{Run, enter};

/// Calphas (n, 3) and types (n,) of residues that follow one another.
type RunArrays<'py> = (PyReadonlyArray2<'py, f64>, PyReadonlyArray1<'py, u8>);

#[pyfunction]
#[pyo3(signature = (runs, density, main_chain, *, threads=0, progress=None))]
pub fn build_main_chains<'py>(
    py: Python<'py>,
    runs: Vec<RunArrays<'py>>,
    density: Option<FieldArguments<'py>>,
    main_chain: Option<FieldArguments<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Bound<'py, PyArray3<f64>>>> {
    let guides = Guides {
        density: density.as_ref().map(|field| arrays::field("density", field)).transpose()?,
        main_chain: main_chain.as_ref().map(|field| arrays::field("main_chain", field)).transpose()?,
    };
    let runs = runs.iter().map(residues).collect::<PyResult<Vec<_>>>()?;
    let built = enter(py, &Run { threads, progress }, |monitor| backbone::build(&runs, &guides, monitor))?;
    built.iter().map(|residues| to_array(py, residues)).collect()
}

fn residues((calphas, types): &RunArrays<'_>) -> PyResult<Residues> {
    Ok(Residues { calphas: arrays::points("calphas", calphas)?, types: arrays::vector("types", types)?.to_vec() })
}

fn to_array<'py>(py: Python<'py>, residues: &[MainChain]) -> PyResult<Bound<'py, PyArray3<f64>>> {
    PyArray1::from_slice(py, residues.as_flattened().as_flattened()).reshape([residues.len(), 4, 3])
}
