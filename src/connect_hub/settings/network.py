"""Settings that are hosts, addresses, networks, origins and URLs."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import BeforeValidator, IPvAnyNetwork
from pydantic_settings import NoDecode

from connect_hub.settings.lists import split_list
from connect_hub.settings.origins import canonical_host, canonical_origin

_WEB_SCHEMES = ("http://", "https://")
_PORT = re.compile(r":\d*$")
_OTLP_URL = re.compile(r"https?://[A-Za-z0-9_.\[\]:-]+(/[^?#\s]*)?")
_IPV4_MAPPED = ip_network("::ffff:0:0/96")


def _parse_hosts(value: object) -> object:
    hosts = split_list(value)
    if isinstance(hosts, tuple) and not all(map(_is_host, hosts)):
        raise ValueError("takes names or addresses without a port; '*.example.com' and '*' too")
    return hosts


def _is_host(text: str) -> bool:
    name = text.removeprefix("*.")
    return text == "*" or bool(canonical_host(name) and not _PORT.search(name))


def _parse_origins(value: object) -> object:
    origins = split_list(value)
    if isinstance(origins, tuple) and not all(o == "*" or canonical_origin(o) for o in origins):
        raise ValueError(
            "takes origins such as 'https://app.example.com' or 'capacitor://localhost', without a"
            " path"
        )
    return origins


def _parse_public_url(value: object) -> object:
    if isinstance(value, str) and not (canonical_origin(value) or "").startswith(_WEB_SCHEMES):
        raise ValueError("takes a URL such as 'https://app.example.com', without a path")
    return value


def _parse_networks(value: object) -> object:
    texts = split_list(value)
    return tuple(map(_parse_network, texts)) if isinstance(texts, tuple) else texts


def _parse_network(text: object) -> object:
    """Read a network; IPv4 addresses mapped into IPv6 become IPv4, as the addresses of peers do."""
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
    if mapped and network.prefixlen >= _IPV4_MAPPED.prefixlen:
        return ip_network((mapped, network.prefixlen - _IPV4_MAPPED.prefixlen))
    return network


def _parse_listen_host(value: object) -> object:
    """Read an address to listen on; IPv6 may have brackets, as in a URL."""
    return value.removeprefix("[").removesuffix("]") if isinstance(value, str) else value


def _parse_otlp_url(value: object) -> object:
    if isinstance(value, str) and not _OTLP_URL.fullmatch(value):
        raise ValueError("takes the URL of a collector such as 'http://127.0.0.1:4318'")
    return value


Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_hosts)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_parse_networks)]
ListenHost = Annotated[str, BeforeValidator(_parse_listen_host)]
PublicUrl = Annotated[str, BeforeValidator(_parse_public_url)]
OtlpUrl = Annotated[str, BeforeValidator(_parse_otlp_url)]
