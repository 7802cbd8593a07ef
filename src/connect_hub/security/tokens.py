"""Access tokens and refresh tokens: issued and verified."""

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connect_hub.security.keys import Keys
from connect_hub.settings import Audience

REMEMBERED = 4_000  # tokens, of a kilobyte each
MAX_GENERATION = 999_999_999
_LEEWAY = timedelta(seconds=60)  # how far the clocks of two replicas may differ
_CLAIMS = {"iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp"}


class InvalidTokenError(Exception):
    """A bearer token that is not accepted; the message is a sentence for the client's developer."""


class ExpiredTokenError(InvalidTokenError):
    """A bearer token that was accepted until lately."""


@dataclass(frozen=True)
class Claims:
    """What a verified access token says."""

    client_id: UUID
    session_id: UUID
    generation: int
    issued_at: datetime
    expires_at: datetime

    @property
    def valid_until(self) -> datetime:
        """When the last replica stops to accept it."""
        return self.expires_at + _LEEWAY


@dataclass(frozen=True)
class AccessToken:
    """A freshly signed access token; never shown in a repr."""

    value: str
    expires_at: datetime
    lifetime: timedelta  # from its issue on

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

    @property
    def key_set(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517), the current one first."""
        more = {"use": "sig", "alg": "EdDSA"}
        return {
            "keys": [
                {**_jwk(public), **more, "kid": kid} for kid, public in self._public_keys.items()
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
            generation: of the session's tokens.
            now: the time of issue.
            audience: the service that the token is for; None stands for this server.
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
        """Check everything a token says, at `now`.

        Raises:
            InvalidTokenError: it is not ours, not for us, not yet or no longer valid.
        """
        claims = self._verified(token)
        if claims.issued_at > now + _LEEWAY:
            raise InvalidTokenError("The bearer token is from the future; sign in again.")
        if claims.valid_until <= now:
            raise ExpiredTokenError("The bearer token has expired; refresh it or sign in again.")
        return claims

    def _verify(self, token: str) -> Claims:
        """Check what stays as it is, whatever the time; good tokens are remembered."""
        try:
            if not all(map(_is_canonical, token.split("."))):
                raise InvalidTokenError("The bearer token is not as it was issued.")
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
                session_id=UUID(_text(said["sid"])),
                generation=_generation(said["gen"]),
                issued_at=datetime.fromtimestamp(said["iat"], UTC),
                expires_at=datetime.fromtimestamp(said["exp"], UTC),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise InvalidTokenError("The bearer token is not one of ours; sign in again.") from None


@dataclass(frozen=True)
class Refresh:
    """What a refresh token claims to be; nothing of it is verified yet."""

    session_id: UUID
    generation: int
    branch: str  # tells apart the tokens of one generation
    token: str

    def __repr__(self) -> str:
        return f"Refresh(session_id={self.session_id!r}, generation={self.generation!r})"


class RefreshTokens:
    """Computes refresh tokens: `session.generation.branch.HMAC`; a session stores only its nonce.

    The generation is readable, so that a genuine token that is too old is recognised as a replay.
    Each exchange gives a token of another branch, so that two holders of one token get different
    successors. The HMAC covers the client, so that a session moved to another client has no tokens.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys.derive("refresh token")

    def issue(self, session_id: UUID, *, client_id: UUID, generation: int, nonce: bytes) -> str:
        """Compute a token of a session's generation, on a branch of its own."""
        said = f"{_base64url(session_id.bytes)}.{generation}.{token_urlsafe(_BRANCH_BYTES)}."
        return said + _tag(self._keys[0], said, client_id.bytes + nonce)

    def is_genuine(self, refresh: Refresh, *, client_id: UUID, nonce: bytes) -> bool:
        """Tell in constant time whether one of our keys made a token, for this client and nonce.

        Tokens of release 0.1.0 have no branch and do not cover the client. They are accepted until
        the next release, since refusing them would sign everybody out.
        """
        said, _, tag = refresh.token.rpartition(".")
        bound_to = client_id.bytes + nonce if refresh.branch else nonce
        compared = [hmac.compare_digest(_tag(key, f"{said}.", bound_to), tag) for key in self._keys]
        return any(compared)


_BRANCH_BYTES = 9
_REFRESH_TOKEN = re.compile(r"([\w-]{22})\.(\d{1,9})\.(?:([\w-]{12})\.)?[\w-]{43}", re.ASCII)


def read_refresh(token: str) -> Refresh | None:
    """Read what a refresh token claims; None where its form is wrong."""
    if not (match := _REFRESH_TOKEN.fullmatch(token)):
        return None
    session_id = UUID(bytes=urlsafe_b64decode(match[1] + "=="))
    return Refresh(session_id, int(match[2]), match[3] or "", token)


def _tag(key: bytes, said: str, bound_to: bytes) -> str:
    return _base64url(hmac.digest(key, said.encode() + bound_to, sha256))


def _is_canonical(part: str) -> bool:
    """Tell whether a part of a token is written as we write it (RFC 7515, 2).

    Decoders also take padding, other characters and any unused last bits. Then one signature would
    have many texts, and each would be cached by itself.
    """
    return _base64url(urlsafe_b64decode(f"{part}==")) == part


def _text(claim: object) -> str:
    """Take a text only: PyJWT does not look at claims it does not know."""
    if not isinstance(claim, str):
        raise TypeError
    return claim


def _generation(claim: object) -> int:
    """Take a number only that a session's generation can be."""
    if type(claim) is not int or not 0 <= claim <= MAX_GENERATION:
        raise TypeError
    return claim


def _thumbprint(key: Ed25519PrivateKey) -> str:
    """Name a key by the SHA-256 of its public half as a JWK (RFC 7638, RFC 8037 appendix A.3)."""
    jwk = json.dumps(_jwk(key.public_key()), separators=(",", ":"), sort_keys=True)
    return _base64url(sha256(jwk.encode()).digest())


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
