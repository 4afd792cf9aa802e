"""Draw the pages' figures from this project's own code.

    python derivations/figures.py [folder]         default: derivations/figures

Needs matplotlib (the extra `plots`). Two figures are measured here, by deltas() and errors(); the others are
drawings. Each has a white background, so that it can be read in dark mode too, and a title.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the drawing library has to be chosen first)
import numpy as np  # noqa: E402

from scratch_lstm import lstm_textbook  # noqa: E402
from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.gradcheck import EPS, central_difference, complex_step, richardson  # noqa: E402

TITLES = {
    "unrolled.svg": "The simple network unrolled over three steps, and the way back from the last loss",
    "copies.svg": "The unrolled network with one copy of U for each step; all copies hold the same u_ij",
    "triangle.svg": "All delta_{t,k} of four steps as a triangle: a row a loss, a column a step",
    "paths.svg": "The three paths from u_ij to the third loss, and how often four answers count each",
    "delta_norms.png": "Norm of delta_{t,k} for two simple networks and two LSTMs",
    "lstm_cell.svg": "One step of the LSTM: forward in blue, backward in red, gates in the order i, f, g, o",
    "stacked.svg": "Two layers over three steps, and the two parts of the gradient of a lower state",
    "error_against_step.svg": "Error of four ways to differentiate, against the step",
}
FOLDER = Path(__file__).resolve().parent / "figures"
FORWARD, BACKWARD, GREY = "#1f5fa8", "#c0392b", "#777777"
plt.rcParams.update({"font.size": 11, "mathtext.fontset": "cm", "svg.hashsalt": "scratch-lstm",
                     "figure.facecolor": "white", "axes.spines.top": False, "axes.spines.right": False})


def save(figure: plt.Figure, folder: Path, name: str) -> Path:
    path = folder / name
    svg = path.suffix == ".svg"
    options = {"metadata": {"Date": None}} if svg else {"dpi": 110, "metadata": {"Title": TITLES[name]}}
    figure.savefig(path, bbox_inches="tight", pad_inches=0.12, **options)
    plt.close(figure)
    if svg:
        text = path.read_text(encoding="utf-8")
        begin = text.index(">", text.index("<svg")) + 1
        path.write_text(f"{text[:begin]}\n <title>{TITLES[name]}</title>{text[begin:]}", encoding="utf-8")
    return path


def arrow(axes: plt.Axes, begin: tuple[float, float], end: tuple[float, float], color: str,
          style: str = "-", bend: float = 0.0) -> None:
    axes.annotate("", end, begin, arrowprops={
        "arrowstyle": "-|>", "color": color, "lw": 1.6, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14,
        "linestyle": style, "connectionstyle": f"arc3,rad={bend}"})


def box(axes: plt.Axes, x: float, y: float, text: str, color: str = FORWARD, size: float = 14) -> None:
    """A node."""
    face = {FORWARD: "#eef3fa", BACKWARD: "#fbeeea", GREY: "#f3f3f3"}[color]
    axes.text(x, y, text, ha="center", va="center", fontsize=size, zorder=3,
              bbox={"boxstyle": "round,pad=0.3", "fc": face, "ec": color})


def canvas(width: float, height: float, right: float, top: float, left: float = 0.0,
           bottom: float = 0.0) -> tuple[plt.Figure, plt.Axes]:
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.axis("off")
    return figure, axes


# Page 1: the network unrolled

def unrolled(folder: Path, T: int = 3) -> Path:
    """x_k, z_k, h_k, L_k for three steps, and the way back from the last loss."""
    figure, axes = canvas(8.4, 4.7, 10.3, 5.1, -0.7, -0.5)
    rows, wide = {"x": 0.0, "z": 1.5, "h": 3.0, "L": 4.5}, 3.0
    box(axes, 0.2, rows["h"], "$h_0$")
    for k in range(1, T + 1):
        x = 0.2 + k * wide
        for name, y in rows.items():
            box(axes, x, y, f"${name}_{k}$")
        arrow(axes, (x, 0.38), (x, 1.12), FORWARD)
        axes.text(x + 0.12, 0.72, "$W$", color=FORWARD, va="center")
        arrow(axes, (x - 0.1, 1.88), (x - 0.1, 2.62), FORWARD)
        axes.text(x - 0.22, 2.25, "$f$", color=FORWARD, va="center", ha="right")
        arrow(axes, (x - 0.1, 3.38), (x - 0.1, 4.12), FORWARD)
        begin, end = (x - wide + 0.35, rows["h"] + 0.02), (x - 0.42, rows["z"] + 0.22)
        arrow(axes, begin, end, FORWARD)
        axes.text(x - wide / 2 + 0.15, 2.55, "$U$", color=FORWARD, va="center")
        arrow(axes, (x + 0.1, 2.62), (x + 0.1, 1.88), BACKWARD)
        if k > 1:
            arrow(axes, (end[0], end[1] - 0.24), (begin[0], begin[1] - 0.24), BACKWARD)
    arrow(axes, (x + 0.1, 4.12), (x + 0.1, 3.38), BACKWARD)
    return save(figure, folder, "unrolled.svg")


# Page 2: a copy of U for each step

def copies(folder: Path, T: int = 3) -> Path:
    """The same network in one line, each step with its own copy of U, all fed by the one u_ij."""
    figure, axes = canvas(9.4, 3.0, 14.0, 2.9, -0.6, -1.2)
    y, x = 1.9, 0.0
    box(axes, x, y, "$h_0$")
    for k in range(1, T + 1):
        for name, color in ((f"U^{{({k})}}", BACKWARD), (f"z_{k}", FORWARD), (f"h_{k}", FORWARD)):
            gap = 1.55 if name[0] == "U" else 1.3
            arrow(axes, (x + 0.37 + 0.12 * (name[0] == "z"), y), (x + gap - 0.42 - 0.1 * (name[0] == "U"), y),
                  FORWARD)
            x += gap
            box(axes, x, y, f"${name}$", color, 13)
            if name[0] == "U":
                arrow(axes, (6.0, -0.5), (x, y - 0.42), GREY, "--")
                axes.text((6.0 + x) / 2 - 0.35 + 0.25 * k, 0.62, "1", color=GREY, ha="center",
                          bbox={"fc": "white", "ec": "none", "pad": 1})
    arrow(axes, (x + 0.37, y), (x + 0.95, y), FORWARD)
    box(axes, x + 1.3, y, "$L_3$")
    box(axes, 6.0, -0.8, "$u_{ij}$", GREY)
    return save(figure, folder, "copies.svg")


# Page 3: which paths each answer counts

def paths(folder: Path) -> Path:
    """The three paths from u_ij to L_3, and how often four answers count each."""
    answers = (("right: (6.31)", (1, 1, 1)), ("longest chain only", (1, 0, 0)),
               ("published answer", (3, 0, 0)), ("total derivative for every k", (3, 2, 1)))
    figure, grid = plt.subplots(2, 2, figsize=(9.4, 4.6))
    for axes, (title, counts) in zip(grid.flat, answers):
        axes.set_xlim(-0.5, 7.9)
        axes.set_ylim(-1.0, 2.6)
        axes.axis("off")
        axes.text(3.6, 2.3, title, ha="center", fontsize=12,
                  color=FORWARD if title.startswith("right") else BACKWARD)
        reached = False
        for k, count in enumerate(counts, 1):
            x = 2.2 * (k - 1) + 0.3
            reached = reached or count > 0
            color = BACKWARD if count else "#bbbbbb"
            box(axes, x, 1.4, f"$z_{k}$", FORWARD, 13)
            box(axes, x, -0.5, "$u_{ij}$", BACKWARD if count else GREY, 11)
            arrow(axes, (x, -0.05), (x, 0.92), color)
            axes.text(x + 0.14, 0.4, f"{count}$\\times$", color=BACKWARD if count else GREY, fontsize=12,
                      va="center")
            arrow(axes, (x + 0.42, 1.4), (x + 1.75, 1.4), BACKWARD if reached else "#bbbbbb")
        box(axes, 6.95, 1.4, "$L_3$", FORWARD, 13)
    figure.subplots_adjust(wspace=0.08, hspace=0.12, left=0.01, right=0.99, top=0.99, bottom=0.01)
    return save(figure, folder, "paths.svg")


# Page 8: two layers

def stacked(folder: Path, T: int = 3) -> Path:
    """Two layers over three steps; the two parts of dL/dh_2 of the lower one in red."""
    figure, axes = canvas(8.4, 4.9, 10.6, 5.3, -0.9, -0.5)
    rows, wide = {"x": 0.0, "h1": 1.6, "h2": 3.2, "L": 4.8}, 3.0
    axes.text(-0.75, rows["h1"], "layer 1", color=GREY, va="center")
    axes.text(-0.75, rows["h2"], "layer 2", color=GREY, va="center")
    names = {"x": "x_{0}", "h1": "h^{{(1)}}_{0}", "h2": "h^{{(2)}}_{0}", "L": "L_{0}"}
    for k in range(1, T + 1):
        x = k * wide - 1.0
        for name, y in rows.items():
            box(axes, x, y, "$" + names[name].format(k) + "$")
        for low, high in ((0.38, 1.15), (2.05, 2.75), (3.65, 4.42)):
            arrow(axes, (x - 0.12, low), (x - 0.12, high), FORWARD)
        if k < T:
            for y in (rows["h1"], rows["h2"]):
                arrow(axes, (x + 0.55, y + 0.09), (x + wide - 0.55, y + 0.09), FORWARD)
    x = 2 * wide - 1.0
    arrow(axes, (x + 0.12, 2.75), (x + 0.12, 2.05), BACKWARD)
    axes.text(x + 0.25, 2.42, r"$a_2 = \partial L/\partial x^{(2)}_2$", color=BACKWARD, va="center")
    arrow(axes, (x + wide - 0.55, rows["h1"] - 0.12), (x + 0.55, rows["h1"] - 0.12), BACKWARD)
    axes.text(x + wide / 2, rows["h1"] - 0.48, r"$U^\top\delta^{(1)}_3$", color=BACKWARD, ha="center")
    return save(figure, folder, "stacked.svg")


# Page 2: the triangle

def triangle(folder: Path, T: int = 4) -> Path:
    """All delta_{t,k}: a row for each loss, a column for each net input."""
    figure, axes = plt.subplots(figsize=(8.4, 5.6))
    wide, high = 1.9, 1.15
    for t in range(1, T + 1):
        y = -t * high
        arrow(axes, (t * wide + 1.05, y), (t * wide + 0.5, y), BACKWARD)
        axes.text(t * wide + 1.12, y, rf"$\partial L_{t}/\partial h_{t}$", va="center", color=BACKWARD)
        for k in range(1, t + 1):
            axes.text(k * wide, y, rf"$\delta_{{{t},{k}}}$", ha="center", va="center", fontsize=15,
                      bbox={"boxstyle": "round,pad=0.32", "fc": "#fbeeea", "ec": BACKWARD})
            if k < t:
                arrow(axes, ((k + 1) * wide - 0.47, y), (k * wide + 0.47, y), BACKWARD)
        axes.text(0.55, y, f"loss $L_{t}$", ha="right", va="center", color=GREY)
    middle = 1.5 * wide
    axes.text(middle, -T * high + 0.34, r"$\mathrm{diag}(f'(z_1))\,U^\top$", ha="center", va="bottom",
              color=BACKWARD)
    for k in range(1, T + 1):
        x = k * wide
        arrow(axes, (x, -T * high - 0.42), (x, -T * high - 1.0), FORWARD)
        axes.text(x, -T * high - 1.12, rf"$\delta_{k}\,h_{k - 1}^\top$", ha="center", va="top", color=FORWARD)
        axes.text(x, -0.28, f"step {k}", ha="center", color=GREY)
    axes.text(0.55, -T * high - 0.72, "sum of a column", ha="right", va="center", color=FORWARD)
    axes.text(0.55, -T * high - 1.3, r"$\partial L/\partial U$ is the sum of", ha="right", va="center",
              color=FORWARD)
    axes.set_xlim(-1.9, T * wide + 2.4)
    axes.set_ylim(-T * high - 1.65, 0.05)
    axes.axis("off")
    return save(figure, folder, "triangle.svg")


# Page 5: how long a delta lasts

def deltas(seed: int = 0, T: int = 40, D: int = 4, H: int = 16) -> dict[str, np.ndarray]:
    """log10 ||delta_{t,k}||, (T, T) with NaN where k > t, for two simple networks and three LSTMs.

    All weights are uniform within 1/sqrt(H), all dL_t/dh_t random. "LSTM, as it starts" has the biases that
    the class LSTM starts with, two uniform draws added; the others have the forget bias that their name says.
    """
    rng = np.random.default_rng(seed)

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape) / H ** 0.5

    x, dL_dh = rng.standard_normal((T, D)), rng.standard_normal((T, H))
    W, b, h0, U = uniform(H, D), uniform(H), uniform(H), uniform(H, H)
    orthogonal = np.linalg.qr(rng.standard_normal((H, H)))[0]
    W4, U4, b4, state = uniform(4 * H, D), uniform(4 * H, H), uniform(4 * H), (uniform(H), uniform(H))
    second = uniform(4 * H)
    all_deltas = {name: rnn.delta(rnn.forward(x, h0, W, matrix, b), matrix, dL_dh)
                  for name, matrix in (("simple, uniform U", U), ("simple, orthogonal U", orthogonal))}
    for name, forget in (("LSTM, as it starts", None), ("LSTM, forget bias 1", 1),
                         ("LSTM, forget bias 3", 3)):
        bias = b4 + second
        if forget is not None:
            bias[H:2 * H] = forget
        all_deltas[name] = lstm_textbook.delta(lstm_textbook.forward(x, state, W4, U4, bias), U4, dL_dh)
    found, later = {}, np.triu(np.ones((T, T), bool), 1)
    for name, delta in all_deltas.items():
        norms = np.linalg.norm(delta, axis=2)
        norms[later] = np.nan
        found[name] = np.log10(norms)
    return found


@cache
def falls(seeds: int = 10, gaps: tuple[int, int] = (10, 39)) -> dict[str, list[float]]:
    """By what factor the norm falls over each gap: mean over t in logarithms, then median over networks."""
    def fall(value: np.ndarray, gap: int) -> float:
        return float(np.mean([value[t, t] - value[t, t - gap] for t in range(gap, len(value))]))

    one = [{name: [fall(value, gap) for gap in gaps] for name, value in deltas(seed).items()}
           for seed in range(seeds)]
    return {name: [float(10 ** np.median([row[name][n] for row in one])) for n in range(len(gaps))]
            for name in one[0]}


def heat(folder: Path) -> Path:
    """Four of the networks on one scale of colours."""
    values = {name: value for name, value in deltas().items() if name != "LSTM, forget bias 1"}
    low = min(np.nanmin(v) for v in values.values())
    high = max(np.nanmax(v) for v in values.values())
    figure, grid = plt.subplots(2, 2, figsize=(8.6, 7.6), layout="constrained")
    for axes, (name, value) in zip(grid.flat, values.items()):
        T = len(value)
        image = axes.imshow(value, cmap="viridis", vmin=low, vmax=high, extent=(0.5, T + 0.5, T + 0.5, 0.5))
        axes.set_title(name, fontsize=12)
        axes.set_xlabel("$k$, the net input")
        axes.set_ylabel("$t$, the loss")
    bar = figure.colorbar(image, ax=grid, shrink=0.8)
    bar.set_label(r"$\log_{10}\,\Vert\delta_{t,k}\Vert$")
    return save(figure, folder, "delta_norms.png")


# Page 10: the error of a difference against its step

def problem(seed: int = 0, T: int = 6, D: int = 3, H: int = 4) -> tuple:
    """The loss of a small LSTM as a function of U (dtype follows), U, and its gradient from delta."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) / 2

    x, state, W = normal(T, D), (normal(H), normal(H)), normal(4 * H, D)
    U, b, dL_dh = normal(4 * H, H), normal(4 * H), normal(T, H)

    def loss(U: np.ndarray) -> np.ndarray:
        kind = np.float32 if U.dtype == np.float32 else np.float64
        cast = [a.astype(kind) for a in (x, *state, W, b, dL_dh)]
        states = lstm_textbook.forward(cast[0], (cast[1], cast[2]), cast[3], U, cast[4])
        return np.sum(cast[5] * states.h[1:])

    states = lstm_textbook.forward(x, state, W, U, b)
    gradient = lstm_textbook.gradients(lstm_textbook.delta(states, U, dL_dh), states, x)[1]
    return loss, U, gradient


