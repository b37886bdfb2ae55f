"""Importing the published checkpoints: which branch comes from where, and wrong files."""

import re

import pytest
import torch

from emodelx.errors import WeightsError
from emodelx.network.published import BRANCHES, assemble_published, import_published, read_checkpoint
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import load_weights, read_info

TASKS = ("backbone", "calpha", "amino")


def published_name(branch, name):
    """Name of one of our parameters in a published checkpoint."""
    prefix = BRANCHES[branch][1]
    name = re.sub(r"^head\.", "final_conv.", name)
    name = re.sub(r"^ups\.(\d+)\.", r"decoders.\1.upsampling.upsample.", name)
    name = re.sub(r"\.unit(\d)\.0\.", r".basic_module.conv\1.groupnorm.", name)
    name = re.sub(r"\.unit(\d)\.1\.", r".basic_module.conv\1.conv.", name)
    return f"{prefix}_{name}"


def write_checkpoint(path, seed, widths=(8, 16)):
    """A checkpoint of the published layout with random values; returns them."""
    torch.manual_seed(seed)
    network = build_network(NetworkConfig.published(widths))
    state = {}
    for name, tensor in network.state_dict().items():
        branch, _, rest = name.partition(".")
        if branch in TASKS:
            state[published_name(branch, rest)] = torch.randn_like(tensor)
    torch.save(state, path)
    return state


@pytest.fixture
def checkpoints(tmp_path):
    paths = {task: tmp_path / f"{task}.ckpt" for task in TASKS}
    states = {task: write_checkpoint(path, seed) for seed, (task, path) in enumerate(paths.items())}
    return paths, states


def test_each_branch_comes_from_its_checkpoint(checkpoints):
    paths, states = checkpoints
    ours = assemble_published(paths).state_dict()
    for branch, (task, _) in BRANCHES.items():
        names = [name for name in ours if name.split(".")[0] == branch]
        assert len(names) == 31
        for name in names:
            theirs = states[task][published_name(branch, name.partition(".")[2])]
            assert torch.equal(ours[name], theirs), name


def test_the_file_tells_how_it_wants_to_be_used(checkpoints, tmp_path):
    paths, _ = checkpoints
    import_published(*paths.values(), tmp_path / "out.safetensors")
    network, info = load_weights(tmp_path / "out.safetensors")
    assert read_info(tmp_path / "out.safetensors") == info
    assert info.network == NetworkConfig.published((8, 16))
    assert (info.normalisation.name, info.window, info.calpha_threshold) == ("published", 64, 0.35)
    for name, tensor in assemble_published(paths).state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])


def damaged(tmp_path, checkpoints, kind):
    """A file that is no published checkpoint."""
    path = tmp_path / f"{kind}.ckpt"
    whole = checkpoints[0]["calpha"]
    if kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "empty":
        path.touch()
    elif kind == "truncated":
        path.write_bytes(whole.read_bytes()[:5000])
    elif kind == "object":
        torch.save({"BB_final_conv.weight": re.compile("code")}, path)
    elif kind == "tensor":
        torch.save(torch.zeros(3), path)
    elif kind == "other network":
        torch.save({"conv.weight": torch.zeros(3)}, path)
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated", "object", "tensor", "other network"])
def test_files_that_are_no_checkpoints_are_refused(checkpoints, tmp_path, kind):
    with pytest.raises(WeightsError, match=f"{kind}.ckpt") as caught:
        read_checkpoint(damaged(tmp_path, checkpoints, kind))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("change", ["width", "missing parameter"])
def test_checkpoints_of_different_networks_are_refused(checkpoints, tmp_path, change):
    paths, states = checkpoints
    if change == "width":
        write_checkpoint(paths["amino"], 3, widths=(8, 32))
    else:
        del states["calpha"]["CA_encoders.1.basic_module.conv2.conv.weight"]
        torch.save(states["calpha"], paths["calpha"])
    with pytest.raises(WeightsError, match="not checkpoints of one published network"):
        import_published(*paths.values(), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
