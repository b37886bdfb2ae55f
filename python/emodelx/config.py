"""One frozen configuration per stage; every field has its unit, and its default a source.

"paper" is EModelX, Nature Communications 2024; "published code" is its authors' program.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from emodelx.errors import InputError

RESOLUTION_RANGE = (0.5, 20.0)
"""Angstrom; beyond these an option is a typing error."""
AUTO = "auto"
"""Given instead of a point group: whatever is found."""
LARGEST_ORDER = 20
"""Of an axis; the turns of finer ones are not told apart."""


class Engine(str, Enum):
    """What refines."""

    BUILTIN = "builtin"
    OPENMM = "openmm"
    PHENIX = "phenix"
    SERVALCAT = "servalcat"
    NONE = "none"


class Column(str, Enum):
    """What the B-factor column of a built model holds."""

    CONFIDENCE = "confidence"
    ADP = "adp"


@dataclass(frozen=True)
class ReadingConfig:
    """Reading a map with the network."""

    overlap: float = 0.25
    """Part of a window that its neighbour covers too (published code)."""
    empty: float = 0.1
    """Windows whose density, averaged over 4 A, stays below this part of full scale are not read."""
    batch: int | None = None
    """Windows that go through the network together; None takes what suits the device."""
    orientations: int = 4
    """In how many orientations every window is read (1 to 24); the mean counts."""
    type_floor: float = 0.1
    """Amino-acid types are kept around voxels whose Calpha probability is above it: elsewhere nothing asks for them."""


@dataclass(frozen=True)
class CandidateConfig:
    """Proposing Calpha candidates."""

    threshold: float | None = None
    """Lowest Calpha probability; None takes the one of the weights, or the paper's 0.35."""
    cluster_eps: float = 10.0
    """DBSCAN radius in Angstrom (paper)."""
    cluster_min_samples: int = 10
    """DBSCAN core size in voxels."""
    nms_radius: float = 1.75
    """A candidate is the highest voxel within this many Angstrom: of 3 x 3 x 3 voxels, as in the paper. The published
    code takes the best voxel and drops all within 3 A, which lets shoulders of wide peaks through. Larger radii lose
    residues on weak maps (2.3 A: a tenth of the register of EMD-5778), and gain a little precision of candidates."""


@dataclass(frozen=True)
class LinkConfig:
    """Connection likelihood H, eq. 22-24."""

    min_distance: float = 2.0
    """Angstrom (paper)."""
    max_distance: float = 6.0
    """Angstrom (paper)."""


@dataclass(frozen=True)
class TraceConfig:
    """n-hop trace sampling, eq. 25."""

    hops: int = 6
    """Longest hop (paper)."""
    neighbours: int = 2
    """Best links followed from each candidate (published code)."""
    floor: float = 0.1
    """Smallest factor of a product of likelihoods (published code)."""


@dataclass(frozen=True)
class TemplateConfig:
    """Predicted structures and homologues."""

    files: tuple[Path, ...] = ()
    """Files and folders of them."""
    least_identity: float = 0.9
    """Share of equal residues below which a template does not belong to a sequence."""
    least_plddt: float = 50.0
    """Residues with less are taken for disordered."""
    sure_plddt: float = 70.0
    """Residues with less make way for what a map shows between the others, where the template is found in it."""
    least_score: float = 25.0
    """Lowest log-odds of a piece of a template placed in the map."""
    least_types: float = 4.0
    """Standard deviations by which the types along a piece must fit better than with the sequence shifted."""
    least_support: float = 0.45
    """Lowest main-chain probability, against that of the rest of the model, along residues added from a template."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(map(Path, self.files)))


@dataclass(frozen=True)
class RigidConfig:
    """Rigid search for templates in the map."""

    most_read: float = 0.5
    """Share of the residues that were read, from which the templates are not searched for."""
    most_read_weak: float = 0.82
    """The same in maps of `weak` resolution and worse."""
    weak: float = 3.8
    """Angstrom; in finer maps the chain is better followed residue by residue."""
    least_residues: int = 40
    """Fewest residues of what is searched for."""
    turn: float = 0.8
    """Resolutions by which neighbouring rotations move a residue at the radius of gyration."""
    starts: int = 1500
    """Poses that are moved uphill, of each body."""
    solutions: int = 40
    """Distinct solutions that are looked at, of each body."""
    apart: float = 6.0
    """Angstrom (root mean square) between distinct solutions."""
    most_chance: float = 0.005
    """Expected number of chance solutions as good as one that counts."""
    sure_chance: float = 1e-4
    """The same for a template whose parts need no search of their own."""
    nearby: float = 1e-3
    """Share of all poses that lie near where a template has a domain to another one, rotations included."""
    most_off: float = 15.0
    """Angstrom (root mean square) that a domain may be off there."""
    hinge_chance: float = 0.02
    """Expected number of chance solutions as good as a part that is turned about a hinge."""
    stiffness_along: float = 10.0
    """Springs between residues up to three apart, against the slope of the map's details."""
    stiffness_across: float = 0.5
    """Springs between other residues that touch; they tear when stretched by more than 2 A."""
    least_right: float = 0.03
    """Lowest probability of a residue that is placed."""


