"""Past the stack: what the kernel's own forwarding delivers arrives as well, and what only it can do is left to it."""

import json
import re
import socket
import subprocess
import threading

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, ICMPv6EchoRequest, IPv6, Raw

import netns
from conftest import until
from router import ALL_WAYS, CLIENT, FAMILIES, ROUTER, SERVER, USUAL, WAYS, Router, errors, every_way, resolving_ways, url

HUNDRED_MEGABYTES = 100 << 20
FORWARDINGS = {
    "fib": ('forward = "fib"', ""),
    "table": ('forward = "table"',
              "".join(f'[[route]]\nprefix = "{prefix}"\nvia = "{via}"\ninterface = "{to}"\n' for prefix, via, to in [
                  ("10.2.0.0/24", "10.2.0.2", "out0"), ("fd00:2::/64", "fd00:2::2", "out0"),
                  ("10.1.0.0/24", "10.1.0.2", "in0"), ("fd00:1::/64", "fd00:1::2", "in0")])),
    "table-by-route": ('forward = "table"',
                       "".join(f'[[route]]\nprefix = "{prefix}"\nvia = "{via}"\n' for prefix, via in [
                           ("10.2.0.2/32", "10.2.0.2"), ("fd00:2::2/128", "fd00:2::2"),
                           ("10.1.0.0/16", "10.1.0.2"), ("fd00:1::/32", "fd00:1::2")])),
}
COMBINATIONS = [(way, forwarding) for way in WAYS for forwarding in FORWARDINGS] if ALL_WAYS else [
    *[(way, "fib") for way in USUAL], ("native", "table"), ("tc-no-offload", "table"), ("native-and-tc", "table-by-route"),
    ("native-handing-on-no-offload", "table-by-route")]
every_forwarding = pytest.mark.parametrize(
    "way, forwarding", [pytest.param(WAYS[way], forwarding, id=f"{way}-{forwarding}") for way, forwarding in COMBINATIONS])


@pytest.fixture
def router(way, tmp_path):
    made = Router(tmp_path, way)
    try:
        yield made
    finally:
        made.down()


def ping(bed, role, address, *options, count=1):
    """(answers, errors that routers sent)"""
    done = bed.run(role, "ping", "-n", "-c", count, "-i", "0.01", "-W", "1", *options, address)
    seen = re.search(r"(\d+) received", done.stdout)
    told = re.findall(r"From (\S+?):? icmp_seq=\d+ (.*)", done.stdout)
    return int(seen.group(1)), sorted(set(told))


def hops(bed, family):
    shown = bed.check("client", "traceroute", f"-{family}", "-n", "-q", "1", "-m", "3", "-w", "2", SERVER[family])
    return re.findall(r"^ *\d+  (\S+)", shown, re.M)


def small_things(router, family):
    """What one sees of a router from behind it."""
    bed, server = router.bed, SERVER[family]
    seen = {
        "ttl 1": ping(bed, "client", server, "-t", 1),
        "ttl 2": ping(bed, "client", server, "-t", 2),
        "ttl 2 back": ping(bed, "server", CLIENT[family], "-t", 2),
        "many": ping(bed, "client", server, count=200),
        "in fragments": ping(bed, "client", server, "-s", 5000, count=5),
        "nobody there": ping(bed, "client", server + "5"),
        "the router itself": ping(bed, "client", ROUTER[family]),
        "its other side": ping(bed, "client", server[:-1] + "1"),
        "no route": ping(bed, "client", "198.51.100.1" if family == 4 else "2001:db8::1"),
        "page": bed.curls("client", server),
        "traceroute": hops(bed, family),
    }
    if family == 4:
        seen["record route"] = ping(bed, "client", server, "-R")
    return seen


@pytest.mark.parametrize("family", FAMILIES)
@every_forwarding
def test_it_is_the_router_that_the_kernel_is(router, family, forwarding):
    before = small_things(router, family)
    assert before["traceroute"] == [ROUTER[family], SERVER[family]]
    defaults, routes = FORWARDINGS[forwarding]
    router.apply(defaults, routes)
    assert small_things(router, family) == before
    assert router.counted("forwarded") > 300
    assert router.dropped() == {}


