"""Settings about phones: countries, test phones, and the hash of an Android app."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from connect_hub.settings.lists import split_list

DOCUMENTED_NUMBERS = {"+79990000001", "+79991234567", "+79991234568"}  # examples in our docs

_COUNTRY = re.compile(r"[A-Z]{2}")
_ANDROID_HASH = re.compile(r"[A-Za-z0-9+/]{11}")
_TEST_PHONE = re.compile(r"(\+[1-9]\d{6,14}):(\d{4,8}):(\d{4}-\d{2}-\d{2})", re.ASCII)
_MAX_TEST_PERIOD = timedelta(days=90)


@dataclass(frozen=True)
class TestPhone:
    """A phone that signs in with a fixed code and without an SMS, until the end of a day (UTC)."""

    __test__ = False  # pytest would collect a class with this name

    number: str = field(repr=False)  # E.164
    code: str = field(repr=False)
    until: date

    @property
    def is_active(self) -> bool:
        """Whether its last day has not passed; after that it is treated like any other phone."""
        return datetime.now(UTC).date() <= self.until


def _parse_countries(value: object) -> object:
    countries = split_list(value)
    if isinstance(countries, tuple) and not all(map(_COUNTRY.fullmatch, countries)):
        raise ValueError("takes countries by their ISO 3166 codes, such as 'DE,RU'")
    return countries


def _parse_country(value: object) -> object:
    if isinstance(value, str) and not _COUNTRY.fullmatch(value):
        raise ValueError("takes one country by its ISO 3166 code, such as 'RU'")
    return value


def _parse_android_hash(value: object) -> object:
    if isinstance(value, str) and not _ANDROID_HASH.fullmatch(value):
        raise ValueError("takes the 11 characters that Android's AppSignatureHelper shows")
    return value


def _parse_test_phones(value: object) -> object:
    parts = split_list(value)
    return tuple(map(_parse_test_phone, parts)) if isinstance(parts, tuple) else parts


def _parse_test_phone(text: object) -> object:
    if not isinstance(text, str):
        return text
    until = None
    if match := _TEST_PHONE.fullmatch(text):
        with suppress(ValueError):
            until = date.fromisoformat(match[3])
    if not match or not until:
        raise ValueError(
            "takes a number, a code and a last day each, such as '+79990000001:1234:2026-12-31'"
        )
    if match[1] in DOCUMENTED_NUMBERS:
        raise ValueError(
            "does not take the numbers of the documentation, which everybody knows;"
            " take a number of your own"
        )
    if until > datetime.now(UTC).date() + _MAX_TEST_PERIOD:
        raise ValueError("takes a last day that is at most 90 days away")
    return TestPhone(match[1], match[2], until)


Country = Annotated[str, BeforeValidator(_parse_country)]
Countries = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_countries)]
AndroidHash = Annotated[str, BeforeValidator(_parse_android_hash)]
TestPhones = Annotated[tuple[TestPhone, ...], NoDecode, BeforeValidator(_parse_test_phones)]
