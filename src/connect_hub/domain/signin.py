"""Signing in by phone: a code is sent, and whoever has it is the phone's client."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import choice

from asyncpg import UniqueViolationError
from tortoise.expressions import F

from connect_hub import sms
from connect_hub.database.connections import Rendered, leaving
from connect_hub.database.models import Client
from connect_hub.domain import codes, failures, phone_numbers, rate_limits, send_limits, sms_pumping
from connect_hub.domain.codes import Code
from connect_hub.domain.rate_limits import Hit
from connect_hub.domain.refusals import (
    ClientBlocked,
    ClientNotFound,
    CountryNotServed,
    Limit,
    PhoneAlreadyRegistered,
    SmsNotSent,
    TooManyRequests,
)
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.sms import texts

INVITATION_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O, no 1 I L
INVITATION_LENGTH = 6
_ASK_AGAIN = timedelta(days=1)  # is what a blocked client is told
_TEST = "test"  # stands for a gateway where nothing is sent
_NOTED_WITHIN = timedelta(seconds=2)  # what became of a code
_DRAWS = 20  # of invitation codes that are taken, one after another, before we give up


@dataclass(frozen=True, repr=False)
class SentCode:
    """A code on its way to `phone`; `code` is None unless sending is simulated."""

    phone: str
    code: str | None
    length: int
    expires_at: datetime
    resend_at: datetime
    now: datetime  # by the same clock


async def request_code(  # noqa: PLR0913 (a class of arguments would be one concept more)
    number: str,
    *,
    address: str,
    language: str,
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> SentCode:
    """Send a code to a phone, whether or not it is registered.

    Within its life the same code is sent again, and lives no longer for it.

    Raises:
        InvalidPhone, CountryNotServed, TooManyRequests, SmsNotSent
    """
    to = phone_numbers.parse(number, country=settings.default_country)
    if settings.sms_countries and to.country not in settings.sms_countries:
        raise CountryNotServed
    hits = await send_limits.consume(to, address=address, keys=keys, settings=settings)
    try:
        code = await codes.next_code(to, keys=keys, settings=settings)
        throttled = await _admit(code, address=address, keys=keys, settings=settings)
    except TooManyRequests:
        await rate_limits.refund(hits.all)
        raise
    try:
        gateway = await _send(code, language=language, sender=sender, settings=settings)
    except sms.NotSentError:
        await codes.not_sent(code, tried=True)
        await rate_limits.refund(hits.of_phone + throttled)
        raise SmsNotSent from None
    now = await codes.sent(code, gateway=gateway)
    return SentCode(
        phone=to.e164,
        code=code.digits if sender.simulated else None,
        length=len(code.digits),
        expires_at=code.expires_at,
        resend_at=code.resend_at,
        now=now,
    )


async def register(
    number: str, code: str, *, address: str, keys: Keys, settings: Settings
) -> Client:
    """Create the client of a confirmed phone.

    Raises:
        InvalidPhone, InvalidCode, TooManyRequests
        PhoneAlreadyRegistered: the code is right, and stays unspent for `login`.
    """
    whose = phone_numbers.parse(number, country=settings.default_country)
    with failures.logged("register", whose, address=address, keys=keys):
        confirmed = await codes.confirm(whose, code, address=address, keys=keys, settings=settings)
        return await _registered(confirmed)


async def _registered(confirmed: codes.Confirmed) -> Client:
    for _ in range(_DRAWS):
        try:
            client = await codes.spend_on_client(confirmed, invitation_code=new_invitation_code())
        except UniqueViolationError as error:
            if error.constraint_name != "client_invitation_code_key":
                raise
        else:
            if client:
                return client
            await codes.release(confirmed)
            raise PhoneAlreadyRegistered
    raise RuntimeError("every invitation code drawn is taken: they are used up")


_by_phone = Rendered(
    lambda: Client.filter(phone="").annotate(applied_code=F("inviter__invitation_code"))
)


async def login(number: str, code: str, *, address: str, keys: Keys, settings: Settings) -> Client:
    """Find the client of a confirmed phone.

    Raises:
        InvalidPhone, InvalidCode, TooManyRequests
        ClientNotFound: the code is right, and stays unspent for `register`.
        ClientBlocked: the code is right, and spent.
    """
    whose = phone_numbers.parse(number, country=settings.default_country)
    with failures.logged("login", whose, address=address, keys=keys):
        confirmed = await codes.confirm(whose, code, address=address, keys=keys, settings=settings)
        return await _known(confirmed)


async def _known(confirmed: codes.Confirmed) -> Client:
    client = await _by_phone.one(confirmed.phone.e164)
    if client is None:
        await codes.release(confirmed)
        raise ClientNotFound
    await codes.spend(confirmed)
    if client.blocked_at:
        now = datetime.now(UTC)
        raise ClientBlocked(retry_at=now + _ASK_AGAIN, now=now, limit=Limit.BLOCKED)
    return client


async def _admit(code: Code, *, address: str, keys: Keys, settings: Settings) -> list[Hit]:
    try:
        return await sms_pumping.admit(code.traffic, address=address, keys=keys, settings=settings)
    except TooManyRequests:
        await codes.not_sent(code, tried=False)
        raise


async def _send(code: Code, *, language: str, sender: sms.SmsSender, settings: Settings) -> str:
    """Send a code, and name the gateway that took it.

    A test phone gets nothing, and its answer takes as long as others: answers that come sooner
    would reveal which numbers are test phones.
    """
    to = code.phone
    text = texts.sign_in_code(code.digits, language=language, settings=settings)
    try:
        async with leaving(_NOTED_WITHIN):
            if settings.test_code(to.e164):
                await sender.simulate_latency()
                return _TEST
            return await sender.send(sms.Message(to.e164, to.country, text))
    except TimeoutError:
        raise sms.NotSentError("too little time was left") from None


def new_invitation_code() -> str:
    """Draw an invitation code."""
    return "".join(choice(INVITATION_ALPHABET) for _ in range(INVITATION_LENGTH))
