"""What this host itself sends, as its stack hands it over: checksums that the device is to finish, segments that it is to cut.

The peers are nftables' egress hook, which comes before TC and counts what it gets, and the receiver's kernel.
"""

import hashlib
import json
import socket
import subprocess
import threading

import pytest

import netns
from conftest import KERNEL
from router import errors
from test_sharing import (BPF_F_BEFORE, BPF_LINK_CREATE, BPF_OBJ_GET, LinkCreate, PinnedPath, bpf, clsact_programs, others,  # noqa: F401
                          pinned, seen_by)

AF = {4: socket.AF_INET, 6: socket.AF_INET6}
HERE = {4: "10.9.0.2", 6: "fd00:9::2"}
THERE = {4: "10.9.0.1", 6: "fd00:9::1"}
SIZE = 16 << 20
TCX_EGRESS = 47
UDP_SEGMENT = 103

POLICY = """version = 1
[defaults]
in  = "deny"
out = "deny"
[[rule]]
name   = "replies"
state  = "established"
action = "allow"
[[rule]]
name      = "goes on"
state     = "established"
direction = "out"
action    = "allow"
[[rule]]
name      = "opens"
service   = ["tcp/5001", "udp/5002"]
state     = "new"
direction = "out"
action    = "allow"
[attach.eth0]
"""
WAYS = {
    "native": ([], 'mode = "native"\nhooks = ["xdp", "tc-out"]\n'),
    "generic": ([], 'mode = "generic"\nhooks = ["xdp", "tc-out"]\n'),
    "tc": ([], 'mode = "tc"\nhooks = ["tc-in", "tc-out"]\n'),
    "tc-no-offload": (["--no-offload"], 'mode = "tc"\nhooks = ["tc-in", "tc-out"]\n'),
}
BEFORE_FWCTL = "add table netdev t; add chain netdev t before { type filter hook egress device eth0 priority 0; }; " \
               "add rule netdev t before tcp dport 5001 counter; add rule netdev t before udp dport 5002 counter"


@pytest.fixture
def attached(testbed, tmp_path):
    def make(way):
        options, attach = WAYS[way]
        bed = testbed("pair", *options)
        policy = tmp_path / "policy.toml"
        policy.write_text(POLICY + attach)
        bed.fwctl("b", "apply", policy)
        return bed

    return make


def counted_before(bed):
    """[(packets, bytes)] of TCP and UDP."""
    shown = json.loads(bed.check("b", "nft", "-j", "list", "table", "netdev", "t"))["nftables"]
    counters = [rule["rule"]["expr"][-1]["counter"] for rule in shown if "rule" in rule]
    return [(counter["packets"], counter["bytes"]) for counter in counters]


def counted_by_rules(bed):
    """{rule: (packets, bytes)}"""
    return {rule["name"]: (rule["packets"], rule["bytes"]) for rule in bed.json("b", "counters")["rules"]}


def upload(bed, family, data=bytes(SIZE)):
    """Whether it has arrived whole."""
    with netns.inside(bed.name("a")):
        listener = socket.create_server((THERE[family], 5001), family=AF[family])
    digest = hashlib.sha256()

    def receive():
        with listener.accept()[0] as one:
            while more := one.recv(1 << 20):
                digest.update(more)

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    with listener, netns.inside(bed.name("b")), socket.create_connection((THERE[family], 5001), timeout=60) as out:
        out.sendall(data)
        out.shutdown(socket.SHUT_WR)
        receiver.join(60)
        out.recv(1)
    return digest.digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("family", AF)
@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_is_opened_here_is_let_out_and_counted(attached, way, family):
    bed = attached(way)
    bed.check("b", "nft", BEFORE_FWCTL)
    assert upload(bed, family)
    (tcp, _), rules = counted_before(bed), counted_by_rules(bed)
    assert rules["opens"][0] == 1
    assert tuple(map(sum, zip(rules["opens"], rules["goes on"]))) == tcp
    if way != "tc-no-offload":
        assert tcp[1] / tcp[0] > 3000, "segments were not left to the device"
    assert errors(bed, "a", "TcpInCsumErrors") == 0
    # The other end may not open one, and this one not to other ports.
    for role, address, port in (("a", HERE, 5001), ("b", THERE, 5003)):
        with netns.inside(bed.name(role)), pytest.raises(TimeoutError):
            socket.create_connection((address[family], port), timeout=0.5)


