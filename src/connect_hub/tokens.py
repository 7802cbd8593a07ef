"""Access tokens: issued and verified."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from secrets import token_hex
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connect_hub.keys import Keys

REMEMBERED = 10_000  # tokens, of half a kilobyte each
_LEEWAY = timedelta(seconds=60)  # how far the clocks of two replicas may differ
_CLAIMS = {"iss", "aud", "sub", "jti", "iat", "exp"}


class InvalidTokenError(Exception):
    """A bearer token that is not accepted; the message is a sentence for the client's developer."""


@dataclass(frozen=True)
class Claims:
    """What a verified access token says."""

    client_id: UUID
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class AccessToken:
    """A freshly signed access token; never shown in a repr."""

    value: str
    expires_at: datetime

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
        self._verified = lru_cache(REMEMBERED)(self._verify)

    def issue(self, client_id: UUID, *, now: datetime) -> AccessToken:
        """Sign a token for a client that is valid from `now` for the lifetime."""
        expires_at = now.replace(microsecond=0) + self._lifetime
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(client_id),
            "jti": token_hex(16),
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        headers = {"kid": self._signing_key_id, "typ": "at+jwt"}
        token = jwt.encode(claims, self._signing_key, algorithm="EdDSA", headers=headers)
        return AccessToken(token, expires_at)

    def verify(self, token: str, *, now: datetime) -> Claims:
        """Check everything a token says, at `now`.

        Raises:
            InvalidTokenError: it is not ours, not for us, not yet or no longer valid.
        """
        claims = self._verified(token)
        if claims.issued_at > now + _LEEWAY:
            raise InvalidTokenError("The bearer token is from the future; sign in again.")
        if claims.expires_at <= now - _LEEWAY:
            raise InvalidTokenError("The bearer token has expired; sign in again.")
        return claims

    def _verify(self, token: str) -> Claims:
        """Check what stays as it is, whatever the time; good tokens are remembered."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt":
                raise InvalidTokenError("This is not an access token.")
            said = jwt.decode(
                token,
                self._public_keys[header["kid"]],
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": sorted(_CLAIMS),
                    "verify_exp": False,  # at `now`, each time
                    "verify_iat": False,
                },
            )
            return Claims(
                client_id=UUID(said["sub"]),
                issued_at=datetime.fromtimestamp(said["iat"], UTC),
                expires_at=datetime.fromtimestamp(said["exp"], UTC),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise InvalidTokenError("The bearer token is not one of ours; sign in again.") from None


def _thumbprint(key: Ed25519PrivateKey) -> str:
    """Name a key by the SHA-256 of its public half as a JWK (RFC 7638, RFC 8037 appendix A.3)."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{_base64url(public)}"}}'
    return _base64url(sha256(jwk.encode()).digest())


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
