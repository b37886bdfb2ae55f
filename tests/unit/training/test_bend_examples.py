"""Examples for the second network: its candidates and labels against slow twins, and what an oracle's windows show."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emodelx import _core
from emodelx import bends as program
from emodelx.config import CandidateConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError
from emodelx.io.predictions import type_voxels
from emodelx.network.bends import BACKWARD, FORWARD, WRONG, cut_boxes, frames
from emodelx.network.predict import torch_threads
from emodelx.network.unet import Reading
from emodelx.network.weights import load_weights
from emodelx.training import bend_examples as bends
from emodelx.training.bend_examples import WindowReader
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.structures import NO_TYPE, NUCLEIC, PROTEIN, Structure

CPU = torch.device("cpu")
WINDOWS = WindowConfig(32, 1, nucleic_share=0.0, outer_share=0.05, noise_share=0.0)


def quiet(line):
    pass


def make_calphas(xyz, residue, chain, amino):
    """Calphas alone."""
    count, yes = len(xyz), np.ones(len(xyz), bool)
    return Structure(
        np.asarray(xyz, np.float32),
        np.asarray(residue, np.int32),
        np.asarray(chain, np.int32),
        np.asarray(amino, np.int8),
        np.full(count, PROTEIN, np.int8),
        np.ones(count, np.float32),
        np.zeros(count, np.int8),
        yes,
        yes,
        ~yes,
    )


def trace(count):
    """Calphas of a helix along z."""
    turn = np.radians(100) * np.arange(count)
    return np.column_stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(count)])


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


@pytest.mark.parametrize("steps", [4, 4000])
def test_candidates_are_those_of_the_program(steps):
    """With few steps many neighbours are equal."""
    generator = torch.Generator().manual_seed(steps)
    calpha = (torch.rand(14, 12, 13, generator=generator) * steps).round() / steps
    amino = torch.rand(20, 14, 12, 13, generator=generator).softmax(0)
    found = bends.find_candidates(Reading(calpha, calpha, amino), 0.5)
    volume = calpha.numpy()
    peaks = _core.find_peaks(volume, np.flatnonzero(volume > 0.5), CandidateConfig().nms_radius, threads=1)
    known = type_voxels(volume, 0.5)
    types = np.ascontiguousarray(amino.reshape(20, -1)[:, known].T)
    positions, types = _core.refine_candidates(volume, peaks, known, types, threads=1)
    assert len(peaks) > 20
    np.testing.assert_allclose(found.positions, positions, atol=1e-9)
    np.testing.assert_allclose(found.types, types, atol=1e-6)


def test_possible_bends_are_those_of_the_program():
    positions = np.random.default_rng(0).uniform(0, 20, (120, 3))
    mine, theirs = bends.possible_bends(positions), program.possible_bends(positions)
    assert len(mine) > 500
    assert sorted(map(tuple, mine)) == sorted(map(tuple, theirs))
    assert bends.possible_bends(np.zeros((0, 3))).shape == (0, 3)


def slow_owner(positions, calphas):
    owner = [-1] * len(positions)
    for candidate, position in enumerate(positions):
        closest = bends.OWNED
        for number, calpha in enumerate(calphas):
            apart = [math.dist(calpha, other) for other in positions]
            if apart[candidate] == min(apart) and apart[candidate] < closest:
                owner[candidate], closest = number, math.dist(calpha, position)
    return owner


def test_the_nearest_calpha_owns_a_candidate():
    rng = np.random.default_rng(2)
    positions, calphas = rng.uniform(0, 8, (25, 3)), rng.uniform(0, 8, (40, 3)).astype(np.float32)
    found = bends.find_owners(positions, calphas)
    assert found.tolist() == slow_owner(positions, calphas)
    assert 5 < (found >= 0).sum() < 25
    assert bends.find_owners(positions[:0], calphas).tolist() == []
    assert bends.find_owners(positions, calphas[:0]).tolist() == [-1] * 25


def slow_label(triple, owner, calphas):
    """Twin of label_bends for one triple."""

    def follows(first, second):
        return (
            calphas.residue[second] == calphas.residue[first] + 1
            and calphas.chain[second] == calphas.chain[first]
            and math.dist(calphas.xyz[first], calphas.xyz[second]) < 4.3
        )

    a, b, c = (owner[candidate] for candidate in triple)
    if min(a, b, c) < 0:
        return WRONG, NO_TYPE
    if follows(a, b) and follows(b, c):
        return FORWARD, calphas.amino[b]
    return (BACKWARD if follows(c, b) and follows(b, a) else WRONG), NO_TYPE


@pytest.fixture(scope="module")
def planted():
    """A chain that lacks residue 6 and has a gap after residue 9, a second one that begins where it ends; candidates.

    The candidates stand in reverse order, the last four are false ones.
    """
    xyz = trace(16)
    xyz[10:, 0] += 4  # 9 and 10 are too far apart
    residue = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    xyz = xyz[residue]
    amino = np.arange(15)
    amino[2] = NO_TYPE
    calphas = make_calphas(xyz, residue, residue >= 13, amino)
    rng = np.random.default_rng(1)
    positions = np.concatenate([xyz[::-1] + rng.normal(0, 0.2, (15, 3)), rng.uniform(3, 15, (4, 3))])
    return positions, calphas


def test_labels_of_a_planted_chain(planted):
    positions, calphas = planted
    owner = bends.find_owners(positions, calphas.xyz)
    assert owner.tolist() == [*range(14, -1, -1), -1, -1, -1, -1]
    place = {number: 14 - row for row, number in enumerate(calphas.residue)}  # candidate of a residue
    triples = [
        (0, 1, 2),
        (2, 1, 0),
        (1, 2, 3),
        (4, 5, 7),
        (8, 9, 10),
        (9, 10, 11),
        (10, 11, 12),
        (11, 12, 13),
        (1, 3, 2),
    ]
    course, amino = bends.label_bends(np.array([[place[r] for r in t] for t in triples]), owner, calphas)
    assert course.tolist() == [FORWARD, BACKWARD, FORWARD, WRONG, WRONG, WRONG, FORWARD, WRONG, WRONG]
    assert amino.tolist() == [1, NO_TYPE, NO_TYPE, -1, -1, -1, 10, -1, -1]


def test_labels_are_their_slow_twin(planted):
    positions, calphas = planted
    owner = bends.find_owners(positions, calphas.xyz)
    triples = np.random.default_rng(3).integers(0, len(positions), (2000, 3))
    triples = np.concatenate([triples, bends.possible_bends(positions)])
    course, amino = bends.label_bends(triples, owner, calphas)
    expected = [slow_label(triple, owner, calphas) for triple in triples]
    assert list(zip(course, amino, strict=True)) == expected
    assert set(course) == {FORWARD, BACKWARD, WRONG}
    nobody = calphas.select(np.zeros(15, bool))
    assert set(bends.label_bends(triples, np.full(19, -1), nobody)[0]) == {WRONG}


def test_all_forward_bends_are_drawn_and_some_of_the_others():
    course = np.random.default_rng(0).permutation(np.repeat([FORWARD, BACKWARD, WRONG], [20, 20, 500]))
    protein = np.zeros(len(course), bool)
    drawn = bends.draw_bends(course, protein, np.random.default_rng(1))
    assert np.bincount(course[drawn]).tolist() == [20, 8, 19]
    assert len(set(drawn)) == len(drawn)
    assert drawn.tolist() == bends.draw_bends(course, protein, np.random.default_rng(1)).tolist()
    assert drawn.tolist() != bends.draw_bends(course, protein, np.random.default_rng(2)).tolist()
    assert len(bends.draw_bends(np.full(9, WRONG), np.zeros(9, bool), np.random.default_rng(1))) == 3


def test_wrong_bends_in_nucleic_acids_are_drawn_beside_the_others(monkeypatch):
    """Right ones near a nucleic acid stay what they are; the wrong ones there do not take the place of others."""
    monkeypatch.setattr(bends, "MOST_IN_NUCLEIC", 30)
    course = np.repeat([FORWARD, BACKWARD, WRONG], [20, 20, 100])
    nucleic = np.arange(len(course)) % 2 == 0
    drawn = bends.draw_bends(course, nucleic, np.random.default_rng(1))
    inside = nucleic[drawn] & (course[drawn] == WRONG)
    assert np.bincount(course[drawn[~inside]]).tolist() == [20, 8, 19]
    assert inside.sum() == 30
    assert len(set(drawn)) == len(drawn)


def test_what_is_near_an_atom_of_a_nucleic_acid():
    xyz = np.array([[0, 0, 0], [20, 0, 0]], np.float32)
    atoms = SimpleNamespace(xyz=xyz, kind=np.array([NUCLEIC, PROTEIN], np.int8))
    positions = np.array([[2.9, 0, 0], [3.1, 0, 0], [20, 0, 0]], float)
    assert bends.near_nucleic(positions, atoms).tolist() == [True, False, False]
    atoms.kind[:] = PROTEIN
    assert bends.near_nucleic(positions, atoms).tolist() == [False] * 3


def test_a_molecule_is_what_the_window_shows(pack):
    windows = SimulatedWindows(pack, WindowConfig(24, noise_share=0), 4, CPU)
    for index in range(4):
        density, atoms = windows.molecule(index)
        assert torch.equal(density, windows[index][0][0])
        assert atoms.calpha.any()
    noise = SimulatedWindows(pack, WindowConfig(24, noise_share=1), 4, CPU)
    assert torch.equal(noise.molecule(3)[0], density)


class OracleReader:
    """Says what the model says: a peak at every Calpha, and there the type of its residue."""

    def __init__(self, calphas):
        self.calphas, self.device, self.info = calphas, CPU, SimpleNamespace(calpha_threshold=0.3)

    def read(self, density):
        voxel = torch.stack(torch.meshgrid(*[torch.arange(len(density))] * 3, indexing="ij"), -1).float()
        apart = torch.stack([(voxel - torch.from_numpy(xyz)).norm(dim=-1) for xyz in self.calphas.xyz])
        types = torch.from_numpy(self.calphas.amino).long()[apart.argmin(0)]
        calpha = torch.exp(-(apart.amin(0) ** 2) / 1.5)
        return Reading(calpha, calpha, torch.nn.functional.one_hot(types, 20).movedim(-1, 0).float())


def test_examples_of_an_oracle_show_the_planted_chain():
    sequence = np.arange(18)
    calphas = make_calphas(trace(18) + np.array([16, 16, 3]), sequence, np.zeros(18), sequence)
    density = torch.rand(32, 32, 32, generator=torch.Generator().manual_seed(0)) * 4
    found = bends.examples_of_window(density, calphas, OracleReader(calphas), np.random.default_rng(0))
    forward = found.course == FORWARD
    # the middles lie 5 A and more inside: z of residue i is 3 + 1.5 i
    assert sorted(found.amino[forward].tolist()) == list(range(2, 16))
    assert torch.equal(found.log_types[forward].float().argmax(1), found.amino[forward])
    assert (found.amino[~forward] == NO_TYPE).all()
    assert (found.course == BACKWARD).sum() == int(0.4 * 14)
    assert found.distances[forward].abs()[:, :2].max() < 0.6
    assert found.shift[forward].norm(dim=1).max() < 0.6, "peaks lie within a voxel of their Calphas"
    assert found.shift.isfinite().all()
    # the box is of the clipped density, and in the frame of its own bend
    first = int(found.amino.eq(8).nonzero()[0, 0])
    bend = torch.from_numpy(calphas.xyz[7:10])[None]
    volume = torch.stack([density.clamp(max=2.5), OracleReader(calphas).read(density).backbone])
    truth = cut_boxes(volume, bend)[0]
    assert torch.corrcoef(torch.stack([found.boxes[first, 1].float().flatten(), truth[1].flatten()]))[0, 1] > 0.95
    assert found.boxes[:, 0].max() <= 2.5 * 0.8 + 1e-3
    assert torch.det(frames(bend)).item() == pytest.approx(1, abs=1e-5)


def test_the_reader_clips_and_puts_types_in_order(unet_file):
    network, info = load_weights(unet_file)
    density = torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(0)) * 2.5
    read = WindowReader(network, info, CPU).read(density)
    clipped = WindowReader(network, info, CPU).read(density.clamp(max=1.0))
    assert torch.equal(read.amino, clipped.amino)
    assert read.amino.sum(0).mean().item() == pytest.approx(1, abs=1e-3)
    other = WindowReader(network, replace(info, amino_order=AMINO_ACIDS[::-1]), CPU).read(density)
    assert torch.equal(other.amino, read.amino.flip(0))
    assert torch.equal(other.calpha, read.calpha)


def test_examples_depend_on_the_seed_alone(pack, reader):
    one, again, other = (
        bends.make_examples(pack, reader, drawn, 4, quiet) for drawn in (WINDOWS, WINDOWS, replace(WINDOWS, seed=2))
    )
    for name in ("boxes", "shift"):
        torch.testing.assert_close(getattr(again, name), getattr(one, name), rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(other.boxes[:5], one.boxes[:5])
    assert one.boxes.dtype == torch.float16


def test_moved_candidates_lie_between_where_they_were_and_their_calphas(planted):
    positions, calphas = planted
    owner = bends.find_owners(positions, calphas.xyz)
    found = bends.moved_closer(positions, owner, calphas.xyz, np.random.default_rng(0))
    np.testing.assert_array_equal(found[owner < 0], positions[owner < 0])
    way, whole = (found - positions)[owner >= 0], (calphas.xyz[owner] - positions)[owner >= 0]
    part = np.linalg.norm(way, axis=1) / np.linalg.norm(whole, axis=1)
    np.testing.assert_allclose(way, part[:, None] * whole, atol=1e-6)
    assert 0 < part.min() < 0.3 < 0.7 < part.max() < 1
    nobody = bends.moved_closer(positions, np.full(len(positions), -1), calphas.xyz[:0], np.random.default_rng(0))
    np.testing.assert_array_equal(nobody, positions)


def test_shifts_lead_to_the_calphas_in_the_frame_of_the_bend():
    """Along an axis of its own frame a bend finds its Calpha there, however it lies."""
    rng = np.random.default_rng(5)
    corners = torch.from_numpy(rng.normal(0, 3, (6, 3, 3))).float()
    ways = rng.normal(0, 1, (6, 3)).astype(np.float32)
    axes = frames(corners).numpy()
    calphas = np.array([c[1] + w @ a for c, w, a in zip(corners.numpy(), ways, axes, strict=True)], np.float32)
    owner = np.array([3, 1, 2, 0, -1, 5])
    corners, ways = corners[[3, 1, 2, 0, 4, 5]], ways[[3, 1, 2, 0, 4, 5]]
    found = bends.shifts_to(calphas, owner, corners).numpy()
    np.testing.assert_allclose(found[owner >= 0], ways[owner >= 0], atol=1e-4)
    assert np.isnan(found[4]).all()
    assert bends.shifts_to(calphas[:0], np.full(2, -1), corners[:2]).isnan().all()


def test_a_unet_that_finds_nothing_is_refused(pack, unet_file):
    network, info = load_weights(unet_file)
    blind = WindowReader(network, replace(info, calpha_threshold=0.9999), CPU)
    with pytest.raises(InputError, match="no three Calphas in a row"):
        bends.make_examples(pack, blind, WINDOWS, 1, quiet)
