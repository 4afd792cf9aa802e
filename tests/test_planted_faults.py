"""The checks are checked: faults that people make, planted one at a time, and each must be caught.

A fault is a small change of the source text, compiled and put under the real functions; then one of the
suite's own tests, named in the table, is run and must fail. Unchanged, every one of these tests passes.
Some faults are the same in both directions, so that forward and backward agree and a gradient check has
nothing to see; `blind` names such a check, which must pass with the fault in place: that is why torch and
the textbook code are asked as well.
"""

import importlib
import inspect
import tempfile
import types
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import test_data_parallel
import test_dropout
import test_equivalence
import test_every_size
import test_functional
import test_layers
import test_lstm
import test_lstm_properties
import test_lstm_textbook
import test_model
import test_numpy_cell
import test_optim
import test_rnn_textbook
import test_trainer

from scratch_lstm import functional, get_backend, layers, lstm, lstm_layer, lstm_textbook, model, optim
from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.kernels import numpy_backend, numpy_cell, numpy_products
from scratch_lstm.training import data_parallel, learner, trainer


def check(test, **arguments):
    """A test of the suite with its arguments; of one that hypothesis drives, a single example. Without
    another backend the faults are planted in what NumPy runs."""
    test = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    if "backend" in inspect.signature(test).parameters:
        arguments.setdefault("backend", "numpy")
    if "torch" in inspect.signature(test).parameters:
        arguments["torch"] = importlib.import_module("torch")
    if "tmp_path" in arguments:
        run = partial(in_a_folder, test, arguments)
    else:
        run = partial(test, **arguments)
    run.name = f"{test.__module__}::{test.__name__}"
    return run


ROW = dict(T=3, B=3, D=2, H=3, L=2, E=2, V=7, dropout=0.4, output=None, shared=False, tied=False,
           embedding_dropout=0.0, way="textbook", state="given", uses="h h_n c_n", backend="numpy",
           dtype="float64", threads=1, shards=0, extra=2, clip="off")


def size(which, **changed):
    """One row of the table of sizes and options: through LSTM, PoemModel or the training step."""
    backends = {name: get_backend(name) for name in ("numpy", "numba")}
    run = partial(test_every_size.test_gradients, backends, which, {**ROW, **changed})
    run.name = f"test_every_size::test_gradients, {which}"
    return run


SHAPE = dict(seed=0, T=4, B=3, D=2, H=5, L=2, uses="all")
GRADIENTS = check(test_lstm.test_gradients, uses="all", shape="one layer")
STACK = check(test_lstm.test_gradients, uses="all", shape="two layers")
OF_H = check(test_lstm.test_gradients, uses="h", shape="one layer")
OF_H_N = check(test_lstm.test_gradients, uses="h_n", shape="one layer")
OF_C_N = check(test_lstm.test_gradients, uses="c_n", shape="one layer")
TWICE = check(test_lstm_properties.test_backward_twice_accumulates_exactly_twice, dtype="float64", **SHAPE)
UNCHANGED = check(test_lstm_properties.test_nothing_that_is_given_is_ever_changed, **SHAPE)
HALVES = check(test_lstm_properties.test_two_parts_with_state_and_gradient_carried_are_the_whole,
               data=SimpleNamespace(draw=lambda strategy, label: 2), **SHAPE)
LSTM_DROPOUT = check(test_lstm.test_gradients_through_dropout)
TORCH = check(test_equivalence.test_lstm_is_torch_in_float64, **SHAPE)
DELTA_SUM = check(test_equivalence.test_one_pass_is_the_sum_of_every_delta_tk, **SHAPE)
CELL_FORWARD = check(test_numpy_cell.test_forward_is_as_printed, dtype="float64", bound=1e-15)
CELL_BACKWARD = check(test_numpy_cell.test_backward_is_the_adjoint_of_forward)
RNN = check(test_rnn_textbook.test_gradients_equal_the_complex_step, seed=0, T=4, D=3, H=5, activation="tanh")
RNN_DELTA = check(test_rnn_textbook.test_delta_is_the_derivative_by_the_net_input,
                  seed=0, T=4, D=3, H=5, activation="tanh")
