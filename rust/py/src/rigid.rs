//! Rigid search and elastic fitting of templates in a map.

use emodelx_core::Point;
use emodelx_core::body::{Body, SideChain};
use emodelx_core::elastic::{self, Stiffness};
use emodelx_core::geometry::Motion;
use emodelx_core::loops::{self, Course, Placed};
use emodelx_core::refine::density::Density;
use emodelx_core::rigid::{self, Pose, Scene, Thoroughness};
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::to_python;
use crate::gate::{Run, enter};

/// Numbers of the residues (n,), their points (n, 3), atoms and reach of their side chains (n, 2).
type BodyArrays<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>);
/// Rotation (3, 3), shift, mean of the field.
type PoseArrays<'py> = (Bound<'py, PyArray2<f64>>, [f64; 3], f64);
/// Rotations (n, 9), row by row, shifts (n, 3), means of the field (n,).
type SettledArrays<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<f64>>);
/// Numbers of residues (n,), their points (n, 3).
type PlacedArrays<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray2<'py, f64>);
/// Chain, number of the first residue, points (n, 3), agreement (n,).
type CourseArrays<'py> = (usize, usize, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<f64>>);
/// Points (n, 3), mean of the field, that of every residue (n,).
type BentArrays<'py> = (Bound<'py, PyArray2<f64>>, f64, Bound<'py, PyArray1<f64>>);

#[pyfunction]
#[pyo3(signature = (field, coarse, spacing, body, how, *, threads=0, progress=None))]
pub fn search_body<'py>(
    py: Python<'py>,
    field: PyReadonlyArray3<'py, f32>,
    coarse: PyReadonlyArray3<'py, f32>,
    spacing: f64,
    body: BodyArrays<'py>,
    how: (f64, usize, usize, f64),
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<PoseArrays<'py>>> {
    let scene = Scene {
        field: density("field", &field)?,
        coarse: arrays::probabilities("coarse", &coarse)?,
        shape: arrays::volume("coarse", &coarse)?.1,
        spacing,
    };
    let body = read_body(&body)?;
    let how = Thoroughness { step: how.0, starts: how.1, poses: how.2, apart: how.3 };
    let found = enter(py, &Run { threads, progress }, |monitor| rigid::search(&scene, &body, &how, monitor))?;
    Ok(found.iter().map(|pose| to_arrays(py, pose)).collect())
}

#[pyfunction]
#[pyo3(signature = (field, body, starts, *, threads=0, progress=None))]
pub fn settle_body<'py>(
    py: Python<'py>,
    field: PyReadonlyArray3<'py, f32>,
    body: BodyArrays<'py>,
    starts: (PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>),
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<SettledArrays<'py>> {
    let density = density("field", &field)?;
    let (body, starts) = (read_body(&body)?, read_motions(&starts)?);
    let found = enter(py, &Run { threads, progress }, |monitor| rigid::settle(&density, &body, &starts, monitor))?;
    let rotations: Vec<[f64; 9]> = found.iter().map(|pose| flattened(&pose.motion.rotation)).collect();
    let shifts: Vec<Point> = found.iter().map(|pose| pose.motion.shift).collect();
    let scores = PyArray1::from_iter(py, found.iter().map(|pose| pose.score));
    Ok((arrays::to_matrix(py, &rotations), arrays::to_matrix(py, &shifts), scores))
}

#[pyfunction]
#[pyo3(signature = (field, bodies, stiffness, *, threads=0, progress=None))]
pub fn bend_bodies<'py>(
    py: Python<'py>,
    field: PyReadonlyArray3<'py, f32>,
    bodies: Vec<BodyArrays<'py>>,
    stiffness: (f64, f64),
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<BentArrays<'py>>> {
    let density = density("field", &field)?;
    let bodies = bodies.iter().map(read_body).collect::<PyResult<Vec<_>>>()?;
    let stiffness = Stiffness { along: stiffness.0, across: stiffness.1 };
    let bent = enter(py, &Run { threads, progress }, |monitor| elastic::bend(&density, &bodies, stiffness, monitor))?;
    let arrays = |b: elastic::Bent| (arrays::to_matrix(py, &b.points), b.score, PyArray1::from_vec(py, b.support));
    Ok(bent.into_iter().map(arrays).collect())
}

#[pyfunction]
#[pyo3(signature = (field, chains, *, threads=0, progress=None))]
pub fn trace_loops<'py>(
    py: Python<'py>,
    field: PyReadonlyArray3<'py, f32>,
    chains: Vec<PlacedArrays<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<CourseArrays<'py>>> {
    let volume = arrays::probabilities("field", &field)?;
    let read = |(numbers, points): &PlacedArrays<'_>| {
        Ok(Placed { numbers: arrays::indices("numbers", numbers)?, points: arrays::points("points", points)? })
    };
    let chains = chains.iter().map(read).collect::<PyResult<Vec<_>>>()?;
    let found = enter(py, &Run { threads, progress }, |monitor| loops::trace(&volume, &chains, monitor))?;
    let arrays = |c: Course| (c.chain, c.first, arrays::to_matrix(py, &c.points), PyArray1::from_vec(py, c.agreement));
    Ok(found.into_iter().map(arrays).collect())
}

fn density<'a>(name: &str, array: &'a PyReadonlyArray3<'_, f32>) -> PyResult<Density<'a>> {
    Density::new(arrays::probabilities(name, array)?, [1.0; 3]).map_err(|e| to_python(&e))
}

fn read_body((numbers, points, sides): &BodyArrays<'_>) -> PyResult<Body> {
    let rows = arrays::matrix("sides", sides, 2)?.as_chunks::<2>().0;
    let sides: Vec<SideChain> = rows.iter().map(|[atoms, reach]| SideChain { atoms: *atoms, reach: *reach }).collect();
    Body::new(arrays::indices("numbers", numbers)?, arrays::points("points", points)?, &sides)
        .map_err(|e| to_python(&e))
}

fn read_motions((rotations, shifts): &(PyReadonlyArray2<'_, f64>, PyReadonlyArray2<'_, f64>)) -> PyResult<Vec<Motion>> {
    let rows = arrays::matrix("rotations", rotations, 9)?.as_chunks::<9>().0;
    let shifts = arrays::points("shifts", shifts)?;
    if rows.len() != shifts.len() || rows.iter().flatten().any(|v| !v.is_finite()) {
        return Err(PyValueError::new_err("rotations must be finite, and as many as shifts"));
    }
    let motion = |(row, shift): (&[f64; 9], Point)| {
        let rotation = std::array::from_fn(|i| std::array::from_fn(|j| row[3 * i + j]));
        Motion { rotation, shift }
    };
    Ok(rows.iter().zip(shifts).map(motion).collect())
}

fn flattened(rotation: &[[f64; 3]; 3]) -> [f64; 9] {
    std::array::from_fn(|i| rotation[i / 3][i % 3])
}

fn to_arrays<'py>(py: Python<'py>, pose: &Pose) -> PoseArrays<'py> {
    (arrays::to_matrix(py, &pose.motion.rotation), pose.motion.shift, pose.score)
}
