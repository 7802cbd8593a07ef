"""The digits of a sign-in code: those expected, and those typed."""

from string import digits as decimal_digits

from connect_hub.database.connections import Row
from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.user_input import MAX_LENGTH, compact
from connect_hub.security.keys import Keys
from connect_hub.settings import Settings


def expected_digits(phone: Phone, code: Row, *, keys: Keys, settings: Settings) -> str:
    """Compute the digits of a phone's code from its row, which does not store them.

    A test phone has a fixed code. It gets a computed one if the fixed code is shorter than the
    codes of a phone under attack. The digits are computed for test phones too, because faster
    answers would reveal which phones they are.
    """
    length = code["length"]
    computed = keys.code(phone.e164, key_id=code["key_id"], nonce=code["nonce"], length=length)
    fixed = settings.test_code(phone.e164)
    return fixed if fixed and len(fixed) == length else computed


def typed_digits(typed: str) -> str:
    """Convert the digits of any script to 0-9, and what is not a digit to "?".

    Text that cannot be a code counts as a guess too. If it were free, anyone could find out for
    free whether a phone has a live code.
    """
    if len(typed) > MAX_LENGTH:
        return "?"
    return "".join(sign if sign in decimal_digits else "?" for sign in compact(typed))