@pytest.mark.parametrize("family", AF)
@pytest.mark.parametrize("way", ["native", "tc", "tc-no-offload"])
def test_a_datagram_that_is_cut_behind_fwctl_is_one(attached, way, family):
    """UDP_SEGMENT: sixteen datagrams in one piece, of which the first packet opens a flow and all others go on."""
    bed, pieces, size = attached(way), 16, 1000
    bed.check("b", "nft", BEFORE_FWCTL)
    with netns.inside(bed.name("a")):
        receiver = socket.socket(AF[family], socket.SOCK_DGRAM)
    with netns.inside(bed.name("b")):
        sender = socket.socket(AF[family], socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((THERE[family], 5002))
        receiver.settimeout(10)
        sender.settimeout(10)
        sender.connect((THERE[family], 5002))
        sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        for _ in range(3):
            sender.send(b"x" * pieces * size)
            for _ in range(pieces):
                received, peer = receiver.recvfrom(65536)
                assert received == b"x" * size
            receiver.sendto(b"heard", peer)
            assert sender.recv(100) == b"heard"
    (_, udp), rules = counted_before(bed), counted_by_rules(bed)
    assert tuple(map(sum, zip(rules["opens"], rules["goes on"]))) == udp
    if way != "tc-no-offload":
        assert (udp[0], rules["opens"][0]) == (3, 1)
    assert errors(bed, "a", "UdpInCsumErrors", "Udp6InCsumErrors") == 0


# --- beside others -------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", [1, pytest.param(60000, marks=pytest.mark.oldest)])
def test_a_filter_of_others_sees_what_goes_out(attached, others, priority):  # noqa: F811
    """Before fwctl or behind it, each on its own clsact or TCX."""
    bed = attached("tc")
    bed.check("b", "tc", "qdisc", "replace", "dev", "eth0", "clsact")
    bed.check("b", "tc", "filter", "add", "dev", "eth0", "egress", "prio", priority, "protocol", "all", "bpf", "direct-action",
              "object-file", others("pass"), "section", "tc")
    ours = bed.status("b", "eth0")["hooks"]["tc-out"]["program_id"]
    (theirs,) = [number for hook, number in clsact_programs(bed, "b") if hook.endswith("egress") and number != ours]
    seen = seen_by(theirs)
    assert upload(bed, 4, bytes(1 << 20))
    rules = counted_by_rules(bed)
    assert seen_by(theirs) - seen >= rules["opens"][0] + rules["goes on"][0]
    bed.fwctl("b", "detach", "eth0")
    assert theirs in [number for _, number in clsact_programs(bed, "b")]


@pytest.mark.skipif(KERNEL < (6, 6), reason="this kernel has no TCX (Linux 6.6)")
@pytest.mark.parametrize("flags", [0, BPF_F_BEFORE], ids=["behind", "before"])
def test_a_tcx_program_of_others_sees_what_goes_out(attached, pinned, flags):  # noqa: F811
    path, theirs = pinned
    bed = attached("tc")
    with netns.inside(bed.name("b")):
        program = bpf(BPF_OBJ_GET, PinnedPath(path.encode()))
        link = open(bpf(BPF_LINK_CREATE, LinkCreate(program, socket.if_nametoindex("eth0"), TCX_EGRESS, flags)), "rb")
    with open(program, "rb"), link:
        seen = seen_by(theirs)
        assert upload(bed, 6, bytes(1 << 20))
        rules = counted_by_rules(bed)
        assert seen_by(theirs) - seen >= rules["opens"][0] + rules["goes on"][0]
