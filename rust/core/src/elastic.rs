//! Elastic fitting: a placed body gives way to the map, near residues along the chain firmly, others until they tear.
//!
//! Predictions have right pieces in wrong arrangements. Springs hold the distances of residues near each other in space;
//! one that is stretched further than `TEAR` pulls less and less, so that domains turn against each other and wrong
//! loops go their own way.

use rayon::prelude::*;

use crate::body::Body;
use crate::cells::{Cells, squared_distance};
use crate::refine::density::Density;
use crate::refine::lbfgs;
use crate::vectors::{add, difference, length};
use crate::{CoreError, Monitor, Point};

/// Residues within this many Angstrom are joined by a spring.
const NEAR: f64 = 11.0;
/// Residues up to this far along the chain are joined by springs that do not tear.
const ALONG: usize = 3;
/// Angstrom of stretch at which a spring pulls most before it tears.
const TEAR: f64 = 2.0;
/// Angstrom between Calphas of residues that follow each other, where a body is off by more than `OFF`.
const STEP: f64 = 3.8;
const OFF: f64 = 0.3;
/// Steps of the minimiser.
const ITERATIONS: usize = 150;

/// What holds a body together, against the pull of the field on a residue per unit of its slope.
#[derive(Debug, Clone, Copy)]
pub struct Stiffness {
    pub along: f64,
    pub across: f64,
}

/// A body that gave way.
#[derive(Debug, Clone, PartialEq)]
pub struct Bent {
    pub points: Vec<Point>,
    /// Mean of the field over the sites.
    pub score: f64,
    /// Mean of the field over the main-chain sites of every residue.
    pub support: Vec<f64>,
}

/// Fits bodies, each on its own, from where their points are.
pub fn bend(
    field: &Density<'_>,
    bodies: &[Body],
    stiffness: Stiffness,
    monitor: &Monitor,
) -> Result<Vec<Bent>, CoreError> {
    monitor.begin(bodies.len() * ITERATIONS);
    bodies.par_iter().map(|body| bend_one(field, body, stiffness, monitor)).collect()
}

fn bend_one(field: &Density<'_>, body: &Body, stiffness: Stiffness, monitor: &Monitor) -> Result<Bent, CoreError> {
    let springs = springs(body, stiffness)?;
    let mut points = body.points.clone();
    let pull = body.points.len() as f64;
    lbfgs::minimise(&mut points, ITERATIONS, monitor, |at, gradient| {
        gradient.fill([0.0; 3]);
        let field = pull_of(field, body, at, pull, gradient);
        Ok(springs.iter().map(|s| s.energy(at, gradient)).sum::<f64>() - field)
    })?;
    let mut unused = vec![[0.0; 3]; points.len()];
    let score = pull_of(field, body, &points, 1.0, &mut unused);
    let support = support(field, body, &points);
    Ok(Bent { points, score, support })
}

/// `factor` times the mean of the field over the sites; its downhill slope is added to `gradient`.
fn pull_of(field: &Density<'_>, body: &Body, points: &[Point], factor: f64, gradient: &mut [Point]) -> f64 {
    let mut total = 0.0;
    for site in &body.sites {
        let (value, slope) = field.at(&Body::place(site, points));
        total += factor * site.weight * value;
        for (i, share) in &site.parts {
            add(&mut gradient[*i], &slope, -factor * site.weight * share);
        }
    }
    total
}

/// Mean of the field over the Calpha of every residue and the peptides beside it.
fn support(field: &Density<'_>, body: &Body, points: &[Point]) -> Vec<f64> {
    let mut total = vec![(0.0, 0.0); points.len()];
    for site in body.sites.iter().filter(|site| site.parts.len() < 3) {
        let (value, _) = field.at(&Body::place(site, points));
        for (i, _) in &site.parts {
            total[*i].0 += value;
            total[*i].1 += 1.0;
        }
    }
    total.into_iter().map(|(sum, count): (f64, f64)| sum / count.max(1.0)).collect()
}

struct Spring {
    ends: [usize; 2],
    rest: f64,
    stiffness: f64,
    tears: bool,
}

