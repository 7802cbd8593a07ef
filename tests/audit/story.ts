// The documented story, run by the client that is generated from the schema: node story.js URL [HOW]
// HOW documents are sent: as `query`, or only their hashes, as `documentId` or `persistedQuery`.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import type { ResultOf, TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type DocumentNode, print } from "graphql";

import {
  ApplyInviteDocument as ApplyInvite,
  ChangePhoneDocument as ChangePhone,
  DeleteAccountDocument as DeleteAccount,
  EndOtherSessionsDocument as EndOtherSessions,
  EndSessionDocument as EndSession,
  LoginDocument as Login,
  MeDocument as Me,
  RefreshSessionDocument as RefreshSession,
  RegisterDocument as Register,
  RequestCodeDocument as RequestCode,
  SessionsDocument as Sessions,
} from "./generated/typescript/graphql.js";
import generated from "./generated/typescript/possible-types.js";

const [url = "", how = "query"] = process.argv.slice(2);

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions: { code: string } }[];
}

function sent(document: DocumentNode & { __meta__?: { hash: string } }) {
  const hash = document.__meta__?.hash;
  switch (how) {
    case "documentId":
      return { documentId: hash };
    case "persistedQuery":
      return {
        extensions: { persistedQuery: { version: 1, sha256Hash: hash?.replace("sha256:", "") } },
      };
    default:
      return { query: print(document) };
  }
}

async function post<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  token?: string,
): Promise<Answer<Data>> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      accept: "application/graphql-response+json",
      "content-type": "application/json",
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ ...sent(document), variables }),
  });
  return (await response.json()) as Answer<Data>;
}

async function ask<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  token?: string,
): Promise<Data> {
  const { data, errors } = await post(document, variables, token);
  assert.equal(errors, undefined);
  assert.ok(data);
  return data;
}

// What can come instead of the success is known to the compiler: it misses a case left out.

type Sending = NonNullable<ResultOf<typeof RequestCode>["requestCode"]>;
type Registering = NonNullable<ResultOf<typeof Register>["register"]>;
type SigningIn = NonNullable<ResultOf<typeof Login>["login"]>;
type Applying = NonNullable<ResultOf<typeof ApplyInvite>["applyInvite"]>;
type Refreshing = NonNullable<ResultOf<typeof RefreshSession>["refreshSession"]>;
type Ending = NonNullable<ResultOf<typeof EndSession>["endSession"]>;
type EndingOthers = NonNullable<ResultOf<typeof EndOtherSessions>["endOtherSessions"]>;
type Moving = NonNullable<ResultOf<typeof ChangePhone>["changePhone"]>;
type Deleting = NonNullable<ResultOf<typeof DeleteAccount>["deleteAccount"]>;
type Entering = Sending | Registering | SigningIn | Applying | Refreshing;
type Result = Entering | Ending | EndingOthers | Moving | Deleting;
type Refusal = Extract<Result, { message: string }>;

function told(refusal: Refusal): string {
  switch (refusal.__typename) {
    case "TooManyRequestsError":
      return `Try again at ${new Date(refusal.retryAt).toLocaleTimeString()}.`;
    case "InvalidCodeError":
      return `Wrong code; ${refusal.attemptsLeft} guesses left.`;
    case "InvitationAlreadyAppliedError":
      return `You have applied ${refusal.someoneInvitationCode}.`;
    case "InvalidPhoneError":
    case "CountryNotServedError":
    case "SmsNotSentError":
    case "PhoneAlreadyRegisteredError":
    case "ClientNotFoundError":
    case "InvalidRefreshTokenError":
    case "SessionNotFoundError":
    case "ReauthenticationRequiredError":
    case "InvitationCodeNotFoundError":
    case "InvitationUsedUpError":
    case "InvitationRequiredError":
    case "RegistrationClosedError":
    case "RegistrationRefusedError":
    case "OwnInvitationCodeError":
    case "InvitationRingError":
      return refusal.message;
    default:
      return refusal satisfies never;
  }
}

function succeeded<R extends Result>(result: R | null): Exclude<R, Refusal> {
  assert.ok(result);
  if ("message" in result) throw new Error(told(result));
  return result as Exclude<R, Refusal>;
}

const somePhone = () => `+7916${randomInt(10 ** 6, 10 ** 7)}`;

async function codeFor(phone: string): Promise<string> {
  const sent = succeeded((await ask(RequestCode, { phone })).requestCode);
  assert.equal(sent.phone, phone);
  assert.ok(new Date(sent.expiresAt) > new Date());
  assert.equal(sent.smsCode?.length, sent.codeLength);
  return sent.smsCode ?? "";
}

async function registered(phone: string) {
  const code = await codeFor(phone);
  return succeeded((await ask(Register, { phone, code })).register);
}

