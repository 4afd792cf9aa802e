"""KaTeX and the search shim, from npm: two pinned releases, checked bit by bit, kept in build/npm/."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from scratch_lstm.poems.download import npm_command

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "npm"
# name: version, and npm's own "integrity" of that release
PINNED = {
    "katex": ("0.19.1", "sha512-jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/"
                        "YeOy15lDgRhKvr5614uRrEfA=="),
    "iframe-worker": ("1.0.4", "sha512-roeaaI+Lg1LJNfgpCjoRe/+WzEjy9+Z08LoEvu85MCPbBjwm+qXz8Ag5U05lHa6V1Cys"
                               "ZyGzE0SOkAtSUA5q7Q=="),
}


class Damaged(Exception):
    """A tarball is not the release that is pinned."""


def unpacked(name: str) -> Path:
    """The folder of the package, fetched at the first call. Raises Damaged."""
    version, integrity = PINNED[name]
    folder, tarball = FOLDER / f"{name}-{version}", FOLDER / f"{name}-{version}.tgz"
    if folder.is_dir():
        return folder / "package"
    if not tarball.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run([*npm_command(), "pack", "--silent", f"{name}@{version}"], cwd=FOLDER, check=True,
                       stdout=subprocess.DEVNULL)
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != integrity:
        raise Damaged(f"{tarball}: not npm's release of {name} {version}; remove it and try again")
    beside = FOLDER / f"{name}.part"
    shutil.rmtree(beside, ignore_errors=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(beside, filter="data")
    beside.rename(folder)
    return folder / "package"


def node_command() -> str:
    """Node itself: the one beside npm_command's npm."""
    first = npm_command()[0]
    return shutil.which("node") or first
