"""Text as people type and paste it: digits of any script, and characters that nobody sees."""

from unicodedata import category, decimal, normalize

MAX_LENGTH = 250  # characters; the same as libphonenumber's
_INVISIBLE = {"Cc", "Cf", "Mn", "Me"}  # controls, formats, and marks such as variation selectors
_BLANK = "\u115f\u1160\u2800"  # letters and symbols by category, yet blank: Hangul fillers, Braille
_DASHES = "\u2053\u2212\u30fc"  # swung dash, minus, what Japanese input methods type for a dash


def plain(text: str) -> str:
    """Fold text to what a person sees in it.

    Digits of all scripts become 0 to 9, dashes "-", white space " "; what is invisible is dropped,
    and compatibility forms such as full-width letters are replaced (Unicode, NFKC).
    """
    return "".join(map(_plain, normalize("NFKC", text)))


def compact(text: str) -> str:
    """Fold text likewise, and drop the spaces and dashes that people group characters by."""
    return plain(text).replace(" ", "").replace("-", "")


def _plain(character: str) -> str:
    if character.isdecimal():
        return str(decimal(character))
    if character.isspace():
        return " "
    kind = category(character)
    if kind == "Pd" or character in _DASHES:
        return "-"
    return "" if kind in _INVISIBLE or character in _BLANK else character
