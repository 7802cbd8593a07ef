"""How PostgreSQL finds the rows of each statement that a request makes."""

import pytest

from connect_hub.database.connections import fetch, transaction
from tests.support.hub import CLIENT, ME, Hub, counted_statements
from tests.support.plans import plan
from tests.support.requests import bound
from tests.support.sockets import Sockets

PAGE = "query($after: String) { me { invitedClients(after: $after) { pageInfo { endCursor } } } }"


async def _hot_statements(hub: Hub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    with counted_statements(monkeypatch) as statements:
        owner = await hub.person()
        guest = await hub.person()
        async with sockets.subscribed(owner.token) as socket:
            await guest.apply(owner.invitation_code)
            await socket.event()
        await fetch("DELETE FROM sign_in_code")
        await owner.sign_in()
        request = await bound(hub, owner.phone)
        await fetch("UPDATE sign_in_code SET resend_at = now()")
        await request.resend()
        await request.login()
        await owner.refresh()
        await owner.sessions()
        await owner.end_others()
        await hub.data(ME + CLIENT, token=owner.token)
        first = await hub.data(PAGE, token=owner.token)
        after = first["me"]["invitedClients"]["pageInfo"]["endCursor"]
        await hub.data(PAGE, token=owner.token, after=after)
    of_the_test = {"DELETE FROM sign_in_code", "UPDATE sign_in_code SET resend_at = now()"}
    return set(statements) - of_the_test


async def test_each_frequent_statement_is_an_index_lookup(
    hub: Hub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = await _hot_statements(hub, sockets, monkeypatch)
    assert len(statements) >= 19
    async with transaction():
        await fetch("SET LOCAL enable_seqscan = off")  # by which small tables would be read
        for sql in statements:
            lines = await plan(sql)
            # The table of endpoints has a row for each URL of WEBHOOK_URLS.
            others = lines.replace("Seq Scan on webhook_endpoint", "")
            assert "Seq Scan" not in others, f"{sql}\n{lines}"


async def test_page_is_read_in_order_from_the_index(
    hub: Hub, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = await _hot_statements(hub, sockets, monkeypatch)
    pages = [sql for sql in statements if "ORDER BY" in sql and '"invited_at"' in sql]
    assert len(pages) == 3  # with the viewer, alone, after a cursor
    async with transaction():
        for way in ("seqscan", "bitmapscan", "sort", "incremental_sort"):  # cheaper in small tables
            await fetch(f"SET LOCAL enable_{way} = off")
        for sql in pages:
            lines = await plan(sql)
            assert "Index Scan Backward" in lines, lines
            assert "Sort" not in lines, lines
