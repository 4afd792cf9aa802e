"""What a check cannot see, in words: each reason, what it hides, and the smallest change that shows it."""

from __future__ import annotations

from typing import Any

from .blindness import Blindness
from .pages import page
from .sentences import how

# reason: (what hides the mistakes, what to change), in each language
REASONS = {
    "en": {
        "forward": ("forward and backward agree: a check compares backward with its own forward pass",
                    "compare h with another implementation, for one random problem"),
        "some tensors": ("some gradients are never compared", "compare W, U, b, x, h0 and c0, all of them"),
        "zero states": ("zero first states", "draw h_0 and c_0 at random"),
        "zero biases": ("zero biases", "draw b at random"),
        "one step": ("fewer than three steps", "use T = 4"),
        "one unit": ("one hidden unit: a matrix equals its transpose", "use H = 2 or more"),
        "some losses": ("a loss at some steps only", "give every step a loss of its own"),
        "all ones": ("the gradient from above is all ones", "draw dh at random"),
        "small weights": ("small weights", "draw W and U of size 1"),
        "tolerance": ("the tolerance: the gradients are different, but not enough for this check",
                      "use float64 and a relative error of 1e-7"),
    },
    "zh": {
        "forward": ("前向与反向彼此一致：梯度检验只把反向传播与它自己的前向计算相比",
                    "用一组随机数把 h 与另一个实现比较"),
        "some tensors": ("有的梯度从不比较", "W、U、b、x、h0、c0 全部比较"),
        "zero states": ("初始状态为零", "随机选取 h_0 和 c_0"),
        "zero biases": ("偏置为零", "随机选取 b"),
        "one step": ("不足三个时间步", "取 T = 4"),
        "one unit": ("只有一个隐藏单元：矩阵等于它的转置", "取 H = 2 或更大"),
        "some losses": ("只有部分时间步有损失", "让每一步都有自己的损失"),
        "all ones": ("传入的梯度全是 1", "随机选取 dh"),
        "small weights": ("权重太小", "随机选取大小约为 1 的 W 和 U"),
        "tolerance": ("容差：梯度确实不同，但差别不足以被这个检验发现", "用 float64，并要求相对误差不超过 1e-7"),
    },
}
LINES = {
    "en": {"refuses": "{file}: the check refuses the right network, so nothing else can be said",
           "count": "{file}: lets {hidden} of {tried} mistakes through", "all": "To see all of them:",
           "more": "... and {n} more (--hint 3 lists all)", "none": "{file}: sees all {tried} mistakes",
           "page": "More: {page}", "and": " and "},
    "zh": {"refuses": "{file}：这个检验不接受正确的网络，因此无法说明其他情况",
           "count": "{file}：{tried} 种错误中有 {hidden} 种没有发现", "all": "要发现全部错误：",
           "more": "……还有 {n} 种（--hint 3 全部列出）", "none": "{file}：{tried} 种错误全部发现",
           "page": "详见 {page}", "and": "，并且"},
}
SECTION = "10.8"


def as_json(found: Blindness, language: str) -> dict[str, Any]:
    """One object: how many were tried, the hidden mistakes by reason, and the changes that show them."""
    return {"accepts_right": found.accepts_right, "tried": found.tried, "hidden": len(found.hidden),
            "groups": [{"reasons": list(reasons), "mistakes": [
                {"site": one.site, "gate": one.gate, "how": how(one, found.network, language),
                 "equation": one.equation, "page": page(one.section, language)} for one in mistakes]}
                for reasons, mistakes in found.groups().items()],
            "remedy": list(found.remedy)}


def as_text(found: Blindness, file: str, language: str, hint: int = 2) -> str:
    """The hidden mistakes grouped by reason; three of each group, with hint 3 all."""
    lines, words = LINES[language], REASONS[language]
    if not found.accepts_right:
        return lines["refuses"].format(file=file) + "\n"
    if not found.hidden:
        return lines["none"].format(file=file, tried=found.tried) + "\n"
    text = [lines["count"].format(file=file, hidden=len(found.hidden), tried=found.tried)]
    for reasons, mistakes in found.groups().items():
        text += ["", f"{len(mistakes):4}  " + lines["and"].join(words[reason][0] for reason in reasons)]
        shown = mistakes if hint == 3 else mistakes[:3]
        text += [f"        {how(one, found.network, language)}" for one in shown]
        rest = len(mistakes) - len(shown)
        text += ["        " + lines["more"].format(n=rest)] * (rest > 0)
    text += ["", lines["all"], *(f"    {words[reason][1]}" for reason in found.remedy), "",
             lines["page"].format(page=page(SECTION, language))]
    return "\n".join(text) + "\n"
