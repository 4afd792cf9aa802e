"""The explorer's numbers: web/explorer_run.mjs under node."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.poems.download import npm_command

SCRIPT = Path(__file__).resolve().parent.parent.parent / "web" / "explorer_run.mjs"


def node():
    """The command, or the test is skipped with the reason."""
    try:
        return shutil.which("node") or npm_command()[0]
    except InputError:
        pytest.skip("no Node.js: pip install 'scratch-lstm[corpus]' brings one")


def explore(net, tokens, targets, cut=None, hold_open=False):
    """Every array that the explorer computes, by name, flat."""
    given = {"net": net, "tokens": tokens, "targets": targets, "open": hold_open, "cut": cut or {}}
    result = subprocess.run([node(), str(SCRIPT)], input=json.dumps(given), capture_output=True, text=True,
                            encoding="utf-8", check=True)
    return {name: np.array(values) for name, values in json.loads(result.stdout).items()}


def as_net(embedding, layers, weight, bias):
    """A network as web/explorer.js takes it; layers are (W, U, b)."""
    return {"V": len(embedding), "embedding": embedding.ravel().tolist(),
            "layers": [{"D": W.shape[1], "H": U.shape[1], "W": W.ravel().tolist(), "U": U.ravel().tolist(),
                        "b": b.tolist()} for W, U, b in layers],
            "weight": weight.ravel().tolist(), "bias": bias.tolist()}
