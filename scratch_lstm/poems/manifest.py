"""The manifest of a built corpus: `tang.txt.manifest.json` next to `tang.txt`.

It records how the text was made, its sha256, and the group of each poem: poems of one group are never on both
sides of the held-out split. Because of the sha256, a text that was edited afterwards is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from ..errors import InputError
from .reader import read_bytes

MADE_BY = "scratch_lstm.corpus_builder"   # the builder's first name; cached corpora carry it


def manifest_path(path: str | Path) -> Path:
    """Where the manifest of a built corpus is."""
    return Path(f"{path}.manifest.json")


def read_groups(path: Path, data: bytes, count: int) -> np.ndarray | None:
    """The group of each poem (count,) from the manifest of a built corpus; None for a text without one.

    Raises InputError for a file that is not a manifest, or is the manifest of another text.
    """
    file = manifest_path(path)
    if not os.path.lexists(file):
        return None
    what_to_do = f"delete {file.name} to use the text as it is, or both files to build the corpus again"
    try:
        manifest = json.loads(read_bytes(file))
        made_by, sha256, groups = (manifest[key] for key in ("made by", "sha256", "groups"))
        if not isinstance(groups, list) or not all(type(group) is int for group in groups):
            raise TypeError
        groups = np.array(groups, dtype=np.int64)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise InputError(f"{file}: is not the manifest of a built corpus; {what_to_do}") from None
    if made_by != MADE_BY or sha256 != hashlib.sha256(data).hexdigest() or groups.shape != (count,):
        raise InputError(f"{path}: was changed after it was built, it is not the text "
                         f"its manifest describes; {what_to_do}")
    return groups
