"""Variables and answers."""

from datetime import datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response


async def variables_of(request: Request) -> dict[str, Any]:
    variables: dict[str, Any] = orjson.loads(await request.body()).get("variables", {})
    return variables


def answer(data: dict[str, Any]) -> Response:
    return Response(orjson.dumps({"data": data}), media_type="application/json")


def shown(client: Any) -> dict[str, Any]:
    phone, code = client["phone"], client["invitation_code"]
    return {"id": str(client["id"]), "phone": phone, "invitationCode": code}


def moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
