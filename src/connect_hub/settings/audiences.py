"""The setting AUDIENCES: other services that accept our access tokens."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from connect_hub.settings.durations import parse_duration
from connect_hub.settings.lists import split_list

_NAME = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True)
class Audience:
    """Another service that accepts our access tokens, and how long each token is valid there."""

    name: str  # the claim `aud`
    lifetime: timedelta


def _parse_audiences(value: object) -> object:
    parts = split_list(value)
    return tuple(map(_parse_audience, parts)) if isinstance(parts, tuple) else parts


def _parse_audience(text: object) -> object:
    if not isinstance(text, str):
        return text
    name, _, lifetime = text.rpartition(":")
    if not _NAME.fullmatch(name):
        raise ValueError(
            "takes services and the lifetimes of their tokens, such as 'billing:5 min'"
        )
    duration = parse_duration(lifetime)
    if not isinstance(duration, timedelta) or not duration:
        raise ValueError("takes a lifetime above zero for each service, such as 'billing:5 min'")
    return Audience(name, duration)


Audiences = Annotated[tuple[Audience, ...], NoDecode, BeforeValidator(_parse_audiences)]
