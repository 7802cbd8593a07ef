"""The operations of a signed-in client: `me` and `applyInvite`."""

from datetime import timedelta
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tests.bench.servers import statements
from tests.bench.servers.floor.answers import answer, moment, shown, variables_of
from tests.bench.servers.floor.limits import ADDRESS, ORIGIN, consume, refund
from tests.bench.servers.tokens import Viewer, viewer_of

LIVES = timedelta(days=30), timedelta(days=180)


async def me(request: Request) -> Response:
    first = (await variables_of(request)).get("first", 20)
    async with request.app.state.pool.acquire() as database:
        viewer = viewer_of(request.headers)
        client = await _client(database, statements.VIEWER_WITH_PAGE, viewer, first + 1)
    rows = zip(*(client[name] or () for name in ("ids", "phones", "times")), strict=True)
    nodes = [
        {"id": str(client_id), "phone": phone, "invitedAt": moment(invited_at)}
        for client_id, phone, invited_at in islice(rows, first)
    ]
    applied = {"someoneInvitationCode": client["someone_invitation_code"]}
    return answer({"me": {**shown(client), **applied, "invitedClients": {"nodes": nodes}}})


async def apply_invite(request: Request) -> Response:
    code = (await variables_of(request))["code"]
    async with request.app.state.pool.acquire() as database:
        client = await _client(database, statements.VIEWER, viewer_of(request.headers))
        hits = await consume(database, unknown_invitation_codes=client["phone"])
        owner = await database.fetchrow(statements.BY_CODE, code)
        await database.fetchrow(
            statements.APPLY, client["id"], owner["id"], None, code, None, *ORIGIN
        )
        await refund(database, hits)
    return answer({"applyInvite": {"client": {**shown(client), "someoneInvitationCode": code}}})


async def _client(database: Any, sql: str, viewer: Viewer, *values: int) -> Any:
    client = await database.fetchrow(sql, *viewer, *values)
    if client["is_touch_due"]:
        await database.execute(statements.TOUCH, *viewer[:2], *LIVES, ADDRESS)
    return client
