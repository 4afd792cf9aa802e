"""Faults planted in the persistent time loops, one at a time, and what is said to catch each.

A fault is a change of the CUDA text, or of the launch. The cases have H = 33, which is no multiple of 4 or
32, entries of U in all three places, two sequences a block and B = 5, so that the last block has only one.

    numbers   the results are not NumPy's, in some order of the threads (forward, backward, shuffled)
    thread    ThreadSanitizer
    address   AddressSanitizer with the undefined-behaviour sanitizer
    barrier   the threads of a block do not reach the same barrier
"""

from contextlib import suppress
from typing import NamedTuple

from helpers import cuda_on_cpu
from helpers.loop_cases import BACKWARD, FORWARD, Case, errors, reference, run_apart

CHECKS = ("numbers", "thread", "address", "barrier")
CASE = Case(T=4, B=5, H=33, sequences=2, places=(8, 12))
FROM_ZERO = CASE._replace(given=False)
BARRIER = "__syncthreads();"


class Fault(NamedTuple):
    name: str
    loop: str                    # forward or backward
    old: str                     # occurs exactly `times` times; "" where only the launch is changed
    new: str
    caught_by: str               # the check that is run every day
    times: int = 1
    which: int | None = None     # which of them is replaced; None: all
    case: Case = CASE
    launch: dict = {}

    @property
    def text(self):
        text = FORWARD if self.loop == "forward" else BACKWARD
        if not self.old:
            return text
        own = text.index(f"lstm_{self.loop}(")          # the barriers of sum_of_block.cuh come before it
        head, parts = text[:own], text[own:].split(self.old)
        assert len(parts) == self.times + 1, f"{self.name}: {len(parts) - 1} times"
        glue = [self.new if self.which in (None, n) else self.old for n in range(self.times)] + [""]
        return head + "".join(part + between for part, between in zip(parts, glue))


def barrier(loop, n, times, where):
    return Fault(f"no barrier {where}", loop, BARRIER, ";", "thread", times, n)


