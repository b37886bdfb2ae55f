//! Chain registration (Algorithm 1 of the paper): which copy of its sequence each fragment belongs to.
//!
//! Fragments join to chains by three kinds of evidence: connectivity (their ends are as far apart as the residues
//! between them span), packing (all their residues lie as near to each other as in one chain) and symmetry (together they
//! superpose on a chain that is already joined).

use std::cmp::Ordering;

use crate::cells::squared_distance;
use crate::geometry::{Motion, SURROUNDINGS, span_log_odds};
use crate::{CoreError, Monitor, Point};

/// Residues of one sequence at positions in space: a run of them, or what a template places together.
#[derive(Debug, Clone)]
pub struct Piece {
    pub sequence: usize,
    /// Position of its first residue in the sequence.
    pub start: usize,
    /// Residues with a position; the first and the last have one.
    pub points: Vec<Option<Point>>,
}

/// Log-odds from which connectivity alone joins two parts, and from which all evidence does; at last whatever can be
/// joined is.
const SURE: f64 = 4.0;
const LIKELY: f64 = 3.0;
/// Motions nearer than this are one: the largest difference of their matrices, and of their shifts in thousands of Angstrom.
const SAME_MOTION: f64 = 1e-3;
/// Log-odds that the very ends of two pieces add at most to those measured further in, where images are compared.
const MOST_ENDS: f64 = 6.0;
/// Residues at the ends of a piece that may be wrong: distances are measured further in.
const FRAYED: usize = 2;
/// Residues by which pieces of one chain may overlap, because one of them went too far.
const OVERLAP: usize = 4;
/// Residues of each of two parts of which all pairs are looked at, the weight of their mean log-odds, and the bound of one:
/// over a long gap the ends alone tell little, and pairs depend on each other.
const PACKED: usize = 8;
const PACKING_WEIGHT: f64 = 8.0;
const MOST_PAIR: f64 = 6.0;
/// Fewest residues apart that a pair counts as, so that residues of frayed ends may lie anywhere near.
const LEAST_APART: usize = 3;
/// Residues further apart than this leave room for another piece between them.
const ROOM: usize = 5;
/// Residues that the larger and the smaller of two parts must share with a model.
const SHARED: (usize, usize) = (12, 4);
/// Chains that parts are compared with.
const MODELS: usize = 4;
/// Error in Angstrom of a symmetric prediction, and the lowest log-odds that one gives.
const SYMMETRY_ERROR: f64 = 2.5;
const LEAST_SYMMETRY: f64 = -6.0;

/// The copy of its sequence that every piece belongs to, and the index of its image that lies there; None for what fits
/// into no copy.
///
/// `copies` is their number per sequence; the copy with most residues is 0. Every piece may be any of its `images`
/// under the motions of a group; the images of a copy are no copies of their own.
pub fn assign(
    pieces: &[Piece],
    copies: &[usize],
    images: &[Motion],
    monitor: &Monitor,
) -> Result<Vec<Option<(usize, usize)>>, CoreError> {
    check(pieces, copies)?;
    let images = Images::new(images)?;
    let mut copy_of = vec![None; pieces.len()];
    monitor.begin(copies.len());
    for (sequence, &copies) in copies.iter().enumerate() {
        let own: Vec<usize> = (0..pieces.len()).filter(|&i| pieces[i].sequence == sequence).collect();
        let mut parts: Vec<Part> = own.iter().map(|&i| Part::new(i, &pieces[i])).collect();
        join(&mut parts, &images, Part::connectivity, SURE, monitor)?;
        for least in [LIKELY, f64::MIN] {
            let models = largest(&parts);
            join(&mut parts, &images, |a, b| a.evidence(b, &models), least, monitor)?;
        }
        sort_by_size(&mut parts);
        let rest = parts.split_off(copies.min(parts.len()));
        let rest = rest.iter().flat_map(|part| &part.members).map(|&(i, _)| Part::new(i, &pieces[i])).collect();
        join_rest(&mut parts, rest, &images, monitor)?;
        sort_by_size(&mut parts);
        for (copy, part) in parts.iter().enumerate() {
            part.members.iter().for_each(|&(i, image)| copy_of[i] = Some((copy, image)));
        }
        monitor.advance(1)?;
    }
    Ok(copy_of)
}

