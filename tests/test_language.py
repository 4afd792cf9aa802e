"""--language zh: every message of the command line has its Chinese, with the same places; no file changes."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from helpers.small_run import finish_small_run

import train_poems
from scratch_lstm import language

ROOT = Path(train_poems.__file__).resolve().parent
PACKAGE = ROOT / "scratch_lstm"
# what a program that calls the library does wrong is a ValueError, in English; of these files the command
# line prints what is missing on the machine, an InputError
LIBRARY = {"backend", "functional", "gradcheck", "lstm", "model", "optim", "layers",
           "numpy_backend"}
# files, pictures and tables: they do not change with the language
WRITTEN = {"samples", "bootstrap", "ngrams", "evaluation_table", "evaluation_plot", "plots", "schema"}
SOURCES = [path for path in sorted([*PACKAGE.rglob("*.py"), ROOT / "train_poems.py"])
           if path.stem not in WRITTEN | {"language"} and path.parent.name != "check"]
WORDS = re.compile(r"[a-z]{2,} [a-z(]*[a-z]{2,}|[a-z]+: |[a-z]{2,} \0|\0 [a-z]{2,}")
# keys of a manifest or of the JSON of an evaluation, labels of the picture, commands, patterns
NO_MESSAGE = {"made by", "poems without missing characters", "poems of regular lines", "distinct units",
              "units over the vocabulary", "poems they come from", "near-duplicates differ in at most",
              "held-out poems", "this model", "sampled poems", "lists of poems", "model name",
              "simple network, untrained", "the loss after ...", "python train_poems.py",
              "{0} units: 0 to 1, g and tanh c from -1 to 1", "log10 of the norm of delta, over {0}",
              "{0} --resume {1}", r"version https://git-lfs\.github\.com/",
              "poems_vector {0}  word_int_map {1}  int_word_map {2}"}
ENTRIES = language.entries()


def texts(path):
    """Every string of a file that reads like a message, f-strings with {0}, {1}, ...; no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node.body[0].value) for node in ast.walk(tree)
               if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
               and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            skipped |= {id(part) for value in node.values if isinstance(value, ast.FormattedValue)
                        for part in ast.walk(value.format_spec or ast.Constant(0))}
    kernels = path.parent.name in ("kernels", "compiled", "gpu") and path.stem != "device"
    if path.stem in LIBRARY or kernels:
        errors = [node for node in ast.walk(tree) if isinstance(node, ast.Call)
                  and isinstance(node.func, ast.Name) and node.func.id == "InputError"]
        said = {id(part) for error in errors for part in ast.walk(error)}
        skipped |= {id(node) for node in ast.walk(tree)} - said
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
        else:
            continue
        rhymes = path.stem == "rhyme" and re.fullmatch(r"(?:[a-z]{1,4} ?)+", text)
        if WORDS.search(text) and not rhymes:
            numbers = iter(range(10))
            yield re.sub("\0", lambda _: f"{{{next(numbers)}}}", text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_message_has_its_chinese(path):
    missing = sorted(set(texts(path)) - ENTRIES.keys() - NO_MESSAGE)
    assert not missing, f"not in {language.CATALOGUE.name}: {missing}"


def test_no_entry_is_left_over():
    """What the source no longer says goes; what argparse and tqdm say, or is joined at run time, stays."""
    said = {text for path in SOURCES for text in texts(path)}
    others = [english for english in ENTRIES if english not in said]
    assert len(others) < 60
    assert not NO_MESSAGE - said, f"these are not in the source: {NO_MESSAGE - said}"


@pytest.mark.parametrize("english", ENTRIES)
def test_the_places_agree_and_the_entry_is_found(english):
    """Each line leads to its own entry, not to one that looks alike; flags and names of files stay."""
    chinese = ENTRIES[english]
    assert Counter(language.PLACE.findall(english)) == Counter(language.PLACE.findall(chinese))
    assert re.search("[\u4e00-\u9fff]", chinese) or english == "{0} [{1}]"
    for flag in re.findall(r"--[a-z][a-z-]+|pip install [^)\]]*\]'", english):
        assert flag in chinese, flag
    if english == "{0} [{1}]":
        return      # encloses a help text and its default
    fill = language.PLACE.sub(lambda place: f"《{place[1]}》", english)
    expected = language.PLACE.sub(lambda place: f"《{place[1]}》", chinese)
    assert language.chinese(fill) == expected or fill.endswith("]") and language.chinese(fill) != fill


@pytest.mark.parametrize("arguments, environment, language_", [
    ([], {}, "en"), ([], {"LANG": "zh_CN.UTF-8"}, "zh"), ([], {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
    ([], {"LC_MESSAGES": "zh_TW", "LANG": "de"}, "zh"), (["--language", "zh"], {"LANG": "en_GB"}, "zh"),
    (["--language=en", "--epochs", "0"], {"LANG": "zh_CN"}, "en"),
    (["--language", "fr"], {"LANG": "C"}, "en"),
    ([], {"LANGUAGE": "en", "LANG": "zh_CN"}, "en"), (["--language"], {"LANG": "zh"}, "zh")])
def test_the_flag_decides_then_the_locale(arguments, environment, language_, monkeypatch):
    monkeypatch.setattr(language.os, "name", "posix")
    assert language.chosen(arguments, environment) == language_


@pytest.mark.parametrize("flags, said", [
    (["--epochs", "0"], "错误：--epochs 0：至少是 1\n"),
    (["--prompt", "风"], "错误：没有 --generate时 --prompt 不起作用；请去掉它\n"),
    (["--seed", "-1"], "错误：--seed -1：不能小于 0\n"),
    (["--corpus", "none.txt"], "错误：none.txt: 没有这个文件或目录; 请给一个 UTF-8 文本文件，每行一首诗\n")])
def test_errors_in_chinese(flags, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train_poems.main(["--language", "zh", *flags]) == 2
    assert capsys.readouterr().err == said


def test_help_and_wrong_flags_in_chinese(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for flags, status in ((["--help"], 0), (["--epochs", "many"], 2)):
        with pytest.raises(SystemExit) as exit_:
            train_poems.main(["--language", "zh", *flags])
        assert exit_.value.code == status
    printed = capsys.readouterr()
    assert "参数 --epochs：'many' 不是 int" in printed.err and printed.err.startswith("用法：")
    english = [line for line in printed.out.split("语料:")[1].splitlines()
               if re.search("[a-z]{3,} [a-z]{3,} [a-z]{3,}", line)]
    assert not english, english
    for line in printed.out.split("选项：")[1].split("例如：")[0].splitlines():
        assert sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in line) <= 80, line


def test_a_run_in_chinese_leaves_the_same_files(tmp_path, capsys, monkeypatch):
    """Progress and poems are printed in Chinese; config, log and models are the same bytes."""
    runs = {}
    for spoken in ("en", "zh"):
        (tmp_path / spoken).mkdir()
        monkeypatch.setenv("LANGUAGE", spoken)
        capsys.readouterr()
        runs[spoken] = finish_small_run(tmp_path / spoken)
        printed = capsys.readouterr().out
        assert ("训练损失" in printed and "首诗，贪心" in printed) == (spoken == "zh")
        left = [line for line in printed.splitlines() if re.search("[a-z]{3,} [a-z]{3,} [a-z]{3,}", line)]
        assert spoken == "en" or not left, left
    configs = [json.loads((run / "config.json").read_text(encoding="utf-8")) for run in runs.values()]
    assert [{**config, "corpus": ""} for config in configs] == [{**configs[0], "corpus": ""}] * 2
    for name in ("model.safetensors", "best.safetensors"):
        assert runs["en"].joinpath(name).read_bytes() == runs["zh"].joinpath(name).read_bytes()


def test_figures_as_json_are_the_same(tmp_path, capsys, monkeypatch):
    run = finish_small_run(tmp_path)
    printed = []
    for spoken in ("en", "zh"):
        capsys.readouterr()
        flags = ["--language", spoken, "--evaluate", str(run), "--count", "3", "--json", "-"]
        assert train_poems.main(flags) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0] == printed[1]


@pytest.mark.parametrize("text", ["", " ", "春眠不觉晓，处处闻啼鸟。\n", '{"seed": 0}', "0.12 3e-4",
                                  "a line of no entry"])
def test_what_is_no_message_is_printed_as_it_is(text):
    assert language.chinese(text) == text


def test_lines_have_so_many_columns():
    assert language.wrapped("词表中每句的字数 [2001]", 10) == ["词表中每句", "的字数", "[2001]"]
    assert language.wrapped("", 10) == [] and language.wrapped("abc defg hi", 8) == ["abc defg", "hi"]
