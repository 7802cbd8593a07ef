"""All operations: one short resolver each."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry
from graphql import GraphQLInputObjectType
from strawberry.schema.config import StrawberryConfig

from connect_hub.api import types
from connect_hub.api.compiled import CompilingExecutor
from connect_hub.api.context import Context
from connect_hub.api.errors import HANDLERS
from connect_hub.domain import invitations, signin

Info = strawberry.Info[Context, None]
Phone = Annotated[
    str,
    strawberry.argument(description="The number with + or 00 and the country code, typed freely."),
]
Code = Annotated[str, strawberry.argument(description="The digits of the SMS.")]
InvitationCode = Annotated[
    str, strawberry.argument(description="6 letters and digits, in any case.")
]


@strawberry.type(description="What can be asked.")
class Query:
    """All queries."""

    @strawberry.field(description="The signed-in client; null for an anonymous request.")
    async def me(self, info: Info) -> types.Client | None:
        """Show the viewer, as authentication read it."""
        viewer = info.context.viewer
        return types.Client.of(viewer) if viewer else None


@strawberry.type(description="What can be done.")
class Mutation:
    """All mutations."""

    @strawberry.mutation(
        description="Send a sign-in code to a phone number, whether or not it is registered."
    )
    async def request_code(self, info: Info, phone: Phone) -> types.RequestCodeResult | None:
        """Send a code."""
        use = info.context
        sent = await signin.request_code(
            phone,
            address=use.address,
            language=use.language,
            sender=use.sender,
            keys=use.keys,
            settings=use.settings,
        )
        return types.CodeSent.of(sent)

    @strawberry.mutation(description="Create a client for a confirmed phone number and sign in.")
    async def register(self, info: Info, phone: Phone, code: Code) -> types.RegisterResult | None:
        """Create a client."""
        use = info.context
        client = await signin.register(
            phone, code, address=use.address, keys=use.keys, settings=use.settings
        )
        return types.SignedIn.of(client, use.tokens.issue(client.id, now=datetime.now(UTC)))

    @strawberry.mutation(description="Sign in with a confirmed phone number.")
    async def login(self, info: Info, phone: Phone, code: Code) -> types.LoginResult | None:
        """Sign a client in."""
        use = info.context
        client = await signin.login(
            phone, code, address=use.address, keys=use.keys, settings=use.settings
        )
        return types.SignedIn.of(client, use.tokens.issue(client.id, now=datetime.now(UTC)))

    @strawberry.mutation(
        description="Apply another client's invitation code, once and for all."
        " Needs a bearer token."
    )
    async def apply_invite(
        self, info: Info, invitation_code: InvitationCode
    ) -> types.ApplyInviteResult | None:
        """Attach the viewer to the owner of the code."""
        use = info.context
        client = await invitations.apply_invite(
            use.signed_in, invitation_code, keys=use.keys, settings=use.settings
        )
        return types.InviteApplied(client=types.Client.of(client))


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    exception_handlers=HANDLERS,
    execution_context_class=CompilingExecutor,
    config=StrawberryConfig(scalar_map=types.SCALARS),
)


def _is_one_of(type_: object, _info: object) -> bool | None:
    return type_.is_one_of if isinstance(type_, GraphQLInputObjectType) else None


# Strawberry's own resolver reads `extensions`, which lists and non-null types do not have.
schema._schema.type_map["__Type"].fields["isOneOf"].resolve = _is_one_of  # type: ignore[attr-defined]  # noqa: SLF001