fn check(pieces: &[Piece], copies: &[usize]) -> Result<(), CoreError> {
    let mut ends = pieces.iter().flat_map(|piece| [piece.points.first(), piece.points.last()]);
    if ends.any(|end| end.is_none_or(Option::is_none)) {
        return Err(CoreError::Invalid("pieces must begin and end with a point".into()));
    }
    if pieces.iter().any(|piece| piece.sequence >= copies.len()) {
        return Err(CoreError::Invalid("pieces name sequences that do not exist".into()));
    }
    Ok(())
}

/// The motions of a group.
struct Images<'a> {
    motions: &'a [Motion],
    /// Index of the motion that does the second first, and then the first.
    after: Vec<Vec<usize>>,
}

impl<'a> Images<'a> {
    fn new(motions: &'a [Motion]) -> Result<Self, CoreError> {
        let index = |wanted: &Motion| motions.iter().position(|m| m.distance(wanted) < SAME_MOTION);
        let row = |a: &Motion| motions.iter().map(|b| index(&a.after(b))).collect::<Option<Vec<usize>>>();
        let after = motions.iter().map(row).collect::<Option<Vec<_>>>();
        let after = after.filter(|after| !after.is_empty() && index(&Motion::IDENTITY) == Some(0));
        let after = after.ok_or_else(|| CoreError::Invalid("images must form a group, the identity first".into()))?;
        Ok(Self { motions, after })
    }
}

/// Pieces that belong together.
#[derive(Debug, Clone)]
struct Part {
    /// Piece, and index of its image.
    members: Vec<(usize, usize)>,
    /// Residues by position and, where members overlap and positions come twice, by point: whatever the order of joining.
    residues: Vec<(usize, Point)>,
    /// First and last position of every stretch, ascending.
    spans: Vec<(usize, usize)>,
}

impl Part {
    fn new(index: usize, piece: &Piece) -> Self {
        let placed = piece.points.iter().enumerate().filter_map(|(i, p)| p.map(|p| (piece.start + i, p)));
        let residues: Vec<(usize, Point)> = placed.collect();
        let spans = residues.chunk_by(|a, b| b.0 - a.0 <= ROOM).filter_map(|run| Some((run.first()?.0, run.last()?.0)));
        Self { members: vec![(index, 0)], spans: spans.collect(), residues }
    }

    fn size(&self) -> usize {
        self.residues.len()
    }

    /// The residue at `position`; the first of them where members overlap.
    fn at(&self, position: usize) -> Option<Point> {
        self.first_from(position).filter(|r| r.0 == position).map(|r| r.1)
    }

    /// The last residue at or before `position`.
    fn last_until(&self, position: usize) -> Option<(usize, Point)> {
        self.residues[..self.residues.partition_point(|r| r.0 <= position)].last().copied()
    }

    /// The first residue at or after `position`.
    fn first_from(&self, position: usize) -> Option<(usize, Point)> {
        self.residues.get(self.residues.partition_point(|r| r.0 < position)).copied()
    }

    /// The part at its image.
    fn moved(&self, image: usize, images: &Images) -> Part {
        Part {
            members: self.members.iter().map(|&(i, before)| (i, images.after[image][before])).collect(),
            residues: self.residues.iter().map(|(i, p)| (*i, images.motions[image].apply(p))).collect(),
            spans: self.spans.clone(),
        }
    }

    fn absorb(&mut self, other: Part) {
        self.members.extend(other.members);
        self.members.sort_unstable();
        self.residues.extend(other.residues);
        self.residues.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        self.spans.extend(other.spans);
        self.spans.sort_unstable();
    }

    /// Log-odds of the distances over the gaps where the two parts follow each other; None where they overlap.
    fn connectivity(&self, other: &Part) -> Option<f64> {
        self.gaps(other, FRAYED, |log_odds| log_odds)
    }

