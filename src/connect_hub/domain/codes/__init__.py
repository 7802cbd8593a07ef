"""Sign-in codes.

- `requests`: the request that a code belongs to; a `shared` code belongs to its phone
- `issuing`: which code is sent for a request, a `bound` or a `shared` one, and the next wait
- `guess_limits`: how many wrong guesses a code and a phone accept
- `verification`: the comparison of a typed code, and what a wrong guess costs
- `consumption`: the use of a verified code, which works once
- `digits`: the digits of a code, expected and typed
"""

from connect_hub.domain.codes.consumption import (
    consume,
    consume_for_phone_change,
    consume_for_registration,
    delete,
)
from connect_hub.domain.codes.guess_limits import refund_unused
from connect_hub.domain.codes.issuing import IssuedCode, cancel_send, issue, record_sent
from connect_hub.domain.codes.verification import VerifiedCode, release, verify

__all__ = [
    "IssuedCode",
    "VerifiedCode",
    "cancel_send",
    "consume",
    "consume_for_phone_change",
    "consume_for_registration",
    "delete",
    "issue",
    "record_sent",
    "refund_unused",
    "release",
    "verify",
]
