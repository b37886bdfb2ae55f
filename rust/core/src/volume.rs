//! A read-only view of a volume on the 1 A grid.

use crate::{CoreError, Point};

/// Values indexed `[x, y, z]` in C order.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    values: &'a [f32],
    shape: [usize; 3],
}

impl<'a> Volume<'a> {
    /// A view of `values`, whose number must fit `shape`.
    pub fn new(values: &'a [f32], shape: [usize; 3]) -> Result<Self, CoreError> {
        if values.len() != shape.iter().product::<usize>() {
            return Err(CoreError::Invalid(format!("{} values do not fill a volume of {shape:?}", values.len())));
        }
        Ok(Self { values, shape })
    }

    /// Position in the flat array of a voxel, if it lies inside.
    #[must_use]
    pub fn index(&self, voxel: [i64; 3]) -> Option<usize> {
        let inside = (0..3).all(|d| (0..self.shape[d] as i64).contains(&voxel[d]));
        let [x, y, z] = voxel.map(|v| v as usize);
        inside.then(|| (x * self.shape[1] + y) * self.shape[2] + z)
    }

    /// The voxel at a position in the flat array.
    #[must_use]
    pub fn voxel(&self, index: usize) -> [i64; 3] {
        let (plane, z) = (index / self.shape[2], index % self.shape[2]);
        [plane / self.shape[1], plane % self.shape[1], z].map(|v| v as i64)
    }

    /// Value of the voxel nearest to a grid position; 0 outside.
    #[must_use]
    pub fn nearest(&self, point: &Point) -> f32 {
        self.index(point.map(|v| v.round_ties_even() as i64)).map_or(0.0, |i| self.values[i])
    }

    /// Value at a position in the flat array.
    #[must_use]
    pub fn value(&self, index: usize) -> f32 {
        self.values[index]
    }

    /// Number of voxels along every axis.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of voxels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no voxels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_voxel_undo_each_other() {
        let values = vec![0.0; 24];
        let volume = Volume::new(&values, [2, 3, 4]).unwrap();
        for i in 0..24 {
            assert_eq!(volume.index(volume.voxel(i)), Some(i));
        }
        assert_eq!(volume.index([0, 0, 4]), None);
        assert_eq!(volume.index([-1, 0, 0]), None);
        assert!(Volume::new(&values, [5, 5, 5]).is_err());
    }

    #[test]
    fn nearest_is_zero_outside() {
        let values: Vec<f32> = (0..8_u8).map(f32::from).collect();
        let volume = Volume::new(&values, [2, 2, 2]).unwrap();
        assert!((volume.nearest(&[1.2, 0.4, 0.6]) - 5.0).abs() < 1e-6);
        assert!(volume.nearest(&[1.6, 0.0, 0.0]).abs() < 1e-6);
        assert!(volume.nearest(&[f64::MAX, 0.0, 0.0]).abs() < 1e-6);
    }
}
