"""What clients see of the limits that refused a request."""

from datetime import datetime
from typing import Self

import strawberry
from strawberry import field

from connect_hub.api.seconds import seconds_down
from connect_hub.domain import refusals


def _described(limits: type[refusals.Limit]) -> None:
    """Make an enum of the schema, whose values in Python are their descriptions."""
    strawberry.enum(limits, name="RequestLimit", description="What a request was counted by.")
    for value in limits.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = value.value


_described(refusals.Limit)


@strawberry.type(description="A code that was sent and still works: ask for it.")
class LiveCode:
    """Built from a live code."""

    code_length: int = field(description="How many digits to ask for.")
    expires_at: datetime = field(description="When the code stops working.")
    expires_in: int = field(description="The same in seconds from now, rounded down.")

    @classmethod
    def of(cls, code: refusals.LiveCode, *, now: datetime) -> Self:
        """Show a code, never its digits."""
        return cls(
            code_length=code.length,
            expires_at=code.expires_at,
            expires_in=seconds_down(code.expires_at - now),
        )
