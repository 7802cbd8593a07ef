"""Phone numbers as people type them, understood as E.164."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NewType
from unicodedata import category, decimal, normalize

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from connect_hub.domain.refusals import InvalidPhone
from connect_hub.settings import Settings, StartupError

_LONGEST = 64  # characters; longer ones are not read
_NO_COUNTRY = "001"  # satellites and the like, whose SMS are the dearest
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


PhoneNumber = NewType("PhoneNumber", str)  # in E.164


@dataclass(frozen=True)
class Phone:
    """A valid mobile number."""

    e164: str = field(repr=False)
    country: str  # ISO 3166 code
    block: str  # + country code and 4 digits: what numbers bought together share


def parse(text: str) -> Phone:
    """Understand a number written internationally, with + or 00 (ITU-T E.164).

    Digits of any script, spaces, dashes, dots and brackets are read.

    Raises:
        InvalidPhone: it is no valid mobile number.
    """
    if len(text) > _LONGEST:
        raise InvalidPhone
    dialled = "".join(_dialled(text))
    if dialled.startswith("00"):
        dialled = "+" + dialled[2:]
    try:
        number = phonenumbers.parse(dialled)
    except phonenumbers.NumberParseException:
        raise InvalidPhone from None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        raise InvalidPhone
    country = phonenumbers.region_code_for_number(number)
    if country in {None, _NO_COUNTRY}:
        raise InvalidPhone
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    country_code = f"+{number.country_code}"
    return Phone(
        e164=e164,
        country=country,
        block=e164[: len(country_code) + 4],
    )


def check_test_phones(settings: Settings) -> None:
    """See that codes can be asked for every test phone.

    Raises:
        StartupError: one is no mobile number.
    """
    for test in settings.test_phones:
        try:
            known = parse(test.number).e164
        except InvalidPhone:
            known = None
        if known != test.number:
            raise StartupError(
                f"TEST_PHONES: {masked(test.number)} is no mobile number;"
                " take one that libphonenumber knows to be valid."
            )


def masked(number: str) -> str:
    """Show a number to those who know it already."""
    return f"{number[:4]}…{number[-2:]}"


def _dialled(text: str) -> Iterator[str]:
    """Yield digits and plus signs; skip what people write between them."""
    for character in normalize("NFKC", text.strip()):
        if character == "+":
            yield character
        elif character.isdecimal():
            yield str(decimal(character))
        elif category(character) not in {"Zs", "Pd", "Cf"} and character not in "().\t":
            raise InvalidPhone
