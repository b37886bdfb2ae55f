"""Looking at bends: their frames, the boxes around them and what a network says of these."""

from itertools import product

import numpy as np
import pytest
import torch

from emodelx.network import bends as looking
from emodelx.network.bends import (
    ACROSS,
    ALONG,
    LEAST_TYPE,
    OUTWARD,
    SCALES,
    BendConfig,
    BendNetwork,
    bend_distances,
    box_points,
    cut_boxes,
    frames,
    log_types,
    read_bends,
)

SHAPE = (24, 27, 22)
PLANES = ALONG[1], OUTWARD[1], ACROSS[1]


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """The same numbers on CPUs that compute in bfloat16."""
    monkeypatch.setattr(looking, "computes_half", lambda _: False)


def some_bends(count, seed=0, middle=(12, 13, 11)):
    """Bends of 3.8 A steps, 80 to 150 degrees, in any orientation near the middle of the map."""
    rng = np.random.default_rng(seed)
    one, other = np.split(rng.normal(size=(2 * count, 3)), 2)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other -= (other * one).sum(1, keepdims=True) * one
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    angle = np.radians(rng.uniform(80, 150, (count, 1)))
    centre = np.array(middle) + rng.uniform(-2, 2, (count, 3))
    found = [centre + 3.8 * one, centre, centre + 3.8 * (np.cos(angle) * one + np.sin(angle) * other)]
    return torch.from_numpy(np.stack(found, axis=1).astype(np.float32))


def random_volume(shape=SHAPE, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).random((2, *shape), np.float32))


def own_frame(bend):
    """Twin of `frames` for one bend."""
    before, middle, after = bend
    along = (after - before) / np.linalg.norm(after - before)
    outward = middle - before
    outward = outward - outward @ along * along
    outward /= np.linalg.norm(outward)
    return np.array([along, outward, np.cross(along, outward)])


def interpolate(volume, point):
    """Trilinear, with 0 all around the volume."""
    low = np.floor(point).astype(int)
    total = 0.0
    for step in product((0, 1), repeat=3):
        corner = low + step
        if (corner >= 0).all() and (corner < volume.shape).all():
            total += np.prod(1 - abs(point - corner)) * volume[tuple(corner)]
    return total


def slow_box(volume, bend):
    """Twin of `cut_boxes`: one point at a time."""
    along, outward, across = own_frame(bend)
    box = np.zeros((2, *PLANES))
    for i, j, k in np.ndindex(PLANES):
        point = bend[1] + (ALONG[0] + i) * along + (OUTWARD[0] + j) * outward + (ACROSS[0] + k) * across
        for channel, scale in enumerate(SCALES):
            box[channel, i, j, k] = scale * interpolate(volume[channel], point)
    return box


def make_network(seed=0):
    """A network of which every part counts."""
    torch.manual_seed(seed)
    network = BendNetwork(BendConfig(width=4, hidden=8, placing=6))
    torch.nn.init.normal_(network.head.weight)
    torch.nn.init.normal_(network.shift.weight)
    with torch.no_grad():
        for norm in (network.norm1, network.norm2, network.norm3):
            norm.running_mean = torch.rand(norm.num_features) / 5
    return network


def candidates(count, seed=0):
    """Positions, types and triples of candidates somewhere in the map."""
    rng = np.random.default_rng(seed)
    positions = torch.from_numpy(rng.uniform(6, 18, (count, 3)).astype(np.float32))
    types = torch.from_numpy(rng.dirichlet(np.ones(20), count).astype(np.float32))
    triples = np.array([rng.choice(count, 3, replace=False) for _ in range(11)])
    return positions, types, torch.from_numpy(triples)


def test_frames_are_rotations_that_look_along_and_outwards():
    bends = some_bends(50)
    found = frames(bends)
    torch.testing.assert_close(found @ found.transpose(1, 2), torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(50))
    before, middle, after = bends.unbind(1)
    assert (((middle - (before + after) / 2) * found[:, 1]).sum(1) > 0.5).all()
    torch.testing.assert_close(((after - before) * found[:, 0]).sum(1), (after - before).norm(dim=1))
    np.testing.assert_allclose(found[7], own_frame(bends[7].double().numpy()), atol=1e-5)


