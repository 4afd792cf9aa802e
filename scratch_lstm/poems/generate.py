"""Poems from a model: greedy or sampled, from a prompt or as an acrostic, free or in a strict form.

The state (h, c) is carried, so each character costs one step of the LSTM, never the whole prefix again;
and all poems are written side by side as one batch. A poem begins, like those of the corpus, after
the mark of its start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .corpus import is_punctuation, marks_of
from ..errors import InputError
from ..model import PoemModel

ANY = "字"  # in a form, the place of a character that is not punctuation


def generate(model: PoemModel, word_int_map: dict[str, int], prompts: Sequence[str], *,
             temperature: float | None = None, top_k: int | None = None, seed: int = 0,
             acrostic: bool = False, form: str | None = None, limit: int = 100) -> list[str]:
    """One poem for each prompt, without the marks of start and end.

    temperature: None takes the likeliest character (greedy); else characters are drawn from
        softmax(logits / temperature), among the top_k likeliest if that is given. The draws of a poem
        depend on `seed` and on its place among the prompts.
    acrostic: the characters of each prompt begin the lines, where they otherwise begin the poem.
    form: allow only choices that keep this form ("字字字字字，字字字字字。..."); None leaves the model free.
    limit: a poem that has not ended by then is cut.

    Raises InputError for an unknown character (and names it), a prompt that is too long or does not fit
    the form, a temperature or top_k that is not positive.
    """
    _check(word_int_map, prompts, temperature, top_k, acrostic, form, limit)
    words = sorted(word_int_map, key=word_int_map.__getitem__)
    start, end = (word_int_map[mark] for mark in marks_of(word_int_map))
    marks = np.array([is_punctuation(word) for word in words])                    # (V,)
    length = len(form) if form else limit
    draws = 1 - np.random.default_rng(seed).random((len(prompts), length))        # (B, length)
    poems = [""] * len(prompts)
    done = np.zeros(len(prompts), bool)                                           # (B,)
    tokens, state = np.full(len(prompts), start, np.int64), None                  # (B,)
    was_training, model.training = model.training, False
    for n in range(length):
        logits, state = model.forward(model.backend.to_device(tokens[None]), state)
        logits = model.backend.to_host(logits[0]).astype(np.float64)              # (B, V)
        logits[:, start] = -np.inf
        if form:
            logits[:, end] = -np.inf
            logits[:, marks if form[n] == ANY else np.arange(len(words)) != word_int_map[form[n]]] = -np.inf
        tokens = _choose(logits, temperature, top_k, draws[:, n])
        for b, prompt in enumerate(prompts):
            given = _given(prompt, poems[b], acrostic)
            if given is not None and not done[b]:
                tokens[b] = word_int_map[given]
        done |= tokens == end
        if done.all():
            break
        for b in np.flatnonzero(~done).tolist():
            poems[b] += words[tokens[b]]
    model.training = was_training
    return poems


def has_form(poem: str, form: str) -> bool:
    """Whether the poem's punctuation stands just where the form has it."""
    return len(poem) == len(form) and all(
        not is_punctuation(character) if place == ANY else character == place
        for character, place in zip(poem, form))


def lines_of(form: str) -> int:
    """How many lines a form has: each ends in punctuation."""
    return sum(place != ANY for place in form)


def _given(prompt: str, poem: str, acrostic: bool) -> str | None:
    """The character that the prompt prescribes next, or None where the model chooses."""
    if not acrostic:
        return prompt[len(poem)] if len(poem) < len(prompt) else None
    begins_a_line = not poem or is_punctuation(poem[-1])
    line = sum(map(is_punctuation, poem))
    return prompt[line] if begins_a_line and line < len(prompt) else None


def _choose(logits: np.ndarray, temperature: float | None, top_k: int | None,
            draws: np.ndarray) -> np.ndarray:
    """logits (B, V), draws (B,) from (0, 1] -> tokens (B,)."""
    if temperature is None:
        return logits.argmax(axis=1)
    if top_k is not None and top_k < logits.shape[1]:
        least = np.partition(logits, -top_k, axis=1)[:, -top_k, None]             # the k-th largest
        logits = np.where(logits >= least, logits, -np.inf)
    p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    cumulative = p.cumsum(axis=1)
    return (cumulative < draws[:, None] * cumulative[:, -1:]).sum(axis=1)         # the inverse distribution


def _check(word_int_map: dict[str, int], prompts: Sequence[str], temperature: float | None,
           top_k: int | None, acrostic: bool, form: str | None, limit: int) -> None:
    """Raise InputError for what generate cannot do."""
    if temperature is not None and not 0 < temperature < float("inf"):
        raise InputError(f"temperature {temperature}: it must be positive; leave it out to write greedily")
    if top_k is not None and top_k < 1:
        raise InputError(f"top-k {top_k}: it must be at least 1")
    if top_k is not None and temperature is None:
        raise InputError("top-k is for sampling: give a temperature with it")
    for prompt in prompts:
        for character in prompt:
            if character not in word_int_map or character in marks_of(word_int_map):
                raise InputError(f"prompt '{prompt}': the character '{character}' "
                                 "is not in the model's vocabulary")
        if acrostic:
            if any(map(is_punctuation, prompt)):
                raise InputError(f"acrostic '{prompt}': punctuation cannot begin a line")
            if form and len(prompt) > lines_of(form):
                raise InputError(f"acrostic '{prompt}': {len(prompt)} characters for {lines_of(form)} lines")
        elif len(prompt) > (len(form) if form else limit):
            raise InputError(f"prompt '{prompt}': longer than a poem, "
                             f"which has at most {len(form) if form else limit} characters")
        elif form and not has_form(prompt, form[:len(prompt)]):
            raise InputError(f"prompt '{prompt}': does not fit the form {form}")
