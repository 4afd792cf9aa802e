"""Poems from a model: greedy, sampled, acrostic, strict."""

import importlib
from types import ModuleType

import numpy as np
import pytest

from scratch_lstm import PoemModel
from scratch_lstm.backend import Backend
from scratch_lstm.errors import InputError
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.poems.generate import carries, check_options, count_beginnings, count_lines, generate
from scratch_lstm.poems.sampling import choose, ranked
from scratch_lstm.poems.vocabulary import ANY, END, START, Vocabulary, has_form

writing = importlib.import_module("scratch_lstm.poems.generate")       # the package has the function
FORM = "字字字字字，字字字字字。字字字字字，字字字字字。"


@pytest.fixture
def corpus(corpus_file):
    return Corpus.load(corpus_file)


@pytest.fixture
def model(corpus):
    """Untrained, but far from uniform: it has strong and odd opinions."""
    model = PoemModel(len(corpus.vocabulary), 6, 8, 2, dropout=0.5, dtype="float64", seed=4)
    model.flat_parameters *= 6
    return model


def the_courses_way(model, word_int_map, prompt, limit):
    """One poem, greedily, the whole prefix again for each character."""
    words = {n: word for word, n in word_int_map.items()}
    poem = START + prompt
    while len(poem) <= limit:
        tokens = np.array([[word_int_map[word]] for word in poem])
        logits = model.forward(tokens)[0][-1, 0].copy()
        logits[word_int_map[START]] = -np.inf
        word = words[int(logits.argmax())]
        if word == END:
            break
        poem += word
    return poem[1:]


def test_greedy_is_the_whole_prefix_again_for_each_character(model, corpus):
    prompts = ["风", "山水", "", "一二三四五六", "花"]
    model.training = False
    expected = [the_courses_way(model, corpus.vocabulary.word_int_map, prompt, 30) for prompt in prompts]
    assert len(set(expected)) == 5
    model.training = True
    assert generate(model, corpus.vocabulary, prompts, limit=30) == expected
    assert model.training and model.dropout == 0.5       # left as it was


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"temperature": 2.0, "top_k": 5}])
def test_strict_poems_keep_the_form_and_their_prompts(model, corpus, options):
    prompts = ["风花雪月日", "风花雪月日，一", "", "山"]
    poems = generate(model, corpus.vocabulary, prompts, strict=True, **options)
    for poem, prompt in zip(poems, prompts):
        assert has_form(poem, FORM) and poem.startswith(prompt)
        assert START not in poem and END not in poem


def test_acrostic_begins_each_line(model, corpus):
    strict, = generate(model, corpus.vocabulary, ["风花雪月"], acrostic=True, strict=True)
    assert has_form(strict, FORM) and strict[::6] == "风花雪月"
    free = generate(model, corpus.vocabulary, ["风花雪月"] * 20, acrostic=True, temperature=3.0, limit=60)
    counts = []
    for poem in free:
        heads = [poem[0]] + [poem[n + 1] for n, mark in enumerate(poem[:-1]) if mark in "，。"]
        assert "".join(heads[:4]) == "风花雪月"[:len(heads)]
        counts.append(len(heads))
    assert not any(has_form(poem, FORM) for poem in free) and max(counts) >= 2


def test_sampling_is_seeded_and_a_poem_does_not_depend_on_those_after_it(model, corpus):
    def write(prompts, seed=1):
        return generate(model, corpus.vocabulary, prompts, temperature=1.0, seed=seed, limit=24)

    assert write(["风"] * 4) == write(["风"] * 4) != write(["风"] * 4, seed=2)
    assert len(set(write(["风"] * 4))) == 4
    assert write(["风"] * 4)[:2] == write(["风"] * 2)


