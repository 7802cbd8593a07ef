"""Types of the schema for what clients see of themselves."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import field

from connect_hub.api.arguments import Info
from connect_hub.api.graphql_errors import BadUserInputError
from connect_hub.api.invited import MAX_PAGE, InvitedClientConnection, Page
from connect_hub.database import models
from connect_hub.domain import invitations, sessions
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.domain.viewer import FirstPage, Viewer
from connect_hub.settings import Settings


@strawberry.type(description="A sign-in of a client on one device.")
class Session:
    """Shows a session to its client."""

    id: strawberry.ID = field(description="The session's id, for `endSession`.")
    current: bool = field(description="Whether this request uses this session.")
    created_at: datetime = field(description="When the client signed in.")
    last_used_at: datetime = field(description="When the session was last used, to the minute.")
    device: str | None = field(
        description="The User-Agent header of the sign-in, to show to the person."
    )
    address: str | None = field(
        description="The network of the last use: an IPv4 address or an IPv6 network."
    )

    @classmethod
    def of(cls, row: models.Session, *, current: bool) -> Self:
        """Build it from a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            current=current,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            device=row.device,
            address=row.address,
        )


@strawberry.enum(description="Who may register.")
class Registration(Enum):
    """Shows the setting REGISTRATION."""

    OPEN = strawberry.enum_value("open", description="Everybody.")
    INVITED = strawberry.enum_value(
        "invited",
        description="Those who send the invitation code of a client, with `requestCode` too.",
    )
    CLOSED = strawberry.enum_value("closed", description="Nobody.")


@strawberry.enum(description="What an inviter sees of the phone of a client whom it invited.")
class InvitedPhones(Enum):
    """Shows the setting INVITED_PHONES."""

    FULL = strawberry.enum_value("full", description="The whole number.")
    MASKED = strawberry.enum_value("masked", description="The first and the last digits.")
    HIDDEN = strawberry.enum_value("hidden", description="Nothing.")


@strawberry.type(description="What a sign-in page needs to know about this server.")
class Config:
    """Shows public settings."""

    registration: Registration = field(description="Who may register.")
    invited_phones: InvitedPhones = field(
        description="What an inviter sees of the phones of the clients whom it invited."
    )
    code_length: int = field(
        description="The usual number of digits of a code. `CodeSent.codeLength` says how many"
        " digits a code has."
    )
    countries: list[str] = field(
        description="The countries that get codes, by their ISO 3166 codes; empty means all."
    )
    default_country: str | None = field(
        description="The country whose national numbers are accepted too."
    )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Build it from the settings."""
        return cls(
            registration=Registration(settings.registration),
            invited_phones=InvitedPhones(settings.invited_phones),
            code_length=settings.code_length,
            countries=list(settings.sms_countries),
            default_country=settings.default_country,
        )


@strawberry.type(description="A person who registered with a phone number.")
class Client:
    """Shows a client to itself; fields with a resolver run a query of their own.

    A field of the table starts in `database/models.py`, which says what else it needs.
    """

    row: strawberry.Private[models.Client]
    session_id: strawberry.Private[UUID]  # the one that the request uses
    first_page: strawberry.Private[FirstPage | None]  # of invited clients, if it was read already
    id: strawberry.ID = field(description="The client's id.")
    phone: PhoneNumber = field(description="The phone number that the client signs in with.")
    name: str | None = field(
        description="The name that the client's inviter reads; null if there is none."
    )
    invitation_code: str = field(
        description="The code that this client gives to others: 6 capital letters and digits."
    )
    someone_invitation_code: str | None = field(
        description="The code that this client applied; null before."
    )
    created_at: datetime = field(description="When the client registered.")

    @classmethod
    def of_viewer(cls, viewer: Viewer) -> Self:
        """Build it from the viewer."""
        return cls.of(viewer.client, session_id=viewer.session_id, first_page=viewer.first_page)

    @classmethod
    def of(
        cls, row: models.Client, *, session_id: UUID, first_page: FirstPage | None = None
    ) -> Self:
        """Build it from a row."""
        return cls(
            row=row,
            session_id=session_id,
            first_page=first_page,
            id=strawberry.ID(str(row.id)),
            phone=PhoneNumber(row.phone or ""),
            name=row.name,
            invitation_code=row.invitation_code,
            someone_invitation_code=row.applied_code,
            created_at=row.created_at,
        )

    @strawberry.field(description="The clients who applied this client's code, latest first.")
    def invited_clients(
        self,
        info: Info,
        first: Annotated[
            int, strawberry.argument(description=f"The length of the page: 1 to {MAX_PAGE}.")
        ] = 20,
        after: Annotated[
            str | None, strawberry.argument(description="A cursor: the page begins after it.")
        ] = strawberry.UNSET,
    ) -> InvitedClientConnection:
        """Check the arguments; the fields of the page read it."""
        if not 1 <= first <= MAX_PAGE:
            raise BadUserInputError(f"`first` must be 1 to {MAX_PAGE}, not {first}.")
        page = Page(
            self.row,
            first=first,
            after=after or None,
            loaded=self.first_page,
            phones=info.context.services.settings.invited_phones,
        )
        return InvitedClientConnection(page=page)

    @strawberry.field(
        description="How often this client's codes may still be applied; null means without limit."
    )
    async def invitations_left(self, info: Info) -> int | None:
        """Read the count."""
        max_uses = info.context.services.settings.invitations_per_client
        return await invitations.invitations_left(self.row, max_uses=max_uses)

    @strawberry.field(description="The client's active sessions, last used first.")
    async def sessions(self) -> list[Session]:
        """Read the sessions."""
        rows = await sessions.list_for(self.row)
        return [Session.of(row, current=row.id == self.session_id) for row in rows]
