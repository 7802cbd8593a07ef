"""Arguments of the operations: their types, and their descriptions in the schema."""

from typing import Annotated

import strawberry

from connect_hub.api.context import Context

Info = strawberry.Info[Context, None]
Phone = Annotated[
    str,
    strawberry.argument(
        description="The phone number with + or 00 and the country code, as people type it, or a"
        " `tel:` URI. A server with a default country also accepts its national numbers."
    ),
]
Code = Annotated[
    str,
    strawberry.argument(
        description="The code in the SMS. Digits of any script and pasted spaces are accepted."
    ),
]
InvitationCode = Annotated[
    str,
    strawberry.argument(
        description="6 letters and digits, in any case, or a link that ends in `/i/` and the code."
    ),
]
OptionalInvitationCode = Annotated[
    str | None,
    strawberry.argument(
        description="The invitation code of another client: 6 letters and digits, in any case, or a"
        " link that ends in `/i/` and the code."
    ),
]
ClientName = Annotated[
    str | None,
    strawberry.argument(
        description="One line of at most 64 characters (Unicode NFC), without invisible characters."
    ),
]
RefreshToken = Annotated[
    str,
    strawberry.argument(
        description="The latest refresh token, or its predecessor if the latest was lost."
    ),
]
AudienceName = Annotated[
    str, strawberry.argument(description="The name of the service in the setting AUDIENCES.")
]
SessionId = Annotated[
    strawberry.ID | None,
    strawberry.argument(name="id", description="The id of one of the viewer's `sessions`."),
]


def given(argument: str | None) -> str | None:
    """Return an optional argument; None if it was left out."""
    return None if argument is strawberry.UNSET else argument