def test_choices_follow_the_distribution():
    logits = np.array([1.0, -np.inf, 0.0, 2.0])
    draws = 1 - np.random.default_rng(0).random(40_000)
    tokens = choose(np.tile(logits, (len(draws), 1)), 0.5, None, draws)
    expected = np.exp(logits / 0.5) / np.exp(logits / 0.5).sum()
    observed = np.bincount(tokens, minlength=4) / len(draws)
    assert observed[1] == 0 and abs(observed - expected).max() <= 0.01
    top = choose(np.tile(logits, (len(draws), 1)), 0.5, 2, draws)
    assert set(top) == {0, 3}
    ends = choose(np.tile([-np.inf, 0.0, 0.0, -np.inf], (2, 1)), 1.0, None, np.array([1e-300, 1.0]))
    assert ends.tolist() == [1, 2]


def test_low_temperature_is_greedy(model, corpus):
    greedy = generate(model, corpus.vocabulary, ["风", "花"], limit=24)
    assert generate(model, corpus.vocabulary, ["风", "花"], temperature=1e-6, limit=24) == greedy
    assert generate(model, corpus.vocabulary, ["风", "花"], temperature=9.0, top_k=1, limit=24) == greedy


def test_the_start_is_never_written(corpus):
    """Not even by a model that wants nothing else."""
    model = PoemModel(len(corpus.vocabulary), 4, 4, 1, dtype="float64")
    start = corpus.vocabulary.word_int_map[START]
    model.parameters["fc.bias"][start] = 100
    for options in ({}, {"temperature": 1.0}, {"strict": True}, {"acrostic": True}):
        assert START not in generate(model, corpus.vocabulary, ["风"], **options)[0]


def test_an_acrostic_line_begins_after_any_mark(tmp_path):
    (tmp_path / "p.txt").write_text("一二？三四！五六；\n二一？四三！六五；\n", encoding="utf-8")
    corpus = Corpus.load(tmp_path / "p.txt")
    model = PoemModel(len(corpus.vocabulary), 4, 4, 1, dtype="float64")
    assert corpus.vocabulary.form == "字字？字字！字字；"
    poem, = generate(model, corpus.vocabulary, ["一三五"], acrostic=True, strict=True)
    assert poem[::3] == "一三五" and has_form(poem, corpus.vocabulary.form)


def test_a_free_poem_is_at_most_as_long_as_the_longest(corpus):
    model = PoemModel(len(corpus.vocabulary), 4, 4, 1, dtype="float64")
    model.parameters["fc.bias"][corpus.vocabulary.word_int_map[END]] = -100          # it never ends
    assert [len(poem) for poem in generate(model, corpus.vocabulary, ["", "风"])] == [24, 24]


def test_an_error_leaves_the_model_as_it_was(corpus, monkeypatch):
    model = PoemModel(len(corpus.vocabulary), 4, 4, 1, dropout=0.5)
    monkeypatch.setattr(model, "forward", lambda *arguments: 1 / 0)
    for training in (True, False):
        model.training = training
        with pytest.raises(ZeroDivisionError):
            generate(model, corpus.vocabulary, ["风"])
        assert model.training is training


def test_strict_needs_a_form(model, corpus):
    with pytest.raises(InputError, match="do not share a form"):
        generate(model, corpus.vocabulary.word_int_map, ["风"], strict=True)      # a bare map has no form


def test_has_form():
    assert count_lines(FORM) == 4
    assert has_form("一二三四五，一二三四五。一二三四五，一二三四五。", FORM)
    assert not has_form("一二三四五，一二三四五。一二三四五，一二三四五", FORM)
    assert not has_form("一二三四五。一二三四五。一二三四五，一二三四五。", FORM)
    assert not has_form("一二三四五，一二三四，。一二三四五，一二三四五。", FORM)


