"""Rigid search: where the network reads too little, templates are looked for in the map as whole bodies."""

from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Sequences
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx.config import RigidConfig, RunConfig
from emodelx.contrast import USUAL_RESOLUTION, read_contrast
from emodelx.domains import split_domains
from emodelx.hinges import straighten
from emodelx.poses import CERTAIN, LEAST_CHANCE, MOST_SHARED, SAME, Body, Copy, Pose, chance_solutions, side_chains
from emodelx.records import (
    Candidates,
    DensityMap,
    Floats,
    Fragment,
    Ints,
    Placement,
    Points,
    Prediction,
    Sequence,
    Template,
)
from emodelx.scenes import Loop, Scene, Support, good_support
from emodelx.symmetry import superpose
from emodelx.type_evidence import TypeEvidence

LIKELY = 0.5
"""Probability of a residue that tells how a template is bent."""
FEWEST = 15
"""Residues of a pose beyond what is placed already, below which they are left to completion."""
MOST_HELD = 0.5
"""Share of the residues of a body that its copy may have already."""
CALIBRATED = (5.0, 7.0)
RIGHT_INTERCEPT, RIGHT_WEIGHT = (-2.6, -2.7), (5.5, 5.2)
"""Log-odds of a residue to be in its place, without and per good support, in maps of these resolutions; set on three
simulated cases, see `docs/accuracy.md`."""
RIGHT_WHOLE, MOST_RIVALS, CLEARLY = 0.9, 2, 0.05
"""Expected share of a copy in place from which no other pose is tried; how many are; and how much more must be in
place from there."""
UNSEEN, AGREED = 0.3, 0.45
"""Share of the residues that are right although nobody searched for them, with good support; and of traced ones on
which all ways agree."""
WINDOW, STRIDE = 100, 50
"""Residues of the stretches of a template that are searched, and from one to the next: some lie between two hinges."""


def search_templates(
    placements: Sequences[Placement],
    fragments: Sequences[Fragment],
    sequences: Sequences[Sequence],
    templates: Sequences[Template],
    view: tuple[Prediction, DensityMap | None, Candidates],
    config: RigidConfig,
    run: RunConfig,
) -> tuple[Placement, ...]:
    """Look for templates in the map where the network read too little to place them.

    Every template, and its parts where the whole is not found beyond doubt, is correlated with the details of map and
    main chain, in all orientations at all places. The mirror image of a body has its size, its helices and strands,
    and no place in the map: the scores of its best solutions tell what chance gives. The types that were read near its
    residues speak for a solution or against it. Solutions beyond chance are taken one by one, the surest first, unless
    they are in each other's way or too many. Parts of what was found, or read before, that the map does not support
    are turned about hinges; what belongs to one copy bends together to fit the map, and what its template lacks or
    doubts is traced. Copies that still lack are searched for with the template as the map has bent it.

    Parameters
    ----------
    placements : sequence of Placement
        What was placed residue by residue; it stays.
    fragments : sequence of Fragment
        What was read.
    sequences : sequence of Sequence
    templates : sequence of Template
    view : (Prediction, DensityMap or None, Candidates)
        What the network read, the map where the build starts from one, and the candidates with corrected types.
    config : RigidConfig
    run : RunConfig

    Returns
    -------
    tuple of Placement
        The given ones, then those of the search, the most certain first.
    """
    prediction, density, candidates = view
    share = _share_read(placements, fragments, sequences)
    weak = (prediction.resolution or 0) >= config.weak
    if not templates or share >= (config.most_read_weak if weak else config.most_read):
        return tuple(placements)
    scene = Scene.of(read_contrast(prediction, density), prediction.resolution or USUAL_RESOLUTION)
    sure = [replace(p, positions=p.positions - prediction.origin) for p in placements if p.is_sure()]
    evidence = TypeEvidence.of(candidates, prediction.origin)
    search = _Search(tuple(templates), tuple(sequences), scene, evidence, config, run)
    unplaced = [(i, t) for i, t in enumerate(templates) if not _is_placed(i, t, placements, sequences)]
    bodies = [body for i, template in unplaced for body in _bodies(i, template)]
    found = search.placements(bodies, sure, copies_read(sure, templates, config))
    new = list(found)
    while found:
        lacking = lacking_copies(sequences, [*sure, *new])
        bent = bent_templates(templates, [p for p in found if lacking[p.sequence]])
        better = replace(search, templates=tuple(bent.get(i, template) for i, template in enumerate(templates)))
        found = better.placements([body for i in sorted(bent) for body in _bodies(i, bent[i])], [*sure, *new])
        new += found
    return (*placements, *(replace(p, positions=p.positions + prediction.origin) for p in new))


