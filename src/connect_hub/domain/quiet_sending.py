"""Sending codes where registration is not open to all: strangers get no SMS, and do not notice.

The answer does not depend on whether the phone is registered, nor does the time it takes. So all
that depends on it happens after the answer, and failures are only logged and counted. While SMS is
simulated, the answer shows digits, so it waits; those of a stranger do not work.

A signed-in client may have a code sent to a stranger's phone: it may be its own new number.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from random import uniform
from uuid import UUID

import structlog

from connect_hub import background, sms
from connect_hub.database.connections import deadline
from connect_hub.domain import codes, invitation_codes, rate_limits
from connect_hub.domain.rate_limits import Hit, RateLimit
from connect_hub.domain.refusals import InvitationCodeNotFound, Limit, TooManyRequests
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings

_RESERVE = timedelta(seconds=5)  # for statements, beyond SMS_TIMEOUT

log = structlog.get_logger()


@dataclass(frozen=True, repr=False)
class Attempt:
    """The invitation code of a request, and the limits that it counts on unless it is known."""

    code: str | None
    limits: list[RateLimit]


def attempt(
    invitation_code: str | None, *, address: str, keys: Keys, settings: Settings
) -> Attempt:
    """Read an invitation code; text that cannot be one counts as none.

    It counts by network and not by phone, so that strangers cannot use up the attempts of a phone.
    """
    if settings.registration != "invited" or invitation_code is None:
        return Attempt(None, [])
    try:
        code = invitation_codes.parse(invitation_code)
    except InvitationCodeNotFound:
        return Attempt(None, [])
    limits = rate_limits.of_networks(
        address,
        "unknown invitation codes of an address",
        rates=settings.unknown_invitations_per_address,
        kind=Limit.INVITATIONS,
        keys=keys,
    )
    return Attempt(code, limits)


async def send(  # noqa: PLR0913 (a class for these arguments would be one more concept)
    code: codes.IssuedCode,
    made: Attempt,
    send_code: Callable[[], Awaitable[str]],
    *,
    viewer: UUID | None,
    hits: list[Hit],
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> str | None:
    """Send a code after the answer, unless the phone is a stranger's.

    Args:
        code: the code.
        made: the invitation code of the request.
        send_code: sends it, and returns the gateway's name.
        viewer: the signed-in client of the request, if any.
        hits: those of this request, on the limits of sending and of `made`.
        sender: tells whether SMS is simulated.
        keys: for the keyed hashes, and for digits that do not work.
        settings: the limits.

    Returns:
        The digits to show while SMS is simulated.
    """
    made_hits = [hit for hit in hits if hit.key in {limit.key for limit in made.limits}]
    sending = _send_if_admitted(
        code,
        made,
        send_code,
        viewer=viewer,
        made_hits=made_hits,
        sender=sender,
        keys=keys,
        settings=settings,
    )
    if not sender.simulated:
        background.spawn(_later(sending, timeout=settings.sms_timeout + _RESERVE))
        return None
    return code.digits if await sending else _decoy(code, keys)


async def _later(sending: Awaitable[bool], *, timeout: timedelta) -> None:
    # The answer must be on its way before this takes processor time.
    await asyncio.sleep(uniform(0.2, 0.6))  # noqa: S311 (no secret)
    with deadline(timeout):
        await sending


async def _send_if_admitted(  # noqa: PLR0913 (as above)
    code: codes.IssuedCode,
    made: Attempt,
    send_code: Callable[[], Awaitable[str]],
    *,
    viewer: UUID | None,
    made_hits: list[Hit],
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> bool:
    """Return whether the phone may learn the code."""
    admission = await invitation_codes.admission(code.phone.e164, made.code, settings=settings)
    if admission.is_known:
        await rate_limits.refund(made_hits)
    inviter = str(viewer) if viewer else made.code if admission.is_live else None
    is_invited = inviter and await _is_within_limit(inviter, keys=keys, settings=settings)
    if not (admission.is_registered or is_invited):
        if inviter:
            log.warning("code not sent, since SENDS_PER_INVITATION is used up")
        if sender.simulated:
            await sender.simulate_latency()
        return False
    try:
        await codes.record_sent(code, gateway=await send_code())
    except sms.NotSentError:
        log.warning("code not sent", country=code.phone.country)
    return True


async def _is_within_limit(inviter: str, *, keys: Keys, settings: Settings) -> bool:
    """Count a request, so that a leaked code or a stolen token does not let anyone pump SMS.

    Requests for registered phones count too. Otherwise the number of strangers who still get an SMS
    would tell which of the other phones are registered.
    """
    limit = RateLimit.of(
        inviter,
        "sends for an invitation",
        rates=settings.sends_per_invitation,
        kind=Limit.SENDS,
        keys=keys,
    )
    try:
        await rate_limits.consume(limit)
    except TooManyRequests:
        return False
    return True


def _decoy(code: codes.IssuedCode, keys: Keys) -> str:
    """Compute digits that do not work, the same ones for each send of a code."""
    length = len(code.digits)
    key = keys.pseudonym(code.nonce.hex(), purpose="digits for strangers")
    digits = f"{int.from_bytes(key[:8]) % 10**length:0{length}}"
    return digits if digits != code.digits else f"{(int(digits) + 1) % 10**length:0{length}}"
