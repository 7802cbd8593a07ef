"""What clients see of those they invited, page by page (Relay, Cursor Connections)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import strawberry
from strawberry import field

from connect_hub.api import errors
from connect_hub.domain.invitations import Invited, Position
from connect_hub.domain.phone_numbers import PhoneNumber

MAX_PAGE = 100  # nodes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.type(description="A client as the one who invited them sees them.")
class InvitedClient:
    """Built from a client who was invited."""

    id: strawberry.ID = field(
        description="The client's id. No viewer sees one person both as this and as a Client."
    )
    phone: PhoneNumber = field(description="The client's phone.")
    invited_at: datetime = field(description="When the client applied the viewer's code.")

    @classmethod
    def of(cls, invited: Invited) -> Self:
        """Show an invited client."""
        return cls(
            id=strawberry.ID(str(invited.id)),
            phone=invited.phone,
            invited_at=invited.invited_at,
        )


@strawberry.type(description="An invited client and its place in the list.")
class InvitedClientEdge:
    """An edge of the Relay connection."""

    cursor: str = field(description="The place, for `after`.")
    node: InvitedClient = field(description="The client there.")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """As the Relay connection specification has it."""

    has_next_page: bool = field(description="Whether there is more after this page.")
    has_previous_page: bool = field(description="Whether there is more before this page.")
    start_cursor: str | None = field(description="The place of the first node.")
    end_cursor: str | None = field(
        description="The place of the last node: `after` of the next page."
    )


_NOT_SELECTED = PageInfo(
    has_next_page=False, has_previous_page=False, start_cursor=None, end_cursor=None
)


@strawberry.type(description="A page of the clients who applied one's code, latest first.")
class InvitedClientConnection:
    """A page, with what was asked for of it."""

    nodes: list[InvitedClient] = field(description="The clients of this page.")
    edges: list[InvitedClientEdge] = field(description="The same with their cursors.")
    page_info: PageInfo = field(description="Where this page lies in the list.")
    total_count: int = field(description="How many were invited in all.")

    @classmethod
    def of(
        cls,
        rows: list[Invited],
        *,
        first: int,
        after: str | None,
        count: int,
        selected: set[str],
    ) -> Self:
        """Build what is selected of a page from `first` rows, and one more if there is a next."""
        page = rows[:first]
        nodes = [InvitedClient.of(row) for row in page]
        edges, page_info = [], _NOT_SELECTED
        if "edges" in selected:
            edges = [
                InvitedClientEdge(cursor=_cursor(row), node=node)
                for row, node in zip(page, nodes, strict=True)
            ]
        if "pageInfo" in selected:
            page_info = PageInfo(
                has_next_page=len(rows) > first,
                has_previous_page=after is not None,
                start_cursor=_cursor(page[0]) if page else None,
                end_cursor=_cursor(page[-1]) if page else None,
            )
        return cls(nodes=nodes, edges=edges, page_info=page_info, total_count=count)


def _cursor(invited: Invited) -> str:
    """Write a place: microseconds since 1970 in 8 bytes and the id in 16, base64url."""
    microseconds = (invited.invited_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(microseconds.to_bytes(8) + invited.id.bytes).decode()


def position(cursor: str) -> Position:
    """Read a place that a page came with."""
    try:
        raw = urlsafe_b64decode(cursor)
        at, client_id = int.from_bytes(raw[:8]), UUID(bytes=raw[8:])
        return Position(_EPOCH + timedelta(microseconds=at), client_id)
    except (ValueError, OverflowError):
        raise errors.BadUserInputError("`after` takes a cursor that a page came with.") from None
