"""The page of the delta explorer in both languages: what JavaScript fills, and the formulas that it shows."""

from __future__ import annotations

import json
from pathlib import Path

from prepared import refresh

VERSES = ["春眠不觉晓", "床前明月光", "白日依山尽，黄河入海流。", "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"]
TEXT = json.loads(Path(__file__).with_name("explorer_text.json").read_text(encoding="utf-8"))
GATES = {"i": "i", "f": "f", "g": "g", "o": "o", "cell": "tanh c"}
TRIANGLES = "norm", "viaH", "viaC", "simple"
# what is shown for a cell: the formula, and the lines of code that compute it
CASES = {
    "lstm": (r"\begin{aligned}"
             r"\frac{\partial L_t}{\partial h_k} &= U^{\top} \delta_{t,k+1} , \\"
             r"\frac{\partial L_t}{\partial c_k} &= \frac{\partial L_t}{\partial h_k} \odot o_k \odot "
             r"(1 - \tanh^2 c_k) + \frac{\partial L_t}{\partial c_{k+1}} \odot f_{k+1}"
             r"\end{aligned}",
             "scratch_lstm/lstm_textbook.py", "backward", ["both paths meet", "dh = U.T", "dc_next = dc * f"],
             "7.2", "07_lstm_backward.md"),
    "lstm-start": (r"\frac{\partial L_t}{\partial c_t} = \frac{\partial L_t}{\partial h_t} \odot o_t \odot "
                   r"(1 - \tanh^2 c_t)",
                   "scratch_lstm/lstm_textbook.py", "backward", ["dh, dc_next = dL_dh", "both paths meet"],
                   "7.3", "07_lstm_backward.md"),
    "simple": (r"\delta_{t,k} = \mathrm{diag}(f'(z_k)) \, U^{\top} \, \delta_{t,k+1} \quad (6.36)",
               "scratch_lstm/rnn_textbook.py", "delta", ["(6.36)"], "2.3", "02_bptt.md"),
    "simple-start": (r"\delta_{t,t} = f'(z_t) \odot \frac{\partial L_t}{\partial h_t}",
                     "scratch_lstm/rnn_textbook.py", "delta", ["delta_{t,t}"], "2.3", "02_bptt.md"),
}


def case(name: str) -> str:
    """The formula of a case and the code lines that compute it, found in the source as it is now."""
    formula, path, function, texts, section, page = CASES[name]
    first, last = refresh.span(path, function)
    numbers = sorted(refresh.line_with(path, function, text) for text in texts)
    lines, html = ",".join(map(str, numbers)), page.replace(".md", ".html")
    return (f'<div data-case="{name}" class="pair" markdown="1" hidden>\n'
            f'<div markdown="1">\n\n\\[{formula}\\]\n\n</div>\n'
            f'<div class="pair-code"><!--excerpt {path} {lines} {first} {last}--></div>\n'
            f'<div class="pair-text" markdown="1">\n\n[{section}](derivations/{html}), '
            f'[{path}:{numbers[0]}](source/{path}.html#L{numbers[0]})\n\n</div>\n</div>\n')


def markdown(language: str) -> str:
    """The page in that language, for the generator."""
    say = TEXT[language]
    verses = " ".join(f'<button type="button" data-verse="{verse}" lang="zh">{verse}</button>'
                      for verse in VERSES)
    switches = " ".join(f'<label><input type="checkbox" id="ex-{name}"> {say[name]}</label>'
                        for name in ("c", "u", "chain", "open"))
    gates = "".join(f'<figure><figcaption>{shown}</figcaption><canvas id="ex-{name}" role="img" '
                    f'aria-label="{say["gates"]}: {shown}"></canvas></figure>'
                    for name, shown in GATES.items())
    triangles = "".join(f'<figure><figcaption>{say[name]}</figcaption><canvas id="ex-{name}" role="img" '
                        f'tabindex="0"></canvas></figure>' for name in TRIANGLES)
    names = [*TRIANGLES, "empty", "unknown", "long"]
    spoken = json.dumps({name: say[name] for name in names}, ensure_ascii=False).replace('"', "&quot;")
    return f"""# {say["title"]}

{say["about"]}

<noscript>{say["noscript"]}</noscript>
<div id="explorer" markdown="1" data-say="{spoken}">
<p><label>{say["line"]}
<input id="ex-text" lang="zh" maxlength="60" value="{VERSES[0]}" autocomplete="off"></label>
{say["examples"]} {verses}</p>
<p id="ex-message" role="alert"></p>
<fieldset><legend>{say["switches"]}</legend>{switches}
<p>{say["errors"]} <output id="ex-errors"></output></p></fieldset>

{say["hint"]}

## {say["reach"]}

{say["reach_hint"]}

<div class="ex-four">{triangles}</div>
<p class="ex-legend"><span id="ex-smallest"></span><span class="ex-ramp"></span>
<span id="ex-largest"></span></p>

## {say["detail"]}

<p id="ex-numbers" aria-live="polite"></p>

{"".join(case(name) for name in CASES)}

## {say["next"]}

<p id="ex-after" lang="zh"></p>
<ol id="ex-next" lang="zh"></ol>

## {say["gates"]}

{say["gates_hint"]}

<div class="ex-gates">{gates}</div>
</div>
<script src="assets/explorer_model.js"></script>
<script src="assets/explorer.js"></script>
<script src="assets/explorer_view.js"></script>
"""