@dataclass(frozen=True)
class RegistrationConfig:
    """Sequence and chain registration."""

    min_run: int = 9
    """Shortest run of matches that is kept (paper)."""
    min_match: float = 0.3
    """Lowest posterior of a match that extends a run."""
    min_mean: float = 0.65
    """Lowest mean posterior of the matches of a run."""
    rounds: int = 2
    """Rounds of alignment; the runs of one are known in the next (published code)."""

    def growth(self) -> list[tuple[int, float, float]]:
        """Return what the core asks of the runs of every round."""
        return [(self.min_run, self.min_match, self.min_mean)] * self.rounds


@dataclass(frozen=True)
class CountConfig:
    """Counting the copies of sequences where nobody says how many there are."""

    least_part: float = 0.3
    """Fewest residues of a copy, as a part of those of the fullest copy of the sequence."""
    excess: float = 1.3
    """Copies that are looked for at most, as a multiple of those that use up all candidates."""


@dataclass(frozen=True)
class PathConfig:
    """Chains without sequences."""

    least_step: float = 0.5
    """Lowest probability of a step from one candidate to the next."""
    min_length: int = 6
    """Fewest candidates of a chain; shorter ones tell no profile from chance."""


@dataclass(frozen=True)
class ThreadingConfig:
    """Gap threading, eq. 28."""

    beam: int = 60
    """Threads kept per residue, the best per candidate. The published code keeps 1,000; simulated cases come out alike
    from 30 on."""
    least_closed: float = 0.0
    """Lowest log-odds of a thread that ends at a residue already placed."""
    least_open: float = 2.0
    """Lowest log-odds of a thread that ends nowhere."""
    context: float = 0.5
    """Log-odds that one standard deviation of the neighbours' part of S counts."""


@dataclass(frozen=True)
class BridgingConfig:
    """Closing gaps without candidates."""

    least_support: float = 0.45
    """Lowest mean main-chain probability along a bridge, against that of the rest of the model. Of the residues on
    bridges with less, a fifth is right (simulated cases of seed 11; six maps), of those with 0.5 to 0.6 two thirds."""


@dataclass(frozen=True)
class RefinementRound:
    """One minimisation of a refinement; geometry counts in its standard deviations."""

    iterations: int
    map_weight: float
    """Energy per unit of the map, which is scaled so that its mean slope in the molecule is 1 per Angstrom."""
    blur: float = 0.0
    """Angstrom by which the map is blurred first; a blurred map is felt from further away."""
    ramachandran: float = 1.5
    """Energy per unit of -ln p."""
    rotamers: float = 0.3
    """Energy per unit of -ln p."""
    repulsion: float = 40.0
    """Energy per squared Angstrom of overlap, halved."""
    anchors: float = 0.0
    """Energy per squared Angstrom of a Calpha from where it was at the start, halved."""
    repairs: bool = False
    """Whether peptides are turned and rotamers changed before."""


@dataclass(frozen=True)
class RefinementConfig:
    """Real-space refinement.

    The weights were set on six `train` structures in simulated maps of 3 and 4 A; those of the last three rounds, which
    only models with poor geometry see, on EMD-2566, 5185, 5778 and 8410.
    """

    approach: tuple[RefinementRound, ...] = (
        RefinementRound(100, 20.0, blur=1.0, ramachandran=0.5, rotamers=0.05, repulsion=20.0, anchors=0.1),
        RefinementRound(100, 20.0, repairs=True),
    )
    """Rounds that bring the model into the map."""
    settling: tuple[RefinementRound, ...] = (
        RefinementRound(100, 12.0, repairs=True),
        RefinementRound(100, 6.0),
        RefinementRound(100, 3.0),
        RefinementRound(100, 4.0, ramachandran=12.0, rotamers=1.0, repulsion=80.0, repairs=True),
        RefinementRound(100, 3.0, ramachandran=6.0, rotamers=1.0, repulsion=80.0, repairs=True),
        RefinementRound(100, 3.0, ramachandran=6.0, rotamers=1.0, repulsion=80.0),
    )
    """Rounds with less and less weight on the map and more on the geometry, until that is good."""
    good_favoured: float = 97.0
    """Percent of residues in favoured Ramachandran regions that is good enough."""
    good_outliers: float = 0.25
    """Percent of Ramachandran outliers that is good enough."""
    good_clashscore: float = 4.0
    """Clashes per thousand atoms that are good enough."""


@dataclass(frozen=True)
class BFactorConfig:
    """Fitting one B factor per residue."""

    least: float = 1.0
    """Square Angstrom."""
    most: float = 400.0
    """Square Angstrom."""
    spread: float = 0.3
    """Standard deviation of the difference between the logarithms of neighbouring residues' B factors; planted ones in
    simulated maps come back best with 0.2 to 0.4."""
    iterations: int = 25


