"""Signing in by phone: a code is sent, and whoever has it is the phone's client."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from secrets import choice, token_bytes
from typing import Any
from unicodedata import category, decimal
from uuid import uuid4

from tortoise.exceptions import IntegrityError
from tortoise.expressions import F

from connect_hub import sms
from connect_hub.database import fetch
from connect_hub.domain import phone as phones
from connect_hub.domain.refusals import (
    ClientNotFound,
    InvalidCode,
    PhoneAlreadyRegistered,
    SmsNotSent,
    TooManyRequests,
)
from connect_hub.models import Client, SignInCode
from connect_hub.settings import Settings
from connect_hub.tokens import CodeKeys

INVITATION_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O, no 1 I L
INVITATION_LENGTH = 6
_COLLISIONS = 20  # of random invitation codes, one after another, before we give up


@dataclass(frozen=True, repr=False)
class SentCode:
    """A code on its way to `phone`; `code` is None unless sending is simulated."""

    phone: str
    code: str | None
    length: int
    expires_at: datetime
    resend_at: datetime


async def request_code(
    phone: str, *, sender: sms.SmsSender, keys: CodeKeys, settings: Settings
) -> SentCode:
    """Send a code to a phone, whether or not it is registered.

    Within its life the same code is sent again, and lives no longer for it.

    Raises:
        InvalidPhone, TooManyRequests, SmsNotSent
    """
    number = phones.parse(phone)
    row = await _next_send(number, keys=keys, settings=settings)
    code = _code_of(number, row, keys=keys)
    try:
        await sender.send(sms.Message(number, f"{code} is your sign-in code."))
    except sms.NotSentError:
        raise SmsNotSent from None
    return SentCode(
        phone=number,
        code=code if sender.simulated else None,
        length=row["length"],
        expires_at=row["expires_at"],
        resend_at=row["resend_at"],
    )


async def register(phone: str, code: str, *, keys: CodeKeys, settings: Settings) -> Client:
    """Create the client of a confirmed phone.

    Raises:
        InvalidPhone, InvalidCode
        PhoneAlreadyRegistered: the code is right, and stays unspent for `login`.
    """
    number = phones.parse(phone)
    nonce = await _confirm(number, code, keys=keys, settings=settings)
    for _ in range(_COLLISIONS):
        try:
            return await _spend_and_create(number, nonce)
        except IntegrityError as error:
            constraint = getattr(error.__cause__, "constraint_name", None)
            if constraint == "client_phone_key":
                await _uncount_guess(number, nonce)
                raise PhoneAlreadyRegistered from None
            if constraint != "client_invitation_code_key":
                raise
    raise RuntimeError("random invitation codes are all taken: the alphabet is used up")


async def login(phone: str, code: str, *, keys: CodeKeys, settings: Settings) -> Client:
    """Find the client of a confirmed phone.

    Raises:
        InvalidPhone, InvalidCode
        ClientNotFound: the code is right, and stays unspent for `register`.
    """
    number = phones.parse(phone)
    nonce = await _confirm(number, code, keys=keys, settings=settings)
    client = await Client.get_or_none(phone=number)
    if client is None:
        await _uncount_guess(number, nonce)
        raise ClientNotFound
    await _spend(number, nonce)
    return client


# A live code is sent again, any other is replaced; both wait for resend_at.
_NEXT_SEND = """
    INSERT INTO sign_in_code AS code
        (phone, key_id, nonce, length, expires_at, resend_at, sends, guesses)
    VALUES ($1, $2, $3, $4, now() + $5, now() + ($6::interval[])[1], 1, 0)
    ON CONFLICT (phone) DO UPDATE SET
        (key_id, nonce, length, expires_at, resend_at, sends, guesses) = (
            SELECT key_id, nonce, length, expires_at,
                   now() + ($6::interval[])[least(sends + 1, cardinality($6))], sends + 1, guesses
            FROM (VALUES
                (true, code.key_id, code.nonce, code.length, code.expires_at,
                 code.sends, code.guesses),
                (false, excluded.key_id, excluded.nonce, excluded.length, excluded.expires_at,
                 0, 0)
            ) AS next (live, key_id, nonce, length, expires_at, sends, guesses)
            WHERE live = (
                code.expires_at > now() AND code.guesses < $7 AND code.key_id = ANY ($8)
            )
        )
    WHERE code.resend_at <= now()
    RETURNING key_id, nonce, length, expires_at, resend_at