@pytest.mark.parametrize("prompt, options, message", [
    ("风龙", {}, "'龙' is not in the model's vocabulary"),
    ("风G", {}, "'G' is not in the model's vocabulary"),
    ("风" * 25, {"limit": 24}, "longer than a poem, which has at most 24"),
    ("风" * 25, {"strict": True}, "longer than a poem, which has at most 24"),
    ("风花雪月日山", {"strict": True}, "does not fit the form"),
    ("风，", {"strict": True}, "does not fit the form"),
    ("风花雪月日", {"strict": True, "acrostic": True}, "5 characters for 4 lines"),
    ("风，", {"acrostic": True}, "punctuation cannot begin a line"),
    ("风", {"temperature": 0.0}, "temperature 0.0: it must be positive"),
    ("风", {"temperature": float("nan")}, "temperature nan: it must be positive"),
    ("风", {"temperature": 1.0, "top_k": 0}, "top-k 0: it must be at least 1"),
    ("风", {"top_k": 3}, "top-k is for sampling"),
])
def test_a_prompt_or_option_that_cannot_be_used(model, corpus, prompt, options, message):
    with pytest.raises(InputError, match=message) as error:
        generate(model, corpus.vocabulary, [prompt], **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("poems, acrostic", [
    ("一，。二\n三，。四\n", "一二"), ("“字字山。”\n“山水字。”\n", "山"), ("《山》水。\n《水》山。\n", "山水"),
    ("“山水。”风月。\n“风月。”山水。\n", "山风"), ("山水 风月\n风月 山水\n", "月山"),
])
def test_an_acrostic_keeps_forms_with_several_marks_and_with_marks_first(poems, acrostic, tmp_path):
    (tmp_path / "p.txt").write_text(poems, encoding="utf-8")
    corpus = Corpus.load(tmp_path / "p.txt")
    model = PoemModel(len(corpus.vocabulary), 4, 4, 1, dtype="float64", seed=1)
    for options in ({}, {"temperature": 3.0}):
        poem, = generate(model, corpus.vocabulary, [acrostic], acrostic=True, strict=True, **options)
        assert has_form(poem, corpus.vocabulary.form) and carries(poem, acrostic)
    with pytest.raises(InputError, match="characters for . lines"):
        generate(model, corpus.vocabulary, [acrostic + acrostic[0] * 9], acrostic=True, strict=True)


def test_a_tiny_temperature_overflows_nothing(model, corpus):
    """Warnings are errors here."""
    greedy = generate(model, corpus.vocabulary, ["风"])
    assert generate(model, corpus.vocabulary, ["风"], temperature=5e-324) == greedy


def test_greedy_poems_of_one_prompt_begin_with_the_likeliest_characters(model, corpus):
    """Each is the greedy poem of the prompt and one more character; the first is the greedy poem itself."""
    words, count = corpus.vocabulary.words, len(corpus.vocabulary) - 2
    for prompt in ("风", "", "山水"):
        poems = generate(model, corpus.vocabulary, [prompt] * count, ranks=range(count), limit=24)
        assert poems[0] == generate(model, corpus.vocabulary, [prompt], limit=24)[0]
        assert len(set(poems)) == count
        start = START + prompt
        model.training = False
        logits = model.forward(np.array([[corpus.vocabulary.word_int_map[c]] for c in start]))[0][-1, 0]
        order = [words[n] for n in np.argsort(-logits) if words[n] not in (START, END)]
        for poem, character in zip(poems[1:], order[words[int(logits.argmax())] != END:]):
            assert poem == generate(model, corpus.vocabulary, [prompt + character], limit=24)[0]


@pytest.mark.parametrize("prompt, options, most", [
    ("风", {}, 22), ("风" * 24, {}, 1), ("风", {"strict": True}, 20), ("风花雪月日", {"strict": True}, 20),
    ("一二三四五，一二三四五。一二三四五，一二三四五", {"strict": True}, 1), ("风花雪月", {"acrostic": True}, 22),
    ("风花雪月", {"acrostic": True, "strict": True}, 20)])
def test_as_many_greedy_poems_as_there_are_beginnings(prompt, options, most, model, corpus):
    found = count_beginnings(corpus.vocabulary, prompt, **{"acrostic": False, "strict": False} | options)
    poems = generate(model, corpus.vocabulary, [prompt] * found, ranks=range(found), **options)
    assert found == most == len(set(poems))
    assert all(poem[0] == prompt[0] for poem in poems)
    if "strict" in options:
        assert all(has_form(poem, FORM) for poem in poems)
        assert "acrostic" not in options or all(carries(poem, prompt) for poem in poems)


def test_an_end_is_another_beginning_only_where_it_is_the_likeliest(corpus):
    model = PoemModel(len(corpus.vocabulary), 4, 4, 1, dtype="float64")
    end = corpus.vocabulary.word_int_map[END]
    for bias, empty in ((100, 1), (0.1, None), (-100, 0)):
        model.parameters["fc.bias"][end] = bias
        poems = generate(model, corpus.vocabulary, [""] * 22, ranks=range(22))
        assert empty is None or poems.count("") == empty == (poems[0] == "")
        assert len({poem[:1] for poem in poems}) == 22


def test_one_generator_goes_on_from_batch_to_batch(model, corpus):
    together = generate(model, corpus.vocabulary, ["风"] * 4, temperature=1.0, seed=3)
    rng = np.random.default_rng(3)
    parts = [generate(model, corpus.vocabulary, ["风"] * 2, temperature=1.0, seed=rng) for _ in range(2)]
    assert parts[0] + parts[1] == together


@pytest.mark.parametrize("prompt, options, message", [
    ("风龙", {}, "prompt '风龙': the character '龙' is not in the model's vocabulary"),
    ("风E", {}, "prompt '风E': the character 'E' is not in the model's vocabulary"),
    ("风风", {"limit": 1}, "prompt '风风': longer than a poem, which has at most 1 characters"),
    ("风，", {"strict": True}, f"prompt '风，': does not fit the form {FORM}"),
    ("风花雪月日", {"strict": True, "acrostic": True}, "acrostic '风花雪月日': 5 characters for 4 lines"),
    ("风，", {"acrostic": True}, "acrostic '风，': punctuation cannot begin a line"),
    ("风", {"temperature": float("inf")},
     "temperature inf: it must be positive; leave it out to write greedily"),
    ("风", {"temperature": 1.0, "top_k": 0}, "top-k 0: it must be at least 1"),
    ("风", {"top_k": 1}, "top-k is for sampling: give a temperature with it"),
])
def test_each_refusal_in_full(model, corpus, prompt, options, message):
    with pytest.raises(InputError) as error:
        generate(model, corpus.vocabulary, [prompt], **options)
    assert str(error.value) == message


def test_what_is_just_allowed(model, corpus):
    write = [("风" * 24, {}), ("风" * 5, {"limit": 5}), ("风花雪月", {"strict": True, "acrostic": True}),
             ("风", {"temperature": 1.0, "top_k": 1}), ("风花雪月日", {"acrostic": True}),
             ("", {"strict": True})]
    for prompt, options in write:
        poem, = generate(model, corpus.vocabulary, [prompt], **options)
        assert poem.startswith(prompt[:1] if options.get("acrostic") else prompt)


def test_without_a_form_strict_says_why(model, corpus):
    with pytest.raises(InputError) as error:
        generate(model, corpus.vocabulary.word_int_map, ["风"], strict=True)
    assert str(error.value) == "the poems of the corpus do not share a form, so there is none to keep"


def test_the_default_seed_is_zero_here_too(model, corpus):
    default, zero, one = (generate(model, corpus.vocabulary, ["风"], temperature=1.0, **seed)
                          for seed in ({}, {"seed": 0}, {"seed": 1}))
    assert default == zero != one


def test_a_strict_poem_has_the_whole_form_whatever_the_limit(model, corpus):
    poem, = generate(model, corpus.vocabulary, ["风"], strict=True, limit=3)
    assert has_form(poem, FORM)


@pytest.mark.parametrize("top_k", [1, 3, 400, 999, 1000, 2000])
def test_only_the_likeliest_are_drawn(top_k):
    """Among 1000 characters in any order; a high temperature makes those that are left nearly as likely."""
    rng = np.random.default_rng(0)
    logits = np.stack([rng.permutation(np.arange(1000.0)) for _ in range(200)])
    tokens = choose(logits, 1e6, top_k, 1 - rng.random(200))
    ranks = 999 - logits[np.arange(200), tokens]                          # 0 is the likeliest
    assert ranks.max() < top_k and len(set(ranks)) > min(top_k, 200) / 2


def test_huge_weights_write_a_poem_without_a_warning(corpus):
    """Warnings are errors here. Infinity minus infinity is NaN in the logits."""
    model = PoemModel(len(corpus.vocabulary), 6, 8, 2, seed=4)
    model.flat_parameters[...] = 3e38 * np.sign(model.flat_parameters)
    for options in ({}, {"temperature": 1.0}):
        assert len(generate(model, corpus.vocabulary, ["风"], **options)) == 1


def test_options_are_checked_for_a_vocabulary_without_a_model():
    """A free poem may be as long as the longest, a strict one as the form."""
    vocabulary = Vocabulary(("G", "E", "，", "山"), "字，", 3)
    check_options(vocabulary, ["山，山"])
    check_options(Vocabulary(("G", "E", "山")), ["山"])                   # no form is asked for
    for options, length in ({}, 3), ({"strict": True}, 2), ({"length": 1}, 1):
        with pytest.raises(InputError, match=f"longer than a poem, which has at most {length} characters"):
            check_options(vocabulary, ["山，山山"[:length + 1]], **options)


# the choice, and threads

def choose_as_before(logits, temperature, top_k, draws):
    """What `choose` was before it was made fast: a cumulative sum over all words."""
    logits = logits.astype(np.float64)
    if top_k is not None and top_k < logits.shape[1]:
        logits = np.where(logits >= np.partition(logits, -top_k)[:, -top_k, None], logits, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    cumulative = p.cumsum(axis=1)
    return (cumulative < draws.reshape(-1, 1) * cumulative[:, -1:]).sum(axis=1)


@pytest.mark.parametrize("V", [1, 45, 46, 92, 2001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("temperature", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("top_k", [None, 1, 20])
def test_the_choices_are_those_of_a_cumulative_sum_over_all_words(V, dtype, temperature, top_k):
    rng = np.random.default_rng(V)
    logits = (3 * rng.standard_normal((300, V))).astype(dtype)
    logits[:200] = logits[:200].round()                       # many are equal
    logits[rng.random(logits.shape) < 0.3] = -np.inf
    logits[:, rng.integers(V)] = 0.5                          # one is possible at least
    draws = 1 - rng.random(300)
    draws[:9] = 1.0                                           # the last word that is possible
    expected = choose_as_before(logits, temperature, top_k, draws)
    found = choose(logits, temperature, top_k, draws)
    assert np.array_equal(found, expected) and np.isfinite(logits[np.arange(300), found]).all()


@pytest.mark.parametrize("top_k", [None, 2])
def test_a_row_that_is_no_number_gets_the_first_word_and_spoils_no_other(top_k):
    logits = np.zeros((3, 50))
    logits[1] = np.nan
    logits[0, 49] = logits[2, 49] = 50
    assert choose(logits, 1.0, top_k, np.full(3, 0.5)).tolist() == [49, 0, 49]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("options", [
    {}, {"temperature": 0.8}, {"temperature": 2.0, "top_k": 5}, {"temperature": 1.0, "strict": True},
    {"acrostic": True, "temperature": 1.0}, {"ranks": [n % 22 for n in range(60)]}])
def test_poems_are_the_same_for_any_number_of_threads(corpus, monkeypatch, backend, options):
    """In float32 too, and as all poems in one batch in float64, where rounding decides nothing."""
    prompts = ["风", "花雪", "", "山"] * 15
    for dtype in ("float32", "float64"):
        model = PoemModel(len(corpus.vocabulary), 6, 8, 2, dropout=0.5, backend=backend, dtype=dtype, seed=4)
        model.flat_parameters *= 6
        whole = generate(model, corpus.vocabulary, prompts, **options)
        monkeypatch.setattr(writing, "AT_A_TIME", 7)
        poems = [generate(model, corpus.vocabulary, prompts, threads=n, **options) for n in (1, 2, 3, 99)]
        monkeypatch.undo()
        assert all(some == poems[0] for some in poems) and len(set(poems[0])) >= 4
        assert dtype == "float32" or poems[0] == whole
        assert model.training                                 # left as it was


def test_an_error_in_a_thread_is_an_error_here(model, corpus, monkeypatch):
    monkeypatch.setattr(writing, "AT_A_TIME", 2)
    monkeypatch.setattr(PoemModel, "forward", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(model, corpus.vocabulary, ["风"] * 9, threads=3)
    assert model.training


def test_allow_is_a_rule_on_top_of_the_form(model, corpus):
    """It is asked at each place of a character, with the poems so far, and has a row for each poem."""
    words, asked = np.array(corpus.vocabulary.words), []
    halves = [np.arange(len(words)) % 2 == half for half in (0, 1)]

    def allow(poems):
        asked.append(list(poems))
        return np.stack(halves)

    poems = generate(model, corpus.vocabulary, ["", ""], strict=True, allow=allow)
    assert [len(so_far[0]) for so_far in asked] == [n for n, place in enumerate(FORM) if place == ANY]
    assert asked[1] == [poem[0] for poem in poems]
    for poem, half in zip(poems, halves):
        assert has_form(poem, FORM) and set(poem) - set("，。") <= set(words[half])


def test_allow_is_for_strict_poems(model, corpus):
    assert generate(model, corpus.vocabulary, ["风"], allow=lambda poems: 1 / 0) == generate(
        model, corpus.vocabulary, ["风"])


def test_equal_logits_are_ranked_in_the_order_of_the_words():
    logits = np.zeros(100)
    logits[[7, 50]] = 1
    assert [ranked(logits, rank, end=99) for rank in range(6)] == [7, 50, 0, 1, 2, 3]


def test_an_acrostic_of_a_free_poem_leaves_all_but_its_first_character_free():
    """A prompt as long as the longest poem leaves nothing, but of an acrostic only a line's head is given."""
    short = Vocabulary((START, END, *"abc"), None, 2)
    assert [count_beginnings(short, "ab", acrostic, False) for acrostic in (False, True)] == [1, 3]
    assert count_beginnings(short, "abc", True, False) == 3
    shortest = Vocabulary((START, END, *"abc"), None, 1)
    assert count_beginnings(shortest, "a", True, False) == 1
    form = Vocabulary((START, END, *"abc，"), "字字，", 3)
    assert [count_beginnings(form, prompt, True, True) for prompt in ("a", "ab")] == [3, 1]


class OtherArrays(Backend):
    """NumPy under another name: a backend whose arrays are not NumPy's."""

    xp = ModuleType("other")
    xp.__dict__.update(np.__dict__)


@pytest.mark.parametrize("backend, sizes", [("numpy", [2, 2, 1]), (OtherArrays(), [5])])
def test_how_many_poems_are_written_together(backend, sizes, corpus, monkeypatch):
    """At most so many on a CPU; elsewhere all."""
    monkeypatch.setattr(writing, "AT_A_TIME", 2)
    model, written = PoemModel(len(corpus.vocabulary), 3, 4, 1, backend=backend), []
    forward = model.forward

    def watched(tokens, state):
        if state is None:
            written.append(tokens.shape[1])
        return forward(tokens, state)

    model.forward = watched
    assert len(generate(model, corpus.vocabulary, ["风"] * 5, limit=3)) == 5 and written == sizes
    assert generate(model, corpus.vocabulary, []) == [] and written == sizes


def test_the_threads_are_those_that_were_asked_for(model, corpus, monkeypatch):
    asked = []
    monkeypatch.setattr(writing, "read", lambda model, parts, work, threads: asked.append(threads) or [])
    generate(model, corpus.vocabulary, ["风"])
    generate(model, corpus.vocabulary, ["风"], threads=3)
    assert asked == [1, 3]
