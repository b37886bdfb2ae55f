//! Placement of templates: rigid pieces of a predicted structure are found among the candidates.
//!
//! From a seed, a trace that looks like a window of the template, the piece grows over the template as long as the
//! candidates agree: each residue adds log-odds for the candidate at its place (or for the lack of one) and for the
//! type that was read there, and the motion is refined on what agrees. What turns against the piece stops its growth
//! and is left to another seed, so that domains are found one by one and however they lie to each other.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::cells::{Cells, squared_distance};
use crate::geometry::Motion;
use crate::propagate::TYPES;
use crate::residues::{ByCode, Residues};
use crate::seeds::{LENGTH, Seed, seeds};
use crate::walk::WalkGraph;
use crate::{CoreError, Monitor, Point};

/// Furthest candidate in Angstrom that can be a residue.
const REACH: f64 = 2.5;
/// Deviation along each axis, in Angstrom, of a candidate from the residue of a placed template.
const DEVIATION: f64 = 0.9;
/// Candidates per cubic Angstrom inside a protein.
const DENSITY: f64 = 0.008;
/// Share of residues that have a candidate.
const RECALL: f64 = 0.8;
/// Bounds of the log-odds of one type.
const MOST_TYPE: f32 = 2.0;
/// Residues of a template within this many Angstrom agree together.
const NEIGHBOURHOOD: f64 = 9.0;
/// Rounds of growth, and the log-odds that a piece must have reached after the first ones.
const ROUNDS: usize = 40;
const LEAST_BY_ROUND: [f64; 4] = [0.0, 3.0, 6.0, 9.0];
/// Residues before and after one along the sequence that agree with it.
const STRETCH: usize = 4;
/// Shifts of the sequence that the types are compared with; nearer ones still fit a little.
const SHIFTS: std::ops::RangeInclusive<i64> = 2..=30;
/// Shifts that leave at least this part of a piece on its sequence count, and so many of them must.
const LEAST_LEFT: f64 = 0.5;
const LEAST_SHIFTS: usize = 10;
/// Starts that are grown side by side; those that a piece of an earlier batch explains are not grown any more, which is
/// when the window lies within so many Angstrom of where the piece has it.
const BATCH: usize = 64;
const SAME: f64 = 2.5;
/// Best seeds that are tried, and best starts that are grown, per residue of the templates.
const TRIED: usize = 200;
const GROWN: usize = 4;
/// Rounds that a piece takes anew on the candidates that better ones left.
const SETTLING: usize = 4;

/// Calphas of a predicted structure on the places that they belong to, which ascend.
#[derive(Debug, Clone)]
pub struct Template {
    pub places: Vec<usize>,
    pub points: Vec<Point>,
}

/// What templates are placed among.
#[derive(Debug)]
pub struct Scene<'a> {
    pub(crate) graph: &'a WalkGraph,
    pub(crate) positions: &'a [Point],
    /// Log-odds of the types of the candidates, bounded.
    types: Vec<ByCode>,
    pub(crate) residues: &'a Residues,
}

/// A rigid piece of a template in the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    pub template: usize,
    /// Its residues in the template, and where they are.
    pub residues: Vec<usize>,
    pub points: Vec<Point>,
    /// Log-odds against chance.
    pub score: f64,
    /// Standard deviations by which the types fit better than with the sequence shifted.
    pub types: f64,
}

impl Template {
    /// Whether `length` residues from `first` on follow each other without a break.
    #[must_use]
    pub fn is_continuous(&self, first: usize, length: usize, longest: f64) -> bool {
        (first..first + length - 1).all(|i| {
            self.places[i + 1] == self.places[i] + 1
                && squared_distance(&self.points[i], &self.points[i + 1]) < longest * longest
        })
    }
}

impl Template {
    /// Residues that follow `i` or come before it within `STRETCH` places.
    fn stretch(&self, i: usize) -> impl Iterator<Item = usize> {
        let near = move |j: &usize| self.places[*j].abs_diff(self.places[i]) <= STRETCH;
        (i.saturating_sub(STRETCH)..(i + STRETCH + 1).min(self.places.len())).filter(near)
    }
}

