"""What a mistake writes and what belongs there, as formulas that need no language.

`formula` gives (what the line computes, what is written, what belongs there); None for a mistake that only a
sentence can describe (`words_en.py`, `words_zh.py`). The letter s is the gate, i, f or o.
"""

from __future__ import annotations

from .naming import Named
from .problem import GATES
from .slopes import RIGHT_FACTOR

_LOGISTIC = {
    "sigma": "s", "of the activated value": "σ(s) (1 - σ(s))", "1 - sigma": "1 - s", "tanh'": "1 - s²",
    "tanh' of z": "1 - tanh²(z)", "z (1 - z)": "z (1 - z)", "sigma of sigma": "σ(s)",
    "squared": "(s (1 - s))²", "of unit 1": "s[1] (1 - s[1])",
}
_TANH = {
    "tanh": "s", "of the activated value": "1 - tanh²(s)", "1 - tanh": "1 - s", "1 - z^2": "1 - z²",
    "sigma'": "s (1 - s)", "sigma' of z": "σ(z) (1 - σ(z))", "1 + tanh^2": "1 + s²", "squared": "(1 - s²)²",
    "1 / tanh'": "1 / (1 - s²)", "of unit 1": "1 - s[1]²",
}
_CELL = {
    "1 - c^2": "1 - c_k²", "of tanh c": "1 - tanh²(tanh c_k)", "of z": "1 - tanh²(z^g_k)",
    "tanh c": "tanh(c_k)",
    "1 - tanh c": "1 - tanh(c_k)", "1 - h^2": "1 - h_k²", "of h": "1 - tanh²(h_k)",
    "of c_{k-1}": "1 - tanh²(c_{k-1})", "of unit 1": "1 - tanh²(c_k[1])",
}
_INPUTS = {"x_{k-1} or x_T": "x_{k-1}; k = 1: x_T", "h_{k-1}, h_0 = 0": "h_{k-1}; h_0 = 0",
           "h_{k-1}, h_1 for h_0": "h_{k-1}; k = 1: h_1", "h_{k-1}, h_T for h_0": "h_{k-1}; k = 1: h_T",
           "h_{k-2}, h_T for h_{-1}": "h_{k-2}; k = 1: h_T",
           "h_T, h_0 for k = 1": "h_T; k = 1: h_0"}
_LISTS = {"c_{k-1}, c_T for c_0": "c_{k-1} (k = 1: c_T)", "c_{k-2}, c_T for c_{-1}": "c_{k-2} (k = 1: c_T)"}
_FROM_X = {"other matrix": "U^T δ_k", "not transposed": "W δ_k", "before f'": "W^T dL/d(gate)", "zero": "0",
           "step before": "W^T δ_{k-1}", "step after": "W^T δ_{k+1}", "k = t only": "W^T δ_{k,k}"}
_FROM_H = {"other matrix": "W^T δ_{k+1}", "not transposed": "U δ_{k+1}", "before f'": "U^T dL/d(gate)",
           "delta of k+2": "U^T δ_{k+2}"}
_END_H = {"zero": "0", "no U^T": "dL/dh_1", "other matrix": "W^T δ_1", "not transposed": "U δ_1",
          "before f'": "U^T dL/d(gate)", "c0": "dL/dc_0"}
_END_C = {"zero": "0", "without f": "dL/dc_1", "f (1 - f)": "f_1 (1 - f_1) dL/dc_1", "i": "i_1 dL/dc_1",
          "o": "o_1 dL/dc_1", "through h only": "f_1 o_1 (1 - tanh²(c_1)) dL/dh_1", "h0": "dL/dh_0"}
_PATH_C = {"f of the step before": "f_k", "f of the step after": "f_{k+2}",
           "f (1 - f)": "f_{k+1} (1 - f_{k+1})",
           "i": "i_{k+1}", "o": "o_{k+1}"}
_BETWEEN = {"f' of k+1": "1 - h_{k+1}²", "h_{k+1}": "h_{k+1}", "h_k": "h_k"}
Triple = tuple[str, str | None, str]


def _only(value: str, matrix: str, step: str) -> str:
    return " + ".join(f"{matrix}_{gate}^T δ^{gate}_{step}" for gate in value[5:])


def formula(one: Named, network: str) -> Triple | None:
    """(the quantity, what is written or None where a factor is missing, what belongs there)"""
    family, _, rest = one.key.partition(".")
    if one.key == "between":
        return "δ_{t,k}, k < t", _BETWEEN.get(one.value), "f'(z_k) = 1 - h_k²"
    table = {"slope": _slope, "factor": _factor, "source": _source, "input": _input, "from": _from_x,
             "end": _end, "path": _path}.get(family)
    return table(one, rest, network) if table else None


def _slope(one: Named, rest: str, network: str) -> Triple:
    if rest == "c":
        return "dL/dc_k", _CELL.get(one.value), "1 - tanh²(c_k)"
    gates = one.gates or "h"
    table, right = (_TANH, "1 - s²") if gates in ("g", "h") else (_LOGISTIC, "s (1 - s)")
    letter = gates if len(gates) == 1 else "s"
    written = table.get(one.value)
    what = "δ_k" if network == "rnn" else ", ".join(f"δ^{gate}_k" for gate in gates)
    if network == "rnn":
        letter = "h_k"
    return what, written and written.replace("s", letter), right.replace("s", letter)


def _factor(one: Named, rest: str, network: str) -> Triple:
    what = "dL/dc_k" if rest == "c" else f"δ^{rest}_k"
    return what, None if one.value == "missing" else _sub(one.value), _sub(RIGHT_FACTOR[rest])


def _sub(name: str) -> str:
    if name in _LISTS:
        return _LISTS[name]
    return f"{name}_k" if name in GATES else name.replace("tanh c_{k-1}", "tanh(c_{k-1})").replace(
        "tanh c_k", "tanh(c_k)").replace("z_g", "z^g_k").replace("o (1 - o)", "o_k (1 - o_k)")


def _source(one: Named, rest: str, network: str) -> Triple:
    what = ", ".join(f"δ^{gate}_k" for gate in one.gates)
    return what, *(("dL/dc_k", "dL/dh_k") if one.value == "dc" else ("dL/dh_k", "dL/dc_k"))


def _input(one: Named, rest: str, network: str) -> Triple:
    belongs = "δ_k h_{k-1}^T" if rest == "U" else "δ_k x_k^T"
    written = _INPUTS.get(one.value, one.value)
    return f"d{rest}", f"δ_k ({written})^T" if " " in written else f"δ_k {written}^T", belongs


def _from_x(one: Named, rest: str, network: str) -> Triple | None:
    written = _only(one.value, "W", "k") if one.value.startswith("only") else _FROM_X.get(one.value)
    return ("dx_k", written, "W^T δ_k") if written else None


def _end(one: Named, rest: str, network: str) -> Triple | None:
    if one.value == "exchanged":
        return None
    if rest == "h0":
        written = _only(one.value, "U", "1") if one.value.startswith("only") else _END_H[one.value]
        return "dh_0", written, "U^T δ_1"
    return "dc_0", _END_C[one.value], "f_1 dL/dc_1"


def _path(one: Named, rest: str, network: str) -> Triple | None:
    if rest == "h":
        some = one.value.startswith("only")
        written = _only(one.value, "U", "{k+1}") if some else _FROM_H.get(one.value)
        return ("dL/dh_k", written, "U^T δ_{k+1}") if written else None
    if one.value == "without f":
        return "dL/dc_k", None, "f_{k+1}"
    return ("dL/dc_k", _PATH_C[one.value], "f_{k+1}") if one.value in _PATH_C else None
