"""--evaluate for a run of course_lines.py, on the split that it has learnt with; the same flags.

    python benchmarks/evaluate_course_lines.py runs/NAME --export FOLDER
"""

from __future__ import annotations

import sys

from course_lines import FixedSplit

import train_poems
from scratch_lstm.poems.corpus import Corpus

if __name__ == "__main__":
    Corpus.split = FixedSplit.split
    sys.exit(train_poems.main(["--evaluate", *sys.argv[1:]]))
