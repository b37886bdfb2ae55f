"""Orientations of a window: proper, different, undone exactly, averaged."""

import numpy as np
import pytest
import torch

from emodelx.network.orientations import ALL, orientations, read_in
from emodelx.network.unet import Reading


def matrix(orientation):
    """Where a turned grid has its points: from the values of three ramps."""
    ramps = torch.stack(torch.meshgrid(*[torch.arange(5) - 2] * 3, indexing="ij")).float()
    turned = orientation.turn(ramps)
    centre = np.full(3, 2 + orientation.step)
    return np.array([[float(turned[i][tuple(centre + one)]) for one in np.eye(3, dtype=int)] for i in range(3)])


def test_all_are_different_rotations_and_the_first_is_none():
    matrices = [matrix(orientation) for orientation in orientations(ALL)]
    assert (matrices[0] == np.eye(3)).all()
    assert len({m.tobytes() for m in matrices}) == ALL
    for m in matrices:
        assert (m @ m.T == np.eye(3)).all()
        assert np.linalg.det(m) == pytest.approx(1)


def test_few_are_the_first_of_all_and_every_other_pair_is_one_voxel_along():
    assert orientations(5) == orientations(ALL)[:5]
    assert [orientation.step for orientation in orientations(6)] == [0, 0, 1, 1, 0, 0]
    volume = torch.rand(4, 4, 4)
    third = orientations(3)[2]
    unmoved = type(third)(third.axes, third.reversed_axes)
    assert torch.equal(third.turn(volume)[1:, 1:, 1:], unmoved.turn(volume)[:-1, :-1, :-1])


@pytest.mark.parametrize("orientation", orientations(ALL))
def test_turning_back_undoes_turning(orientation):
    volume = torch.rand(2, 3, 4, 5, 6)
    assert torch.equal(orientation.turn_back(orientation.turn(volume)), volume)


def read_as_it_lies(windows):
    """Says of every voxel what it holds, and of the types how far along the first axis it lies: that turns with it."""
    ramp = torch.linspace(0, 1, windows.shape[-3])[:, None, None].expand(windows.shape[-3:])
    return Reading(windows[:, 0], windows[:, 0] ** 2, ramp.expand(len(windows), 20, -1, -1, -1))


def test_readings_come_back_in_place_and_are_averaged():
    windows = torch.rand(2, 1, 6, 6, 6)
    around = orientations(7)
    found = read_in(around, read_as_it_lies, windows)
    torch.testing.assert_close(found.backbone, windows[:, 0])
    torch.testing.assert_close(found.calpha, windows[:, 0] ** 2)
    ramps = [orientation.turn_back(read_as_it_lies(windows).amino) for orientation in around]
    torch.testing.assert_close(found.amino, torch.stack(ramps).mean(0))
    assert float(found.amino.std()) > 0.05
