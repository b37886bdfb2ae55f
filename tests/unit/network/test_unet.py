"""The network: shapes, folding, cascade, the published layout."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.network.unet import Logits, NetworkConfig, build_network, fold_voxels, read_logits, unfold_voxels

TINY = NetworkConfig(widths=(4, 6, 8))


def slow_fold(x, edge):
    """Twin of fold_voxels: one voxel at a time."""
    batch, channels, *size = x.shape
    out = np.zeros((batch, channels * edge**3, *(n // edge for n in size)), x.dtype)
    for b, c, i, j, k in np.ndindex(x.shape):
        corner = ((i % edge) * edge + j % edge) * edge + k % edge
        out[b, c * edge**3 + corner, i // edge, j // edge, k // edge] = x[b, c, i, j, k]
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), st.tuples(*[st.integers(1, 3)] * 3))
def test_folding_is_its_slow_twin_and_unfolding_undoes_it(edge, channels, size):
    x = np.random.default_rng(1).random((2, channels, *(n * edge for n in size)), np.float32)
    folded = fold_voxels(torch.from_numpy(x), edge)
    np.testing.assert_array_equal(folded.numpy(), slow_fold(x, edge))
    np.testing.assert_array_equal(unfold_voxels(folded, edge).numpy(), x)


@pytest.mark.parametrize(
    "config",
    [
        TINY,
        NetworkConfig(
            widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,), fold=1, cascade=True, masked_class=True
        ),
    ],
)
def test_forward_keeps_every_edge_of_an_oblong_window(config):
    size = tuple(config.window_multiple * k for k in (1, 2, 3))
    logits = build_network(config)(torch.rand(2, 1, *size))
    assert [tuple(volume.shape) for volume in logits] == [(2, n, *size) for n in config.classes]


def test_classes_with_and_without_the_masked_class():
    assert NetworkConfig().classes == (3, 3, 20)
    assert NetworkConfig.published().classes == (4, 4, 21)


def test_block_counts_must_fit_the_levels():
    with pytest.raises(ValueError, match="3 widths need 3 encoder and 2 decoder"):
        NetworkConfig(encoder_blocks=(1, 1))


def test_configuration_survives_json_lists():
    fields = {"widths": [4, 6], "encoder_blocks": [1, 1], "decoder_blocks": [2]}
    assert NetworkConfig.from_fields(fields).widths == (4, 6)


def test_calpha_branch_of_a_cascade_depends_on_its_context():
    config = NetworkConfig.published((8, 16))
    network = build_network(config).eval()
    x = torch.rand(1, 1, 8, 8, 8)
    before = network(x)
    with torch.no_grad():
        network.calpha_context.head.bias[3] += 5
    after = network(x)
    assert torch.equal(before.backbone, after.backbone)
    assert torch.equal(before.amino, after.amino)
    assert not torch.allclose(before.calpha, after.calpha)


def test_reading_drops_the_masked_class():
    calpha = torch.tensor([0.0, 50.0, 0.0, 0.0]).view(1, 4, 1, 1, 1)  # all the weight on the masked class
    amino = torch.cat([torch.tensor([50.0]), torch.zeros(20)]).view(1, 21, 1, 1, 1)
    reading = read_logits(Logits(calpha, calpha, amino), NetworkConfig.published())
    assert reading.calpha.item() == pytest.approx(1 / 3)
    assert reading.amino.flatten().tolist() == pytest.approx([0.05] * 20)


def test_temperature_flattens_amino_acids_only():
    logits = Logits(*(torch.randn(1, n, 2, 2, 2) for n in (3, 3, 20)))
    cold, hot = read_logits(logits, NetworkConfig(), 1.0), read_logits(logits, NetworkConfig(), 5.0)
    assert torch.equal(cold.calpha, hot.calpha)
    assert (hot.amino.amax(1) < cold.amino.amax(1)).all()
    assert torch.allclose(hot.amino.sum(1), torch.ones(1, 2, 2, 2))


def test_published_layout_has_as_many_parameters_as_published():
    config = NetworkConfig.published()
    with torch.device("meta"):
        network = build_network(config)
    branches = (network.backbone, network.calpha, network.amino)
    assert sum(p.numel() for branch in branches for p in branch.parameters()) == 105_954_835
