"""Sending a code to a phone: what a client gets that asks for one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from connect_hub import sms
from connect_hub.database.connections import timeout_reserving
from connect_hub.domain import (
    codes,
    phone_numbers,
    quiet_sending,
    rate_limits,
    send_limits,
    sms_pumping,
)
from connect_hub.domain.rate_limits import Hit
from connect_hub.domain.refusals import CountryNotServed, SmsNotSent, TooManyRequests
from connect_hub.domain.viewer import Viewer
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.sms import texts

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
