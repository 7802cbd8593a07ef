"""Compares what was acknowledged with what the database holds."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connect_hub.security.keys import Keys
from tests.faults import invitations, outbox
from tests.faults.invitations import Tables
from tests.faults.journal import Code, Journal, Life, Person
from tests.faults.patroni import Cluster
from tests.faults.postgres import Postgres

_BUSY = "SELECT FROM pg_stat_activity WHERE application_name = 'connect-hub' AND state <> 'idle'"
_AGAIN = 0.1  # seconds
_LATE = timedelta(seconds=10)  # a later event may not have been sent when a connection ends

Rows = dict[str, dict[str, Any]]


@dataclass
class Facts:
    """The tables."""

    clients: Rows  # by id
    sessions: Rows  # by id
    codes: Rows  # by phone
    counts: Rows  # of applied codes, by client
    campaigns: Rows  # by code
    retired: Rows  # by invitation code
    guesses: dict[bytes, int]  # by the key of the allowance
    events: Rows  # by id
    undelivered: set[str]  # ids of events


async def read(postgres: Postgres | Cluster) -> Facts:
    """Read the tables once all abandoned statements have ended."""
    while await postgres.execute(_BUSY):  # noqa: ASYNC110 - of others
        await asyncio.sleep(_AGAIN)
    connection = await postgres.connect()
    try:
        return await facts(connection)
    finally:
        await connection.close()


async def facts(connection: Any) -> Facts:
    """Read the tables."""
    guesses = "SELECT key, cardinality(uses) AS uses FROM allowance"
    return Facts(
        clients=await _rows(connection, "client", "id"),
        sessions=await _rows(connection, "session", "id"),
        codes=await _rows(connection, "sign_in_code", "phone"),
        counts=await _rows(connection, "invited_count", "client_id"),
        campaigns=await _rows(connection, "campaign", "code"),
        retired=await _rows(connection, "retired_code", "code"),
        guesses={row["key"]: row["uses"] for row in await connection.fetch(guesses)},
        events=await _rows(connection, "event", "id"),
        undelivered=set(await _rows(connection, "webhook_delivery", "event_id")),
    )


async def _rows(connection: Any, table: str, key: str) -> Rows:
    return {str(row[key]): dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")}


def check(journal: Journal, facts: Facts, *, keys: Keys) -> list[str]:
    """Return all differences between the database and the responses."""
    tables = Tables(facts.clients, facts.counts, facts.campaigns, facts.retired)
    return [
        *journal.wrong,
        *_people(journal, facts),
        *_nobody_else(journal, facts),
        *_rings(facts),
        *invitations.check(tables, journal.used_up),
        *invitations.check_counts(tables),
        *_following(journal, facts),
        *_codes(journal, facts, keys),
        *outbox.check(
            facts.events,
            clients=facts.clients,
            campaigns=facts.campaigns,
            sessions=facts.sessions,
            undelivered=facts.undelivered,
            received=journal.received,
        ),
    ]


def _people(journal: Journal, facts: Facts) -> Iterator[str]:
    sessions: dict[str, Rows] = {}
    for id_, session in facts.sessions.items():
        sessions.setdefault(str(session["client_id"]), {})[id_] = session
    sent = _by_phone(journal.codes.values())
    for person in journal.people:
        if person.id is None:
            continue
        client = facts.clients.get(person.id)
        if client is None:
            yield f"{person.id} is registered and not there"
            continue
        yield from _person(person, client, facts.retired)
        yield from _sessions(person, sessions.get(person.id, {}), sent)


def _person(person: Person, client: dict[str, Any], retired: Rows) -> Iterator[str]:
    is_deleted = client["deleted_at"] is not None
    former = {code for code, row in retired.items() if str(row["client_id"]) == person.id}
    if client["invitation_code"] != person.invitation_code and not (
        person.lost_renewals and person.invitation_code in former
    ):
        yield f"{person.id} has another invitation code"
    if not len(person.retired) <= len(former) <= len(person.retired) + person.lost_renewals:
        yield f"{person.id} has replaced {len(former)} codes, not {len(person.retired)}"
    if not former.issuperset(person.retired):
        yield f"{person.id} has replaced other codes"
    if is_deleted not in person.deleted:
        yield f"{person.id} is {'' if is_deleted else 'not '}deleted"
    if not is_deleted and client["phone"] not in person.phones:
        yield f"{person.id} has another phone"
    if client["name"] not in ({None} if is_deleted else person.names):
        yield f"{person.id} has another name"
    if client["applied_invitation_code"] not in person.inviters:
        yield f"{person.id} has applied another code"


def _sessions(person: Person, rows: Rows, sent: dict[str, list[Code]]) -> Iterator[str]:
    for session in person.sessions.values():
        row = rows.get(session.id)
        if session.life is (Life.ENDED if row else Life.ALIVE):
            yield f"session {session.id} is {'there' if row else 'not there'}"
        elif row and not 0 <= row["generation"] - session.generation <= bool(session.lost):
            yield f"session {session.id} is of generation {row['generation']}"
    unknown = rows.keys() - person.sessions.keys()
    codes = [code for phone in person.phones for code in sent.get(phone, [])]
    if len(unknown) > sum(bool(code.lost) and not code.accepted for code in codes):
        yield f"{person.id} has {len(unknown)} sessions that nobody was told of: a code went twice"


def _nobody_else(journal: Journal, facts: Facts) -> Iterator[str]:
    known = {person.id for person in journal.people}
    maybe = {
        phone: person.inviters
        for person in journal.people
        if person.registering and person.id is None
        for phone in person.phones
    }
    for id_, client in facts.clients.items():
        if id_ in known:
            continue
        if client["phone"] not in maybe:
            yield f"{id_} is there and never registered"
        elif client["applied_invitation_code"] not in maybe[client["phone"]]:
            yield f"{id_} is registered, and has applied another code"


def _rings(facts: Facts) -> Iterator[str]:
    inviters = {id_: client["inviter_id"] for id_, client in facts.clients.items()}
    for id_ in inviters:
        if id_ in _ancestors(id_, inviters):
            yield f"{id_} is in a ring"


def _following(journal: Journal, facts: Facts) -> Iterator[str]:
    invited: dict[str, set[str]] = {}
    for id_, client in facts.clients.items():
        invited.setdefault(str(client["inviter_id"]), set()).add(id_)
    for inviter, following in journal.following.items():
        came = invited.get(inviter, set())
        there = {id_ for id_ in came if facts.clients[id_]["deleted_at"] is None}
        for id_ in there - following.known:
            yield f"{inviter} was never told that {id_} came"
        for id_ in following.known - came:
            yield f"{inviter} was told of {id_}, who never came"
        for subscription in following.subscriptions:
            for id_, times in Counter(subscription.heard).items():
                if times > 1:
                    yield f"{inviter} was told {times} times that {id_} came"
            until = (subscription.until or subscription.since) - _LATE
            for id_ in there - set(subscription.heard):
                if subscription.since < facts.clients[id_]["invited_at"] < until:
                    yield f"{inviter} was not told that {id_} came, who was connected"


def _ancestors(id_: str, inviters: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    at = inviters[id_]
    while at and str(at) not in found:
        found.add(str(at))
        at = inviters.get(str(at))
    return found


def _codes(journal: Journal, facts: Facts, keys: Keys) -> Iterator[str]:
    for code in journal.codes.values():
        if code.accepted > 1:
            yield f"a code of {code.phone} was accepted {code.accepted} times"
        row = facts.codes.get(code.phone)
        if not row or _moment(row["expires_at"]) != code.expires_at:
            continue
        if code.accepted:
            yield f"a code of {code.phone} was accepted and is still there"
        if not code.wrong <= row["guesses"] <= code.tried:
            yield f"a code of {code.phone} has {row['guesses']} guesses: {code}"
    for phone, codes in _by_phone(journal.codes.values()).items():
        counted = facts.guesses.get(keys.pseudonym(phone, purpose="guesses of a phone"), 0)
        if not sum(c.wrong for c in codes) <= counted <= sum(c.tried for c in codes):
            yield f"{phone} has {counted} guesses counted: {codes}"


def _by_phone(codes: Iterable[Code]) -> dict[str, list[Code]]:
    found: dict[str, list[Code]] = {}
    for code in codes:
        found.setdefault(code.phone, []).append(code)
    return found


def _moment(at: Any) -> str:
    """Write a time as answers do."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
