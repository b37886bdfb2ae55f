//! Main chains through Calphas.
//!
//! Between two Calphas lies a rigid peptide plane that can only turn about the line through them. How it turns is told
//! by the Calphas around, by the torsions and the angle that two planes make at the Calpha between them, and by a map.
//! All planes of a run are chosen together: the best combination of angles is found exactly by dynamic programming,
//! first in coarse steps, then in fine ones around.

use std::f64::consts::{PI, TAU};

use rayon::prelude::*;

use crate::field::Field;
use crate::tables::{Class, PlaneModes, ramachandran};
use crate::trace::{CIS, TRANS, Trace};
use crate::vectors::{across, angle, cross, difference, length, place, scaled, sum, torsion, unit, wrapped};
use crate::{CoreError, Monitor, Point, chemistry};

/// N, Calpha, C and O of a residue.
pub type MainChain = [Point; 4];

/// Coarse and fine angles of a plane: how many, and the step between them in degrees.
const COARSE: (usize, f64) = (36, 10.0);
const FINE: (usize, f64) = (9, 1.5);
/// C, O and the next N of a plane: along the line of the Calphas, and towards O.
const TRANS_PLANE: [[f64; 2]; 3] = [[1.431, 0.527], [1.652, 1.739], [2.400, -0.383]];
const CIS_PLANE: [[f64; 2]; 3] = [[0.801, 1.298], [0.216, 2.383], [2.138, 1.218]];
/// Angle N-CA-C of glycine and of the others, in degrees. Its deviation is that of rigid planes through Calphas without
/// error, and what an Angstrom of error adds to it.
const GLYCINE_ANGLE: f64 = 112.8;
const OTHER_ANGLE: f64 = 111.0;
const ANGLE_DEVIATION: f64 = 5.0;
const ANGLE_ERROR: f64 = 12.0;
/// Bonds (Angstrom) and angles (degrees) of the ends: N-CA, N-CA-C, CA-C, C-O and CA-C-O.
const N_CA: f64 = 1.458;
const CA_C: f64 = 1.525;
const C_O: f64 = 1.231;
const CA_C_O: f64 = 120.4;
/// Degrees by which torsions at the ends usually differ from those beside.
const UNLIKE: f64 = 45.0;
/// Energy of an atom where the density is as at the Calphas around.
const DENSITY_WEIGHT: f64 = 10.0;
/// Residues to either side whose Calphas tell how dense the map is.
const AROUND: usize = 8;
/// Main-chain probabilities below this tell nothing more.
const LEAST_MAIN_CHAIN: f64 = 0.05;
const MAIN_CHAIN_WEIGHT: f64 = 0.5;

/// What the main chain should follow, where there is such.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guides<'a> {
    pub density: Option<Field<'a>>,
    /// Probability of main chain.
    pub main_chain: Option<Field<'a>>,
}

/// Residues that follow one another without a gap.
#[derive(Debug, Clone)]
pub struct Run {
    pub calphas: Vec<Point>,
    pub types: Vec<u8>,
}

/// The main chains of runs.
pub fn build(runs: &[Run], guides: &Guides<'_>, monitor: &Monitor) -> Result<Vec<Vec<MainChain>>, CoreError> {
    monitor.begin(runs.len());
    let build = |run: &Run| {
        if run.calphas.len() != run.types.len() {
            return Err(CoreError::Invalid("every Calpha needs a type".into()));
        }
        let built = Builder::new(run, guides).build(monitor)?;
        monitor.advance(1)?;
        Ok(built)
    };
    runs.par_iter().map(build).collect()
}

/// A peptide plane that can turn: its atoms are `base + along + aside * (cos y + sin z)`.
#[derive(Debug, Clone)]
struct Plane {
    base: Point,
    axis: Point,
    /// Directions at angles 0 and 90 degrees.
    y: Point,
    z: Point,
    atoms: [[f64; 2]; 3],
}

/// C, O and the next N of a plane at one angle.
#[derive(Debug, Clone, Copy)]
struct State {
    angle: f64,
    atoms: [Point; 3],
    energy: f64,
}

impl Plane {
    fn between(before: Option<&Point>, from: &Point, to: &Point, cis: bool) -> Self {
        let step = difference(to, from);
        let axis = unit(&step);
        let (shape, usual) = if cis { (CIS_PLANE, CIS) } else { (TRANS_PLANE, TRANS) };
        let stretch = length(&step) / usual;
        let y = before.map_or_else(|| across(&[1.0, 0.0, 0.0], &axis), |b| across(&difference(b, from), &axis));
        let atoms = shape.map(|[along, aside]| [stretch * along, aside]);
        Self { base: *from, axis, y, z: cross(&axis, &y), atoms }
    }