@dataclass(frozen=True)
class Stretch:
    """Residues of a copy.

    Attributes
    ----------
    numbers : ndarray, dtype=int64, shape=(n,), ascending
    points : ndarray, dtype=float64, shape=(n, 3)
        Their Calphas in Angstrom from voxel 0,0,0.
    share : ndarray, dtype=float64, shape=(n,)
        How many of such residues are right, of as many that were searched for and that the map supports as well.
    """

    numbers: Ints
    points: Points
    share: Support


@dataclass(frozen=True)
class Fit:
    """A copy that was bent to fit the map.

    Attributes
    ----------
    copy : Copy
    stretch : Stretch
        Its residues.
    right : ndarray, dtype=float32, shape=(n,)
        Probability of each to be within 3 A of its place.
    """

    copy: Copy
    stretch: Stretch
    right: Floats

    def in_place(self) -> float:
        """Expected number of residues in their places."""
        return float(self.right.sum())


@dataclass(frozen=True)
class _Search:
    """What bodies are searched in, and how."""

    templates: tuple[Template, ...]
    sequences: tuple[Sequence, ...]
    scene: Scene
    evidence: TypeEvidence | None
    config: RigidConfig
    run: RunConfig

    def placements(
        self, bodies: Sequences[Body], placed: Sequences[Placement], read: Sequences[Copy] = ()
    ) -> list[Placement]:
        """Search for bodies, straighten what is found and what was read, and fit it; what is new of that."""
        poses = self.poses(bodies)
        witnessed = [self._witnessed(pose) for pose in poses]
        copies = choose_copies(witnessed, self.templates, self.sequences, placed, self.config)
        fits = self.traced(self._best_fit(copies, [self._heard(pose) for pose in poses], read))
        found = [self._placement(fit) for fit in fits]
        new = [_without_placed(p, placed, self.sequences[p.sequence].copies) for p in found]
        return [placement for placement in new if len(placement.numbers)]

    def _best_fit(self, copies: list[Copy], poses: Sequences[Pose], read: Sequences[Copy]) -> list[Fit]:
        """Straighten and fit the copies; those that stay loose from other poses, too, and the best of that.

        Of a template that is much bent every good pose has another part in place, and the best one need not be the
        one from which the rest is found.
        """
        best = self._straight_fit([*copies, *read])
        for i, copy in enumerate(copies):
            others = [*copies[:i], *copies[i + 1 :]]
            for rival in rivals_of(copy, best[i].in_place(), others, poses, self.config):
                tried = [*copies[:i], Copy(copy.template, (rival,)), *copies[i + 1 :]]
                fits = self._straight_fit([*tried, *read])
                if _in_place(fits) > _in_place(best) + CLEARLY * len(rival.points):
                    copies, best = tried, fits
        return best

    def _straight_fit(self, copies: Sequences[Copy]) -> list[Fit]:
        view = self.scene, self._heard
        return self.fitted(straighten(copies, self.templates, self.sequences, view, self.config, self.run))

    def poses(self, bodies: Sequences[Body]) -> list[Pose]:
        """Poses of all bodies, but for parts of templates whose copies were found as a whole beyond doubt."""
        poses: list[Pose] = []
        for n, body in enumerate(bodies):
            copies = self.sequences[self.templates[body.template].sequence].copies
            sure = [p for p in poses if p.body.template == body.template and p.chance <= self.config.sure_chance]
            if len(sure) < copies:
                poses += self._poses(body, replace(self.run, progress=_part_of(self.run, n, len(bodies))))
        return poses

    def _poses(self, body: Body, run: RunConfig) -> list[Pose]:
        """The best poses of a body, with what chance explains of them."""
        template = self.templates[body.template]
        numbers, points = template.numbers[body.members], template.positions[body.members]
        sides = side_chains(self.sequences[template.sequence].residues, numbers)
        told = [replace(run, progress=_part_of(run, half, 2)) for half in range(2)]
        found = self.scene.search((numbers, points, sides), self.config, told[0])
        mirrored = self.scene.search((numbers, points * [1.0, 1.0, -1.0], sides), self.config, told[1])
        chance = chance_solutions(*(np.array([score for *_, score in some]) for some in (found, mirrored)))
        return [
            Pose(body, template.positions @ rotation.T + shift, float(expected))
            for (rotation, shift, _), expected in zip(found, chance, strict=True)
        ]

    def _witnessed(self, pose: Pose) -> Pose:
        """The pose with what the types say of it; they do not speak for one that the map leaves to chance.

        A mirror image that lies on the molecule has many of its residues near their places.
        """
        heard = self._heard(pose)
        left_to_chance = pose.chance > self.config.most_chance
        return max(heard, pose, key=lambda pose: pose.chance) if left_to_chance else heard

    def _heard(self, pose: Pose) -> Pose:
        """The pose with what the types say of it."""
        if self.evidence is None:
            return pose
        template = self.templates[pose.body.template]
        codes = self.sequences[template.sequence].codes()[template.numbers[pose.body.members]]
        return pose.likelier(self.evidence.log_ratio(pose.own(), codes))

    def fitted(self, copies: Sequences[Copy]) -> list[Fit]:
        """Bend copies to fit the map."""
        return self._bent([(copy, self._start(copy)) for copy in copies])

    def _start(self, copy: Copy) -> Stretch:
        """The residues of a copy; those that nobody searched for are right less often."""
        numbers = self.templates[copy.template].numbers
        searched = np.isin(np.arange(len(numbers)), copy.members())
        return Stretch(numbers, copy.whole(), np.where(searched, 1.0, UNSEEN))

    def traced(self, fits: Sequences[Fit]) -> list[Fit]:
        """Trace what the templates doubt, then what they lack, through the map, and bend the copies with it."""
        chains = [fit.stretch for fit in fits]
        sure = [~np.isin(fit.stretch.numbers, self.templates[fit.copy.template].doubtful) for fit in fits]
        known = [(chain.numbers[own], chain.points[own]) for chain, own in zip(chains, sure, strict=True)]
        doubted = self.scene.trace(known, self.run)
        chains = with_loops(chains, doubted)
        lacking = self.scene.trace([(chain.numbers, chain.points) for chain in chains], self.run)
        if not doubted and not lacking:
            return list(fits)
        chains = with_loops(chains, lacking)
        return self._bent([(fit.copy, chain) for fit, chain in zip(fits, chains, strict=True)])

    def _bent(self, bodies: Sequences[tuple[Copy, Stretch]]) -> list[Fit]:
        residues = [self.sequences[self.templates[copy.template].sequence].residues for copy, _ in bodies]
        sided = [
            (chain.numbers, np.ascontiguousarray(chain.points), side_chains(own, chain.numbers))
            for (_, chain), own in zip(bodies, residues, strict=True)
        ]
        bent = self.scene.bend(sided, self.config, self.run)
        good = good_support([support for _, support in bent])
        return [
            Fit(copy, replace(chain, points=points), right_residues(support / good, chain.share, self.scene.resolution))
            for (copy, chain), (points, support) in zip(bodies, bent, strict=True)
        ]

    def _placement(self, fit: Fit) -> Placement:
        """What the map supports of a fitted copy."""
        kept = fit.right >= self.config.least_right
        score = float(np.log(1 / fit.copy.chance()))
        own = fit.stretch.numbers[kept], fit.stretch.points[kept], score
        template = fit.copy.template
        return Placement(template, self.templates[template].sequence, *own, types=0.0, right=fit.right[kept])


