"""What clients see of themselves: output types, each built from a model."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode
from strawberry import field

from connect_hub.api import errors
from connect_hub.api.invited import MAX_PAGE, InvitedClientConnection, position
from connect_hub.database import models
from connect_hub.domain import invitations, sessions
from connect_hub.domain.phone_numbers import PhoneNumber


@strawberry.type(description="Where a client is signed in.")
class Session:
    """Built from a session."""

    id: strawberry.ID = field(description="For `endSession`.")
    current: bool = field(description="Whether it is the one that asks.")
    created_at: datetime = field(description="When the client signed in.")
    last_used_at: datetime = field(description="When it was last used, to the minute.")
    device: str | None = field(description="What the client's User-Agent said, to be shown.")
    address: str | None = field(
        description="Where it was last used from: an IPv4 address or a network of IPv6."
    )

    @classmethod
    def of(cls, row: models.Session, *, current: bool) -> Self:
        """Show a session to its client."""
        return cls(
            id=strawberry.ID(str(row.id)),
            current=current,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            device=row.device,
            address=row.address,
        )


@strawberry.type(description="A person who registered with a phone number.")
class Client:
    """Built from a client; what needs a query is asked for only when it is selected."""

    row: strawberry.Private[models.Client]
    session_id: strawberry.Private[UUID]  # by which the client asks
    id: strawberry.ID = field(description="The client's id.")
    phone: PhoneNumber = field(description="The phone the client signs in with.")
    invitation_code: str = field(
        description="The code this client gives to others: 6 capital letters and digits."
    )
    someone_invitation_code: str | None = field(
        description="The code this client applied; null until then."
    )
    created_at: datetime = field(description="When the client registered.")

    @classmethod
    def of(cls, row: models.Client, *, session_id: UUID) -> Self:
        """Show a client to itself."""
        return cls(
            row=row,
            session_id=session_id,
            id=strawberry.ID(str(row.id)),
            phone=PhoneNumber(row.phone or ""),
            invitation_code=row.invitation_code,
            someone_invitation_code=row.applied_code,
            created_at=row.created_at,
        )

    @strawberry.field(description="Who applied this client's code, latest first.")
    async def invited_clients(
        self,
        info: strawberry.Info,
        first: Annotated[
            int, strawberry.argument(description=f"How many to list: 1 to {MAX_PAGE}.")
        ] = 20,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor: list what comes after it.")
        ] = strawberry.UNSET,
    ) -> InvitedClientConnection:
        """Read the page and the count, each only if something of it is selected."""
        if not 1 <= first <= MAX_PAGE:
            raise errors.BadUserInputError(f"`first` takes 1 to {MAX_PAGE}, not {first}.")
        start = position(after) if after else None
        selected = _selected(info)
        rows, count = [], 0
        if selected - {"totalCount"}:
            rows = await invitations.invited_clients(self.row, first=first + 1, after=start)
        if "totalCount" in selected:
            count = await invitations.invited_count(self.row)
        return InvitedClientConnection.of(
            rows, first=first, after=after or None, count=count, selected=selected
        )

    @strawberry.field(description="Where this client is signed in, last used first.")
    async def sessions(self) -> list[Session]:
        """Read them."""
        rows = await sessions.list_for(self.row)
        return [Session.of(row, current=row.id == self.session_id) for row in rows]


def _selected(info: strawberry.Info) -> set[str]:
    """Collect the names selected below a field, each fragment once."""
    raw = info._raw_info  # noqa: SLF001 (Strawberry's own way builds a tree of objects first)
    names: set[str] = set()
    unvisited = dict(raw.fragments)
    selections = [node.selection_set for node in raw.field_nodes]
    while selections:
        for node in ((selection := selections.pop()) and selection.selections) or ():
            match node:
                case FieldNode(name=name):
                    names.add(name.value)
                case InlineFragmentNode(selection_set=inner):
                    selections.append(inner)
                case FragmentSpreadNode(name=name) if name.value in unvisited:
                    selections.append(unvisited.pop(name.value).selection_set)
    return names