impl<'a> Scene<'a> {
    /// The candidates, the odds of their types, and the residues sought.
    pub fn new(
        graph: &'a WalkGraph,
        positions: &'a [Point],
        odds: &[ByCode],
        residues: &'a Residues,
    ) -> Result<Self, CoreError> {
        if positions.len() != graph.len() || odds.len() != graph.len() {
            return Err(CoreError::Invalid("odds, points and links must have the same number of candidates".into()));
        }
        let types = odds.iter().map(|row| row.map(|odds| odds.ln().clamp(-MOST_TYPE, MOST_TYPE))).collect();
        Ok(Self { graph, positions, types, residues })
    }

    /// Log-odds that the candidates are residues of these types.
    #[must_use]
    pub fn types(&self, candidates: &[usize], codes: &[usize]) -> f32 {
        candidates.iter().zip(codes).map(|(&k, &code)| self.types[k][code]).sum()
    }
}

/// Log-odds that a residue has its nearest candidate at this squared distance, against a place of no meaning.
#[must_use]
pub fn distance_log_odds(squared: Option<f64>) -> f64 {
    let peak = RECALL / (DENSITY * (std::f64::consts::TAU.sqrt() * DEVIATION).powi(3));
    let there = squared.map_or(0.0, |d| peak * (-0.5 * d / (DEVIATION * DEVIATION)).exp());
    (there + 1.0 - RECALL).ln()
}

/// What a piece must reach to be kept; see `Placement`.
#[derive(Debug, Clone, Copy)]
pub struct Least {
    pub score: f64,
    pub types: f64,
}

/// The pieces of all templates that reach `least`, best first, disjoint in candidates.
pub fn place(
    scene: &Scene<'_>,
    templates: &[Template],
    least: Least,
    monitor: &Monitor,
) -> Result<Vec<Placement>, CoreError> {
    check(scene, templates)?;
    let placer = Placer {
        scene,
        templates,
        neighbours: templates.iter().map(neighbours).collect::<Result<_, _>>()?,
        cells: Cells::new(scene.positions, REACH)?,
    };
    let starts = placer.starts(seeds(scene, templates, monitor)?, monitor)?;
    monitor.begin(starts.len());
    let mut pieces: Vec<Piece> = Vec::new();
    for batch in starts.chunks(BATCH) {
        let fresh: Vec<&Start> = batch.iter().filter(|s| !pieces.iter().any(|p| placer.explains(p, s))).collect();
        let grow =
            |start: &&Start| monitor.check().map(|()| placer.grow(start).filter(|piece| piece.score >= least.score));
        let grown: Result<Vec<Option<Piece>>, CoreError> = fresh.par_iter().map(grow).collect();
        pieces.extend(grown?.into_iter().flatten());
        monitor.advance(batch.len())?;
    }
    Ok(placer.disjoint(pieces, least))
}

fn check(scene: &Scene<'_>, templates: &[Template]) -> Result<(), CoreError> {
    let invalid = |message: &str| Err(CoreError::Invalid(message.into()));
    for t in templates {
        if t.places.len() != t.points.len() || !t.places.is_sorted_by(|a, b| a < b) {
            return invalid("residues of a template must ascend and have a point each");
        }
        if t.places.last().is_some_and(|p| *p >= scene.residues.len()) {
            return invalid("templates name residues that do not exist");
        }
    }
    Ok(())
}

/// Residues of the template within `NEIGHBOURHOOD` of each, itself included.
fn neighbours(template: &Template) -> Result<Vec<Vec<usize>>, CoreError> {
    let cells = Cells::new(&template.points, NEIGHBOURHOOD)?;
    let near = |p: &Point| {
        let close = |i: &usize| squared_distance(p, &template.points[*i]) < NEIGHBOURHOOD * NEIGHBOURHOOD;
        let mut all: Vec<usize> = cells.near(p, 1).filter(close).collect();
        all.sort_unstable();
        all
    };
    Ok(template.points.iter().map(near).collect())
}

/// The candidate of a residue, if any, and the log-odds of what is there.
type Fit = (Option<usize>, f64);

/// Log-odds of all those residues that were looked at.
fn total(fits: &[Option<Fit>], around: impl Iterator<Item = usize>) -> f64 {
    around.filter_map(|j| fits[j]).map(|(_, log_odds)| log_odds).sum()
}

