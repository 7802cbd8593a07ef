"""The limits in the tables of docs/api.md and docs/live-updates.md are those of the code."""

import re

import pytest

from connect_hub.api import invited
from connect_hub.api.execution import documents, query_limits
from connect_hub.api.transport import connection, http_request, subscriptions, websocket
from connect_hub.domain import live_updates
from connect_hub.server import connection_limits, headers, http_protocol, websocket_protocol
from tests.support.documentation import TEXT

KIB = 1024
CELLS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE))


def numbers(cell: str) -> list[int]:
    """Read the numbers of a cell; sizes in bytes."""
    found = re.findall(r"(\d[\d,]*)( KiB| MiB)?", cell)
    units = {"": 1, " KiB": KIB, " MiB": KIB * KIB}
    return [int(number.replace(",", "")) * units[unit] for number, unit in found]


@pytest.mark.parametrize(
    ("row", "limits"),
    {
        "tokens, bytes, lines, fragments": [
            query_limits.MAX_TOKENS,
            documents.MAX_LENGTH,
            query_limits.MAX_LINES,
            query_limits.MAX_FRAGMENTS,
        ],
        "levels of fields": [query_limits.MAX_DEPTH, query_limits.MAX_INTROSPECTION_DEPTH],
        "aliases and repeated fields": [query_limits.MAX_ALIASES],
        "characters of an alias": [query_limits.MAX_ALIAS],
        "repeated fields without a selection in fragments": [query_limits.MAX_REPEATED_LEAVES],
        "directives": [query_limits.MAX_DIRECTIVES],
        "rows in all of its lists": [
            query_limits.MAX_LISTED,
            invited.MAX_PAGE,
            query_limits.LIST_FIELDS["invitedClients"],
        ],
        "rows beside `__schema` or `__type`": [query_limits.MAX_LISTED_BESIDE_INTROSPECTION],
        "fields of introspection in its answer": [query_limits.MAX_INTROSPECTED],
        "clients on a page of `invitedClients`": [invited.MAX_PAGE, 1],
        "URL and headers together": [http_protocol.MAX_HEAD, 414, 431],
        "bytes of a header such as `Accept` that the server reads": [headers.MAX_PARSED],
        "requests that wait for the answer to another": [http_protocol.MAX_PIPELINED],
        "open connections": [
            connection_limits.MAX_CONNECTIONS,
            connection_limits.RESERVED_FILES,
            503,
        ],
        "bytes of unfinished requests and messages": [
            connection_limits.MAX_PENDING,
            connection_limits.ALWAYS_ACCEPTED,
            503,
        ],
        "connections to one process": [websocket.MAX_CONNECTIONS],
        "connections of one address that have not sent `connection_init`": [
            websocket.MAX_UNAUTHENTICATED
        ],
        "connections of one client to one process": [websocket.MAX_PER_CLIENT],
        "subscriptions of one connection": [subscriptions.MAX_SUBSCRIPTIONS],
        "size of a message from a client": [
            websocket_protocol.MAX_MESSAGE,
            websocket_protocol.MAX_FRAMES,
        ],
        "events that wait for a slow reader": [
            live_updates.MAX_QUEUED,
            connection.SEND_TIMEOUT.seconds,
            1013,
        ],
        "time without a sign of life": [
            websocket_protocol.PING_INTERVAL.seconds,
            websocket_protocol.PONG_TIMEOUT.seconds,
        ],
    }.items(),
)
def test_a_documented_limit_is_the_one_of_the_code(row: str, limits: list[int]) -> None:
    assert numbers(CELLS[row]) == limits


def test_the_documented_size_of_a_body_is_the_one_of_the_code() -> None:
    assert f"the body is over {http_request.MAX_BODY // KIB} KiB long" in TEXT