@pytest.mark.parametrize("family", FAMILIES)
@every_forwarding
def test_neighbours_that_are_not_known_yet_are_found(router, family, forwarding):
    router.apply(*FORWARDINGS[forwarding])
    for _ in range(3):
        router.forget_neighbours()
        assert ping(router.bed, "client", SERVER[family]) == (1, [])
        router.forget_neighbours()
        assert router.bed.curls("client", SERVER[family]) == "hello from server\n"
    assert router.counted("forwarded") > 0


@pytest.mark.parametrize("family", FAMILIES)
@every_forwarding
def test_a_smaller_mtu_behind(router, family, forwarding):
    """Server and router agree on 1,300 bytes; the client is not told but by the router's ICMP errors."""
    bed, server = router.bed, SERVER[family]
    bed.check("fw", "ip", "link", "set", "out0", "mtu", 1300)
    bed.check("server", "ip", "link", "set", "eth0", "mtu", 1300)
    via = "10.2.0.1" if family == 4 else "fd00:2::1"
    bed.check("server", "ip", f"-{family}", "route", "change", "default", "via", via, "advmss", 1440)
    router.apply(*FORWARDINGS[forwarding])
    if family == 4:
        assert ping(bed, "client", server, "-s", 1400, "-M", "dont") == (1, [])
    answers, told = ping(bed, "client", server, "-s", 1400, "-M", "do")
    assert answers == 0
    assert told == [(ROUTER[family], "Frag needed and DF set (mtu = 1300)" if family == 4 else
                     "Packet too big: mtu=1300")]
    bed.check("client", "ip", f"-{family}", "route", "flush", "cache")
    assert arrived_of(bed, family, 20_000_000) == 20_000_000
    assert router.counted("forwarded") > 0


def arrived_of(bed, family, size):
    """How many bytes of a TCP stream to the server arrive; where the client is not told of the MTU, it stands still."""
    with netns.inside(bed.name("server")):
        listener = socket.create_server((SERVER[family], 0), family=socket.AF_INET6 if family == 6 else socket.AF_INET)
    with netns.inside(bed.name("client")):
        sender = socket.create_connection(listener.getsockname()[:2], timeout=60)
    receiver, _ = listener.accept()
    receiver.settimeout(60)

    def send():
        with sender:
            sender.sendall(bytes(size))

    sending = threading.Thread(target=send)
    sending.start()
    with listener, receiver:
        arrived = sum(iter(lambda: len(receiver.recv(1 << 16)), 0))
    sending.join()
    return arrived


def iperf(router, family, *options):
    bed = router.bed
    server = bed.command("server", "iperf3", "-s", "-1")
    with subprocess.Popen(server, stdout=subprocess.DEVNULL) as listening:
        try:
            until(lambda: ":5201 " in bed.check("server", "ss", "-Hltn"))
            return json.loads(bed.check("client", "iperf3", "-J", "-c", SERVER[family], *options))
        finally:
            listening.terminate()


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_hundred_megabytes_and_iperf(router, family):
    bed = router.bed
    router.apply('forward = "fib"')
    size = bed.check("client", "curl", "-sfg", "-o", "/dev/null", "-w", "%{size_download}", "-r",
                     f"0-{HUNDRED_MEGABYTES - 1}", url(SERVER[family], "big"), timeout=120)
    assert int(size) == HUNDRED_MEGABYTES
    for options in (["-t", 1], ["-t", 1, "-R"]):
        assert iperf(router, family, *options)["end"]["sum_received"]["bits_per_second"] > 2e6  # large buffers are not lost
    datagrams = iperf(router, family, "-u", "-b", "2M", "-t", 1)["end"]["sum"]  # what a socket holds while its process waits for a turn
    assert datagrams["packets"] > 100 and datagrams["lost_packets"] == 0
    assert errors(bed, "server", "TcpInCsumErrors", "UdpInCsumErrors") == 0
    assert errors(bed, "client", "TcpInCsumErrors", "UdpInCsumErrors") == 0
    passed = router.counted("default-allow", "rule-allow")
    assert router.counted("forwarded") > 10 * passed or "tc-out" in router.way.attach
    assert router.dropped() == {}