    fn at(&self, angle: f64) -> [Point; 3] {
        let (sine, cosine) = angle.sin_cos();
        let side: Point = std::array::from_fn(|d| cosine * self.y[d] + sine * self.z[d]);
        self.atoms.map(|[along, aside]| sum(&self.base, &sum(&scaled(&self.axis, along), &scaled(&side, aside))))
    }
}

/// One run on its way to a main chain.
struct Builder<'a> {
    trace: Trace,
    types: &'a [u8],
    guides: &'a Guides<'a>,
    /// Density around every residue that counts as one.
    scale: Vec<f64>,
}

impl<'a> Builder<'a> {
    fn new(run: &'a Run, guides: &'a Guides<'a>) -> Self {
        let trace = Trace::regular(&run.calphas, &run.types);
        let scale = guides.density.map_or_else(Vec::new, |density| {
            local_scale(&trace.calphas.iter().map(|p| density.at(p)).collect::<Vec<_>>(), AROUND)
        });
        Self { trace, types: &run.types, guides, scale }
    }

    fn build(&self, monitor: &Monitor) -> Result<Vec<MainChain>, CoreError> {
        let planes = self.planes();
        let (count, step) = COARSE;
        let coarse = vec![angles(0.0, count, step); planes.len()];
        let found = self.best(&planes, &coarse, monitor)?;
        let fine: Vec<Vec<f64>> = found.iter().map(|s| angles(s.angle, FINE.0, FINE.1)).collect();
        let found = self.best(&planes, &fine, monitor)?;
        Ok(self.assemble(&found))
    }

    fn planes(&self) -> Vec<Plane> {
        let calphas = &self.trace.calphas;
        let plane = |(i, &cis): (usize, &bool)| {
            // The first plane has no Calpha before it: the one after turns its zero around, which is as good.
            let beside = if i > 0 { calphas.get(i - 1) } else { calphas.get(2) };
            Plane::between(beside, &calphas[i], &calphas[i + 1], cis)
        };
        self.trace.cis.iter().enumerate().map(plane).collect()
    }

    /// The combination of angles with the least energy: one state per plane.
    fn best(&self, planes: &[Plane], choices: &[Vec<f64>], monitor: &Monitor) -> Result<Vec<State>, CoreError> {
        let states: Vec<Vec<State>> = (0..planes.len()).map(|i| self.states(i, &planes[i], &choices[i])).collect();
        let Some(first) = states.first() else { return Ok(Vec::new()) };
        let mut energy: Vec<f64> = first.iter().map(|s| s.energy).collect();
        let mut came_from: Vec<Vec<usize>> = Vec::new();
        for i in 1..states.len() {
            monitor.check()?;
            let into = |state: &State| {
                let through = states[i - 1].iter().zip(&energy).map(|(s, e)| e + self.junction(i, s, state));
                least(through).map_or((0, 0.0), |(from, e)| (from, e + state.energy))
            };
            let steps: Vec<(usize, f64)> = states[i].iter().map(into).collect();
            came_from.push(steps.iter().map(|s| s.0).collect());
            energy = steps.iter().map(|s| s.1).collect();
        }
        let mut at = least(energy.iter().copied()).map_or(0, |(i, _)| i);
        let mut chosen = vec![states[states.len() - 1][at]];
        for (i, from) in came_from.iter().enumerate().rev() {
            at = from[at];
            chosen.push(states[i][at]);
        }
        chosen.reverse();
        Ok(chosen)
    }

    fn states(&self, i: usize, plane: &Plane, angles: &[f64]) -> Vec<State> {
        let modes = self.modes(i);
        let state = |&angle: &f64| {
            let atoms = plane.at(angle);
            let usual = modes.map_or(0.0, |(modes, turn)| modes.energy(angle - 0.5 * turn));
            State { angle, atoms, energy: usual + self.misfit(i, &atoms) }
        };
        angles.iter().map(state).collect()
    }

    /// What the Calphas around plane `i` say, and their torsion; nothing at the ends and for cis.
    fn modes(&self, i: usize) -> Option<(PlaneModes, f64)> {
        let calphas = &self.trace.calphas;
        let [a, b, c, d] = calphas.get(i.checked_sub(1)?..i + 3)? else { return None };
        let turn = torsion(a, b, c, d);
        (!self.trace.cis[i]).then(|| (PlaneModes::of(angle(a, b, c), angle(b, c, d), turn), turn))
    }

    /// Energy of atoms of the peptide after residue `i` in the map and the probabilities.
    fn misfit(&self, i: usize, atoms: &[Point]) -> f64 {
        let density = self
            .guides
            .density
            .map_or(0.0, |density| atoms.iter().map(|a| density.at(a)).sum::<f64>() * DENSITY_WEIGHT / self.scale[i]);
        let main_chain = self.guides.main_chain.map_or(0.0, |field| {
            atoms.iter().map(|a| (field.at(a).max(0.0) + LEAST_MAIN_CHAIN).ln()).sum::<f64>() * MAIN_CHAIN_WEIGHT
        });
        -density - main_chain
    }

