"""The base64url encoding of JSON Web Signatures (RFC 7515, section 2): without padding."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(raw: bytes) -> str:
    """Encode bytes."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode text; this also accepts what `is_canonical` does not.

    Raises:
        ValueError: the text is not base64url.
    """
    return urlsafe_b64decode(f"{text}==")


def is_canonical(text: str) -> bool:
    """Tell whether text is exactly what `encode` writes.

    Decoders also accept padding, other characters and any value of the unused last bits. So one
    token could be written in many ways, and each of them would occupy the cache of verified tokens.
    """
    return encode(decode(text)) == text
