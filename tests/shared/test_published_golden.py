"""The importer against outputs that the published program's own module computed."""

import numpy as np
import pytest
import torch

from emodelx.network.published import import_published
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import load_weights

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden"


def test_an_imported_file_computes_what_the_published_program_computes(golden, tmp_path):
    checkpoint = golden / "published_layout_small.ckpt"
    import_published(checkpoint, checkpoint, checkpoint, tmp_path / "small.safetensors")
    network, info = load_weights(tmp_path / "small.safetensors")
    expected = np.load(golden / "published_layout_small.npz")
    with torch.inference_mode():
        logits = network(torch.from_numpy(expected["x"]))
    for ours, theirs in zip(logits, ("bb", "ca", "aa"), strict=True):
        assert np.abs(ours.numpy() - expected[theirs]).max() < 1e-5
        assert np.abs(expected[theirs]).max() > 0.1
    assert info.normalisation.name == "published"


def test_the_full_network_has_the_published_number_and_shapes_of_parameters(golden):
    lines = (golden / "published_layout_full_keys.txt").read_text().splitlines()
    shapes = dict(line.split("\t") for line in lines)
    with torch.device("meta"):
        network = build_network(NetworkConfig.published())
    used = ("backbone", "calpha", "amino")  # the branches that one checkpoint holds
    ours = sorted(tuple(p.shape) for name, p in network.named_parameters() if name.split(".")[0] in used)
    theirs = sorted(tuple(int(n) for n in shape.strip("()").split(",") if n.strip()) for shape in shapes.values())
    assert ours == theirs
    assert sum(int(np.prod(shape)) for shape in ours) == 105_954_835
