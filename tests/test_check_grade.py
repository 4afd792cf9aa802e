"""Grading a folder of hostile files: each spoils its own row only."""

import csv
import io
import os
import sys
import time

import pytest
from helpers.check_sources import LSTM, with_line

from scratch_lstm.check.__main__ import main, parser
from scratch_lstm.check.apart import MARK
from scratch_lstm.check.grade import COLUMNS, expand, grade, row, write_csv

HOSTILE = {
    "a_right.py": (LSTM, "right", ""),
    "b_wrong.py": (with_line(LSTM, "dc_next = dc * f\n", "dc_next = dc\n"), "wrong", "path-through-c"),
    "c_loop.py": ("while True:\n    pass\n", "error", "did not finish"),
    "d_exit.py": ("import os\nos._exit(7)\n", "error", "exit status 7"),
    "e_memory.py": ("big = [0.0] * (10 ** 9 // 8)\n" + LSTM, "error", "memory"),
    "f_fork.py": ("import os, time\nif os.fork() == 0:\n    os.setsid()\n"
                  "    while True:\n        time.sleep(1)\n" + LSTM,
                  "right", ""),
    "g_closed.py": ("import sys\nsys.stdout.close()\nsys.stderr.close()\n" + LSTM, "right", ""),
    "h_prints.py": ("import os\nfor _ in range(50):\n    print('x' * 10 ** 5)\n"
                    "    os.write(1, b'y' * 10 ** 5)\n" + LSTM,
                    "right", ""),
    "i_neighbour.py": ("open('FOLDER/a_right.py', 'w').write('raise SystemExit')\n" + LSTM, "right", ""),
    "j_both.py": ("import os\nos.fork()\n" + LSTM, "right", ""),
    "k_syntax.py": ("def forward(:\n", "error", "no Python"),
    "l_crash.py": ("import ctypes\nctypes.string_at(0)\n", "error", "exit status -11"),
    "m_thread.py": ("import threading, time\n"
                    "threading.Thread(target=time.sleep, args=(1e6,)).start()\n" + LSTM,
                    "right", ""),
    "n_cell.py": ("raise ValueError('=1+1')\n", "error", "=1+1"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="fork, setsid and the memory limit as Linux has them")
def test_a_hostile_folder(tmp_path):
    for name, (source, _, _) in HOSTILE.items():
        (tmp_path / name).write_text(source.replace("FOLDER", str(tmp_path)), encoding="utf-8")
    paths = expand([tmp_path / "*.py"])
    assert [path.name for path in paths] == sorted(HOSTILE)
    rows, changed = grade(paths, "en", seconds=6, megabytes=512, jobs=2, progress=False)
    for path, found in zip(paths, rows):
        _, verdict, words = HOSTILE[path.name]
        assert found["verdict"] == verdict and words in found["sites"] + found["notes"], found
    assert changed == [tmp_path / "a_right.py"]
    assert rows[1]["stage"] == "through time" and rows[0]["stage"] == "all" and rows[2]["stage"] == ""
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and marked(pid)], "a process is left over"


def marked(pid):
    """A process of a graded file; this test's own process may be one of them, if it is being graded
    itself."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            values = dict(line.split(b"=", 1) for line in file.read().split(b"\0") if b"=" in line)
    except OSError:
        return False
    return MARK.encode() in values and values[MARK.encode()].decode() != os.environ.get(MARK)


def test_the_table_is_written_whole_and_is_harmless(tmp_path):
    answer = {"verdict": "error", "stages": {}, "mistakes": [], "not_written": [],
              "notes": ["=cmd|' /C calc'!A0"],
              "residual": None}
    file = tmp_path / "grades.csv"
    write_csv(file, [row(tmp_path / "学生.py", answer, 0.5)])
    data = file.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and list(tmp_path.iterdir()) == [file]
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS and rows[0]["file"].endswith("学生.py")
    assert rows[0]["notes"].startswith("'=")


def test_the_command_grades(tmp_path, capsys):
    (tmp_path / "a.py").write_text("def forward(:", encoding="utf-8")
    (tmp_path / "b.py").write_bytes(b"\xff\xfe")
    status = main(["--grade", str(tmp_path / "*.py"), "--csv", str(tmp_path / "t.csv"), "--language", "zh"])
    printed = capsys.readouterr()
    assert status == 0 and "合法的 Python" in printed.out and "2/2" in printed.err
    assert (tmp_path / "t.csv").read_text(encoding="utf-8-sig").count("\n") == 3
    assert main(["--grade", str(tmp_path / "a.py"), "--csv", str(tmp_path / "no" / "t.csv")]) == 2
    assert "no such file" in capsys.readouterr().err.lower()


def test_the_help_says_what_the_limits_do_and_do_not():
    text = " ".join(parser().format_help().split())
    for words in ("checking it means running it", "time limit", "memory limit",
                  "does not protect you from malice",
                  "falsify its own row", "container"):
        assert words in text


@pytest.mark.slow
def test_a_hundred_files_in_a_minute(tmp_path):
    from helpers.check_sources import WRONG_LSTM
    for n in range(100):
        source = LSTM if n % 4 == 0 else with_line(LSTM, *WRONG_LSTM[n % len(WRONG_LSTM)][1:3])
        (tmp_path / f"{n:03}.py").write_text(source, encoding="utf-8")
    started = time.monotonic()
    rows, _ = grade(expand([tmp_path / "*.py"]), "en", seconds=10, megabytes=1024, jobs=2, progress=False)
    taken = time.monotonic() - started
    seconds = sorted(float(found["seconds"]) for found in rows)
    print(f"100 files in {taken:.0f} s; a file: median {seconds[50]:.2f} s, worst {seconds[-1]:.2f} s")
    assert {found["verdict"] for found in rows} == {"right", "wrong"}
    assert taken <= 120                              # 2 cores that others use as well
