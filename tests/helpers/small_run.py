"""A training run that takes a second: its flags and its poems."""

import train_poems

TINY = ["--epochs", "1", "--batch-size", "8", "--embedding-size", "3", "--hidden-size", "4",
        "--num-layers", "1", "--backend", "numpy"]


def finish_small_run(folder, first="一二三四五六", second="七八九十百千"):
    """The folder of a finished run, over poems of one form in poems.txt beside it."""
    lines = [f"{a}山水{b}月，风{b}花{a}雪。" for a in first for b in second]
    (folder / "poems.txt").write_text("\n".join(lines), encoding="utf-8")
    assert train_poems.main([*TINY, "--corpus", str(folder / "poems.txt"), "--out", str(folder / "run")]) == 0
    return folder / "run"
