"""Settings that are durations, such as `5 min`, and rates, such as `5/hour;10/day`."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

_UNITS = {
    "": timedelta(seconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_DURATION = re.compile(r"(\d{1,12}) *(s|min|hour|day|)s?")
_RATE = re.compile(r"([1-9]\d{0,11})/([1-9]\d{0,11})?(s|min|hour|day)s?")
_MAX_DURATION = timedelta(days=50 * 365)  # in seconds, GraphQL's Int holds 68 years
_MAX_WAIT = timedelta(days=1)
_MAX_USES = 100_000


@dataclass(frozen=True)
class Rate:
    """At most `count` uses in any `period`."""

    count: int
    period: timedelta


def parse_duration(value: object) -> object:
    """Read a duration from text; return other values as they are."""
    if not isinstance(value, str):
        return value
    duration = None
    if match := _DURATION.fullmatch(value.strip()):
        duration = _multiply(int(match[1]), _UNITS[match[2]])
    if duration is None:
        raise ValueError(
            "takes a duration such as '90' (seconds), '5 min', '12 hours' or '30 days', of at most"
            " 50 years"
        )
    return duration


def _multiply(count: int, unit: timedelta) -> timedelta | None:
    return count * unit if count <= _MAX_DURATION // unit else None


def _parse_durations(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(parse_duration(part) for part in value.split(","))


def _check_wait(wait: timedelta) -> timedelta:
    if wait > _MAX_WAIT:
        raise ValueError("takes a duration of at most a day")
    return wait


def _parse_rates(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_parse_rate(part.strip()) for part in value.split(";"))


def _parse_rates_or_none(value: object) -> object:
    return () if value == "none" else _parse_rates(value)


def _parse_rate(text: str) -> Rate:
    period = None
    if match := _RATE.fullmatch(text):
        period = _multiply(int(match[2] or 1), _UNITS[match[3]])
    if not match or not period:
        raise ValueError(
            "takes rates such as '30/hour' or '10/day;100/180days', in periods of at most 50 years"
        )
    if int(match[1]) > _MAX_USES:
        raise ValueError(
            f"takes rates of at most {_MAX_USES} uses in a period, since the time of each use is"
            " stored: set fewer in a shorter period"
        )
    return Rate(int(match[1]), period)


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Lifetime = Annotated[Duration, Field(gt=timedelta())]
Wait = Annotated[Duration, AfterValidator(_check_wait)]  # how long a process waits
PositiveWait = Annotated[Wait, Field(gt=timedelta())]
Durations = Annotated[
    tuple[timedelta, ...], Field(min_length=1), NoDecode, BeforeValidator(_parse_durations)
]
Rates = Annotated[tuple[Rate, ...], Field(min_length=1), NoDecode, BeforeValidator(_parse_rates)]
RatesOrNone = Annotated[tuple[Rate, ...], NoDecode, BeforeValidator(_parse_rates_or_none)]
