"""The account: moved to another phone, deleted and blocked.

All lock the same rows in the same order, code, client, sessions: so no two wait in a circle.
"""

from datetime import timedelta

import structlog

from connect_hub import sms
from connect_hub.database.connections import fetch, leaving, transaction
from connect_hub.database.models import Client
from connect_hub.domain import codes, failures, phone_numbers, sessions
from connect_hub.domain.refusals import PhoneAlreadyRegistered
from connect_hub.domain.sessions import Viewer
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings
from connect_hub.sms import texts

_ANSWERED_WITHIN = timedelta(seconds=2)  # once the former phone is told

log = structlog.get_logger()


async def change_phone(  # noqa: PLR0913 (signing in takes five, and here are who and whom to tell)
    viewer: Viewer,
    number: str,
    code: str,
    *,
    address: str,
    language: str,
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> Client:
    """Move the viewer to a confirmed phone, end its other sessions and tell the former phone.

    Its own phone is taken as well: then there is nobody to tell.

    Raises:
        ReauthenticationRequired, InvalidPhone, InvalidCode, TooManyRequests
        PhoneAlreadyRegistered: the code is right, and stays unspent for `login`.
    """
    await sessions.check_fresh(viewer)
    client = viewer.client
    to = phone_numbers.parse(number, country=settings.default_country)
    with failures.logged("changePhone", to, address=address, keys=keys):
        confirmed = await codes.confirm(to, code, address=address, keys=keys, settings=settings)
        async with transaction():
            moved = await codes.spend_on_move(confirmed, client)
            ended = await sessions.end_all(client, but=viewer.session_id) if moved else 0
        if not moved:
            await codes.release(confirmed)
            raise PhoneAlreadyRegistered
    log.info("phone changed", client=str(client.id), sessions=ended)
    former, client.phone = client.phone, to.e164
    if former and former != to.e164 and not settings.test_code(former):
        await _tell(former, language=language, sender=sender)
    return client


async def _tell(former: str, *, language: str, sender: sms.SmsSender) -> None:
    try:
        to = phone_numbers.parse(former)
        text = texts.phone_changed(language=language)
        async with leaving(_ANSWERED_WITHIN):
            await sender.send(sms.Message(to.e164, to.country, text))
    except Exception as error:  # noqa: BLE001 (the account has moved, whatever this is)
        log.warning("notice to a former phone not sent", reason=type(error).__name__)


async def delete(viewer: Viewer) -> None:
    """Erase the client who asks.

    Raises:
        ReauthenticationRequired
    """
    await sessions.check_fresh(viewer)
    await erase(viewer.client)


_ERASE = """
    UPDATE client SET phone = NULL, deleted_at = now() WHERE id = $1 AND deleted_at IS NULL
"""


async def erase(client: Client) -> None:
    """Erase a client but for its place in the invitations, which others hang on."""
    async with transaction():
        await codes.forget(client.phone)
        await fetch(_ERASE, client.id)
        ended = await sessions.end_all(client)
    log.info("client deleted", client=str(client.id), sessions=ended)


# Who signs in now waits for the lock, which an update of this column alone would not take.
_BLOCK = """
    WITH locked AS (SELECT id FROM client WHERE id = $1 FOR UPDATE)
    UPDATE client SET blocked_at = coalesce(blocked_at, now())
    FROM locked WHERE client.id = locked.id
"""


async def block(client: Client) -> int:
    """Keep a client from signing in, end its sessions and tell how many."""
    async with transaction():
        await fetch(_BLOCK, client.id)
        ended = await sessions.end_all(client)
    log.info("client blocked", client=str(client.id), sessions=ended)
    return ended


async def unblock(client: Client) -> None:
    """Let a client sign in again."""
    await fetch("UPDATE client SET blocked_at = NULL WHERE id = $1", client.id)
    log.info("client unblocked", client=str(client.id))
