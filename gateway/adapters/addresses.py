"""Where webhooks may go: a host's addresses, vetted before anybody connects to one of them."""

import ipaddress
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

# Where clouds tell a machine its own secrets, apart from the link-local addresses.
_METADATA = {ipaddress.ip_address("100.100.100.200"), ipaddress.ip_address("fd00:ec2::254")}

_resolver = ThreadPoolExecutor(16, thread_name_prefix="resolver")
_lookups: dict[str, Future[list[Any]]] = {}
_lookups_lock = threading.Lock()


class Blocked(Exception):
    """The address is one that webhooks may not go to."""


def vetted(host: str, timeout_s: float, allow_private: bool) -> list[str]:
    """The host's addresses that webhooks may go to.

    raises  Blocked  it has none of them
            TimeoutError, OSError  its name could not be resolved
    """
    answers = _look_up(host).result(timeout_s)
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    allowed = [address for address in found if is_allowed(address, allow_private)]
    if not allowed:
        raise Blocked("Webhooks may not be sent to this address")
    return allowed


def _look_up(host: str) -> Future[list[Any]]:
    """Ask for a name once at a time; others who want it wait too, so a hanging name holds one thread."""
    with _lookups_lock:
        under_way = _lookups.get(host)
        if under_way is None:
            under_way = _resolver.submit(socket.getaddrinfo, host, None, 0, socket.SOCK_STREAM)
            _lookups[host] = under_way
            under_way.add_done_callback(lambda _: _lookups.pop(host, None))
        return under_way


def is_allowed(address: str, allow_private: bool) -> bool:
    """Whether a webhook may go to this IP address, or to the IPv4 address hidden in it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    hidden = _hidden_ipv4(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    if hidden is not None:
        return is_allowed(str(hidden), allow_private)
    if ip.is_multicast or ip.is_unspecified or ip.is_link_local or ip in _METADATA:
        return False
    return allow_private or (ip.is_global and not getattr(ip, "is_site_local", False))


def _hidden_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway on the way would make of it: mapped, compatible, 6to4, NAT64."""
    if ip in _NAT64 or (ip in _IPV4_COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour
