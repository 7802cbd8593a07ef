// All server audits of graphql-http, MUST, SHOULD and MAY: node audit.mjs URL
// They follow the draft. In what is listed here the specification of September 2026 says otherwise, and
// specification.mjs holds us to that.
import assert from "node:assert/strict";
import { auditServer } from "graphql-http";

const DIFFERENT = {
  "423L": 422, // a request without a document: 400 in the draft
  "86EE": 422, // variables that cannot be coerced: 400 in the draft
};

const [url] = process.argv.slice(2);
const results = await auditServer({ url });
const failures = results.filter(({ id, status, response }) =>
  id in DIFFERENT ? response?.status !== DIFFERENT[id] : status !== "ok",
);

for (const { id, name, status, reason, response } of failures) {
  const body = response.bodyUsed ? "" : await response.text();
  console.error(`${status} ${id}: ${name}\n  ${reason}\n  ${response.status} ${body}`);
}
const different = Object.keys(DIFFERENT).length;
console.log(
  `${results.length - different - failures.length} of ${results.length} audits of graphql-http hold;` +
    ` ${different} follow the draft where the specification differs`,
);
assert.equal(results.length, 61);
process.exitCode = failures.length === 0 ? 0 : 1;