// Ann registers, after a wrong code.
const [annsPhone, bensPhone] = [somePhone(), somePhone()];
const code = await codeFor(annsPhone);
const wrong = code.replace(/^./, (digit) => String((Number(digit) + 1) % 10));
const mistyped = (await ask(Register, { phone: annsPhone, code: wrong })).register;
assert.ok(mistyped?.__typename === "InvalidCodeError");
assert.ok(mistyped.attemptsLeft > 0);
const early = (await ask(Login, { phone: annsPhone, code })).login;
assert.equal(early?.__typename, "ClientNotFoundError");
const ann = succeeded((await ask(Register, { phone: annsPhone, code })).register);
assert.equal(ann.client.phone, annsPhone);
assert.deepEqual((await ask(Me, {}, ann.accessToken)).me, ann.client);
assert.equal((await ask(Me, {})).me, null);

// Ben registers and applies Ann's invitation code.
const ben = await registered(bensPhone);
const apply = async (invitationCode: string, token: string) =>
  (await ask(ApplyInvite, { invitationCode }, token)).applyInvite;
const anns = ann.client.invitationCode;
const bens = ben.client.invitationCode;
assert.equal((await apply("------", ben.accessToken))?.__typename, "InvitationCodeNotFoundError");
assert.equal((await apply(bens, ben.accessToken))?.__typename, "OwnInvitationCodeError");
const applied = succeeded(await apply(anns, ben.accessToken));
assert.equal(applied.client.someoneInvitationCode, anns);
const again = await apply(anns, ben.accessToken);
assert.ok(again?.__typename === "InvitationAlreadyAppliedError");
assert.equal(again.someoneInvitationCode, anns);
assert.equal((await apply(bens, ann.accessToken))?.__typename, "InvitationRingError");
const anonymous = await post(ApplyInvite, { invitationCode: anns });
assert.equal(anonymous.errors?.[0]?.extensions.code, "UNAUTHENTICATED");

// Ann signs in once more and sees him.
const phone = annsPhone;
const back = succeeded((await ask(Login, { phone, code: await codeFor(phone) })).login);
const invited = (await ask(Me, { first: 1 }, back.accessToken)).me?.invitedClients;
assert.equal(invited?.totalCount, 1);
assert.equal(invited.nodes[0]?.phone, bensPhone);
assert.equal(invited.edges[0]?.node.id, ben.client.id);
const after = invited.pageInfo.endCursor;
const rest = (await ask(Me, { first: 1, after }, back.accessToken)).me?.invitedClients;
assert.deepEqual(rest?.nodes, []);

// She stays signed in, ends her other session, and moves to another phone.
const { refreshToken } = back;
const kept = succeeded((await ask(RefreshSession, { refreshToken })).refreshSession);
const here = kept.accessToken;
const sessions = (await ask(Sessions, {}, here)).me?.sessions;
assert.equal(sessions?.filter((session) => session.current).length, 1);
const others = succeeded((await ask(EndOtherSessions, {}, here)).endOtherSessions);
assert.ok(others.__typename === "OtherSessionsEnded" && others.count === sessions.length - 1);
const stale = (await ask(RefreshSession, { refreshToken: ann.refreshToken })).refreshSession;
assert.equal(stale?.__typename, "InvalidRefreshTokenError");
const toPhone = somePhone();
const moving = { phone: toPhone, code: await codeFor(toPhone) };
const moved = succeeded((await ask(ChangePhone, moving, here)).changePhone);
assert.equal(moved.client.phone, toPhone);

// Ben deletes his account; Ann signs out.
const gone = succeeded((await ask(DeleteAccount, {}, ben.accessToken)).deleteAccount);
assert.equal(gone.phone, bensPhone);
assert.equal((await ask(Me, {}, here)).me?.invitedClients.totalCount, 0);
succeeded((await ask(EndSession, {}, here)).endSession);
const ended = await post(Me, {}, here);
assert.equal(ended.errors?.[0]?.extensions.code, "UNAUTHENTICATED");

const occupied = await ask(Register, { phone: toPhone, code: await codeFor(toPhone) });
assert.equal(occupied.register?.__typename, "PhoneAlreadyRegisteredError");
const nowhere = (await ask(RequestCode, { phone: "12" })).requestCode;
assert.equal(nowhere?.__typename, "InvalidPhoneError");

// What Apollo's cache needs to match `... on UserError`: all of each union but its success.
const { UserError: errors, ...unions } = generated.possibleTypes;
for (const [union, members] of Object.entries(unions)) {
  const successes = members.filter((member) => !(errors as string[]).includes(member));
  assert.equal(successes.length, 1, `${union}: ${successes.join(", ")}`);
}
console.log(`The TypeScript client has told the story by ${how}.`);
