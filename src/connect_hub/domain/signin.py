"""Sign-in by phone: a person proves to hold a phone by the code that was sent to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from tortoise.expressions import F
from tortoise.functions import Coalesce

from connect_hub import sms
from connect_hub.database.connections import timeout_reserving
from connect_hub.database.models import Client
from connect_hub.database.queries import PreparedQuery
from connect_hub.domain import (
    codes,
    failures,
    invitation_codes,
    phone_numbers,
    quiet_sending,
    rate_limits,
    registration_check,
    send_limits,
    sms_pumping,
)
from connect_hub.domain.rate_limits import Hit
from connect_hub.domain.refusals import (
    ClientBlocked,
    ClientNotFound,
    CountryNotServed,
    InvitationCodeNotFound,
    InvitationRequired,
    InvitationUsedUp,
    Limit,
    PhoneAlreadyRegistered,
    Refusal,
    RegistrationClosed,
    RegistrationRefused,
    SmsNotSent,
    TooManyRequests,
)
from connect_hub.domain.viewer import Viewer
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.sms import texts
from connect_hub.webhooks.registration_hook import RegistrationHook

_BLOCKED_RETRY_AFTER = timedelta(days=1)  # the answer to a blocked client
_TEST_GATEWAY = "test"  # the gateway of test phones in metrics; they get no SMS
_RECORD_TIMEOUT = timedelta(seconds=2)  # reserved after sending, to record its result


@dataclass(frozen=True, repr=False)
class SentCode:
    """A code that was sent."""

    phone: str  # in E.164
    code: str | None  # None unless sending is simulated
    request_id: str | None  # None: the code is not bound to its request
    length: int  # digits
    expires_at: datetime
    resend_at: datetime  # when the request may have a code sent again
    now: datetime  # by the same clock


async def request_code(  # noqa: PLR0913 (a class for these arguments would be one more concept)
    number: str,
    *,
    bind: bool,
    request_id: str | None,
    address: str,
    language: str,
    invitation_code: str | None,
    find_viewer: Callable[[], Awaitable[Viewer | None]],
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> SentCode:
    """Send a code to a phone, whether or not it is registered.

    A code that is still valid is sent again, and expires no later for it. Where registration is not
    open, strangers get the same answer without an SMS: see `quiet_sending`.

    Args:
        number: the phone number as typed.
        bind: whether the code of a new request works only together with the request's id.
        request_id: of the request whose code is sent again, if any.
        invitation_code: somebody else's invitation code as typed, if any.
        address: the network of the request.
        language: the language of the message.
        find_viewer: finds the signed-in client of the request, if any.
        sender: sends the message.
        keys: compute the code.
        settings: the limits, and the countries that are served.

    Raises:
        InvalidPhone, CountryNotServed, TooManyRequests, SmsNotSent
    """
    phone = phone_numbers.parse(number, country=settings.default_country)
    if settings.sms_countries and phone.country not in settings.sms_countries:
        raise CountryNotServed
    attempt = quiet_sending.attempt(invitation_code, address=address, keys=keys, settings=settings)
    hits = await send_limits.consume(
        phone, *attempt.limits, address=address, keys=keys, settings=settings
    )
    try:
        code = await codes.issue(
            phone, request_id=request_id, bind=bind, keys=keys, settings=settings
        )
        throttle_hits = await _check_traffic(code, address=address, keys=keys, settings=settings)
    except TooManyRequests:
        await rate_limits.refund(hits.all)
        raise
    if settings.registration != "open":
        send = partial(_send, code, language=language, sender=sender, settings=settings)
        viewer = await find_viewer()
        shown = await quiet_sending.send(
            code,
            attempt,
            send,
            viewer=viewer.client.id if viewer else None,
            hits=hits.all,
            sender=sender,
            keys=keys,
            settings=settings,
        )
        return _sent(code, shown=shown, now=code.traffic.now)
    try:
        gateway = await _send(code, language=language, sender=sender, settings=settings)
    except sms.NotSentError:
        await codes.cancel_send(code, tried=True)
        await rate_limits.refund(hits.of_phone + throttle_hits)
        raise SmsNotSent from None
    now = await codes.record_sent(code, gateway=gateway)
    return _sent(code, shown=code.digits if sender.simulated else None, now=now)


def _sent(code: codes.IssuedCode, *, shown: str | None, now: datetime) -> SentCode:
    return SentCode(
        phone=code.phone.e164,
        code=shown,
        request_id=code.request_id,
        length=len(code.digits),
        expires_at=code.expires_at,
        resend_at=code.resend_at,
        now=now,
    )


async def _check_traffic(
    code: codes.IssuedCode, *, address: str, keys: Keys, settings: Settings
) -> list[Hit]:
    try:
        return await sms_pumping.check(code.traffic, address=address, keys=keys, settings=settings)
    except TooManyRequests:
        await codes.cancel_send(code, tried=False)
        raise


async def _send(
    code: codes.IssuedCode, *, language: str, sender: sms.SmsSender, settings: Settings
) -> str:
    """Send a code, and return the name of the gateway.

    A test phone gets no SMS, but its answer takes as long as others, because faster answers would
    reveal which numbers are test phones.
    """
    phone = code.phone
    text = texts.sign_in_code(code.digits, language=language, settings=settings)
    try:
        async with timeout_reserving(_RECORD_TIMEOUT):
            if settings.test_code(phone.e164):
                await sender.simulate_latency()
                return _TEST_GATEWAY
            return await sender.send(sms.Message(phone.e164, phone.country, text))
    except TimeoutError:
        raise sms.NotSentError("too little time was left") from None


async def register(  # noqa: PLR0913 (as above)
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
    """Find the client of a verified phone.

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
