# ruff: noqa: INP001 (a program of its own, in an environment of its own)
"""The documented story, run by the client that is generated from the schema: story.py URL."""

import asyncio
import sys
from datetime import UTC, datetime
from secrets import randbelow
from typing import assert_never

import pytest
from generated.python import (
    ApplyInviteApplyInviteInvitationAlreadyAppliedError,
    ApplyInviteApplyInviteInvitationCodeNotFoundError,
    ApplyInviteApplyInviteInvitationRingError,
    ApplyInviteApplyInviteInvitationUsedUpError,
    ApplyInviteApplyInviteInviteApplied,
    ApplyInviteApplyInviteOwnInvitationCodeError,
    ApplyInviteApplyInviteTooManyRequestsError,
    ChangePhoneChangePhonePhoneChanged,
    Client,
    DeleteAccountDeleteAccountAccountDeleted,
    EndOtherSessionsEndOtherSessionsOtherSessionsEnded,
    EndSessionEndSessionSessionEnded,
    GraphQLClientHttpError,
    LoginLoginClientNotFoundError,
    LoginLoginInvalidCodeError,
    LoginLoginInvalidPhoneError,
    LoginLoginSignedIn,
    LoginLoginTooManyRequestsError,
    RefreshSessionRefreshSessionInvalidRefreshTokenError,
    RefreshSessionRefreshSessionSignedIn,
    RegisterRegisterInvalidCodeError,
    RegisterRegisterInvalidPhoneError,
    RegisterRegisterInvitationCodeNotFoundError,
    RegisterRegisterInvitationRequiredError,
    RegisterRegisterInvitationUsedUpError,
    RegisterRegisterPhoneAlreadyRegisteredError,
    RegisterRegisterRegistrationClosedError,
    RegisterRegisterRegistrationRefusedError,
    RegisterRegisterSignedIn,
    RegisterRegisterTooManyRequestsError,
    RequestCodeRequestCodeCodeSent,
    RequestCodeRequestCodeCountryNotServedError,
    RequestCodeRequestCodeInvalidPhoneError,
    RequestCodeRequestCodeSmsNotSentError,
    RequestCodeRequestCodeTooManyRequestsError,
)


class RefusedError(Exception):
    """The server rejected an operation; the argument is its error."""


async def code_for(client: Client, phone: str) -> str:
    match (await client.request_code(phone)).request_code:
        case RequestCodeRequestCodeCodeSent() as sent:
            assert sent.phone == phone
            assert sent.expires_at > datetime.now(UTC)
            assert sent.sms_code
            assert len(sent.sms_code) == sent.code_length
            return sent.sms_code
        case (
            RequestCodeRequestCodeCountryNotServedError()
            | RequestCodeRequestCodeInvalidPhoneError()
            | RequestCodeRequestCodeSmsNotSentError()
            | RequestCodeRequestCodeTooManyRequestsError()
            | None
        ) as refusal:
            raise RefusedError(refusal)
        case other:
            assert_never(other)


async def register(client: Client, phone: str, code: str) -> RegisterRegisterSignedIn:
    match (await client.register(phone, code)).register:
        case RegisterRegisterSignedIn() as signed_in:
            return signed_in
        case (
            RegisterRegisterInvalidCodeError()
            | RegisterRegisterInvalidPhoneError()
            | RegisterRegisterInvitationCodeNotFoundError()
            | RegisterRegisterInvitationRequiredError()
            | RegisterRegisterInvitationUsedUpError()
            | RegisterRegisterPhoneAlreadyRegisteredError()
            | RegisterRegisterRegistrationClosedError()
            | RegisterRegisterRegistrationRefusedError()
            | RegisterRegisterTooManyRequestsError()
            | None
        ) as refusal:
            raise RefusedError(refusal)
        case other:
            assert_never(other)


async def login(client: Client, phone: str, code: str) -> LoginLoginSignedIn:
    match (await client.login(phone, code)).login:
        case LoginLoginSignedIn() as signed_in:
            return signed_in
        case (
            LoginLoginClientNotFoundError()
            | LoginLoginInvalidCodeError()
            | LoginLoginInvalidPhoneError()
            | LoginLoginTooManyRequestsError()
            | None
        ) as refusal:
            raise RefusedError(refusal)
        case other:
            assert_never(other)


