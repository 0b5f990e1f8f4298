"""The tutorial that everybody knows, on real packets: after deny icmp ping fails and curl works; detach ends it.

On the bridge of a Docker host between host, container and outside; on a veth natively, generically and by TC; in both
families; with the kernel's offloads and, as from a wire, without.
"""

import contextlib
import http.server
import socket
import threading

import pytest

import netns
from conftest import KERNEL, extensions_refused, program_exists, until

WEB, WEB6 = "172.17.0.2", "fd00:17::2"

OFFLOADS = [pytest.param([], id="offloads"), pytest.param(["--no-offload"], id="no-offload")]
OFFLOADS_OLDEST = [pytest.param([], id="offloads", marks=pytest.mark.oldest), OFFLOADS[1]]

# Who asks whom across docker0: role, IPv4 address, IPv6 address.
JOURNEYS = [
    pytest.param("fw", WEB, WEB6, "web", id="host to container"),
    pytest.param("web", "172.17.0.1", "fd00:17::1", "fw", id="container to host"),
    pytest.param("web", "10.7.0.2", "fd00:7::2", "outside", id="container to outside"),
    pytest.param("outside", WEB, WEB6, "web", id="outside to container"),
]

IPV4 = pytest.param(["icmp"], "10.9.0.1", "10.9.0.2", id="ipv4")
IPV6 = pytest.param(["icmp", "icmp6"], "fd00:9::1", "fd00:9::2", id="ipv6")

# What is asked for, and what status must say then.
NATIVE = pytest.param(["--mode", "native"], {"xdp": "native"}, id="native")
GENERIC = pytest.param(["--mode", "generic"], {"xdp": "generic"}, id="generic")
TC = pytest.param(["--hook", "tc-in,tc-out"], {"tc-in": None}, id="tc")


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from fw\n")

    def log_message(self, *_):
        pass


class DualStackServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def web_server_on_the_host(bed):
    """The topology has none there, and the container is to reach one."""
    with netns.inside(bed.name("fw")):
        server = DualStackServer(("::", 80), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def assert_filters_by(bed, role, interface, modes):
    """Status names these hooks and modes, and TC by what this kernel offers."""
    hooks = bed.status(role, interface)["hooks"]
    assert {name: hook.get("mode") for name, hook in hooks.items()} == modes | {"tc-out": None}
    assert all(hook["present"] for hook in hooks.values())
    assert {hook["via"] for hook in hooks.values() if "via" in hook} == {"tcx" if KERNEL >= (6, 6) else "clsact"}
    if "xdp" in hooks:
        assert hooks["xdp"]["shared"] == (extensions_refused() is None)


def assert_nothing_is_left(bed, role, before, programs):
    assert bed.traces(role) == before
    assert bed.fwctl(role, "status", expect=3).stdout == ""
    until(lambda: not any(map(program_exists, programs)))  # the kernel frees them a grace period later


def drops(bed, role, interface):
    """Packets that rules have dropped here, by direction."""
    return {way: count for (way, reason), count in bed.counters(role, interface).items() if reason == "rule-deny"}


@pytest.mark.parametrize("offloads", OFFLOADS_OLDEST)
def test_ping_fails_after_deny_icmp_and_curl_works(testbed, offloads):
    bed = testbed("bridge", *offloads)
    before = bed.traces("fw")
    assert bed.pings("fw", WEB)
    assert bed.curls("fw", WEB) == "hello from web\n"

    bed.fwctl("fw", "attach", "docker0")
    assert_filters_by(bed, "fw", "docker0", {"xdp": "generic"})
    programs = bed.program_ids("fw", "docker0").values()
    assert bed.pings("fw", WEB)
    assert drops(bed, "fw", "docker0") == {}

    said = bed.fwctl("fw", "deny", "icmp")
    assert said.stdout == "deny-icmp: deny icmp\n"
    assert said.stderr == "  note: icmp is IPv4's: ICMPv6 is not covered; for both: fwctl deny icmp icmp6\n"
    assert bed.ping_fails("fw", WEB)
    assert bed.curls("fw", WEB) == "hello from web\n"
    dropped = drops(bed, "fw", "docker0")
    assert dropped["out"] > 0 and set(dropped) == {"out"}  # ping is told of the drop, and may try again at once
    assert bed.rule_packets("fw", "deny-icmp") == dropped["out"]
    assert bed.pings("fw", WEB6)

    bed.fwctl("fw", "detach", "docker0")
    assert bed.pings("fw", WEB)
    assert_nothing_is_left(bed, "fw", before, programs)


@pytest.mark.parametrize("offloads", OFFLOADS)
@pytest.mark.parametrize("who, address, address6, answers", JOURNEYS)
def test_deny_icmp_stops_ping_on_every_way_across_docker0(testbed, offloads, who, address, address6, answers):
    bed = testbed("bridge", *offloads)
    with web_server_on_the_host(bed):
        bed.fwctl("fw", "attach", "docker0")
        assert bed.pings(who, address)
        bed.fwctl("fw", "deny", "icmp")
        assert bed.ping_fails(who, address)
        assert bed.curls(who, address) == f"hello from {answers}\n"
        assert bed.pings(who, address6)
        dropped = drops(bed, "fw", "docker0")
        assert list(dropped) == ["in" if who == "web" else "out"] and sum(dropped.values()) > 0
        bed.fwctl("fw", "detach", "docker0")
        assert bed.pings(who, address)


@pytest.mark.parametrize("offloads", OFFLOADS)
@pytest.mark.parametrize("who, address, address6, answers", JOURNEYS)
def test_deny_icmp6_stops_ping6_and_leaves_neighbour_discovery(testbed, offloads, who, address, address6, answers):
    bed = testbed("bridge", *offloads)
    with web_server_on_the_host(bed):
        bed.fwctl("fw", "attach", "docker0")
        assert bed.pings(who, address6)
        assert bed.curls(who, address6) == f"hello from {answers}\n"
        bed.fwctl("fw", "deny", "icmp", "icmp6")
        discovered = bed.rule_packets("fw", "neighbor-discovery")
        for role in ("fw", "web", "outside"):
            bed.check(role, "ip", "-6", "neighbour", "flush", "all")
        assert bed.ping_fails(who, address6)
        assert bed.ping_fails(who, address)
        assert bed.curls(who, address6) == f"hello from {answers}\n"
        assert bed.rule_packets("fw", "neighbor-discovery") > discovered
        assert sum(drops(bed, "fw", "docker0").values()) >= 2
        bed.fwctl("fw", "detach", "docker0")
        assert bed.pings(who, address6)


@pytest.mark.parametrize("offloads", OFFLOADS)
@pytest.mark.parametrize("who, address, address6, answers", [JOURNEYS[0], JOURNEYS[3]])
def test_deny_tcp_80_stops_curl_to_the_container(testbed, offloads, who, address, address6, answers):
    bed = testbed("bridge", *offloads)
    bed.fwctl("fw", "attach", "docker0")
    for one in (address, address6):
        assert bed.curls(who, one) == f"hello from {answers}\n"
    bed.fwctl("fw", "deny", "tcp/80")
    for one in (address, address6):
        dropped = drops(bed, "fw", "docker0").get("out", 0)
        assert bed.curl_fails(who, one)
        assert bed.pings(who, one)
        assert drops(bed, "fw", "docker0")["out"] > dropped
    bed.fwctl("fw", "detach", "docker0")
    for one in (address, address6):
        assert bed.curls(who, one) == f"hello from {answers}\n"


def tutorial_on_a_cable(bed, attach, modes, services, client, server):
    """fwctl stands on the server's end: echo requests are dropped as they come in, and the server's as they go out."""
    before = bed.traces("b")
    assert bed.pings("a", server) and bed.pings("b", client)
    bed.fwctl("b", "attach", "eth0", *attach)
    assert_filters_by(bed, "b", "eth0", modes)
    programs = bed.program_ids("b", "eth0").values()
    assert bed.pings("a", server) and bed.pings("b", client)
    assert bed.curls("a", server) == "hello from b\n"

    bed.fwctl("b", "deny", *services)
    assert bed.ping_fails("a", server)
    assert drops(bed, "b", "eth0") == {"in": 1}
    assert bed.ping_fails("b", client)
    dropped = drops(bed, "b", "eth0")
    assert dropped["in"] == 1 and dropped["out"] > 0  # a local ping is told of the drop, and may try again at once
    assert bed.curls("a", server) == "hello from b\n"

    bed.fwctl("b", "detach", "eth0")
    assert bed.pings("a", server) and bed.pings("b", client)
    assert_nothing_is_left(bed, "b", before, programs)


@pytest.mark.oldest
def test_the_tutorial_on_a_veth_natively(testbed):
    tutorial_on_a_cable(testbed("pair"), *NATIVE.values, *IPV4.values)


@pytest.mark.parametrize("offloads", OFFLOADS)
@pytest.mark.parametrize("attach, modes", [NATIVE, GENERIC, TC])
@pytest.mark.parametrize("services, client, server", [IPV4, IPV6])
def test_the_tutorial_on_a_veth_in_every_mode(testbed, offloads, attach, modes, services, client, server):
    tutorial_on_a_cable(testbed("pair", *offloads), attach, modes, services, client, server)


@pytest.mark.parametrize("offloads", OFFLOADS)
@pytest.mark.parametrize("attach, modes", [NATIVE, GENERIC, TC])
@pytest.mark.parametrize("services, client, server", [IPV4, IPV6])
def test_deny_tcp_80_on_a_veth(testbed, offloads, attach, modes, services, client, server):
    bed = testbed("pair", *offloads)
    bed.fwctl("b", "attach", "eth0", *attach)
    assert bed.curls("a", server) == "hello from b\n"
    bed.fwctl("b", "deny", "tcp/80")
    assert bed.curl_fails("a", server)
    assert bed.pings("a", server)
    assert drops(bed, "b", "eth0")["in"] > 0


def test_what_auto_chooses(testbed):
    """A bridge has XDP in generic mode alone; a veth is filtered by TC, which is faster there."""
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0", "eth0")
    assert_filters_by(bed, "fw", "docker0", {"xdp": "generic"})
    assert_filters_by(bed, "fw", "eth0", {"tc-in": None})
