"""Access tokens: issued, verified, and their public keys."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from secrets import token_hex
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connect_hub.security import base64url
from connect_hub.security.keys import Keys
from connect_hub.settings import Audience

CACHE_SIZE = 4_000  # verified tokens, about a kilobyte each
_MAX_GENERATION = 999_999_999
_LEEWAY = timedelta(seconds=60)  # how far the clocks of two servers may differ
_REQUIRED_CLAIMS = ["aud", "exp", "gen", "iat", "iss", "jti", "sid", "sub"]


class InvalidTokenError(Exception):
    """A bearer token is rejected; the message is a sentence for the client's developer."""


class ExpiredTokenError(InvalidTokenError):
    """A bearer token has expired."""


@dataclass(frozen=True)
class Claims:
    """The claims of a verified access token."""

    client_id: UUID
    session_id: UUID
    generation: int
    issued_at: datetime
    expires_at: datetime

    @property
    def valid_until(self) -> datetime:
        """When the token is rejected: the leeway after its expiry."""
        return self.expires_at + _LEEWAY


@dataclass(frozen=True)
class AccessToken:
    """A new access token; its repr does not contain the value."""

    value: str
    expires_at: datetime
    lifetime: timedelta  # from its issue to its expiry

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at!r})"


class AccessTokens:
    """Issues and verifies access tokens: JWT (RFC 9068) signed with EdDSA (Ed25519, RFC 8037)."""

    def __init__(self, keys: Keys, *, issuer: str, audience: str, lifetime: timedelta) -> None:
        seeds = keys.derive("access token")
        private_keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]
        self._signing_key = private_keys[0]
        self._signing_key_id = _thumbprint(private_keys[0])
        self._public_keys = {_thumbprint(key): key.public_key() for key in private_keys}
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime
        self._verified = lru_cache(CACHE_SIZE)(self._verify)

    @property
    def key_set(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517), the current key first."""
        common = {"use": "sig", "alg": "EdDSA"}
        return {
            "keys": [
                {**_jwk(public), **common, "kid": kid} for kid, public in self._public_keys.items()
            ]
        }

    def issue(
        self,
        client_id: UUID,
        *,
        session_id: UUID,
        generation: int,
        now: datetime,
        audience: Audience | None = None,
    ) -> AccessToken:
        """Sign a token for a client in a session, valid from `now`.

        Args:
            client_id: the claim `sub`.
            session_id: the claim `sid`.
            generation: the claim `gen`, the generation of the session.
            now: the time of issue.
            audience: the service that the token is for; None means this server.
        """
        name = audience.name if audience else self._audience
        lifetime = audience.lifetime if audience else self._lifetime
        expires_at = now.replace(microsecond=0) + lifetime
        claims = {
            "iss": self._issuer,
            "aud": name,
            "sub": str(client_id),
            "sid": str(session_id),
            "gen": generation,
            "jti": token_hex(16),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        headers = {"kid": self._signing_key_id, "typ": "at+jwt"}
        token = jwt.encode(claims, self._signing_key, algorithm="EdDSA", headers=headers)
        return AccessToken(token, expires_at, expires_at - now)

    def verify(self, token: str, *, now: datetime) -> Claims:
        """Verify a token at the time `now`, and return its claims.

        Raises:
            InvalidTokenError: the token is not genuine, for another service or not yet valid.
            ExpiredTokenError: the token has expired.
        """
        claims = self._verified(token)
        if claims.issued_at > now + _LEEWAY:
            raise InvalidTokenError("The bearer token is from the future; sign in again.")
        if claims.valid_until <= now:
            raise ExpiredTokenError("The bearer token has expired; refresh it or sign in again.")
        return claims

    def _verify(self, token: str) -> Claims:
        """Verify everything that does not depend on the time; `_verified` caches the results."""
        try:
            parts = token.split(".", 3)  # 8 KiB of dots would take milliseconds
            if len(parts) != 3 or not all(map(base64url.is_canonical, parts)):  # noqa: PLR2004 (JWS)
                raise InvalidTokenError("The bearer token was changed; send it as it was issued.")
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt":
                raise InvalidTokenError(
                    "This is not an access token; send the `accessToken` of a sign-in."
                )
            payload = jwt.decode(
                token,
                self._public_keys[header["kid"]],
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": _REQUIRED_CLAIMS,
                    "verify_exp": False,  # `verify` does this at each call
                    "verify_iat": False,
                },
            )
            return _claims(payload)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise InvalidTokenError("The bearer token is not one of ours; sign in again.") from None


def _claims(payload: dict[str, Any]) -> Claims:
    """Convert the claims of a token; PyJWT does not check the types of `sid` and `gen`.

    Raises:
        KeyError, TypeError, ValueError, OverflowError, OSError: a claim has a wrong value.
    """
    session_id, generation = payload["sid"], payload["gen"]
    if not isinstance(session_id, str) or type(generation) is not int:  # bool is an int too
        raise TypeError
    if not 0 <= generation <= _MAX_GENERATION:
        raise ValueError
    return Claims(
        client_id=UUID(payload["sub"]),
        session_id=UUID(session_id),
        generation=generation,
        issued_at=datetime.fromtimestamp(payload["iat"], UTC),
        expires_at=datetime.fromtimestamp(payload["exp"], UTC),
    )


def _thumbprint(key: Ed25519PrivateKey) -> str:
    """Return a key's id: the SHA-256 of its public JWK (RFC 7638, RFC 8037 appendix A.3)."""
    jwk = json.dumps(_jwk(key.public_key()), separators=(",", ":"), sort_keys=True)
    return base64url.encode(sha256(jwk.encode()).digest())


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(raw)}
