"""Parses phone numbers that people type, into E.164."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NewType
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from connect_hub.domain.refusals import InvalidPhone
from connect_hub.domain.user_input import MAX_LENGTH, normalize
from connect_hub.settings import Settings, StartupError

_SUGGESTIONS = {"UK": "GB", "EL": "GR"}  # common mistakes for ISO 3166 codes
_NO_COUNTRY = "001"  # international networks such as satellites; their SMS are very expensive
# +, digits and the punctuation of libphonenumber; x and ~ begin an extension.
_PUNCTUATED = re.compile(r"[+\d\-./()\[\] x~\u223c]*", re.ASCII)
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


PhoneNumber = NewType("PhoneNumber", str)  # in E.164


@dataclass(frozen=True)
class Phone:
    """A valid mobile number."""

    e164: str = field(repr=False)
    country: str  # ISO 3166 code
    block: str  # + country code and 4 digits, the prefix of numbers that are sold together


def parse(text: str, *, country: str | None = None) -> Phone:
    """Parse a number written with + or 00 (ITU-T E.164), as a `tel:` URI or as a national number.

    Digits of any script and the punctuation of libphonenumber are accepted. Extensions are ignored.

    Args:
        text: the text as typed or pasted.
        country: ISO 3166 code of the country whose national numbers are accepted; None means that
            only international numbers are.

    Raises:
        InvalidPhone: the text is not a valid mobile number, or it can mean two different ones.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidPhone
    phones = set(filter(None, (_mobile(*meaning) for meaning in _meanings(text, country))))
    if len(phones) != 1:
        raise InvalidPhone
    return phones.pop()


def check_countries(settings: Settings) -> None:
    """Check the settings SMS_COUNTRIES and DEFAULT_COUNTRY.

    Raises:
        StartupError: a country has no phone numbers, or the default country is not served.
    """
    default = settings.default_country
    named = [("SMS_COUNTRIES", code) for code in settings.sms_countries]
    for name, code in [*named, *([("DEFAULT_COUNTRY", default)] if default else [])]:
        if code not in phonenumbers.SUPPORTED_REGIONS:
            remedy = f"write {_SUGGESTIONS[code]}" if code in _SUGGESTIONS else "correct it"
            raise StartupError(
                f"{name}: {code} is not the ISO 3166 code of a country with phone numbers;"
                f" {remedy}."
            )
    if default and not _is_served(default, settings):
        raise StartupError(
            f"DEFAULT_COUNTRY: {default} is missing from SMS_COUNTRIES; add it there."
        )


def check_test_phones(settings: Settings) -> None:
    """Check that codes can be requested for every phone in TEST_PHONES.

    Raises:
        StartupError: a number is not a mobile number, or its country is not served.
    """
    for test in settings.test_phones:
        phone = _mobile(test.number, None)
        if phone is None or phone.e164 != test.number:
            raise StartupError(
                f"TEST_PHONES: {mask(test.number)} is not a mobile number;"
                " use one that libphonenumber considers valid."
            )
        if not _is_served(phone.country, settings):
            raise StartupError(
                f"TEST_PHONES: {mask(test.number)} is a number of {phone.country}, which is"
                " missing from SMS_COUNTRIES; add it there."
            )


def _is_served(country: str, settings: Settings) -> bool:
    return not settings.sms_countries or country in settings.sms_countries


def mask(number: str) -> str:
    """Hide the middle of a number, so that only people who know it recognise it."""
    return f"{number[:4]}…{number[-2:]}"


def _meanings(text: str, country: str | None) -> Iterator[tuple[str, str | None]]:
    """List the possible meanings: digits with or without +, and the country of a national number.

    00 is accepted in place of + in every country. But some countries use other digits for
    international calls, and some of these begin with 00 too, such as 0011 in Australia. So digits
    that begin with 00 have two possible meanings.
    """
    dialled = _dialled_digits(normalize(text).strip().lower())
    if dialled.startswith("00"):
        yield "+" + dialled[2:], None
    yield dialled, country


def _dialled_digits(text: str) -> str:
    """Remove the punctuation of a number, and resolve a `tel:` URI (RFC 3966)."""
    if not text.startswith("tel:"):
        return _without_punctuation(text)
    number, *parameters = unquote(text.removeprefix("tel:")).split(";")
    for parameter in parameters:
        name, _, context = parameter.partition("=")
        if name == "phone-context" and not number.startswith("+"):
            number = context + number  # a domain name is rejected below, because of its letters
    return _without_punctuation(number)


def _without_punctuation(text: str) -> str:
    if not _PUNCTUATED.fullmatch(text):
        raise InvalidPhone
    return re.sub(r"[^+\dx~]", "", text)


def _mobile(dialled: str, country: str | None) -> Phone | None:
    try:
        number = phonenumbers.parse(dialled, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        return None
    region = phonenumbers.region_code_for_number(number)
    if region in {None, _NO_COUNTRY}:
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    country_code = f"+{number.country_code}"
    return Phone(e164=e164, country=region, block=e164[: len(country_code) + 4])