def single_difference(loss, U: np.ndarray, step: float) -> np.ndarray:
    """The central difference with everything in float32."""
    U, gradient = U.astype(np.float32), np.empty(U.shape)
    for index in np.ndindex(U.shape):
        above, below = U.copy(), U.copy()
        above[index] += np.float32(step)
        below[index] -= np.float32(step)
        distance = above[index] - below[index]
        gradient[index] = (loss(above) - loss(below)) / distance if distance else np.nan
    return gradient


@cache
def errors() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """name -> steps, and max|difference - gradient| / max|gradient| at each."""
    loss, U, gradient = problem()
    ways = {
        "central, float32": (10.0 ** np.arange(-7, 0.1, 0.25), lambda h: single_difference(loss, U, h)),
        "central, float64": (10.0 ** np.arange(-14, 0.1, 0.25), lambda h: central_difference(loss, U, h)),
        "Richardson, float64": (10.0 ** np.arange(-9, 0.1, 0.25), lambda h: richardson(loss, U, h)),
        "complex step": (10.0 ** np.arange(-30, 0.1, 0.5), lambda h: complex_step(loss, U, h)),
    }
    scale = np.max(np.abs(gradient))
    return {name: (steps, np.array([max(np.max(np.abs(way(h) - gradient)) / scale, EPS / 4) for h in steps]))
            for name, (steps, way) in ways.items()}


