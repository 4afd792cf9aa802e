"""A file of each form that scratch_lstm.check reads, made of a network with known mistakes.

If wanted, one of its gradients is replaced. So what the checker says of the file can be compared with what
is true of it."""

from dataclasses import replace

import numpy as np

from scratch_lstm.check.checking import FORMS
from scratch_lstm.check.contract import in_file_order
from scratch_lstm.check.look import Looker
from scratch_lstm.check.notebook import Functions
from scratch_lstm.check.problem import GATES, TENSORS, Problem
from scratch_lstm.check.program import reordered
from scratch_lstm.check.tensors import Result

NAMES = {"lstm": ("plain", "delta", "step", "cs231n", "dlfs2", "coursera", "loss", "torch"),
         "rnn": ("plain", "delta", "cs231n", "dlfs2", "coursera", "loss", "torch")}


class File:
    """h and gradients of one problem, in the checker's order of gates. `change(gradients, problem)` replaces
    some of the gradients."""

    def __init__(self, network, mistakes, change=None):
        self.network, self.mistakes, self.change = network, mistakes, change or (lambda found, problem: found)

    def problem(self, gates, x, h0, c0, W, U, b, dh):
        arrays = [np.array(a, np.float64) for a in (x, h0, c0, W, U, b, dh)]
        return in_file_order(Problem(self.network, *arrays), GATES, gates)

    def h(self, problem):
        return Result(problem, self.mistakes).states.h[1:]

    def gradients(self, problem, gates=GATES, names=None):
        """In the file's order of gates."""
        result = Result(problem, self.mistakes)
        found = self.change({name: result.tensor(name) for name in names or TENSORS[self.network]}, problem)
        turn = self.network == "lstm" and gates != GATES
        return {name: reordered(value, GATES, gates, 2 if name == "delta" else 0)
                if turn and name in ("W", "U", "b", "delta") else value for name, value in found.items()}


def _split(file, given):
    """x, h0, c0 and the parameters of a call of the plain form."""
    x, h0, *rest = given
    return (x, h0, rest[0] if file.network == "lstm" else np.zeros(0), *rest[-3:])


def with_loss(dh):
    """The sequence of a batch (N, ...) that has a loss."""
    return max(range(len(dh)), key=lambda n: bool(np.any(dh[n])))


def placed(value, n, axis=0):
    """The value in place n of a batch of two, and zeros in the other."""
    return np.stack([value if place == n else 0 * value for place in range(2)], axis)


def plain(file):
    def forward(*given):
        problem = file.problem(GATES, *_split(file, given), np.zeros((len(given[0]), len(given[1]))))
        return file.h(problem), problem

    return {"forward": forward,
            "backward": lambda dh, problem: file.gradients(replace(problem, dh=np.array(dh)))}


def delta(file):
    return {"forward": plain(file)["forward"], "delta": lambda dh, problem: file.gradients(
        replace(problem, dh=np.array(dh)), names=["delta"])["delta"]}


def step(file):
    """One step, without mistakes along the paths: those are between the steps, which are the checker's."""
    def cell_forward(x, h, c, W, U, b):
        problem = file.problem(GATES, x[None], h, c, W, U, b, np.zeros((1, len(h))))
        states = Result(problem, file.mistakes).states
        return states.h[1], states.c[1], problem

    def cell_backward(dh, dc, problem):
        # dL/dc of one step is linear in dh; what comes from the step after is added as a second loss
        result = Result(replace(problem, dh=dh[None]), file.mistakes)
        i, f, g, o = result.states.a[0]
        above = dh * o * (1 - np.tanh(result.states.c[1]) ** 2) + dc
        z = np.concatenate([above * g * i * (1 - i), above * problem.c0 * f * (1 - f),
                            above * i * (1 - g ** 2), dh * np.tanh(result.states.c[1]) * o * (1 - o)])
        found = {"W": np.outer(z, problem.x[0]), "U": np.outer(z, problem.h0), "b": z,
                 "x": (problem.W.T @ z)[None], "h0": problem.U.T @ z, "c0": above * f}
        found = file.change(found, problem)
        return {**found, "x": found["x"][0]}

    return {"cell_forward": cell_forward, "cell_backward": cell_backward}


