"""Sign-in by phone: people prove that a phone is theirs by typing the code that was sent to it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tortoise.expressions import F
from tortoise.functions import Coalesce

from connect_hub.database.models import Client
from connect_hub.database.queries import PreparedQuery
from connect_hub.domain import (
    codes,
    failures,
    invitation_codes,
    phone_numbers,
    rate_limits,
    registration_check,
)
from connect_hub.domain.refusals import (
    ClientBlocked,
    ClientNotFound,
    InvitationCodeNotFound,
    InvitationRequired,
    InvitationUsedUp,
    Limit,
    PhoneAlreadyRegistered,
    Refusal,
    RegistrationClosed,
    RegistrationRefused,
)
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.webhooks.registration_hook import RegistrationHook

_BLOCKED_RETRY_AFTER = timedelta(days=1)  # for a blocked client, who sees TooManyRequests


async def register(  # noqa: PLR0913 (a class for these arguments would be one more concept)
    number: str,
    code: str,
    *,
    request_id: str | None,
    invitation_code: str | None,
    hook: RegistrationHook | None,
    address: str,
    device: str,
    keys: Keys,
    settings: Settings,
) -> Client:
    """Create the client of a verified phone, and apply an invitation code; or do neither.

    Args:
        number: the phone number as typed.
        code: the code as typed.
        request_id: of `request_code`, if the code is bound.
        invitation_code: somebody else's invitation code as typed, if any.
        hook: may refuse the registration; no connection may be held while it is asked.
        address: the network of the request.
        device: the User-Agent header.
        keys: compute the expected code.
        settings: the limits.

    Raises:
        InvalidPhone, InvalidCode, TooManyRequests
        PhoneAlreadyRegistered: the code is right, and remains valid for `login`.
        InvitationCodeNotFound, InvitationUsedUp, RegistrationRefused: the code is right, and
            remains valid.
        InvitationRequired, RegistrationClosed: by the setting REGISTRATION, whatever the phone is.
    """
    if settings.registration == "closed":
        raise RegistrationClosed
    if settings.registration == "invited" and invitation_code is None:
        raise InvitationRequired
    phone = phone_numbers.parse(number, country=settings.default_country)
    applied_code = None if invitation_code is None else invitation_codes.parse(invitation_code)
    with failures.log_refusals("register", phone, address=address, keys=keys):
        verified = await codes.verify(
            phone, code, request_id=request_id, address=address, keys=keys, settings=settings
        )

        async def check() -> None:
            if hook:
                origin = {"address": address, "device": device}
                await registration_check.check(
                    verified, applied_code, hook=hook, **origin, keys=keys, settings=settings
                )

        try:
            if applied_code is None:
                await check()
                return await _create_client(verified, None, settings=settings)
            return await _create_invited_client(
                verified, applied_code, check=check, keys=keys, settings=settings
            )
        except Refusal:
            await codes.release(verified)
            raise


async def _create_invited_client(
    verified: codes.VerifiedCode,
    applied_code: str,
    *,
    check: Callable[[], Awaitable[None]],
    keys: Keys,
    settings: Settings,
) -> Client:
    """Create a client, and count the invitation code as an attempt if nobody has it."""
    limit = invitation_codes.unknown_limit(verified.phone.e164, keys=keys, settings=settings)
    hits = await rate_limits.consume(limit)
    try:
        await check()
        counted = replace(verified, hits=[*verified.hits, *hits])
        return await _create_client(counted, applied_code, settings=settings)
    except (PhoneAlreadyRegistered, InvitationUsedUp, RegistrationRefused):
        await rate_limits.refund(hits)
        raise


async def _create_client(
    verified: codes.VerifiedCode, applied_code: str | None, *, settings: Settings
) -> Client:
    async def store(new_codes: list[str]) -> Client | None:
        return await codes.consume_for_registration(
            verified,
            invitation_code=new_codes[0],
            applied_code=applied_code,
            max_uses=settings.invitations_per_client,
        )

    if client := await invitation_codes.draw(store):
        return client
    if applied_code and not await Client.exists(phone=verified.phone.e164):
        raise InvitationCodeNotFound
    raise PhoneAlreadyRegistered


_by_phone = PreparedQuery(
    lambda: Client.filter(phone="").annotate(
        applied_code=Coalesce("applied_invitation_code", F("inviter__invitation_code"))
    )
)


async def login(  # noqa: PLR0913 (as above)
    number: str,
    code: str,
    *,
    request_id: str | None,
    address: str,
    keys: Keys,
    settings: Settings,
) -> Client:
    """Verify and consume a code, and return the client of its phone; the caller starts the session.

    Args:
        number: the phone number as typed.
        code: the code as typed.
        request_id: of `request_code`, if the code is bound.
        address: the network of the request.
        keys: compute the expected code.
        settings: the limits.

    Raises:
        InvalidPhone, InvalidCode, TooManyRequests
        ClientNotFound: the code is right, and remains valid for `register`.
        ClientBlocked: the code is right, and is consumed.
    """
    phone = phone_numbers.parse(number, country=settings.default_country)
    with failures.log_refusals("login", phone, address=address, keys=keys):
        verified = await codes.verify(
            phone, code, request_id=request_id, address=address, keys=keys, settings=settings
        )
        return await _find_client(verified)


async def _find_client(verified: codes.VerifiedCode) -> Client:
    client = await _by_phone.one(verified.phone.e164)
    if client is None:
        await codes.release(verified)
        raise ClientNotFound
    await codes.consume(verified)
    if client.blocked_at:
        now = datetime.now(UTC)
        raise ClientBlocked(retry_at=now + _BLOCKED_RETRY_AFTER, now=now, limit=Limit.BLOCKED)
    return client
