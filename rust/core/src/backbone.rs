//! Main chains through Calphas.
//!
//! Between two Calphas lies a rigid peptide plane that can only turn about the line through them. How it turns is told
//! by the Calphas around, by the torsions and the angle that two planes make at the Calpha between them, and by a map.
//! How probable every angle of every plane is follows exactly from sums over all combinations of angles, forwards and
//! backwards along the run. Planes take their mean angle: it is nearer to the truth than the best combination.

use std::f64::consts::{PI, TAU};

use rayon::prelude::*;

use crate::field::Field;
use crate::tables::{Class, PlaneModes, ramachandran};
use crate::trace::{CIS, TRANS, Trace};
use crate::vectors::{across, angle, cross, difference, length, place, scaled, sum, torsion, unit, wrapped};
use crate::{CoreError, Monitor, Point, chemistry};

/// N, Calpha, C and O of a residue.
pub type MainChain = [Point; 4];

/// Angles of a plane that are weighed.
const ANGLES: usize = 36;
/// Energies count so much less than they would by themselves: what the Calphas, the torsions and the map say is in part
/// the same.
const TEMPERATURE: f64 = 2.0;
/// Means of directions shorter than this are rounding errors.
const UNDECIDED: f64 = 1e-9;
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

/// C, O and the next N of a plane.
type Peptide = [Point; 3];

/// A plane at one angle.
#[derive(Debug, Clone, Copy)]
struct State {
    peptide: Peptide,
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

    fn at(&self, angle: f64) -> Peptide {
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
        let states: Vec<Vec<State>> = planes.iter().enumerate().map(|(i, plane)| self.states(i, plane)).collect();
        let posterior = self.posterior(&states, monitor)?;
        let found: Vec<Peptide> = planes.iter().zip(&posterior).map(|(plane, p)| plane.at(mean_angle(p))).collect();
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

    /// How probable every angle of every plane is, summed over the angles of all others.
    fn posterior(&self, states: &[Vec<State>], monitor: &Monitor) -> Result<Vec<Vec<f64>>, CoreError> {
        let own: Vec<Vec<f64>> = states.iter().map(|s| weights(s.iter().map(|s| s.energy))).collect();
        let mut pairs = Vec::new();
        for (i, two) in states.windows(2).enumerate() {
            monitor.check()?;
            let energies =
                two[0].iter().flat_map(|a| two[1].iter().map(|b| self.junction(i + 1, &a.peptide, &b.peptide)));
            pairs.push(weights(energies));
        }
        let forward = messages(own.iter(), pairs.iter(), |pair, from, to| pair[from * ANGLES + to]);
        let mut backward = messages(own.iter().rev(), pairs.iter().rev(), |pair, from, to| pair[to * ANGLES + from]);
        backward.reverse();
        let joined = own.iter().zip(&forward).zip(&backward).map(|((own, f), b)| product(&product(own, f), b));
        Ok(joined.collect())
    }

    fn states(&self, i: usize, plane: &Plane) -> Vec<State> {
        let modes = self.modes(i);
        let state = |angle: f64| {
            let peptide = plane.at(angle);
            let usual = modes.map_or(0.0, |(modes, turn)| modes.energy(angle - 0.5 * turn));
            State { peptide, energy: usual + self.misfit(i, &peptide) }
        };
        full_turn().map(state).collect()
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
    fn junction(&self, i: usize, before: &Peptide, after: &Peptide) -> f64 {
        let [phi, psi] = self.phi_psi(i, before, after);
        let bend = angle(&before[2], &self.trace.calphas[i], &after[0]);
        let off = (bend.to_degrees() - self.usual_angle(i)) / ANGLE_DEVIATION.hypot(ANGLE_ERROR * self.trace.error);
        ramachandran(self.class(i), phi, psi) + 0.5 * off * off
    }

    /// Torsions of residue `i` between two planes.
    fn phi_psi(&self, i: usize, before: &Peptide, after: &Peptide) -> [f64; 2] {
        let ([c_before, _, n], [c, _, n_after], calpha) = (before, after, &self.trace.calphas[i]);
        [torsion(c_before, n, calpha, c), torsion(n, calpha, c, n_after)]
    }

    fn class(&self, i: usize) -> Class {
        Class::of(self.types[i].into(), self.types.get(i + 1).map(|&next| next.into()))
    }

    fn usual_angle(&self, i: usize) -> f64 {
        let glycine = chemistry::type_of('G') == Some(usize::from(self.types[i]));
        if glycine { GLYCINE_ANGLE } else { OTHER_ANGLE }
    }

    fn assemble(&self, planes: &[Peptide]) -> Vec<MainChain> {
        let calphas = &self.trace.calphas;
        let (Some(first), Some(last)) = (planes.first(), planes.last()) else {
            return calphas.iter().map(alone).collect();
        };
        let n_first = self.first_n(first, planes.get(1));
        let [c_last, o_last] = self.last_carbonyl(last, planes.len().checked_sub(2).map(|i| &planes[i]));
        let n = std::iter::once(n_first).chain(planes.iter().map(|p| p[2]));
        let c_and_o = planes.iter().map(|p| [p[0], p[1]]).chain(std::iter::once([c_last, o_last]));
        n.zip(calphas).zip(c_and_o).map(|((n, &calpha), [c, o])| [n, calpha, c, o]).collect()
    }

    /// N of the first residue, at the psi that suits it best.
    fn first_n(&self, plane: &Peptide, next: Option<&Peptide>) -> Point {
        let ([c, _, n_after], bend) = (plane, self.usual_angle(0).to_radians());
        let at = |psi: f64| place(n_after, c, &self.trace.calphas[0], [N_CA, bend, psi]);
        let beside = next.map(|next| self.phi_psi(1, plane, next));
        let energy = |psi: f64| {
            let usual = full_turn().map(|phi| ramachandran(self.class(0), phi, psi)).fold(f64::INFINITY, f64::min);
            usual + beside.map_or(0.0, |[_, other]| unlike(psi, other)) + self.misfit(0, &[at(psi)])
        };
        at(best_turn(energy))
    }

    /// C and O of the last residue, at the phi and psi that suit it best.
    fn last_carbonyl(&self, plane: &Peptide, before: Option<&Peptide>) -> [Point; 2] {
        let ([c_before, _, n], last) = (plane, self.types.len() - 1);
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

/// The angles of a plane, in radians.
fn full_turn() -> impl Iterator<Item = f64> {
    (0..ANGLES).map(|k| k as f64 * TAU / ANGLES as f64)
}

fn best_turn(energy: impl Fn(f64) -> f64) -> f64 {
    let best = full_turn().map(|angle| (angle, energy(angle))).min_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(0.0, |(angle, _)| angle)
}

/// Boltzmann weights of energies, the highest 1.
fn weights(energies: impl Iterator<Item = f64>) -> Vec<f64> {
    let all: Vec<f64> = energies.collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    all.iter().map(|e| ((least - e) / TEMPERATURE).exp()).collect()
}

/// For every plane and angle the sum over all angles of the planes before it, in the order in which they come; `weigh`
/// reads the weight of an angle of one plane and one of the next from their pairs.
fn messages<'a>(
    own: impl Iterator<Item = &'a Vec<f64>>,
    pairs: impl Iterator<Item = &'a Vec<f64>>,
    weigh: impl Fn(&[f64], usize, usize) -> f64,
) -> Vec<Vec<f64>> {
    let mut all = vec![vec![1.0; ANGLES]];
    for (own, pair) in own.zip(pairs) {
        let from = all.last().map_or_else(|| own.clone(), |message| product(own, message));
        let into = |to: usize| (0..ANGLES).map(|angle| from[angle] * weigh(pair, angle, to)).sum::<f64>();
        all.push(normalised((0..ANGLES).map(into).collect()));
    }
    all
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    normalised(a.iter().zip(b).map(|(a, b)| a * b).collect())
}

/// Weights that sum to 1; as they are where they vanish.
fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    if total > 0.0 { weights.iter().map(|w| w / total).collect() } else { weights }
}

/// Mean of the angles of a plane on the circle: of all angles the one with the least expected squared error of atoms. 0
/// where no angle is likelier than the others.
fn mean_angle(weights: &[f64]) -> f64 {
    let [x, y] = full_turn().zip(weights).fold([0.0, 0.0], |[x, y], (a, w)| [x + w * a.cos(), y + w * a.sin()]);
    if x.hypot(y) > UNDECIDED { y.atan2(x) } else { 0.0 }
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
        let along: Vec<f64> = built(&helix(12)).iter().map(|[_, _, c, o]| o[2] - c[2]).collect();
        assert!(along[..10].iter().all(|z| *z > 1.1), "{along:?}");
        // Behind the last plane there is no Calpha that tells its angle, and its mean lies between more angles.
        assert!(along[10] > 1.0, "{along:?}");
    }

    #[test]
    fn posterior_is_the_sum_over_all_combinations() {
        let (run, guides) = (run(&helix(4)), Guides::default());
        let builder = Builder::new(&run, &guides);
        let states: Vec<Vec<State>> = builder.planes().iter().enumerate().map(|(i, p)| builder.states(i, p)).collect();
        let mut sums = vec![vec![0.0; ANGLES]; 3];
        for (a, b, c) in (0..ANGLES.pow(3)).map(|k| (k % ANGLES, k / ANGLES % ANGLES, k / ANGLES / ANGLES)) {
            let chosen = [&states[0][a], &states[1][b], &states[2][c]];
            let junction = |i: usize| builder.junction(i, &chosen[i - 1].peptide, &chosen[i].peptide);
            let energy = chosen.iter().map(|s| s.energy).sum::<f64>() + junction(1) + junction(2);
            for (sum, angle) in sums.iter_mut().zip([a, b, c]) {
                sum[angle] += (-energy / TEMPERATURE).exp();
            }
        }
        let posterior = builder.posterior(&states, &Monitor::default()).unwrap();
        for (found, all) in posterior.iter().zip(sums.into_iter().map(normalised)) {
            assert!(found.iter().zip(&all).all(|(f, a)| (f - a).abs() < 1e-9), "{found:?} {all:?}");
        }
    }

    #[test]
    fn the_mean_angle_lies_between_equals() {
        let at = |k: usize| (0..ANGLES).map(|i| f64::from(u8::from(i == k))).collect::<Vec<_>>();
        let two = product(&[1.0; ANGLES], &at(2).iter().zip(&at(5)).map(|(a, b)| a + b).collect::<Vec<_>>());
        assert!((mean_angle(&two).to_degrees() - 35.0).abs() < 1e-9);
        assert!((mean_angle(&at(9)).to_degrees() - 90.0).abs() < 1e-9);
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
