// A formula and the lines of code that compute it: pointing at one, or moving the focus to it, lights the other.
"use strict";
(() => {
  const equations = [...document.querySelectorAll(".pair-equation")];
  const linesOf = new Map();                       // "path:line" -> its copies on the page
  for (const line of document.querySelectorAll("article .code-line[data-line]")) {
    const key = line.dataset.line;
    linesOf.set(key, [...(linesOf.get(key) || []), line]);
  }
  const equationsOf = new Map();                   // "path:line" -> the formulas that it computes
  for (const equation of equations) {
    for (const key of equation.dataset.lines.split(" ")) {
      equationsOf.set(key, [...(equationsOf.get(key) || []), equation]);
    }
  }
  const light = (elements, on) => elements.forEach((element) => element.classList.toggle("lit", on));
  const connect = (element, others) => {
    const all = [element, ...others];
    for (const name of ["pointerenter", "focus"]) element.addEventListener(name, () => light(all, true));
    for (const name of ["pointerleave", "blur"]) element.addEventListener(name, () => light(all, false));
  };
  for (const equation of equations) {
    connect(equation, equation.dataset.lines.split(" ").flatMap((key) => linesOf.get(key) || []));
  }
  for (const [key, found] of equationsOf) {
    for (const line of linesOf.get(key) || []) {
      line.tabIndex = 0;
      connect(line, found);
    }
  }
})();
