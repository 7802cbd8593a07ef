"""All operations: one short resolver each."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Annotated

import strawberry
from graphql import GraphQLInputObjectType
from strawberry.schema.config import StrawberryConfig

from connect_hub.api import results, types
from connect_hub.api.context import Context
from connect_hub.api.errors import HANDLERS, BadUserInputError
from connect_hub.api.invited import InvitedClient
from connect_hub.api.scalars import SCALARS
from connect_hub.database.connections import OneConnection
from connect_hub.database.models import Client, Session
from connect_hub.domain import account, invitations, sessions, signin
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.sms.exposure import SIMULATION_NOTICE

Info = strawberry.Info[Context, None]
Phone = Annotated[
    str,
    strawberry.argument(
        description="The number with + or 00 and the country code, typed freely, or a `tel:` URI."
        " A server with a default country also reads its national numbers."
    ),
]
Code = Annotated[
    str, strawberry.argument(description="The digits of the SMS, in any script, as pasted.")
]
InvitationCode = Annotated[
    str, strawberry.argument(description="6 letters and digits, in any case, as pasted.")
]
RefreshToken = Annotated[
    str, strawberry.argument(description="The one that came last, or the one before.")
]
AudienceName = Annotated[
    str, strawberry.argument(description="The service, by its name in AUDIENCES.")
]
SessionId = Annotated[
    strawberry.ID | None,
    strawberry.argument(name="id", description="One of the viewer's `sessions`."),
]


@strawberry.type(description="What can be asked.")
class Query:
    """All queries."""

    @strawberry.field(description="The signed-in client; null for an anonymous request.")
    async def me(self, info: Info) -> types.Client | None:
        """Show the viewer, as authentication read it."""
        viewer = await info.context.viewer()
        return types.Client.of(viewer.client, session_id=viewer.session_id) if viewer else None


@strawberry.type(description="What can be done.")
class Mutation:
    """All mutations."""

    @strawberry.mutation(
        description="Send a sign-in code to a phone number, whether or not it is registered."
    )
    async def request_code(self, info: Info, phone: Phone) -> results.RequestCodeResult | None:
        """Send a code."""
        use = info.context
        if use.sender.simulated:
            use.notice = SIMULATION_NOTICE
        sent = await signin.request_code(
            phone,
            address=use.address,
            language=use.language,
            sender=use.sender,
            keys=use.keys,
            settings=use.settings,
        )
        return results.CodeSent.of(sent)

    @strawberry.mutation(description="Create a client for a confirmed phone number and sign in.")
    async def register(self, info: Info, phone: Phone, code: Code) -> results.RegisterResult | None:
        """Create a client."""
        use = info.context
        async with OneConnection():
            client = await signin.register(
                phone, code, address=use.address, keys=use.keys, settings=use.settings
            )
            return await _signed_in(client, use)

    @strawberry.mutation(description="Sign in with a confirmed phone number.")
    async def login(self, info: Info, phone: Phone, code: Code) -> results.LoginResult | None:
        """Sign a client in."""
        use = info.context
        async with OneConnection():
            client = await signin.login(
                phone, code, address=use.address, keys=use.keys, settings=use.settings
            )
            return await _signed_in(client, use)

    @strawberry.mutation(
        description="Apply another client's invitation code, once and for all."
        " Needs a bearer token."
    )
    async def apply_invite(
        self, info: Info, invitation_code: InvitationCode
    ) -> results.ApplyInviteResult | None:
        """Attach the viewer to the owner of the code."""
        use = info.context
        async with OneConnection():
            viewer = await use.signed_in()
            client = await invitations.apply_invite(
                viewer.client, invitation_code, keys=use.keys, settings=use.settings
            )
        return results.InviteApplied(client=types.Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(description="Exchange a refresh token for a new pair of tokens.")
    async def refresh_session(
        self, info: Info, refresh_token: RefreshToken
    ) -> results.RefreshSessionResult | None:
        """Refresh a session."""
        use = info.context
        async with OneConnection():
            session = await sessions.refresh(
                refresh_token, address=use.address, tokens=use.refresh_tokens, settings=use.settings
            )
        return _with_tokens(session, use)

    @strawberry.mutation(
        description="Issue an access token for another service, one of the setting AUDIENCES."
        " It is not accepted here. Needs a bearer token."
    )
    async def access_token(
        self, info: Info, audience: AudienceName
    ) -> results.AccessTokenResult | None:
        """Issue a token for another service."""
        use = info.context
        viewer = await use.signed_in()
        other = next((each for each in use.settings.audiences if each.name == audience), None)
        if other is None:
            raise BadUserInputError("`audience` takes the name of a service that AUDIENCES names.")
        token = use.tokens.issue(
            viewer.client.id,
            session_id=viewer.session_id,
            generation=viewer.generation,
            now=datetime.now(UTC),
            audience=other,
        )
        return results.AccessTokenIssued.of(token)

    @strawberry.mutation(
        description="End one of the viewer's sessions, this one when `id` is left out."
    )
    async def end_session(
        self, info: Info, session_id: SessionId = strawberry.UNSET
    ) -> results.EndSessionResult | None:
        """End a session."""
        ended = await sessions.end(
            await info.context.signed_in(), None if session_id is strawberry.UNSET else session_id
        )
        return results.SessionEnded.of(ended)

    @strawberry.mutation(
        description="End all of the viewer's sessions but this one."
        " Needs a sign-in of the last 10 minutes."
    )
    async def end_other_sessions(self, info: Info) -> results.EndOtherSessionsResult | None:
        """End the other sessions."""
        viewer = await info.context.signed_in()
        return results.OtherSessionsEnded(count=await sessions.end_others(viewer))

    @strawberry.mutation(
        description="Move the account to another phone number, confirmed by a code sent to it."
        " Needs a sign-in of the last 10 minutes."
    )
    async def change_phone(
        self, info: Info, phone: Phone, code: Code
    ) -> results.ChangePhoneResult | None:
        """Change the viewer's phone."""
        use = info.context
        viewer = await use.signed_in()
        client = await account.change_phone(
            viewer,
            phone,
            code,
            address=use.address,
            language=use.language,
            sender=use.sender,
            keys=use.keys,
            settings=use.settings,
        )
        return results.PhoneChanged(client=types.Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(
        description="Delete the viewer's account. Needs a sign-in of the last 10 minutes."
    )
    async def delete_account(self, info: Info) -> results.DeleteAccountResult | None:
        """Delete the viewer."""
        viewer = await info.context.signed_in()
        await account.delete(viewer)
        return results.AccountDeleted(phone=PhoneNumber(viewer.client.phone or ""))


@strawberry.type(description="What is told as it happens.")
class Subscription:
    """All subscriptions."""

    @strawberry.subscription(
        description="Each client who applies the viewer's invitation code, as it happens."
    )
    async def client_invited(self, info: Info) -> AsyncGenerator[InvitedClient, None]:
        """Tell the viewer of those it invites."""
        use = info.context
        viewer = await use.signed_in()
        with use.live.invited_stream(viewer.client.id, after=use.since) as stream:
            async for invited in stream:
                yield InvitedClient.of(invited)


async def _signed_in(client: Client, use: Context) -> results.SignedIn:
    session = await sessions.start(
        client,
        replaces=use.session_of(client.id),
        device=use.device,
        address=use.address,
        settings=use.settings,
    )
    return _with_tokens(session, use)


def _with_tokens(session: Session, use: Context) -> results.SignedIn:
    generation = session.generation
    return results.SignedIn.of(
        session,
        access=use.tokens.issue(
            session.client.id, session_id=session.id, generation=generation, now=datetime.now(UTC)
        ),
        refresh=use.refresh_tokens.issue(
            session.id, client_id=session.client.id, generation=generation, nonce=session.nonce
        ),
    )


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    exception_handlers=HANDLERS,
    config=StrawberryConfig(scalar_map=SCALARS),
)


def _is_one_of(type_: object, _info: object) -> bool | None:
    return type_.is_one_of if isinstance(type_, GraphQLInputObjectType) else None


# Strawberry's own resolver reads `extensions`, which lists and non-null types do not have.
schema._schema.type_map["__Type"].fields["isOneOf"].resolve = _is_one_of  # type: ignore[attr-defined]  # noqa: SLF001
