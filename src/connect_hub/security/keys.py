"""Every key, derived from SECRET_KEY by purpose."""

import hmac
import os
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from tempfile import NamedTemporaryFile

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from connect_hub.settings import StartupError

SECRET_BYTES = 32
_DISTINCT_BYTES = 16  # 32 random bytes hold 28 to 32 distinct ones; a typed phrase does not


def new_secret() -> str:
    """Make a fresh value for SECRET_KEY: base64 of 32 random bytes."""
    return b64encode(token_bytes(SECRET_BYTES)).decode()


def kept_secret(folder: Path) -> str:
    """Read the secret kept in a folder; make it first, readable by its owner only.

    Raises:
        StartupError: the folder cannot be used, or the file in it is no secret.
    """
    file = folder / "secret_key"
    try:
        if not file.exists():
            _keep(new_secret(), file)
        secret = file.read_text()
        _decode(secret.strip())
    except (OSError, UnicodeError, StartupError) as error:
        raise StartupError(
            f"{file} cannot be used ({error}): make the folder writable, or set SECRET_KEY."
        ) from None
    return secret


def _keep(secret: str, file: Path) -> None:
    """Write a file that is whole, and on the disk, before it has its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent) as fresh:  # 0600
        fresh.write(secret)
        fresh.flush()
        os.fsync(fresh.fileno())
        with suppress(FileExistsError):
            file.hardlink_to(fresh.name)


class Keys:
    """The secrets of SECRET_KEY, the current one first, as keys for one purpose each.

    Raises:
        StartupError: what SECRET_KEY takes.
    """

    def __init__(self, secret_key: str) -> None:
        self._secrets = [_decode(part.strip()) for part in secret_key.split(",")]
        self._code_keys = {sha256(key).hexdigest()[:8]: key for key in self.derive("sign-in code")}
        # Whatever the order of the secrets: while they are being changed, limits begin anew once.
        self._subject_key = min(self.derive("allowance"))

    def derive(self, purpose: str) -> list[bytes]:
        """Derive a key of 32 bytes from each secret (HKDF-SHA256, RFC 5869)."""
        info = f"connect-hub {purpose}".encode()
        return [HKDF(SHA256(), length=32, salt=None, info=info).derive(s) for s in self._secrets]

    @property
    def code_key_ids(self) -> list[str]:
        """The ids of the keys that sign-in codes are computed with, the current one first."""
        return list(self._code_keys)

    def code(self, phone: str, *, key_id: str, nonce: bytes, length: int) -> str:
        """Compute the sign-in code of `length` digits; it is stored nowhere."""
        digest = hmac.digest(self._code_keys[key_id], phone.encode() + b"\0" + nonce, sha256)
        return f"{int.from_bytes(digest) % 10**length:0{length}}"

    def pseudonym(self, subject: str, *, purpose: str) -> bytes:
        """Stand in for a phone or an address where it must not be stored itself."""
        return hmac.digest(self._subject_key, f"{purpose}\0{subject}".encode(), sha256)


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
