//! Bridging of gaps and extension of ends along the main chain.

use emodelx_core::stride::{Strand, Stretch};
use emodelx_core::volume::Volume;
use emodelx_core::{CoreError, Monitor, bridge, extend};
use numpy::{PyArray2, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays;
use crate::gate::{Run, enter};

/// Positions of the residues of a chain and where a symmetric chain has them, (n, 3) each, NaN where unknown.
type StrandArrays<'py> = (PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>);
/// Chain, first residue, positions (m, 3), mean main-chain probability.
type StretchArrays<'py> = (usize, usize, Bound<'py, PyArray2<f64>>, f32);
type Walk = fn(&[Strand], &Volume<'_>, &Volume<'_>, &Monitor) -> Result<Vec<Stretch>, CoreError>;

#[pyfunction]
#[pyo3(signature = (chains, ca_prob, bb_prob, *, threads=0, progress=None))]
pub fn bridge_chains<'py>(
    py: Python<'py>,
    chains: Vec<StrandArrays<'py>>,
    ca_prob: PyReadonlyArray3<'py, f32>,
    bb_prob: PyReadonlyArray3<'py, f32>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<StretchArrays<'py>>> {
    walk(py, bridge::bridge, &chains, [&ca_prob, &bb_prob], &Run { threads, progress })
}

#[pyfunction]
#[pyo3(signature = (chains, ca_prob, bb_prob, *, threads=0, progress=None))]
pub fn extend_chains<'py>(
    py: Python<'py>,
    chains: Vec<StrandArrays<'py>>,
    ca_prob: PyReadonlyArray3<'py, f32>,
    bb_prob: PyReadonlyArray3<'py, f32>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<StretchArrays<'py>>> {
    walk(py, extend::extend, &chains, [&ca_prob, &bb_prob], &Run { threads, progress })
}

fn walk<'py>(
    py: Python<'py>,
    step: Walk,
    chains: &[StrandArrays<'py>],
    [ca_prob, bb_prob]: [&PyReadonlyArray3<'py, f32>; 2],
    run: &Run,
) -> PyResult<Vec<StretchArrays<'py>>> {
    if ca_prob.shape() != bb_prob.shape() {
        return Err(PyValueError::new_err("ca_prob and bb_prob must have the same shape"));
    }
    let ca_prob = arrays::probabilities("ca_prob", ca_prob)?;
    let bb_prob = arrays::probabilities("bb_prob", bb_prob)?;
    let strands = chains.iter().map(strand).collect::<PyResult<Vec<_>>>()?;
    let found = enter(py, run, |monitor| step(&strands, &ca_prob, &bb_prob, monitor))?;
    let to_python = |s: Stretch| (s.chain, s.first, arrays::to_matrix(py, &s.points), s.support);
    Ok(found.into_iter().map(to_python).collect())
}

fn strand((points, expected): &StrandArrays<'_>) -> PyResult<Strand> {
    let (points, expected) = (arrays::some_points("positions", points)?, arrays::some_points("expected", expected)?);
    if points.len() != expected.len() {
        return Err(PyValueError::new_err("positions and expected must have the same length"));
    }
    Ok(Strand { points, expected })
}
