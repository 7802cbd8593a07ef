"""The inputs of mutations: an endless supply of variables and tokens, each used once.

Whatever is asked is made in batches beforehand, so that it does not count.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import count, cycle
from secrets import token_bytes
from typing import NamedTuple

from connect_hub.security.keys import Keys
from connect_hub.security.refresh_tokens import RefreshTokens
from tests.bench import data
from tests.bench.bench import Bench

_BATCH = 2_000
_KNOWN = 10_000  # phones whose codes are made at once
_OWNERS = 100  # whose invitation codes are applied


class Input(NamedTuple):
    """The input of one request."""

    variables: dict[str, str]
    token: str | None = None


# The codes of these blocks are mostly confirmed, so that no block is suspected of pumping.
_CONFIRMED = """
    INSERT INTO number_block (prefix, since, sent, confirmed, alarms)
    SELECT DISTINCT left(phone, 6), now(), 1, 1000000, 0 FROM unnest($1::text[]) AS phone
    ON CONFLICT DO NOTHING
"""
_CODES = """
    INSERT INTO sign_in_code (phone, key_id, nonce, length, expires_at, resend_at, sends, guesses)
    SELECT phone, $2, nonce, 4, now() + interval '1 hour', now(), 1, 0
    FROM unnest($1::text[], $3::bytea[]) AS code (phone, nonce)
    ON CONFLICT (phone) DO UPDATE SET nonce = excluded.nonce, guesses = 0
"""


def logins(url: str, keys: Keys, *, clients: int) -> Iterator[Input]:
    """Sign in clients of a database, spread over all of them.

    Two sets of phones take turns: the last of one are still on their way when the other is made.
    """
    size = min(clients // 2, _KNOWN)
    phones = [f"+79000{place * clients // (2 * size):06}" for place in range(2 * size)]
    return _with_codes(url, keys, cycle([phones[::2], phones[1::2]]))


def registrations(bench: Bench) -> Iterator[Input]:
    """Register phones that are unknown, with the codes that were sent to them."""
    return _with_codes(bench.url, bench.keys, _phones("+7910"))


def invited_registrations(bench: Bench) -> Iterator[Input]:
    """Register phones that are unknown, each with an invitation code."""
    owners = cycle(data.invitation_codes(bench.url, bench.newcomers(_OWNERS)))
    for asked in _with_codes(bench.url, bench.keys, _phones("+7912")):
        yield Input(asked.variables | {"invitation": next(owners)})


def code_requests(bench: Bench) -> Iterator[Input]:
    """Request codes for phones that are unknown."""
    for phones in _phones("+7911"):
        asyncio.run(_execute(bench.url, _CONFIRMED, phones))
        for phone in phones:
            yield Input({"phone": phone})


def refreshes(bench: Bench) -> Iterator[Input]:
    """Refresh sessions, one after the other, and then those of the next generation."""
    tokens = RefreshTokens(bench.keys)
    clients = data.some_clients(bench.url, _BATCH)  # each id is also its session's, and its nonce
    for generation in count():
        for client in clients:
            refresh = tokens.issue(
                client, client_id=client, generation=generation, nonce=client.bytes
            )
            yield Input({"refresh_token": refresh})


def applications(bench: Bench) -> Iterator[Input]:
    """Apply codes, by clients who have not applied one."""
    owners = cycle(data.invitation_codes(bench.url, bench.newcomers(_OWNERS)))
    while True:
        for applicant in bench.newcomers(_BATCH):
            yield Input({"code": next(owners)}, bench.token_of(applicant))


def _phones(block: str) -> Iterator[list[str]]:
    for first in count(0, _BATCH):
        yield [f"{block}{number:07}" for number in range(first, first + _BATCH)]


def _with_codes(url: str, keys: Keys, batches: Iterable[list[str]]) -> Iterator[Input]:
    key_id = keys.code_key_ids[0]
    for phones in batches:
        nonces = [token_bytes(16) for _ in phones]
        asyncio.run(_execute(url, _CONFIRMED, phones))
        asyncio.run(_execute(url, _CODES, phones, key_id, nonces))
        asyncio.run(_execute(url, "VACUUM (ANALYZE) sign_in_code"))
        for phone, nonce in zip(phones, nonces, strict=True):
            code = keys.code(phone, key_id=key_id, nonce=nonce, length=4)
            yield Input({"phone": phone, "code": code})


async def _execute(url: str, sql: str, *values: object) -> None:
    async with data.connected(url) as database:
        await database.execute(sql, *values)
