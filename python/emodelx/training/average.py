"""Average two weights files of one network: ``python -m emodelx.training.average START END SHARE OUT.safetensors``.

Between the start and the end of a run that continued with other simulated maps lie networks that read real maps better
than the end does (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from emodelx.errors import EmodelxError, InputError
from emodelx.network.weights import WeightsInfo, load_weights, save_weights


def average(start: Path, end: Path, share: float, out: Path) -> WeightsInfo:
    """Write ``(1 - share) start + share end``, with the Calpha threshold, temperature, odds and window of `start`.

    Parameters
    ----------
    start, end
        Weights files of the same network, of which one was trained from the other.
    share
        Of `end`, between 0 and 1.
    out
        Weights file to write; its training record holds those of both.

    Raises
    ------
    InputError
        When the files are of different networks, or `share` is no share.
    WeightsError
        When a file cannot be used.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share {share:g}: give a number between 0 and 1")
    (network, info), (other, other_info) = load_weights(start), load_weights(end)
    if (info.network, info.normalisation) != (other_info.network, other_info.normalisation):
        raise InputError(f"{end}: not the network of {start}; only weights of one network can be averaged")
    theirs = other.state_dict()
    own = network.state_dict()
    mixed = {name: own[name].float().lerp(theirs[name].float(), share).to(own[name].dtype) for name in own}
    network.load_state_dict(mixed)
    record = {"share_of_end": share, "start": info.training, "end": other_info.training}
    info = replace(info, training=record, bends=None)  # a second network was trained on what one of the two reads
    save_weights(out, network, info)
    return info


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    try:
        start, end, share, out = arguments
        part = float(share)
    except ValueError:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        average(Path(start), Path(end), part, Path(out))
    except EmodelxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
