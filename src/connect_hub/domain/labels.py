"""How an inviter reads the clients whom it invited, by the setting INVITED_PHONES."""

import phonenumbers
from phonenumbers import PhoneNumberFormat

from connect_hub.domain.invitations import Invited
from connect_hub.settings import InvitedPhones

_SHOWN_AT_THE_END = 2  # digits
_SHOWN_AT_THE_START = 3  # digits after the country code, fewer if the number is short
_HIDDEN = 4  # digits at least


def label(invited: Invited, *, phones: InvitedPhones) -> str:
    """Name a client for people: by its name, its phone or a part of its id.

    Args:
        invited: the client.
        phones: how much of the phone the inviter may see.
    """
    if invited.name:
        return invited.name
    if phones == "hidden":
        return f"#{str(invited.id)[:4]}"
    number = phonenumbers.parse(invited.phone)
    text = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    return text if phones == "full" else _masked(text, country_code=str(number.country_code))


def _masked(text: str, *, country_code: str) -> str:
    """Replace the middle digits by dots, as in +7 999 •••-••-67."""
    digits = sum(character.isdigit() for character in text) - len(country_code)
    start = min(_SHOWN_AT_THE_START, max(0, digits - _SHOWN_AT_THE_END - _HIDDEN))
    masked, place = "", -len(country_code)
    for character in text:
        is_hidden = start <= place < digits - _SHOWN_AT_THE_END
        masked += "•" if character.isdigit() and is_hidden else character
        place += character.isdigit()
    return masked
