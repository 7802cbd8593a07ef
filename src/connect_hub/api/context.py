"""What a resolver may use."""

from dataclasses import dataclass

from connect_hub.api.errors import UnauthenticatedError
from connect_hub.keys import Keys
from connect_hub.models import Client
from connect_hub.settings import Settings
from connect_hub.sms import SmsSender
from connect_hub.tokens import AccessTokens, RefreshTokens


@dataclass(kw_only=True)
class Context:
    """One a request; built in `app.py`."""

    settings: Settings
    sender: SmsSender
    keys: Keys
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    address: str  # of the client's network: what limits per address count by
    device: str  # as its User-Agent names it
    client: Client | None  # None for an anonymous request
    token_refusal: str | None  # why the bearer token that came is not accepted
    outcome: str = "ok"  # what the log says of this request

    @property
    def viewer(self) -> Client | None:
        """The signed-in client, or None for an anonymous request.

        Raises:
            UnauthenticatedError: a token came and is not accepted.
        """
        if self.token_refusal:
            raise UnauthenticatedError(self.token_refusal)
        return self.client

    @property
    def signed_in(self) -> Client:
        """The signed-in client.

        Raises:
            UnauthenticatedError: nobody is signed in.
        """
        if not (viewer := self.viewer):
            raise UnauthenticatedError("Sign in first: send 'Authorization: Bearer <accessToken>'.")
        return viewer