struct Start {
    seed: Seed,
    score: f64,
}

/// A piece while it grows.
#[derive(Debug, Clone)]
struct Piece {
    template: usize,
    window: usize,
    motion: Motion,
    /// Residues that agree, ascending.
    agreed: Vec<usize>,
    score: f64,
}

struct Placer<'a> {
    scene: &'a Scene<'a>,
    templates: &'a [Template],
    neighbours: Vec<Vec<Vec<usize>>>,
    cells: Cells,
}

impl Placer<'_> {
    /// The seeds around which the map agrees best with the template.
    fn starts(&self, mut seeds: Vec<Seed>, monitor: &Monitor) -> Result<Vec<Start>, CoreError> {
        let residues: usize = self.templates.iter().map(|t| t.points.len()).sum();
        seeds.sort_by(|a, b| b.score.total_cmp(&a.score));
        seeds.truncate(TRIED * residues);
        monitor.begin(seeds.len());
        let rate = |seed: &Seed| {
            monitor.advance(1)?;
            let around = &self.neighbours[seed.template][seed.window + LENGTH / 2];
            let score = around.iter().map(|&i| self.fit(seed.template, i, &seed.motion, &[]).1).sum();
            Ok(Start { seed: *seed, score })
        };
        let mut starts = seeds.par_iter().map(rate).collect::<Result<Vec<Start>, CoreError>>()?;
        starts.sort_by(|a, b| b.score.total_cmp(&a.score));
        starts.truncate(GROWN * residues);
        Ok(starts)
    }

    /// The free candidate of residue `i` under `motion`, if any, and the log-odds of what is there.
    fn fit(&self, template: usize, i: usize, motion: &Motion, taken: &[bool]) -> Fit {
        let t = &self.templates[template];
        let at = motion.apply(&t.points[i]);
        let free = |k: &usize| taken.is_empty() || !taken[*k];
        let all = self.cells.near(&at, 1).filter(free).map(|k| (squared_distance(&at, &self.scene.positions[k]), k));
        let nearest = all.filter(|(d, _)| *d < REACH * REACH).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some((squared, k)) = nearest else { return (None, distance_log_odds(None)) };
        let code = usize::from(self.scene.residues.code(t.places[i] as i64));
        let kind = f64::from(self.scene.types[k][code]);
        (Some(k), distance_log_odds(Some(squared)) + kind)
    }

    /// Whether `piece` holds the window of `start` at its place.
    fn explains(&self, piece: &Piece, start: &Start) -> bool {
        let (seed, centre) = (&start.seed, start.seed.window + LENGTH / 2);
        piece.template == seed.template && piece.agreed.binary_search(&centre).is_ok() && {
            let p = &self.templates[piece.template].points[centre];
            squared_distance(&piece.motion.apply(p), &seed.motion.apply(p)) < SAME * SAME
        }
    }

    /// Grows a start over the template while the candidates agree.
    fn grow(&self, start: &Start) -> Option<Piece> {
        let seed = &start.seed;
        let mut piece = Piece {
            template: seed.template,
            window: seed.window,
            motion: seed.motion,
            agreed: (seed.window..seed.window + LENGTH).collect(),
            score: f64::NEG_INFINITY,
        };
        let mut best: Option<Piece> = None;
        let mut stale = 0;
        for round in 0..ROUNDS {
            let before = piece.agreed.len();
            self.step(&mut piece, &[])?;
            if LEAST_BY_ROUND.get(round).is_some_and(|least| piece.score < *least) {
                return None;
            }
            stale += 1;
            if best.as_ref().is_none_or(|b| piece.score > b.score + 0.1) {
                stale = 0;
                best = Some(piece.clone());
            }
            if stale > 3 || (stale > 1 && piece.agreed.len() == before) {
                break;
            }
        }
        best
    }

    /// One round: looks around what agrees, keeps what agrees now, and refines the motion on it.
    fn step(&self, piece: &mut Piece, taken: &[bool]) -> Option<()> {
        let t = &self.templates[piece.template];
        let near = &self.neighbours[piece.template];
        let mut fits: Vec<Option<Fit>> = vec![None; t.points.len()];
        for &i in piece.agreed.iter().flat_map(|&i| &near[i]) {
            if fits[i].is_none() {
                fits[i] = Some(self.fit(piece.template, i, &piece.motion, taken));
            }
        }
        let agrees = |i: usize| total(&fits, near[i].iter().copied()) > 0.0 && total(&fits, t.stretch(i)) > 0.0;
        piece.agreed = (0..fits.len()).filter(|&i| fits[i].is_some() && agrees(i)).collect();
        piece.score = piece.agreed.iter().filter_map(|&i| fits[i]).map(|f| f.1).sum();
        let matched = piece.agreed.iter().filter_map(|&i| Some((t.points[i], self.scene.positions[fits[i]?.0?])));
        let (mobile, target): (Vec<Point>, Vec<Point>) = matched.unzip();
        if mobile.len() < LENGTH {
            return None;
        }
        piece.motion = Motion::superpose(&mobile, &target)?;
        Some(())
    }

    /// The pieces, best first, each grown anew on the candidates that better ones left.
    fn disjoint(&self, mut pieces: Vec<Piece>, least: Least) -> Vec<Placement> {
        pieces.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.window.cmp(&b.window)));
        let mut taken = vec![false; self.scene.positions.len()];
        let mut placements = Vec::new();
        for mut piece in pieces {
            let settled = (0..SETTLING).all(|_| self.step(&mut piece, &taken).is_some());
            if !settled || piece.score < least.score {
                continue;
            }
            let members = self.members(&piece, &taken);
            let types = self.type_excess(&piece, &members);
            if types >= least.types {
                for &(_, k) in &members {
                    taken[k] = true;
                }
                placements.push(self.placement(piece, types));
            }
        }
        placements
    }

    /// Residues of a piece and their candidates, each candidate only for the residue nearest to it.
    fn members(&self, piece: &Piece, taken: &[bool]) -> Vec<(usize, usize)> {
        let t = &self.templates[piece.template];
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for &i in &piece.agreed {
            if let (Some(k), _) = self.fit(piece.template, i, &piece.motion, taken) {
                pairs.push((squared_distance(&piece.motion.apply(&t.points[i]), &self.scene.positions[k]), i, k));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut used = BTreeSet::new();
        pairs.into_iter().filter(|(_, _, k)| used.insert(*k)).map(|(_, i, k)| (i, k)).collect()
    }

    /// Standard deviations by which the types fit better than with the sequence shifted along the piece; 0 where the
    /// sequence is too short to tell.
    fn type_excess(&self, piece: &Piece, members: &[(usize, usize)]) -> f64 {
        let mean = |shift: i64| -> Option<f64> {
            let places = &self.templates[piece.template].places;
            let code = |i: usize| usize::from(self.scene.residues.code(places[i] as i64 + shift));
            let known = members.iter().map(|&(i, k)| (code(i), k)).filter(|(code, _)| *code < TYPES);
            let fits: Vec<f64> = known.map(|(code, k)| f64::from(self.scene.types[k][code])).collect();
            let enough = fits.len() as f64 >= LEAST_LEFT * members.len() as f64;
            (enough && !fits.is_empty()).then(|| fits.iter().sum::<f64>() / (fits.len() as f64).sqrt())
        };
        let shifted: Vec<f64> = SHIFTS.flat_map(|s| [mean(s), mean(-s)]).flatten().collect();
        let n = shifted.len() as f64;
        let usual = shifted.iter().sum::<f64>() / n;
        let deviation = (shifted.iter().map(|v| (v - usual).powi(2)).sum::<f64>() / n).sqrt();
        match mean(0) {
            Some(own) if shifted.len() >= LEAST_SHIFTS && deviation > 0.0 => (own - usual) / deviation,
            _ => 0.0,
        }
    }

    fn placement(&self, piece: Piece, types: f64) -> Placement {
        let t = &self.templates[piece.template];
        let points = piece.agreed.iter().map(|&i| piece.motion.apply(&t.points[i])).collect();
        Placement { template: piece.template, residues: piece.agreed, points, score: piece.score, types }
    }
}
