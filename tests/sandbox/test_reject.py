"""What the sender of a rejected packet sees: at once and not after a timeout, in every way in which it can be told."""

import errno
import socket
import subprocess
import time

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6, Raw

import netns
from conftest import until
from router import CLIENT, FAMILIES, ROUTER, SERVER, Router, errors, every_way, url

AF = {4: socket.AF_INET, 6: socket.AF_INET6}
REFUSED, TIMED_OUT = 7, 28  # exit statuses of curl


def reject(service, more=""):
    return f'[[rule]]\nname = "no"\naction = "reject"\nservice = {service}\ndirection = "in"\n{more}'


@pytest.fixture
def router(way, tmp_path):
    made = Router(tmp_path, way)
    try:
        yield made
    finally:
        made.down()


def what_udp_is_told(router, role, address, size=10):
    """The error that a connected socket reports after it has sent a datagram; None: nothing in a second."""
    family = 6 if ":" in address else 4
    with netns.inside(router.bed.name(role)), socket.socket(AF[family], socket.SOCK_DGRAM) as sender:
        # IP_RECVERR: also of errors that may pass
        sender.setsockopt(*((socket.IPPROTO_IPV6, 25) if family == 6 else (socket.IPPROTO_IP, 11)), 1)
        sender.settimeout(1)
        sender.connect((address, 9))
        sender.send(bytes(size))
        try:
            sender.recv(1)
        except TimeoutError:
            return None
        except OSError as error:
            return error.errno


def curl(router, role, address):
    """The exit status."""
    return router.bed.run(role, "curl", "-sg", "-m", "3", "-o", "/dev/null", url(address)).returncode


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_tcp_is_refused_at_once(router, family):
    bed = router.bed
    router.apply('in = "deny"', reject('"tcp/80"'))
    assert curl(router, "client", SERVER[family]) == REFUSED
    assert curl(router, "client", ROUTER[family]) == REFUSED
    assert errors(bed, "client", "TcpInCsumErrors") == 0
    assert router.counted("rule-reject") == 2, "the first packet of each was answered: nothing was sent again"
    assert bed.rule_packets("fw", "no") == 2


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_udp_is_refused(router, family):
    router.apply(rules=reject('"udp/9"'))
    for size in (0, 1, 10, 500, 1400):
        assert what_udp_is_told(router, "client", SERVER[family], size) == errno.ECONNREFUSED, size
    assert router.counted("rule-reject") == 5
    assert errors(router.bed, "client", "IcmpInCsumErrors", "Icmp6InCsumErrors") == 0


