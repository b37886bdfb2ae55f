//! How well a model fits the map around it.

use crate::Point;

use super::density::Density;

/// Voxels within this many Angstrom of an atom belong to the model.
const MASK: f64 = 2.5;
/// Deviations beyond which an atom's Gaussian is left out.
const REACH: f64 = 3.5;

/// Correlation of the map with atoms seen as Gaussians of deviation `blur` Angstrom and the given weights, over the
/// voxels near an atom; 0 where there are none.
#[must_use]
pub fn correlation(density: &Density<'_>, atoms: &[(Point, f64)], blur: f64) -> f64 {
    let mut model = vec![0.0_f32; density.volume().len()];
    let mut near = vec![false; density.volume().len()];
    for (point, weight) in atoms {
        splat(density, point, *weight, blur, &mut model, &mut near);
    }
    let inside = near.iter().enumerate().filter(|(_, near)| **near).map(|(i, _)| i);
    pearson(inside.map(|i| (f64::from(model[i]), f64::from(density.volume().value(i)))))
}

/// Adds a Gaussian to `model`, and marks the voxels near it.
fn splat(density: &Density<'_>, point: &Point, weight: f64, blur: f64, model: &mut [f32], near: &mut [bool]) {
    let reach = MASK.max(REACH * blur);
    let axes: [Vec<(i64, f64, f64)>; 3] = std::array::from_fn(|d| {
        let spacing = density.spacing()[d];
        let low = ((point[d] - reach) / spacing).ceil() as i64;
        let high = ((point[d] + reach) / spacing).floor() as i64;
        let along = |v: i64| {
            let off = v as f64 * spacing - point[d];
            (v, off * off, (-off * off / (2.0 * blur * blur)).exp())
        };
        (low..=high).map(along).collect()
    });
    for &(x, dx, wx) in &axes[0] {
        for &(y, dy, wy) in &axes[1] {
            for &(z, dz, wz) in &axes[2] {
                let Some(i) = density.volume().index([x, y, z]) else { continue };
                model[i] += (weight * wx * wy * wz) as f32;
                near[i] |= dx + dy + dz < MASK * MASK;
            }
        }
    }
}

/// Pearson's correlation; 0 where one side is constant.
fn pearson(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut n, mut a, mut b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in pairs {
        (n, a, b) = (n + 1.0, a + x, b + y);
        (aa, bb, ab) = (aa + x * x, bb + y * y, ab + x * y);
    }
    let spread = (n * aa - a * a) * (n * bb - b * b);
    if spread > 0.0 { (n * ab - a * b) / spread.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Volume;

    const SHAPE: [usize; 3] = [16, 17, 18];
    const ATOMS: [(Point, f64); 2] = [([6.0, 7.0, 8.0], 1.0), ([8.0, 7.5, 8.0], 2.0)];

    fn gaussians(blur: f64) -> Vec<f32> {
        let value = |x: usize, y: usize, z: usize| -> f64 {
            let of = |(p, w): &(Point, f64)| {
                let off = [x as f64 - p[0], y as f64 - p[1], z as f64 - p[2]];
                w * (-off.iter().map(|v| v * v).sum::<f64>() / (2.0 * blur * blur)).exp()
            };
            ATOMS.iter().map(of).sum()
        };
        let [nx, ny, nz] = SHAPE;
        let voxels = (0..nx).flat_map(|x| (0..ny).flat_map(move |y| (0..nz).map(move |z| (x, y, z))));
        voxels.map(|(x, y, z)| value(x, y, z) as f32).collect()
    }

    #[test]
    fn own_density_fits_best() {
        let values = gaussians(1.0);
        let density = Density::new(Volume::new(&values, SHAPE).unwrap(), [1.0; 3]).unwrap();
        let moved = ATOMS.map(|(p, w)| ([p[0] + 1.0, p[1], p[2]], w));
        let own = correlation(&density, &ATOMS, 1.0);
        assert!(own > 0.999, "{own}");
        assert!(correlation(&density, &moved, 1.0) < own - 0.1);
        assert!(correlation(&density, &ATOMS, 2.0) < own);
    }

    #[test]
    fn nothing_fits_nothing() {
        let values = gaussians(1.0);
        let density = Density::new(Volume::new(&values, SHAPE).unwrap(), [1.0; 3]).unwrap();
        assert!(correlation(&density, &[], 1.0).abs() < 1e-12);
        assert!(correlation(&density, &[([500.0; 3], 1.0)], 1.0).abs() < 1e-12);
    }
}
