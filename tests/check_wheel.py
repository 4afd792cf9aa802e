"""Install the wheel into an empty environment and use it as a person does.

    python tests/check_wheel.py dist/scratch_lstm-0.1.0-py3-none-any.whl

`scratch-lstm --help`, an interrupted run on a small file, and the resume command exactly as it was printed.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path


def main(wheel: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=True)
        bin_folder = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")
        subprocess.run([bin_folder / "python", "-m", "pip", "install", "--quiet",
                        "--disable-pip-version-check", Path(wheel).resolve()], check=True)
        os.environ["LANGUAGE"] = "en"           # whatever the locale: what is printed is read below
        program, rng = str(bin_folder / "scratch-lstm"), random.Random(0)
        help_text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
        assert "scratch-lstm --resume runs/NAME" in help_text, help_text
        chinese = subprocess.run([program, "--language", "zh", "--help"], check=True, capture_output=True,
                                 encoding="utf-8", env={**os.environ, "PYTHONUTF8": "1"}).stdout
        assert "继续中断的训练" in chinese, chinese     # the catalogue is in the wheel
        line = "".join
        lines = [line(rng.choices("山水风月花雨", k=5)) + "，" + line(rng.choices("山水风月花雨", k=5)) + "。"
                 for _ in range(64)]
        (folder / "poems.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        run = subprocess.Popen(
            [program, "--corpus", "poems.txt", "--out", "run", "--backend", "auto", "--hidden-size", "8",
             "--embedding-size", "4", "--epochs", "100000"], cwd=folder, stdout=subprocess.PIPE, text=True)
        while not (folder / "run" / "best.safetensors").exists():
            assert run.poll() is None, run.stdout.read() if run.stdout else ""
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 130, output
        resume = re.search(r"continue with: scratch-lstm (--resume \S+)", output)
        assert resume, output
        done = int(re.findall(r"epoch +(\d+)  training", output)[-1])
        subprocess.run([program, *resume[1].split(), "--epochs", str(done + 1)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        poem = subprocess.run([program, "--generate", "run", "--prompt", "山", "--strict"], cwd=folder,
                              check=True, capture_output=True, text=True).stdout
        assert "1 of 1 have the form 字字字字字，字字字字字。" in poem, poem
        print(f"{Path(wheel).name}: --help, a run, its own resume command, a poem: {poem.splitlines()[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
