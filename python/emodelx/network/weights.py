"""Weights files: ``.safetensors`` that carry their own configuration.

The metadata key ``emodelx`` holds a JSON object with everything that reading a map needs (:class:`WeightsInfo`), so
that the program never guesses. Whatever the stored precision, tensors are computed in float32. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from emodelx.constants import AMINO_ACIDS
from emodelx.errors import WeightsError
from emodelx.network.bends import BendConfig, BendNetwork
from emodelx.network.normalise import NormalisationRule
from emodelx.network.nucleic import NucleicNetwork
from emodelx.network.unet import Cascade, NetworkConfig, Trunk, build_network
from emodelx.records import VoxelOdds

FORMAT_VERSION = 1
METADATA_KEY = "emodelx"
ENVIRONMENT_VARIABLE = "EMODELX_WEIGHTS"
DEFAULT_NAME = "default"
PACKAGED = Path(__file__).parent.parent / "weights"
BENDS, NUCLEIC = "bends.", "nucleic."
"""Tensors of the second network, and of the one that tells nucleic acids from protein, begin so."""


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file says about itself.

    Attributes
    ----------
    network
        Shape of the network.
    normalisation
        Rule that the map goes through before the network.
    window
        Edge in voxels of the windows that the map is read in.
    calpha_threshold
        Calpha probability from which a voxel proposes a candidate.
    temperature
        Divides the amino-acid logits.
    amino_order
        One-letter codes in the order of the amino-acid classes.
    version
        Of this file format.
    training
        Free record of how the weights were made (data, settings, figures).
    bends
        Shape of the second network, which looks at bends; None where the file has none.
    nucleic
        Shape of the network that tells nucleic acids from protein; None where the file has none.
    odds
        What the probabilities of voxels mean; None where nobody measured it.
    """

    network: NetworkConfig
    normalisation: NormalisationRule
    window: int = 64
    calpha_threshold: float = 0.35
    temperature: float = 1.0
    amino_order: str = AMINO_ACIDS
    version: int = FORMAT_VERSION
    training: dict[str, Any] = field(default_factory=dict)
    bends: BendConfig | None = None
    nucleic: NetworkConfig | None = None
    odds: VoxelOdds | None = None

    def to_json(self) -> str:
        """Return the metadata as stored in the file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WeightsInfo:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError, TypeError, KeyError
            When the text is not such an object.
        """
        fields = json.loads(text)
        network = NetworkConfig.from_fields(fields.pop("network"))
        bends = fields.pop("bends", None)
        fields["bends"] = None if bends is None else BendConfig(**bends)
        nucleic = fields.pop("nucleic", None)
        fields["nucleic"] = None if nucleic is None else NetworkConfig.from_fields(nucleic)
        odds = fields.pop("odds", None)
        fields["odds"] = None if odds is None else VoxelOdds(**{name: tuple(pair) for name, pair in odds.items()})
        return cls(network, NormalisationRule(**fields.pop("normalisation")), **fields)


def find_weights(name: str | Path | None = None) -> Path:
    """Return the weights file that a run uses.

    Parameters
    ----------
    name
        A file, or the name of packaged weights. None: the file in ``$EMODELX_WEIGHTS``, else the packaged default.

    Raises
    ------
    WeightsError
        When there is no such file.
    """
    wanted = str(name or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_NAME)
    packaged = PACKAGED / f"{wanted}.safetensors"
    if packaged.is_file() and not Path(wanted).suffix:
        return packaged
    if not Path(wanted).is_file():
        known = ", ".join(path.stem for path in packaged_weights()) or "none"
        raise WeightsError(
            f"no weights file '{wanted}'; give a .safetensors file or one of the packaged names ({known})"
        )
    return Path(wanted)


def packaged_weights() -> list[Path]:
    """Return the weights files inside the package, by name."""
    return sorted(PACKAGED.glob("*.safetensors"))