def curve(folder: Path) -> Path:
    """Error against step, both logarithmic."""
    figure, axes = plt.subplots(figsize=(8.4, 4.8))
    colors = {"central, float32": "#c0392b", "central, float64": "#1f5fa8", "Richardson, float64": "#2e8b57",
              "complex step": "#8e44ad"}
    marks = {"central, float32": ("s", "-"), "central, float64": ("o", "-"),
             "Richardson, float64": ("^", "-"), "complex step": (".", ":")}
    for name, (steps, error) in errors().items():
        marker, style = marks[name]
        axes.loglog(steps, error, marker=marker, ls=style, ms=4.5 if marker != "." else 3, lw=1.3,
                    color=colors[name], label=name, markerfacecolor="none")
    for step, name in ((EPS ** (1 / 3), r"$\varepsilon^{1/3}$"), (EPS ** (1 / 7), r"$\varepsilon^{1/7}$")):
        axes.axvline(step, color=GREY, lw=0.8, ls=":")
        axes.text(step * 1.25, 4e-17, name, color=GREY, fontsize=11)
    axes.axhline(EPS, color=GREY, lw=0.8, ls="--")
    axes.text(1.5e-30, EPS * 4, r"$\varepsilon = 2^{-52}$", color=GREY, fontsize=11)
    axes.set_xlim(1e-30, 3)
    axes.set_ylim(2e-17, 30)
    axes.set_xlabel(r"step $\tau$")
    axes.set_ylabel("error relative to the largest entry")
    axes.legend(frameon=False, loc="upper left")
    return save(figure, folder, "error_against_step.svg")


