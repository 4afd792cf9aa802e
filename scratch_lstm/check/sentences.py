"""A mistake in words, in either language."""

from __future__ import annotations

from types import ModuleType

from . import words_en, words_zh
from .formulas import formula
from .naming import Named

WORDS: dict[str, ModuleType] = {"en": words_en, "zh": words_zh}
ACTIVATION = {"sigmoid": "σ", "none": "-", "hard sigmoid": "hard sigmoid", "relu": "ReLU", "tanh": "tanh"}


def how(one: Named, network: str, language: str, declared: str = "ifgo") -> str:
    """What was done and what belongs there; `declared` is the order of the gates that the file names."""
    words = WORDS[language]
    triple = formula(one, network)
    if triple is not None:
        what, written, belongs = triple
        if written is None:
            return words.MISSING.format(what=what, belongs=belongs)
        return words.WRITTEN.format(what=what, written=written, belongs=belongs)
    comma = "、" if language == "zh" else ", "
    gates = comma.join(one.gates)
    family = one.key.rpartition(".")[0] or one.key
    value = one.value
    if one.key.count(".") == 1 and (one.key in ("path.h", "path.c")
                                    or one.key.startswith(("end", "forward", "from"))):
        family = one.key
    if one.key.startswith("forward.bias"):
        other = "one for all" if one.key == "forward.bias" else "another"
        family, value = "forward.bias", value if value in ("none", "twice") else other
    if family.startswith("filled."):
        family = "filled.gate"
    if one.key == "forward.activation":
        family = "forward.activation"
    if one.key in ("cut", "clipped inside"):               # a number stands behind the value
        value = value.rpartition(" ")[0].removesuffix(" of")
    sentence = words.SENTENCES.get((family, value)) or words.SENTENCES[family, "*"]
    filled = {
        "n": one.value.rpartition(" ")[2], "gates": gates,
        "tensors": comma.join(f"d{name}" for name in one.tensors), "declared": declared,
        "value": _order(one.value, declared) if "order" in one.key or one.key == "exchange"
        else ACTIVATION.get(one.value, one.value),
        "gate_or_h": gates or "h_k", "right_activation": "tanh" if one.gates in ("g", "") else "σ",
        "bias": comma.join(f"b_{gate}" for gate in one.gates) or "b"}
    for name, text in filled.items():              # no str.format: the formulas have braces of their own
        sentence = sentence.replace("{" + name + "}", text)
    return sentence


def _order(value: str, declared: str) -> str:
    """An order of blocks that was found in the checker's own order, as it looks in the file's order."""
    position = {gate: n for n, gate in enumerate("ifgo")}
    return "".join(value[position[gate]] for gate in declared)
