"""Asks the operator's backend whether somebody may register."""

from connect_hub.database.connections import fetch
from connect_hub.domain import events, invitation_codes, rate_limits
from connect_hub.domain.codes import VerifiedCode
from connect_hub.domain.rate_limits import RateLimit
from connect_hub.domain.refusals import (
    Limit,
    RegistrationNotChecked,
    RegistrationRefused,
    TooManyRequests,
)
from connect_hub.security.keys import Keys
from connect_hub.settings import Rate, Settings
from connect_hub.webhooks.registration_hook import HookFailedError, Registration, RegistrationHook

_CALLS_PER_CODE = 3


async def check(  # noqa: PLR0913 (what the hook is told, and what limits its calls)
    verified: VerifiedCode,
    applied_code: str | None,
    *,
    hook: RegistrationHook,
    address: str,
    device: str,
    keys: Keys,
    settings: Settings,
) -> None:
    """Ask the hook about a confirmed phone that is not registered.

    Args:
        verified: the SMS code.
        applied_code: the invitation code that the client applies, if any.
        hook: is asked.
        address: the network of the request.
        device: the User-Agent header.
        keys: for the limit of calls.
        settings: say how long an SMS code lives.

    Raises:
        RegistrationRefused: the hook says so, or gave no valid answer.
        InvitationCodeNotFound: nobody has the invitation code.
    """
    phone = verified.phone
    if await fetch("SELECT FROM client WHERE phone = $1", phone.e164):
        return  # creating the client will be refused
    invitation = await invitation_codes.find(applied_code) if applied_code else None
    await _count_call(verified, keys=keys, settings=settings)
    registration = Registration(
        phone=phone.e164,
        country=phone.country,
        inviter=str(invitation.inviter_id) if invitation and invitation.inviter_id else None,
        campaign=str(invitation.campaign_id) if invitation and invitation.campaign_id else None,
        network=address,
        user_agent=events.printable_device(device),
    )
    try:
        verdict = await hook.ask(registration)
    except HookFailedError:
        raise RegistrationNotChecked from None
    if not verdict.is_allowed:
        raise RegistrationRefused(verdict.message)


async def _count_call(verified: VerifiedCode, *, keys: Keys, settings: Settings) -> None:
    limit = RateLimit.of(
        f"{verified.phone.e164} {verified.nonce.hex()}",
        "registration hook",
        rates=(Rate(_CALLS_PER_CODE, settings.code_lifetime),),
        kind=Limit.SERVER,
        keys=keys,
    )
    try:
        await rate_limits.consume(limit)
    except TooManyRequests:
        raise RegistrationNotChecked from None
