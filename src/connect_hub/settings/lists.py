"""Settings that are comma-separated lists."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def split_list(value: object) -> object:
    """Split a text at its commas, without blanks and empty parts; return other values as they are.

    A validator gets text from the environment, and values from code and tests.
    """
    if not isinstance(value, str):
        return value
    return tuple(part for part in (part.strip() for part in value.split(",")) if part)


Strings = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
