"""What routers say: to clients that ask which way a service is, to backends whose packets get lost, and to the balancer.

For clients balancer and backend are one hop, the one with the address.
"""

import contextlib
import errno
import re
import socket

import pytest

import echo
import netns
from balancer import (BALANCERS, CLIENT, CROSSED, FAMILIES, FORWARD, IPIP, L2, SEGMENT, SERVERS, TRANSLATED, WAYS, Balancer,
                      all_services, place, service, vip)
from conftest import until
from echo import ECHO
from router import ROUTER

every_way = pytest.mark.parametrize("balancer", WAYS, indirect=True, scope="module")
every_mode = pytest.mark.parametrize("number", [pytest.param(number, id=f"{FORWARD[number]}{'-crossed' * (number in CROSSED)}")
                                                for number in FORWARD])
every_family = pytest.mark.parametrize("family", FAMILIES)
PORT = 6005  # of RANGE; nobody else listens there
OUTER = {4: 20, 6: 40}
KINDS = {"icmp": ["-I"], "tcp": ["-T", "-p", "80"], "udp": ["-U", "-p", str(ECHO)]}


@pytest.fixture(scope="module")
def balancer(request, tmp_path_factory):
    made = Balancer(tmp_path_factory.mktemp("policies"), WAYS[request.param])
    try:
        made.balance(all_services())
        made.unpack()

        def addresses(server):
            return {place(server, family, number) for number in FORWARD for family in FAMILIES}

        for role in ("router", *BALANCERS, *SERVERS):  # what they say at once is limited otherwise
            made.bed.check(role, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        with contextlib.closing(echo.Servers(made.bed, SERVERS, [ECHO], addresses)):
            yield made
    finally:
        made.down()


def hops(balancer, family, address, *options):
    """Who answers, by distance; None: nobody does."""
    words = ["traceroute", f"-{family}", "-n", "-q", "1", "-w", "5", "-m", "6", *options, address]
    lines = balancer.bed.check("client", *words).splitlines()[1:]
    found = [re.match(r"\s*\d+\s+(\S+)", line).group(1) for line in lines]
    return [None if one == "*" else one for one in found]


@every_family
@every_mode
@every_way
def test_of_a_service(balancer, number, family):
    """Where it is translated the balancer is a hop as any router, and speaks for the address."""
    address = vip(family, number)
    for kind, options in KINDS.items():
        found = hops(balancer, family, address, *options)
        is_hop = number in TRANSLATED and kind != "icmp"  # which the balancer answers itself
        assert found == [ROUTER[family], address] + [address] * is_hop, kind


@every_family
@every_way
def test_of_another_port(balancer, family):
    """The usual ones of UDP are of no service: they are the balancer's own, if it has the address; else it may send them back."""
    address = vip(family, L2)
    if balancer.way.forwarding:
        found = hops(balancer, family, address)
        assert found[0] == ROUTER[family] and len(found) == 6
        assert set(found[1::2]) <= {SEGMENT[family].format(number) for number in BALANCERS.values()}
    for role in BALANCERS:
        balancer.bed.check(role, "ip", "address", "add", address, "dev", "lo")
    try:
        assert hops(balancer, family, address) == [ROUTER[family], address]
    finally:
        for role in BALANCERS:
            balancer.bed.check(role, "ip", "address", "del", address, "dev", "lo")


# Of ip(7) and ipv6(7), which Python does not name: errors come at once, and are kept.
RECEIVE_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
HOPS = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}


@every_family
@every_mode
@every_way
def test_a_packet_of_a_backend_that_dies_on_its_way(balancer, number, family):
    """Its server must be told, whichever of the two balancers the router's message comes to; of what is translated by the balancer."""
    bed, address = balancer.bed, vip(family, number)
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with contextlib.ExitStack() as ends:
        listening = []
        for server in SERVERS:
            with netns.inside(bed.name(server)):
                one = ends.enter_context(socket.create_server((place(server, family, number), PORT), family=kind))
            one.settimeout(0)
            listening.append(one)
        for _ in range(4):
            client = ends.enter_context(echo.dial(bed, "client", address, PORT))
            accepted = []

            def arrives():
                for one in listening:
                    with contextlib.suppress(BlockingIOError):
                        accepted.append(ends.enter_context(one.accept()[0]))
                return accepted

            (server,) = until(arrives)
            server.settimeout(10)
            server.setsockopt(*RECEIVE_ERRORS[family], 1)
            server.setsockopt(*HOPS[family], 1)
            server.sendall(b"too far")
            with pytest.raises(OSError) as raised:
                server.recv(1)
            assert raised.value.errno == errno.EHOSTUNREACH
            client.close()


def mtu_of_way(bed, role, family, address):
    """As the kernel knows it; None: nobody has said any."""
    found = re.search(r" mtu (\d+)", bed.check(role, "ip", f"-{family}", "route", "get", address))
    return int(found.group(1)) if found else None


# Of ip(7) and ipv6(7): nothing that is sent is cut in pieces.
WHOLE = {4: (socket.IPPROTO_IP, 10, 2), 6: (socket.IPPROTO_IPV6, 23, 2)}


def send_whole(bed, role, family, address, length):
    with echo.datagrams(bed, role, address, ECHO) as one:
        one.setsockopt(*WHOLE[family])
        with contextlib.suppress(OSError):
            one.send(bytes(length - (28 if family == 4 else 48)))


forwarding_ways = pytest.mark.parametrize("balancer", [name for name in WAYS if WAYS[name].forwarding], indirect=True,
                                          scope="module")


@every_family
@forwarding_ways
def test_a_narrow_link_behind_the_first_one(balancer, family):
    """The backend is behind the router, whose other link takes less: what the balancer's kernel knows of it is heeded."""
    bed, address, backend = balancer.bed, vip(family, IPIP), CLIENT[family].format(9)
    backends = [{"name": "far", "address": backend}]
    balancer.apply("lb1", service("far", address, f"udp/{ECHO}", "ipip", backends))
    bed.check("lb2", "ip", "route", "add", address, "via", SEGMENT[family].format(BALANCERS["lb1"]))
    bed.check("router", "ip", "link", "set", "in0", "mtu", "1400")
    fits_the_link = 1500 - OUTER[family]
    try:
        before = balancer.counted(["lb1"]).get("balanced", 0)
        send_whole(bed, "lb2", family, address, fits_the_link)
        until(lambda: balancer.counted(["lb1"])["balanced"] > before)
        assert mtu_of_way(bed, "lb1", family, backend) is None
        assert mtu_of_way(bed, "lb2", family, address) is None

        send_whole(bed, "lb1", family, backend, 1500)
        until(lambda: mtu_of_way(bed, "lb1", family, backend) == 1400)

        def told():
            send_whole(bed, "lb2", family, address, fits_the_link)
            return mtu_of_way(bed, "lb2", family, address) == 1400 - OUTER[family]

        until(told)
    finally:
        bed.check("router", "ip", "link", "set", "in0", "mtu", "1500")
        bed.check("lb2", "ip", "route", "del", address)
        balancer.apply("lb1", all_services())
