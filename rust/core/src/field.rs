//! A volume with its place in space, read between the voxels.

use crate::Point;
use crate::volume::Volume;

/// A volume whose voxel 0,0,0 has its centre at `origin`.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub volume: Volume<'a>,
    pub origin: Point,
    /// Voxel size in Angstrom.
    pub spacing: Point,
}

impl Field<'_> {
    /// Value at a point, interpolated between the eight voxels around; voxels outside are 0.
    #[must_use]
    pub fn at(&self, point: &Point) -> f64 {
        let grid: Point = std::array::from_fn(|d| (point[d] - self.origin[d]) / self.spacing[d]);
        let low = grid.map(f64::floor);
        let corner = |bits: usize| {
            let upper: [bool; 3] = std::array::from_fn(|d| bits >> d & 1 == 1);
            let share = |d: usize| if upper[d] { grid[d] - low[d] } else { 1.0 - (grid[d] - low[d]) };
            let voxel = std::array::from_fn(|d| low[d] as i64 + i64::from(upper[d]));
            self.volume.index(voxel).map_or(0.0, |i| share(0) * share(1) * share(2) * f64::from(self.volume.value(i)))
        };
        (0..8).map(corner).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_field_is_read_exactly() {
        let shape = [4, 5, 6];
        let values: Vec<f32> = (0..4 * 5 * 6).map(|i| (i / 30 * 2 + i / 6 % 5 * 3 + i % 6) as f32).collect();
        let field =
            Field { volume: Volume::new(&values, shape).unwrap(), origin: [1.0, -2.0, 3.0], spacing: [0.5, 1.0, 2.0] };
        for grid in [[0.0, 0.0, 0.0], [1.3, 2.7, 3.1], [2.9, 3.5, 4.999]] {
            let point = std::array::from_fn(|d| field.origin[d] + field.spacing[d] * grid[d]);
            let expected = 2.0 * grid[0] + 3.0 * grid[1] + grid[2];
            assert!((field.at(&point) - expected).abs() < 1e-6);
        }
        assert!(field.at(&[1e9, 0.0, 0.0]).abs() < 1e-12);
        assert!(field.at(&[f64::MAX, 0.0, 0.0]).abs() < 1e-12);
    }
}
