//! Times of the steps from Calpha probabilities to n-hop likelihoods, on a box of 160 A full of residues.

use criterion::{Criterion, criterion_group, criterion_main};
use emodelx_core::traces::Sampling;
use emodelx_core::volume::Volume;
use emodelx_core::{Monitor, Point, candidates, dbscan, links, traces};

const SIDE: usize = 160;
/// Edge of the cell that a residue has to itself, in Angstrom.
const ROOM: usize = 5;

/// A Gaussian peak per residue, moved about by a fixed pattern so that no two cells look the same.
fn planted_volume() -> Vec<f32> {
    let peak = |v: usize, n: usize| {
        let shift = (n * 7 % 11) as f64 / 11.0 - 0.5;
        ((v % ROOM) as f64 - ROOM as f64 / 2.0 - shift).powi(2)
    };
    let value = |x: usize, y: usize, z: usize| {
        let cell = (x / ROOM) * 31 + (y / ROOM) * 17 + z / ROOM;
        0.9 * (-(peak(x, cell) + peak(y, cell + 1) + peak(z, cell + 2)) / 2.0).exp()
    };
    let voxel = |i: usize| value(i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE) as f32;
    (0..SIDE.pow(3)).map(voxel).collect()
}

fn grid_points(volume: &Volume<'_>, voxels: &[usize]) -> Vec<Point> {
    voxels.iter().map(|&v| volume.voxel(v).map(|c| c as f64)).collect()
}

fn steps(bench: &mut Criterion) {
    let values = planted_volume();
    let Ok(volume) = Volume::new(&values, [SIDE; 3]) else { return };
    let monitor = Monitor::default();
    let voxels: Vec<usize> = (0..values.len()).filter(|&i| values[i] > 0.35).collect();
    let points = grid_points(&volume, &voxels);
    bench.bench_function("dbscan", |b| b.iter(|| dbscan::dbscan(&points, 10.0, 10, &monitor)));
    bench.bench_function("find_peaks", |b| b.iter(|| candidates::find_peaks(&volume, &voxels, 2.3, &monitor)));

    let Ok(peaks) = candidates::find_peaks(&volume, &voxels, 2.3, &monitor) else { return };
    let residues = grid_points(&volume, &peaks);
    bench.bench_function("link", |b| b.iter(|| links::link(&residues, &volume, [2.0, 6.0], &monitor)));

    let Ok(likelihood) = links::link(&residues, &volume, [2.0, 6.0], &monitor) else { return };
    let sampling = Sampling { hops: 6, neighbours: 2, floor: 0.1 };
    bench.bench_function("hops", |b| b.iter(|| traces::sample(&likelihood, &sampling, &monitor)));
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = steps }
criterion_main!(benches);