FAULTS = [
    barrier("forward", 0, 4, "between zeros and the initial state"),
    barrier("forward", 1, 4, "before the first step"),
    barrier("forward", 2, 4, "between the gates and the cell"),
    barrier("forward", 3, 4, "between the cell and the next step"),
    barrier("backward", 0, 3, "before the first step"),
    barrier("backward", 1, 3, "between dz and its product with U"),
    barrier("backward", 2, 3, "between the product and the next step"),
    Fault("a barrier in a branch", "forward", "= h_t;\n        }\n        " + BARRIER,
          "= h_t;\n        " + BARRIER + " }", "barrier"),
    Fault("a barrier in a branch", "backward", "= sum[s];\n        }\n        " + BARRIER,
          "= sum[s];\n        " + BARRIER + " }", "barrier"),
    Fault("U untransposed", "backward", "U_column[k * H]", "U[row % (4 * H) * H + k]", "numbers", 2),
    Fault("U transposed", "forward", "U[row * H + j]", "U[j * 4 * H + row]", "numbers", 2),
    Fault("the L2 entries begin one late", "forward", "IN_REGISTERS + IN_SHARED; j < H",
          "IN_REGISTERS + IN_SHARED + 1; j < H", "numbers"),
    Fault("the L2 entries end one late", "forward", "IN_SHARED; j < H; ++j", "IN_SHARED; j <= H; ++j",
          "address"),
    Fault("the L2 entries end one late", "backward", "IN_SHARED; k < H; ++k", "IN_SHARED; k <= H; ++k",
          "address"),
    Fault("the shared entries are those of the registers", "forward", "U[row * H + IN_REGISTERS + j]",
          "U[row * H + j]", "numbers"),
    Fault("the shared entries meet the first states", "backward", "* H4 + IN_REGISTERS + k", "* H4 + k",
          "numbers"),
    Fault("the stride of U in shared memory is that of one gate", "forward", "U_shared[j * 4 * H + row] =",
          "U_shared[j * H + row] =", "thread"),
    Fault("the stride of the gates is that of one gate", "forward", "gates + s_cell * 4 * H",
          "gates + s_cell * H", "numbers"),
    Fault("sequences overlap in shared memory", "backward", "s_cell * 4 * H4 + unit",
          "s_cell * 3 * H4 + unit", "thread"),
    Fault("a gate after the end of the batch", "forward", "if (first + s < B)\n", "if (true)\n", "address"),
    Fault("a cell after the end of the batch", "backward", "&& first + s_cell < B;", "&& true;", "address"),
    Fault("a cell after the end of the batch", "forward", "&& first + s_cell < B;", "&& true;", "address"),
    Fault("a sequence after the end of the batch is read", "forward", "has_row && first + s < B ? z",
          "has_row ? z", "address"),
    Fault("the step before the first is read", "backward", "if (t > 0)", "if (t >= 0)", "address"),
    Fault("the input of every step is the first one's", "forward", "at_row += B * 4 * H", "at_row += 0",
          "numbers"),
    Fault("no bias", "forward", "(Wx[s] + bias)", "Wx[s]", "numbers"),
    Fault("a step is B - 1 sequences on", "backward", "at -= B * H", "at -= (B - 1) * H", "numbers"),
    Fault("i and f exchanged", "forward", "of_cell[H] * c_prev + of_cell[0]",
          "of_cell[0] * c_prev + of_cell[H]", "numbers"),
    Fault("the candidate through sigma", "forward", "is_g ? tanh", "is_g && !is_g ? tanh", "numbers"),
    Fault("h of the step before last", "forward", "h_prev[s_cell * H4 + unit] = h_t", "h_t", "numbers"),
    Fault("one gate's part of dh is left out", "backward", "+ part[2 * H] + part[3 * H]", "+ part[2 * H]",
          "numbers", 2, 0),
    Fault("dc without f", "backward", "dc_t *= f;", "", "numbers"),
    Fault("the columns from H to H4 are not zero", "forward", "k < SEQUENCES * H4", "k < SEQUENCES * H",
          "numbers",
          case=CASE._replace(places=(8, 28))),
    Fault("the initial state is not written where it is zero", "forward", "h[at_cell] = c[at_cell] = 0;", ";",
          "numbers", case=FROM_ZERO),
    Fault("the gradient of the last state is ignored", "backward", "gate == 0 && !from_zero",
          "false && !from_zero", "numbers"),
    Fault("one block too few", "forward", "", "", "numbers", launch={"blocks": 2}),
    Fault("too little shared memory", "backward", "", "", "address", launch={"fewer_bytes": 128}),
]
# what changes no result, with the reason; these pass every check
HARMLESS = [
    Fault("one barrier more", "forward", BARRIER, BARRIER + BARRIER, "it costs time only", 4, 2),
    Fault("no unrolling", "backward", "#pragma unroll", "//", "the same sums in the same order", 9),
    Fault("one block too many", "backward", "", "",
          "its sequences are after the end of the batch, so it does nothing",
          launch={"blocks": 4}),
]


def check(fault, how):
    """Raises AssertionError where the fault is caught. In a program of its own: it may write anywhere."""
    launch = (fault.case, fault.loop, how if how in ("thread", "address") else "none")
    if how == "barrier":
        with suppress(cuda_on_cpu.SanitizerError):
            run_apart(*launch, ["forward"], fault.text, **fault.launch)
    elif how == "numbers":
        expected = reference(fault.case, "float64")
        for found in run_apart(*launch, cuda_on_cpu.ORDERS, fault.text, **fault.launch):
            for name, error in errors(found, expected).items():
                assert error <= 1e-6, f"{name}: {error:.1e}"
    else:
        run_apart(*launch, ["forward", "shuffled"], fault.text, **fault.launch)


def caught(fault, how):
    try:
        check(fault, how)
    except AssertionError:
        return True
    return False