@every_way
def test_what_the_policy_denies_is_not_forwarded(router):
    bed = router.bed
    router.apply('forward = "fib"', '[[rule]]\nname = "no web"\naction = "deny"\nservice = "tcp/80"\ndirection = "in"\n')
    assert bed.curl_fails("client", SERVER[4])
    assert bed.pings("client", SERVER[4])
    assert {reason for _, reason in router.dropped()} == {"rule-deny"}


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_the_sums_are_exact(router, family):
    """Every packet is counted once where it comes in, whoever does the work."""
    bed = router.bed
    router.apply('forward = "fib"')
    ping(bed, "client", SERVER[family])
    bed.check("client", "ip", f"-{family}", "neigh", "replace", ROUTER[family], "lladdr",
              netns.mac_of(bed.name("fw"), "in0"), "dev", "eth0", "nud", "permanent")
    before = bed.counters("fw", "in0")
    assert ping(bed, "client", SERVER[family], count=100) == (100, [])
    after = bed.counters("fw", "in0")
    coming = sum(packets for (direction, _), packets in after.items() if direction == "in")
    coming -= sum(packets for (direction, _), packets in before.items() if direction == "in")
    assert 100 <= coming <= 103, (before, after)  # neighbour discovery may speak in between


# --- rules with action redirect -------------------------------------------------------------------

ELSEWHERE = {4: "203.0.113.9", 6: "2001:db8:9::9"}


def sent_and_seen(router, frame, wanted):
    """The frames that arrive at the server after the client has sent this one, as bytes."""
    listening = netns.packet_socket(router.bed.name("server"), "eth0", 3)
    listening.settimeout(2)
    with netns.packet_socket(router.bed.name("client"), "eth0") as out, listening:
        out.send(bytes(frame))
        try:
            while True:
                seen = listening.recv(65536)
                if wanted in seen:
                    return seen
        except TimeoutError:
            return None


def frame_to(router, family, **fields):
    bed = router.bed
    link = Ether(src=netns.mac_of(bed.name("client"), "eth0"), dst=netns.mac_of(bed.name("fw"), "in0"))
    if family == 4:
        return link / IP(src=CLIENT[4], dst=ELSEWHERE[4], ttl=fields.get("ttl", 64)) / UDP(dport=9) / Raw(b"redirected")
    return link / IPv6(src=CLIENT[6], dst=ELSEWHERE[6], hlim=fields.get("ttl", 64)) / UDP(dport=9) / Raw(b"redirected")


def redirect(**table):
    words = ", ".join(f'{key} = "{value}"' for key, value in table.items())
    return f'[[rule]]\nname = "on"\naction = "redirect"\nredirect = {{ {words} }}\nservice = "udp/9"\n'


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_frame_is_redirected_as_it_is(router, family):
    router.apply(rules=redirect(to="out0"))
    frame = bytes(frame_to(router, family, ttl=1))
    assert sent_and_seen(router, frame, b"redirected") == frame
    assert router.counted("rule-redirect") == 1


@pytest.mark.parametrize("family", FAMILIES)
@resolving_ways
def test_a_packet_is_redirected_to_a_next_hop(router, family):
    bed = router.bed
    router.apply(rules=redirect(via=SERVER[family], to="out0"))
    router.forget_neighbours()
    seen = Ether(sent_and_seen(router, frame_to(router, family), b"redirected"))
    expected = frame_to(router, family, ttl=63)
    expected.src, expected.dst = netns.mac_of(bed.name("fw"), "out0"), netns.mac_of(bed.name("server"), "eth0")
    assert bytes(seen) == bytes(expected)
    assert router.counted("rule-redirect") == 1


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_next_hop_is_found_by_its_route(router, family):
    router.apply(rules=redirect(via=SERVER[family]))
    ping(router.bed, "fw", SERVER[family])
    seen = Ether(sent_and_seen(router, frame_to(router, family), b"redirected"))
    assert seen.dst == netns.mac_of(router.bed.name("server"), "eth0")
    assert router.counted("rule-redirect") == 1


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_next_hop_does_not_get_what_has_come_too_far(router, family):
    router.apply(rules=redirect(via=SERVER[family]))
    assert sent_and_seen(router, frame_to(router, family, ttl=1), b"redirected") is None
    assert router.counted("redirect-kernel") == 1


def test_an_unknown_interface_is_refused(testbed, tmp_path):
    bed = testbed("router")
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[attach.in0]\n' + redirect(to="out7"))
    assert 'rule "on": there is no interface "out7"' in bed.fwctl("fw", "apply", policy, expect=1).stderr
    assert netns.leftovers(bed.name("fw")) == []