    /// All evidence that the two parts are of one chain; None where they cannot be.
    fn evidence(&self, other: &Part, models: &[Part]) -> Option<f64> {
        let connectivity = self.connectivity(other).filter(|log_odds| log_odds.is_finite())?;
        Some(connectivity + PACKING_WEIGHT * self.packing(other) + self.symmetry(other, models))
    }

    /// Mean log-odds of the distances between residues of the two parts.
    fn packing(&self, other: &Part) -> f64 {
        let pairs = self.sample().flat_map(|mine| other.sample().map(move |its| (mine, its)));
        let log_odds = pairs.map(|((i, p), (j, q))| {
            let apart = squared_distance(p, q).sqrt();
            span_log_odds(apart, i.abs_diff(*j).max(LEAST_APART)).clamp(-MOST_PAIR, MOST_PAIR)
        });
        let (count, total) = log_odds.fold((0, 0.0), |(n, sum), l| (n + 1, sum + l));
        total / f64::from(count)
    }

    /// Residues evenly along the part.
    fn sample(&self) -> impl Iterator<Item = &(usize, Point)> {
        self.residues.iter().step_by(self.size().div_ceil(PACKED))
    }

    /// What the very ends at the gaps tell about images; they may be wrong, so that it is bounded.
    fn ends(&self, other: &Part) -> f64 {
        self.gaps(other, 0, |log_odds| log_odds.clamp(-MOST_ENDS, MOST_ENDS)).unwrap_or(-MOST_ENDS)
    }

    /// Sum over the gaps where the two parts follow each other, measured `frayed` residues further in.
    fn gaps(&self, other: &Part, frayed: usize, weigh: impl Fn(f64) -> f64) -> Option<f64> {
        let mine = self.spans.iter().map(|s| (*s, self));
        let theirs = other.spans.iter().map(|s| (*s, other));
        let mut all: Vec<((usize, usize), &Part)> = mine.chain(theirs).collect();
        all.sort_by_key(|(span, _)| *span);
        let mut total = 0.0;
        for pair in all.windows(2) {
            let ((_, end), before) = pair[0];
            let ((begin, _), after) = pair[1];
            if begin + OVERLAP <= end {
                return None;
            }
            if !std::ptr::eq(before, after) {
                // Where the pieces overlap, the ends of both are doubtful.
                let tail = before.last_until(end.min(begin.checked_sub(1)?).checked_sub(frayed)?)?;
                let head = after.first_from(begin.max(end + 1) + frayed)?;
                total += weigh(span_log_odds(squared_distance(&tail.1, &head.1).sqrt(), head.0 - tail.0));
            }
        }
        Some(total)
    }

    /// Points of this part and of `other` at the positions that both have.
    fn shared(&self, other: &Part) -> (Vec<Point>, Vec<Point>) {
        self.residues.iter().filter_map(|(position, p)| other.at(*position).map(|q| (*p, q))).unzip()
    }

    /// Log-odds that the two parts lie to each other as in a chain of `models`, against anywhere.
    fn symmetry(&self, other: &Part, models: &[Part]) -> f64 {
        // Of equal ones the first member decides, so that the order of joining does not.
        let larger = (self.size(), &other.members) > (other.size(), &self.members);
        let (large, small) = if larger { (self, other) } else { (other, self) };
        let error = models.iter().filter_map(|model| large.misplacement(small, model)).min_by(f64::total_cmp);
        error.map_or(0.0, |e| symmetry_log_odds(e).max(LEAST_SYMMETRY))
    }

    /// Distance (RMS) of `other` from where `model` has it when the model is superposed on this part.
    fn misplacement(&self, other: &Part, model: &Part) -> Option<f64> {
        let (target, mobile) = self.shared(model);
        let (found, predicted) = other.shared(model);
        if mobile.len() < SHARED.0 || found.len() < SHARED.1 {
            return None;
        }
        Some(Motion::superpose(&mobile, &target)?.rmsd(&predicted, &found))
    }
}