def with_loops(chains: Sequences[Stretch], loops: Sequences[Loop]) -> list[Stretch]:
    """Put loops into chains, in place of what these have there."""
    chains = list(chains)
    for loop in loops:
        chain = chains[loop.chain]
        kept = ~np.isin(chain.numbers, loop.numbers)
        numbers = np.concatenate([chain.numbers[kept], loop.numbers])
        points = np.concatenate([chain.points[kept], loop.points])
        share = np.concatenate([chain.share[kept], AGREED * loop.agreement])
        order = np.argsort(numbers)
        chains[loop.chain] = Stretch(numbers[order], points[order], share[order])
    return chains


def _in_place(fits: Sequences[Fit]) -> float:
    """Expected number of residues in their places."""
    return sum(fit.in_place() for fit in fits)


def lacking_copies(sequences: Sequences[Sequence], placed: Sequences[Placement]) -> list[bool]:
    """Whether most of a copy of each sequence has no place yet."""
    held = [sum(len(p.numbers) for p in placed if p.sequence == i) for i in range(len(sequences))]
    return [n < (sequence.copies - 0.5) * len(sequence.residues) for n, sequence in zip(held, sequences, strict=True)]


def bent_templates(templates: Sequences[Template], found: Sequences[Placement]) -> dict[int, Template]:
    """Templates as the map has bent them where they were found: other copies are likely bent alike.

    Parameters
    ----------
    templates : sequence of Template
    found : sequence of Placement
        By rigid search.

    Returns
    -------
    dict of int to Template
        By the index of the template, of the placement with most right residues: those that are likely right.
    """
    bent: dict[int, Template] = {}
    for placement in sorted(found, key=lambda p: 0.0 if p.right is None else float(p.right.sum())):
        if placement.right is None:
            continue
        right = placement.right >= LIKELY
        if right.sum() >= RigidConfig.least_residues:
            own = replace(
                templates[placement.template], numbers=placement.numbers[right], positions=placement.positions[right]
            )
            bent[placement.template] = own
    return bent


