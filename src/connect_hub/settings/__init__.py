"""Every setting, once: its name, unit and default.

Settings are read from the environment or a file `.env`. A wrong one stops the start with one line.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from connect_hub.settings.origins import canonical_host, canonical_origin
from connect_hub.settings.sources import EnvFile, EnvFileError, Environment, read_env_file


class StartupError(Exception):
    """The start stops here; the message is a sentence that says what to do."""


def _default_data_dir() -> Path:
    if os.geteuid() != 0:
        with suppress(RuntimeError):  # this user has no home
            return user_data_path("connect-hub")
    return Path("/var/lib/connect-hub")


SIMULATED = "simulated://"  # in place of a gateway's URL
LONG_CODE = 8  # digits, of the codes of a phone under attack

_UNITS = {
    "": timedelta(seconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_WEB = ("http://", "https://")
_PORT = re.compile(r":\d*$")
_OTLP_URL = re.compile(r"https?://[A-Za-z0-9_.\[\]:-]+(/[^?#\s]*)?")
_MAPPED = ip_network("::ffff:0:0/96")
_ANDROID_HASH = re.compile(r"[A-Za-z0-9+/]{11}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_DURATION = re.compile(r"(\d{1,12}) *(s|min|hour|day|)s?")
_LONGEST = timedelta(days=50 * 365)  # in seconds, GraphQL's Int holds 68 years
_LONGEST_WAIT = timedelta(days=1)  # of a process
_MOST_USES = 100_000


def _parse_duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    duration = None
    if match := _DURATION.fullmatch(value.strip()):
        duration = _times(int(match[1]), _UNITS[match[2]])
    if duration is None:
        raise ValueError(
            "takes a duration such as '90' (seconds), '5 min', '12 hours' or '30 days', of at most"
            " 50 years"
        )
    return duration


def _times(count: int, unit: timedelta) -> timedelta | None:
    return count * unit if count <= _LONGEST // unit else None


def _check_wait(wait: timedelta) -> timedelta:
    if wait > _LONGEST_WAIT:
        raise ValueError("takes a duration of at most a day")
    return wait


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part for part in (part.strip() for part in value.split(",")) if part)


def _parse_durations(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_parse_duration(part) for part in value.split(","))


def _parse_countries(value: object) -> object:
    countries = _split(value)
    if isinstance(countries, tuple) and not all(map(_COUNTRY.fullmatch, countries)):
        raise ValueError("takes countries by their ISO 3166 codes, such as 'DE,RU'")
    return countries


def _parse_country(value: object) -> object:
    if isinstance(value, str) and not _COUNTRY.fullmatch(value):
        raise ValueError("takes one country by its ISO 3166 code, such as 'RU'")
    return value


def _parse_hosts(value: object) -> object:
    hosts = _split(value)
    if isinstance(hosts, tuple) and not all(map(_is_host, hosts)):
        raise ValueError("takes names or addresses without a port; '*.example.com' and '*' too")
    return hosts


def _is_host(text: str) -> bool:
    name = text.removeprefix("*.")
    return text == "*" or bool(canonical_host(name) and not _PORT.search(name))


def _parse_origins(value: object) -> object:
    origins = _split(value)
    if isinstance(origins, tuple) and not all(o == "*" or canonical_origin(o) for o in origins):
        raise ValueError(
            "takes origins such as 'https://app.example.com' or 'capacitor://localhost', without a"
            " path"
        )
    return origins


def _parse_public_url(value: object) -> object:
    if isinstance(value, str) and not (canonical_origin(value) or "").startswith(_WEB):
        raise ValueError("takes a URL such as 'https://app.example.com', without a path")
    return value


def _parse_path(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        path = Path(value.strip()).expanduser()
    except RuntimeError:
        raise ValueError(
            f"takes a path, and the home folder of {value.partition('/')[0]} is not known: write"
            " it in full"
        ) from None
    if not value.strip():
        raise ValueError("takes a path, not blanks")
    return path


def _parse_networks(value: object) -> object:
    texts = _split(value)
    return tuple(map(_parse_network, texts)) if isinstance(texts, tuple) else texts


def _parse_network(text: object) -> object:
    """Read a network; one of IPv4 addresses mapped into IPv6 is one of IPv4."""
    if not isinstance(text, str):
        return text
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            "takes addresses and networks, such as '10.0.0.0/8' or '2001:db8::/32'"
        ) from None
    if "/" in text and str(network.network_address) != str(ip_address(text.partition("/")[0])):
        raise ValueError(f"takes networks, and {text} is an address in one: write {network}")
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped and network.prefixlen >= _MAPPED.prefixlen:  # peers are compared as IPv4 addresses
        return ip_network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


def _parse_listen_host(value: object) -> object:
    """Read an address to listen on; one of IPv6 may have brackets, as in a URL."""
    return value.removeprefix("[").removesuffix("]") if isinstance(value, str) else value


def _parse_otlp_url(value: object) -> object:
    if isinstance(value, str) and not _OTLP_URL.fullmatch(value):
        raise ValueError("takes the URL of a collector such as 'http://127.0.0.1:4318'")
    return value


def _parse_android_hash(value: object) -> object:
    if isinstance(value, str) and not _ANDROID_HASH.fullmatch(value):
        raise ValueError("takes the 11 characters that Android's AppSignatureHelper shows")
    return value


@dataclass(frozen=True)
class Audience:
    """Another service that takes our access tokens, and how long each of them is valid there."""

    name: str  # the claim `aud`
    lifetime: timedelta


_AUDIENCE = re.compile(r"[!-~]{1,200}")


def _parse_audiences(value: object) -> object:
    parts = _split(value)
    return tuple(map(_parse_audience, parts)) if isinstance(parts, tuple) else parts


def _parse_audience(text: object) -> object:
    if not isinstance(text, str):
        return text
    name, _, lifetime = text.rpartition(":")
    if not _AUDIENCE.fullmatch(name):
        raise ValueError(
            "takes services and the lifetimes of their tokens, such as 'billing:5 min'"
        )
    duration = _parse_duration(lifetime)
    if not isinstance(duration, timedelta) or not duration:
        raise ValueError("takes a lifetime above zero for each service, such as 'billing:5 min'")
    return Audience(name, duration)


@dataclass(frozen=True)
class Rate:
    """At most `count` in any `period`."""

    count: int
    period: timedelta


@dataclass(frozen=True)
class TestPhone:
    """A phone that signs in by a fixed code, without an SMS, until the end of a day (UTC)."""

    __test__ = False  # pytest takes it for a class of tests

    number: str = field(repr=False)  # E.164
    code: str = field(repr=False)
    until: date

    @property
    def in_force(self) -> bool:
        """Whether its day has not passed; then it is a phone like any other."""
        return datetime.now(UTC).date() <= self.until


_TEST_PHONE = re.compile(r"(\+[1-9]\d{6,14}):(\d{4,8}):(\d{4}-\d{2}-\d{2})", re.ASCII)
_LONGEST_TEST = timedelta(days=90)
EXAMPLES = {"+79990000001", "+79991234567", "+79991234568"}  # in our documentation


def _parse_test_phones(value: object) -> object:
    parts = _split(value)
    return tuple(map(_parse_test_phone, parts)) if isinstance(parts, tuple) else parts


def _parse_test_phone(text: object) -> object:
    if not isinstance(text, str):
        return text
    until = None
    if match := _TEST_PHONE.fullmatch(text):
        with suppress(ValueError):
            until = date.fromisoformat(match[3])
    if not match or not until:
        raise ValueError(
            "takes a number, a code and a last day each, such as '+79990000001:1234:2026-12-31'"
        )
    if match[1] in EXAMPLES:
        raise ValueError(
            "does not take the numbers of the documentation, which everybody knows;"
            " take a number of your own"
        )
    if until > datetime.now(UTC).date() + _LONGEST_TEST:
        raise ValueError("takes a last day that is at most 90 days away")
    return TestPhone(match[1], match[2], until)


_RATE = re.compile(r"([1-9]\d{0,11})/([1-9]\d{0,11})?(s|min|hour|day)s?")


def _parse_rates(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_parse_rate(part.strip()) for part in value.split(";"))


def _parse_rate(text: str) -> Rate:
    period = None
    if match := _RATE.fullmatch(text):
        period = _times(int(match[2] or 1), _UNITS[match[3]])
    if not match or not period:
        raise ValueError(
            "takes rates such as '30/hour' or '10/day;100/180days', in periods of at most 50 years"
        )
    if int(match[1]) > _MOST_USES:
        raise ValueError(
            f"takes rates of at most {_MOST_USES} uses in a period, since the time of each is"
            " stored: take fewer in a shorter period"
        )
    return Rate(int(match[1]), period)


def _parse_rates_or_none(value: object) -> object:
    return () if value == "none" else _parse_rates(value)


Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]
Life = Annotated[Duration, Field(gt=timedelta())]
Wait = Annotated[Duration, AfterValidator(_check_wait)]
PositiveWait = Annotated[Wait, Field(gt=timedelta())]
Durations = Annotated[
    tuple[timedelta, ...], Field(min_length=1), NoDecode, BeforeValidator(_parse_durations)
]
Rates = Annotated[tuple[Rate, ...], Field(min_length=1), NoDecode, BeforeValidator(_parse_rates)]
RatesOrNone = Annotated[tuple[Rate, ...], NoDecode, BeforeValidator(_parse_rates_or_none)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]

Country = Annotated[str, BeforeValidator(_parse_country)]
Countries = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_countries)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_hosts)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_parse_networks)]
ListenHost = Annotated[str, BeforeValidator(_parse_listen_host)]
FilePath = Annotated[Path, BeforeValidator(_parse_path)]
PublicUrl = Annotated[str, BeforeValidator(_parse_public_url)]
OtlpUrl = Annotated[str, BeforeValidator(_parse_otlp_url)]
AndroidHash = Annotated[str, BeforeValidator(_parse_android_hash)]
Audiences = Annotated[tuple[Audience, ...], NoDecode, BeforeValidator(_parse_audiences)]
TestPhones = Annotated[tuple[TestPhone, ...], NoDecode, BeforeValidator(_parse_test_phones)]


class Settings(BaseSettings):
    """All settings; the names are those of the environment, in lower case."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    database_url: SecretStr | None = None
    direct_database_url: SecretStr | None = None
    migration_database_url: SecretStr | None = None
    data_dir: FilePath = Field(default_factory=_default_data_dir)
    secret_key: SecretStr | None = None
    issuer: str = "connect-hub"
    audience: str = "connect-hub"
    audiences: Audiences = ()
    host: ListenHost = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    keep_alive: PositiveWait = timedelta(seconds=75)
    stop_delay: Wait = timedelta(seconds=0)
    stop_within: PositiveWait = timedelta(seconds=10)
    allowed_hosts: Hosts = ("localhost", "127.0.0.1", "[::1]")
    connections_per_network: int = Field(default=256, ge=1, le=1_000_000)
    trusted_proxies: Networks = ()
    cors_origins: Origins = ()
    hsts: Duration | None = None
    public_url: PublicUrl | None = None
    metrics_host: ListenHost = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    otel_exporter_otlp_endpoint: OtlpUrl | None = None
    sms_urls: Words = Field(default=(), repr=False)
    simulation_is_public: bool = False
    sms_timeout: PositiveWait = timedelta(seconds=10)
    sms_android_hash: AndroidHash | None = None
    sms_countries: Countries = ()
    default_country: Country | None = None
    test_phones: TestPhones = ()
    code_length: int = Field(default=4, ge=4, le=7)
    code_lifetime: Life = timedelta(minutes=5)
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
    sends_total: RatesOrNone | None = None  # (): without limit, and that on purpose
    pumping_guard: Literal["off", "alarm", "block"] = "alarm"
    unknown_invitations_per_client: Rates = (Rate(10, timedelta(days=1)),)
    access_token_lifetime: Life = timedelta(minutes=60)
    # A use is noted once a minute.
    session_idle_lifetime: Life = Field(default=timedelta(days=30), ge=timedelta(minutes=2))
    session_lifetime: Life = timedelta(days=180)
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
        """Read the environment and `.env` in our own ways."""
        del env_settings, file_secret_settings
        env_file = cast("EnvFile", dotenv_settings).env_file
        return init_settings, Environment(settings_cls), EnvFile(settings_cls, env_file)

    @field_validator("*", mode="before")
    @classmethod
    def _check_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("takes text in UTF-8")  # other bytes become surrogates
        return value.strip()

    @property
    def embedded(self) -> bool:
        """Whether the database is our own embedded PostgreSQL."""
        return self.database_url is None

    @property
    def has_gateway(self) -> bool:
        """Whether SMS are really sent."""
        return any(not url.startswith(SIMULATED) for url in self.sms_urls)

    @property
    def public_host(self) -> str | None:
        """The host of PUBLIC_URL, if it is a name that others know."""
        origin = canonical_origin(self.public_url or "") or ""
        host = canonical_host(origin.partition("://")[2]) or ""
        is_address = host.rpartition(".")[2].isdigit()  # of IPv4; those of IPv6 have no dot
        return host if "." in host and not is_address else None

    def test_code(self, number: str) -> str | None:
        """Find the fixed code of a test phone in force."""
        phones = [phone for phone in self.test_phones if phone.number == number and phone.in_force]
        return phones[0].code if phones else None

    @model_validator(mode="after")
    def _say_which_codes_test_phones_take(self) -> Self:
        lengths = {self.code_length, LONG_CODE}
        if any(len(phone.code) not in lengths for phone in self.test_phones):
            raise ValueError(
                f"TEST_PHONES takes codes of {self.code_length} digits (CODE_LENGTH),"
                f" or of {LONG_CODE}"
            )
        return self

    @model_validator(mode="after")
    def _say_that_a_test_phone_has_one_code(self) -> Self:
        if len({phone.number for phone in self.test_phones}) < len(self.test_phones):
            raise ValueError("TEST_PHONES names each number once: remove the others")
        return self

    @model_validator(mode="after")
    def _say_which_audiences_are_others(self) -> Self:
        names = [self.audience, *(other.name for other in self.audiences)]
        if len(set(names)) < len(names):
            raise ValueError(
                "AUDIENCES names each service once, and not our own AUDIENCE: rename one of them"
            )
        return self

    @model_validator(mode="after")
    def _say_what_trusted_documents_need(self) -> Self:
        if self.trusted_documents_only and not self.trusted_documents:
            raise ValueError("TRUSTED_DOCUMENTS_ONLY takes TRUSTED_DOCUMENTS beside it: a manifest")
        return self

    @model_validator(mode="after")
    def _say_what_an_own_database_needs(self) -> Self:
        if self.embedded:
            for name in ("direct_database_url", "migration_database_url"):
                if getattr(self, name):
                    raise ValueError(f"{name.upper()} takes DATABASE_URL beside it")
            return self
        if self.secret_key is None:
            raise ValueError(
                "SECRET_KEY must be set once DATABASE_URL is: `connect-hub secret` prints a new one"
            )
        if not self.sms_urls:
            raise ValueError(
                "SMS_URLS must be set once DATABASE_URL is: a gateway, or simulated:// to hand each"
                " code to whoever asks for it"
            )
        return self


def load_to_serve() -> Settings:
    """Read the settings of a server, which must say how many SMS may be sent.

    Raises:
        StartupError: one line for the first setting that is wrong or missing.
    """
    settings = load()
    if settings.has_gateway and settings.sends_total is None:
        raise StartupError(
            "SENDS_TOTAL must be set once SMS_URLS names a gateway, since each SMS costs money:"
            " a rate such as 2000/day, or none for no limit."
        )
    return settings


def load() -> Settings:
    """Read the settings.

    Raises:
        StartupError: one line for the first setting that is wrong or missing.
    """
    try:
        read_env_file(Path(".env"))  # pydantic-settings reads it too, and would fail without words
        return Settings()
    except EnvFileError as error:
        raise StartupError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        raise StartupError(f"{name}: {message}." if name else f"{message}.") from None
