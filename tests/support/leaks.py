"""Finds secrets in logs, metrics and spans, after every test."""

import re
from collections.abc import Iterable

_PHONE = r"\+\d{9,15}|(?<![\w.+-])7\d{10}(?![\w.])"
_ACCESS_TOKEN = r"eyJ[\w-]{10,}\.[\w-]+"
_REFRESH_TOKEN = r"[\w-]{22}\.\d+\.(?:[\w-]{12}\.)?[\w-]{43}"
_LEAK = f"{_PHONE}|{_ACCESS_TOKEN}|{_REFRESH_TOKEN}"


def leaks(output: str | bytes, codes: Iterable[str] = ()) -> list[str]:
    """Find phones, tokens and these codes, unless they are part of another number."""
    text = output if isinstance(output, str) else output.decode(errors="replace")
    sent = [rf"(?<![\w.:+-]){code}(?![\w.:-])" for code in codes]
    return re.findall("|".join([_LEAK, *sent]), text)


def codes_in(texts: Iterable[str]) -> set[str]:
    """Find the codes in the texts of messages."""
    return {code for text in texts for code in re.findall(r"\b\d{4,8}\b", text)}
