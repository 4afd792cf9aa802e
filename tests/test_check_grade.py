"""Grading a folder of hostile files: each spoils its own row only."""

import csv
import io
import os
import sys
import time
from pathlib import Path

import pytest
from helpers.check_sources import LSTM, with_line

from scratch_lstm.check.__main__ import main, parser
from scratch_lstm.check.checking import check_source
from scratch_lstm.check.grade import COLUMNS, as_lines, expand, grade, row, write_csv
from scratch_lstm.check.report import as_json

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
def test_a_hostile_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_FOLDER", str(tmp_path))              # every process inherits it
    for name, (source, _, _) in HOSTILE.items():
        (tmp_path / name).write_text(source.replace("FOLDER", str(tmp_path)), encoding="utf-8")
    paths = expand([tmp_path / "*.py"])
    assert [path.name for path in paths] == sorted(HOSTILE)
    rows, changed = grade(paths, "en", seconds=6, megabytes=512, jobs=2, progress=False)
    for path, found in zip(paths, rows):
        _, verdict, words = HOSTILE[path.name]
        assert found["verdict"] == verdict and words in found["sites"] + found["remarks"], found
    assert changed == [tmp_path / "a_right.py"]
    assert rows[1]["stage"] == "through time" and rows[0]["stage"] == "all" and rows[2]["stage"] == ""
    left = [pid for pid in os.listdir("/proc") if pid.isdigit() and belongs(pid, tmp_path)]
    assert not left, "a process is left over"


def belongs(pid, folder):
    """Whether a process runs a graded file of this folder, or was started by one."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"OF_THE_FOLDER={folder}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def test_the_table_is_written_whole_and_is_harmless(tmp_path):
    answer = {"verdict": "error", "stages": {}, "mistakes": [], "missing": [],
              "remarks": ["=cmd|' /C calc'!A0"],
              "residual": None}
    file = tmp_path / "grades.csv"
    write_csv(file, [row(tmp_path / "学生.py", answer, 0.5)])
    data = file.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and list(tmp_path.iterdir()) == [file]
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS and rows[0]["file"].endswith("学生.py")
    assert rows[0]["remarks"].startswith("'=")


def test_the_command_grades(tmp_path, capsys):
    (tmp_path / "a.py").write_text("def forward(:", encoding="utf-8")
    (tmp_path / "b.py").write_bytes(b"\xff\xfe")
    status = main(["--grade", str(tmp_path / "*.py"), "--csv", str(tmp_path / "t.csv"), "--language", "zh"])
    printed = capsys.readouterr()
    assert status == 0 and "合法的 Python" in printed.out and "2/2" in printed.err
    assert (tmp_path / "t.csv").read_text(encoding="utf-8-sig").count("\n") == 3
    assert main(["--grade", str(tmp_path / "a.py"), "--csv", str(tmp_path / "no" / "t.csv")]) == 2
    assert "no such file" in capsys.readouterr().err.lower()


def test_a_folder_and_no_file(tmp_path, capsys):
    folder = tmp_path / "class [1]"
    folder.mkdir()
    assert main(["--grade", str(folder)]) == 2
    assert capsys.readouterr().err == f"error: {folder}: no such files\n"
    for name in ("b.py", "a.py", "a.txt"):
        (folder / name).write_text(LSTM, encoding="utf-8")
    assert expand([folder, folder / "a.py"]) == [folder / "a.py", folder / "b.py"]
    assert main(["--grade", str(folder), "--jobs", "1"]) == 0
    assert capsys.readouterr().out.count(" right ") == 2


def test_no_file_to_grade_is_written_over(tmp_path, capsys):
    file, text = tmp_path / "a.py", tmp_path / "b.txt"
    for one in (file, text):
        one.write_text(LSTM, encoding="utf-8")
    for table in (file, tmp_path / "new.py", text):
        assert main(["--grade", str(file), str(text), "--csv", str(table)]) == 2
        assert "that is a file to grade; name another one" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == text.read_text(encoding="utf-8") == LSTM
    assert not (tmp_path / "new.py").exists()


def answer_to(source):
    verdict, gates = check_source(source, "student.py")
    return as_json(verdict, "en", gates)


def test_the_table_says_what_is_missing():
    found = row(Path("a.py"), answer_to(with_line(LSTM, ' "U": dU,', "")), 1)
    assert found["stage"] == "sums" and as_lines([found]).endswith("not written: U")
    found = row(Path("a.py"), answer_to(LSTM), 1)
    assert found["stage"] == "all" and as_lines([found]).endswith(" s")


def test_the_command_line(tmp_path, capsys):
    for flags, words in ((["--grade"], "name the files to grade"), ([], "name one FILE, or use --grade"),
                         (["a.py", "--csv", "t.csv"], "--csv belongs to --grade"),
                         (["a.py", "--jobs", "0"], "argument --jobs: 0: it must be at least 1"),
                         (["a.py", "--jobs", "two"], "argument --jobs: invalid int value: 'two'"),
                         (["a.py", "--memory", "-5"], "argument --memory: -5: it must be at least 0"),
                         *((["a.py", "--seconds", text], f"--seconds: {text}: it must be at least 0.1")
                           for text in ("0", "-1", "nan", "inf"))):
        with pytest.raises(SystemExit):
            main(flags)
        assert words in capsys.readouterr().err
    file = tmp_path / "a.py"
    file.write_bytes(("# -*- coding: gbk -*-\n# 春眠不觉晓\n" + LSTM).encode("gbk"))
    assert main([str(file)]) == 0 and "right" in capsys.readouterr().out
    assert main(["--grade", str(file)]) == 0 and " right " in capsys.readouterr().out
    file.write_bytes(b"# -*- coding: nobody -*-\n")
    assert main([str(file)]) == 2 and "cannot be read" in capsys.readouterr().out


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
