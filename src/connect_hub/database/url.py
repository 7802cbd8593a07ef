"""Parses DATABASE_URL as libpq does, into the arguments of asyncpg."""

import re
import ssl
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from connect_hub.settings import StartupError

_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://"  # SQLAlchemy's URLs name a driver
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>[^@/?#]*)"
    r"(?:/(?P<dbname>[^@/?#]*))?"
    r"(?:\?(?P<query>[^@#]*))?"
)
_HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::(.*))?")
_NAME = re.compile(r"[a-z_]{1,32}")
_WRONG_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_OPTION = re.compile(r"\s*(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\s\\])*)(?:\s+|$)")
_FORM = (
    "DATABASE_URL takes postgresql://user:password@host:5432/database, with each @ : / ? # & % in"
    " a name or a password percent-encoded (@ is %40)."
)
_ADDRESS = frozenset({"host", "port", "user", "password", "dbname"})
_PARAMETERS = frozenset(
    {"application_name", "connect_timeout", "options", "sslmode", "sslrootcert", *_ADDRESS}
    | {"target_session_attrs", "connection_limit", "schema", "ssl"}
)
# Parameters for other clients, which change nothing here. If values are listed, only these are
# accepted. asyncpg has no channel binding; a required one is ignored, since Neon's URLs require it.
_IGNORED: dict[str, tuple[str, ...]] = {
    "channel_binding": ("disable", "prefer", "require"),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8", "auto"),
    "gssencmode": ("disable", "prefer"),
    "sslaccept": ("accept_invalid_certs",),
    "sslcompression": ("0",),
} | dict.fromkeys(
    (
        *("fallback_application_name", "sslsni", "tcp_user_timeout", "keepalives"),
        *("keepalives_idle", "keepalives_interval", "keepalives_count", "pgbouncer"),
        *("pool_timeout", "socket_timeout", "statement_cache_size", "max_connection_lifetime"),
        *("max_idle_connection_lifetime", "prepared_statement_cache_size", "supa", "workaround"),
    ),
    (),
)
_NEON = re.compile(r"(?:endpoint|project)=[\w-]+")  # in options; TLS sends the host name anyway
_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}  # as libpq reads it
_MAX_CONNECTIONS = 1000
_SESSION_ATTRIBUTES = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_MAX_CONNECT_TIMEOUT = timedelta(hours=1)


def parse_url(url: str) -> dict[str, Any]:
    """Parse DATABASE_URL into the arguments of `asyncpg.connect`.

    The password is a callable, so that printing the arguments does not show it. Without a password,
    asyncpg looks where libpq does: PGPASSWORD, then ~/.pgpass. As in libpq, the default name of the
    database is the user's, and parameters after `?` override the rest of the URL.
    Source: PostgreSQL's manual, libpq, "Connection URIs" and "Parameter Key Words".

    Raises:
        StartupError: the URL is invalid; the message shows at most a parameter's name of it.
    """
    parameters = _all_parameters(url)
    hosts = parameters.get("host", "").split(",")
    for name, is_given in (("host", all(hosts)), ("user", "user" in parameters)):
        if not is_given:
            raise StartupError(
                f"DATABASE_URL names no {name}: it takes postgresql://user@host/database, or"
                " postgresql://user@/database?host=/folder for a socket."
            )
    arguments: dict[str, Any] = {
        "host": hosts if hosts[1:] else hosts[0],
        "port": _port(parameters.get("port", "5432")),
        "user": parameters["user"],
        "database": parameters.get("dbname", parameters["user"]),
        "server_settings": _server_settings(parameters),
    }
    if "password" in parameters:
        arguments["password"] = SecretStr(parameters["password"]).get_secret_value
    if "target_session_attrs" in parameters:
        arguments["target_session_attrs"] = _parse_session_attributes(
            parameters["target_session_attrs"]
        )
    if "connect_timeout" in parameters:
        limit = int(_MAX_CONNECT_TIMEOUT.total_seconds())
        arguments["timeout"] = _parse_integer(
            "connect_timeout", parameters["connect_timeout"], limit=limit
        )
    mode = parameters.get("sslmode") or _SSL.get(parameters.get("ssl", ""), parameters.get("ssl"))
    if mode or "sslrootcert" in parameters:
        arguments["ssl"] = _ssl(mode, parameters.get("sslrootcert"))
    return arguments


def pool_size(url: str) -> int | None:
    """Return the size of the pool if DATABASE_URL has connection_limit, as Prisma's URLs do.

    Raises:
        StartupError: as `parse_url` does.
    """
    if not (text := _all_parameters(url).get("connection_limit")):
        return None
    return _parse_integer("connection_limit", text, limit=_MAX_CONNECTIONS)


