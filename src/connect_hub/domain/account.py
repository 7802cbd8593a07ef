"""The account of a client: change of phone, deletion and blocking.

Each function locks rows in the same order (code, client, sessions), so that they cannot deadlock.
"""

from datetime import timedelta

import structlog

from connect_hub import sms
from connect_hub.database.connections import fetch, timeout_reserving, transaction
from connect_hub.database.models import ERASED_COLUMNS, Client
from connect_hub.domain import codes, events, failures, phone_numbers, sessions
from connect_hub.domain.events import EndReason, origin_values
from connect_hub.domain.refusals import PhoneAlreadyRegistered
from connect_hub.domain.viewer import Viewer
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.sms import texts

_ANSWER_TIMEOUT = timedelta(
    seconds=2
)  # kept free of the deadline, so that the request is still answered

log = structlog.get_logger()


async def change_phone(  # noqa: PLR0913 (the arguments of a sign-in, the viewer, and those of a message)
    viewer: Viewer,
    number: str,
    code: str,
    *,
    request_id: str | None,
    address: str,
    language: str,
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> Client:
    """Change the viewer's phone, end its other sessions and notify the former phone.

    The viewer's current phone is accepted too; then no notice is sent.

    Args:
        viewer: the signed-in client.
        number: the new phone number as typed.
        code: the code as typed.
        request_id: of `request_code`, if the code is bound.
        address: the network of the request.
        language: the language of the notice.
        sender: sends the notice.
        keys: compute the expected code.
        settings: the limits.

    Raises:
        ReauthenticationRequired, InvalidPhone, InvalidCode, TooManyRequests
        PhoneAlreadyRegistered: the code is right, and remains valid for `login`.
    """
    await sessions.require_recent_sign_in(viewer)
    client = viewer.client
    phone = phone_numbers.parse(number, country=settings.default_country)
    with failures.log_refusals("changePhone", phone, address=address, keys=keys):
        verified = await codes.verify(
            phone, code, request_id=request_id, address=address, keys=keys, settings=settings
        )
        async with transaction():
            moved = await codes.consume_for_phone_change(verified, client)
            reason, keep = EndReason.PHONE_CHANGED, viewer.session_id
            ended = await sessions.end_all(client, reason=reason, keep=keep) if moved else 0
        if not moved:
            await codes.release(verified)
            raise PhoneAlreadyRegistered
    log.info("phone changed", client=str(client.id), sessions=ended)
    former, client.phone = client.phone, phone.e164
    if former and former != phone.e164 and not settings.test_code(former):
        await _notify(former, language=language, sender=sender)
    return client


async def _notify(former: str, *, language: str, sender: sms.SmsSender) -> None:
    try:
        phone = phone_numbers.parse(former)
        text = texts.phone_changed(language=language)
        async with timeout_reserving(_ANSWER_TIMEOUT):
            await sender.send(sms.Message(phone.e164, phone.country, text))
    except Exception as error:  # noqa: BLE001 (the phone is changed already, whatever the error is)
        log.warning("notice to a former phone not sent", reason=type(error).__name__)


async def delete(viewer: Viewer) -> None:
    """Erase the viewer.

    Raises:
        ReauthenticationRequired: the viewer signed in too long ago.
    """
    await sessions.require_recent_sign_in(viewer)
    await erase(viewer.client)


_ERASE = f"""
    WITH deleted AS (
        UPDATE client SET {" = NULL, ".join(ERASED_COLUMNS)} = NULL, deleted_at = now()
        WHERE id = $1 AND deleted_at IS NULL
        RETURNING id
    ), {events.write("client.deleted", source="deleted", origin=2)}
    SELECT FROM deleted
"""


async def erase(client: Client) -> None:
    """Erase a client's personal data, and end its sessions."""
    async with transaction():
        await codes.delete(client.phone)
        await fetch(_ERASE, client.id, *origin_values())
        ended = await sessions.end_all(client, reason=EndReason.DELETED)
        await events.erase_origins(client.id)
    log.info("client deleted", client=str(client.id), sessions=ended)


# FOR UPDATE makes concurrent sign-ins wait, which the weaker lock of this UPDATE would not. They
# could otherwise start a session after `end_all`.
_BLOCK = f"""
    WITH locked AS (SELECT id FROM client WHERE id = $1 FOR UPDATE),
    blocked AS (
        UPDATE client SET blocked_at = now()
        FROM locked WHERE client.id = locked.id AND blocked_at IS NULL
        RETURNING client.id
    ), {events.write("client.blocked", source="blocked", origin=2)}
    SELECT FROM locked
"""
_UNBLOCK = f"""
    WITH unblocked AS (
        UPDATE client SET blocked_at = NULL WHERE id = $1 AND blocked_at IS NOT NULL
        RETURNING id
    ), {events.write("client.unblocked", source="unblocked", origin=2)}
    SELECT FROM unblocked
"""


async def block(client: Client) -> int:
    """Block a client from signing in, end its sessions, and return how many."""
    async with transaction():
        await fetch(_BLOCK, client.id, *origin_values())
        ended = await sessions.end_all(client, reason=EndReason.BLOCKED)
    log.info("client blocked", client=str(client.id), sessions=ended)
    return ended


async def unblock(client: Client) -> None:
    """Let a client sign in again."""
    await fetch(_UNBLOCK, client.id, *origin_values())
    log.info("client unblocked", client=str(client.id))
