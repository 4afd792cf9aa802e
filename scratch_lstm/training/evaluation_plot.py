"""The figures of an evaluation as a picture (extra `plots`)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evaluation.samples import ROWS
from .evaluation_table import LISTS, SHARES
from .plots import save_png, set_title


def check_matplotlib() -> None:
    """Raise InputError where matplotlib is not installed."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("--picture needs matplotlib: pip install 'scratch-lstm[plots]'") from None


def draw_evaluation(report: dict[str, Any], path: Path, title: str) -> None:
    """Nats a prediction of all models with their intervals, and the shares of the poems, as PNG."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    models = report["models"]
    for place, model in enumerate(models):
        value, low, high = model["nats_per_prediction"]
        left.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", capsize=3,
                      color={"run": "C1", "file": "C2", "n-gram": "C0"}[model["kind"]])
        left.annotate(f"{value:.3f}", (value, place), (0, 6), textcoords="offset points", ha="center")
    left.set_yticks(range(len(models)), [model["name"] for model in models], parse_math=False)
    left.margins(x=0.1, y=0.1)
    left.invert_yaxis()
    left.set_xlabel("nats a prediction, held-out poems (95 % of the bootstrap)")
    left.grid(axis="x", alpha=0.3)
    set_title(left, title)

    samples = report["samples"]
    rows = [row for row in ROWS if row in SHARES and row not in samples["left_out"]]
    for number, (column, name) in enumerate(LISTS.items()):
        bars = right.barh([place + 0.27 * (number - 1) for place in range(len(rows))],
                          [100 * samples[column][row] for row in rows], height=0.25,
                          label=f"{name}, {samples[column]['poems']:,} poems", color=f"C{number}")
        right.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    right.set_yticks(range(len(rows)), [ROWS[row] for row in rows])
    right.invert_yaxis()
    right.set_xlim(0, 115)
    right.set_xlabel("% of the poems, or of their lines")
    right.legend(loc="lower right")
    save_png(figure, path)
