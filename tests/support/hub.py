"""A client of the server as tests use it: through HTTP, by the operations of the schema."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import asyncpg
import httpx
import pytest

from connect_hub.database.connections import fetch
from connect_hub.settings import Settings

CLIENT = """
fragment Client on Client {
  id phone invitationCode someoneInvitationCode createdAt
  invitedClients { totalCount nodes { id phone invitedAt } }
}
"""
REQUEST_CODE = """
mutation($phone: String!) { requestCode(phone: $phone) {
  __typename
  ... on CodeSent { phone smsCode codeLength expiresAt resendAt }
  ... on TooManyRequestsError { retryAt }
  ... on UserError { message }
} }
"""
REQUEST_CODE_INVITED = REQUEST_CODE.replace(
    "$phone: String!) { requestCode(phone: $phone",
    "$phone: String!, $invitation: String) {"
    " requestCode(phone: $phone, invitationCode: $invitation",
)
SIGN_IN = """
mutation($phone: String!, $code: String!) { %s(phone: $phone, code: $code) {
  __typename
  ... on SignedIn { accessToken expiresAt refreshToken client { ...Client } }
  ... on InvalidCodeError { attemptsLeft }
  ... on TooManyRequestsError { retryAt }
  ... on UserError { message }
} }
"""
REGISTER_INVITED = (SIGN_IN % "register").replace(
    "$code: String!) { register(phone: $phone, code: $code",
    "$code: String!, $invitation: String) {"
    " register(phone: $phone, code: $code, invitationCode: $invitation",
)
REFRESH = """
mutation($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) {
  __typename
  ... on SignedIn { accessToken expiresAt refreshToken client { ...Client } }
  ... on UserError { message }
} }
"""
SESSIONS = "{ me { sessions { id current createdAt lastUsedAt device address } } }"
END = """
mutation($id: ID) { endSession(id: $id) {
  __typename ... on SessionEnded { id } ... on UserError { message }
} }
"""
END_THIS = "mutation { endSession { __typename ... on SessionEnded { id } } }"
END_OTHERS = """
mutation { endOtherSessions {
  __typename ... on OtherSessionsEnded { count } ... on UserError { message }
} }
"""
CHANGE_PHONE = """
mutation($phone: String!, $code: String!) { changePhone(phone: $phone, code: $code) {
  __typename
  ... on PhoneChanged { client { ...Client } }
  ... on InvalidCodeError { attemptsLeft }
  ... on UserError { message }
} }
"""
DELETE = """
mutation { deleteAccount {
  __typename ... on AccountDeleted { phone } ... on UserError { message }
} }
"""
RENEW = """
mutation { renewInvitationCode {
  __typename
  ... on InvitationCodeRenewed { client { ...Client } }
  ... on TooManyRequestsError { limit retryAt }
  ... on UserError { message }
} }
"""
UPDATE_PROFILE = """
mutation($name: String) { updateProfile(name: $name) {
  __typename
  ... on ProfileUpdated { client { ...Client name } }
  ... on UserError { message }
} }
"""
APPLY_INVITE = """
mutation($code: String!) { applyInvite(invitationCode: $code) {
  __typename
  ... on InviteApplied { client { ...Client } }
  ... on InvitationAlreadyAppliedError { someoneInvitationCode }
  ... on UserError { message }
} }
"""
ME = "{ me { ...Client } }"


EVENTS_KEPT = timedelta(days=30)


@dataclass
class Person:
    """A signed-in client."""

    hub: "Hub"
    id: str
    phone: str
    token: str
    refresh_token: str
    invitation_code: str

    async def me(self) -> Any:
        return (await self.hub.data(ME + CLIENT, token=self.token))["me"]

    async def apply(self, code: str) -> Any:
        answer = await self.hub.data(APPLY_INVITE + CLIENT, token=self.token, code=code)
        return answer["applyInvite"]

    async def renew(self) -> Any:
        """Get a new invitation code, which is kept."""
        answer = (await self.hub.data(RENEW + CLIENT, token=self.token))["renewInvitationCode"]
        if answer["__typename"] == "InvitationCodeRenewed":
            self.invitation_code = answer["client"]["invitationCode"]
        return answer

    async def sign_in(self, **headers: str) -> "Person":
        """Sign in once more, from another device."""
        code = await self.hub.code_for(self.phone)
        query = SIGN_IN % "login" + CLIENT
        answer = await self.hub.post(query, phone=self.phone, code=code, headers=headers)
        return self.hub.signed_in(answer.json()["data"]["login"])

    async def refresh(self, token: str | None = None) -> Any:
        """Refresh with a token, the latest by default; keep the new pair."""
        query, given = REFRESH + CLIENT, token or self.refresh_token
        answer = (await self.hub.data(query, refreshToken=given))["refreshSession"]
        if answer["__typename"] == "SignedIn":
            self.token, self.refresh_token = answer["accessToken"], answer["refreshToken"]
        return answer

    async def works(self) -> bool:
        """Return whether the access token is accepted."""
        response = await self.hub.post("{ me { id } }", token=self.token)
        return bool(response.status_code == 200)

    async def sessions(self) -> list[Any]:
        listed: list[Any] = (await self.hub.data(SESSIONS, token=self.token))["me"]["sessions"]
        return listed

    async def end(self, session_id: str) -> Any:
        return (await self.hub.data(END, token=self.token, id=session_id))["endSession"]

    async def end_this(self) -> Any:
        return (await self.hub.data(END_THIS, token=self.token))["endSession"]

    async def end_others(self) -> Any:
        return (await self.hub.data(END_OTHERS, token=self.token))["endOtherSessions"]

    async def request_code(self, phone: str) -> Any:
        """Request a code for a phone with the access token."""
        return (await self.hub.data(REQUEST_CODE, token=self.token, phone=phone))["requestCode"]

    async def change_phone(self, phone: str, code: str) -> Any:
        query = CHANGE_PHONE + CLIENT
        answer = await self.hub.data(query, token=self.token, phone=phone, code=code)
        return answer["changePhone"]

    async def delete(self) -> Any:
        return (await self.hub.data(DELETE, token=self.token))["deleteAccount"]


@dataclass
class Hub:
    """The application, reached over HTTP."""

    http: httpx.AsyncClient
    address: str | None = None  # of all requests; each has its own if this is None
    site: str | None = None  # of 48 bits; each request is from another /64 in it
    _requests: int = 0
    _registered: int = 0

    def at(self, address: str) -> "Hub":
        """Return a hub whose requests come from this address."""
        return Hub(self.http, address)

    def in_site(self, site: str) -> "Hub":
        """Return a hub whose requests come from addresses of an IPv6 /48, such as 2001:db8:1."""
        return Hub(self.http, site=site, _requests=self._requests)

    async def post(
        self,
        query: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **variables: Any,
    ) -> httpx.Response:
        headers = {"X-Forwarded-For": self._address(), **(headers or {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = {"query": query, "variables": variables}
        encoded = httpx.Headers(headers, encoding="latin-1")
        return await self.http.post("/graphql", json=body, headers=encoded)

    async def data(self, query: str, *, token: str | None = None, **variables: Any) -> Any:
        response = await self.post(query, token=token, **variables)
        answer = response.json()
        assert response.status_code == 200, answer
        assert "errors" not in answer, answer
        return answer["data"]

    async def request_code(self, phone: str, invitation: str | None = None) -> Any:
        if invitation is None:
            return (await self.data(REQUEST_CODE, phone=phone))["requestCode"]
        answer = await self.data(REQUEST_CODE_INVITED, phone=phone, invitation=invitation)
        return answer["requestCode"]

    async def code_for(self, phone: str) -> str:
        sent = await self.request_code(phone)
        code: str = sent["smsCode"]
        return code

    async def register(self, phone: str, code: str, invitation: str | None = None) -> Any:
        if invitation is None:
            query = SIGN_IN % "register" + CLIENT
            return (await self.data(query, phone=phone, code=code))["register"]
        variables = {"phone": phone, "code": code, "invitation": invitation}
        return (await self.data(REGISTER_INVITED + CLIENT, **variables))["register"]

    async def login(self, phone: str, code: str) -> Any:
        query = SIGN_IN % "login" + CLIENT
        return (await self.data(query, phone=phone, code=code))["login"]

    def _address(self) -> str:
        self._requests += 1
        if self.site:
            spread = self._requests * 0x9E37 % 0x10000  # over its /56 networks, too
            return f"{self.site}:{spread:x}::1"
        return self.address or str(IPv4Address(0x0A000000 + self._requests))

    async def person(self, phone: str | None = None) -> Person:
        """Register a person, with a new phone by default."""
        if phone is None:
            phone = f"+7999{self._registered:07}"
            self._registered += 1
        return self.signed_in(await self.register(phone, await self.code_for(phone)))

    def signed_in(self, answer: Any) -> Person:
        """Return the person of a response to a sign-in."""
        client = answer["client"]
        return Person(
            hub=self,
            id=client["id"],
            phone=client["phone"],
            token=answer["accessToken"],
            refresh_token=answer["refreshToken"],
            invitation_code=client["invitationCode"],
        )

    async def people(self, count: int) -> list[Person]:
        return await asyncio.gather(*(self.person() for _ in range(count)))


async def pass_time(seconds: float) -> None:
    """Let time pass by making every row older."""
    for statement in _OLDER:
        await fetch(statement, float(seconds))


_OLDER = [
    f"UPDATE {table} SET "
    + ", ".join(f"{column} = {column} - make_interval(secs => $1)" for column in columns)
    for table, columns in {
        "sign_in_code": ("expires_at", "resend_at"),
        "client": ("created_at", "invited_at"),
        "session": ("seen_at", "created_at", "last_used_at", "expires_at"),
        "allowance": ("refused_until", "expires_at"),
        "number_block": ("since", "alarmed_at"),
        "campaign": ("created_at", "expires_at", "ended_at"),
        "event": ("created_at",),
        "webhook_delivery": ("created_at", "due_at"),
        "webhook_endpoint": (
            "seen_at",
            "delivered_at",
            "failing_since",
            "paused_until",
            "disabled_at",
        ),
    }.items()
] + [
    f"""UPDATE {table} SET {column} = ARRAY(
            SELECT at - make_interval(secs => $1)
            FROM unnest({column}) WITH ORDINALITY AS use (at, place) ORDER BY place
        ) WHERE {column} IS NOT NULL"""
    for table, column in {"allowance": "uses", "sign_in_code": "guess_hits"}.items()
]


@contextmanager
def changed(settings: Settings, **values: Any) -> Iterator[None]:
    """Serve with other settings for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(settings, name, value)
        yield


