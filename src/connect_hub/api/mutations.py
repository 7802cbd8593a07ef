"""All mutations of the schema, each a short resolver that calls the domain."""

from contextlib import nullcontext
from datetime import UTC, datetime

import strawberry

from connect_hub.api import results, types
from connect_hub.api.arguments import (
    AudienceName,
    ClientName,
    Code,
    Info,
    InvitationCode,
    OptionalInvitationCode,
    Phone,
    RefreshToken,
    SessionId,
)
from connect_hub.api.context import Context
from connect_hub.api.graphql_errors import BadUserInputError
from connect_hub.api.services import Services
from connect_hub.database.connections import ConnectionScope
from connect_hub.database.models import Client, Session
from connect_hub.domain import (
    account,
    invitations,
    profile,
    renewal,
    session_refresh,
    sessions,
    signin,
)
from connect_hub.domain.phone_numbers import PhoneNumber
from connect_hub.sms.exposure import SIMULATION_NOTICE


@strawberry.type(description="All mutations. A request takes one.")
class Mutation:
    """Writes."""

    @strawberry.mutation(
        description="Send a sign-in code to a phone number, whether or not it is registered. A"
        " server that registers invited people only sends nothing to strangers without a live"
        " `invitationCode`, and answers the same."
    )
    async def request_code(
        self,
        info: Info,
        phone: Phone,
        invitation_code: OptionalInvitationCode = strawberry.UNSET,
    ) -> results.RequestCodeResult | None:
        """Send a code by SMS."""
        context, services = info.context, info.context.services
        if services.sender.simulated:
            context.notice = SIMULATION_NOTICE
        sent = await signin.request_code(
            phone,
            address=context.address,
            language=context.language,
            invitation_code=_given(invitation_code),
            sender=services.sender,
            keys=services.keys,
            settings=services.settings,
        )
        return results.CodeSent.of(sent)

    @strawberry.mutation(
        description="Create a client for a confirmed phone number and sign in. With"
        " `invitationCode`, apply it too, or do neither: then the SMS code still works."
    )
    async def register(
        self,
        info: Info,
        phone: Phone,
        code: Code,
        invitation_code: OptionalInvitationCode = strawberry.UNSET,
    ) -> results.RegisterResult | None:
        """Create a client and a session."""
        context, services = info.context, info.context.services
        # The hook takes seconds, in which the request must not hold a connection.
        async with nullcontext() if services.registration_hook else ConnectionScope():
            client = await signin.register(
                phone,
                code,
                invitation_code=_given(invitation_code),
                hook=services.registration_hook,
                device=context.device,
                address=context.address,
                keys=services.keys,
                settings=services.settings,
            )
            return await _start_session(client, context)

    @strawberry.mutation(description="Sign in with a confirmed phone number.")
    async def login(self, info: Info, phone: Phone, code: Code) -> results.LoginResult | None:
        """Create a session."""
        context, services = info.context, info.context.services
        async with ConnectionScope():
            client = await signin.login(
                phone,
                code,
                address=context.address,
                keys=services.keys,
                settings=services.settings,
            )
            return await _start_session(client, context)

    @strawberry.mutation(
        description="Apply another client's invitation code. A client can do this once, and"
        " cannot undo it. Needs a bearer token."
    )
    async def apply_invite(
        self, info: Info, invitation_code: InvitationCode
    ) -> results.ApplyInviteResult | None:
        """Make the owner of the code the viewer's inviter."""
        services = info.context.services
        async with ConnectionScope():
            viewer = await info.context.signed_in()
            client = await invitations.apply_invite(
                viewer.client, invitation_code, keys=services.keys, settings=services.settings
            )
        return results.InviteApplied(client=types.Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(
        description="Give the viewer a new invitation code. The former one stops working at once;"
        " those who applied it stay invited. Needs a bearer token."
    )
    async def renew_invitation_code(self, info: Info) -> results.RenewInvitationCodeResult | None:
        """Replace the viewer's invitation code."""
        viewer = await info.context.signed_in()
        client = await renewal.renew_invitation_code(viewer.client, keys=info.context.services.keys)
        return results.InvitationCodeRenewed(
            client=types.Client.of(client, session_id=viewer.session_id)
        )

    @strawberry.mutation(
        description="Set the name that the viewer's inviter reads; null removes it. Needs a bearer"
        " token."
    )
    async def update_profile(
        self, info: Info, name: ClientName = strawberry.UNSET
    ) -> results.UpdateProfileResult | None:
        """Change the viewer's name."""
        viewer = await info.context.signed_in()
        client = viewer.client
        if name is not strawberry.UNSET:
            client = await profile.set_name(client, name)
        return results.ProfileUpdated(client=types.Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(description="Exchange a refresh token for a new pair of tokens.")
    async def refresh_session(
        self, info: Info, refresh_token: RefreshToken
    ) -> results.RefreshSessionResult | None:
        """Refresh a session and rotate its refresh token."""
        services = info.context.services
        async with ConnectionScope():
            session = await session_refresh.refresh(
                refresh_token,
                address=info.context.address,
                tokens=services.refresh_tokens,
                settings=services.settings,
            )
        return _with_tokens(session, services)

    @strawberry.mutation(
        description="Issue an access token for another service, which the setting AUDIENCES names."
        " This server does not accept it. Needs a bearer token."
    )
    async def access_token(
        self, info: Info, audience: AudienceName
    ) -> results.AccessTokenResult | None:
        """Issue a token for another service."""
        services = info.context.services
        viewer = await info.context.signed_in()
        other = next((each for each in services.settings.audiences if each.name == audience), None)
        if other is None:
            raise BadUserInputError("`audience` must be the name of a service in AUDIENCES.")
        token = services.tokens.issue(
            viewer.client.id,
            session_id=viewer.session_id,
            generation=viewer.generation,
            now=datetime.now(UTC),
            audience=other,
        )
        return results.AccessTokenIssued.of(token)

    @strawberry.mutation(
        description="End one of the viewer's sessions. Without `id`, end the current one."
        " Needs a bearer token."
    )
    async def end_session(
        self, info: Info, session_id: SessionId = strawberry.UNSET
    ) -> results.EndSessionResult | None:
        """End a session."""
        ended = await sessions.end(await info.context.signed_in(), _given(session_id))
        return results.SessionEnded.of(ended)

    @strawberry.mutation(
        description="End all of the viewer's sessions except the current one. Needs a bearer"
        " token from a sign-in within the last 10 minutes."
    )
    async def end_other_sessions(self, info: Info) -> results.EndOtherSessionsResult | None:
        """End the other sessions."""
        viewer = await info.context.signed_in()
        return results.OtherSessionsEnded(count=await sessions.end_others(viewer))

    @strawberry.mutation(
        description="Change the viewer's phone number. The code was sent to the new number. Needs a"
        " bearer token from a sign-in within the last 10 minutes."
    )
    async def change_phone(
        self, info: Info, phone: Phone, code: Code
    ) -> results.ChangePhoneResult | None:
        """Change the viewer's phone."""
        context, services = info.context, info.context.services
        viewer = await context.signed_in()
        client = await account.change_phone(
            viewer,
            phone,
            code,
            address=context.address,
            language=context.language,
            sender=services.sender,
            keys=services.keys,
            settings=services.settings,
        )
        return results.PhoneChanged(client=types.Client.of(client, session_id=viewer.session_id))

    @strawberry.mutation(
        description="Delete the viewer's account. Needs a bearer token from a sign-in within the"
        " last 10 minutes."
    )
    async def delete_account(self, info: Info) -> results.DeleteAccountResult | None:
        """Delete the viewer's account."""
        viewer = await info.context.signed_in()
        await account.delete(viewer)
        return results.AccountDeleted(phone=PhoneNumber(viewer.client.phone or ""))


def _given(argument: str | None) -> str | None:
    return None if argument is strawberry.UNSET else argument


async def _start_session(client: Client, context: Context) -> results.SignedIn:
    session = await sessions.start(
        client,
        replaces=context.session_of(client.id),
        device=context.device,
        address=context.address,
        settings=context.services.settings,
    )
    return _with_tokens(session, context.services)


def _with_tokens(session: Session, services: Services) -> results.SignedIn:
    generation = session.generation
    return results.SignedIn.of(
        session,
        access=services.tokens.issue(
            session.client.id, session_id=session.id, generation=generation, now=datetime.now(UTC)
        ),
        refresh=services.refresh_tokens.issue(
            session.id, client_id=session.client.id, generation=generation, nonce=session.nonce
        ),
    )
