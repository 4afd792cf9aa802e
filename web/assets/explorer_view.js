// What the explorer shows and what a reader can do with it; the numbers come from explorer.js.
"use strict";
(() => {
  const root = document.getElementById("explorer");
  if (!root) return;
  const { prepared, read, deltas, gradients, relativeError } = globalThis.Explorer;
  const { words, start, lstm, simple } = globalThis.EXPLORER_MODEL;
  const say = JSON.parse(root.dataset.say), DECADES = 6, SHOWN = 8, MOST = 60;
  const byId = (id) => document.getElementById(`ex-${id}`);
  const numberOf = new Map(words.map((word, number) => [word, number]));
  const nets = { lstm: prepared(lstm), simple: prepared(simple) };
  const last = (net) => net.layers[net.layers.length - 1];
  const triangles = ["norm", "viaH", "viaC", "simple"];
  let now = null, chosen = { t: 0, k: 0, of: "norm" };

  // Blue to yellow, readable without telling red from green; a value is log10 of a norm less that of the largest.
  const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  function colour(part) {
    const at = Math.min(Math.max(part, 0), 1) * 3.9999, n = Math.floor(at);
    return `rgb(${STOPS[n].map((low, c) => Math.round(low + (STOPS[n + 1][c] - low) * (at - n))).join(",")})`;
  }
  const RAMP = Array.from({ length: 256 }, (_, n) => colour(n / 255));
  const ramp = (part) => RAMP[Math.round(255 * Math.min(Math.max(part, 0), 1))];
  const short = (x) => x === 0 ? "0" : Math.abs(x) >= 0.01 && Math.abs(x) < 1000 ? x.toFixed(3) : x.toExponential(2);

  const shownWord = (number) => number === start ? "⊢" : words[number];

  // The line that the reader typed -> every number on the page. What a switch does not change is kept.
  function compute(onlySwitches) {
    const line = [...byId("text").value.trim()];
    const unknown = line.filter((word) => !numberOf.has(word) || numberOf.get(word) === start);
    byId("message").textContent = !line.length ? say.empty : unknown.length ? say.unknown + unknown.join(" ")
      : line.length > MOST ? say.long : "";
    if (byId("message").textContent) return;
    const cut = Object.fromEntries(["c", "u", "chain"].map((name) => [name, byId(name).checked]));
    const open = byId("open").checked;
    const tokens = [start, ...line.map((word) => numberOf.get(word))];
    if (!onlySwitches || !now || now.open !== open) {
      const states = read(nets.lstm, tokens, tokens.slice(1), open), other = read(nets.simple, tokens, tokens.slice(1));
      const right = deltas(last(nets.lstm), states);
      now = { tokens, open, states, other, images: {}, right: gradients(last(nets.lstm), states, right) };
    }
    const found = deltas(last(nets.lstm), now.states, cut);
    const isSame = now.cut && now.cut.u === cut.u && now.cut.chain === cut.chain;
    const simple = isSame ? now.simple : deltas(last(nets.simple), now.other, cut);
    const wrong = gradients(last(nets.lstm), now.states, found, cut);
    Object.assign(now, { found, simple, cut });
    const T = tokens.length;
    chosen.t = Math.min(chosen.t || Math.max(T - 2, 0), T - 1);
    byId("norm").parentElement.parentElement.style.setProperty("--across", T > 14 ? 2 : 4);
    chosen.k = Math.min(chosen.k, chosen.t);
    byId("errors").textContent = ["dU", "dW", "db"].map((name) =>
      `${name} ${short(relativeError(wrong[name], now.right[name]))}`).join(", ");
    draw();
  }

  const valuesOf = (name) => name === "simple" ? now.simple.norm : now.found[name];

  function canvas(name, width, height) {
    const element = byId(name), ratio = globalThis.devicePixelRatio || 1;
    element.width = width * ratio;
    element.height = height * ratio;
    element.style.height = `${height}px`;
    const context = element.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "12px sans-serif";
    context.fillStyle = context.strokeStyle = getComputedStyle(element).color;
    context.textAlign = "center";
    context.textBaseline = "middle";
    return context;
  }

  const geometry = (name) => {
    const width = byId(name).parentElement.clientWidth;
    return { width, cell: Math.min(44, (width - 24) / now.tokens.length) };
  };

  function drawTriangle(name, largest) {
    const T = now.tokens.length, { width, cell } = geometry(name), values = valuesOf(name);
    const context = canvas(name, width, cell * T + 24), ink = context.fillStyle;
    context.font = `${Math.max(9, Math.min(14, cell * 0.7))}px sans-serif`;
    for (let t = 0; t < T; t++) {
      context.fillStyle = ink;
      context.fillText(shownWord(now.tokens[t]), 24 + (t + 0.5) * cell, 12);
      context.fillText(shownWord(now.tokens[t]), 12, 24 + (t + 0.5) * cell);
      for (let k = 0; k <= t; k++) {
        const value = values[t * T + k];
        if (value > 0) {
          context.fillStyle = ramp(1 + Math.log10(value / largest) / DECADES);
          context.fillRect(24 + k * cell, 24 + t * cell, cell - 1, cell - 1);
        } else {
          context.strokeStyle = ink;
          context.globalAlpha = 0.35;
          context.strokeRect(24.5 + k * cell, 24.5 + t * cell, cell - 2, cell - 2);
          context.globalAlpha = 1;
        }
      }
    }
    context.strokeStyle = "#e6006e";
    context.lineWidth = 3;
    context.strokeRect(24 + chosen.k * cell, 24 + chosen.t * cell, cell - 1, cell - 1);
    byId(name).setAttribute("aria-label", `${say[name]}: ${numbersOf(name)}`);
  }

  const GATES = ["i", "f", "g", "o", "cell"];

  // A gate of every step as a picture of T by H points, drawn once for the states that it shows.
  function gateImage(name) {
    const T = now.tokens.length, { H } = last(nets.lstm), n = GATES.indexOf(name), { states } = now;
    const image = Object.assign(document.createElement("canvas"), { width: T, height: H });
    const context = image.getContext("2d");
    for (let k = 0; k < T; k++) {
      for (let j = 0; j < H; j++) {
        const value = name === "cell" ? states.c[(k + 1) * H + j] : states.gates[k * 4 * H + n * H + j];
        context.fillStyle = ramp(n === 2 ? (value + 1) / 2 : n === 4 ? (Math.tanh(value) + 1) / 2 : value);
        context.fillRect(k, j, 1, 1);
      }
    }
    return image;
  }

  function drawGate(name) {
    const T = now.tokens.length, width = byId(name).parentElement.clientWidth, column = Math.min(44, width / T);
    const context = canvas(name, width, 118);
    now.tokens.forEach((token, k) => context.fillText(shownWord(token), (k + 0.5) * column, 9));
    context.imageSmoothingEnabled = false;
    context.drawImage(now.images[name] ||= gateImage(name), 0, 20, T * column, 96);
    context.strokeStyle = "#e6006e";
    context.lineWidth = 2;
    context.strokeRect(chosen.t * column, 19, column - 1, 98);
  }

  function drawNext() {
    const { V } = nets.lstm, { t } = chosen, p = now.states.p.subarray(t * V, t * V + V);
    const best = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, SHOWN), target = now.states.targets[t];
    if (!best.includes(target)) best.push(target);
    byId("next").replaceChildren(...best.map((number) => {
      const item = document.createElement("li"), bar = document.createElement("span");
      item.textContent = `${shownWord(number)} ${(100 * p[number]).toFixed(1)}%${number === target ? " ←" : ""}`;
      bar.style.width = `${100 * p[number] / p[best[0]]}%`;
      item.append(bar);
      return item;
    }));
    byId("after").textContent = `${now.tokens.slice(0, t + 1).map(shownWord).join("")} → ${shownWord(target)}   `
      + `L = ${short(now.states.losses[t])}`;
  }

  function numbersOf(name) {
    const { t, k } = chosen, T = now.tokens.length;
    return `t = ${t + 1} (${shownWord(now.tokens[t])}), k = ${k + 1} (${shownWord(now.tokens[k])}), `
      + `‖δ‖ = ${short(valuesOf(name)[t * T + k])}`;
  }

  function drawDetail() {
    const { t, k, of } = chosen, T = now.tokens.length, { H } = last(nets.lstm);
    const at = (k * T + t) * 4 * H, { delta, viaH, viaC } = now.found;
    const blocks = GATES.slice(0, 4).map((gate, n) => `‖δ^${gate}‖ = ${short(Math.hypot(
      ...delta.subarray(at + n * H, at + n * H + H)))}`);
    byId("numbers").textContent = of === "simple" ? `${say.simple}: ${numbersOf(of)}`
      : `LSTM: ${numbersOf("norm")}; ${say.viaH}: ${short(viaH[t * T + k])}, ${say.viaC}: `
        + `${short(viaC[t * T + k])}; ${blocks.join(", ")}`;
    const shown = (of === "simple" ? "simple" : "lstm") + (t === k ? "-start" : "");
    for (const part of root.querySelectorAll("[data-case]")) part.hidden = part.dataset.case !== shown;
  }

  function draw() {
    let largest = 0;
    for (const name of triangles) for (const value of valuesOf(name)) largest = Math.max(largest, value);
    triangles.forEach((name) => drawTriangle(name, largest));
    byId("largest").textContent = short(largest);
    byId("smallest").textContent = short(largest * 10 ** -DECADES);
    GATES.forEach(drawGate);
    drawNext();
    drawDetail();
  }

  function choose(of, t, k) {
    const T = now.tokens.length;
    chosen = { of, t: Math.min(Math.max(t, 0), T - 1), k: 0 };
    chosen.k = Math.min(Math.max(k, 0), chosen.t);
    draw();
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  for (const name of triangles) {
    byId(name).addEventListener("click", (event) => {
      const { cell } = geometry(name), box = byId(name).getBoundingClientRect();
      choose(name, Math.floor((event.clientY - box.top - 24) / cell), Math.floor((event.clientX - box.left - 24) / cell));
    });
    byId(name).addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      choose(name, chosen.t + step[0], chosen.k + step[1]);
    });
  }
  byId("text").addEventListener("input", () => { chosen.t = 0; compute(false); });
  for (const name of ["c", "u", "chain", "open"]) byId(name).addEventListener("change", () => compute(true));
  for (const button of root.querySelectorAll("[data-verse]")) {
    button.addEventListener("click", () => {
      byId("text").value = button.dataset.verse;
      chosen.t = 0;
      compute(false);
    });
  }
  globalThis.addEventListener("resize", () => now && draw());
  new MutationObserver(() => now && draw()).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  globalThis.ExplorerView = { compute, state: () => now };
  compute(false);
})();
