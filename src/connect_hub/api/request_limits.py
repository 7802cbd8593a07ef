"""Types of the schema about limits that refuse requests."""

from datetime import datetime
from typing import Self

import strawberry
from strawberry import field

from connect_hub.api.seconds import seconds_down
from connect_hub.api.strawberry_internals import describe_enum_values
from connect_hub.domain import refusals

strawberry.enum(
    refusals.Limit, name="RequestLimit", description="The limits that can refuse a request."
)
describe_enum_values(refusals.Limit)


@strawberry.type(description="A code that was sent before and still works.")
class LiveCode:
    """Shows a live code, but never its digits."""

    code_length: int = field(description="The number of its digits.")
    expires_at: datetime = field(description="When the code stops working.")
    expires_in: int = field(description="The seconds until then, rounded down.")

    @classmethod
    def of(cls, code: refusals.LiveCode, *, now: datetime) -> Self:
        """Build it from the domain's code."""
        return cls(
            code_length=code.length,
            expires_at=code.expires_at,
            expires_in=seconds_down(code.expires_at - now),
        )
