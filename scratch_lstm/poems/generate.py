"""Poems from a model: greedy or sampled, from a prompt or as an acrostic, free or in a strict form.

The state (h, c) is carried, so each character costs one step of the LSTM, never the whole prefix again;
and poems are written many at a time, as a batch. A poem begins, like those of the corpus, after the
mark of its start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..model import PoemModel
from ..reading import read
from .sampling import choose, ranked
from .vocabulary import ANY, Vocabulary, has_form, is_punctuation

AT_A_TIME = 250     # poems in a batch: on a CPU more are not faster, and threads have more batches to share


def generate(model: PoemModel, vocabulary: Vocabulary | Mapping[str, int], prompts: Sequence[str], *,
             temperature: float | None = None, top_k: int | None = None,
             seed: int | np.random.Generator = 0,
             acrostic: bool = False, strict: bool = False, limit: int | None = None,
             ranks: Sequence[int] | None = None,
             allow: Callable[[Sequence[str]], np.ndarray] | None = None, threads: int = 1) -> list[str]:
    """One poem for each prompt, without the marks of start and end.

    vocabulary: the model's, or a word_int_map.
    temperature: None takes the likeliest character (greedy); else characters are drawn from
        softmax(logits / temperature), among the top_k likeliest if that is given. The draws of a poem
        depend on `seed` and on its place among the prompts. A generator's draws go on where it is.
    acrostic: the characters of each prompt begin the lines; otherwise the prompt begins the poem.
    strict: allow only choices that keep the vocabulary's form.
    limit: a poem that has not ended by then is cut; by default the longest poem of the corpus.
    ranks: of greedy poems, one for each prompt: the first character that is the model's choice is its
        likeliest one (0), its second likeliest (1), ...; so that poems of one prompt differ.
    allow: with strict, a rule on top of the form: from the poems so far to (B, V), which words may come next;
        it is not asked where the form has a mark. Several threads call it at the same time.
    threads: so many batches are written at the same time, and the matrix library has one thread (reading.py).
        The poems are the same for any number.

    Raises InputError for an unknown character (and names it), a prompt that is too long or does not fit
    the form, a temperature or top_k that is not positive, strict without a form.
    """
    vocabulary = Vocabulary.of(vocabulary)
    form = vocabulary.form if strict else None
    length = len(form) if form else limit or vocabulary.longest
    check_options(vocabulary, prompts, temperature, top_k, acrostic, strict, length)
    draws = np.zeros((len(prompts), length if temperature is not None else 0))    # (B, length)
    if temperature is not None:
        draws = 1 - np.random.default_rng(seed).random(draws.shape)
    ranks = list(ranks or [0] * len(prompts))
    size = AT_A_TIME if model.backend.xp is np else max(1, len(prompts))
    parts = [slice(begin, begin + size) for begin in range(0, len(prompts), size)]

    def write(one: PoemModel, part: slice) -> list[str]:
        return _batch(one, vocabulary, prompts[part], draws[part], ranks[part], length, form, allow, acrostic,
                      temperature, top_k)

    return [poem for poems in read(model, parts, write, threads) for poem in poems]


def _batch(model: PoemModel, vocabulary: Vocabulary, prompts: Sequence[str], draws: np.ndarray,
           waiting: list[int], length: int, form: str | None,
           allow: Callable[[Sequence[str]], np.ndarray] | None, acrostic: bool,
           temperature: float | None, top_k: int | None) -> list[str]:
    """As generate. draws (B, length); waiting: the ranks; form: of strict poems; length: the most."""
    words, number_of = vocabulary.words, vocabulary.word_int_map
    start, end = number_of[vocabulary.start], number_of[vocabulary.end]
    marks = [n for n, word in enumerate(words) if is_punctuation(word)]
    never = [start, end, *marks] if form else [start]
    line_of = line_starts(form) if form and acrostic else None
    poems = [""] * len(prompts)
    done = np.zeros(len(prompts), bool)                                           # (B,)
    tokens, state = np.full(len(prompts), start), None                            # (B,)
    for n in range(length):
        with np.errstate(over="ignore", invalid="ignore"):       # of a model with very large weights
            device_logits, state = model.forward(model.backend.to_device(tokens[None]), state)
        if form and form[n] != ANY:
            tokens = np.full(len(prompts), number_of[form[n]])
        else:
            logits = model.backend.to_host(device_logits[0])                      # (B, V)
            logits[:, never] = -np.inf
            if form and allow is not None:
                logits[~allow(poems)] = -np.inf
            tokens = choose(logits, temperature, top_k, draws[:, n:n + 1])
        for b, prompt in enumerate(prompts):
            forced = _forced_character(prompt, poems[b], acrostic, line_of)
            if forced is not None and not done[b]:
                tokens[b] = number_of[forced]
            elif waiting[b] and (form is None or form[n] == ANY):
                tokens[b] = ranked(logits[b], waiting[b], end)
                waiting[b] = 0
        done |= tokens == end
        if done.all():
            break
        for b in np.flatnonzero(~done).tolist():
            poems[b] += words[tokens[b]]
    return poems


def line_starts(form: str) -> dict[int, int]:
    """Where the lines of a form begin: place -> number of the line. A line begins with the first character
    after one or more marks, or after the marks that begin the poem."""
    starts = [n for n, place in enumerate(form) if place == ANY and (n == 0 or form[n - 1] != ANY)]
    return {place: line for line, place in enumerate(starts)}


def count_lines(form: str) -> int:
    """How many lines a form has."""
    return len(line_starts(form))


def carries(poem: str, acrostic: str) -> bool:
    """Whether the poem's lines begin with all characters of the acrostic."""
    heads = [character for n, character in enumerate(poem)
             if not is_punctuation(character) and (n == 0 or is_punctuation(poem[n - 1]))]
    return "".join(heads[:len(acrostic)]) == acrostic


