"""The delta explorer's picture as a file: what a trained model does with one line (extra `plots`).

Left the gates, the cell and the next character; right the triangles of ||delta_{t,k}||: of the LSTM, of its
two paths (derivations, 7.3), and of a simple network of the same size that has not been trained.
"""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .. import rnn_textbook
from ..errors import InputError
from ..files import atomic_write
from . import checkpoint
from .line_states import LineStates, read_line
from .plots import chinese_fonts
from .run_directory import RunDirectory

Array = np.ndarray
DECADES = 6
LIKELIEST = 6       # next characters in the picture


def explain(run: Path, line: str, out: Path) -> LineStates:
    """Draw what the model of a run does with the line into `out`, an SVG or PNG. Raises InputError."""
    if out.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"{out}: the picture is an SVG or a PNG; give --out NAME.svg or NAME.png")
    try:
        import matplotlib
    except ImportError:
        raise InputError("the picture needs matplotlib: pip install 'scratch-lstm[plots]'") from None
    model, vocabulary = checkpoint.load(RunDirectory(run).best_or_last if run.is_dir() else run)
    read = read_line(model, vocabulary, line)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    fonts, data = chinese_fonts()[:1], io.BytesIO()
    style: Any = {"font.family": [*fonts, "DejaVu Sans"], "svg.hashsalt": "scratch-lstm",
                  "svg.fonttype": "path" if fonts else "none"}      # without a font here, the viewer's own
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore")         # a character that no font has: a box in a PNG
        is_svg = out.suffix.lower() == ".svg"
        picture(read, vocabulary.words).savefig(data, format="svg" if is_svg else "png",
                                                metadata={"Date": None} if is_svg else None)
    atomic_write(out, data.getvalue())
    return read


def simple_norms(read: LineStates) -> Array:
    """||delta_{t,k}|| (T, T) of a simple network as it starts, with the LSTM's inputs, dL_t/dh_t and size."""
    H, rng = read.dL_dh.shape[1], np.random.default_rng(0)
    W, U, b = (rng.uniform(-1, 1, shape) / H ** 0.5 for shape in ((H, read.x.shape[1]), (H, H), H))
    states = rnn_textbook.forward(read.x, np.zeros(H), W, U, b)
    return np.asarray(np.linalg.norm(rnn_textbook.delta(states, U, read.dL_dh), axis=2))


def picture(read: LineStates, words: tuple[str, ...]) -> Any:
    """The figure: gates and cell, next characters, four triangles on one scale."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(13, 7), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(5, 8))
    left, right = halves
    names = ["⊢", *read.words[1:]]
    H = read.dL_dh.shape[1]
    rows = left.subplots(6, 1, height_ratios=(1, 1, 1, 1, 1, 1.6))
    for axes, name, values in zip(rows, ("i", "f", "g", "o", "tanh c"),
                                  [*np.split(read.states.gates, 4, axis=1), np.tanh(read.states.c[1:])]):
        low = -1 if name in ("g", "tanh c") else 0
        axes.imshow(values.T, aspect="auto", vmin=low, vmax=1, interpolation="nearest")
        axes.set_ylabel(name)
        axes.set_yticks([])
        label(axes.xaxis, names if axes is rows[0] else [], top=True)
    likely(rows[5], read, words)
    rows[0].set_title(f"{H} units: 0 to 1, g and tanh c from -1 to 1", fontsize=9)
    triangles = {"LSTM": read.norm, "through h": read.via_h, "along c": read.via_c,
                 "simple network, untrained": simple_norms(read)}
    largest = max(norm.max() for norm in triangles.values())
    grid = right.subplots(2, 2).ravel()
    for axes, (name, norm) in zip(grid, triangles.items()):
        with np.errstate(divide="ignore"):
            shown = axes.imshow(np.where(norm > 0, np.log10(norm / largest), np.nan), vmin=-DECADES, vmax=0)
        axes.set_title(name, fontsize=10)
        label(axes.xaxis, names, top=True)
        label(axes.yaxis, names)
    right.colorbar(shown, ax=grid, shrink=0.6, label=f"log10 of the norm of delta, over {largest:.3g}")
    right.supylabel("the loss after ...")
    return figure


def label(axis: Any, names: list[str], top: bool = False) -> None:
    axis.set_ticks(range(len(names)), names, fontsize=min(11, max(5, 180 // max(len(names), 1))))
    if top:
        axis.tick_top()


def likely(axes: Any, read: LineStates, words: tuple[str, ...]) -> None:
    """What the model expects after each step: its likeliest characters, the likeliest at the top."""
    order = np.argsort(-read.probabilities, axis=1)[:, :LIKELIEST]
    size = min(11, max(5, 180 // len(order)))
    for t, row in enumerate(order):
        for rank, number in enumerate(row.tolist()):
            axes.text(t, rank, words[number], ha="center", va="center", fontsize=size,
                      weight="bold" if words[number] == read.targets[t] else "normal",
                      alpha=0.35 + 0.65 * float(read.probabilities[t, number] / read.probabilities[t].max()))
    axes.set(xlim=(-0.5, len(order) - 0.5), ylim=(LIKELIEST - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_ylabel("next")