fn symmetry_log_odds(error: f64) -> f64 {
    let z = error / SYMMETRY_ERROR;
    let volume = 4.0 / 3.0 * std::f64::consts::PI * SURROUNDINGS.powi(3);
    let gaussian = (std::f64::consts::TAU.sqrt() * SYMMETRY_ERROR).powi(3);
    (volume / gaussian).ln() - 0.5 * z * z
}

/// The largest parts, which the others are compared with.
fn largest(parts: &[Part]) -> Vec<Part> {
    let mut models = parts.to_vec();
    sort_by_size(&mut models);
    models.truncate(MODELS);
    models
}

fn sort_by_size(parts: &mut [Part]) {
    parts.sort_by(|a, b| b.size().cmp(&a.size()).then(a.members.cmp(&b.members)));
}

/// Log-odds that two parts belong together, and the image of the first that does; none where they cannot.
type Score = Option<(f64, usize)>;

/// The score of the image of the first part that fits best, and which one it is.
fn best_image<F>(a: &Part, b: &Part, images: &Images, score: F) -> Score
where
    F: Fn(&Part, &Part) -> Option<f64>,
{
    if images.motions.len() == 1 {
        return score(a, b).map(|s| (s, 0));
    }
    let at = |image| {
        let moved = a.moved(image, images);
        let found = score(&moved, b)?;
        Some((found, found + moved.ends(b), image))
    };
    let all = (0..images.motions.len()).filter_map(at);
    let best = all.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(score, _, image)| (score, image))
}

/// Joins what is left over to the copies piece by piece, the largest first, each where it fits best and better than by
/// chance: one wrong piece keeps all that it was joined with from fitting.
fn join_rest(copies: &mut [Part], mut rest: Vec<Part>, images: &Images, monitor: &Monitor) -> Result<(), CoreError> {
    sort_by_size(&mut rest);
    for piece in rest {
        monitor.check()?;
        let models = largest(copies);
        let fit = |copy| best_image(&piece, copy, images, |a, b| a.evidence(b, &models));
        let fits = copies.iter().enumerate().filter_map(|(j, copy)| fit(copy).map(|(score, image)| (score, image, j)));
        let best = fits.reduce(|best, next| if next.0 > best.0 { next } else { best });
        if let Some((_, image, j)) = best.filter(|(score, ..)| *score > 0.0) {
            copies[j].absorb(piece.moved(image, images));
        }
    }
    Ok(())
}

/// Joins the two parts with the highest score again and again, until no score reaches `least`.
fn join<F>(parts: &mut Vec<Part>, images: &Images, score: F, least: f64, monitor: &Monitor) -> Result<(), CoreError>
where
    F: Fn(&Part, &Part) -> Option<f64>,
{
    let best = |a: &Part, b: &Part| best_image(a, b, images, &score);
    let row = |i: usize| {
        monitor.check()?;
        Ok((0..i).map(|j| best(&parts[i], &parts[j])).collect())
    };
    let mut scores = (0..parts.len()).map(row).collect::<Result<Vec<Vec<Score>>, CoreError>>()?;
    while let Some((i, j, image)) = best_pair(parts, &scores, least) {
        monitor.check()?;
        // Row and column i leave; part j < i grows.
        let gone = parts.remove(i).moved(image, images);
        scores.remove(i);
        scores.iter_mut().skip(i).for_each(|row| {
            row.remove(i);
        });
        parts[j].absorb(gone);
        for other in 0..parts.len() {
            if other != j {
                let (high, low) = (other.max(j), other.min(j));
                scores[high][low] = best(&parts[high], &parts[low]);
            }
        }
    }
    Ok(())
}