def _forced_character(prompt: str, poem: str, acrostic: bool, line_of: dict[int, int] | None) -> str | None:
    """The character that the prompt prescribes next, or None where the model chooses.

    line_of: of an acrostic in a form, where its lines begin.
    """
    if not acrostic:
        return prompt[len(poem)] if len(poem) < len(prompt) else None
    if line_of is not None:
        line = line_of.get(len(poem), len(prompt))
    elif not poem or is_punctuation(poem[-1]):
        line = sum(map(is_punctuation, poem))
    else:
        return None
    return prompt[line] if line < len(prompt) else None


def count_beginnings(vocabulary: Vocabulary, prompt: str, acrostic: bool, strict: bool) -> int:
    """How many greedy poems of a prompt `ranks` can tell apart: START and END begin none."""
    form = vocabulary.form if strict else None
    if form is None:
        given = min(len(prompt), 1) if acrostic else len(prompt)
        return len(vocabulary) - 2 if given < vocabulary.longest else 1
    if acrostic:
        is_free = form.count(ANY) > len(prompt)
    else:
        is_free = ANY in form[len(prompt):]
    return sum(not is_punctuation(word) for word in vocabulary.words) - 2 if is_free else 1


def check_options(vocabulary: Vocabulary, prompts: Sequence[str], temperature: float | None = None,
                  top_k: int | None = None, acrostic: bool = False, strict: bool = False,
                  length: int | None = None, **others: object) -> None:
    """Raise InputError for what generate cannot do."""
    form = vocabulary.form if strict else None
    length = length or (len(form) if form else vocabulary.longest)
    if strict and form is None:
        raise InputError("the poems of the corpus do not share a form, so there is none to keep")
    if temperature is not None and not 0 < temperature < float("inf"):
        raise InputError(f"temperature {temperature}: it must be positive; leave it out to write greedily")
    if top_k is not None and top_k < 1:
        raise InputError(f"top-k {top_k}: it must be at least 1")
    if top_k is not None and temperature is None:
        raise InputError("top-k is for sampling: give a temperature with it")
    for prompt in prompts:
        for character in prompt:
            if character not in vocabulary.word_int_map or character in (vocabulary.start, vocabulary.end):
                raise InputError(f"prompt '{prompt}': the character '{character}' "
                                 "is not in the model's vocabulary")
        if acrostic:
            if any(map(is_punctuation, prompt)):
                raise InputError(f"acrostic '{prompt}': punctuation cannot begin a line")
            if form and len(prompt) > count_lines(form):
                raise InputError(f"acrostic '{prompt}': {len(prompt)} characters for "
                                 f"{count_lines(form)} lines")
        elif len(prompt) > length:
            raise InputError(f"prompt '{prompt}': longer than a poem, which has at most {length} characters")
        elif form and not has_form(prompt, form[:len(prompt)]):
            raise InputError(f"prompt '{prompt}': does not fit the form {form}")
