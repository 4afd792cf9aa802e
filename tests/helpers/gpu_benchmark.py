"""Timings on a device: a training step here and in torch, the time loops alone, one epoch of the default
corpus."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from helpers.gpu_checks import seconds_a_step

from scratch_lstm import LSTM
from scratch_lstm.errors import one_line
from torch_ref.contenders import Size, build_learner
from torch_ref.learner import TorchBackend

ROOT = Path(__file__).resolve().parents[2]
CONTENDERS = ("cupy", "torch", "torch fused", "torch compiled", "torch compiled fused")


def wait_for_all():
    """Until every launch of both libraries is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    import cupy
    cupy.cuda.runtime.deviceSynchronize()


def compiled(learner):
    """The same learner, its network compiled by torch.compile."""
    learner.model.net.loss = torch.compile(learner.model.net.loss)
    return learner


def step_times(names=CONTENDERS, size=Size(), **timing):
    """Milliseconds of a training step, and torch's over ours; a contender that fails says why. The batch is
    on the host for ours, which sends it in each step, and on the device for torch."""
    tokens = np.random.default_rng(1).integers(0, size.V, (size.T + 1, size.B))
    times, failures = {}, {}
    for name in names:
        try:
            one = build_learner(name.replace("compiled ", "").replace(" compiled", ""), size, 1)
            one = compiled(one) if "compiled" in name else one
            batch = one.model.backend.keep_corpus(tokens)
            times[name] = 1e3 * seconds_a_step(lambda n: one.step(batch, n), wait_for_all, **timing)
        except Exception as error:   # torch.compile needs a compiler, and more, which may be missing
            failures[name] = one_line(f"{type(error).__name__}: {error}")[:300]
    ours = times.get("cupy", float("nan"))
    ratios = {name: time / ours for name, time in times.items() if name != "cupy"}
    return {"milliseconds a step": times, "torch over ours": ratios, "failed": failures}, "cupy" in times


def loop_times(H=128, T=25, B=32, D=100, **timing):
    """Microseconds a time step of one layer, forward and backward with its products, here and in
    torch.nn.LSTM."""
    rng, figures = np.random.default_rng(0), {}
    x, dh = rng.normal(size=(T, B, D)).astype("float32"), rng.normal(size=(T, B, H)).astype("float32")
    layer = LSTM(D, H, backend="cupy")
    here_x, here_dh = map(layer.backend.to_device, (x, dh))
    backend = TorchBackend()
    backend.use_tf32(False)
    theirs = torch.nn.LSTM(D, H).to(backend.device)
    there_x, there_dh = backend.to_device(x).requires_grad_(), backend.to_device(dh)

    def ours_both(number):
        layer.run(here_x)
        layer.run_backward(here_dh, keep=False)

    ways = {"ours forward": lambda number: layer.run(here_x), "ours both": ours_both,
            "torch forward": lambda number: theirs(there_x)[0],
            "torch both": lambda number: theirs(there_x)[0].backward(there_dh)}
    for name, way in ways.items():
        figures[name] = 1e6 * seconds_a_step(way, wait_for_all, **timing) / T
    return {"microseconds a time step": figures}, True


def one_epoch(backend, flags=(), limit=150):
    """Train one epoch of the default corpus, as a user does -> its losses, seconds and poems."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, str(ROOT / "train_poems.py"), "--backend", backend, "--epochs", "1",
                   "--out",
                   str(run), *flags]
        try:
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=limit,
                                  cwd=ROOT)
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {limit} s"}, False
        if done.returncode:
            return {"failed": one_line(done.stderr[-300:])}, False
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        epoch = next(line for line in lines if "training_loss" in line)
        return {"training loss": epoch["training_loss"], "held-out loss": epoch["held_out_loss"],
                "seconds": epoch["seconds"], "printed": done.stdout.splitlines()[-12:]}, True
