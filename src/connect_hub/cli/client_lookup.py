"""Finds the client that a command is about."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from connect_hub.cli.database import RESULT, run_with_database
from connect_hub.database.models import Client
from connect_hub.domain import phone_numbers
from connect_hub.domain.refusals import InvalidPhone
from connect_hub.settings import StartupError, load


def run_with_client(number: str, action: Callable[[Client], Awaitable[RESULT]]) -> RESULT:
    """Run an action on the client of a phone number, which may be in any usual format.

    Raises:
        StartupError: the phone is invalid, or nobody has it.
    """
    try:
        phone = phone_numbers.parse(number, country=load().default_country).e164
    except InvalidPhone as error:
        raise StartupError(str(error)) from None

    async def find_and_act() -> RESULT:
        client = await Client.get_or_none(phone=phone).prefetch_related("inviter")
        if client is None:
            raise StartupError("No client has this phone: check the number.")
        return await action(client)

    return run_with_database(find_and_act)


def run_with_client_or_deleted(
    phone_or_id: str, action: Callable[[Client], Awaitable[RESULT]]
) -> RESULT:
    """Run an action on the present client of a phone, or on any client by its id.

    Raises:
        StartupError: the phone is invalid, or there is no such client.
    """
    try:
        client_id = UUID(phone_or_id)
    except ValueError:
        return run_with_client(phone_or_id, action)

    async def find_and_act() -> RESULT:
        client = await Client.get_or_none(id=client_id)
        if client is None:
            raise StartupError("No client has this id: check it.")
        return await action(client)

    return run_with_database(find_and_act)
