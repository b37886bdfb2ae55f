"""The published network in our own weights file.

It comes as three checkpoints, trained one per task; each holds the branches of all three tasks, of which one is used:
the backbone branch of the first, and the Calpha and amino-acid branches of the others, each behind the backbone branch
of its own checkpoint.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import torch
from torch import Tensor

from emodelx.errors import WeightsError
from emodelx.io.files import replacing
from emodelx.network.normalise import PUBLISHED
from emodelx.network.unet import Cascade, NetworkConfig, Trunk, build_network
from emodelx.network.weights import WeightsInfo, save_weights

State = dict[str, Tensor]

BRANCHES = {
    "backbone": ("backbone", "BB"),
    "calpha_context": ("calpha", "BB"),
    "calpha": ("calpha", "CA"),
    "amino_context": ("amino", "BB"),
    "amino": ("amino", "AA"),
}
"""For each branch of ours: which checkpoint, and the prefix of its parameters there."""

RENAMED = (
    (r"^final_conv\.", "head."),
    (r"^decoders\.(\d+)\.upsampling\.upsample\.", r"ups.\1."),
    (r"\.basic_module\.conv(\d)\.groupnorm\.", r".unit\1.0."),
    (r"\.basic_module\.conv(\d)\.conv\.", r".unit\1.1."),
)
"""From the published parameter names to ours."""


def import_published(backbone: Path, calpha: Path, amino: Path, output: Path) -> WeightsInfo:
    """Write the published network as one weights file of ours.

    Parameters
    ----------
    backbone, calpha, amino : Path
        The published checkpoints of the three tasks.
    output : Path
        The new file, ``.safetensors``; float32, so that it computes what the checkpoints compute.

    Raises
    ------
    WeightsError
        When a checkpoint is missing, no checkpoint, or not of the published layout.
    """
    network = assemble_published({"backbone": backbone, "calpha": calpha, "amino": amino})
    info = WeightsInfo(network.config, PUBLISHED, window=64, calpha_threshold=0.35, training={"source": "published"})
    with replacing(output) as part:
        save_weights(part, network, info, torch.float32)
    return info


def assemble_published(checkpoints: dict[str, Path]) -> Trunk | Cascade:
    """Build the network of three published checkpoints.

    Parameters
    ----------
    checkpoints : dict
        Files of ``backbone``, ``calpha`` and ``amino``.

    Raises
    ------
    WeightsError
        As :func:`import_published`.
    """
    states = {task: read_checkpoint(path) for task, path in checkpoints.items()}
    network = build_network(NetworkConfig.published(_widths(states["backbone"])))
    state = {
        f"{branch}.{_our_name(name.removeprefix(prefix + '_'))}": tensor
        for branch, (task, prefix) in BRANCHES.items()
        for name, tensor in states[task].items()
        if name.startswith(prefix)
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        files = ", ".join(str(path) for path in checkpoints.values())
        detail = str(error).splitlines()[1].strip()
        raise WeightsError(f"{files} are not checkpoints of one published network: {detail}") from error
    return network.eval()


def read_checkpoint(path: Path) -> State:
    """Read the parameters of one checkpoint; nothing in the file is executed.

    Raises
    ------
    WeightsError
        When the file is missing or holds anything but named tensors of the published layout.
    """
    if not path.is_file():
        raise WeightsError(f"no checkpoint '{path}'; check the path")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, OSError) as error:
        raise WeightsError(f"{path} is not a whole PyTorch checkpoint; get the file again") from error
    heads = {f"{prefix}_final_conv.weight" for _, prefix in BRANCHES.values()}
    if not isinstance(state, dict) or not heads <= state.keys():
        raise WeightsError(
            f"{path} is no checkpoint of the published network; give its BB, CA and AA files in this order"
        )
    return state


def _widths(state: State) -> tuple[int, ...]:
    """Channels per level, from the first convolution of every encoder."""
    pattern = re.compile(r"BB_encoders\.\d+\.basic_module\.conv1\.conv\.weight")
    return tuple(tensor.shape[0] for name, tensor in state.items() if pattern.fullmatch(name))


def _our_name(name: str) -> str:
    for pattern, ours in RENAMED:
        name = re.sub(pattern, ours, name)
    return name
