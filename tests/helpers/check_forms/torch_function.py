"""An LSTM as an autograd.Function with a backward pass of its own; gates i, f, g, o."""

import torch

FORM = "torch"
FUNCTION = "HandLSTM"


class HandLSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h0, c0, W, U, b):
        h, c, states, cells, gates = h0, c0, [h0], [c0], []
        for x_k in x:
            i, f, g, o = (W @ x_k + U @ h + b).chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            states.append(h)
            cells.append(c)
            gates.append(torch.stack([i, f, g, o]))
        ctx.save_for_backward(x, W, U, torch.stack(states), torch.stack(cells), torch.stack(gates))
        return torch.stack(states[1:])

    @staticmethod
    def backward(ctx, dh):
        x, W, U, h, c, gates = ctx.saved_tensors
        dW, dU, db, dx = torch.zeros_like(W), torch.zeros_like(U), torch.zeros_like(W[:,
                                                                                      0]), torch.zeros_like(x)
        dh_next, dc_next = torch.zeros_like(h[0]), torch.zeros_like(c[0])
        for k in reversed(range(len(x))):
            i, f, g, o = gates[k]
            d, tanh_c = dh[k] + dh_next, c[k + 1].tanh()
            dc = dc_next + d * o * (1 - tanh_c ** 2)
            z = torch.cat([dc * g * i * (1 - i), dc * c[k] * f * (1 - f), dc * i * (1 - g ** 2),
                           d * tanh_c * o * (1 - o)])
            dW, dU, db = dW + torch.outer(z, x[k]), dU + torch.outer(z, h[k]), db + z
            dx[k], dh_next, dc_next = W.T @ z, U.T @ z, dc * f
        return dx, dh_next, dc_next, dW, dU, db
