"""The loss curves of a run as a picture (extra `plots`)."""

from __future__ import annotations

import io
import logging
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import one_line
from ..files import atomic_write

CHINESE = re.compile("CJK|SimHei|SimSun|YaHei|PingFang|Heiti|Songti|WenQuanYi|Source Han|LXGW")


def draw_loss(log: list[dict[str, Any]], path: Path, title: str) -> bool:
    """Draw training and held-out loss over the epochs from the lines of log.jsonl, as PNG.

    False where matplotlib is not installed.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)    # where its cache is matters to nobody here
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    steps = [line for line in log if "loss" in line]
    epochs = [line for line in log if "training_loss" in line]
    held_out = [line for line in epochs if line["held_out_loss"] is not None]
    per_epoch = epochs[0]["step"] if epochs else None

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    scale = 1 if per_epoch is None else 1 / per_epoch
    axes.plot([line["step"] * scale for line in steps], [line["loss"] for line in steps],
              color="0.8", linewidth=0.6, label="training, each batch")
    if epochs:
        at = np.array([line["step"] * scale for line in epochs])
        axes.plot(at - 0.5, [line["training_loss"] for line in epochs], "o-", color="C0", markersize=3,
                  label="training, mean of the epoch (at its middle)")
    if held_out:
        axes.plot([line["step"] * scale for line in held_out], [line["held_out_loss"] for line in held_out],
                  "s-", color="C1", markersize=3, label="held out, at the end of the epoch")
        best = min(held_out, key=lambda line: line["held_out_loss"])
        axes.annotate(f"best {best['held_out_loss']:.2f}, epoch {best['epoch']}", color="C1",
                      xy=(best["step"] * scale, best["held_out_loss"]), xytext=(0, 12),
                      textcoords="offset points", va="bottom",
                      ha="right" if best is held_out[-1] else "center")
    axes.set_xlabel("steps" if per_epoch is None else "epochs")
    axes.set_ylabel("cross-entropy (nats per character)")
    set_title(axes, title)
    axes.legend()
    axes.grid(alpha=0.3)
    save_png(figure, path)
    return True


def set_title(axes: Any, title: str) -> None:
    """The title in a font that has Chinese characters, if there is one; otherwise with ? for them."""
    fonts = [] if title.isascii() else chinese_fonts()
    if fonts:
        axes.set_title(one_line(title), parse_math=False, fontfamily=[*fonts[:1], "DejaVu Sans"])
    else:
        axes.set_title(one_line(title).encode("ascii", "replace").decode(), parse_math=False)


def chinese_fonts() -> list[str]:
    """The names of the installed fonts that have Chinese characters, those for simplified ones first."""
    from matplotlib.font_manager import findSystemFonts, fontManager
    names = {font.name for font in fontManager.ttflist if CHINESE.search(font.name)}
    if not names:       # a font that was installed after matplotlib made its list
        for path in filter(CHINESE.search, findSystemFonts()):
            fontManager.addfont(path)
        names = {font.name for font in fontManager.ttflist if CHINESE.search(font.name)}
    return sorted(names, key=lambda name: ("SC" not in name, "Serif" in name, name))


def save_png(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as a whole PNG file. Raises InputError when it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")          # a character that no font has: a box in the picture
        FigureCanvasAgg(figure).print_png(png)
    atomic_write(path, png.getvalue())