/// The two parts with the highest score, and the image of the first. Pieces that overlap can score alike to the last bit:
/// then the pair with most residues counts, and of equal ones the first.
fn best_pair(parts: &[Part], scores: &[Vec<Score>], least: f64) -> Option<(usize, usize, usize)> {
    let all = scores.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, s)| (i, j, *s)));
    let good = all.filter_map(|(i, j, s)| s.filter(|s| s.0 >= least).map(|s| (i, j, s)));
    let size = |pair: &(usize, usize, (f64, usize))| parts[pair.0].size() + parts[pair.1].size();
    let members = |pair: &(usize, usize, (f64, usize))| {
        let mut all = [&parts[pair.0].members[..], &parts[pair.1].members[..]].concat();
        all.sort_unstable();
        all
    };
    let best = good.max_by(|a, b| {
        let equal = a.2.0.total_cmp(&b.2.0).then_with(|| size(a).cmp(&size(b)));
        equal.then_with(|| members(b).cmp(&members(a)))
    });
    best.map(|(i, j, s)| (i, j, s.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight piece along x, whose residues are 3.3 apart as in a strand.
    fn piece(start: usize, length: usize, y: f64) -> Piece {
        let points = (start..start + length).map(|i| Some([3.3 * i as f64, y, 0.0])).collect();
        Piece { sequence: 0, start, points }
    }

    #[test]
    fn pieces_follow_each_other_where_the_distance_fits() {
        let first = Part::new(0, &piece(0, 9, 0.0));
        let onward = first.connectivity(&Part::new(1, &piece(10, 9, 0.0))).unwrap();
        let aside = first.connectivity(&Part::new(1, &piece(10, 9, 60.0))).unwrap();
        assert!(onward > 0.0 && aside.is_infinite(), "{onward} {aside}");
    }

    #[test]
    fn ends_may_overlap_by_four_residues() {
        let first = Part::new(0, &piece(0, 12, 0.0));
        assert!(first.connectivity(&Part::new(1, &piece(8, 9, 0.0))).is_some());
        assert!(first.connectivity(&Part::new(1, &piece(7, 9, 0.0))).is_none());
    }

    #[test]
    fn of_two_residues_at_one_position_the_first_counts() {
        let mut part = Part::new(0, &piece(0, 12, 0.0));
        part.absorb(Part::new(1, &piece(10, 9, 1.0)));
        assert_eq!(part.size(), 21);
        assert_eq!(part.at(10).map(|p| p[1]), Some(0.0));
        assert_eq!(part.at(12).map(|p| p[1]), Some(1.0));
        assert_eq!(part.at(19), None);
    }

    #[test]
    fn a_piece_joins_at_the_image_that_lies_beside_the_other() {
        let half_turn = Motion { rotation: [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]], shift: [0.0; 3] };
        let mut pieces = [piece(0, 12, 40.0), piece(13, 12, 40.0)];
        for point in pieces[1].points.iter_mut().flatten() {
            *point = half_turn.apply(point);
        }
        let images = [Motion::IDENTITY, half_turn];
        assert_eq!(assign(&pieces, &[1], &images, &Monitor::default()), Ok(vec![Some((0, 0)), Some((0, 1))]));
        let quarter = Motion { rotation: [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], shift: [0.0; 3] };
        assert!(assign(&pieces, &[1], &[Motion::IDENTITY, quarter], &Monitor::default()).is_err());
        assert!(assign(&pieces, &[1], &[], &Monitor::default()).is_err());
    }

    #[test]
    fn over_a_long_gap_what_packs_belongs_together() {
        let first = Part::new(0, &piece(0, 12, 0.0));
        let back = |y: f64| {
            let points = (0..12).map(|i| Some([3.3 * f64::from(11 - i), y, 0.0])).collect();
            Part::new(1, &Piece { sequence: 0, start: 60, points })
        };
        let (beside, away) = (back(10.0), back(45.0));
        assert!(first.evidence(&beside, &[]).unwrap() > first.evidence(&away, &[]).unwrap() + 4.0);
        assert!(first.packing(&beside) > 1.0 && first.packing(&away) < 0.0);
        assert!((first.packing(&beside) - beside.packing(&first)).abs() < 1e-12);
        assert_eq!(first.evidence(&back(400.0), &[]), None, "out of reach");
    }

    #[test]
    fn a_request_to_stop_is_heard() {
        let monitor = Monitor::default();
        monitor.request_stop();
        assert_eq!(assign(&[piece(0, 9, 0.0)], &[1], &[Motion::IDENTITY], &monitor), Err(CoreError::Interrupted));
    }
}
