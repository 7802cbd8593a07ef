"""Whether others than this machine can reach a server that simulates SMS.

A simulated SMS hands its code to whoever asks, so whoever reaches the server can sign in as anyone.
"""

import socket
from ipaddress import IPv6Address, ip_address

from connect_hub.settings import Settings, StartupError
from connect_hub.settings.origins import canonical_host, canonical_origin

NOTICE = "SMS are simulated on this server: anyone can sign in with any phone number."
_WAYS_OUT = (
    "set SMS_URLS to a gateway, or both SMS_URLS=simulated:// and SIMULATION_IS_PUBLIC=yes to let"
    " anyone sign in with any phone number."
)


def check(settings: Settings) -> None:
    """Refuse to simulate SMS where the settings say that others reach this server.

    A proxy alone does not say so: it may serve this machine only. `connect-hub doctor` fails then.

    Raises:
        StartupError: one line that names the setting.
    """
    way = way_in(settings)
    if way and not way.startswith("TRUSTED_PROXIES") and not is_permitted(settings):
        raise StartupError(refusal(way))


def refusal(way: str) -> str:
    """Say why nothing is simulated and what to do."""
    return f"SMS are simulated, but {way}: {_WAYS_OUT}"


def is_permitted(settings: Settings) -> bool:
    """Tell whether public simulation was asked for, by both settings."""
    return settings.simulation_is_public and bool(settings.sms_urls)


def way_in(settings: Settings) -> str | None:
    """Name the setting by which others reach this server, if there is one."""
    if not _binds_loopback(settings.host):
        return f"HOST={settings.host} lets other machines reach this server"
    for name in settings.allowed_hosts:
        if not _is_loopback(name.removeprefix("*.")):
            return f"ALLOWED_HOSTS names {name}, by which others reach this server"
    public = (canonical_origin(settings.public_url or "") or "").partition("://")[2]
    if public and not _is_loopback(public):
        return f"PUBLIC_URL={settings.public_url} leads others to this server"
    if settings.trusted_proxies:
        return "TRUSTED_PROXIES names a proxy, which may bring others to this server"
    return None


def _binds_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True  # the server cannot listen there either, and says so
    return all(_is_loopback(str(address[0])) for *_, address in found)


def _is_loopback(host: str) -> bool:
    """Tell whether a name or an address, in brackets or not, is this machine's own."""
    name = (canonical_host(host) or host).strip("[]").partition("%")[0].rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761, 6.3
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback
