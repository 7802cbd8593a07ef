"""Refresh tokens: issued, parsed and verified; `domain/session_refresh.py` exchanges them."""

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID

from connect_hub.security import base64url
from connect_hub.security.keys import Keys

# Separates tokens that cover the client from those of 0.1.0, whose text begins with base64url.
# Otherwise somebody with write access to the database could put branch and client into the nonce.
_BOUND = b"2:"
_BRANCH_BYTES = 9
_FORMAT = re.compile(r"([\w-]{22})\.(\d{1,9})\.(?:([\w-]{12})\.)?[\w-]{43}", re.ASCII)


@dataclass(frozen=True)
class RefreshTokenClaims:
    """What a refresh token claims; `RefreshTokens.is_genuine` verifies it."""

    session_id: UUID
    generation: int
    branch: str  # distinguishes the tokens of one generation; empty in tokens of release 0.1.0
    token: str

    def __repr__(self) -> str:
        named = f"session_id={self.session_id!r}, generation={self.generation!r}"
        return f"RefreshTokenClaims({named})"


class RefreshTokens:
    """Issues and verifies refresh tokens: `session.generation.branch.HMAC`.

    The database does not store them, only a nonce of the session. The generation is readable, so
    that a genuine token that is too old is recognised as a replay. Each exchange issues a token of
    another branch, so that two holders of one token get different successors. The HMAC covers the
    client's id, so that a session that is moved to another client in the database has no tokens.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys.derive("refresh token")

    def issue(self, session_id: UUID, *, client_id: UUID, generation: int, nonce: bytes) -> str:
        """Make a token of a session's generation, with a new branch."""
        branch = token_urlsafe(_BRANCH_BYTES)
        prefix = f"{base64url.encode(session_id.bytes)}.{generation}.{branch}."
        return prefix + _tag(self._keys[0], _BOUND + prefix.encode() + client_id.bytes + nonce)

    def is_genuine(self, claims: RefreshTokenClaims, *, client_id: UUID, nonce: bytes) -> bool:
        """Verify in constant time that one of our keys made a token for this client and nonce.

        Tokens of release 0.1.0 have no branch and do not cover the client. They are accepted until
        the next release, because rejecting them would sign everybody out.
        """
        prefix, _, tag = claims.token.rpartition(".")
        signed = f"{prefix}.".encode()
        signed = _BOUND + signed + client_id.bytes + nonce if claims.branch else signed + nonce
        compared = [hmac.compare_digest(_tag(key, signed), tag) for key in self._keys]
        return any(compared)


def parse_refresh_token(token: str) -> RefreshTokenClaims | None:
    """Parse a refresh token; return None if its format is wrong."""
    if not (match := _FORMAT.fullmatch(token)):
        return None
    session_id = UUID(bytes=base64url.decode(match[1]))
    return RefreshTokenClaims(session_id, int(match[2]), match[3] or "", token)


def _tag(key: bytes, signed: bytes) -> str:
    return base64url.encode(hmac.digest(key, signed, sha256))
