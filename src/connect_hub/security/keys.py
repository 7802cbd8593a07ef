"""The keys that are derived from SECRET_KEY, one for each purpose."""

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

from connect_hub.settings import Settings, StartupError

SECRET_BYTES = 32
_MIN_DISTINCT_BYTES = 16  # 32 random bytes have nearly always 28 or more, a typed phrase has fewer


def new_secret() -> str:
    """Make a new value for SECRET_KEY: base64 of 32 random bytes."""
    return b64encode(token_bytes(SECRET_BYTES)).decode()


def load_keys(settings: Settings) -> "Keys":
    """Derive the keys from SECRET_KEY, or from the secret of the data folder.

    Raises:
        StartupError: SECRET_KEY is not valid, or the folder cannot be used.
    """
    secret = settings.secret_key
    return Keys(secret.get_secret_value() if secret else load_or_create_secret(settings.data_dir))


def load_or_create_secret(folder: Path) -> str:
    """Read the file `secret_key` of a folder; create it, readable by its owner only, if missing.

    Raises:
        StartupError: the folder is not writable, or the file does not contain a secret.
    """
    file = folder / "secret_key"
    try:
        if not file.exists():
            _write_secret(new_secret(), file)
        secret = file.read_text()
        _decode_secret(secret.strip())
    except (OSError, UnicodeError, StartupError) as error:
        raise StartupError(
            f"{file} cannot be used ({error}): make the folder writable, or set SECRET_KEY."
        ) from None
    return secret


def _write_secret(secret: str, file: Path) -> None:
    """Write a file that is complete and on the disk before it gets its name.

    If another process creates the file at the same time, the first one wins.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent) as temporary:  # mode 0600
        temporary.write(secret)
        temporary.flush()
        os.fsync(temporary.fileno())
        with suppress(FileExistsError):
            file.hardlink_to(temporary.name)


class Keys:
    """Keys derived from each secret in SECRET_KEY; the first secret is the current one.

    Raises:
        StartupError: SECRET_KEY is not valid.
    """

    def __init__(self, secret_key: str) -> None:
        self._secrets = [_decode_secret(part.strip()) for part in secret_key.split(",")]
        self._code_keys = {sha256(key).hexdigest()[:8]: key for key in self.derive("sign-in code")}
        # The key does not depend on the order of the secrets, so that a rotation resets the rate
        # limits only once.
        self._subject_key = min(self.derive("allowance"))

    def derive(self, purpose: str) -> list[bytes]:
        """Derive a key of 32 bytes from each secret (HKDF-SHA256, RFC 5869)."""
        info = f"connect-hub {purpose}".encode()
        return [HKDF(SHA256(), length=32, salt=None, info=info).derive(s) for s in self._secrets]

    @property
    def code_key_ids(self) -> list[str]:
        """The ids of the keys that compute sign-in codes, the current one first."""
        return list(self._code_keys)

    def code(self, phone: str, *, key_id: str, nonce: bytes, length: int) -> str:
        """Compute a sign-in code of `length` digits; the code itself is not stored."""
        digest = hmac.digest(self._code_keys[key_id], phone.encode() + b"\0" + nonce, sha256)
        return f"{int.from_bytes(digest) % 10**length:0{length}}"

    def pseudonym(self, subject: str, *, purpose: str) -> bytes:
        """Return a keyed hash that is stored or logged in place of a phone or an address."""
        return hmac.digest(self._subject_key, f"{purpose}\0{subject}".encode(), sha256)


def _decode_secret(secret: str) -> bytes:
    try:
        raw = b64decode(secret, validate=True)
    except ValueError:
        raw = b""
    if len(raw) < SECRET_BYTES or len(set(raw)) < _MIN_DISTINCT_BYTES:
        raise StartupError(
            "SECRET_KEY takes base64 of at least 32 random bytes, or several, comma-separated:"
            " `connect-hub secret` prints one."
        )
    return raw
