"""Normalises text that people type or paste: digits of any script, and invisible characters."""

import unicodedata

MAX_LENGTH = 250  # characters; the same as libphonenumber's
_INVISIBLE = {"Cc", "Cf", "Mn", "Me"}  # controls, formats, and marks such as variation selectors
_BLANK = "\u115f\u1160\u2800"  # blank letters and symbols: two Hangul fillers, the Braille blank
_DASHES = "\u2053\u2212\u30fc"  # swung dash, minus sign, Japanese prolonged sound mark


def normalize(text: str) -> str:
    """Convert text to the characters that a person sees in it.

    Digits of all scripts become 0-9, dashes become "-" and white space becomes " ". Invisible
    characters are removed. Compatibility forms such as full-width letters are replaced (Unicode
    NFKC).
    """
    return "".join(map(_normalize, unicodedata.normalize("NFKC", text)))


def compact(text: str) -> str:
    """Normalise text, and remove the spaces and dashes that group its characters."""
    return normalize(text).replace(" ", "").replace("-", "")


def _normalize(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Pd" or character in _DASHES:
        return "-"
    return "" if category in _INVISIBLE or character in _BLANK else character
