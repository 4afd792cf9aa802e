// KaTeX for the whole site at once: a JSON list of [formula, displayed] in, a JSON list of HTML out.
// A formula that KaTeX does not know ends the build with its text.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const katex = (await import(pathToFileURL(process.argv[2]).href)).default;
const options = { throwOnError: true, strict: "ignore", output: "htmlAndMathml" };
const html = JSON.parse(readFileSync(0, "utf8")).map(([formula, displayMode]) =>
  katex.renderToString(formula, { ...options, displayMode }));
process.stdout.write(JSON.stringify(html));
