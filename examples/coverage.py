"""Build a model and print how much of every chain is in it.

Usage: python coverage.py MAP FASTA OUTPUT
"""

import sys
from pathlib import Path

from emodelx import BuildConfig, build


def main(arguments: list[str]) -> None:
    """Build, then print a line per chain."""
    if len(arguments) != 3:
        sys.exit(__doc__)
    map_file, fasta, output = map(Path, arguments)
    result = build(BuildConfig(map=map_file, fasta=fasta, output=output))
    for chain in result.report.chains:
        share = chain.built / chain.length
        print(f"{chain.chain} ({chain.sequence}): {share:.0%} built, mean confidence {chain.mean_confidence:.0f}")
    print(f"model: {result.files.model}")


if __name__ == "__main__":
    main(sys.argv[1:])