def test_the_other_way_round_outwards_is_the_same():
    bends = some_bends(50)
    along, outward, across = frames(bends).unbind(1)
    turned = frames(bends.flip(1)).unbind(1)
    for found, expected in zip(turned, (-along, outward, -across), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_points_of_a_box_in_order():
    points = box_points().reshape(*PLANES, 3)
    assert points[0, 0, 0].tolist() == [ALONG[0], OUTWARD[0], ACROSS[0]]
    assert points[3, 5, 2].tolist() == [ALONG[0] + 3, OUTWARD[0] + 5, ACROSS[0] + 2]


@pytest.mark.parametrize("middle", [(12, 13, 11), (3, 25, 1)], ids=["inside", "beyond the edge"])
def test_boxes_are_their_slow_twins(middle):
    volume, bends = random_volume(), some_bends(2, middle=middle)
    found = cut_boxes(volume, bends)
    assert found.shape == (2, 2, *PLANES)
    for box, bend in zip(found, bends, strict=True):
        np.testing.assert_allclose(box, slow_box(volume.numpy(), bend.double().numpy()), atol=1e-4)


def test_boxes_show_what_lies_beside_the_bend():
    places = np.array([(7, 7, 4), (2, 4, 8)])
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    for bend in some_bends(5, seed=3):
        offsets = places + np.array([ALONG[0], OUTWARD[0], ACROSS[0]])
        blobs = bend[1].numpy() + offsets @ own_frame(bend.double().numpy())
        volume = np.array([np.exp(-((grid - blob) ** 2).sum(-1) / 4) for blob in blobs], np.float32)
        box = cut_boxes(torch.from_numpy(volume), bend[None])[0].numpy()
        for channel, place in enumerate(places):
            assert np.unravel_index(box[channel].argmax(), PLANES) == tuple(place)
            assert box[channel].max() == pytest.approx(SCALES[channel], rel=0.2)


def turn(volume, points, planes):
    """Map and points, turned by 90 degrees in each of the planes; proper rotations only."""
    volume, points = volume.numpy(), points.clone()
    for p, q in planes:
        last = volume.shape[1 + q] - 1
        volume = np.rot90(volume, axes=(1 + p, 1 + q))
        points[..., p], points[..., q] = last - points[..., q], points[..., p].clone()
    return torch.from_numpy(volume.copy()), points


@pytest.mark.parametrize("planes", [[(0, 1)], [(1, 2)], [(0, 2)], [(0, 1), (0, 1)], [(0, 1), (1, 2)]], ids=str)
def test_boxes_turn_with_the_map(planes):
    volume, bends = random_volume(), some_bends(4)
    found = cut_boxes(*turn(volume, bends, planes))
    torch.testing.assert_close(found, cut_boxes(volume, bends), atol=1e-4, rtol=0)


def test_boxes_of_the_other_hand_are_mirrored():
    volume, bends = random_volume(), some_bends(4)
    mirrored = bends.clone()
    mirrored[..., 0] = SHAPE[0] - 1 - bends[..., 0]
    found, own = cut_boxes(volume.flip(1), mirrored), cut_boxes(volume, bends)
    torch.testing.assert_close(found, own.flip(-1), atol=1e-4, rtol=0)
    assert (found - own).abs().max() > 0.1


def test_reversed_bends_look_from_the_other_end():
    volume, bends = random_volume(), some_bends(4)
    found, own = cut_boxes(volume, bends.flip(1)), cut_boxes(volume, bends)
    torch.testing.assert_close(found, own.flip(2).flip(4), atol=1e-4, rtol=0)
    assert (found - own).abs().max() > 0.1


def test_nothing_is_outside_of_the_map():
    volume = torch.ones(2, *SHAPE)
    assert not cut_boxes(volume, some_bends(3, middle=(60, 13, 11))).any()
    assert not cut_boxes(volume, some_bends(3, middle=(12, 13, -40))).any()


def test_distances_of_a_bend():
    bend = torch.tensor([[[0.0, 0, 0], [3.0, 4.0, 0], [3.0, 4.0, 12.0]]])
    np.testing.assert_allclose(bend_distances(bend), [[1.2, 8.2, 9.2]], atol=1e-6)


def test_types_that_were_never_read_are_possible():
    found = log_types(torch.tensor([0.0, 0.5]))
    np.testing.assert_allclose(found, np.log([LEAST_TYPE, 0.5]), rtol=1e-6)


def test_before_training_the_first_look_counts_alone():
    network = BendNetwork(BendConfig(width=4, hidden=8))
    torch.nn.init.zeros_(network.head.bias)
    torch.nn.init.zeros_(network.trusted.bias)
    positions, types, triples = candidates(9)
    read = read_bends(network, random_volume(), positions, types.clamp(min=LEAST_TYPE), triples)
    torch.testing.assert_close(read.amino, types[triples[:, 1]], atol=1e-3, rtol=0)
    torch.testing.assert_close(read.forward, torch.full((len(triples),), -np.log(2), dtype=torch.float32))
    assert not read.shift.any(), "and candidates stay where they are"


def test_what_is_read_is_what_the_network_says():
    network, volume = make_network().train(), random_volume()
    positions, types, triples = candidates(9)
    read = read_bends(network, volume, positions, types, triples)
    bends = positions[triples]
    with torch.no_grad():
        said = network.eval()(cut_boxes(volume, bends), types[triples[:, 1]].log(), bend_distances(bends))
    amino, course, shift = said
    forward, backward, wrong = course.softmax(1).unbind(1)
    torch.testing.assert_close(read.forward, (forward / (backward + wrong)).log(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(read.amino, amino.softmax(1), atol=1e-5, rtol=1e-4)
    for way, found, bend in zip(shift, read.shift, bends, strict=True):
        np.testing.assert_allclose(found, way.numpy() @ own_frame(bend.double().numpy()), atol=1e-3)
    assert shift.std() > 0.05
    assert read.forward.std() > 0.05
    assert read.amino.std(0).max() > 0.01


def test_batches_change_nothing_and_are_told(monkeypatch):
    network, volume = make_network(), random_volume()
    given = candidates(9)
    whole = read_bends(network, volume, *given)
    monkeypatch.setattr(looking, "AT_ONCE", 4)
    told = []
    parts = read_bends(network, volume, *given, told=lambda *counts: told.append(counts))
    assert told == [(4, 11), (8, 11), (11, 11)]
    for part, expected in zip(parts, whole, strict=True):
        torch.testing.assert_close(part, expected, atol=1e-5, rtol=1e-4)


def test_no_bends_are_read_as_nothing():
    positions, types, triples = candidates(9)
    told = []
    read = read_bends(
        make_network(), random_volume(), positions, types, triples[:0], lambda *counts: told.append(counts)
    )
    assert [part.shape for part in read] == [(0, 20), (0,), (0, 3)]
    assert not told


def test_the_order_of_a_bend_counts():
    network, volume = make_network(), random_volume()
    positions, types, triples = candidates(9)
    forward, backward = (read_bends(network, volume, positions, types, t) for t in (triples, triples.flip(1)))
    assert (forward.forward - backward.forward).abs().min() > 1e-4
    assert (forward.amino - backward.amino).abs().amax(1).min() > 1e-4