def save_weights(
    path: Path,
    network: Trunk | Cascade,
    info: WeightsInfo,
    precision: torch.dtype = torch.float16,
    bends: BendNetwork | None = None,
    nucleic: NucleicNetwork | None = None,
) -> None:
    """Write a network with its configuration.

    Parameters
    ----------
    path
        The new file.
    network
        Its parameters and running statistics are stored.
    info
        Goes into the metadata.
    precision
        Of the stored tensors; half is enough for weights that we train.
    bends
        The second network, trained on what this one reads.
    nucleic
        The network that tells nucleic acids from protein.

    Raises
    ------
    WeightsError
        When a value does not fit the precision.
    """
    values = network.state_dict() | _prefixed(BENDS, bends) | _prefixed(NUCLEIC, nucleic)
    info = replace(info, bends=bends and bends.config, nucleic=nucleic and nucleic.config)
    tensors = {name: _stored(name, tensor, precision) for name, tensor in values.items()}
    save_file(tensors, path, metadata={METADATA_KEY: info.to_json()})


def _prefixed(prefix: str, network: nn.Module | None) -> dict[str, Tensor]:
    return {} if network is None else {prefix + name: tensor for name, tensor in network.state_dict().items()}


def _stored(name: str, tensor: Tensor, precision: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor.contiguous()
    stored = tensor.to(precision).contiguous()
    if not stored.isfinite().all():
        raise WeightsError(f"{name} holds values that {precision} cannot store; the training has diverged")
    return stored


def read_info(path: Path) -> WeightsInfo:
    """Read the configuration of a weights file without its tensors.

    Raises
    ------
    WeightsError
        Missing file, not safetensors or cut short, not ours, or of another version.
    """
    metadata = _read_metadata(path)
    if METADATA_KEY not in metadata:
        raise WeightsError(f"{path} is not an emodelx weights file; make one with 'emodelx weights import'")
    version = _version_of(path, metadata[METADATA_KEY])
    if version != FORMAT_VERSION:
        raise WeightsError(f"{path} has weights format {version}, this program reads {FORMAT_VERSION}; update emodelx")
    try:
        return WeightsInfo.from_json(metadata[METADATA_KEY])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{path} has a damaged configuration ({error}); get the file again") from error


def _version_of(path: Path, text: str) -> Any:  # noqa: ANN401 - whatever the file says
    try:
        return json.loads(text).get("version")
    except (ValueError, AttributeError) as error:
        raise WeightsError(f"{path} has a damaged configuration ({error}); get the file again") from error


def _read_metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise WeightsError(f"no weights file '{path}'; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole .safetensors file ({error}); get the file again") from error


def load_weights(path: Path) -> tuple[Trunk | Cascade, WeightsInfo]:
    """Read a network, float32 on the CPU and ready to predict, with its configuration.

    Raises
    ------
    WeightsError
        As :func:`read_info`, or when the tensors do not fit the configuration.
    """
    info = read_info(path)
    network = build_network(info.network)
    own = {name: tensor for name, tensor in _tensors(path).items() if not name.startswith((BENDS, NUCLEIC))}
    _fill(network, own, path)
    return network, info


def load_bends(path: Path) -> BendNetwork | None:
    """Read the second network, float32 on the CPU and ready to predict; None where the file has none.

    Raises
    ------
    WeightsError
        As :func:`load_weights`.
    """
    info = read_info(path)
    if info.bends is None:
        return None
    network = BendNetwork(info.bends)
    _fill(network, _without_prefix(BENDS, path), path)
    return network


def load_nucleic(path: Path) -> NucleicNetwork | None:
    """Read the network that tells nucleic acids from protein, as :func:`load_bends` does; None where there is none.

    Raises
    ------
    WeightsError
        As :func:`load_weights`.
    """
    info = read_info(path)
    if info.nucleic is None:
        return None
    network = NucleicNetwork(info.nucleic)
    _fill(network, _without_prefix(NUCLEIC, path), path)
    return network


def _without_prefix(prefix: str, path: Path) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in _tensors(path).items() if name.startswith(prefix)}


def _tensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def _fill(network: nn.Module, stored: dict[str, Tensor], path: Path) -> None:
    """Give a network its tensors."""
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ stored.keys())
    wrong += [name for name in expected if name in stored and expected[name].shape != stored[name].shape]
    if wrong:
        raise WeightsError(f"{path} does not fit its own network configuration ({wrong[0]}); get the file again")
    network.load_state_dict(stored)
    network.eval()


def verify_weights(path: Path) -> WeightsInfo:
    """Read a weights file completely and check that every value is finite.

    Raises
    ------
    WeightsError
        As :func:`load_weights`, or when a value is not finite.
    """
    _, info = load_weights(path)
    load_bends(path)
    load_nucleic(path)
    for name, tensor in _tensors(path).items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} holds values that are not finite ({name}); get the file again")
    return info