"""
_RESEND_AT = """
    SELECT coalesce((SELECT resend_at FROM sign_in_code WHERE phone = $1), now()) AS resend_at
"""


async def _next_send(phone: str, *, keys: CodeKeys, settings: Settings) -> dict[str, Any]:
    rows = await fetch(
        _NEXT_SEND,
        phone,
        keys.known[0],
        token_bytes(16),
        settings.code_length,
        settings.code_lifetime,
        settings.resend_after,
        settings.guesses_per_code,
        keys.known,
    )
    if not rows:
        waiting = await fetch(_RESEND_AT, phone)
        raise TooManyRequests(retry_at=waiting[0]["resend_at"])
    return rows[0]


_COUNT_GUESS = """
    UPDATE sign_in_code SET guesses = guesses + 1
    WHERE phone = $1 AND expires_at > now() AND guesses < $2 AND key_id = ANY ($3)
    RETURNING key_id, nonce, length, guesses
"""


async def _confirm(phone: str, code: str, *, keys: CodeKeys, settings: Settings) -> bytes:
    """Compare a guess, counted before, with the live code; return the nonce of that code."""
    rows = await fetch(_COUNT_GUESS, phone, settings.guesses_per_code, keys.known)
    if not rows:
        raise InvalidCode(attempts_left=0)
    row = rows[0]
    if not compare_digest(_digits(code).encode(), _code_of(phone, row, keys=keys).encode()):
        raise InvalidCode(attempts_left=settings.guesses_per_code - row["guesses"])
    nonce: bytes = row["nonce"]
    return nonce


async def _uncount_guess(phone: str, nonce: bytes) -> None:
    await SignInCode.filter(phone=phone, nonce=nonce).update(guesses=F("guesses") - 1)


async def _spend(phone: str, nonce: bytes) -> None:
    """Take a confirmed code out of the world; only one of many can."""
    if not await SignInCode.filter(phone=phone, nonce=nonce).delete():
        raise InvalidCode(attempts_left=0)


_SPEND_AND_CREATE = """
    WITH spent AS (DELETE FROM sign_in_code WHERE phone = $1 AND nonce = $2 RETURNING phone)
    INSERT INTO client (id, phone, invitation_code, created_at)
    SELECT $3, phone, $4, now() FROM spent
    RETURNING *
"""


async def _spend_and_create(phone: str, nonce: bytes) -> Client:
    """Do both or neither: a code is not spent where no client comes of it."""
    rows = await fetch(_SPEND_AND_CREATE, phone, nonce, uuid4(), _invitation_code())
    if not rows:
        raise InvalidCode(attempts_left=0)
    return Client._init_from_db(**rows[0])  # noqa: SLF001 (a row that is there, to Tortoise)


def _code_of(phone: str, row: dict[str, Any], *, keys: CodeKeys) -> str:
    return keys.code(phone, key_id=row["key_id"], nonce=row["nonce"], length=row["length"])


def _digits(code: str) -> str:
    """Read digits of any script; "?" stands for what is neither digit, space nor dash."""
    return "".join(
        str(decimal(character)) if character.isdecimal() else "?"
        for character in code
        if category(character) not in {"Zs", "Pd"}
    )


def _invitation_code() -> str:
    return "".join(choice(INVITATION_ALPHABET) for _ in range(INVITATION_LENGTH))