def ignores_channel_binding(url: str) -> bool:
    """Return whether a required channel binding is ignored, and nothing verifies the server."""
    required = "channel_binding=require" in re.split("[?&]", url.strip())
    return required and _all_parameters(url).get("sslmode") != "verify-full"


def _all_parameters(url: str) -> dict[str, str]:
    match = _URL.fullmatch(url.strip())
    if match is None or _WRONG_PERCENT.search(url):
        raise StartupError(_FORM)
    parts = match.groupdict(default="")
    parameters = _parameters(parts.pop("query"))
    parts["host"], parts["port"] = _hosts_and_ports(parts.pop("hosts"))
    given = {name: unquote(value) for name, value in (parts | parameters).items() if value}
    if any("\N{REPLACEMENT CHARACTER}" in value for value in given.values()):
        raise StartupError(_FORM)  # bytes that are not UTF-8
    return given


def _hosts_and_ports(text: str) -> tuple[str, str]:
    """Split `one:5432,other:5432` into hosts and ports, both comma-separated."""
    found = [_HOST.fullmatch(host) for host in text.split(",")]
    if not all(found):
        raise StartupError(_FORM)
    pairs = [(match[1].strip("[]"), match[2] or "") for match in found if match]
    return ",".join(host for host, _ in pairs), ",".join(filter(None, (port for _, port in pairs)))


def _port(text: str) -> int:
    """Parse the port, which must be the same for all hosts: Tortoise supports one."""
    ports = {_parse_integer("port", port, limit=65535) for port in text.split(",")}
    if len(ports) > 1:
        raise StartupError("DATABASE_URL takes the same port for all of its hosts.")
    return ports.pop()


def _parse_session_attributes(text: str) -> str:
    if text not in _SESSION_ATTRIBUTES:
        raise StartupError(
            f"DATABASE_URL takes one of {', '.join(_SESSION_ATTRIBUTES)} as target_session_attrs."
        )
    return text


def _parameters(query: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    parameters = {name: value for name, _, value in pairs}
    known = _PARAMETERS | _IGNORED.keys()
    unknown = [name for name, equals, _ in pairs if not (name in known and equals)]
    # A name after a password may be a part of it, if a & in it was not encoded: do not show it.
    if unknown and ("password" in parameters or not all(map(_NAME.fullmatch, unknown))):
        raise StartupError(_FORM)
    if unknown:
        raise StartupError(
            f"DATABASE_URL has parameters that are not supported, {', '.join(unknown)}: it takes"
            f" {', '.join(sorted(_PARAMETERS))}."
        )
    for name, values in _IGNORED.items():
        if values and parameters.get(name, values[0]) not in values:
            raise StartupError(
                f"DATABASE_URL takes only {' or '.join(values)} as {name}; sslmode=verify-full"
                " encrypts the connection and verifies the server."
            )
    # An empty parameter does not override the rest of the URL.
    return {name: value for name, value in parameters.items() if value and name in _PARAMETERS}


def _parse_integer(name: str, text: str, *, limit: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= limit:
        raise StartupError(f"DATABASE_URL takes a whole number from 1 to {limit} as {name}.")
    return int(text)


def _server_settings(parameters: dict[str, str]) -> dict[str, str]:
    options = parameters.get("options", "")
    if not _NEON.fullmatch(rest := _OPTION.sub("", options).strip()) and rest:
        raise StartupError("DATABASE_URL takes options as `-c name=value -c name=value`.")
    settings = {
        found[1].replace("-", "_"): re.sub(r"\\(.)", r"\1", found[2])
        for found in _OPTION.finditer(options)
    }
    if "schema" in parameters:
        quoted = parameters["schema"].replace('"', '""')
        settings.setdefault("search_path", f'"{quoted}"')
    if "application_name" in parameters:
        settings["application_name"] = parameters["application_name"]
    return settings


def _ssl(mode: str | None, root_certificates: str | None) -> str | ssl.SSLContext:
    if mode is not None and mode not in _SSL_MODES:
        raise StartupError(f"DATABASE_URL takes one of {', '.join(_SSL_MODES)} as sslmode.")
    if root_certificates is None and mode is not None:
        return mode  # asyncpg supports the modes itself, with ~/.postgresql/root.crt
    verifying = ("verify-full",) if root_certificates == "system" else _SSL_MODES[3:]
    if mode not in verifying:
        raise StartupError(
            f"DATABASE_URL has sslrootcert, which has no effect without verification: add"
            f" sslmode={' or '.join(reversed(verifying))}."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    try:
        if root_certificates == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=root_certificates)
    except OSError:
        raise StartupError(
            "DATABASE_URL takes a readable file of PEM certificates, or system, as sslrootcert."
        ) from None
    return context
