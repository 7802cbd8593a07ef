"""The request that a sign-in code belongs to.

A bound code belongs to one request, and works only together with the request's id. A shared code
belongs to its phone: all requests that are not bound share it.
"""

from hashlib import sha256
from secrets import token_urlsafe

from connect_hub.domain.phone_numbers import Phone

_ID_BYTES = 16
_HASH_LENGTH = 32  # hexadecimal digits


def new_id() -> str:
    """Make the id of a request; only the client that made the request gets to know it."""
    return token_urlsafe(_ID_BYTES)


def key_of(phone: Phone, request_id: str | None) -> str:
    """Return the key of a code's row.

    It has a hash of the id, so that a leaked table lets nobody guess at codes of others.

    Args:
        phone: of the code.
        request_id: as the client sent it; None means the shared code.
    """
    if request_id is None:
        return phone.e164
    return f"{phone.e164} {sha256(request_id.encode()).hexdigest()[:_HASH_LENGTH]}"