# Page 7: the cell

def cell(folder: Path) -> Path:
    """One step of the LSTM, forward and backward. Factors have a white box, values a yellow one."""
    figure, axes = canvas(10.4, 7.2, 13.6, 6.6, -0.7, -2.7)

    def word(x: float, y: float, text: str, ha: str = "center", size: float = 11,
             value: bool = False) -> None:
        axes.text(x, y, text, ha=ha, va="center", fontsize=size, color=BACKWARD, zorder=4,
                  bbox={"boxstyle": "round,pad=0.15", "fc": "#fff3b0" if value else "white",
                        "ec": "#d9b400" if value else "none"})

    def both(a: tuple[float, float], b: tuple[float, float], text: str, side: float = 1.0, ha: str = "left",
             at: float = 0.5, gap: float = 0.12) -> None:
        """Blue from a to b, red back beside it, the factor written on the red one's side."""
        (ax, ay), (bx, by) = a, b
        length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
        nx, ny = side * (by - ay) / length * 0.09, -side * (bx - ax) / length * 0.09
        arrow(axes, (ax - nx, ay - ny), (bx - nx, by - ny), FORWARD)
        arrow(axes, (bx + nx, by + ny), (ax + nx, ay + ny), BACKWARD)
        off = 1 + gap / 0.09
        if text:
            word(ax + at * (bx - ax) + off * nx, ay + at * (by - ay) + off * ny, text, ha=ha)

    top, gates, low = 5.0, 2.1, -0.3
    box(axes, 0, top, "$c_{k-1}$")
    box(axes, 6.2, top, "$\\;\\;c_k\\;\\;$")
    box(axes, 12.6, top, "$c_{k+1}$")
    box(axes, 9.9, gates + 0.45, "$h_k$")
    box(axes, 12.6, gates + 0.45, "$z_{k+1}$")
    for x, name in ((0.9, "i"), (3.3, "f"), (5.7, "g"), (8.0, "o")):
        box(axes, x, gates, f"${name}_k$")
        box(axes, x, low, f"$z^{name}_k$")
        slope = "1 - g_k^2" if name == "g" else f"{name}_k(1-{name}_k)"
        both((x, low + 0.36), (x, gates - 0.36), f"${slope}$", gap=0.08)
    both((0.42, top), (5.6, top), "$f_k$", gap=0.3, ha="center", at=0.3)
    both((6.8, top), (12.05, top), "$f_{k+1}$", gap=0.3, ha="center", at=0.62)
    both((1.15, gates + 0.33), (5.55, top - 0.28), "$g_k$", side=-1, ha="right", gap=0.17, at=0.32)
    both((3.5, gates + 0.36), (5.93, top - 0.4), "$c_{k-1}$", side=-1, ha="right", gap=0.15, at=0.34)
    both((5.75, gates + 0.36), (6.3, top - 0.4), "$i_k$", side=-1, ha="right", gap=0.14, at=0.4)
    both((6.7, top - 0.3), (9.55, gates + 0.8), r"$o_k(1-\tanh^2 c_k)$", side=-1, gap=0.2, at=0.36)
    both((8.33, gates + 0.05), (9.53, gates + 0.36), "", gap=0.2)
    word(9.0, gates - 0.28, r"$\tanh c_k$", ha="left")
    both((10.28, gates + 0.45), (12.1, gates + 0.45), r"$U^\top$", gap=0.3, ha="center")
    arrow(axes, (9.9, gates + 1.75), (9.9, gates + 0.85), BACKWARD)
    word(10.05, gates + 1.62, r"$\partial L_t/\partial h_t$  (only if $k = t$)", ha="left", value=True)
    word(12.6, gates - 0.35, r"$\delta_{t,k+1}$", value=True, size=12)
    word(10.1, gates - 0.95, r"$\partial L_t/\partial h_k = U^\top\delta_{t,k+1}$  (if $k < t$)", ha="left",
         value=True)
    axes.plot([0.3, 8.6, 8.6, 0.3, 0.3], low + np.array([-0.45, -0.45, 0.42, 0.42, -0.45]), color=GREY,
              lw=0.8, ls=":")
    word(8.75, low, r"$\delta_{t,k}\in\mathbb{R}^{4H}$", ha="left", size=13, value=True)
    box(axes, 2.6, low - 1.75, "$h_{k-1}$")
    box(axes, 6.4, low - 1.75, "$x_k$")
    both((2.6, low - 1.4), (2.6, low - 0.47), r"$U^\top$", gap=0.1)
    both((6.4, low - 1.4), (6.4, low - 0.47), r"$W^\top$", gap=0.1)
    word(6.2, top + 0.8, r"$\partial L_t/\partial c_k$: the values of two red arrows, added", size=11.5,
         value=True)
    word(9.0, low - 1.45, "factor", ha="left")
    word(9.0, low - 1.95, "value", ha="left", value=True)
    return save(figure, folder, "lstm_cell.svg")


FIGURES = (unrolled, copies, triangle, paths, heat, cell, stacked, curve)


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for draw in FIGURES:
        path = draw(folder)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
