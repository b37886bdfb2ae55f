"""What a refinement has changed, in words."""

from emodelx.records import RefinementReport

_MEASURES = {
    "correlation": ("correlation with the map", "{:.3f}"),
    "favoured": ("Ramachandran favoured, %", "{:.2f}"),
    "outliers": ("Ramachandran outliers, %", "{:.2f}"),
    "clashscore": ("clashes per 1,000 atoms", "{:.1f}"),
    "bond_rms": ("bonds, rms in A", "{:.4f}"),
    "angle_rms": ("angles, rms in degrees", "{:.2f}"),
}


def refinement_rows(report: RefinementReport) -> list[tuple[str, str, str]]:
    """Return name, value before and value after of every measure."""
    return [
        (name, form.format(getattr(report.before, field)), form.format(getattr(report.after, field)))
        for field, (name, form) in _MEASURES.items()
    ]
