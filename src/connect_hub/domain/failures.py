"""The log lines of failed sign-ins: they identify an attacker without showing the phone."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from connect_hub.domain.phone_numbers import Phone
from connect_hub.domain.refusals import Refusal
from connect_hub.security.keys import Keys

_PSEUDONYM_LENGTH = 16  # hexadecimal digits

log = structlog.get_logger()


@contextmanager
def log_refusals(operation: str, phone: Phone, *, address: str, keys: Keys) -> Iterator[None]:
    """Log each refusal in the block with a pseudonym of the phone.

    A phone keeps its pseudonym until SECRET_KEY changes.
    """
    try:
        yield
    except Refusal as refusal:
        pseudonym = keys.pseudonym(phone.e164, purpose="log").hex()[:_PSEUDONYM_LENGTH]
        log.info(
            "sign-in failed",
            operation=operation,
            reason=type(refusal).__name__,
            phone=pseudonym,
            network=address,
        )
        raise
