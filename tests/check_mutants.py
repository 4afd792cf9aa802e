"""The verdict of `make mutants`: every mutant that survives must be listed here, with the reason why.

    python tests/check_mutants.py         after run_mutants.py and mutate_kernels.py

A mutant is known by its line before and after, whatever its number. Those listed are equivalent: the changed
program keeps its contract for every input. Exit status 1 when another one survives, or, after a whole run,
when an entry here has no survivor any more.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant

# (file below scratch_lstm, "" for any; a pattern; why nothing changes): the lines before and after differ in
# no more than what the pattern matches
NEGATIVE = "NumPy and Numba take any negative size in reshape for -1"
PLACEHOLDER = "nothing reads it before the forward or the loss that sets it"
WIDER = "an entry more at the end, which no loop reaches and no result has"
ONE = "1 is exact in any dtype and the result is stored in its own: float32 sums are only rounded later"
SMALLER = "the next term of the series is smaller than the rounding"
AGAIN = "some entries are computed twice, alike: slower, and no other result"
BUFFER = "the name of a buffer; any that no other buffer there has will do"
EQUIVALENT = [
    ("", r"\.reshape\((\*[\w.]+, )?-[12]\b", NEGATIVE),
    ("", r'self\.\w+: (Array|float)( \| None)? = (None|"")', PLACEHOLDER),
    ("", r'\.kind (not )?in "(XX)?iub?(XX)?"', "no dtype has the kind X"),
    ("", r"\btraining = (False|None)$", "both are false"),
    ("training/trainer.py", r"self\.log_failed = (False|None)", "both are false"),
    ("", r'kind="(stable|STABLE)"', "NumPy reads either case"),
    ("poems/corpus.py", r'encode\("(utf-32-le|UTF-32-LE)"\)', "one name of the codec"),
    ("poems/corpus.py", r"np\.zeros\((0x110000|1114113),", WIDER),
    ("poems/corpus.py", r'text = "(XXXX)?"\.join\(poems\)', "only G and E are looked for in it"),
    ("poems/corpus.py", r"if len\(same\) else [12]", "without poems no batch is made, of whatever size"),
    ("poems/generate.py", r"if (temperature is not None|\(temperature is not None\) or True) else [01]",
     "a greedy choice reads no draws"),
    ("kernels/numpy_adam.py", r"if keep != [12]:", "a product with 1 changes no bit; keep is never above 1"),
    ("lstm.py", r"math\.sqrt\(shape\[0\] //? 4\)", "shape[0] is 4H"),
    ("gradcheck.py", r'method == "central" and error >=? bound', "a row at its bound is ok, rounding or not"),
    ("poems/vocabulary.py", r"places <=? set\(self\.words\)", "G and E are words and never in a form"),
    ("poems/generate.py", r"else max\([12], len\(prompts\)\)", "one prompt is one batch of either size"),
    ("poems/generate.py", r"waiting\[b\] = (0|None)", "both are false"),
    ("poems/sampling.py", r"\.astype\((np\.float64|None)\)", "to NumPy None is float64"),
    ("poems/sampling.py", r"top_k <=? logits\.shape\[1\]", "all are among the likeliest"),
    ("poems/sampling.py", r"range\(0, len\(logits\), (ROWS)?\)", "a row more often chosen is chosen alike"),
    ("poems/sampling.py", r"slice\((begin, |None, )?(begin \+ ROWS|None)\)", "the same"),
    ("poems/sampling.py", r"np\.arange\(0, p\.shape\[1\], (GROUP|None)?\)", "groups of one word"),
    ("poems/sampling.py", r"np\.bincount\(row, (minlength=len\(logits\))?\)",
     "every row, the last one too, has a likeliest word"),
    ("poems/sampling.py", r"np\.exp\(p, (out=(p|None))?\)", "a new array has the same numbers"),
    ("lstm_layer.py", r'(own|scratch)\(("\w+"|None),', BUFFER),
    ("lstm_layer.py", r'hc", \([23], ', "a third part that nothing reads"),
    ("model.py", r'self\.workspace\(("\w+"|None),', BUFFER),
    ("lstm.py", r"self\.(caches|masks|fast): list\[.*\] = (\[\]|None)",
     "both are false, and forward replaces it by a list"),
    ("lstm_layer.py", r"[Ub]\.astype\(dtype, (copy=\w+)?\)", "a copy has the same numbers"),
    ("lstm_layer.py", r"xp\.ones\(T \* B, (dtype|None)?\)", "sums in float64 are only rounded later"),
    ("layers.py", r"dx, (self\.order|None)?\)", "without the order the backend sorts for itself"),
    ("model.py", r"checked\(tokens, 1\), (last=\w+)?\)", "NumPy's backend has no order to send"),
    ("numpy_backend.py", r"last: bool = (True|False)", "NumPy's backend has no order to send"),
    ("model.py", r"run_backward\(dh, (keep=\w+)?\)", "what is kept here nobody reads"),
    ("model.py", r"check_settings\(rate, (dtype|None), ", "the LSTM refuses that dtype in the same words"),
    ("training/data_parallel.py", r'(workspace|_zeros)\((name|"\w+"|None),', BUFFER),
    ("training/data_parallel.py", r'"rows", \(last [-+] first,', "more rows than are used"),
    ("training/data_parallel.py", r'"total", \([12],', WIDER),
    ("training/data_parallel.py", r'"losses", \(len\(parts\), [12]\)', WIDER),
    ("training/data_parallel.py", r"\(len\(parts\), 1\), models\[[01]\]", "all have one dtype"),
    ("training/data_parallel.py", r"if len\(parts\) <=? len\(self\.models\)", "both ways give the same bits"),
    ("training/data_parallel.py",
     r"if (self\.pool|\(self\.pool\) or True) else map\)\(work, range\(len\(parts\)",
     "without a pool there is one part, which has been returned"),
    ("training/data_parallel.py", r"weight if (weight <=? [12]|\(weight < 1\) or True) else loss",
     "a product with 1 changes no bit, and no weight is above 1"),
    ("training/data_parallel.py", r"if (threads >=? 1|\(threads > 1\) or True) else None",
     "a pool of one thread does the same work in the same order"),
    ("training/learner.py", r"if (drops|\(drops\) or True) else None",
     "without dropout nothing is drawn, whatever the seed"),
    ("training/learner.py", r"if (self\.result is not model|\(self\.result is not model\) or True) else None",
     "the parameters' distance to themselves is zero"),
    ("training/learner.py", r"use_tf32\((settings\.tf32|None)\)", "both are false but for CuPy"),
    ("", r'float\("(inf|INF)"\)', "float() reads both"),
    ("kernels/compiled/cell.py", r"\(np\.float32, (9|10), [12]\)", "as exact"),
    ("kernels/compiled/cell.py", r"single else \(np\.float64, 2[01], [34]\)", "as exact"),
    ("kernels/compiled/exp.py", r"powers, least, mantissa, bias = \([78],", SMALLER),
    ("kernels/compiled/exp.py", r"single else \(1[34],", SMALLER),
    ("kernels/compiled/exp.py", r"range\(powers \+ [12]\)", "a coefficient more, which no power takes"),
    ("kernels/compiled/jit.py", r'b"(XX)?\\0(XX)?"\.join', "a separator that no source contains either"),
    ("kernels/compiled/products.py", r'ord\("[nNtT]"\)', "the library reads either case"),
    ("kernels/compiled/products.py", r"np\.ones\([12], a\.dtype\)", WIDER),
    ("kernels/compiled/loop.py", r"range\(0, [MK], (8|16)?\)", AGAIN),
    ("kernels/compiled/loop.py", r"range\(([km], )?min\(([km] \+ \d+, )?[MK]\)\)", AGAIN),
    ("kernels/compiled/fused_loss.py", r"np\.full\(n, -np\.inf, (h\.dtype|None)?\)", "copies in float64"),
    ("kernels/compiled/fused_loss.py", r"np\.zeros\(n, (h\.dtype|None)?\)",
     "sums in float64 are only rounded later"),
    ("rnn_textbook.py", r"dh = np\.zeros\(\(H, H, H \+ D \+ [12]\), dtype\)", WIDER),
    ("rnn_textbook.py", r"np\.ones\([12], x\.dtype\)", WIDER),
    ("rnn_textbook.py", r"np\.ones\(1, (x\.dtype|None)?\)", ONE),
    ("lstm_textbook.py", r"dh = np\.zeros\(\(H, [45] \* H, H \+ D \+ [12]\), dtype\)", WIDER),
    ("lstm_textbook.py", r"np\.ones\([12], x\.dtype\)", WIDER),
    ("lstm_textbook.py", r"np\.ones\(1, (x\.dtype|None)?\)", ONE),
]

KILLED = (1, 3)         # pytest: tests failed, or an internal error
TIMEOUT = (36, 24, -24, 152, 255)
SURVIVED = (0,)
NOT_RUN = (None,)       # a part was asked for


class Mutant(NamedTuple):
    file: str               # below scratch_lstm
    name: str
    status: int | None      # of its test run, None where it has not run
    before: str             # the lines that it takes out and puts in, of a survivor
    after: str


def by_mutmut(root: Path) -> Iterator[Mutant]:
    for meta in sorted(root.rglob("scratch_lstm/**/*.py.meta")):
        file = str(meta.relative_to(root / "scratch_lstm").with_suffix(""))
        for name, status in json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            yield Mutant(file, name, status, *(("", "") if status in KILLED + NOT_RUN else change(name)))


def of_kernels(path: Path) -> Iterator[Mutant]:
    """What mutate_kernels.py has written, if it has run."""
    written = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for file, mutants in written.items():
        for number, (before, after, status) in enumerate(mutants, 1):
            yield Mutant(file, f"number {number}", status, before, after)


def change(mutant: str) -> tuple[str, str]:
    """The lines that a mutant takes out and puts in."""
    diff = get_diff_for_mutant(mutant).splitlines()
    body = [line for line in diff if not line.startswith(("---", "+++"))]
    return tuple(" ".join(line[1:].strip() for line in body if line.startswith(sign)) for sign in "-+")


def main() -> int:
    mutants = [*by_mutmut(Path("mutants")), *of_kernels(Path("mutants/kernels.json"))]
    killed, timeout, not_run = (sum(mutant.status in kind for mutant in mutants)
                                for kind in (KILLED, TIMEOUT, NOT_RUN))
    equivalent, unlisted, unused = 0, [], list(EQUIVALENT)
    for file, name, status, before, after in mutants:
        if status in KILLED + TIMEOUT + NOT_RUN:
            continue
        entries = [entry for entry in EQUIVALENT if entry[0] in (file, "") and all(
            re.search(entry[1], line) for line in (before, after))
            and re.sub(entry[1], "", before) == re.sub(entry[1], "", after)]
        if status in SURVIVED and entries:
            equivalent += 1
            unused = [entry for entry in unused if entry not in entries]
        else:
            unlisted.append(f"{name} ({file}), status {status}\n    - {before}\n    + {after}")
    print(f"{len(mutants)} mutants in {len({mutant.file for mutant in mutants})} files: {killed} killed, "
          f"{timeout} by a timeout, {equivalent} equivalent, {len(unlisted)} survive, {not_run} not run")
    unused = [] if not_run else unused
    for entry in unused:
        print(f"listed, but not surviving: {entry[0]}, {entry[1]}")
    print("\n".join(unlisted))
    return 1 if unlisted or unused or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