RNN_PRODUCT = check(test_rnn_textbook.test_product_form_equals_the_recursion,
                    seed=0, T=4, D=3, H=5, activation="tanh")
RNN_FORWARD_MODE = check(test_rnn_textbook.test_forward_mode_equals_the_double_sums,
                         seed=0, T=4, D=3, H=5, activation="tanh")
BOOK = check(test_lstm_textbook.test_gradients_equal_the_complex_step,
             seed=0, T=4, D=3, H=5, uses="h and c_T")
BOOK_DELTA = check(test_lstm_textbook.test_delta_is_the_derivative_by_the_net_input,
                   seed=0, T=4, D=3, H=5, uses="h and c_T")
BOOK_DC = check(test_lstm_textbook.test_dL_dc_is_the_derivative_by_the_cell,
                seed=0, T=4, D=3, H=5, uses="h and c_T")
BOOK_FORWARD_MODE = check(test_lstm_textbook.test_forward_mode_equals_the_double_sums,
                          seed=0, T=4, D=3, H=5, uses="h and c_T")
SOFTMAX = check(test_functional.test_softmax_cross_entropy_backward, d_loss=1.0)
IN_PLACE = check(test_functional.test_in_place_gives_the_same_and_only_where_asked)
EMBEDDING = check(test_layers.test_embedding_gradient_scatters_and_accumulates)
LINEAR = check(test_layers.test_linear_gradients)
MODEL = check(test_model.test_gradient_of_every_parameter_of_the_whole_model, dropout=0.0)
MODEL_DROPOUT = check(test_model.test_gradient_of_every_parameter_of_the_whole_model, dropout=0.4)
MODEL_TORCH = check(test_equivalence.test_model_is_torch_s_in_float64, seed=0, T=4, B=3, V=7, E=2, H=5, L=2)
ADAM = check(test_optim.test_adam_is_torchs_over_many_steps_and_chunks)
ADAMW = check(test_optim.test_weight_decay_is_torchs_adamw, decay=0.01)
CLIP = check(test_optim.test_clipping_is_torchs, max_norm=0.5)