def _share_read(
    placements: Sequences[Placement], fragments: Sequences[Fragment], sequences: Sequences[Sequence]
) -> float:
    """Share of the residues that were read or placed already."""
    expected = sum(len(s.residues) * s.copies for s in sequences)
    read = sum(int((f.candidates >= 0).sum()) for f in fragments)
    placed = sum(len(p.numbers) for p in placements if p.is_sure())
    return max(read, placed) / expected


def _is_placed(
    index: int, template: Template, placements: Sequences[Placement], sequences: Sequences[Sequence]
) -> bool:
    """Whether most of a template was placed in all copies."""
    held = sum(len(p.numbers) for p in placements if p.template == index and p.is_sure())
    return held >= 0.5 * len(template.numbers) * sequences[template.sequence].copies


def _bodies(index: int, template: Template) -> Iterator[Body]:
    """What of a template is worth looking for: all of it, its domains, and stretches of it."""
    if len(template.numbers) < RigidConfig.least_residues or not template.is_chain():
        return
    yield Body(index, np.arange(len(template.numbers)))
    label = split_domains(template.positions)
    if label.any():
        for domain in np.unique(label):
            yield Body(index, np.flatnonzero(label == domain))
    if len(template.numbers) >= WINDOW + STRIDE:
        for first in range(0, len(template.numbers) - WINDOW + 1, STRIDE):
            yield Body(index, np.arange(first, first + WINDOW))


def _part_of(run: RunConfig, part: int, parts: int) -> Callable[[int, int], None] | None:
    """Progress of one of several searches as progress of all."""
    told = run.progress
    return None if told is None else lambda done, total: told(part * total + done, parts * total)


def right_residues(support: NDArray[np.float64], share: NDArray[np.float64], resolution: float) -> Floats:
    """Probability that every residue of a fitted copy is within 3 A of its place.

    Parameters
    ----------
    support : ndarray, dtype=float64, shape=(n,)
        Field of the map along the main chain, averaged over the stretch around each residue; 1 where it is good.
    share : ndarray, dtype=float64, shape=(n,)
        Of residues that are right, against those that were searched for: others were traced, or went along.
    resolution : float
        Of the map, in Angstrom.

    Returns
    -------
    ndarray, dtype=float32, shape=(n,)
    """
    intercept, weight = (np.interp(resolution, CALIBRATED, values) for values in (RIGHT_INTERCEPT, RIGHT_WEIGHT))
    return (share / (1 + np.exp(-(intercept + weight * support)))).astype(np.float32)


