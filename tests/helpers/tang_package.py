"""A made-up package in place of chinese-poetry, for the rule and the cache of the default corpus."""

import io
import json
import tarfile

A, B, C, D = "甲乙丙丁戊", "己庚辛壬癸", "子丑寅卯辰", "巳午未申酉"
QUATRAIN = f"{A}，{B}。{C}，{D}。"
TANG = "package/dist/quantangshi/poet.tang.{}.json"


def write_tarball(path, files):
    """files: name -> poems, each a string; the sentences become the paragraphs of the package's JSON."""
    with tarfile.open(path, "w:gz") as tar:
        for name, poems in files.items():
            data = json.dumps([{"author": "某", "title": "無題", "paragraphs": poem.replace("。", "。\n").split()}
                               for poem in poems]).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
