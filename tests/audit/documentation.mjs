// The code blocks of README.md and docs/, as the audits read them.
import { readdirSync, readFileSync } from "node:fs";

const top = new URL("../../", import.meta.url);
const pages = ["README.md", ...readdirSync(new URL("docs/", top)).map((name) => `docs/${name}`)];
const text = pages.map((page) => readFileSync(new URL(page, top), "utf8")).join("\n");

/** The only JavaScript block that imports this package. */
export const blockThatImports = (name) => {
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, lines]) => lines);
  const found = blocks.filter((lines) => lines.includes(`from "${name}"`));
  if (found.length !== 1) throw new Error(`${found.length} blocks import ${name}`);
  return found[0];
};

/** The cells of each row of the only table whose first column is named so. */
export const rowsOf = (column) => {
  const tables = text.split(`\n| ${column} |`);
  if (tables.length !== 2) throw new Error(`${tables.length - 1} tables begin with ${column}`);
  const [, , ...rows] = tables[1].split("\n\n")[0].split("\n");
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
};