async def apply(client: Client, code: str, token: str) -> ApplyInviteApplyInviteInviteApplied:
    match (await client.apply_invite(code, headers=bearing(token))).apply_invite:
        case ApplyInviteApplyInviteInviteApplied() as applied:
            return applied
        case (
            ApplyInviteApplyInviteInvitationAlreadyAppliedError()
            | ApplyInviteApplyInviteInvitationCodeNotFoundError()
            | ApplyInviteApplyInviteInvitationRingError()
            | ApplyInviteApplyInviteInvitationUsedUpError()
            | ApplyInviteApplyInviteOwnInvitationCodeError()
            | ApplyInviteApplyInviteTooManyRequestsError()
            | None
        ) as refusal:
            raise RefusedError(refusal)
        case other:
            assert_never(other)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def tell(client: Client) -> None:
    anns_phone, bens_phone = (f"+7916{randbelow(10**7):07}" for _ in range(2))

    # Ann registers, after a wrong code.
    code = await code_for(client, anns_phone)
    wrong = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
    mistyped = (await client.register(anns_phone, wrong)).register
    assert isinstance(mistyped, RegisterRegisterInvalidCodeError)
    assert mistyped.attempts_left > 0
    early = (await client.login(anns_phone, code)).login
    assert isinstance(early, LoginLoginClientNotFoundError)
    ann = await register(client, anns_phone, code)
    assert ann.client.phone == anns_phone
    assert (await client.me(headers=bearing(ann.access_token))).me == ann.client
    assert (await client.me()).me is None

    # Ben registers and applies Ann's invitation code.
    ben = await register(client, bens_phone, await code_for(client, bens_phone))
    applied = await apply(client, ann.client.invitation_code, ben.access_token)
    assert applied.client.someone_invitation_code == ann.client.invitation_code
    for inviter, token, refused in (
        (ann, ben.access_token, ApplyInviteApplyInviteInvitationAlreadyAppliedError),
        (ann, ann.access_token, ApplyInviteApplyInviteOwnInvitationCodeError),
        (ben, ann.access_token, ApplyInviteApplyInviteInvitationRingError),
    ):
        with pytest.raises(RefusedError) as refusal:
            await apply(client, inviter.client.invitation_code, token)
        assert isinstance(refusal.value.args[0], refused)
    with pytest.raises(GraphQLClientHttpError, match="401"):
        await client.apply_invite(ann.client.invitation_code)

    # Ann signs in once more and sees him.
    back = await login(client, anns_phone, await code_for(client, anns_phone))
    me = (await client.me(first=1, headers=bearing(back.access_token))).me
    assert me
    assert me.invited_clients.total_count == 1
    assert [node.phone for node in me.invited_clients.nodes] == [bens_phone]
    after = me.invited_clients.page_info.end_cursor
    me = (await client.me(after=after, headers=bearing(back.access_token))).me
    assert me
    assert not me.invited_clients.nodes

    await leave(client, ann, ben, back)


async def leave(
    client: Client,
    ann: RegisterRegisterSignedIn,
    ben: RegisterRegisterSignedIn,
    back: LoginLoginSignedIn,
) -> None:
    # Ann stays signed in, ends her other session, and moves to another phone.
    refreshed = (await client.refresh_session(back.refresh_token)).refresh_session
    assert isinstance(refreshed, RefreshSessionRefreshSessionSignedIn)
    here = bearing(refreshed.access_token)
    listed = (await client.sessions(headers=here)).me
    assert listed
    assert [session.current for session in listed.sessions].count(True) == 1
    others = (await client.end_other_sessions(headers=here)).end_other_sessions
    assert isinstance(others, EndOtherSessionsEndOtherSessionsOtherSessionsEnded)
    assert others.count == len(listed.sessions) - 1
    ended = (await client.refresh_session(ann.refresh_token)).refresh_session
    assert isinstance(ended, RefreshSessionRefreshSessionInvalidRefreshTokenError)
    new_phone = f"+7916{randbelow(10**7):07}"
    code = await code_for(client, new_phone)
    changed = (await client.change_phone(new_phone, code, headers=here)).change_phone
    assert isinstance(changed, ChangePhoneChangePhonePhoneChanged)
    assert changed.client.phone == new_phone

    # Ben deletes his account; Ann signs out.
    gone = (await client.delete_account(headers=bearing(ben.access_token))).delete_account
    assert isinstance(gone, DeleteAccountDeleteAccountAccountDeleted)
    assert gone.phone == ben.client.phone
    me = (await client.me(headers=here)).me
    assert me
    assert me.invited_clients.total_count == 0
    signed_out = (await client.end_session(headers=here)).end_session
    assert isinstance(signed_out, EndSessionEndSessionSessionEnded)
    with pytest.raises(GraphQLClientHttpError, match="401"):
        await client.me(headers=here)


async def main(url: str) -> None:
    async with Client(url) as client:
        await tell(client)


asyncio.run(main(sys.argv[1]))
