"""Twenty training steps on the GPU, or on the stand-in for it, beside NumPy's with the same dropout masks."""

import numpy as np
from helpers.fake_counts import COUNTS
from helpers.philox_backend import PhiloxBackend

from scratch_lstm import PoemModel
from scratch_lstm.poems.generate import generate
from scratch_lstm.training.learner import Learner
from scratch_lstm.training.settings import Settings

RECIPES = {"course": {}, "best": dict(tie_embedding=True, dropout=0.3, embedding_dropout=0.2,
                                      shared_masks=True, weight_decay=0.5, average=0.9)}
# Adam divides by the root of v: entries whose gradient is all rounding move by their sign, in float32
STEP_BOUND = {"float64": 1e-12, "float32": 1e-3}


def has_device():
    """Whether CuPy is installed and sees an NVIDIA GPU."""
    try:
        import cupy
        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:   # CuPy has an exception class of its own for each library
        return False


def learner_of(backend, vocabulary_size, recipe, dtype):
    settings = Settings(backend="numpy", dtype=dtype, embedding_size=5, hidden_size=6, learning_rate=1e-2,
                        **RECIPES[recipe])
    model = PoemModel(vocabulary_size, 5, 6, 2, settings.dropout,
                      PhiloxBackend() if backend == "numpy" else backend,
                      dtype, tie_embedding=settings.tie_embedding, shared_masks=settings.shared_masks,
                      embedding_dropout=settings.embedding_dropout)
    return Learner(model, settings)


def steps_of(backend, corpus, number=20, recipe="course", dtype="float64"):
    """Losses, weights and a poem after so many steps; and what the stand-in counted in each."""
    one = learner_of(backend, len(corpus.vocabulary), recipe, dtype)
    losses, counts = [], []
    epochs = (batch for epoch in range(9) for batch in corpus.batches(
        np.arange(40), 8, np.random.default_rng(epoch), one.model.backend.keep_corpus))
    for step, batch in zip(range(number), epochs):
        before = dict(COUNTS)
        losses.append(one.step(batch, step)[0])
        counts.append({what: COUNTS[what] - before[what] for what in before})
    weights = {name: one.model.backend.to_host(p) for name, p in one.result.parameters.items()}
    poems = generate(one.result, corpus.vocabulary, ["风"], limit=24)
    return list(map(float, losses)), weights, poems, counts


def largest_difference(corpus, recipe, dtype):
    """Of the losses and weights of both after twenty steps, relative; infinity where the poems differ in
    float64."""
    losses, weights, poems, _ = steps_of("cupy", corpus, recipe=recipe, dtype=dtype)
    expected, expected_weights, expected_poems, _ = steps_of("numpy", corpus, recipe=recipe, dtype=dtype)
    differences = [abs(a - b) / b for a, b in zip(losses, expected, strict=True)]
    differences += [abs(w - expected_weights[name]).max() / abs(expected_weights[name]).max()
                    for name, w in weights.items()]
    return np.max(differences) if poems == expected_poems or dtype == "float32" else np.inf
