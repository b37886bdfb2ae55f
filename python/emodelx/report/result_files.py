"""The files that a build writes: written aside, then moved under their final names, the model last."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ResultFiles:
    """Paths of the results in a folder."""

    folder: Path
    name: str

    @property
    def model(self) -> Path:
        """The model; it is there only when the run is complete."""
        return self.folder / f"{self.name}.cif"

    @property
    def pdb(self) -> Path:
        """The same as PDB, where asked for and where it fits."""
        return self.folder / f"{self.name}.pdb"

    @property
    def initial(self) -> Path:
        """The part of high confidence; absent when there is none."""
        return self.folder / f"{self.name}_init.cif"

    @property
    def uncertain(self) -> Path:
        """The residues that are kept apart from the model; absent when there are none."""
        return self.folder / f"{self.name}_uncertain.cif"

    @property
    def unexplained(self) -> Path:
        """Chains that the sequences do not explain; absent when there are none."""
        return self.folder / f"{self.name}_unexplained.cif"

    @property
    def residues(self) -> Path:
        """Table of the built residues."""
        return self.folder / "residues.csv"

    @property
    def report(self) -> Path:
        """Facts of the run for programs."""
        return self.folder / "report.json"

    @property
    def page(self) -> Path:
        """Facts of the run for people."""
        return self.folder / "report.html"

    @property
    def viewer(self) -> Path:
        """ChimeraX script."""
        return self.folder / f"{self.name}.cxc"

    @property
    def unmodelled(self) -> Path:
        """What was not built."""
        return self.folder / "unmodelled.fasta"

    @property
    def profiles(self) -> Path:
        """Folder of the profiles of chains that were traced without sequences."""
        return self.folder / "hmm_profiles"

    def all(self) -> tuple[Path, ...]:
        """Return every path, the model last."""
        tables = (self.residues, self.report, self.page, self.viewer, self.unmodelled, self.profiles)
        return (self.pdb, self.initial, self.uncertain, self.unexplained, *tables, self.model)

    def remove(self) -> None:
        """Remove the results of an earlier run, the model first."""
        for path in reversed(self.all()):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def draft(self, folder: Path) -> "ResultFiles":
        """Return the same files in a fresh folder, to be written there first."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return ResultFiles(folder, self.name)

    def move_to(self, target: "ResultFiles") -> None:
        """Move what was written to the paths of `target`, the model last."""
        for source, final in zip(self.all(), target.all(), strict=True):
            if source.exists():
                source.replace(final)
        shutil.rmtree(self.folder)