def choose_copies(
    poses: Sequences[Pose],
    templates: Sequences[Template],
    sequences: Sequences[Sequence],
    placed: Sequences[Placement],
    config: RigidConfig,
) -> list[Copy]:
    """Choose poses one by one, the surest first, that are not in each other's way.

    The more bodies of a template are searched for, the more chance has to offer. Two of them that lie as the template
    has them to each other, each left to chance by itself, may be beyond chance together. A domain near where its
    template has it to a chosen one of the same copy is found in a small part of all space, so chance has less to offer
    there. A pose that agrees with what was placed before goes on from there.

    Parameters
    ----------
    poses : sequence of Pose
        Of all bodies.
    templates : sequence of Template
    sequences : sequence of Sequence
    placed : sequence of Placement
        What was placed before, with positions in Angstrom from voxel 0,0,0.
    config : RigidConfig

    Returns
    -------
    list of Copy
        No residue more often than its sequence has copies.
    """
    copies: list[Copy] = []
    taken = [placement.positions for placement in placed]
    beyond = [_beyond(pose, placed, templates) for pose in poses if pose.chance * config.nearby <= config.most_chance]
    enough = [pose for pose in beyond if len(pose.body.members) >= FEWEST]
    left = anchored(enough, bodies_searched(poses), config)
    while left:
        homes = [_home(pose, copies, config) for pose, _ in left]
        chance = [
            alone if home is None else pose.chance * config.nearby
            for (pose, alone), home in zip(left, homes, strict=True)
        ]
        best = min(range(len(left)), key=lambda i: (chance[i], left[i][0].chance))
        if chance[best] > config.most_chance:
            break
        (pose, alone), home = left.pop(best), homes[best]
        if home is not None:
            pose = pose.without(copies[home].members())
        if _is_free(pose, [*taken, *(copy.points() for copy in copies)]) and _is_wanted(
            pose, copies, placed, templates, sequences
        ):
            if home is None:
                copies.append(Copy(pose.body.template, (replace(pose, chance=alone),)))
            else:
                copies[home] = replace(copies[home], poses=(*copies[home].poses, pose))
    return copies


def bodies_searched(poses: Sequences[Pose]) -> Counter[int]:
    """Number of bodies of each template that were searched for and found somewhere."""
    return Counter(template for template, _ in {(p.body.template, p.body.members.tobytes()) for p in poses})


def anchored(poses: Sequences[Pose], bodies: Counter[int], config: RigidConfig) -> list[tuple[Pose, float]]:
    """Tell how well chance explains each pose as the first of its copy: by itself, or with one that agrees.

    Parameters
    ----------
    poses : sequence of Pose
    bodies : Counter of int
        Number of bodies that were searched for, by template.
    config : RigidConfig

    Returns
    -------
    list of (Pose, float)
        Expected number of chance solutions as good, of any body of the template, or of chance pairs of them.
    """
    found: list[tuple[Pose, float]] = []
    for pose in poses:
        several = bodies[pose.body.template]
        alone, pairs = pose.chance * several, several * (several - 1) / 2
        fellows = sorted((p for p in poses if p.body.template == pose.body.template), key=lambda p: p.chance)
        for fellow in fellows:
            if pose.chance * fellow.chance * config.nearby * pairs >= min(alone, config.most_chance):
                break
            alone = min(alone, pairs * _together(pose, fellow, config), pairs * _together(fellow, pose, config))
        found.append((pose, max(alone, LEAST_CHANCE)))
    return found


def _together(pose: Pose, fellow: Pose, config: RigidConfig) -> float:
    """Expected number of chance solutions as good as a pose, with as good a fellow near where it has its residues.

    As far as they hold the same residues, they say the same.
    """
    own = 1 - float(np.isin(fellow.body.members, pose.body.members).mean())
    agree = Copy(pose.body.template, (pose,)).off(fellow) < config.most_off * own
    return pose.chance * (fellow.chance * config.nearby) ** own if agree else np.inf


def rivals_of(
    copy: Copy, in_place: float, others: Sequences[Copy], poses: Sequences[Pose], config: RigidConfig
) -> list[Pose]:
    """Find other poses of a copy that was found as a whole, where its fit leaves much of it loose.

    Parameters
    ----------
    copy : Copy
    in_place : float
        How many of its residues are expected to be in their places.
    others : sequence of Copy
        Whose places are taken.
    poses : sequence of Pose
        Of all bodies.
    config : RigidConfig

    Returns
    -------
    list of Pose
        The surest first, `MOST_RIVALS` at most.
    """
    first = copy.poses[0]
    size = len(first.points)
    if len(first.body.members) < size or in_place > RIGHT_WHOLE * size:
        return []
    whole = [p for p in poses if p.body.template == copy.template and len(p.body.members) == size]
    sure = [p for p in whole if p.chance <= config.most_chance and not np.array_equal(p.points, first.points)]
    taken = [other.points() for other in others]
    return sorted((p for p in sure if _is_free(p, taken)), key=lambda p: p.chance)[:MOST_RIVALS]


