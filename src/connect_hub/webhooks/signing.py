"""Standard Webhooks: the secret of a URL, and the headers of a request (standardwebhooks.com)."""

import hmac
from base64 import b64encode
from hashlib import sha256

from connect_hub.security.keys import Keys


def secrets_of(url: str, *, keys: Keys) -> list[bytes]:
    """Derive the secrets of a URL, one from each key in SECRET_KEY, the current one first.

    Args:
        url: in its canonical form.
        keys: derive the secrets.
    """
    return keys.derive(f"webhook {url}")


def printable_secret(secret: bytes) -> str:
    """Return a secret as libraries of Standard Webhooks read it."""
    return f"whsec_{b64encode(secret).decode()}"


def sign(body: bytes, *, message_id: str, timestamp: int, secrets: list[bytes]) -> dict[str, str]:
    """Return the headers that identify and sign a request; each secret makes a signature.

    Args:
        body: of the request.
        message_id: the same in all attempts.
        timestamp: of this attempt, in seconds since 1970.
        secrets: of the URL.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [b64encode(hmac.digest(secret, signed, sha256)).decode() for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