@dataclass(frozen=True)
class RunConfig:
    """How stages run."""

    threads: int = 0
    """Threads of the Rust core and of torch; 0 takes all that the process may use."""
    seed: int = 0
    """Seed of everything that is drawn."""
    progress: Callable[[int, int], None] | None = field(default=None, compare=False, repr=False)
    """Called as `progress(done, total)` while a stage works; hand it on to the core."""

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise InputError(f"--threads {self.threads}: give a positive number, or 0 for all that the process may use")


@dataclass(frozen=True)
class BuildConfig:
    """A whole build: inputs, output folder and the configuration of every stage.

    Raises
    ------
    InputError
        When the options contradict each other or a value is out of range.
    """

    output: Path
    """Folder of the results; its name is the name of the model."""
    fasta: Path | None = None
    no_sequence: bool = False
    """Trace chains without sequences, instead of `fasta`."""
    map: Path | None = None
    prediction: Path | None = None
    """Probabilities of `emodelx predict` or of another network; with `map`, of that map."""
    mask: Path | None = None
    weights: str | None = None
    device: str = "auto"
    resolution: float | None = None
    """Angstrom; None estimates it from the map."""
    copies: dict[str, int] = field(default_factory=dict)
    """Copies per record name where the FASTA headers do not tell."""
    symmetry: str | None = None
    """Point group (C1 to C20, D2 to D20, T, O, I), or auto; None is auto where no template is in the map."""
    resume: bool = False
    write_pdb: bool = False
    min_confidence: float = 0.0
    """Residues with less are kept apart from the model; 0 to 100."""
    refine_with: Engine = Engine.BUILTIN
    bfactor: Column = Column.CONFIDENCE
    reading: ReadingConfig = ReadingConfig()
    candidates: CandidateConfig = CandidateConfig()
    links: LinkConfig = LinkConfig()
    traces: TraceConfig = TraceConfig()
    templates: TemplateConfig = TemplateConfig()
    rigid: RigidConfig = RigidConfig()
    registration: RegistrationConfig = RegistrationConfig()
    counting: CountConfig = CountConfig()
    paths: PathConfig = PathConfig()
    threading: ThreadingConfig = ThreadingConfig()
    bridging: BridgingConfig = BridgingConfig()
    refinement: RefinementConfig = RefinementConfig()
    bfactors: BFactorConfig = BFactorConfig()
    run: RunConfig = RunConfig()

    def __post_init__(self) -> None:
        object.__setattr__(self, "refine_with", _one_of(Engine, self.refine_with, "--refine-with"))
        object.__setattr__(self, "bfactor", _one_of(Column, self.bfactor, "--bfactor"))
        for name in ("output", "fasta", "map", "prediction", "mask"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))  # plain strings are welcome
        if (self.fasta is None) != self.no_sequence:
            raise InputError("give either --fasta or --no-sequence: chains follow sequences, or are traced without")
        if self.symmetry is not None:
            object.__setattr__(self, "symmetry", group_name(self.symmetry))
        if self.no_sequence:
            self._refuse_what_needs_sequences()
        if self.map is None and self.prediction is None:
            raise InputError("give --map, --prediction, or both: a build starts from a map or from its probabilities")
        if self.bfactor is Column.ADP and (self.map is None or self.no_sequence):
            raise InputError("--bfactor adp needs --map and --fasta: B factors are fitted to all atoms in a map")
        if self.mask is not None and self.prediction is not None:
            raise InputError("--mask contradicts --prediction: a prediction was masked when it was made")
        if self.resolution is not None and not RESOLUTION_RANGE[0] <= self.resolution <= RESOLUTION_RANGE[1]:
            low, high = RESOLUTION_RANGE
            raise InputError(f"--resolution {self.resolution:g}: give Angstrom between {low:g} and {high:g}")
        if not 0 <= self.min_confidence <= 100:
            raise InputError(f"--min-confidence {self.min_confidence:g}: give a confidence between 0 and 100")

    def _refuse_what_needs_sequences(self) -> None:
        if self.symmetry:
            raise InputError("--symmetry needs --fasta: it serves to read the copies of a sequence together")
        if self.copies:
            raise InputError("--copies needs --fasta: it counts the copies of a sequence")
        if self.templates.files:
            raise InputError("--template needs --fasta: templates are matched to the sequences")

    @property
    def name(self) -> str:
        """Name of the model: that of the output folder."""
        return self.output.resolve().name


def _one_of(choices: type[Enum], value: str, option: str) -> Enum:
    """The choice of that name."""
    try:
        return choices(value)
    except ValueError:
        names = ", ".join(choice.value for choice in choices)
        raise InputError(f"{option} {value}: give one of {names}") from None


def group_name(text: str) -> str:
    """Return a point group as it is written here, or `auto`.

    Raises
    ------
    InputError
        When there is no such group.
    """
    name = text.strip().upper()
    axis = re.fullmatch(r"[CD]([1-9]\d*)", name)
    if name == AUTO.upper():
        return AUTO
    if name in ("T", "O", "I") or (axis and int(axis[1]) <= LARGEST_ORDER and name != "D1"):
        return name
    raise InputError(
        f"--symmetry {text}: give auto, C1 to C{LARGEST_ORDER}, D2 to D{LARGEST_ORDER}, T, O or I; "
        "helical symmetry is not known here"
    )
