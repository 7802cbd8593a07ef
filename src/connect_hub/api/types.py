"""What clients see: output types, each built from a model, and the result unions."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, NewType, Self
from uuid import UUID

import strawberry
from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode
from strawberry import field
from strawberry.types.scalar import ScalarDefinition

from connect_hub import models
from connect_hub.api import errors
from connect_hub.domain import invitations
from connect_hub.domain.invitations import Invited, Position
from connect_hub.domain.signin import SentCode
from connect_hub.tokens import AccessToken

MAX_PAGE = 100  # nodes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PhoneNumber = NewType("PhoneNumber", str)

SCALARS: dict[object, ScalarDefinition] = {
    PhoneNumber: strawberry.scalar(
        name="PhoneNumber",
        description="A phone number in E.164 format, for example `+79991234567`.",
        specified_by_url="https://www.itu.int/rec/T-REC-E.164",
        serialize=str,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC as an RFC 3339 timestamp with milliseconds,"
        " for example `2026-01-31T12:00:00.000Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=lambda moment: (
            (moment if moment.tzinfo is UTC else moment.astimezone(UTC))
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        ),
    ),
}


@strawberry.type(description="A client as the one who invited them sees them.")
class InvitedClient:
    """Built from a client who was invited."""

    id: strawberry.ID = field(description="The client's id.")
    phone: PhoneNumber = field(description="The client's phone.")
    invited_at: datetime = field(description="When the client applied the viewer's code.")

    @classmethod
    def of(cls, invited: Invited) -> Self:
        """Show an invited client."""
        return cls(
            id=strawberry.ID(str(invited.id)),
            phone=PhoneNumber(invited.phone),
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
        edges = [
            InvitedClientEdge(cursor=_cursor(row), node=node)
            for row, node in zip(page if "edges" in selected else [], nodes, strict=False)
        ]
        ends = [_cursor(row) for row in page[:1] + page[-1:]] if "pageInfo" in selected else []
        page_info = PageInfo(
            has_next_page=len(rows) > first,
            has_previous_page=after is not None,
            start_cursor=ends[0] if ends else None,
            end_cursor=ends[-1] if ends else None,
        )
        return cls(nodes=nodes, edges=edges, page_info=page_info, total_count=count)


@strawberry.type(description="A person who registered with a phone number.")
class Client:
    """Built from a client; what needs a query is asked for only when it is selected."""

    row: strawberry.Private[models.Client]
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
    def of(cls, row: models.Client) -> Self:
        """Show a client to itself."""
        return cls(
            row=row,
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
        position = _position(after) if after else None
        selected = _selected(info)
        rows, count = [], 0
        if selected - {"totalCount"}:
            rows = await invitations.invited_clients(self.row, first=first + 1, after=position)
        if "totalCount" in selected:
            count = await invitations.invited_count(self.row)
        return InvitedClientConnection.of(
            rows, first=first, after=after or None, count=count, selected=selected
        )


@strawberry.type(description="A code is on its way.")
class CodeSent:
    """Built from a sent code; no repr shows it."""

    __repr__ = object.__repr__

    phone: PhoneNumber = field(description="The number as the server understood it.")
    sms_code: str | None = field(
        description="The code itself while sending is simulated; null when a real SMS was sent."
    )
    code_length: int = field(
        description="How many digits to ask for: 4, and 8 while the number is under attack."
    )
    expires_at: datetime = field(description="When the code stops working.")
    resend_at: datetime = field(description="When the code may be asked for again.")

    @classmethod
    def of(cls, sent: SentCode) -> Self:
        """Show a sent code."""
        return cls(
            phone=PhoneNumber(sent.phone),
            sms_code=sent.code,
            code_length=sent.length,
            expires_at=sent.expires_at,
            resend_at=sent.resend_at,
        )


@strawberry.type(description="Proof of a signed-in client.")
class SignedIn:
    """Built from a client and its token; no repr shows it."""

    __repr__ = object.__repr__

    access_token: str = field(description="For the header `Authorization: Bearer …`.")
    expires_at: datetime = field(description="When the access token expires.")
    client: Client = field(description="The client signed in.")

    @classmethod
    def of(cls, row: models.Client, token: AccessToken) -> Self:
        """Show a signed-in client its token."""
        return cls(access_token=token.value, expires_at=token.expires_at, client=Client.of(row))


@strawberry.type(description="The invitation code is applied.")
class InviteApplied:
    """Built from the viewer."""

    client: Client = field(description="The viewer, with the code applied.")


RequestCodeResult = Annotated[
    CodeSent
    | errors.InvalidPhoneError
    | errors.CountryNotServedError
    | errors.TooManyRequestsError
    | errors.SmsNotSentError,
    strawberry.union("RequestCodeResult", description="A code is on its way, or why not."),
]
RegisterResult = Annotated[
    SignedIn
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.PhoneAlreadyRegisteredError,
    strawberry.union("RegisterResult", description="A new client, signed in, or why not."),
]
LoginResult = Annotated[
    SignedIn
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.ClientNotFoundError,
    strawberry.union("LoginResult", description="A client, signed in, or why not."),
]
ApplyInviteResult = Annotated[
    InviteApplied
    | errors.InvitationCodeNotFoundError
    | errors.InvitationAlreadyAppliedError
    | errors.OwnInvitationCodeError
    | errors.InvitationRingError
    | errors.TooManyRequestsError,
    strawberry.union("ApplyInviteResult", description="The code is applied, or why not."),
]


def _cursor(invited: Invited) -> str:
    """Write a place: microseconds since 1970 in 8 bytes and the id in 16, base64url."""
    microseconds = (invited.invited_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(microseconds.to_bytes(8) + invited.id.bytes).decode()


def _position(cursor: str) -> Position:
    try:
        raw = urlsafe_b64decode(cursor)
        at, client_id = int.from_bytes(raw[:8]), UUID(bytes=raw[8:])
        return Position(_EPOCH + timedelta(microseconds=at), client_id)
    except (ValueError, OverflowError):
        raise errors.BadUserInputError("`after` takes a cursor that a page came with.") from None


def _selected(info: strawberry.Info) -> set[str]:
    """Collect the names selected below a field, through fragments."""
    raw = info._raw_info  # noqa: SLF001 (Strawberry's own way builds a tree of objects first)
    names: set[str] = set()
    selections = [node.selection_set for node in raw.field_nodes]
    while selections:
        for node in ((selection := selections.pop()) and selection.selections) or ():
            match node:
                case FieldNode(name=name):
                    names.add(name.value)
                case InlineFragmentNode(selection_set=inner):
                    selections.append(inner)
                case FragmentSpreadNode(name=name):
                    selections.append(raw.fragments[name.value].selection_set)
    return names
