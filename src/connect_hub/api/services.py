"""The objects that all requests of one process share."""

from dataclasses import dataclass

from connect_hub.domain.live_updates import LiveUpdates
from connect_hub.security.access_tokens import AccessTokens
from connect_hub.security.keys import Keys
from connect_hub.security.refresh_tokens import RefreshTokens
from connect_hub.server.authentication import TokenBackend
from connect_hub.server.client_address import ClientAddresses
from connect_hub.server.connection_limits import ConnectionLimits
from connect_hub.settings import Settings
from connect_hub.sms import SmsSender
from connect_hub.webhooks.registration_hook import RegistrationHook


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Created once in `app.py`."""

    settings: Settings
    sender: SmsSender
    keys: Keys
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    authentication: TokenBackend
    live_updates: LiveUpdates
    addresses: ClientAddresses
    connection_limits: ConnectionLimits
    registration_hook: RegistrationHook | None  # BEFORE_REGISTER_URL
