"""Invitation codes: how they are drawn, read and found, and what limits their use."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from secrets import choice
from typing import NamedTuple, TypeVar
from uuid import UUID

from asyncpg import IntegrityConstraintViolationError, UniqueViolationError

from connect_hub.database.connections import fetch
from connect_hub.domain.rate_limits import RateLimit
from connect_hub.domain.refusals import (
    InvitationCodeNotFound,
    InvitationRing,
    InvitationUsedUp,
    Limit,
    Refusal,
)
from connect_hub.domain.user_input import MAX_LENGTH, compact
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings

RESULT = TypeVar("RESULT")

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0, O, 1, I and L
_CODE_LENGTH = 6
_CODE = re.compile(r"[0-9A-Z]{6}")  # clients of the demo have codes with any letters and digits
_LINK = "/I/"  # before the code in a link such as https://app.example.com/i/ABC234
# Capitals of Cyrillic and Greek that look like Latin ones. No code has letters of other scripts.
_LOOK_ALIKES = str.maketrans(
    "\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0405\u0422\u0425\u0423\u0408"
    "\u0391\u0392\u0395\u0396\u0397\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "ABCEHKMOPSTXYJABEZHKMNOPTYX",
)
_MAX_DRAWS = 20
_TAKEN = {"client_invitation_code_key", "campaign_code_key"}
_REFUSAL_OF_CONSTRAINT: dict[str, type[Refusal]] = {
    "client_no_ring": InvitationRing,
    "client_inviter_lives": InvitationCodeNotFound,  # deleted or renewed at the same time
    "invitation_used_up": InvitationUsedUp,
}


async def draw(store: Callable[[list[str]], Awaitable[RESULT]], *, count: int = 1) -> RESULT:
    """Store new random codes by one statement; draw again while one of them is taken."""
    for _ in range(_MAX_DRAWS):
        try:
            return await store([new_code() for _ in range(count)])
        except UniqueViolationError as error:
            if error.constraint_name not in _TAKEN:
                raise
    raise RuntimeError(f"{_MAX_DRAWS} invitation codes in a row are taken; too few are left")


def parse(text: str) -> str:
    """Read a code as people type and share it: in any case, with spaces, or as a link.

    Raises:
        InvitationCodeNotFound: the text cannot be a code.
    """
    typed = compact(text).upper() if len(text) <= MAX_LENGTH else ""
    code = re.split("[?#]", typed.rpartition(_LINK)[2])[0].rstrip("/.").translate(_LOOK_ALIKES)
    if not _CODE.fullmatch(code):
        raise InvitationCodeNotFound
    return code


def unknown_limit(phone: str | None, *, keys: Keys, settings: Settings) -> RateLimit:
    """Make the limit of the unknown codes that the owner of a phone may try.

    It counts by phone, so a new account of the same phone shares the hits of the former one.
    """
    return RateLimit.of(
        phone or "",
        "unknown invitation codes",
        rates=settings.unknown_invitations,
        kind=Limit.INVITATIONS,
        keys=keys,
    )


def new_code() -> str:
    """Draw a random code, which may be taken."""
    return "".join(choice(CODE_ALPHABET) for _ in range(_CODE_LENGTH))


class Invitation(NamedTuple):
    """A code that can be applied, and its owner."""

    inviter_id: UUID | None  # its owner, if this is a client
    campaign_id: UUID | None  # otherwise
    code: str


EVENT = "'inviter', inviter_id, 'campaign', campaign_id"  # data of client.invited
FIND = """
    SELECT id AS inviter_id, NULL::uuid AS campaign_id, invitation_code AS code FROM client
    WHERE invitation_code = {code} AND deleted_at IS NULL
    UNION ALL SELECT NULL, id, code FROM campaign WHERE code = {code}
"""
_FIND = FIND.format(code="$1")


async def find(code: str) -> Invitation:
    """Find the owner of a code.

    Raises:
        InvitationCodeNotFound: nobody has it.
    """
    for row in await fetch(_FIND, code):
        return Invitation(**row)
    raise InvitationCodeNotFound


class Admission(NamedTuple):
    """What a phone and an invitation code entitle to, where registration is not open to all."""

    is_registered: bool  # the phone
    is_known: bool  # the code
    is_live: bool  # the code can be applied


_ADMISSION = f"""
    SELECT EXISTS (SELECT FROM client WHERE phone = $1) AS is_registered,
        EXISTS ({FIND.format(code="$2")}) AS is_known,
        EXISTS (
            SELECT FROM client LEFT JOIN invited_count ON client_id = client.id
            WHERE invitation_code = $2 AND deleted_at IS NULL
            AND coalesce(count + deleted < $3, true)
            UNION ALL
            SELECT FROM campaign WHERE code = $2 AND ended_at IS NULL
            AND coalesce(expires_at > now(), true) AND coalesce(uses < max_uses, true)
        ) AS is_live
"""


async def admission(phone: str, code: str | None, *, settings: Settings) -> Admission:
    """Look up a phone and an invitation code by one statement, the same for all."""
    (row,) = await fetch(_ADMISSION, phone, code, settings.invitations_per_client)
    return Admission(**row)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the database refuses in a statement that applies a code into a refusal.

    Raises:
        InvitationCodeNotFound, InvitationRing, InvitationUsedUp
    """
    try:
        yield
    except IntegrityConstraintViolationError as error:
        if refusal := _REFUSAL_OF_CONSTRAINT.get(error.constraint_name or ""):
            raise refusal from None
        raise
