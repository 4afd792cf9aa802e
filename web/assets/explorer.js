// The LSTM once more, in JavaScript: it reads a line, and every delta_{t,k} comes out, as in lstm_textbook.py and
// rnn_textbook.py (pages 2 and 7). float64 throughout; tests/test_explorer.py compares each array with NumPy's.
// Arrays are flat and row by row. delta is kept as [k][t][rows], so that all t of one k are one block.
"use strict";
globalThis.Explorer = (() => {
  const sigmoid = (z) => 0.5 * (1 + Math.tanh(z / 2));

  // Y (n, R) = X (n, C) A^T for A (R, C): four rows of X and two of A at a time, so that sums stay in registers.
  function times(A, R, C, X, n) {
    const Y = new Float64Array(n * R);
    for (let x = 0; x < n; x += 4) {
      const x0 = x * C, x1 = Math.min(x + 1, n - 1) * C, x2 = Math.min(x + 2, n - 1) * C;
      const x3 = Math.min(x + 3, n - 1) * C;
      for (let r = 0; r < R; r += 2) {
        const a0 = r * C, a1 = Math.min(r + 1, R - 1) * C;
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
        for (let c = 0; c < C; c++) {
          const a = A[a0 + c], b = A[a1 + c], p = X[x0 + c], q = X[x1 + c], u = X[x2 + c], v = X[x3 + c];
          s0 += a * p; s1 += a * q; s2 += a * u; s3 += a * v;
          t0 += b * p; t1 += b * q; t2 += b * u; t3 += b * v;
        }
        const sums = [s0, s1, s2, s3], more = [t0, t1, t2, t3];
        for (let m = 0; m < 4 && x + m < n; m++) {
          Y[(x + m) * R + r] = sums[m];
          if (r + 1 < R) Y[(x + m) * R + r + 1] = more[m];
        }
      }
    }
    return Y;
  }

  function transposed(A, R, C) {
    const B = new Float64Array(R * C);
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) B[c * R + r] = A[r * C + c];
    return B;
  }

  // An array as the page carries it: numbers, or {f4} or {f8}: its bytes in base64.
  function decoded(data) {
    if (Array.isArray(data)) return Float64Array.from(data);
    const bytes = Uint8Array.from(atob(data.f4 || data.f8), (letter) => letter.charCodeAt(0));
    return Float64Array.from(data.f4 ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer));
  }

  // {V, embedding, layers: [{D, H, W, U, b}], weight, bias} -> the same with arrays, and what backward needs.
  function prepared(net) {
    const layers = net.layers.map(({ D, H, W, U, b }) => {
      const rows = decoded(b).length, u = decoded(U);
      return { D, H, rows, W: decoded(W), U: u, b: decoded(b), UT: transposed(u, rows, H) };
    });
    const last = layers[layers.length - 1], weight = decoded(net.weight);
    return { V: net.V, embedding: decoded(net.embedding), layers, weight, bias: decoded(net.bias),
             weightT: transposed(weight, net.V, last.H) };
  }

  // One layer, x (T, D) -> h and c (T+1, H), gates i, f, g, o (T, 4H); a layer of H rows is the simple network.
  function forwardLayer({ D, H, rows, W, U, b }, x, T, open) {
    const h = new Float64Array((T + 1) * H), c = new Float64Array((T + 1) * H);
    const gates = times(W, rows, D, x, T);
    for (let k = 0; k < T; k++) {
      const uh = times(U, rows, H, h.subarray(k * H, k * H + H), 1);
      const z = gates.subarray(k * rows, (k + 1) * rows);
      for (let r = 0; r < rows; r++) z[r] += uh[r] + b[r];                        // z_k = U h_{k-1} + W x_k + b
      for (let j = 0; j < H; j++) {
        const next = (k + 1) * H + j;
        if (rows === H) { h[next] = Math.tanh(z[j]); continue; }
        z[j] = sigmoid(z[j]);                                                     // (6.54)
        z[H + j] = open ? 1 : sigmoid(z[H + j]);                                  // (6.55)
        z[2 * H + j] = Math.tanh(z[2 * H + j]);                                   // (6.53)
        z[3 * H + j] = sigmoid(z[3 * H + j]);                                     // (6.56)
        c[next] = z[H + j] * c[k * H + j] + z[j] * z[2 * H + j];                  // (6.51)
        h[next] = z[3 * H + j] * Math.tanh(c[next]);                              // (6.52)
      }
    }
    return { x, h, c, gates, T };
  }

  // tokens (T,) -> the last layer's states, p (T, V) of the next word, dL_t/dh_t (T, H) for the targets, and L_t.
  function read(net, tokens, targets, open = false) {
    const T = tokens.length, E = net.layers[0].D, { V } = net, last = net.layers[net.layers.length - 1];
    let x = new Float64Array(T * E), states;
    tokens.forEach((token, t) => x.set(net.embedding.subarray(token * E, token * E + E), t * E));
    for (const layer of net.layers) {
      states = forwardLayer(layer, x, T, open);
      x = states.h.slice(layer.H);
    }
    const p = times(net.weight, V, last.H, x, T), losses = new Float64Array(T);
    for (let t = 0; t < T; t++) {
      const row = p.subarray(t * V, t * V + V);
      let largest = -Infinity, sum = 0;
      for (let v = 0; v < V; v++) largest = Math.max(largest, row[v] += net.bias[v]);
      for (let v = 0; v < V; v++) sum += row[v] = Math.exp(row[v] - largest);
      for (let v = 0; v < V; v++) row[v] /= sum;
      if (targets[t] === undefined) targets[t] = row.indexOf(Math.max(...row));   // the likeliest
      losses[t] = -Math.log(row[targets[t]]);
    }
    const dlogits = p.slice();
    targets.forEach((v, t) => { dlogits[t * V + v] -= 1; });
    return { ...states, p, losses, targets, dh: times(net.weightT, last.H, V, dlogits, T) };
  }

  // All delta_{t,k} (6.36), for the LSTM by 7.2 to 7.4, and the norms [t][k]: whole, and of the parts that come
  // through h_k and along c_k, which add up to the whole. cut: {c, u, chain}, the switches.
  function deltas({ H, rows, UT }, { h, c, gates, T, dh: dL_dh }, cut = {}) {
    const delta = new Float64Array(T * T * rows), dcNext = new Float64Array(T * H);
    const norm = new Float64Array(T * T), viaH = new Float64Array(T * T), viaC = new Float64Array(T * T);
    for (let k = T - 1; k >= 0; k--) {
      const after = T - 1 - k, begin = ((k + 1) * T + k + 1) * rows;
      const back = after && !cut.u ? times(UT, H, rows, delta.subarray(begin, begin + after * rows), after) : null;
      for (let t = k; t < T; t++) {
        const at = (k * T + t) * rows;
        let whole = 0, byH = 0, byC = 0;
        for (let j = 0; j < H; j++) {
          const dh = t === k ? dL_dh[t * H + j] : back ? back[(t - k - 1) * H + j] : 0;    // U^T delta_{t,k+1}
          if (rows === H) {
            const d = (1 - h[(k + 1) * H + j] ** 2) * dh;                         // (6.36)
            delta[at + j] = d;
            whole += d * d;
            continue;
          }
          const g0 = k * rows + j, i = gates[g0], f = gates[g0 + H], g = gates[g0 + 2 * H], o = gates[g0 + 3 * H];
          const cPrev = c[k * H + j], tanhC = Math.tanh(c[(k + 1) * H + j]);
          const fromC = cut.c ? 0 : dcNext[t * H + j], fromH = dh * o * (1 - tanhC * tanhC);
          const dc = fromC + fromH;                                               // both paths meet
          const si = g * i * (1 - i), sf = cPrev * f * (1 - f), sg = i * (1 - g * g);
          const dO = dh * tanhC * o * (1 - o), slope = si * si + sf * sf + sg * sg;
          delta[at + j] = dc * si;
          delta[at + H + j] = dc * sf;
          delta[at + 2 * H + j] = dc * sg;
          delta[at + 3 * H + j] = dO;
          whole += dc * dc * slope + dO * dO;
          byH += fromH * fromH * slope + dO * dO;
          byC += fromC * fromC * slope;
          dcNext[t * H + j] = dc * f;                                             // (6.51)
        }
        const shown = cut.chain && k > 0 ? 0 : 1;
        norm[t * T + k] = shown * Math.sqrt(whole);
        viaH[t * T + k] = shown * Math.sqrt(byH);
        viaC[t * T + k] = shown * Math.sqrt(byC);
      }
    }
    return { delta, norm, viaH, viaC };
  }

  // dL/dU (rows, H), dL/dW (rows, D), dL/db: the double sums (6.39)-(6.41); of the longest chain only k = 1.
  function gradients({ D, H, rows }, { x, h, T }, { delta }, cut = {}) {
    const columns = new Float64Array(T * rows), db = new Float64Array(rows);
    for (let k = 0; k < (cut.chain ? 1 : T); k++) {
      for (let t = k; t < T; t++) {
        for (let r = 0; r < rows; r++) columns[k * rows + r] += delta[(k * T + t) * rows + r];
      }
      for (let r = 0; r < rows; r++) db[r] += columns[k * rows + r];
    }
    const byRow = transposed(columns, T, rows);                                   // (rows, T)
    const dU = times(transposed(h.subarray(0, T * H), T, H), H, T, byRow, rows);  // one product each, as in 11.2
    return { dU, dW: times(transposed(x, T, D), D, T, byRow, rows), db };
  }

  // max |a - r| / max |r|, as on every page.
  function relativeError(a, r) {
    let difference = 0, largest = 0;
    for (let n = 0; n < r.length; n++) {
      difference = Math.max(difference, Math.abs(a[n] - r[n]));
      largest = Math.max(largest, Math.abs(r[n]));
    }
    return difference / largest;
  }

  return { prepared, read, deltas, gradients, relativeError, times };
})();
