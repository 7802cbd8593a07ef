"""Types of the schema for the clients whom a client invited, page by page.

They follow Relay's Cursor Connections Specification (https://relay.dev/graphql/connections.htm).
"""

from asyncio import Lock
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Self
from uuid import UUID

import strawberry
from strawberry import field

from connect_hub.api.execution.resolvers import selected_below
from connect_hub.api.graphql_errors import BadUserInputError
from connect_hub.database import models
from connect_hub.domain import invitations
from connect_hub.domain.invitations import Invited, Position
from connect_hub.domain.labels import label
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.domain.viewer import FirstPage
from connect_hub.settings import InvitedPhones

MAX_PAGE = 100  # nodes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.type(description="A client as their inviter sees them.")
class InvitedClient:
    """Shows no more than the inviter may see."""

    id: strawberry.ID = field(
        description="The client's id. A viewer never sees the same person as a Client, too."
    )
    invited: strawberry.Private[Invited]
    phones: strawberry.Private[InvitedPhones]
    phone: PhoneNumber | None = field(
        description="The client's phone number; null if the server does not show it to inviters."
    )
    invited_at: datetime = field(description="When the client applied the viewer's code.")

    @classmethod
    def of(cls, invited: Invited, phones: InvitedPhones) -> Self:
        """Build it from a row; the setting INVITED_PHONES says what the inviter may see."""
        return cls(
            invited=invited,
            phones=phones,
            id=strawberry.ID(str(invited.id)),
            phone=invited.phone if phones == "full" else None,
            invited_at=invited.invited_at,
        )

    @strawberry.field(
        description="The client for people: the name, or as much of the phone as the server shows,"
        " or # and a part of the id."
    )
    def label(self) -> str:
        """Format it only if it is selected, and once for all aliases: it costs processor time."""
        return self._label

    @cached_property
    def _label(self) -> str:
        return label(self.invited, phones=self.phones)


@strawberry.type(description="An invited client and their position in the list.")
class InvitedClientEdge:
    """The edge of Relay's specification."""

    cursor: str = field(description="The position, for `after`.")
    node: InvitedClient = field(description="The client.")


@strawberry.type(description="The position of a page in its list.")
class PageInfo:
    """The page info of Relay's specification."""

    has_next_page: bool = field(description="Whether there is another page after this one.")
    has_previous_page: bool = field(description="Whether this page was asked for with `after`.")
    start_cursor: str | None = field(
        description="The cursor of the first client; null on an empty page."
    )
    end_cursor: str | None = field(
        description="The cursor of the last client, for the next page; null on an empty page."
    )


class Page:
    """One page of the clients who applied a client's code; read when a field first needs it.

    Args:
        client: the inviter.
        first: rows on the page.
        after: the cursor before the page; None for the first page.
        loaded: a first page that was read already.
        phones: the setting INVITED_PHONES.
    """

    def __init__(
        self,
        client: models.Client,
        *,
        first: int,
        after: str | None,
        loaded: FirstPage | None,
        phones: InvitedPhones,
    ) -> None:
        self.client = client
        self.phones = phones
        self.is_first = after is None
        self._first = first
        self._position = position(after) if after else None
        self._lock = Lock()
        # With the first row of the next page.
        self._rows: list[Invited] | None = None
        self._clients: list[InvitedClient] | None = None
        if loaded and self.is_first and first < loaded.limit:
            self._rows = loaded.rows[: first + 1]

    async def rows(self) -> list[Invited]:
        """Return the rows of this page."""
        return (await self._read())[: self._first]

    async def clients(self) -> list[InvitedClient]:
        """Return the clients of this page; nodes and edges share them, and so their labels."""
        if self._clients is None:
            self._clients = [InvitedClient.of(row, self.phones) for row in await self.rows()]
        return self._clients

    async def has_next(self) -> bool:
        """Tell whether there is another page after this one."""
        return len(await self._read()) > self._first

    async def _read(self) -> list[Invited]:
        if self._rows is not None:
            return self._rows
        async with self._lock:  # fields that are resolved at once share one query
            if self._rows is None:
                self._rows = await invitations.invited_clients(
                    self.client, first=self._first + 1, after=self._position
                )
        return self._rows


@strawberry.type(description="A page of the clients who applied one's code, latest first.")
class InvitedClientConnection:
    """The connection of Relay's specification; each field reads only what it needs."""

    page: strawberry.Private[Page]

    @strawberry.field(description="The clients of this page.")
    async def nodes(self) -> list[InvitedClient]:
        """Read the page."""
        return await self.page.clients()

    @strawberry.field(description="The clients of this page with their cursors.")
    async def edges(self) -> list[InvitedClientEdge]:
        """Read the page."""
        return [
            InvitedClientEdge(cursor=_cursor(client.invited), node=client)
            for client in await self.page.clients()
        ]

    @strawberry.field(description="The position of this page in the list.")
    async def page_info(self) -> PageInfo:
        """Read the page."""
        rows = await self.page.rows()
        return PageInfo(
            has_next_page=await self.page.has_next(),
            has_previous_page=not self.page.is_first,
            start_cursor=_cursor(rows[0]) if rows else None,
            end_cursor=_cursor(rows[-1]) if rows else None,
        )

    @strawberry.field(description="The number of clients on all pages.")
    async def total_count(self) -> int:
        """Read the count."""
        return await invitations.invited_count(self.page.client)


def first_page_below(info: strawberry.Info) -> int:
    """Return how many invited clients to read with the viewer, for the page selected below it.

    Returns:
        0 if none is selected, if only its count is, or if this cannot be told before execution.
    """
    pages = [field for field in selected_below(info) if field.name == "invited_clients"]
    if len(pages) != 1 or not {"nodes", "edges", "page_info"} & pages[0].names_below:
        return 0
    first, after = pages[0].arguments.get("first", 0), pages[0].arguments.get("after")
    return first + 1 if 1 <= first <= MAX_PAGE and not after else 0


def _cursor(invited: Invited) -> str:
    """Encode the position of a row in base64url: microseconds since 1970 (8 bytes), id (16)."""
    microseconds = (invited.invited_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(microseconds.to_bytes(8) + invited.id.bytes).decode()


def position(cursor: str) -> Position:
    """Decode a cursor.

    Raises:
        BadUserInputError: it is not a cursor of ours.
    """
    try:
        raw = urlsafe_b64decode(cursor)
        at, client_id = int.from_bytes(raw[:8]), UUID(bytes=raw[8:])
        return Position(_EPOCH + timedelta(microseconds=at), client_id)
    except (ValueError, OverflowError):
        raise BadUserInputError("`after` must be a cursor of an earlier page.") from None
