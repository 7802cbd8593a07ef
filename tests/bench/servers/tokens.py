"""Access tokens in the floor and in the peers of Python: verified once, then remembered."""

import os
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from time import time
from typing import NamedTuple
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(b64decode(os.environ["TOKEN_KEY"]))
LIFETIME = timedelta(hours=1)
_PUBLIC_KEY = KEY.public_key()
_REMEMBERED = 4_000  # tokens, as Connect Hub does
_verified: dict[str, tuple["Viewer", float]] = {}


class Viewer(NamedTuple):
    """The viewer, as the statement VIEWER reads it."""

    session_id: UUID
    generation: int
    client_id: UUID


def viewer_of(headers: Mapping[str, str]) -> Viewer:
    """Return the viewer of a token, which may have expired since it was verified."""
    token = headers["authorization"].removeprefix("Bearer ")
    if token not in _verified:
        if len(_verified) > _REMEMBERED:
            _verified.clear()
        claims = jwt.decode(
            token, _PUBLIC_KEY, ["EdDSA"], issuer="connect-hub", audience="connect-hub"
        )
        viewer = Viewer(UUID(claims["sid"]), claims["gen"], UUID(claims["sub"]))
        _verified[token] = viewer, claims["exp"]
    viewer, expires_at = _verified[token]
    if expires_at < time():
        raise jwt.ExpiredSignatureError
    return viewer


def issued(
    client_id: UUID, session_id: UUID, *, generation: int, now: datetime
) -> tuple[str, datetime]:
    """Sign a token of the claims that Connect Hub's has."""
    expires_at = now.replace(microsecond=0) + LIFETIME
    claims = {
        "iss": "connect-hub",
        "aud": "connect-hub",
        "sub": str(client_id),
        "sid": str(session_id),
        "gen": generation,
        "jti": token_hex(16),
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
    }
    return jwt.encode(claims, KEY, "EdDSA", {"kid": "bench", "typ": "at+jwt"}), expires_at
