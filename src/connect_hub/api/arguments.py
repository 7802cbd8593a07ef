"""Arguments of the operations: their types, and their descriptions in the schema."""

from typing import Annotated

import strawberry

from connect_hub.api.context import Context
from connect_hub.api.graphql_errors import BadUserInputError
from connect_hub.api.services import Services

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
Bind = Annotated[
    bool,
    strawberry.argument(
        description="Bind the code to this request: it then works only together with `requestId`"
        " of the answer, so that nobody else can guess at it."
    ),
]
ResendRequestId = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The `requestId` of an earlier answer, to send its code again. If that code no"
        " longer works, a new one is sent, with a new `requestId`."
    ),
]
RequestId = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The `requestId` of the answer to `requestCode`, if it has one. A server with"
        " REQUEST_ID=required needs it."
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


def given_request_id(argument: str | None, services: Services) -> str | None:
    """Return the id of a request; None if the code is a shared one.

    Raises:
        BadUserInputError: it was left out, although all codes are bound.
    """
    request_id = given(argument)
    if request_id is None and services.settings.request_id == "required":
        raise BadUserInputError(
            "`requestId` must be that of the answer to `requestCode`: this server binds each code"
            " to its request (REQUEST_ID=required)."
        )
    return request_id