impl Spring {
    /// Energy; its slope is added to `gradient`.
    fn energy(&self, points: &[Point], gradient: &mut [Point]) -> f64 {
        let [i, j] = self.ends;
        let along = difference(&points[i], &points[j]);
        let distance = length(&along).max(1e-6);
        let stretch = distance - self.rest;
        let (energy, slope) = if self.tears {
            let give = 1.0 + (stretch / TEAR).powi(2);
            (0.5 * stretch * stretch / give, stretch / (give * give))
        } else {
            (0.5 * stretch * stretch, stretch)
        };
        add(&mut gradient[i], &along, self.stiffness * slope / distance);
        add(&mut gradient[j], &along, -self.stiffness * slope / distance);
        self.stiffness * energy
    }
}

fn springs(body: &Body, stiffness: Stiffness) -> Result<Vec<Spring>, CoreError> {
    let cells = Cells::new(&body.points, NEAR)?;
    let mut springs = Vec::new();
    for (i, p) in body.points.iter().enumerate() {
        let mut near: Vec<usize> = cells.near(p, 1).filter(|j| *j > i).collect();
        near.sort_unstable();
        for j in near {
            let squared = squared_distance(p, &body.points[j]);
            if squared < NEAR * NEAR {
                let apart = body.numbers[j] - body.numbers[i];
                let tears = apart > ALONG;
                let stiffness = if tears { stiffness.across } else { stiffness.along };
                springs.push(Spring { ends: [i, j], rest: rest(squared.sqrt(), apart), stiffness, tears });
            }
        }
    }
    Ok(springs)
}

/// Length of a spring between residues `apart` places along the chain.
fn rest(distance: f64, apart: usize) -> f64 {
    if apart == 1 && (distance - STEP).abs() > OFF { STEP } else { distance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::SideChain;
    use crate::volume::Volume;

    fn chain(length: usize) -> Vec<Point> {
        (0..length).map(|i| [10.0 + 3.0 * i as f64, 12.0 + 2.0 * (i % 2) as f64, 14.0]).collect()
    }

    fn body(points: &[Point]) -> Body {
        let side = SideChain { atoms: 2.0, reach: 2.0 };
        Body::new((0..points.len()).collect(), points.to_vec(), &vec![side; points.len()]).unwrap()
    }

    const STIFF: Stiffness = Stiffness { along: 10.0, across: 0.5 };

    #[test]
    fn without_a_field_a_body_keeps_its_shape_and_its_steps_become_regular() {
        let values = vec![0.0; 40 * 30 * 30];
        let field = Density::new(Volume::new(&values, [40, 30, 30]).unwrap(), [1.0; 3]).unwrap();
        let mut points = chain(6);
        points[3][2] += 3.0;
        let bent = bend(&field, &[body(&points)], STIFF, &Monitor::default()).unwrap();
        for pair in bent[0].points.windows(2) {
            assert!((squared_distance(&pair[0], &pair[1]).sqrt() - STEP).abs() < 0.4);
        }
    }

    #[test]
    fn a_body_moves_up_a_slope() {
        let shape = [40, 30, 30];
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| (i % 30) as f32).collect();
        let field = Density::new(Volume::new(&values, shape).unwrap(), [1.0; 3]).unwrap();
        let start = body(&chain(6));
        let bent = bend(&field, std::slice::from_ref(&start), STIFF, &Monitor::default()).unwrap();
        assert!(bent[0].points.iter().zip(&start.points).all(|(a, b)| a[2] > b[2] + 1.0));
        assert!(bent[0].support.iter().all(|s| *s > 15.0));
    }

    #[test]
    fn springs_have_the_slope_of_their_energy() {
        let points = vec![[0.0, 0.0, 0.0], [4.0, 3.0, 1.0]];
        for tears in [false, true] {
            let spring = Spring { ends: [0, 1], rest: 3.0, stiffness: 2.0, tears };
            let mut gradient = vec![[0.0; 3]; 2];
            spring.energy(&points, &mut gradient);
            let mut moved = points.clone();
            moved[0][1] += 1e-6;
            let mut unused = vec![[0.0; 3]; 2];
            let rise = (spring.energy(&moved, &mut unused) - spring.energy(&points, &mut unused)) / 1e-6;
            assert!((rise - gradient[0][1]).abs() < 1e-4);
        }
    }
}
