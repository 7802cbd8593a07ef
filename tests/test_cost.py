"""What a document may cost, in calls of functions: seconds depend on the machine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.hub import Hub


class TooMuchWorkError(BaseException):
    """Ends what would not end by itself; no `except Exception` keeps it."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Let Python call so many functions, and fail at the next."""
    made = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal made
        made += event in {"call", "c_call"}
        if made > calls:
            sys.setprofile(None)
            raise TooMuchWorkError(f"over {calls} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("spreads", [2, 8])
async def test_fragments_below_a_page_are_visited_once(hub: Hub, spreads: int) -> None:
    person = await hub.person()
    chain = "".join(
        f"fragment F{n} on InvitedClientConnection {{ {f'...F{n + 1} ' * spreads} }}"
        for n in range(18)
    )
    last = "fragment F18 on InvitedClientConnection { totalCount }"
    query = "{ me { invitedClients { ...F0 } } }" + chain + last
    with at_most(calls=200_000):
        answer = await hub.data(query, token=person.token)
    assert answer == {"me": {"invitedClients": {"totalCount": 0}}}
