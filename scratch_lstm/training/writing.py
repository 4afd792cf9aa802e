"""Poems from a model, printed, with a word on what was got."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from ..evaluation.choices import Choices
from ..kernels.one_blas_thread import one_blas_thread
from ..model import PoemModel
from ..poems.generate import carries, check_options, count_beginnings, generate
from ..poems.prompts import fitted
from ..poems.vocabulary import Vocabulary, has_form
from . import checkpoint, memory
from .ordered_sum import share
from .run_directory import RunDirectory
from .settings import MOST_THREADS
from .workers import ALONE, Workers

LAB_PROMPTS = ("日照香炉生", "清明时节雨", "风", "花", "雪", "月", "雨", "日", "朝", "三", "九")
AT_A_TIME = 1000     # poems written as one batch


def write_poems(path: Path, prompts: list[str] | None, count: int, strict: bool, threads: int,
                **options: Any) -> None:
    """Print `count` poems for each prompt (None: the lab's) from the model in a file, or in a run's folder
    the one with the lowest held-out loss, or the last one where no poems were held out."""
    if not 1 <= threads <= MOST_THREADS or options.get("seed", 0) < 0:
        raise InputError(f"--threads must be from 1 to {MOST_THREADS}, and --seed 0 or more")
    file = RunDirectory(path).best_or_last if path.is_dir() else path
    model, vocabulary = checkpoint.load(file)
    if prompts is None:
        prompts = usable_prompts(vocabulary)
    else:
        prompts = [fitted(prompt, vocabulary, print) for prompt in prompts]
    if strict and vocabulary.form is None:
        raise InputError(f"{file}: its poems have no form in common; leave out --strict")
    if count < 1:
        raise InputError(f"--count {count}: it must be at least 1")
    at_once = min(len(prompts) * count, AT_A_TIME)
    needed = memory.BASE + 8 * at_once * (vocabulary.longest + 4 * len(vocabulary))
    memory.check(needed, "to write these poems", "give a smaller --count")
    with one_blas_thread:
        print_poems(model, vocabulary, prompts, strict, count, threads=threads, **options)


def print_poems(model: PoemModel, vocabulary: Vocabulary, prompts: list[str], strict: bool = False,
                count: int = 1, say: Callable[[str], Any] = print, rhyme: bool = False, tones: bool = False,
                workers: Workers = ALONE, threads: int = 1, **options: Any) -> list[str]:
    """Write `count` poems for each prompt, each of the workers some of them; say how they were chosen, how
    many have the form of the corpus, how many rhyme and keep the tone pattern where that is asked for, and
    how many carry their acrostic. Returns the first AT_A_TIME of them."""
    if (rhyme or tones) and not strict:
        raise InputError("--rhyme and --tones are for poems in the form: give --strict with them")
    choices = Choices(vocabulary, rhyme, tones) if rhyme or tones else None
    check_options(vocabulary, prompts, strict=strict, **options)
    greedy = options.get("temperature") is None
    if greedy:
        check_count(vocabulary, prompts, count, options.get("acrostic", False), strict)
    kept_too = " and ".join(["the form", *["the rhyme"] * rhyme, *["the tone pattern"] * tones])
    way = f"strict: only choices that keep {kept_too}" if strict else "free: nothing enforces the form"
    choice = (f"temperature {options['temperature']:g}" if not greedy else "greedy" if count == 1
              else f"greedy after each of the {count} likeliest first characters")
    total = len(prompts) * count
    if rhyme and choices and not choices.can_rhyme:
        say("# no characters of the vocabulary rhyme in a level tone: nothing keeps the rhyme")
    say(f"# {total} {'poem' if total == 1 else 'poems'}, {choice}, {way}")
    rng = np.random.default_rng(options.pop("seed", 0))     # its draws go on from batch to batch
    kept = carried = rhyming = in_tone = 0
    first: list[str] = []
    for batch in batches(prompts, count):
        some, ranks = map(list, zip(*batch))
        first_one, last_one = share(len(batch), workers.rank, workers.size)
        mine = slice(first_one, last_one)
        parts = some[mine] and generate(model, vocabulary, some[mine], strict=strict, seed=rng,
                                        ranks=ranks[mine] if greedy else None, allow=choices, threads=threads,
                                        **options)
        poems = [poem for part in workers.collect(parts) for poem in part]
        first = first or poems
        for poem in poems:
            say(one_line(poem))
        kept += sum(has_form(poem, vocabulary.form or "") for poem in poems)
        carried += sum(map(carries, poems, some))
        if choices:
            rhyming += sum(map(choices.rhymes_in, poems))
            in_tone += sum(map(choices.keeps_tones, poems))
    if vocabulary.form is not None:
        say(f"# {kept} of {total} have the form {vocabulary.form}")
    if rhyme:
        say(f"# {rhyming} of {total} rhyme (Pingshui)")
    if tones:
        say(f"# {in_tone} of {total} keep the tone pattern (Pingshui)")
    if options.get("acrostic"):
        say(f"# {carried} of {total} have all the characters of their acrostic")
    return first


def check_count(vocabulary: Vocabulary, prompts: list[str], count: int, acrostic: bool,
                strict: bool) -> None:
    """Raise InputError if a prompt does not have so many greedy poems."""
    for prompt in prompts:
        most = count_beginnings(vocabulary, prompt, acrostic, strict)
        if count > most:
            raise InputError(f"--count {count}: greedy poems of a prompt differ in the first character that "
                             f"the model chooses, and '{prompt}' has {most} of them; give a smaller --count, "
                             "or a --temperature")


def batches(prompts: list[str], count: int) -> Iterator[list[tuple[str, int]]]:
    """Each prompt `count` times, with 0, 1, 2, ...; at most AT_A_TIME together."""
    every = product(prompts, range(count))
    while some := list(islice(every, AT_A_TIME)):
        yield some


def usable_prompts(vocabulary: Vocabulary) -> list[str]:
    """Those of the lab's prompts whose characters the vocabulary has, and that are not longer than a poem;
    otherwise one empty prompt."""
    return [prompt for prompt in LAB_PROMPTS
            if set(prompt) <= set(vocabulary.words) and len(prompt) <= vocabulary.longest] or [""]


def say_if_alike(poems: list[str], prompts: list[str], losses: list[float],
                 say: Callable[[str], Any]) -> None:
    """Say whether a model has just begun or is stuck, where all its poems continue in the same way.

    losses: the training loss of each epoch.
    """
    endings = {poem[len(prompt):][-8:] for poem, prompt in zip(poems, prompts)}
    if len(poems) < 3 or len(endings) > 1:
        return
    if len(losses) < 3 or losses[-1] < losses[-3] - 0.01:
        say("# all these poems end alike: the model has only begun, its training loss still falls; "
            "continue with --resume and more --epochs")
    else:
        say("# all these poems end alike, and the training loss no longer falls: the training is stuck; "
            "try a lower --learning-rate, or more poems")
