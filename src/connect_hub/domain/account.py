"""The account: moved to another phone, deleted and blocked.

All lock the same rows in the same order, code, client, sessions: so no two wait in a circle.
"""

import structlog
from tortoise.expressions import RawSQL

from connect_hub import sms, texts
from connect_hub.domain import codes, phone, sessions
from connect_hub.domain.refusals import PhoneAlreadyRegistered
from connect_hub.keys import Keys
from connect_hub.models import Client, SignInCode
from connect_hub.settings import Settings
from connect_hub.statements import transaction

log = structlog.get_logger()


async def change_phone(  # noqa: PLR0913 (signing in takes five, and here are who and whom to tell)
    client: Client,
    number: str,
    code: str,
    *,
    address: str,
    language: str,
    sender: sms.SmsSender,
    keys: Keys,
    settings: Settings,
) -> Client:
    """Move a client to a confirmed phone, end its other sessions and tell the former phone.

    Its own phone is taken as well: then there is nobody to tell.

    Raises:
        ReauthenticationRequired, InvalidPhone, InvalidCode, TooManyRequests
        PhoneAlreadyRegistered: the code is right, and stays unspent for `login`.
    """
    await sessions.check_fresh(client)
    to = phone.parse(number)
    confirmed = await codes.confirm(to, code, address=address, keys=keys, settings=settings)
    async with transaction():
        moved = await codes.spend_on_move(confirmed, client)
        ended = await sessions.end_all(client, but=client.session_id) if moved else 0
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
        to = phone.parse(former)
        text = texts.phone_changed(language=language)
        await sender.send(sms.Message(to.e164, to.country, text))
    except Exception as error:  # noqa: BLE001 (the account has moved, whatever this is)
        log.warning("notice to a former phone not sent", reason=type(error).__name__)


async def delete(client: Client) -> None:
    """Erase the client who asks.

    Raises:
        ReauthenticationRequired
    """
    await sessions.check_fresh(client)
    await erase(client)


async def erase(client: Client) -> None:
    """Erase a client but for its place in the invitations, which others hang on."""
    async with transaction():
        await SignInCode.filter(phone=client.phone).delete()
        await Client.filter(id=client.id, deleted_at=None).update(
            phone=None, deleted_at=RawSQL("now()")
        )
        ended = await sessions.end_all(client)
    log.info("client deleted", client=str(client.id), sessions=ended)


async def block(client: Client) -> int:
    """Keep a client from signing in, end its sessions and tell how many."""
    async with transaction():
        await Client.filter(id=client.id).select_for_update().get()  # who signs in now waits
        await Client.filter(id=client.id, blocked_at=None).update(blocked_at=RawSQL("now()"))
        ended = await sessions.end_all(client)
    log.info("client blocked", client=str(client.id), sessions=ended)
    return ended


async def unblock(client: Client) -> None:
    """Let a client sign in again."""
    await Client.filter(id=client.id).update(blocked_at=None)
    log.info("client unblocked", client=str(client.id))
