"""A database with people in all states, to which a test can return as often as it likes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from connect_hub.database.connections import fetch
from connect_hub.database.embedded import APP_USER
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from tests.support.hub import Hub, Person, wrong

INVITED = 24  # more than a page has by default
NEW_PHONE, PHONE_WITHOUT_CODE = "+79001112233", "+79001112244"
NAME = 'mutation { updateProfile(name: "Ann") { __typename } }'


class World:
    """People of a hub whose rows are saved, and what they can send.

    Args:
        tokens: valid and invalid ones; None is an anonymous request.
        values: of arguments, by their names; right ones and wrong ones.
        known: the ids and invitation codes in the saved rows.
        database: a superuser's connection, whose changes fire no triggers.
    """

    def __init__(
        self,
        *,
        tokens: list[str | None],
        values: dict[str, list[Any]],
        known: set[str],
        database: asyncpg.Connection,
    ) -> None:
        self.tokens = tokens
        self.values = values
        self.known = known
        self._database = database

    async def save(self) -> None:
        """Save the rows of all tables for as long as the connection is open."""
        for table in await self._tables():
            await self._database.execute(f"CREATE TEMP TABLE saved_{table} AS TABLE public.{table}")

    async def restore(self) -> None:
        """Return to the saved rows."""
        await self._database.execute(
            "".join(
                f"DELETE FROM public.{table}; INSERT INTO public.{table} TABLE saved_{table};"
                for table in await self._tables()
            )
        )

    @asynccontextmanager
    async def unreadable(self, table: str | None) -> AsyncIterator[None]:
        """Let every statement that reads the table fail."""
        if table is None:
            yield
            return
        await self._database.execute(f"REVOKE SELECT ON {table} FROM {APP_USER}")
        try:
            yield
        finally:
            await self._database.execute(f"GRANT SELECT ON {table} TO {APP_USER}")

    async def _tables(self) -> list[str]:
        rows = await self._database.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'aerich'"
        )
        return [row["tablename"] for row in rows]


async def create_world(hub: Hub, settings: Settings, database: asyncpg.Connection) -> World:
    """Let people register, invite each other and leave, and save their rows."""
    viewer, inviter, alone, stale, left = await hub.people(5)
    await viewer.apply(inviter.invitation_code)
    invited = [await hub.person() for _ in range(INVITED)]
    for number, person in enumerate(invited):
        if number % 3 == 0:
            await hub.data(
                'mutation { updateProfile(name: "Ann") { __typename } }', token=person.token
            )
        await person.apply(viewer.invitation_code)
    await invited[5].delete()
    await left.delete()
    replaced = viewer.invitation_code
    await viewer.renew()
    other_device, signed_out = await viewer.sign_in(), await viewer.sign_in()
    await signed_out.end_this()
    refreshed = await viewer.sign_in()
    old_token, old_refresh_token = refreshed.token, refreshed.refresh_token
    await refreshed.refresh()
    phones = [viewer.phone, alone.phone, NEW_PHONE]
    codes = [await hub.code_for(phone) for phone in phones]
    page = await hub.data(
        "{ me { invitedClients(first: 100) { edges { cursor } } } }", token=viewer.token
    )
    cursors = [edge["cursor"] for edge in page["me"]["invitedClients"]["edges"]]
    people = [viewer, inviter, alone, stale, other_device, refreshed]
    for person in people:
        assert await person.works()
    await _stop_time(stale)
    world = World(
        tokens=[
            *[viewer.token] * 8,
            *[alone.token, inviter.token, invited[0].token, stale.token, other_device.token] * 2,
            *[None, None, refreshed.token, old_token, left.token, signed_out.token],
            *[await _expired(viewer, settings), "nonsense", f"{viewer.token}x"],
        ],
        values={
            "first": [1, 2, 3, 10, 20, INVITED - 1, INVITED, 100, 0, -1, 101, 2**31, None],
            "after": [cursors[0], cursors[5], cursors[-1], "", None, "nonsense", cursors[0][:-4]],
            "phone": [*phones * 2, PHONE_WITHOUT_CODE, "+7999", "tel:+7-900-111-22-33", ""],
            "code": [*codes * 2, wrong(codes[0]), "12", "", "x" * 100],
            "invitationCode": [
                *[inviter.invitation_code, alone.invitation_code.lower(), viewer.invitation_code],
                *[invited[0].invitation_code, replaced, "000000", "nonsense", "", None],
            ],
            "name": ["Ann", "", "x" * 65, "a\u200bb", None],
            "refreshToken": [viewer.refresh_token, refreshed.refresh_token, old_refresh_token, "x"],
            "audience": ["billing", "nobody", ""],
            "id": [*await _sessions(viewer), str(uuid4()), "nonsense", "", None],
        },
        known=await _known(),
        database=database,
    )
    await world.save()
    return world


async def _stop_time(stale: Person) -> None:
    """Let nothing expire within a day, and no request record that a session is used."""
    await fetch(
        """UPDATE session SET seen_at = now(), last_used_at = last_used_at + interval '1 day',
               created_at = created_at
                   + CASE client_id WHEN $1 THEN interval '-1 hour' ELSE interval '1 day' END""",
        UUID(stale.id),
    )
    await fetch("UPDATE sign_in_code SET expires_at = now() + interval '1 day'")


async def _expired(person: Person, settings: Settings) -> str:
    assert settings.secret_key
    tokens = AccessTokens(
        Keys(settings.secret_key.get_secret_value()),
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=timedelta(minutes=1),
    )
    session, *_ = await _sessions(person)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    return tokens.issue(UUID(person.id), session_id=UUID(session), generation=0, now=earlier).value


async def _sessions(person: Person) -> list[str]:
    rows = await fetch("SELECT id FROM session WHERE client_id = $1", UUID(person.id))
    return [str(row["id"]) for row in rows]


async def _known() -> set[str]:
    rows = await fetch("SELECT id, invitation_code FROM client")
    sessions = await fetch("SELECT id FROM session")
    return {str(value) for row in [*rows, *sessions] for value in row.values()}