def cs231n(file):
    def forward(x, h0, Wx, Wh, b):
        gates, c0 = ("ifog", 0 * h0) if file.network == "lstm" else (GATES, np.zeros((len(h0), 0)))
        problems = [file.problem(gates, x[n], h0[n], c0[n], Wx.T, Wh.T, b, 0 * x[n][:, :1])
                    for n in range(len(x))]
        return np.array([file.h(problem) for problem in problems]), problems

    def backward(dh, problems):
        n = with_loss(dh)
        d = file.gradients(replace(problems[n], dh=np.array(dh[n])), "ifog")
        dx, dh0 = (placed(d[name], n) for name in ("x", "h0"))
        return dx, dh0, d["W"].T.copy(), d["U"].T.copy(), d["b"]

    return {f"{file.network}_forward": forward, f"{file.network}_backward": backward}


def dlfs2(file):
    class Time:
        def __init__(self, Wx, Wh, b, stateful=False):
            self.parameters, self.grads, self.dh = (Wx.T, Wh.T, b), None, None

        def set_state(self, h, c=None):
            self.states = [h, np.zeros((2, 0)) if c is None else c]

        def forward(self, xs):
            h, c = self.states
            self.problems = [file.problem("fgio", xs[n], h[n], c[n], *self.parameters, 0 * xs[n][:, :1])
                             for n in range(2)]
            return np.array([file.h(problem) for problem in self.problems])

        def backward(self, dhs):
            n = with_loss(dhs)
            d = file.gradients(replace(self.problems[n], dh=np.array(dhs[n])), "fgio")
            self.grads, self.dh = [d["W"].T, d["U"].T, d["b"]], placed(d["h0"], n)
            return placed(d["x"], n)

    return {"TimeLSTM" if file.network == "lstm" else "TimeRNN": Time}


def coursera(file):
    letters = "ifco"                                     # their names of i, f, g, o

    def forward(x, a0, p):
        H = len(a0)
        if file.network == "lstm":
            both = np.vstack([p[f"W{letter}"] for letter in letters])
            W, U, b = both[:, H:], both[:, :H], np.vstack([p[f"b{letter}"] for letter in letters]).ravel()
        else:
            W, U, b = p["Wax"], p["Waa"], p["ba"].ravel()
        problems = [file.problem(GATES, x[:, n].T, a0[:, n], np.zeros(H * (file.network == "lstm")), W, U, b,
                                 0 * x[:1, n].T) for n in range(x.shape[1])]
        a = np.stack([file.h(problem).T for problem in problems], 1)
        return (a, a, a, problems) if file.network == "lstm" else (a, a, problems)

    def backward(da, problems):
        n = with_loss(da.transpose(1, 2, 0))
        d = file.gradients(replace(problems[n], dh=da[:, n].T.copy()))
        found = {"dx": placed(d["x"].T, n, 1), "da0": placed(d["h0"], n, 1)}
        if file.network == "lstm":
            both, b = np.hstack([d["U"], d["W"]]), d["b"]
            return {**found, **{f"dW{letter}": part for letter, part in zip(letters, np.split(both, 4))},
                    **{f"db{letter}": part[:, None] for letter, part in zip(letters, np.split(b, 4))}}
        return {**found, "dWax": d["W"], "dWaa": d["U"], "dba": d["b"][:, None]}

    return {f"{file.network}_forward": forward, f"{file.network}_backward": backward}


def loss(file):
    def loss(p):
        problem = file.problem(GATES, p["x"], p["h0"], p.get("c0", np.zeros(0)), p["W"], p["U"], p["b"],
                               p["dh"])
        return np.sum(p["dh"] * file.h(problem)), file.gradients(problem)
    return {"loss": loss}


def torch_form(file):
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(context, *given):
            arrays = _split(file, [tensor.detach().numpy() for tensor in given])
            context.problem = file.problem(GATES, *arrays, 0 * arrays[0][:, :1])
            return torch.tensor(file.h(context.problem))

        @staticmethod
        def backward(context, dh):
            d = file.gradients(replace(context.problem, dh=dh.numpy().copy()))
            order = ("x", "h0", "c0", "W", "U", "b") if file.network == "lstm" else ("x", "h0", "W", "U", "b")
            return tuple(torch.tensor(d[name]) for name in order)

    return {"torch": torch, "FUNCTION": "Function", "Function": Function}


MAKERS = {"plain": plain, "delta": delta, "step": step, "cs231n": cs231n, "dlfs2": dlfs2,
          "coursera": coursera, "loss": loss, "torch": torch_form}


def looker(form, network, mistakes, change=None, **settings):
    """What asks the file of this form."""
    names = MAKERS[form](File(network, mistakes, change))
    return Looker(Functions({"NETWORK": network, **settings, **names}),
                  FORMS[form if form in FORMS else "plain"])