def in_a_folder(test, arguments):
    """Run a test that needs tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        test(**{**arguments, "tmp_path": Path(folder)})


class Fault(NamedTuple):
    name: str
    changes: list           # of (module, its text, the text instead); the text occurs there exactly once
    caught_by: partial
    blind: partial | None = None


Z, GATES, DZ = "i, f, g, o = z[:H],", "i, f, g, o = gates[:H],", "dz_i, dz_f, dz_g, dz_o = dz[:H],"
THROUGH_U = "xp.matmul(U.T, dz, out=dh)"
START, D_END = "= state[0].T, state[1].T", "= d_state[0].T, d_state[1].T"
START_SWAPPED, D_END_SWAPPED = "= state[1].T, state[0].T", "= d_state[1].T, d_state[0].T"
END, END_SWAPPED = "cache.hc[:, T].transpose", "cache.hc[::-1, T].transpose"
D_START, D_START_SWAPPED = "self._stacked(d_initial)", "self._stacked([d[::-1] for d in d_initial])"
D_LOGITS = "self.saved, self.targets, d_loss, "
RETURN = "out=self.logits)\n        return loss\n"
SUMMED = RETURN.replace("return loss", "return loss * (len(tokens) - 1)")

FAULTS = [
    # U without its transpose
    Fault("rnn: U without its transpose", [(
        rnn, "(U.T @ delta[t, k + 1])", "(U @ delta[t, k + 1])")], RNN_DELTA),
    Fault("rnn: U without its transpose in the product", [(
        rnn, "(np.diag(df(states.z[i])) @ U.T)", "(np.diag(df(states.z[i])) @ U)")], RNN_PRODUCT),
    Fault("rnn: U without its transpose to h_0", [(
        rnn, "dh0 += U.T @ delta[t, 0]", "dh0 += U @ delta[t, 0]")], RNN),
    Fault("rnn: U transposed in forward mode", [(
        rnn, "(direct + U @ dh[:, i, j])", "(direct + U.T @ dh[:, i, j])")], RNN_FORWARD_MODE),
    Fault("textbook: U without its transpose", [(
        lstm_textbook, "dh = U.T @ delta[t, k]", "dh = U.reshape(H, 4 * H) @ delta[t, k]")], BOOK_DELTA),
    Fault("lstm: U without its transpose", [(
        lstm_layer, THROUGH_U, "xp.matmul(U.reshape(H, 4 * H), dz, out=dh)")], GRADIENTS),
    # f' taken at k+1
    Fault("rnn: f' taken at k+1", [(
        rnn, "df(states.z[k]) * (U.T", "df(states.z[k + 1]) * (U.T")], RNN_DELTA),
    Fault("textbook: f' taken at k+1", [(
        lstm_textbook, "np.split(states.gates[k], 4)",
        "np.split(states.gates[min(k + 1, t)], 4)")], BOOK_DELTA),
    Fault("textbook: tanh(c) taken at k", [(
        lstm_textbook, "c_prev, tanh_c = states.c[k], np.tanh(states.c[k + 1])",
        "c_prev, tanh_c = states.c[k], np.tanh(states.c[k])")], BOOK_DELTA),
    Fault("lstm: gates taken at k+1", [(
        lstm_layer, "cell.backward(cache.gates[t],", "cell.backward(cache.gates[min(t + 1, T - 1)],")],
        GRADIENTS),
    # a recursion dropped
    Fault("lstm: dh recursion dropped", [(
        lstm_layer, THROUGH_U, "dh[...] = U.T @ dz if t == 0 else 0")], OF_H),
    Fault("lstm: dh overwritten by what comes from above", [(
        lstm_layer, "dh += dh_t[t]", "dh[...] = dh_t[t]")], OF_H),
    Fault("lstm: dc recursion dropped", [(
        lstm_layer, THROUGH_U, THROUGH_U + "; dc *= t == 0")], OF_C_N),
    Fault("cell: dc recursion dropped", [(numpy_cell, "dc *= f\n", "dc *= 0\n")], CELL_BACKWARD),
    Fault("cell: dc goes back past the forget gate", [(numpy_cell, "dc *= f\n", "dc *= 1\n")], CELL_BACKWARD),
    Fault("textbook: dh recursion dropped", [(
        lstm_textbook, "dh = U.T @ delta[t, k]", "dh = 0 * U.T @ delta[t, k]")], BOOK_DELTA),
    Fault("textbook: dc recursion dropped", [(
        lstm_textbook, "dc_next = dc * f", "dc_next = 0 * dc")], BOOK_DC),
    Fault("rnn: only delta_{t,t}", [(
        rnn, "for k in reversed(range(t)):", "for k in ():")], RNN),
    # = for +=
    Fault("cell: = for += on dc", [(numpy_cell, "dc += dz_o", "dc[...] = dz_o")], CELL_BACKWARD),
    Fault("lstm: = for += on dW, dU", [(
        numpy_products, "total += a @ b", "total[...] = a @ b")], TWICE, GRADIENTS),
    Fault("lstm: = for += on db", [(
        lstm_layer, "db += sums", "db[...] = sums")], TWICE, GRADIENTS),
    Fault("linear: = for += on fc.weight", [(
        numpy_products, "total += a @ b", "total[...] = a @ b")], LINEAR, MODEL),
    # what comes from the final state
    Fault("lstm: dc_n ignored", [(lstm_layer, D_END, "= d_state[0].T, 0")], OF_C_N, OF_H),
    Fault("lstm: dh_n ignored", [(lstm_layer, D_END, "= 0, d_state[1].T")], OF_H_N, OF_H),
    Fault("textbook: dL/dc_T ignored", [(
        lstm_textbook, "dL_dh[t], dL_dc_T if t == T - 1 else np.zeros(H, dtype)",
        "dL_dh[t], np.zeros(H, dtype)")], BOOK),
    # tanh of c
    Fault("cell: tanh missing on c", [(
        numpy_cell, "np.tanh(c, out=tanh_c)", "tanh_c[...] = c")], CELL_FORWARD),
    Fault("cell: tanh missing on c, in both directions", [
        (numpy_cell, "np.tanh(c, out=tanh_c)", "tanh_c[...] = c"),
        (numpy_cell, "np.multiply(tanh_c, tanh_c, out=dz_o)", "dz_o[...] = 0")], TORCH, GRADIENTS),
    Fault("cell: 1 - tanh^2 taken of z instead of c", [(
        numpy_cell, "np.multiply(tanh_c, tanh_c, out=dz_o)", "np.multiply(g, g, out=dz_o)")], CELL_BACKWARD),
    Fault("textbook: 1 - tanh^2 taken of z instead of c", [(
        lstm_textbook, "dc = dc_next + dh * o * (1 - tanh_c ** 2)",
        "dc = dc_next + dh * o * (1 - g ** 2)")], BOOK_DELTA),
    # gates exchanged
    Fault("cell: i and f read in each other's place, backward only", [(
        numpy_cell, GATES, GATES.replace("i, f", "f, i"))], CELL_BACKWARD),
    Fault("cell: i and o read in each other's place, backward only", [(
        numpy_cell, GATES, GATES.replace("i, f, g, o", "o, f, g, i"))], CELL_BACKWARD),
    Fault("cell: di and df written in each other's place", [(
        numpy_cell, DZ, DZ.replace("dz_i, dz_f", "dz_f, dz_i"))], CELL_BACKWARD),
    Fault("cell: i and f exchanged, forward only", [(
        numpy_cell, Z, Z.replace("i, f", "f, i"))], CELL_FORWARD),
    Fault("cell: i and f exchanged, in both directions", [
        (numpy_cell, Z, Z.replace("i, f", "f, i")), (numpy_cell, GATES, GATES.replace("i, f", "f, i")),
        (numpy_cell, DZ, DZ.replace("dz_i, dz_f", "dz_f, dz_i"))], TORCH, GRADIENTS),
    Fault("cell: i and f exchanged, in both directions, seen by the textbook", [
        (numpy_cell, Z, Z.replace("i, f", "f, i")), (numpy_cell, GATES, GATES.replace("i, f", "f, i")),
        (numpy_cell, DZ, DZ.replace("dz_i, dz_f", "dz_f, dz_i"))], DELTA_SUM, GRADIENTS),
    # biases, states, inputs
    Fault("lstm: one gate's bias used for all", [(
        lstm_layer, "wx += b[:, None, None]", "wx += xp.tile(b[:H], 4)[:, None, None]")], TORCH),
    Fault("lstm: b's gradient from the first step only", [(
        lstm_layer, "delta.reshape(4 * H, T * B), xp.ones(T * B, dtype)", "dz, xp.ones(B, dtype)")],
        GRADIENTS),
    Fault("lstm: hidden state never advanced", [(
        lstm_layer, "xp.matmul(U, h[t], out=z[t])", "xp.matmul(U, h[0], out=z[t])")], TORCH),
    Fault("lstm: cell state never advanced", [(
        lstm_layer, "cell.forward(z[t], c[t],", "cell.forward(z[t], c[0],")], TORCH),
    Fault("lstm: x and h_prev exchanged in dW and dU where they fit", [
        (lstm_layer, "(dW, delta, cache.x.reshape(T * B, D))",
         "(dW, delta, h_prev if D == H else cache.x.reshape(T * B, D))"),
        (lstm_layer, "(dU, delta, h_prev)", "(dU, delta, cache.x.reshape(T * B, D) if D == H else h_prev)")],
        STACK, GRADIENTS),
    Fault("lstm: h for h_prev in dU", [(
        lstm_layer, "h_prev = h[:T]", "h_prev = h[1:]")], GRADIENTS),
    Fault("lstm: h_0 and c_0 exchanged", [(lstm_layer, START, START_SWAPPED)], GRADIENTS),
    Fault("lstm: h_0 and c_0 exchanged, in both directions", [
        (lstm_layer, START, START_SWAPPED), (lstm, D_START, D_START_SWAPPED)], TORCH, GRADIENTS),
    Fault("lstm: dh_0 and dc_0 exchanged", [(lstm, D_START, D_START_SWAPPED)], GRADIENTS),
    Fault("lstm: dh_0 and dc_0 exchanged, seen by two halves", [(lstm, D_START, D_START_SWAPPED)], HALVES),
    Fault("lstm: h_n and c_n exchanged, in both directions", [
        (lstm, END, END_SWAPPED), (lstm_layer, D_END, D_END_SWAPPED)], TORCH, GRADIENTS),
    Fault("lstm: the upstream gradient changed in place", [(
        lstm_layer, "dh_t[...] = dh_above.transpose(0, 2, 1)",
        "dh_above *= 2; dh_t[...] = dh_above.transpose(0, 2, 1) / 2")], UNCHANGED),
    Fault("lstm: a view of the states for their copy", [(
        lstm_layer, "h[1:].transpose(0, 2, 1).copy()", "xp.ascontiguousarray(h[1:].transpose(0, 2, 1))")],
        size("LSTM", B=1), LSTM_DROPOUT),
    Fault("lstm: a view of the states for their copy, seen by who owns what", [(
        lstm_layer, "h[1:].transpose(0, 2, 1).copy()", "xp.ascontiguousarray(h[1:].transpose(0, 2, 1))")],
        size("LSTM", H=1, dropout=0.0), GRADIENTS),
    Fault("lstm: the mask of another layer backward", [(
        lstm, "dh = dh * self.masks[l]", "dh = dh * self.masks[1 - l]")], LSTM_DROPOUT),
    Fault("lstm: x not copied, and changed before backward", [(
        lstm, "self.run(x.copy(), h_0", "self.run(x, h_0")],
          check(test_lstm_properties.test_x_may_be_changed_before_backward), GRADIENTS),
    Fault("tied: the linear layer's part of the gradient lost", [(
        model, 'self.linear.gradients["weight"] = self.embedding.gradients["weight"]',
        'self.linear.gradients["weight"] = 0 * self.embedding.gradients["weight"]')],
        size("PoemModel", tied=True), size("PoemModel", tied=False)),
    Fault("tied: the embedding's part of the gradient lost", [(
        model, "self.embedding.backward(dx)", "self.tie_embedding or self.embedding.backward(dx)")],
        size("PoemModel", tied=True), size("PoemModel", tied=False)),
    Fault("dropout: the embedding's mask not used backward", [(
        model, "dx *= self.x_mask", "dx *= 1")], size("PoemModel", embedding_dropout=0.3),
        size("PoemModel", embedding_dropout=0.0)),
    Fault("dropout: a shared mask used at the first step only", [(
        model, "dx *= self.x_mask", "dx[0] *= self.x_mask[0]")],
        size("PoemModel", embedding_dropout=0.3, shared=True), size("PoemModel", embedding_dropout=0.0)),
    Fault("dropout: masks said to be shared are not", [(
        model, "(1, *x.shape[1:]) if self.shared_masks else x.shape", "x.shape")],
        check(test_dropout.test_a_shared_mask_is_the_same_at_every_time_step),
        size("PoemModel", embedding_dropout=0.3, shared=True)),
    Fault("adam: the decay passes through m and v", [(
        optim, "self.backend.adam.update(self.parameters, self.gradient,",
        "self.backend.adam.update(self.parameters, self.gradient + self.weight_decay * self.parameters,"),
        (optim, "1 - self.learning_rate * self.weight_decay)", "1)")], ADAMW, ADAM),
    Fault("adam: the decay without the learning rate", [(
        optim, "1 - self.learning_rate * self.weight_decay", "1 - 1e-3 * self.weight_decay")], ADAMW, ADAM),
    Fault("shards: a shard weighted by 1 / shards", [(
        data_parallel, "weight = (end - begin) / B", "weight = 1 / self.shards")],
        size("training step", threads=2, extra=1, backend="numba"),
        size("training step", threads=2, extra=0, backend="numba")),
    Fault("shards: a part of a measured loss weighted by 1 / parts", [(
        data_parallel, "* ((end - begin) / B)", "/ len(parts)")],
        check(test_data_parallel.test_a_measured_loss_is_that_of_the_whole_on_any_number_of_threads, B=5),
        check(test_data_parallel.test_a_measured_loss_is_that_of_the_whole_on_any_number_of_threads, B=1)),
    Fault("shards: the masks of one shard for all", [(
        data_parallel, "model.seed_dropout(*seed, number)", "model.seed_dropout(*seed, 0)")],
        check(test_dropout.test_masks_are_independent, pair="shards"),
        size("training step", threads=2, extra=2, backend="numba")),
    Fault("shards: no dropout in the second shard", [(
        data_parallel, "model.training = True", "model.training = number == 0")],
        check(test_dropout.test_every_shard_drops)),
    Fault("shards: the mean over the first batch's size", [(
        data_parallel, "B, model = tokens.shape[1],",
        "B, model = self.__dict__.setdefault('first', tokens.shape[1]),")],
        check(test_every_size.test_every_batch_of_an_epoch, backend="numba", threads=2,
              tmp_path=None),
        size("training step")),
    Fault("learner: every step draws the same masks", [(
        learner, "(settings.seed, DROPOUT, number)", "(settings.seed, DROPOUT, 0)")],
        check(test_dropout.test_masks_are_independent, pair="steps"), size("training step")),
    Fault("backend: what passes is not scaled up", [(
        numpy_backend, "/ np.asarray(1 - rate, dtype)", "/ np.asarray(1, dtype)")],
        check(test_dropout.test_rate_and_scale, rate=0.3, dtype="float64"), size("LSTM")),
    Fault("backend: the keep probability inverted", [(
        numpy_backend, "rng.random(shape) >= rate", "rng.random(shape) < rate")],
        check(test_dropout.test_rate_and_scale, rate=0.3, dtype="float64"), size("LSTM")),
    Fault("backend: one mask for all time steps", [(
        numpy_backend, "(rng.random(shape) >= rate)",
        "((0 * rng.random(shape) + rng.random(shape[1:])) >= rate)")],
        check(test_dropout.test_masks_are_independent, pair="time steps"), size("LSTM")),
    Fault("model: the output's mask is the layer's", [(
        model, "self.rng = self.lstm.rng = np.random.default_rng(seed)",
        "self.rng, self.lstm.rng = np.random.default_rng(seed), np.random.default_rng(seed)")],
        check(test_dropout.test_masks_are_independent, pair="layers"), size("PoemModel")),
    Fault("trainer: the mean of batches for the mean of predictions", [(
        trainer, "position.loss_sum += loss * predictions\n            position.predictions += predictions",
        "position.loss_sum += loss\n            position.predictions += 1")],
        check(test_trainer.test_reported_losses_are_means_over_predictions, tmp_path=None)),
    Fault("trainer: the held-out loss as the mean of batches", [(
        trainer, "losses.append(self.learner.loss(batch) * count_predictions(batch) if mine else 0.0)\n"
                 "            predictions += count_predictions(batch)",
        "losses.append(self.learner.loss(batch) if mine else 0.0)\n            predictions += 1")],
        check(test_trainer.test_reported_losses_are_means_over_predictions, tmp_path=None)),
    Fault("trainer: an infinite gradient norm passes", [(
        trainer, "(math.isfinite(loss) and math.isfinite(norm))", "math.isfinite(loss)")],
        check(test_trainer.test_an_infinite_norm_stops_the_training, tmp_path=None)),
    Fault("learner: every epoch in the same order", [(
        learner, "(settings.seed, SHUFFLE, epoch)", "(settings.seed, SHUFFLE, 0)")],
        check(test_trainer.test_epochs_differ_in_order, tmp_path=None)),
    Fault("lstm: the mask left out backward", [(
        lstm, "dh = dh * self.masks[l]", "dh = dh * 1")], LSTM_DROPOUT, GRADIENTS),
    # the textbook's sums
    Fault("rnn: h_k for h_{k-1} in dU", [(
        rnn, "np.outer(delta[t, k], states.h[k])", "np.outer(delta[t, k], states.h[k + 1])")], RNN),
    Fault("rnn: x and h_prev exchanged in dU", [(
        rnn, "dU += np.outer(delta[t, k], states.h[k])",
        "dU += np.outer(delta[t, k], np.resize(x[k], states.h[k].shape))")], RNN),
    Fault("rnn: db from the first step only", [(
        rnn, "db += delta[t, k]", "db += delta[t, k] * (k == 0)")], RNN),
    Fault("rnn: dU = for +=", [(rnn, "dU += np.outer", "dU[...] = np.outer")], RNN),
    Fault("textbook: forward mode forgets dL/dc_T", [(
        lstm_textbook, "dL += np.tensordot(dL_dc_T, dc, 1)", "dL += 0 * np.tensordot(dL_dc_T, dc, 1)")],
        BOOK_FORWARD_MODE),
    # the loss
    Fault("softmax: backward times 1000", [(
        functional, "scale = d_loss / len(targets)", "scale = 1000 * d_loss / len(targets)")], SOFTMAX),
    Fault("softmax: backward zero", [(
        functional, "scale = d_loss / len(targets)", "scale = 0 * d_loss / len(targets)")], SOFTMAX),
    Fault("softmax: backward times 1000, seen by the whole model", [(
        functional, "scale = d_loss / len(targets)", "scale = 1000 * d_loss / len(targets)")], MODEL),
    Fault("softmax: the logits written over unasked", [(
        functional, "axis=1, keepdims=True), out=out)", "axis=1, keepdims=True), out=logits)")], IN_PLACE),
    Fault("softmax: the one-hot forgotten", [(
        functional, "targets] -= scale", "targets] -= 0")], SOFTMAX),
    Fault("model: the mean over B instead of T*B, backward only", [(
        model, D_LOGITS, D_LOGITS.replace("d_loss", "d_loss * len(self.embedding.tokens)"))], MODEL),
    Fault("model: the mean over B instead of T*B, in both directions", [
        (model, D_LOGITS, D_LOGITS.replace("d_loss", "d_loss * len(self.embedding.tokens)")),
        (model, RETURN, SUMMED)], MODEL_TORCH, MODEL),
    Fault("model: the mean over B instead of T*B, seen by the loss itself", [
        (model, D_LOGITS, D_LOGITS.replace("d_loss", "d_loss * len(self.embedding.tokens)")),
        (model, RETURN, SUMMED)],
        check(test_model.test_loss_is_the_mean_over_time_and_batch), MODEL),
    Fault("model: the mask left out backward", [(
        model, "dh *= self.mask", "dh *= 1")], MODEL_DROPOUT, MODEL),
    # the layers
    Fault("embedding: = instead of scatter-add", [(
        layers, 'self.backend.scatter.scatter_add(self.gradients["weight"], self.tokens.reshape(-1), dx, '
        "self.order)",
        'self.gradients["weight"][self.tokens.reshape(-1)] = dx')], EMBEDDING),
    Fault("embedding: += on rows instead of scatter-add", [(
        layers, 'self.backend.scatter.scatter_add(self.gradients["weight"], self.tokens.reshape(-1), dx, '
        "self.order)",
        'self.gradients["weight"][self.tokens.reshape(-1)] += dx')], EMBEDDING),
    Fault("embedding: += on rows, seen by the whole model", [(
        layers, 'self.backend.scatter.scatter_add(self.gradients["weight"], self.tokens.reshape(-1), dx, '
        "self.order)",
        'self.gradients["weight"][self.tokens.reshape(-1)] += dx')], MODEL_TORCH),
    Fault("linear: the bias's gradient from the first row only", [(
        numpy_products, "a.sum(axis=0)", "a[0]")], LINEAR),
    # the optimiser
    Fault("adam: the second moment not corrected", [(
        optim, "math.sqrt(1 - beta2 ** self.t)", "1.0")], ADAM),
    Fault("clip: never", [(optim, "xp.minimum(1.0, max_norm", "xp.maximum(1.0, 0 * max_norm")], CLIP),
]
CHECKS = {id(run): run for fault in FAULTS for run in (fault.caught_by, fault.blind) if run}.values()


def codes_in(code, path=()):
    """Every function's code in a compiled module, by its place: ("LSTM", "forward")."""
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield path + (inner.co_name,), inner
            yield from codes_in(inner, path + (inner.co_name,))