    /// Energy of residue `i` between two planes: its torsions and its angle N-CA-C.
    fn junction(&self, i: usize, before: &State, after: &State) -> f64 {
        let [phi, psi] = self.phi_psi(i, before, after);
        let bend = angle(&before.atoms[2], &self.trace.calphas[i], &after.atoms[0]);
        let off = (bend.to_degrees() - self.usual_angle(i)) / ANGLE_DEVIATION.hypot(ANGLE_ERROR * self.trace.error);
        ramachandran(self.class(i), phi, psi) + 0.5 * off * off
    }

    /// Torsions of residue `i` between two planes.
    fn phi_psi(&self, i: usize, before: &State, after: &State) -> [f64; 2] {
        let ([c_before, _, n], [c, _, n_after], calpha) = (&before.atoms, &after.atoms, &self.trace.calphas[i]);
        [torsion(c_before, n, calpha, c), torsion(n, calpha, c, n_after)]
    }

    fn class(&self, i: usize) -> Class {
        Class::of(self.types[i].into(), self.types.get(i + 1).map(|&next| next.into()))
    }

    fn usual_angle(&self, i: usize) -> f64 {
        let glycine = chemistry::type_of('G') == Some(usize::from(self.types[i]));
        if glycine { GLYCINE_ANGLE } else { OTHER_ANGLE }
    }

    fn assemble(&self, planes: &[State]) -> Vec<MainChain> {
        let calphas = &self.trace.calphas;
        let (Some(first), Some(last)) = (planes.first(), planes.last()) else {
            return calphas.iter().map(alone).collect();
        };
        let n_first = self.first_n(first, planes.get(1));
        let [c_last, o_last] = self.last_carbonyl(last, planes.len().checked_sub(2).map(|i| &planes[i]));
        let n = std::iter::once(n_first).chain(planes.iter().map(|s| s.atoms[2]));
        let c_and_o = planes.iter().map(|s| [s.atoms[0], s.atoms[1]]).chain(std::iter::once([c_last, o_last]));
        n.zip(calphas).zip(c_and_o).map(|((n, &calpha), [c, o])| [n, calpha, c, o]).collect()
    }

    /// N of the first residue, at the psi that suits it best.
    fn first_n(&self, plane: &State, next: Option<&State>) -> Point {
        let ([c, _, n_after], bend) = (&plane.atoms, self.usual_angle(0).to_radians());
        let at = |psi: f64| place(n_after, c, &self.trace.calphas[0], [N_CA, bend, psi]);
        let beside = next.map(|next| self.phi_psi(1, plane, next));
        let energy = |psi: f64| {
            let usual = full_turn().map(|phi| ramachandran(self.class(0), phi, psi)).fold(f64::INFINITY, f64::min);
            usual + beside.map_or(0.0, |[_, other]| unlike(psi, other)) + self.misfit(0, &[at(psi)])
        };
        at(best_turn(energy))
    }

    /// C and O of the last residue, at the phi and psi that suit it best.
    fn last_carbonyl(&self, plane: &State, before: Option<&State>) -> [Point; 2] {
        let ([c_before, _, n], last) = (&plane.atoms, self.types.len() - 1);
        let calpha = &self.trace.calphas[last];
        let at = |phi: f64, psi: f64| {
            let c = place(c_before, n, calpha, [CA_C, self.usual_angle(last).to_radians(), phi]);
            [c, place(n, calpha, &c, [C_O, CA_C_O.to_radians(), wrapped(psi + PI)])]
        };
        let beside = before.map(|before| self.phi_psi(last - 1, before, plane));
        let energy = |phi: f64, psi: f64| {
            let usual = ramachandran(self.class(last), phi, psi);
            usual + beside.map_or(0.0, |[f, p]| unlike(phi, f) + unlike(psi, p)) + self.misfit(last, &at(phi, psi))
        };
        let best_psi = |phi: f64| best_turn(|psi| energy(phi, psi));
        let phi = best_turn(|phi| energy(phi, best_psi(phi)));
        at(phi, best_psi(phi))
    }
}

/// Energy of a torsion at an end of the run that is not as in the next residue: most go on as they were.
fn unlike(torsion: f64, other: f64) -> f64 {
    0.5 * (wrapped(torsion - other).to_degrees() / UNLIKE).powi(2)
}

