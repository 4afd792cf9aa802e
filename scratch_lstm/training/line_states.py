"""A trained model reads one line: its gates, its cell, what it expects next, and every delta_{t,k}.

This is lstm_textbook.py on a model of a run, in float64; explain.py draws it, and the site's explorer
computes the same in JavaScript (tests/test_explorer.py compares both).

    T steps: the mark of the start and the line's characters. V vocabulary, H size of the last layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import lstm_textbook
from ..errors import InputError
from ..functional import softmax_cross_entropy, softmax_cross_entropy_backward
from ..model import PoemModel
from ..poems.vocabulary import Vocabulary

Array = np.ndarray
MOST = 60       # characters: the triangle has so many rows


@dataclass(frozen=True)
class LineStates:
    """The last layer of a model after a line, and L_t = -log p(the next character) at each step t."""

    words: list[str]            # T read words, the mark of the start first
    targets: list[str]          # T next words; the last one is the likeliest
    x: Array                    # (T, D) what the layer reads
    states: lstm_textbook.States
    probabilities: Array        # (T, V)
    losses: Array               # (T,)
    dL_dh: Array                # (T, H)
    delta: Array                # (T, T, 4H)
    norm: Array                 # (T, T): of delta_{t,k}, zero for k > t
    via_h: Array                # (T, T): of the part of delta_{t,k} that comes through h_k
    via_c: Array                # (T, T): of the part that comes along c_k; the two parts add up to delta


def token_numbers(vocabulary: Vocabulary, line: str) -> list[int]:
    """The start and the line as numbers. Raises InputError for an unknown character, or none, or too many."""
    if not 1 <= len(line) <= MOST:
        raise InputError(f"line '{line}': it must have 1 to {MOST} characters")
    for character in line:
        if character not in vocabulary.word_int_map or character in (vocabulary.start, vocabulary.end):
            raise InputError(f"line '{line}': the character '{character}' is not in the model's vocabulary")
    return [vocabulary.word_int_map[word] for word in (vocabulary.start, *line)]


def read_line(model: PoemModel, vocabulary: Vocabulary, line: str) -> LineStates:
    """All that the model computes for a line. Raises the InputError of token_numbers."""
    tokens = token_numbers(vocabulary, line)
    arrays = {name: np.asarray(model.backend.to_host(p), np.float64)
              for name, p in model.parameters.items()}
    x = arrays["embedding"][tokens]
    for layer in range(model.sizes["num_layers"]):
        W, U, b = (arrays[f"{name}{layer}"] for name in "WUb")
        zeros = np.zeros(U.shape[1])
        inputs, states = x, lstm_textbook.forward(x, (zeros, zeros), W, U, b)
        x = states.h[1:]
    weight = arrays["embedding"] if model.tie_embedding else arrays["fc.weight"]
    logits = x @ weight.T + arrays["fc.bias"]                                             # (T, V)
    targets = np.array([*tokens[1:], int(logits[-1].argmax())])
    T = len(tokens)
    _, saved = softmax_cross_entropy(logits, targets)
    dlogits = softmax_cross_entropy_backward(saved, targets) * T            # of the sum over t, not the mean
    probabilities = dlogits.copy()
    probabilities[np.arange(T), targets] += 1
    dL_dh = dlogits @ weight                                                              # (T, H)
    delta, dL_dc = lstm_textbook.backward(states, U, dL_dh)
    via_h, via_c = parts(states, delta, dL_dc)
    losses = -np.log(probabilities[np.arange(T), targets])
    words, following = ([vocabulary.words[n] for n in numbers] for numbers in (tokens, targets))
    return LineStates(words, following, inputs, states, probabilities, losses, dL_dh, delta,
                      np.linalg.norm(delta, axis=2), via_h, via_c)


def parts(states: lstm_textbook.States, delta: Array, dL_dc: Array) -> tuple[Array, Array]:
    """The norms (T, T) of the two parts of each delta_{t,k}: through h_k, and along c_k (derivations, 7.3).

    delta and dL_dc as lstm_textbook.backward gives them.
    """
    T, H = len(delta), dL_dc.shape[2]
    via_h, via_c = np.zeros((T, T)), np.zeros((T, T))
    for t in range(T):
        for k in range(t + 1):
            i, f, g, o = np.split(states.gates[k], 4)
            slopes = np.concatenate([g * i * (1 - i), states.c[k] * f * (1 - f), i * (1 - g ** 2)])
            along_c = dL_dc[t, k + 2] * states.gates[k + 1, H:2 * H] if k < t else np.zeros(H)
            through_h = dL_dc[t, k + 1] - along_c
            d_o = delta[t, k, 3 * H:]                       # the output gate is reached through h alone
            via_h[t, k] = np.linalg.norm(np.concatenate([np.tile(through_h, 3) * slopes, d_o]))
            via_c[t, k] = np.linalg.norm(np.tile(along_c, 3) * slopes)
    return via_h, via_c
