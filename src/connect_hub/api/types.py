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
from connect_hub.domain import invitations, sessions
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
    def of(cls, row: models.Session) -> Self:
        """Show a session to its client."""
        return cls(
            id=strawberry.ID(str(row.id)),
            current=row.id == row.client.session_id,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            device=row.device,
            address=row.address,
        )


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

    @strawberry.field(description="Where this client is signed in, last used first.")
    async def sessions(self) -> list[Session]:
        """Read them."""
        return [Session.of(row) for row in await sessions.of(self.row)]


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
    """Built from a session and its tokens; no repr shows it."""

    __repr__ = object.__repr__

    access_token: str = field(description="For the header `Authorization: Bearer …`.")
    expires_at: datetime = field(description="When the access token expires.")
    refresh_token: str = field(description="Keep it secret; each use replaces it.")
    client: Client = field(description="The client signed in.")

    @classmethod
    def of(cls, session: models.Session, *, access: AccessToken, refresh: str) -> Self:
        """Show a signed-in client its tokens."""
        return cls(
            access_token=access.value,
            expires_at=access.expires_at,
            refresh_token=refresh,
            client=Client.of(session.client),
        )


@strawberry.type(description="The invitation code is applied.")
class InviteApplied:
    """Built from the viewer."""

    client: Client = field(description="The viewer, with the code applied.")


@strawberry.type(description="The session is ended: its tokens are dead from now on.")
class SessionEnded:
    """Built from its id."""

    id: strawberry.ID = field(description="The session's id.")


@strawberry.type(description="All sessions but this one are ended.")
class OtherSessionsEnded:
    """Built from their number."""

    count: int = field(description="How many there were.")


@strawberry.type(description="The account has moved to the phone; other sessions are ended.")
class PhoneChanged:
    """Built from the viewer."""

    client: Client = field(description="The viewer, with the new phone.")


@strawberry.type(description="The account is deleted, and with it all sessions.")
class AccountDeleted:
    """Built from the viewer."""

    phone: PhoneNumber = field(description="The phone it had, which may register anew.")


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
RefreshSessionResult = Annotated[
    SignedIn | errors.InvalidRefreshTokenError,
    strawberry.union("RefreshSessionResult", description="A new pair of tokens, or why not."),
]
EndSessionResult = Annotated[
    SessionEnded | errors.SessionNotFoundError,
    strawberry.union(
        "EndSessionResult",
        description="The session is ended, or why not. Another client's id is as unknown as none.",
    ),
]
EndOtherSessionsResult = Annotated[
    OtherSessionsEnded,
    strawberry.union("EndOtherSessionsResult", description="How many sessions are ended."),
]
ChangePhoneResult = Annotated[
    PhoneChanged
    | errors.InvalidPhoneError
    | errors.InvalidCodeError
    | errors.TooManyRequestsError
    | errors.PhoneAlreadyRegisteredError
    | errors.ReauthenticationRequiredError,
    strawberry.union("ChangePhoneResult", description="The account has moved, or why not."),
]
DeleteAccountResult = Annotated[
    AccountDeleted | errors.ReauthenticationRequiredError,
    strawberry.union("DeleteAccountResult", description="The account is deleted, or why not."),
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
