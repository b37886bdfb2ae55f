//! Points sorted into cubic cells, so that the neighbours of a point are found without looking at all others.

use std::ops::Range;

use crate::{CoreError, Point};

/// Index of a cell along x, y and z.
pub type Cell = [i64; 3];

/// Cells further out than this are refused: beyond it neighbouring cells could not be told apart.
const FURTHEST_CELL: f64 = 1e9;

/// Points in cells of one size, the cells in ascending order.
///
/// Memory grows with the number of points, however far apart they are.
#[derive(Debug)]
pub struct Cells {
    size: f64,
    /// Occupied cells, ascending.
    occupied: Vec<Cell>,
    /// Columns (x and y) of occupied cells, ascending, and where the cells of each begin; one entry more than columns.
    columns: Vec<[i64; 2]>,
    begin: Vec<usize>,
    /// Where the points of each cell begin in `order`; one entry more than cells.
    start: Vec<usize>,
    /// Point indices by cell, ascending within a cell.
    order: Vec<usize>,
}

impl Cells {
    /// Sorts `points` into cells of edge `size` Angstrom.
    pub fn new(points: &[Point], size: f64) -> Result<Self, CoreError> {
        if !(size > 0.0 && size.is_finite()) {
            return Err(CoreError::Invalid(format!("the cell size must be positive, not {size}")));
        }
        let inside = |v: &f64| (v / size).abs() < FURTHEST_CELL;
        if !points.iter().flatten().all(inside) {
            return Err(CoreError::Invalid("points must be finite and within 1e9 cells of the origin".into()));
        }
        let mut keyed: Vec<(Cell, usize)> = points.iter().enumerate().map(|(i, p)| (cell_of(p, size), i)).collect();
        keyed.sort_unstable();
        let mut occupied: Vec<Cell> = Vec::new();
        let mut start = Vec::new();
        for (i, (cell, _)) in keyed.iter().enumerate() {
            if occupied.last() != Some(cell) {
                occupied.push(*cell);
                start.push(i);
            }
        }
        start.push(keyed.len());
        let (columns, begin) = columns(&occupied);
        Ok(Self { size, occupied, columns, begin, start, order: keyed.into_iter().map(|(_, i)| i).collect() })
    }

    /// Number of occupied cells.
    #[must_use]
    pub fn count(&self) -> usize {
        self.occupied.len()
    }

    /// The points of occupied cell `c`, ascending.
    #[must_use]
    pub fn members(&self, c: usize) -> &[usize] {
        &self.order[self.start[c]..self.start[c + 1]]
    }

    /// Occupied cells within `reach` cells of occupied cell `c` along every axis, itself included, ascending.
    pub fn around(&self, c: usize, reach: i64) -> impl Iterator<Item = usize> {
        self.block(self.occupied[c], reach).flatten()
    }

    /// All points in the cells within `reach` cells of the one that `point` lies in.
    pub fn near(&self, point: &Point, reach: i64) -> impl Iterator<Item = usize> + use<'_> {
        let cells = self.block(cell_of(point, self.size), reach);
        cells.flat_map(|cells| &self.order[self.start[cells.start]..self.start[cells.end]]).copied()
    }

    /// Occupied cells within `reach` cells of `centre`: a range per column, since those of one follow each other.
    fn block(&self, centre: Cell, reach: i64) -> impl Iterator<Item = Range<usize>> {
        let [x, y, z] = centre;
        (x - reach..=x + reach).flat_map(move |cx| {
            // Neighbouring columns follow each other as well: one search finds the first.
            let first = self.columns.partition_point(|column| *column < [cx, y - reach]);
            let within = move |&c: &usize| self.columns[c] <= [cx, y + reach];
            (first..self.columns.len()).take_while(within).map(move |c| self.part(c, z - reach, z + reach))
        })
    }

    /// Cells of a column from `low` to `high`.
    fn part(&self, column: usize, low: i64, high: i64) -> Range<usize> {
        let cells = &self.occupied[self.begin[column]..self.begin[column + 1]];
        let first = cells.partition_point(|cell| cell[2] < low);
        let count = cells[first..].iter().take_while(|cell| cell[2] <= high).count();
        let first = self.begin[column] + first;
        first..first + count
    }
}

/// Columns of ascending cells, and where each begins, with the end.
fn columns(occupied: &[Cell]) -> (Vec<[i64; 2]>, Vec<usize>) {
    let mut columns: Vec<[i64; 2]> = Vec::new();
    let mut begin = Vec::new();
    for (i, &[x, y, _]) in occupied.iter().enumerate() {
        if columns.last() != Some(&[x, y]) {
            columns.push([x, y]);
            begin.push(i);
        }
    }
    begin.push(occupied.len());
    (columns, begin)
}

fn cell_of(point: &Point, size: f64) -> Cell {
    point.map(|v| (v / size).floor() as i64)
}

/// Squared distance of two points.
#[must_use]
pub fn squared_distance(a: &Point, b: &Point) -> f64 {
    let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    x * x + y * y + z * z
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_has_no_cell() {
        assert!(Cells::new(&[[f64::NAN, 0.0, 0.0]], 1.0).is_err());
        assert!(Cells::new(&[[1e300, 0.0, 0.0]], 1.0).is_err());
        assert!(Cells::new(&[], 0.0).is_err());
    }

    #[test]
    fn no_points_no_cells() {
        let cells = Cells::new(&[], 1.0).unwrap();
        assert_eq!(cells.count(), 0);
        assert_eq!(cells.near(&[0.0; 3], 1).count(), 0);
    }

    proptest! {
        #[test]
        fn finds_every_neighbour(points in prop::collection::vec(prop::array::uniform3(-20.0..20.0_f64), 0..60), reach in 1..3_i64) {
            let size = 3.0;
            let cells = Cells::new(&points, size).unwrap();
            for p in &points {
                let found: Vec<usize> = cells.near(p, reach).collect();
                for (j, q) in points.iter().enumerate() {
                    if squared_distance(p, q) <= (size * reach as f64).powi(2) {
                        prop_assert!(found.contains(&j));
                    }
                }
                let mut unique = found.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), found.len());
            }
        }
    }
}
