"""Every key, derived from SECRET_KEY by purpose, and the access tokens signed with one of them."""

import hmac
from base64 import b64decode, b64encode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_hex
from tempfile import NamedTemporaryFile
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connect_hub.settings import StartupError

SECRET_BYTES = 32
_DISTINCT_BYTES = 16  # 32 random bytes hold 28 to 32 distinct ones; a typed phrase does not
_LEEWAY = timedelta(seconds=60)  # how far the clocks of two replicas may differ
_CLAIMS = {"iss", "aud", "sub", "jti", "iat", "exp"}


class InvalidTokenError(Exception):
    """A bearer token that is not accepted; the message is a sentence for the client's developer."""


def new_secret() -> str:
    """Make a fresh value for SECRET_KEY: base64 of 32 random bytes."""
    return b64encode(token_bytes(SECRET_BYTES)).decode()


def kept_secret(folder: Path) -> str:
    """Read the secret kept in a folder; make it first, readable by its owner only."""
    file = folder / "secret_key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=folder) as fresh:  # 0600, and whole before it has its name
            fresh.write(new_secret())
            fresh.flush()
            with suppress(FileExistsError):
                file.hardlink_to(fresh.name)
    return file.read_text()


class Keyring:
    """The secrets of SECRET_KEY, the current one first, as keys for one purpose each."""

    def __init__(self, secret_key: str) -> None:
        self._secrets = [_decode(part.strip()) for part in secret_key.split(",")]

    def derive(self, purpose: str) -> list[bytes]:
        """Derive a key of 32 bytes from each secret (HKDF-SHA256, RFC 5869)."""
        info = f"connect-hub {purpose}".encode()
        return [HKDF(SHA256(), length=32, salt=None, info=info).derive(s) for s in self._secrets]


class CodeKeys:
    """What sign-in codes are computed with; a code itself is stored nowhere."""

    def __init__(self, keyring: Keyring) -> None:
        keys = keyring.derive("sign-in code")
        self._keys = {sha256(key).hexdigest()[:8]: key for key in keys}

    @property
    def known(self) -> list[str]:
        """The ids of all keys, the current one first."""
        return list(self._keys)

    def code(self, phone: str, *, key_id: str, nonce: bytes, length: int) -> str:
        """Compute the code of `length` digits that was sent to `phone`."""
        digest = hmac.digest(self._keys[key_id], phone.encode() + b"\0" + nonce, sha256)
        return f"{int.from_bytes(digest) % 10**length:0{length}}"


@dataclass(frozen=True)
class Claims:
    """What a verified access token says."""

    client_id: UUID


@dataclass(frozen=True)
class AccessToken:
    """A freshly signed access token; never shown in a repr."""

    value: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at!r})"


class AccessTokens:
    """Issues and verifies access tokens: JWT (RFC 9068) signed with EdDSA (Ed25519, RFC 8037)."""

    def __init__(
        self, keyring: Keyring, *, issuer: str, audience: str, lifetime: timedelta
    ) -> None:
        keys = [Ed25519PrivateKey.from_private_bytes(k) for k in keyring.derive("access token")]
        self._signing_key = keys[0]
        self._signing_key_id = _thumbprint(keys[0])
        self._public_keys = {_thumbprint(key): key.public_key() for key in keys}
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime

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
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt":
                raise InvalidTokenError("This is not an access token.")
            claims = jwt.decode(
                token,
                self._public_keys[header["kid"]],
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": sorted(_CLAIMS),
                    "verify_exp": False,  # at `now`, below
                    "verify_iat": False,
                },
            )
            issued_at = datetime.fromtimestamp(claims["iat"], UTC)
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
            client_id = UUID(claims["sub"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise InvalidTokenError("The bearer token is not one of ours; sign in again.") from None
        if issued_at > now + _LEEWAY:
            raise InvalidTokenError("The bearer token is from the future; sign in again.")
        if expires_at <= now - _LEEWAY:
            raise InvalidTokenError("The bearer token has expired; sign in again.")
        return Claims(client_id)


def _decode(secret: str) -> bytes:
    try:
        raw = b64decode(secret, validate=True)
    except ValueError:
        raw = b""
    if len(raw) < SECRET_BYTES or len(set(raw)) < _DISTINCT_BYTES:
        raise StartupError(
            "SECRET_KEY takes base64 of at least 32 random bytes, or several, comma-separated:"
            " `connect-hub secret` prints one."
        )
    return raw


def _thumbprint(key: Ed25519PrivateKey) -> str:
    """Name a key by the SHA-256 of its public half as a JWK (RFC 7638, RFC 8037 appendix A.3)."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{_base64url(public)}"}}'
    return _base64url(sha256(jwk.encode()).digest())


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