def function_at(module, path):
    """The function at this place in the module, or None for what is no plain function."""
    found = module
    for name in path:
        found = inspect.getattr_static(found, name, None)
    found = getattr(found, "__func__", found)               # a static method
    if not isinstance(found, types.FunctionType) or found.__module__ != module.__name__:
        return None
    return inspect.unwrap(found)                            # of what one_blas_thread_in has decorated


def plant(monkeypatch, changes):
    """Give the module's own functions the code of its changed source; whatever refers to them runs it."""
    for module in {module.__name__: module for module, _, _ in changes}.values():
        source = inspect.getsource(module)
        for where, text, instead in changes:
            if where is module:
                assert source.count(text) == 1, (
                    f"{module.__name__} has {text!r} {source.count(text)} times, not once: "
                    "its text has changed, so write this fault for the new text")
                source = source.replace(text, instead)
        planted = 0
        for path, code in codes_in(compile(source, module.__file__, "exec", dont_inherit=True)):
            function = function_at(module, path)
            if function is not None and function.__code__ != code:
                monkeypatch.setattr(function, "__code__", code)
                planted += 1
        assert planted, f"{module.__name__}: the change reaches no function"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.name} <- {fault.caught_by.name}")
def test_fault_is_caught(monkeypatch, fault):
    with monkeypatch.context() as patch:
        plant(patch, fault.changes)
        with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)) as caught:
            fault.caught_by()
        misfit = caught.errisinstance(ValueError) and "operand" in str(caught.value)
        assert not misfit, "the shapes do not fit, which is no test of the check"
        if fault.blind:
            fault.blind()


@pytest.mark.parametrize("run", CHECKS, ids=lambda run: run.name)
def test_unchanged_the_check_passes(run):
    run()


def test_every_fault_has_a_name_of_its_own():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_text_that_is_gone_is_reported(monkeypatch):
    with pytest.raises(AssertionError, match="has 'no such text' 0 times, not once"):
        plant(monkeypatch, [(rnn, "no such text", "")])
    with pytest.raises(AssertionError, match="reaches no function"):
        plant(monkeypatch, [(rnn, "# (6.46)", "# (6.64)")])
