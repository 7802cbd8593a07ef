"""What an import would do: every line is judged before anything is written.

So a dry run takes no lock, and clients are stored after their inviters, whatever their order is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4

from connect_hub.database.connections import Row, fetch
from connect_hub.domain import invitation_codes, phone_numbers
from connect_hub.domain.refusals import InvalidPhone, InvitationCodeNotFound

_BATCH = 10_000  # phones or codes that are looked up by one statement
_BY_PHONE = "SELECT * FROM client WHERE phone = ANY ($1)"
_BY_CODE = "SELECT * FROM client WHERE invitation_code = ANY ($1)"
_OTHER_CODES = """
    SELECT code FROM campaign WHERE code = ANY ($1)
    UNION ALL SELECT code FROM retired_code WHERE code = ANY ($1)
"""
_ROOT = "SELECT client_root(NULL, $1) AS id"


class LeftOutError(Exception):
    """A line, or its invitation, cannot be imported."""


class Line(NamedTuple):
    """A line of the file, as written."""

    number: int
    phone: str
    code: str
    inviter: str
    is_too_long: bool


@dataclass
class Planned:
    """A client of the file."""

    line: int
    id: UUID
    phone: str
    code: str | None  # None: any
    is_here: bool
    inviter: UUID | None = None  # if it is to be attached


@dataclass
class Report:
    """What was imported and what was not; it names clients by their lines, never by phone."""

    counts: Counter[str] = field(default_factory=Counter)
    left_out: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"line {line}: {text}" for line, text in sorted(self.left_out)]
        return "\n".join([*lines, *(f"{what}: {n}" for what, n in (+self.counts).items())])

    def leave_out(self, what: str, line: int, why: Exception) -> None:
        """Count a client, code or invitation that is not imported."""
        self.counts[f"{what} left out"] += 1
        self.left_out.append((line, f"{what} left out, since {why}"))


class Plan:
    """The clients of a file, judged by what the database has."""

    def __init__(self, country: str | None, report: Report) -> None:
        self._country, self._report = country, report
        self._by_phone: dict[str, Planned | None] = {}  # None: left out
        self._by_code: dict[str, Planned | None] = {}
        self._here: dict[str, Row] = {}  # clients of the database, by phone and by code
        self._other_codes: set[str] = set()
        self._parents: dict[UUID, UUID] = {}  # towards the root of each tree; a root's is itself

    @property
    def clients(self) -> Iterator[Planned]:
        """The clients, each after its inviter."""
        by_id = {client.id: client for client in self._by_phone.values() if client}
        done: set[UUID] = set()
        for client in by_id.values():
            chain = []
            at: Planned | None = client
            while at and at.id not in done:
                done.add(at.id)
                chain.append(at)
                at = by_id.get(at.inviter) if at.inviter else None
            yield from reversed(chain)

    async def make(self, lines: list[Line]) -> None:
        """Judge all lines."""
        await self._look_up(lines)
        accepted = [(line, client) for line in lines if (client := self._client(line))]
        for line, client in accepted:
            if line.inviter:
                try:
                    await self._invite(client, line.inviter)
                except LeftOutError as error:
                    self._report.leave_out("invitations", line.number, error)

    async def _look_up(self, lines: list[Line]) -> None:
        texts = {text for line in lines for text in (line.phone, line.inviter) if text}
        phones = {phone for text in texts if (phone := self._phone(text))}
        texts = {text for line in lines for text in (line.code, line.inviter) if text}
        codes = {code for text in texts if (code := _code(text))}
        for batch in _batches(phones):
            self._here |= {row["phone"]: row for row in await fetch(_BY_PHONE, batch)}
        for batch in _batches(codes):
            self._here |= {row["invitation_code"]: row for row in await fetch(_BY_CODE, batch)}
            self._other_codes |= {row["code"] for row in await fetch(_OTHER_CODES, batch)}

    def _client(self, line: Line) -> Planned | None:
        phone, code = self._phone(line.phone), _code(line.code)
        try:
            client = self._judge(line, phone, code)
        except LeftOutError as error:
            self._report.leave_out("clients", line.number, error)
            client = None
        if phone:
            self._by_phone.setdefault(phone, client)
        if code:
            self._by_code.setdefault(code, client)
        return client

    def _judge(self, line: Line, phone: str | None, code: str | None) -> Planned:
        if line.is_too_long:
            raise LeftOutError("it has more than 3 columns")
        if phone is None:
            raise LeftOutError("its phone is not a mobile number")
        if phone in self._by_phone:
            raise LeftOutError("its phone is in an earlier line")
        if line.code and not code:
            raise LeftOutError("its invitation code is not 6 letters and digits")
        if here := self._here.get(phone):
            self._report.counts["clients here already"] += 1
            if code and code != here["invitation_code"]:
                error = LeftOutError("the client has another one")
                self._report.leave_out("invitation codes", line.number, error)
            return Planned(line.number, here["id"], phone, here["invitation_code"], is_here=True)
        if code and (code in self._here or code in self._other_codes or code in self._by_code):
            raise LeftOutError("its invitation code is taken")
        client = Planned(line.number, uuid4(), phone, code, is_here=False)
        self._parents[client.id] = client.id
        return client

    async def _invite(self, client: Planned, text: str) -> None:
        inviter = self._find(text)
        if client.is_here:
            here = self._here[client.phone]
            if here["inviter_id"] == inviter:
                self._report.counts["invitations here already"] += 1
                return
            if here["inviter_id"] or here["applied_invitation_code"]:
                raise LeftOutError("it has applied another code")
        root = await self._root(inviter)
        if root == client.id:
            raise LeftOutError("its inviter would close a ring")
        client.inviter, self._parents[client.id] = inviter, root

    def _find(self, text: str) -> UUID:
        """Find a client by its phone or code: in the file, or else in the database."""
        code = _code(text)
        for known, key in ((self._by_phone, self._phone(text)), (self._by_code, code)):
            if key and key in known:
                if planned := known[key]:
                    return planned.id
                raise LeftOutError("its inviter is left out")
            if (row := self._here.get(key or "")) and row["deleted_at"] is None:
                found: UUID = row["id"]
                return found
        raise LeftOutError("nobody has the phone or code of its inviter")

    async def _root(self, client: UUID) -> UUID:
        """Return the end of a client's chain of inviters; the next walk goes there at once."""
        passed = []
        while (parent := self._parents.get(client)) != client:
            passed.append(client)
            if parent is None:
                (row,) = await fetch(_ROOT, client)
                self._parents[client] = parent = row["id"]
            client = parent
        self._parents |= dict.fromkeys(passed, client)
        return client

    def _phone(self, text: str) -> str | None:
        try:
            return phone_numbers.parse(text, country=self._country).e164
        except InvalidPhone:
            return None


def _code(text: str) -> str | None:
    try:
        return invitation_codes.parse(text)
    except InvitationCodeNotFound:
        return None


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]
