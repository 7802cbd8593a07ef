// The documented lines for another service that uses `jose`, run on a token of the server: URL.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { blockThatImports } from "./documentation.mjs";

const url = new URL(process.argv[2]);
const lines = blockThatImports("jose");

const file = new URL("generated/verify.mjs", import.meta.url);
writeFileSync(file, lines.replace("http://127.0.0.1:8000", url.origin));
const { clientOf } = await import(file);

const ask = async (query, token) => {
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const headers = { "content-type": "application/json", ...authorization };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query }) });
  return (await answer.json()).data;
};
const phone = `"+7916${String(Date.now()).slice(-7)}"`;
const { requestCode } = await ask(`mutation { requestCode(phone: ${phone}) { ...on CodeSent { smsCode } } }`);
const { register } = await ask(`mutation { register(phone: ${phone}, code: "${requestCode.smsCode}") {
  ...on SignedIn { accessToken client { id } }
} }`);

const { accessToken } = await ask(`mutation { accessToken(audience: "billing") {
  ...on AccessTokenIssued { accessToken }
} }`, register.accessToken);

assert.equal(await clientOf(accessToken.accessToken), register.client.id);
const [head, claims, signature] = accessToken.accessToken.split(".");
const forged = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, "base64url")), sub: "x" }));
for (const wrong of [register.accessToken, `${head}.${forged.toString("base64url")}.${signature}`, `${head}.${claims}.`, "x"]) {
  await assert.rejects(clientOf(wrong));
}
console.log("Another service has verified an access token with jose.");