async def rows_left() -> dict[str, int]:
    """Count the rows of every table."""
    tables = await fetch(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    counted = {}
    for table in tables:
        (row,) = await fetch(f'SELECT count(*) FROM "{table["name"]}"')
        counted[table["name"]] = row["count"]
    return counted


def is_about(moment: str, after_now: timedelta) -> None:
    at = datetime.fromisoformat(moment)
    assert abs(at - (datetime.now(UTC) + after_now)) < timedelta(seconds=30)


def wrong(code: str) -> str:
    """Make a code of the same length that is not this one."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


_COUNTED = ContextVar("counted", default=False)  # the tasks of a test's requests inherit it


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect what this task's requests send to the database, BEGIN, COMMIT and reset too.

    Each statement is a round trip. Those of the server's own tasks are not counted.
    """
    sent: list[str] = []
    mark = _COUNTED.set(True)
    with monkeypatch.context() as patch:
        for name in ("execute", "fetch", "fetchrow", "fetchval", "executemany"):
            original = getattr(asyncpg.Connection, name)

            async def counted(
                self: Any, query: str, *args: Any, _original: Any = original, **options: Any
            ) -> Any:
                if _COUNTED.get():
                    sent.append(query)
                return await _original(self, query, *args, **options)

            patch.setattr(asyncpg.Connection, name, counted)
        try:
            yield sent
        finally:
            _COUNTED.reset(mark)
