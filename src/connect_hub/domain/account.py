"""The account: moved to another phone, and deleted.

Both lock the same rows in the same order, code, client, sessions: so no two wait in a circle.
"""

import structlog
from tortoise.expressions import RawSQL
from tortoise.transactions import in_transaction

from connect_hub import sms
from connect_hub.domain import codes, phone, sessions
from connect_hub.domain.refusals import PhoneAlreadyRegistered
from connect_hub.keys import Keys
from connect_hub.models import Client, SignInCode
from connect_hub.settings import Settings

_NOTICE = (
    "Your account has moved to another phone number."
    " If that was not you, tell the people who run the app at once."
)

log = structlog.get_logger()


async def change_phone(  # noqa: PLR0913 (signing in takes five, and here is who and whom to tell)
    client: Client,
    number: str,
    code: str,
    *,
    address: str,
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
    async with in_transaction():
        moved = await codes.spend_on_move(confirmed, client)
        if moved:
            await sessions.end_others(client)
    if not moved:
        await codes.release(confirmed)
        raise PhoneAlreadyRegistered
    former, client.phone = client.phone, to.e164
    if former and former != client.phone:
        await _tell(former, sender)
    return client


async def _tell(former: str, sender: sms.SmsSender) -> None:
    try:
        await sender.send(sms.Message(former, _NOTICE))
    except Exception as error:  # noqa: BLE001 (the account has moved, whatever this is)
        log.warning("notice to a former phone not sent", reason=type(error).__name__)


async def delete(client: Client) -> None:
    """Erase a client but for its place in the invitations, which others hang on.

    Raises:
        ReauthenticationRequired
    """
    await sessions.check_fresh(client)
    async with in_transaction():
        await SignInCode.filter(phone=client.phone).delete()
        await Client.filter(id=client.id, deleted_at=None).update(
            phone=None, deleted_at=RawSQL("now()")
        )
        await sessions.end_all(client)