def _home(pose: Pose, copies: Sequences[Copy], config: RigidConfig) -> int | None:
    """The copy that a domain belongs to: where the template has it nearly there, and which lacks it."""
    off = [
        copy.off(pose)
        if copy.template == pose.body.template and np.isin(pose.body.members, copy.members()).mean() <= MOST_HELD
        else np.inf
        for copy in copies
    ]
    return int(np.argmin(off)) if off and min(off) < config.most_off else None


def copies_read(placed: Sequences[Placement], templates: Sequences[Template], config: RigidConfig) -> list[Copy]:
    """Copies of templates of which parts were placed already, the rest where the template has it to these.

    Parameters
    ----------
    placed : sequence of Placement
        With positions in Angstrom from voxel 0,0,0.
    templates : sequence of Template
    config : RigidConfig

    Returns
    -------
    list of Copy
        A pose for every placement of at least `least_residues`.
    """
    copies: list[Copy] = []
    for placement in sorted(placed, key=lambda placement: -len(placement.numbers)):
        template = templates[placement.template]
        _, mine, theirs = np.intersect1d(template.numbers, placement.numbers, return_indices=True)
        if len(mine) < config.least_residues:
            continue
        rotation, shift = superpose(template.positions[mine], placement.positions[theirs])
        pose = Pose(Body(placement.template, mine), template.positions @ rotation.T + shift, CERTAIN)
        home = _home(pose, copies, config)
        if home is None:
            copies.append(Copy(placement.template, (pose,)))
        else:
            pose = pose.without(copies[home].members())
            copies[home] = replace(copies[home], poses=(*copies[home].poses, pose))
    return copies


def _beyond(pose: Pose, placed: Sequences[Placement], templates: Sequences[Template]) -> Pose:
    """The pose without the residues that were placed where it has them."""
    numbers = templates[pose.body.template].numbers
    for placement in placed:
        if placement.template == pose.body.template:
            _, mine, theirs = np.intersect1d(numbers, placement.numbers, return_indices=True)
            off = np.linalg.norm(pose.points[mine] - placement.positions[theirs], axis=1)
            if len(off) and np.median(off) < SAME:
                pose = pose.without(mine)
    return pose


def _without_placed(found: Placement, placed: Sequences[Placement], copies: int) -> Placement:
    """The placement without residues that were placed there before, or as often as there are copies."""
    new, times = np.ones(len(found.numbers), np.bool_), np.zeros(len(found.numbers), np.int64)
    for placement in placed:
        if placement.sequence == found.sequence:
            _, mine, theirs = np.intersect1d(found.numbers, placement.numbers, return_indices=True)
            off = np.linalg.norm(found.positions[mine] - placement.positions[theirs], axis=1)
            new[mine[off < 2 * SAME]] = False
            times[mine] += 1
    new &= times < copies
    right = None if found.right is None else found.right[new]
    return replace(found, numbers=found.numbers[new], positions=found.positions[new], right=right)


def _is_free(pose: Pose, taken: Sequences[Points]) -> bool:
    """Whether enough residues are left of a pose, and little of it lies where others do."""
    if len(pose.body.members) < FEWEST:
        return False
    if not taken:
        return True
    near = KDTree(np.concatenate(list(taken))).query(pose.own())[0] < SAME
    return bool(near.mean() <= MOST_SHARED)


def _is_wanted(
    pose: Pose,
    copies: Sequences[Copy],
    placed: Sequences[Placement],
    templates: Sequences[Template],
    sequences: Sequences[Sequence],
) -> bool:
    """Whether the sequence has copies left for most residues of a pose."""
    template = templates[pose.body.template]
    sequence = sequences[template.sequence]
    held = np.zeros(len(sequence.residues))
    for placement in placed:
        if placement.sequence == template.sequence:
            held[placement.numbers] += 1
    for copy in copies:
        other = templates[copy.template]
        if other.sequence == template.sequence:
            held[other.numbers[copy.members()]] += 1
    return bool((held[template.numbers[pose.body.members]] < sequence.copies).mean() > 1 - MOST_SHARED)
