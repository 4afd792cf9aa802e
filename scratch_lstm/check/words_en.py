"""Every sentence of the report in English. Names in braces are filled in."""

from __future__ import annotations

WRITTEN = "{what}: {written} where {belongs} belongs."
MISSING = "{what}: the factor {belongs} is missing."

# (key without the gate or tensor, value): sentence. {gates}, {tensors} say where; {value} is the value.
SENTENCES = {
    ("forward.squash", "none"): "h_k = o_k * c_k where o_k * tanh(c_k) belongs.",
    ("forward.squash", "sigmoid"): "h_k = o_k * σ(c_k) where o_k * tanh(c_k) belongs.",
    ("forward.activation", "none"): "{gate_or_h} has no activation; {right_activation} belongs there.",
    ("forward.activation", "left out"): "{gates} is left out of its equation, as if this gate were 1.",
    ("forward.activation", "*"): "{gate_or_h} uses {value}; {right_activation} belongs there.",
    ("forward.h", "first"): "h is not advanced: every step uses h_0 where h_{k-1} belongs.",
    ("forward.h", "two back"): "z_k uses h_{k-2} where h_{k-1} belongs.",
    ("forward.h", "left out"): "z_k has no h_{k-1}: nothing goes from one step to the next through h.",
    ("forward.c", "left out"): "c_k has no f * c_{k-1}: nothing goes from one step to the next along c.",
    ("forward.h", "zero start"): "h starts from zero where the given h_0 belongs.",
    ("forward.c", "first"): "c is not advanced: every step uses c_0 where c_{k-1} belongs.",
    ("forward.c", "two back"): "c_k uses c_{k-2} where c_{k-1} belongs.",
    ("forward.c", "zero start"): "c starts from zero where the given c_0 belongs.",
    ("forward.start", "exchanged"): "h_0 and c_0 are exchanged.",
    ("forward.bias", "one for all"): "all four gates use the bias of gate {value}; each gate has its own.",
    ("forward.bias", "another"): "gate {gates} gets the bias of gate {value} where {bias} belongs.",
    ("forward.bias", "none"): "the bias {bias} is forgotten.",
    ("forward.bias", "twice"): "the bias {bias} is added twice.",
    ("forward.U", "transposed"): "z_k uses U^T h_{k-1} (h @ U) where U h_{k-1} belongs, gate by gate.",
    ("forward.order", "*"):
        "the gates are exchanged: the rows of W, U, b are split as {value} where the file says "
        "GATES = \"{declared}\", or the equations take one gate for another.",
    ("exchange", "*"):
        "the deltas of the gates are exchanged: they are stacked as {value} where {declared} belongs.",
    ("path.h", "dropped"): "dL/dh_k: the path from step k+1, U^T δ_{k+1}, is missing.",
    ("path.c", "dropped"): "dL/dc_k: the path from step k+1, f_{k+1} dL/dc_{k+1}, is missing.",
    ("path.c", "through h only"):
        "only the part of dL/dc_{k+1} that comes through h_{k+1} goes on to c_k; all of it belongs there.",
    ("cell", "gates without carry"):
        "δ^i, δ^f, δ^g use only the part of dL/dc_k that comes through h_k; the part from c_{k+1} is "
        "missing.",
    ("cell", "gates from carry"):
        "δ^i, δ^f, δ^g use only the part of dL/dc_k that comes from c_{k+1}; the part through h_k is "
        "missing.",
    ("cell", "h part at the last step only"):
        "dL/dc_k gets its part through h_k at the last step only; every step has one.",
    ("loop", "forward"): "the backward loop runs forward in time, from step 1 to T; it has to start at T.",
    ("direct", "last"): "dL_t/dh_t is used at the last step only; every step has a loss.",
    ("direct", "first"): "dL_t/dh_t is used at the first step only; every step has a loss.",
    ("direct", "all at the last"): "all rows of dh are added at the last step; row t belongs to step t.",
    ("direct", "reversed"): "the rows of dh are used in reversed order; row t belongs to step t.",
    ("direct", "step before"): "step k gets row k-1 of dh; row k belongs there.",
    ("direct", "step after"): "step k gets row k+1 of dh; row k belongs there.",
    ("direct", "twice"): "the derivative of the loss is counted twice: everything is 2 times too large.",
    ("sum", "last"): "{tensors}: only the last step, k = T; the sum over all steps belongs there.",
    ("sum", "first"):
        "{tensors}: only the first step, k = 1 (the longest chain); the sum over all k belongs there.",
    ("sum", "mean"): "{tensors}: the mean over the steps where the sum belongs.",
    ("sum", "without the first"): "{tensors}: the first step, k = 1, is left out of the sum.",
    ("sum", "without the last"): "{tensors}: the last step, k = T, is left out of the sum.",
    ("sum", "t times k = 1"):
        "{tensors}: for each t, the term k = 1 is counted t times; the terms k = 1, ..., t belong there, "
        "each once.",
    ("sum", "counted twice"):
        "{tensors}: total derivatives where direct partials belong, so that the term t, k is counted "
        "t-k+1 times.",
    ("sum", "k = t only"): "{tensors}: only the terms k = t; the inner sum over k < t is missing.",
    ("sum", "t = T only"): "{tensors}: only the loss L_T; the outer sum over t is missing.",
    ("outer", "transposed"): "{tensors}: the outer product is transposed in each block.",
    ("before", "before f'"):
        "{tensors}: uses the derivative by the activated value where δ, the derivative by z, belongs.",
    ("units", "summed"):
        "db: the entries of δ are summed over the hidden units too; only the sum over the steps belongs "
        "there.",
    ("block.b", "*"): "db: the block of gate {gates} is made of δ^{value}; its own δ^{gates} belongs there.",
    ("order", "*"): "{tensors}: the blocks are returned as {value} where {declared} belongs.",
    ("scale", "half"): "{tensors}: half of what it should be.",
    ("scale", "twice"): "{tensors}: twice what it should be.",
    ("scale", "minus"): "{tensors}: the wrong sign.",
    ("scale", "mean over T"): "{tensors}: divided by T; a sum belongs there.",
    ("scale", "mean over H"): "{tensors}: divided by H.",
    ("scale", "sum over H"): "{tensors}: multiplied by H.",
    ("filled", "zero"): "{tensors}: zero in every entry: nothing has been added to it.",
    ("filled.gate", "zero"):
        "{tensors}: the block of gate {gates} is zero in every entry: nothing has been added to it.",
    ("cut", "window"):
        "each loss goes back {n} steps only: δ_{t,k} is 0 for t - k ≥ {n}; it belongs to every k ≤ t.",
    ("cut", "end after"):
        "the backward pass ends after {n} of its steps, those from k = T on; it belongs down to k = 1.",
    ("cut", "pieces"):
        "the backward pass is cut into pieces of {n} steps; nothing goes back from one to the one before.",
    ("columns", "exchanged"):
        "dW and dU: the columns of the joint matrix are those of [x, h] where [h, x] belongs, or the other "
        "way round.",
    ("product", "of vectors"):
        "a product of vectors, one number for all units, where the product of the entries belongs.",
    ("remembered", "h_T"):
        "every h_k that is remembered is h_T, as if one array stood in all places: remember a copy.",
    ("remembered", "h_T, also for h_0"):
        "every h_k that is remembered is h_T, even h_0, as if one array stood in all places: keep a copy.",
    ("remembered", "c_T"):
        "every c_k that is remembered is c_T, as if one array stood in all places: remember a copy.",
    ("remembered", "h_T and c_T"):
        "every h_k and c_k that is remembered is that of step T, as if one array stood in all places: "
        "remember copies.",
    ("remembered", "h_T, c_T and the gates"):
        "all that is remembered, gates and states, is that of step T, as if one object stood in all places: "
        "make a new one at each step.",
    ("cell", "carry times tanh'"):
        "the part of dL/dc_k that comes from c_{k+1} is multiplied by 1 - tanh²(c_k) too; only the part "
        "through h_k is.",
    ("sum", "last twice"): "{tensors}: the last step, k = T, is counted twice; each step belongs there once.",
    ("clipped inside", "dh"):
        "what goes back to h_{k-1} is clipped to ±{n} at each step; clip the gradients at the end.",
    ("clipped inside", "dc"):
        "what goes back to c_{k-1} is clipped to ±{n} at each step; clip the gradients at the end.",
    ("clipped inside", "dh and dc"):
        "what goes back to h_{k-1} and c_{k-1} is clipped to ±{n} at each step; clip the gradients at the "
        "end.",
    ("clipped inside", "dh with the loss"):
        "dL/dh_k is clipped to ±{n} at each step; clip the gradients at the end.",
    ("clipped inside", "δ"): "δ_k is clipped to ±{n} at each step; clip the gradients at the end.",
    ("start", "not zero"):
        "{tensors}: something is added that does not come from the loss: where dh is zero, it is not.",
    ("whole", "numbers"):
        "{tensors}: whole numbers; what stands behind the point is lost.",
    ("batch", "first only"):
        "{tensors}: only the first sequence of the batch is in it; all of them belong there.",
    ("end.h0", "exchanged"): "dh_0 and dc_0 are exchanged.",
    ("from.x", "last step only"): "dx_k is given at the last step only; every step has one.",
    ("from.x", "reversed"): "the rows of dx are in reversed order.",
}

