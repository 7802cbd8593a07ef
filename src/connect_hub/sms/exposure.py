"""Whether other machines can reach a server that simulates SMS.

A simulated SMS returns its code to whoever requests it. Anyone who reaches such a server can sign
in with any phone number.
"""

import socket
from ipaddress import IPv6Address, ip_address

from connect_hub.settings import Settings, StartupError
from connect_hub.settings.origins import canonical_host, canonical_origin

SIMULATION_NOTICE = "SMS are simulated on this server: anyone can sign in with any phone number."
_REMEDY = (
    "set SMS_URLS to a gateway, or both SMS_URLS=simulated:// and SIMULATION_IS_PUBLIC=yes to let"
    " anyone sign in with any phone number."
)


def check(settings: Settings) -> None:
    """Refuse to simulate SMS if the settings show that other machines reach this server.

    TRUSTED_PROXIES alone does not show it: a proxy may serve this machine only. The start goes on
    then, and `connect-hub doctor` reports a failure.

    Raises:
        StartupError: one line that names the setting.
    """
    reason = find_exposure(settings)
    if reason and not reason.startswith("TRUSTED_PROXIES") and not is_permitted(settings):
        raise StartupError(explain(reason))


def explain(reason: str) -> str:
    """Say why SMS cannot be simulated, and what to do."""
    return f"SMS are simulated, but {reason}: {_REMEDY}"


def is_permitted(settings: Settings) -> bool:
    """Return whether both settings ask for public simulation."""
    return settings.simulation_is_public and bool(settings.sms_urls)


def find_exposure(settings: Settings) -> str | None:
    """Name the setting by which other machines reach this server; None if there is none."""
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
        return True  # the server cannot listen on it either, and reports that itself
    return all(_is_loopback(str(address[0])) for *_, address in found)


def _is_loopback(host: str) -> bool:
    """Return whether a name or an address, with or without brackets, is this machine's own."""
    name = (canonical_host(host) or host).strip("[]").partition("%")[0].rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761, 6.3
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback
