"""The figures of an evaluation as text: two tables of fixed width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import one_line
from ..evaluation.samples import ROWS, SHORTEST_LINE
from ..poems.vocabulary import ANY

SHARES = {row for row in ROWS if row not in ("distinct_characters", "longest_run_mean", "longest_run")}
LISTS = {"sampled": "sampled", "held_out": "held out", "shuffled": "shuffled"}


def as_table(report: dict[str, Any]) -> Iterator[str]:
    """The lines of both tables; report: what evaluate.measure returns."""
    split = report["split"]
    yield one_line(f"{report['model']}: {report['parameters']:,} parameters")
    yield (f"{split['held_out_poems']:,} held-out poems of {one_line(report['corpus'])}: "
           f"{split['predictions']:,} predictions, of them {split['characters']:,} of characters; "
           f"{split['training_poems']:,} poems to train on")
    yield f"sha256 of the held-out poems {split['held_out_sha256']}"
    yield f"sha256 of the training poems {split['training_sha256']}"
    yield ""
    name_width = max(len(model["name"]) for model in report["models"])
    yield f"{'':{name_width}}  {'nats a prediction':22}  {'perplexity':22}  nats a character"
    for model in report["models"]:
        columns = [bounds(model["nats_per_prediction"], 3), bounds(model["perplexity"], 1),
                   bounds(model["nats_per_character"], 3)]
        yield f"{model['name']:{name_width}}  {columns[0]:22}  {columns[1]:22}  {columns[2]}"
    yield "In [ ]: 95 % of the bootstrap over poems. Predicted is each character, each mark and the end of a"
    yield "poem; nats a character leaves out the marks and the end."
    yield ""
    yield from sample_table(report["samples"])


def sample_table(samples: dict[str, Any]) -> Iterator[str]:
    yield (f"poems sampled at temperature 1 (seed {samples['seed']}), held-out poems, and these with their "
           "characters shuffled")
    width = max(map(len, ROWS.values()))
    yield f"{'':{width}}" + "".join(f"  {name:>9}" for name in LISTS.values())
    yield f"{'poems':{width}}" + "".join(f"  {samples[name]['poems']:>9,}" for name in LISTS)
    for row, name in ROWS.items():
        if row in samples["left_out"]:
            yield f"{name:{width}}  {samples['left_out'][row]}"
            continue
        yield f"{name:{width}}" + "".join(f"  {number(row, samples[column][row]):>9}" for column in LISTS)
    form = samples["form"]
    if form:
        yield f"The form is {form}, with {form.count(ANY)} characters."
    if "rhyme_pingshui" not in samples["left_out"]:
        yield "Rhyme: the even lines end in different characters of one rhyme. Tones: of the even places."
        yield (f"The Pingshui table has {samples['known_to_pingshui']:.2%} of the held-out characters; "
               "one with several")
        yield "readings fits with any of them."
    if "repeated_lines" not in samples["left_out"]:
        yield (f"Lines of fewer than {SHORTEST_LINE} characters do not count; in the last row each list has "
               f"{samples['compared']:,} of its poems.")


def number(row: str, value: float) -> str:
    if row in SHARES:
        return f"{value:.1%}"
    return f"{value:.0f}" if row == "longest_run" else f"{value:.1f}"


def bounds(value: list[float] | None, digits: int) -> str:
    """A figure with its interval, which one poem does not have."""
    if value is None:
        return "-"
    figure, low, high = (f"{number:.{digits}f}" for number in value)
    return f"{figure} [{low}, {high}]" if value[1] < value[2] else figure