@pytest.mark.parametrize("answer, told", [
    ("port-unreachable", {4: errno.ECONNREFUSED, 6: errno.ECONNREFUSED}),
    ("host-unreachable", {4: errno.EHOSTUNREACH, 6: errno.EHOSTUNREACH}),
    ("admin-prohibited", {4: errno.EHOSTUNREACH, 6: errno.EACCES}),
])
@every_way
def test_the_answer_is_what_the_rule_says(router, answer, told):
    router.apply(rules=reject('["tcp/80", "udp/9"]', f'reject = "{answer}"\n'))
    for family in FAMILIES:
        assert what_udp_is_told(router, "client", SERVER[family]) == told[family]
        assert curl(router, "client", SERVER[family]) == REFUSED


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_connection_in_full_flow_is_reset(router, family):
    bed = router.bed
    router.apply()
    with subprocess.Popen(bed.command("server", "iperf3", "-s", "-1"), stdout=subprocess.DEVNULL) as listening:
        until(lambda: ":5201 " in bed.check("server", "ss", "-Hltn"))
        with subprocess.Popen(bed.command("client", "iperf3", "-c", SERVER[family], "-t", "30"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sending:
            time.sleep(0.5)
            router.apply(rules=reject('"tcp/5201"'))
            assert sending.wait(timeout=10) != 0
        listening.terminate()
    assert router.counted("rule-reject") > 0
    assert errors(bed, "client", "TcpInCsumErrors") == 0


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_answers_are_not_answered_and_do_not_meet_the_rules(router, family):
    """A rule for everything rejects both ways: its own answers pass all the same."""
    router.apply(rules='[[rule]]\nname = "no"\naction = "reject"\nservice = ["tcp", "udp/9"]\n')
    assert curl(router, "client", SERVER[family]) == REFUSED
    assert what_udp_is_told(router, "client", SERVER[family]) == errno.ECONNREFUSED
    assert router.counted("rule-reject") == 2
    assert router.counted("own-answer") == (2 if "tc-out" in router.way.attach else 0)


OUT = '[[rule]]\nname = "out"\naction = "reject"\nservice = ["tcp", "udp"]\ndirection = "out"\n'
out_ways = pytest.mark.parametrize("way", [way for way in every_way.args[1] if "tc-out" in way.values[0].attach])


@pytest.mark.parametrize("family", FAMILIES)
@out_ways
def test_what_the_host_itself_sends_is_refused(router, family):
    router.apply(rules=OUT)
    assert curl(router, "fw", SERVER[family]) == REFUSED
    assert what_udp_is_told(router, "fw", SERVER[family]) == errno.ECONNREFUSED


@pytest.mark.parametrize("family", FAMILIES)
@out_ways
def test_what_goes_through_is_refused_on_its_way_out(router, family):
    router.apply(rules=OUT)
    assert curl(router, "client", SERVER[family]) == REFUSED
    assert what_udp_is_told(router, "client", SERVER[family]) == errno.ECONNREFUSED


# --- the answer's bytes, checksums as a device would leave them on a wire -------------------------------


def internet_sum(data):
    total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_sum(packet, protocol, length):
    addresses = packet.src, packet.dst
    family = AF[4 if isinstance(packet, IP) else 6]
    return internet_sum(b"".join(socket.inet_pton(family, one) for one in addresses) + length.to_bytes(4, "big")
                        + protocol.to_bytes(4, "big"))


def filled_in(segment, place):
    """What a device makes of a segment whose checksum is left to it."""
    filled = bytearray(segment)
    filled[place : place + 2] = ((~internet_sum(segment) & 0xFFFF) or 0xFFFF).to_bytes(2, "big")
    return bytes(filled)


def answers_to(router, role, action, wanted):
    listening = netns.packet_socket(router.bed.name(role), "eth0", 3)
    listening.settimeout(2)
    with listening:
        action()
        while True:
            frame = Ether(listening.recv(65536))
            if wanted(frame):
                return frame


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_the_checksum_of_icmp_holds_whatever_the_device_fills_in(router, family):
    router.apply(rules=reject('"udp/9"'))
    kind = ICMP if family == 4 else ICMPv6DestUnreach
    for size in (10, 11, 700, 1400):
        frame = answers_to(router, "client", lambda size=size: what_udp_is_told(router, "client", SERVER[family], size),
                           lambda frame: kind in frame)
        packet = frame[IP if family == 4 else IPv6]
        message = bytes(packet.payload)
        start = 0 if family == 4 else pseudo_sum(packet, 58, len(message))
        assert internet_sum(start.to_bytes(2, "big") + message) == 0xFFFF
        header = 8 + (20 if family == 4 else 40)
        if "no-offload" not in str(router.way.options):
            assert filled_in(message[header:], 6) == message[header:]


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_the_checksum_of_a_reset_is_whole_or_left_to_the_device(router, family):
    router.apply(rules=reject('"tcp/80"'))
    frame = answers_to(router, "client", lambda: curl(router, "client", SERVER[family]),
                       lambda frame: TCP in frame and frame[TCP].flags.R)
    packet = frame[IP if family == 4 else IPv6]
    segment = bytes(packet.payload)[:20]
    start = pseudo_sum(packet, 6, 20)
    offloaded = "no-offload" not in str(router.way.options)
    assert (int.from_bytes(segment[16:18], "big") == start) == offloaded
    sent = filled_in(segment, 16) if offloaded else segment
    assert internet_sum(start.to_bytes(2, "big") + sent) == 0xFFFF


# --- nobody has to ask for programs that can, or for TC ingress -----------------------------------------


@pytest.mark.parametrize("how", [("--mode", "native"), ("--mode", "generic"), ("--hook", "tc-in,tc-out")], ids=" ".join)
def test_what_rejects_comes_with_the_first_rule_that_does(testbed, how):
    bed = testbed("router")
    bed.fwctl("fw", "attach", "in0", *how)
    assert bed.curls("client", SERVER[4])
    bed.fwctl("fw", "reject", "tcp/80")
    assert bed.run("client", "curl", "-sg", "-m", "3", url(SERVER[4])).returncode == REFUSED
    assert bed.counters("fw", "in0")["in", "rule-reject"] == 1


def test_what_is_attached_by_a_policy_without_such_a_rule_rejects_by_a_live_one(testbed, tmp_path):
    bed = testbed("router")
    bed.fwctl("fw", "attach", "out0", "--hook", "tc-in,tc-out")
    bed.fwctl("fw", "reject", "tcp/80")
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[attach.in0]\nmode = "tc"\n')
    bed.fwctl("fw", "apply", policy)
    assert bed.run("client", "curl", "-sg", "-m", "3", url(SERVER[4])).returncode == REFUSED
    assert bed.counters("fw", "in0")["in", "rule-reject"] == 1


def test_an_attachment_whose_device_is_gone_is_made_ready_when_it_comes_back(testbed):
    bed = testbed("router")
    for interface in ("in0", "out0"):
        bed.fwctl("fw", "attach", interface, "--mode", "generic")
    bed.check("fw", "ip", "link", "del", "out0")
    bed.fwctl("fw", "reject", "tcp/80")
    assert bed.run("client", "curl", "-sg", "-m", "3", url(ROUTER[4])).returncode == REFUSED
    bed.check("fw", "ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1")
    bed.fwctl("fw", "attach", "out0")
    (attachment,) = bed.json("fw", "status", "out0")["attachments"]
    assert [hook["hook"] for hook in attachment["hooks"] if hook["present"]] == ["xdp", "tc-in", "tc-out"]