/// A residue without neighbours, turned in no particular way.
fn alone(calpha: &Point) -> MainChain {
    let n = sum(calpha, &[N_CA, 0.0, 0.0]);
    let above = sum(&n, &[0.0, 1.0, 0.0]);
    let c = place(&above, &n, calpha, [CA_C, OTHER_ANGLE.to_radians(), PI]);
    [n, *calpha, c, place(&n, calpha, &c, [C_O, CA_C_O.to_radians(), 0.0])]
}

/// `count` angles around a middle one, in radians, the middle one the first of equals.
fn angles(middle: f64, count: usize, step: f64) -> Vec<f64> {
    (0..count).map(|k| middle + (k as f64 - (count / 2) as f64) * step.to_radians()).collect()
}

fn full_turn() -> impl Iterator<Item = f64> {
    (0..36).map(|k| f64::from(k) * TAU / 36.0)
}

fn best_turn(energy: impl Fn(f64) -> f64) -> f64 {
    let best = full_turn().map(|angle| (angle, energy(angle))).min_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(0.0, |(angle, _)| angle)
}

/// Index and value of the least of `energies`, the first of equals.
fn least(energies: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    energies.enumerate().min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Mean of `values` over `reach` places to either side, never much below the mean of all and never 0.
#[must_use]
pub fn local_scale(values: &[f64], reach: usize) -> Vec<f64> {
    let mean = |part: &[f64]| part.iter().map(|v| v.max(0.0)).sum::<f64>() / part.len().max(1) as f64;
    let least = (0.3 * mean(values)).max(f64::MIN_POSITIVE.sqrt());
    let around = |i: usize| &values[i.saturating_sub(reach)..(i + reach + 1).min(values.len())];
    (0..values.len()).map(|i| mean(around(i)).max(least)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Motion;

    fn run(calphas: &[Point]) -> Run {
        Run { calphas: calphas.to_vec(), types: vec![0; calphas.len()] }
    }

    fn helix(residues: usize) -> Vec<Point> {
        let at = |i: usize| {
            let (sine, cosine) = (i as f64 * 100_f64.to_radians()).sin_cos();
            [2.3 * cosine, 2.3 * sine, 1.5 * i as f64]
        };
        (0..residues).map(at).collect()
    }

    fn built(calphas: &[Point]) -> Vec<MainChain> {
        build(&[run(calphas)], &Guides::default(), &Monitor::default()).unwrap().remove(0)
    }

    #[test]
    fn carbonyls_of_a_helix_point_along_it() {
        for [_, _, c, o] in &built(&helix(12))[..11] {
            assert!(o[2] - c[2] > 1.1, "{}", o[2] - c[2]);
        }
    }

    #[test]
    fn bonds_are_bonds() {
        let residues = built(&helix(9));
        for pair in residues.windows(2) {
            let [_, _, c, o] = pair[0];
            assert!((length(&difference(&c, &pair[1][0])) - 1.33).abs() < 0.03);
            assert!((length(&difference(&c, &o)) - 1.23).abs() < 0.03);
        }
        for [n, calpha, c, _] in residues {
            assert!((length(&difference(&n, &calpha)) - 1.46).abs() < 0.04);
            assert!((length(&difference(&c, &calpha)) - 1.525).abs() < 0.04);
            assert!((95.0..130.0).contains(&angle(&n, &calpha, &c).to_degrees()));
        }
    }

    #[test]
    fn runs_of_any_length_and_place() {
        for residues in 0..5 {
            let found = built(&helix(residues));
            assert_eq!(found.len(), residues);
            assert!(found.iter().flatten().flatten().all(|v| v.is_finite()));
        }
        assert!(built(&[[0.0; 3]; 6]).iter().flatten().flatten().all(|v| v.is_finite()));
        let types = Run { calphas: helix(3), types: vec![0] };
        assert!(build(&[types], &Guides::default(), &Monitor::default()).is_err());
    }

    #[test]
    fn where_the_run_lies_does_not_matter() {
        let motion =
            Motion { rotation: [[0.0, -1.0, 0.0], [0.6, 0.0, -0.8], [0.8, 0.0, 0.6]], shift: [30.0, -7.0, 12.0] };
        let calphas = helix(10);
        let moved: Vec<Point> = calphas.iter().map(|p| motion.apply(p)).collect();
        for (a, b) in built(&calphas).iter().zip(&built(&moved)).take(9).skip(1) {
            for (p, q) in a.iter().zip(b) {
                assert!(length(&difference(&motion.apply(p), q)) < 1e-6);
            }
        }
    }

    #[test]
    fn scale_follows_the_map_but_not_to_zero() {
        let scale = local_scale(&[4.0, 4.0, 4.0, 0.0, 0.0, 0.0, -1.0], 1);
        assert!((scale[0] - 4.0).abs() < 1e-12 && scale[6] > 0.4);
        assert!(local_scale(&[0.0], 3)[0] > 0.0);
    }
}