VERDICTS = {"right": "right", "incomplete": "incomplete", "wrong": "wrong", "unknown": "unknown",
            "error": "error"}
STAGES = {"forward": "forward pass", "one step": "one step back", "through time": "back through time",
          "sums": "sums: W, U, b", "ends": "ends: x, h0, c0"}
STATES = {"right": "right", "no mistake of its own": "no mistake of its own", "wrong": "wrong",
          "not written": "not written yet", "not looked at": "not looked at"}
SITES = {
    "forward-tanh-of-c": "forward pass, h_k", "forward-activation": "forward pass, an activation",
    "forward-matrix": "forward pass, a matrix", "forward-state": "forward pass, a state",
    "forward-bias": "forward pass, a bias",
    "forward-gate-order": "forward pass, the order of the gates",
    "sigmoid-derivative": "a sigmoid's derivative",
    "tanh-derivative-g": "the derivative of tanh", "tanh-derivative-c": "the derivative of tanh(c_k)",
    "factor-in-gate": "a factor of a delta", "deltas-exchanged": "the order of the deltas",
    "path-through-c": "the path along c, from step to step",
    "path-through-h": "the path through h, from step to step",
    "direct-loss": "where each loss enters", "sum-over-time": "a sum over the steps",
    "input-of-sum": "what delta is multiplied by", "bias-delta": "the gradient of the bias",
    "gate-order": "the order of the returned blocks", "initial-state": "the gradient of the first state",
    "input-gradient": "the gradient of x", "scaled": "the size of a gradient",
    "course-sum": "the double sum over t, k", "never-filled": "a gradient that stays zero",
    "number-kind": "the kind of number",
    "cut-through-time": "how far back a loss reaches",
    "columns-of-joint-matrix": "the columns of a joint matrix",
    "entrywise-product": "an entrywise product",
    "remembered-states": "what is remembered for the backward pass", "batch": "the sequences of a batch",
}
LINES = {
    "verdict": "{file}: {verdict}", "stage": "  {stage}: {state}", "missing": "not written yet: {names}",
    "mistake": "mistake {n}: {text}", "equation": "equation {equation}, section {page}",
    "gate": "gate {gates}",
    "residual": "These mistakes together give the file's output to "
    "{residual:.0e}.", "right": "The largest error is {residual:.1e}.",
    "unknown": "No mistake of the dictionary gives this output, so none is named. What is known:",
    "unknown too": "No mistake of the dictionary gives the rest of the output. What is known:",
    "part": "not all written yet: {names} missing",
    "h is another": "h is not the textbook's.",
    "own forward": "Compared with differences of the file's own forward pass:",
    "own loss": "Compared with differences of the file's own loss:",
    "large": "It shows where dh is large, in {names}.",
    "wrong": "wrong: {names}", "agree": "right: {names}",
    "cannot tell": "not decided, the differences do not agree well enough: {names}",
    "gates": "There only the blocks of gate {gates} are wrong.",
    "own right": "all that the backward pass returns is right for it: {names}",
    "deltas right": "every δ is right, {names} would show it; wrong is what is made of them: {wrong}",
    "multiple": "{name} is {ratio} times the right one in every entry.",
    "one step": "One step (T = 1) shows it, in {names}.",
    "shows at": "It shows at T = {T}, in {names}.",
    "shows first": "Up to T = {up_to} all is right; it shows at T = {T}, in {names}.",
    "probe": "the smallest example, T = {T}, H = D = {H}:",
    "should": "    {name} = {right}, with the mistake {wrong}",
    "hint": "(--hint 3 says what is wrong)",
}
REMARKS = {
    "syntax": "the file is no Python (line {line}): {message}",
    "network": "NETWORK = {value!r}; it has to be \"lstm\" or \"rnn\"",
    "gates": "GATES = {value!r}; it has to be the letters i, f, g, o in some order",
    "form": "FORM = {value!r} is not known; known are {known}",
    "raised": "{where}, line {line}: {message}",
    "raised outside": "{where}: {message}",
    "raised on our cache": "{where}, line {line}: {message}; forward is not written yet, so the cache is the "
                           "checker's own, a dict with {names}",
    "exit": "{where} ends the program (exit status {status}); remove the call of exit",
    "memory": "{where} needs more memory than the limit",
    "not an array": "{name} is no array of numbers: {message}",
    "no pair": "{where} has to return a pair: h and a cache; it returned {kind}",
    "no triple": "{where} has to return h, c and a cache; it returned {kind}",
    "no dict": "{where} has to return a dict of gradients; it returned {kind}",
    "no tuple": "{where} has to return {count} values; it returned {kind}",
    "no tensor": "{where} has to return h, a torch tensor; it returned {kind}",
    "no module": "{name}(D, H) has to be a torch.nn.Module; it is {kind}",
    "no answer": "check has to return True or False; it returned None",
    "no grads": "after backward, grads has to be [dWx, dWh, db]; it is {kind}",
    "no parameters": "PARAMETERS has to be a dict of arrays; it is {kind}",
    "parameter": "the module's parameter {name} of shape {shape} is none of W, U, b; its name has to be one "
                 "of these, or contain ih, hh or bias",
    "no loss": "loss has to return a number and a dict of gradients; it returned {kind}",
    "another loss": "the loss is not sum_t dh_t . h_t: the forward pass is wrong, or it is another loss "
                    "(then give PARAMETERS)",
    "any loss": "compared with differences of the file's own loss, to 1e-7; mistakes cannot be named here",
    "internal": "the checker itself failed, which says nothing about the file: {message}",
    "half a step": "cell_forward and cell_backward belong together; one of them is missing",
    "batch shape": "{name} has the shape {shape}; the batch has 2 sequences",
    "shape of h": "h has the shape {shape}; it has to be {due}",
    "shape": "d{name} has the shape {shape}; it has to be {due}",
    "only D = H": "with D different from H the file fails; that was left out, and D = H checked",
    "unknown keys": "these keys of the dict are not known: {names}",
    "nothing written": "nothing is written yet, so there is nothing to check; a file of another form than "
                       "the template's has to name it (--help lists the forms)",
    "h is zero": "h is zero in every entry",
    "random": "the file gives other numbers each time it runs: random numbers, or memory that is never set",
    "another call": "called twice, the file answers differently the second time: it keeps something",
    "batch": "the sequences of a batch are not treated alike: {names}",
    "same rows": "all rows of h are equal, as if one array were kept for every step: append a copy of it",
    "not finite": "these contain NaN or infinity: {names}",
    "float32": "rounding of float32, not a mistake (error {error:.0e}); use float64 to be checked to 1e-9",
    "not smooth": "cannot tell: the differences of the loss do not agree with each other for {names}; it is "
                  "not smooth there, or its value changes from call to call; other PARAMETERS may help",
    "forward known": "the named mistake gives h; the backward pass has another one",
    "backward fits": "the backward pass is right for this forward pass: correct them together",
    "backward right": "what the backward pass returns has no mistake of its own: correct the forward pass "
                      "only",
    "clip value": "clips at {limit:.6g}: entries are cut at the end, {names}",
    "clip scaled": "clips: large gradients are made smaller at the end, each as a whole: {names}",
    "clip norm": "clips at {limit:.6g}: each of {names} is shrunk to this norm at the end",
    "clip norm of all": "clips at {limit:.6g}: {names} together are shrunk to this norm at the end",
    "zero start": "h does not change with {names}, as if the states started from zero; all was compared with "
                  "zero first states (START = \"zero\" says so in the file; START = \"given\" makes it a "
                  "mistake)",
    "last loss": "the gradients change with the last row of dh only, as for a loss at the last step; all was "
                 "compared with such a loss (LOSS = \"last\" says so in the file; LOSS = \"all\" makes it a "
                 "mistake)",
    "mean over T": "the gradients are divided by T, as a mean over the steps",
    "mean over the batch": "the gradients are divided by the size of the batch, as a mean over its sequences",
    "added": "not zero where dh is zero: {names}",
    "does not depend on dh": "the same for every dh, zero included: {names}",
    "whole numbers": "whole numbers, not float64: {names}",
    "written": "the file writes into the arrays that it was given: {names}; a caller who uses them again "
               "gets other numbers",
    "float32 inside": "some numbers are float32 or shorter: with these a name cannot be proven to 1e-9; use "
                      "float64",
    "fails at": "T = {T} fails, and was left out",
    "not returned": "not returned, so not compared: {names}",
    "h of the step before": "row k of h is the right h_{{k-1}}: the state is stored before the step, not "
                            "after it",
    "h reversed": "the rows of h are the right ones in reversed order",
    "h: first missing": "h has the shape {shape}; it has to be {due}: the first row is missing",
    "h: last missing": "h has the shape {shape}; it has to be {due}: the last row is missing",
    "h: h_0 too": "h has the shape {shape}; it has to be {due}: its first row is h_0, return the rows behind",
    "choice": "{name} = {value!r}; it has to be {known}",
    "not linear": "the result is not proportional to dh: {names}",
    "ended": "the file ended the program (exit status {status})",
    "time": "the file did not finish within {seconds} seconds",
    "no file": "the file cannot be read: {message}",
    "no function": "the file has no {name}",
    "keeps state": "called twice with the same input, the file answers differently: it keeps something",
}
