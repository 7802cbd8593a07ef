"""Phone numbers as people type them, understood as E.164."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NewType
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from connect_hub.domain.refusals import InvalidPhone
from connect_hub.domain.user_input import MAX_LENGTH, plain
from connect_hub.settings import Settings, StartupError

_MEANT = {"UK": "GB", "EL": "GR"}  # often written in place of ISO 3166 codes
_NO_COUNTRY = "001"  # satellites and the like, whose SMS are the dearest
# Plus, digits and libphonenumber's punctuation, whose x and ~ begin an extension.
_NUMBER = re.compile(r"[+\d\-./()\[\] x~\u223c]*", re.ASCII)
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


PhoneNumber = NewType("PhoneNumber", str)  # in E.164


@dataclass(frozen=True)
class Phone:
    """A valid mobile number."""

    e164: str = field(repr=False)
    country: str  # ISO 3166 code
    block: str  # + country code and 4 digits: what numbers bought together share


def parse(text: str, *, country: str | None = None) -> Phone:
    """Understand a number as people write it, with + or 00 (ITU-T E.164) or as a `tel:` URI.

    Digits of any script and the punctuation of libphonenumber are read; extensions are ignored.

    Args:
        text: what was typed or pasted.
        country: ISO 3166 code of the country whose national numbers are read too.

    Raises:
        InvalidPhone: it is no valid mobile number, or it can be read as two different ones.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidPhone
    phones = set(filter(None, (_phone(*reading) for reading in _readings(text, country))))
    if len(phones) != 1:
        raise InvalidPhone
    return phones.pop()


def check_countries(settings: Settings) -> None:
    """Check that SMS_COUNTRIES and DEFAULT_COUNTRY have phone numbers, and are served.

    Raises:
        StartupError: they do not, or are not.
    """
    default = settings.default_country
    named = [("SMS_COUNTRIES", code) for code in settings.sms_countries]
    for name, code in [*named, *([("DEFAULT_COUNTRY", default)] if default else [])]:
        if code not in phonenumbers.SUPPORTED_REGIONS:
            right = f"; write {_MEANT[code]}" if code in _MEANT else ""
            raise StartupError(
                f"{name}: {code} is not the ISO 3166 code of a country with phone numbers{right}."
            )
    if default and not _is_served(default, settings):
        raise StartupError(
            f"DEFAULT_COUNTRY: {default} is missing from SMS_COUNTRIES; add it there."
        )


def check_test_phones(settings: Settings) -> None:
    """Check that codes can be asked for every test phone.

    Raises:
        StartupError: one is not a mobile number, or of a country that is not served.
    """
    for test in settings.test_phones:
        phone = _phone(test.number, None)
        if phone is None or phone.e164 != test.number:
            raise StartupError(
                f"TEST_PHONES: {masked(test.number)} is no mobile number;"
                " take one that libphonenumber knows to be valid."
            )
        if not _is_served(phone.country, settings):
            raise StartupError(
                f"TEST_PHONES: {masked(test.number)} is a number of {phone.country}, which is"
                " missing from SMS_COUNTRIES; add it there."
            )


def _is_served(country: str, settings: Settings) -> bool:
    return not settings.sms_countries or country in settings.sms_countries


def masked(number: str) -> str:
    """Show a number to those who know it already."""
    return f"{number[:4]}…{number[-2:]}"


def _readings(text: str, country: str | None) -> Iterator[tuple[str, str | None]]:
    """List what a number may mean: digits with or without +, and the country they are dialled in.

    00 stands for + everywhere. Some countries dial abroad by other digits, or go on after 00:
    0011 in Australia.
    """
    dialled = _dialled(plain(text).strip().lower())
    if dialled.startswith("00"):
        yield "+" + dialled[2:], None
    yield dialled, country


def _dialled(text: str) -> str:
    """Drop what people write between digits; resolve a `tel:` URI (RFC 3966)."""
    if not text.startswith("tel:"):
        return _digits(text)
    number, *parameters = unquote(text.removeprefix("tel:")).split(";")
    for parameter in parameters:
        name, _, context = parameter.partition("=")
        if name == "phone-context" and not number.startswith("+"):
            number = context + number  # a domain name as context is refused for its letters
    return _digits(number)


def _digits(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidPhone
    return re.sub(r"[^+\dx~]", "", text)


def _phone(dialled: str, country: str | None) -> Phone | None:
    try:
        number = phonenumbers.parse(dialled, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        return None
    served = phonenumbers.region_code_for_number(number)
    if served in {None, _NO_COUNTRY}:
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    country_code = f"+{number.country_code}"
    return Phone(e164=e164, country=served, block=e164[: len(country_code) + 4])
