// The explorer's numbers without a browser: {net, tokens, targets, open, cut} in, every array out, as JSON.
import { readFileSync } from "node:fs";
import "./assets/explorer.js";

const { prepared, read, deltas, gradients } = globalThis.Explorer;
const { net, tokens, targets, open, cut } = JSON.parse(readFileSync(0, "utf8"));
const ready = prepared(net), layer = ready.layers.at(-1);
const states = read(ready, tokens, targets, open);
const found = deltas(layer, states, cut);
const { h, c, gates, p, losses, dh } = states;
const everything = { h, c, gates, p, losses, dh, ...found, ...gradients(layer, states, found, cut) };
const start = performance.now();
for (let n = 0; n < 20; n++) deltas(layer, states, cut);
everything.milliseconds = [(performance.now() - start) / 20];
const lists = Object.fromEntries(Object.entries(everything).map(([name, array]) => [name, [...array]]));
process.stdout.write(JSON.stringify({ ...lists, targets: states.targets }));
