"""Past the stack: streams, of packets large and small, that are whole and counted behind a router."""

import json
import socket
import subprocess
import threading

import pytest

import netns
from conftest import until
from forwarding import FORWARDINGS, every_forwarding, ping
from router import FAMILIES, ROUTER, SERVER, Router, errors, every_way, url

HUNDRED_MEGABYTES = 100 << 20


@pytest.fixture
def router(way, tmp_path):
    made = Router(tmp_path, way)
    try:
        yield made
    finally:
        made.down()


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
