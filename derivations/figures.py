"""Draw the pages' four figures from this project's own code.

    python derivations/figures.py [folder]         default: derivations/figures

Needs matplotlib (the extra `plots`). What is drawn in the second and the third is measured here, by the
functions deltas() and errors(); the first and the last are drawings.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the drawing library has to be chosen first)
import numpy as np  # noqa: E402

from scratch_lstm import lstm_textbook, rnn_textbook as rnn  # noqa: E402
from scratch_lstm.gradcheck import EPS, central_difference, complex_step, richardson  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "figures"
FORWARD, BACKWARD, GREY = "#1f5fa8", "#c0392b", "#777777"
plt.rcParams.update({"font.size": 11, "mathtext.fontset": "cm", "svg.hashsalt": "scratch-lstm",
                     "figure.facecolor": "white", "axes.spines.top": False, "axes.spines.right": False})


def save(figure: plt.Figure, folder: Path, name: str) -> Path:
    path = folder / name
    options = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 130}
    figure.savefig(path, bbox_inches="tight", pad_inches=0.08, **options)
    plt.close(figure)
    return path


def arrow(axes: plt.Axes, begin: tuple[float, float], end: tuple[float, float], color: str) -> None:
    axes.annotate("", end, begin, arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.6, "shrinkA": 0,
                                              "shrinkB": 0, "mutation_scale": 14})


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
        "Richardson, float64": (10.0 ** np.arange(-14, 0.1, 0.25), lambda h: richardson(loss, U, h)),
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
    for name, (steps, error) in errors().items():
        axes.loglog(steps, error, "o-", ms=3, lw=1.3, color=colors[name], label=name)
    for step, name in ((EPS ** (1 / 3), r"$\varepsilon^{1/3}$"), (EPS ** (1 / 7), r"$\varepsilon^{1/7}$")):
        axes.axvline(step, color=GREY, lw=0.8, ls=":")
        axes.text(step * 1.25, 4e-17, name, color=GREY, fontsize=11)
    axes.axhline(EPS, color=GREY, lw=0.8, ls="--")
    axes.text(1.5e-30, EPS * 4, r"$\varepsilon = 2^{-52}$", color=GREY, fontsize=11)
    axes.set_xlim(1e-30, 3)
    axes.set_ylim(2e-17, 30)
    axes.set_xlabel("step $h$")
    axes.set_ylabel("error relative to the largest entry")
    axes.legend(frameon=False, loc="upper left")
    return save(figure, folder, "error_against_step.svg")


# Page 7: the cell

def cell(folder: Path) -> Path:
    """One step of the LSTM, forward and backward."""
    figure, axes = plt.subplots(figsize=(10.4, 6.6))

    def box(x: float, y: float, text: str) -> None:
        axes.text(x, y, text, ha="center", va="center", fontsize=14, zorder=3,
                  bbox={"boxstyle": "round,pad=0.3", "fc": "#eef3fa", "ec": FORWARD})

    def word(x: float, y: float, text: str, ha: str = "center", size: float = 11) -> None:
        axes.text(x, y, text, ha=ha, va="center", fontsize=size, color=BACKWARD, zorder=4,
                  bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.85})

    def both(a: tuple[float, float], b: tuple[float, float], text: str, side: float = 1.0, ha: str = "left",
             at: float = 0.5, gap: float = 0.12) -> None:
        """Blue from a to b, red back beside it, the factor written on the red one's side."""
        (ax, ay), (bx, by) = a, b
        length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
        nx, ny = side * (by - ay) / length * 0.09, -side * (bx - ax) / length * 0.09
        arrow(axes, (ax - nx, ay - ny), (bx - nx, by - ny), FORWARD)
        arrow(axes, (bx + nx, by + ny), (ax + nx, ay + ny), BACKWARD)
        off = 1 + gap / 0.09
        word(ax + at * (bx - ax) + off * nx, ay + at * (by - ay) + off * ny, text, ha=ha)

    top, gates, low = 5.0, 2.1, -0.3
    box(0, top, "$c_{k-1}$")
    box(6.2, top, "$\\;\\;c_k\\;\\;$")
    box(11.4, top, "$c_{k+1}$")
    box(9.6, gates + 0.45, "$h_k$")
    for x, name, net in ((0.9, "f", "f"), (3.3, "i", "i"), (5.7, "g", "g"), (8.0, "o", "o")):
        box(x, gates, f"${name}_k$")
        box(x, low, f"$z^{net}_k$")
        slope = "1 - g_k^2" if name == "g" else f"{name}_k(1-{name}_k)"
        both((x, low + 0.36), (x, gates - 0.36), f"${slope}$", gap=0.08)
    both((0.42, top), (5.6, top), "$f_k$", gap=0.22, ha="center", at=0.3)
    both((6.8, top), (10.9, top), "$f_{k+1}$", gap=0.24, ha="center", at=0.62)
    both((1.2, gates + 0.33), (5.55, top - 0.28), "$c_{k-1}$", side=-1, ha="right", gap=0.17, at=0.32)
    both((3.5, gates + 0.36), (5.93, top - 0.4), "$g_k$", side=-1, ha="right", gap=0.15, at=0.32)
    both((5.75, gates + 0.36), (6.3, top - 0.4), "$i_k$", side=-1, ha="right", gap=0.12, at=0.32)
    both((6.7, top - 0.3), (9.25, gates + 0.8), r"$o_k(1-\tanh^2 c_k)$", side=-1, gap=0.18, at=0.42)
    both((8.33, gates + 0.05), (9.26, gates + 0.36), r"$\tanh c_k$", gap=0.26, ha="left", at=0.0)
    both((9.95, gates + 0.45), (10.85, gates + 0.45),
         r"$\partial L_t/\partial h_k = U^\top\delta_{t,k+1}$", gap=0.58, at=-0.05)
    box(11.4, gates + 0.45, "$z_{k+1}$")
    axes.plot([0.3, 8.6, 8.6, 0.3, 0.3], low + np.array([-0.45, -0.45, 0.42, 0.42, -0.45]), color=GREY,
              lw=0.8, ls=":")
    word(8.75, low, r"$\delta_{t,k}\in\mathbb{R}^{4H}$", ha="left", size=13)
    box(2.6, low - 1.75, "$h_{k-1}$")
    box(6.4, low - 1.75, "$x_k$")
    both((2.6, low - 1.4), (2.6, low - 0.47), r"$U^\top\delta_{t,k}$", gap=0.08)
    both((6.4, low - 1.4), (6.4, low - 0.47), r"$W^\top\delta_{t,k}$", gap=0.08)
    word(6.2, top + 0.72, r"$\partial L_t/\partial c_k$: two red arrows meet here and are added", size=11.5)
    axes.set_xlim(-0.6, 12.6)
    axes.set_ylim(low - 2.2, top + 1.05)
    axes.axis("off")
    return save(figure, folder, "lstm_cell.svg")


FIGURES = (triangle, heat, curve, cell)


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for draw in FIGURES:
        path = draw(folder)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
