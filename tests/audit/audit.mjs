// All server audits of graphql-http, MUST, SHOULD and MAY: node audit.mjs URL
import { auditServer } from "graphql-http";

const [url] = process.argv.slice(2);
const results = await auditServer({ url });
const failures = results.filter((result) => result.status !== "ok");

for (const { id, name, status, reason, response } of failures) {
  const body = response.bodyUsed ? "" : await response.text();
  console.error(`${status} ${id}: ${name}\n  ${reason}\n  ${response.status} ${body}`);
}
console.log(`${results.length - failures.length} of ${results.length} audits hold`);
process.exitCode = results.length === 61 && failures.length === 0 ? 0 : 1;
