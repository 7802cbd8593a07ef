"""Every setting: its name, default and limits. docs/configuration.md says what each one does."""

from datetime import timedelta
from typing import Literal, Self, cast

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from connect_hub.settings.audiences import Audiences
from connect_hub.settings.durations import (
    Duration,
    Durations,
    Lifetime,
    PositiveWait,
    Rate,
    Rates,
    RatesOrNone,
    Wait,
)
from connect_hub.settings.lists import Strings
from connect_hub.settings.network import Hosts, ListenHost, Networks, Origins, OtlpUrl, PublicUrl
from connect_hub.settings.origins import canonical_host, canonical_origin
from connect_hub.settings.paths import FilePath, default_data_dir
from connect_hub.settings.phones import AndroidHash, Countries, Country, TestPhones
from connect_hub.settings.sources import EnvFile, Environment
from connect_hub.settings.webhooks import HookUrl, WebhookUrls

SIMULATED = "simulated://"  # SMS_URLS begins with it if no gateway is used
InvitedPhones = Literal["full", "masked", "hidden"]
LONG_CODE = 8  # digits of the codes of a phone under attack


class Settings(BaseSettings):
    """All settings. A field's name is the variable's name in lower case."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    database_url: SecretStr | None = None
    direct_database_url: SecretStr | None = None
    migration_database_url: SecretStr | None = None
    data_dir: FilePath = Field(default_factory=default_data_dir)
    secret_key: SecretStr | None = None
    issuer: str = "connect-hub"
    audience: str = "connect-hub"
    audiences: Audiences = ()
    host: ListenHost = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    pool_size: int = Field(default=10, ge=1, le=1000)
    keep_alive: PositiveWait = timedelta(seconds=75)
    shutdown_delay: Wait = timedelta(seconds=0)
    shutdown_timeout: PositiveWait = timedelta(seconds=10)
    allowed_hosts: Hosts = ("localhost", "127.0.0.1", "[::1]")
    connections_per_network: int = Field(default=256, ge=1, le=1_000_000)
    trusted_proxies: Networks = ()
    cors_origins: Origins = ()
    hsts: Duration | None = None
    public_url: PublicUrl | None = None
    metrics_host: ListenHost = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    otel_exporter_otlp_endpoint: OtlpUrl | None = None
    sms_urls: Strings = Field(default=(), repr=False)
    simulation_is_public: bool = False
    sms_timeout: PositiveWait = timedelta(seconds=10)
    sms_android_hash: AndroidHash | None = None
    sms_countries: Countries = ()
    default_country: Country | None = None
    test_phones: TestPhones = ()
    code_length: int = Field(default=4, ge=4, le=7)
    code_lifetime: Lifetime = timedelta(minutes=5)
    request_id: Literal["optional", "required"] = "optional"
    resend_after: Durations = (
        timedelta(seconds=30),
        timedelta(seconds=60),
        timedelta(seconds=120),
    )
    guesses_per_code: int = Field(default=3, ge=1, le=100)
    guesses_per_phone: Rates = (Rate(10, timedelta(days=1)), Rate(100, timedelta(days=180)))
    guesses_per_address: Rates = (Rate(30, timedelta(hours=1)),)
    sends_per_phone: Rates = (Rate(5, timedelta(hours=1)), Rate(10, timedelta(days=1)))
    sends_per_phone_and_address: Rates = (Rate(4, timedelta(hours=1)), Rate(6, timedelta(days=1)))
    sends_per_address: Rates = (Rate(60, timedelta(hours=1)),)
    sends_total: RatesOrNone | None = None  # None: not set; (): explicitly unlimited
    pumping_guard: Literal["off", "alarm", "block"] = "alarm"
    registration: Literal["open", "invited", "closed"] = "open"
    invited_phones: InvitedPhones = "full"
    invitations_per_client: int | None = Field(default=None, ge=1, le=1_000_000_000)
    unknown_invitations: Rates = (Rate(10, timedelta(days=1)),)
    unknown_invitations_per_address: Rates = (Rate(30, timedelta(hours=1)),)
    sends_per_invitation: Rates = (Rate(20, timedelta(hours=1)),)
    access_token_lifetime: Lifetime = timedelta(minutes=60)
    # The last use of a session is stored to the minute, so its lifetime is some minutes at least.
    session_idle_lifetime: Lifetime = Field(default=timedelta(days=30), ge=timedelta(minutes=2))
    session_lifetime: Lifetime = timedelta(days=180)
    webhook_urls: WebhookUrls = Field(default=(), repr=False)
    # At least as long as the retries of an event take.
    events_kept: Lifetime = Field(default=timedelta(days=30), ge=timedelta(days=2))
    before_register_url: HookUrl | None = Field(default=None, repr=False)
    graphiql: bool = True
    introspection: bool = True
    trusted_documents: FilePath | None = None
    trusted_documents_only: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment and `.env` with our own sources."""
        del env_settings, file_secret_settings
        env_file = cast("EnvFile", dotenv_settings).env_file
        return init_settings, Environment(settings_cls), EnvFile(settings_cls, env_file)

    @field_validator("*", mode="before")
    @classmethod
    def _check_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("takes text in UTF-8")  # Python reads other bytes as surrogates
        return value.strip()

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded PostgreSQL."""
        return self.database_url is None

    @property
    def has_gateway(self) -> bool:
        """Whether SMS are sent through a gateway, not simulated."""
        return any(not url.startswith(SIMULATED) for url in self.sms_urls)

    @property
    def public_host(self) -> str | None:
        """The host of PUBLIC_URL if it is a public name: with a dot, and not an IP address."""
        origin = canonical_origin(self.public_url or "") or ""
        host = canonical_host(origin.partition("://")[2]) or ""
        is_ipv4 = host.rpartition(".")[2].isdigit()  # IPv6 has none, so it is excluded below
        return host if "." in host and not is_ipv4 else None

    def test_code(self, number: str) -> str | None:
        """Return the fixed code of an active test phone, None for other numbers."""
        phones = [phone for phone in self.test_phones if phone.number == number and phone.is_active]
        return phones[0].code if phones else None

    @model_validator(mode="after")
    def _check_code_lengths_of_test_phones(self) -> Self:
        lengths = {self.code_length, LONG_CODE}
        if any(len(phone.code) not in lengths for phone in self.test_phones):
            raise ValueError(
                f"TEST_PHONES takes codes of {self.code_length} digits (CODE_LENGTH),"
                f" or of {LONG_CODE}"
            )
        return self

    @model_validator(mode="after")
    def _check_test_phones_are_unique(self) -> Self:
        if len({phone.number for phone in self.test_phones}) < len(self.test_phones):
            raise ValueError("TEST_PHONES takes each number once: remove the duplicates")
        return self

    @model_validator(mode="after")
    def _check_audiences_are_unique(self) -> Self:
        names = [self.audience, *(other.name for other in self.audiences)]
        if len(set(names)) < len(names):
            raise ValueError(
                "AUDIENCES takes each service once, and not the name of AUDIENCE: rename one"
            )
        return self

    @model_validator(mode="after")
    def _check_trusted_documents(self) -> Self:
        if self.trusted_documents_only and not self.trusted_documents:
            raise ValueError(
                "TRUSTED_DOCUMENTS_ONLY needs TRUSTED_DOCUMENTS too: the path of a manifest"
            )
        return self

    @model_validator(mode="after")
    def _check_what_a_database_url_requires(self) -> Self:
        if self.embedded:
            for name in ("direct_database_url", "migration_database_url"):
                if getattr(self, name):
                    raise ValueError(f"{name.upper()} needs DATABASE_URL too")
            return self
        if self.secret_key is None:
            raise ValueError(
                "SECRET_KEY must be set if DATABASE_URL is: `connect-hub secret` prints a new one"
            )
        if not self.sms_urls:
            raise ValueError(
                "SMS_URLS must be set if DATABASE_URL is: a gateway, or simulated:// to return each"
                " code to whoever requests it"
            )
        return self
