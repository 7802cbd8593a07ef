"""The facts about one request that its log line, metrics and trace report."""

from dataclasses import dataclass
from random import getrandbits

from starlette.types import Scope

_KEY = "request_log"  # in the scope's state


@dataclass(slots=True, kw_only=True)
class RequestLog:
    """Created by the middleware, completed by the GraphQL transport; unknown facts are empty."""

    request_id: str  # unique, not secret
    operation: str = ""  # the name that the client gave its operation
    field: str = ""  # the first field of the operation, such as `login`
    outcome: str = ""  # of GraphQL only: `ok`, a refusal's type or an error code
    client: str = ""  # the signed-in client's id


def request_log(scope: Scope) -> RequestLog:
    """Return the log of a request; the first call creates it."""
    state = scope.setdefault("state", {})
    if _KEY not in state:
        state[_KEY] = RequestLog(request_id=f"{getrandbits(128):032x}")
    log: RequestLog = state[_KEY]
    return log
