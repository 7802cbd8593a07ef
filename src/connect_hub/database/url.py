"""DATABASE_URL: a PostgreSQL address as libpq reads it, made into what asyncpg takes."""

import re
import ssl
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from connect_hub.settings import StartupError

_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://"  # SQLAlchemy names a driver
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
# What is for other clients and changes nothing here; where values are named, these only.
# asyncpg has no channel binding; it is ignored even if required, since Neon's URLs require it.
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
_NEON = re.compile(r"(?:endpoint|project)=[\w-]+")  # in options; TLS names the host anyway
_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}  # as libpq reads it
_MOST_CONNECTIONS = 1000
_SESSIONS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LONGEST_CONNECT_TIMEOUT = timedelta(hours=1)


def parse_url(url: str) -> dict[str, Any]:
    """Read DATABASE_URL into the credentials that Tortoise hands on to asyncpg.

    The password comes as a callable, so that nothing that prints the credentials shows it. Where
    there is none, asyncpg looks where libpq does: PGPASSWORD, then ~/.pgpass. As for libpq, the
    database is named like the user if the URL does not say, and parameters after `?` win.
    Source: PostgreSQL's manual, libpq, "Connection URIs" and "Parameter Key Words".

    Raises:
        StartupError: a sentence that shows no more of the URL than a parameter's name.
    """
    words = _words(url)
    hosts = words.get("host", "").split(",")
    for name, said in (("host", all(hosts)), ("user", "user" in words)):
        if not said:
            raise StartupError(
                f"DATABASE_URL names no {name}: it takes postgresql://user@host/database, or"
                " postgresql://user@/database?host=/folder for a socket."
            )
    found: dict[str, Any] = {
        "host": hosts if hosts[1:] else hosts[0],
        "port": _port(words.get("port", "5432")),
        "user": words["user"],
        "database": words.get("dbname", words["user"]),
        "server_settings": _server_settings(words),
    }
    if "password" in words:
        found["password"] = SecretStr(words["password"]).get_secret_value
    if "target_session_attrs" in words:
        found["target_session_attrs"] = _session(words["target_session_attrs"])
    if "connect_timeout" in words:
        most = int(_LONGEST_CONNECT_TIMEOUT.total_seconds())
        found["timeout"] = _whole("connect_timeout", words["connect_timeout"], most=most)
    mode = words.get("sslmode") or _SSL.get(words.get("ssl", ""), words.get("ssl"))
    if mode or "sslrootcert" in words:
        found["ssl"] = _ssl(mode, words.get("sslrootcert"))
    return found


def pool_size(url: str) -> dict[str, int]:
    """Read how many connections one process keeps, if DATABASE_URL says so, as Prisma's URLs do.

    Raises:
        StartupError: as `parse_url` does.
    """
    if not (limit := _words(url).get("connection_limit")):
        return {}
    size = _whole("connection_limit", limit, most=_MOST_CONNECTIONS)
    return {"minsize": size, "maxsize": size}


def is_unbound(url: str) -> bool:
    """Tell whether DATABASE_URL requires channel binding, and nothing else verifies the server."""
    required = "channel_binding=require" in re.split("[?&]", url.strip())
    return required and _words(url).get("sslmode") != "verify-full"


def _words(url: str) -> dict[str, str]:
    match = _URL.fullmatch(url.strip())
    if match is None or _WRONG_PERCENT.search(url):
        raise StartupError(_FORM)
    parts = match.groupdict(default="")
    parameters = _parameters(parts.pop("query"))
    parts["host"], parts["port"] = _hosts_and_ports(parts.pop("hosts"))
    words = {name: unquote(value) for name, value in (parts | parameters).items() if value}
    if any("\N{REPLACEMENT CHARACTER}" in value for value in words.values()):
        raise StartupError(_FORM)  # bytes that are not UTF-8
    return words


def _hosts_and_ports(text: str) -> tuple[str, str]:
    """Split `one:5432,other:5432` into the hosts and the ports, each with commas."""
    found = [_HOST.fullmatch(host) for host in text.split(",")]
    if not all(found):
        raise StartupError(_FORM)
    pairs = [(match[1].strip("[]"), match[2] or "") for match in found if match]
    return ",".join(host for host, _ in pairs), ",".join(filter(None, (port for _, port in pairs)))


def _port(text: str) -> int:
    """Read the one port of all hosts, which is what Tortoise takes."""
    ports = {_whole("port", port, most=65535) for port in text.split(",")}
    if len(ports) > 1:
        raise StartupError("DATABASE_URL takes the same port for all of its hosts.")
    return ports.pop()


def _session(text: str) -> str:
    if text not in _SESSIONS:
        raise StartupError(
            f"DATABASE_URL takes one of {', '.join(_SESSIONS)} as target_session_attrs."
        )
    return text


def _parameters(query: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    parameters = {name: value for name, _, value in pairs}
    known = _PARAMETERS | _IGNORED.keys()
    unknown = [name for name, equals, _ in pairs if not (name in known and equals)]
    # What follows a password may be the rest of it, after a & that was not encoded.
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
                " encrypts, and verifies the server."
            )
    # An empty one says nothing, so it does not hide what stands before the `?`.
    return {name: value for name, value in parameters.items() if value and name in _PARAMETERS}


def _whole(name: str, text: str, *, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
        raise StartupError(f"DATABASE_URL takes a whole number from 1 to {most} as {name}.")
    return int(text)


def _server_settings(words: dict[str, str]) -> dict[str, str]:
    options = words.get("options", "")
    if not _NEON.fullmatch(rest := _OPTION.sub("", options).strip()) and rest:
        raise StartupError("DATABASE_URL takes options as `-c name=value -c name=value`.")
    settings = {
        found[1].replace("-", "_"): re.sub(r"\\(.)", r"\1", found[2])
        for found in _OPTION.finditer(options)
    }
    if "schema" in words:
        quoted = words["schema"].replace('"', '""')
        settings.setdefault("search_path", f'"{quoted}"')
    if "application_name" in words:
        settings["application_name"] = words["application_name"]
    return settings


def _ssl(mode: str | None, root_certificates: str | None) -> str | ssl.SSLContext:
    if mode is not None and mode not in _SSL_MODES:
        raise StartupError(f"DATABASE_URL takes one of {', '.join(_SSL_MODES)} as sslmode.")
    if root_certificates is None and mode is not None:
        return mode  # asyncpg knows them, with ~/.postgresql/root.crt
    verifying = ("verify-full",) if root_certificates == "system" else _SSL_MODES[3:]
    if mode not in verifying:
        raise StartupError(
            f"DATABASE_URL has sslrootcert but nothing would be verified with it: say"
            f" sslmode={' or '.join(reversed(verifying))} too."
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
