"""What a client says about itself: the name that its inviter reads."""

import unicodedata

from connect_hub.database.connections import fetch
from connect_hub.database.models import Client
from connect_hub.domain.refusals import InvalidName
from connect_hub.domain.user_input import MAX_LENGTH, compact

MAX_NAME = 64  # characters
_REFUSED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, formats, surrogates and separators of lines


async def set_name(client: Client, name: str | None) -> Client:
    """Set the name of a client, or remove it.

    Args:
        client: the client.
        name: as typed; None or an empty text removes it.

    Raises:
        InvalidName: the text is too long, or has characters that people cannot see.
    """
    client.name = _parse(name) if name else None
    await fetch(
        "UPDATE client SET name = $2 WHERE id = $1 AND deleted_at IS NULL", client.id, client.name
    )
    return client


def _parse(text: str) -> str | None:
    if len(text) > MAX_LENGTH:
        raise InvalidName
    name = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(character) in _REFUSED for character in name):
        raise InvalidName
    name = name.strip()
    if len(name) > MAX_NAME or (name and not compact(name)):
        raise InvalidName
    return name or None
