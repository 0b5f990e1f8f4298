"""What a balancer sends, byte by byte beside what scapy makes, and what a backend unpacks.

    FWCTL_CASES=100000 FWCTL_SEED=7 pytest test_balance_frames.py      the long run

Each frame goes through the program that `fwctl apply` has attached (through.cpp). At TC the kernel writes the link header
behind the program: there the comparison begins with layer 3.
"""

import os
import random
import select
import struct

import pytest
from scapy.all import IP, UDP

import netns
from balance_frames import LONGEST, OUTER, draw, outer, read_results, write_frames
from conftest import ROOT, Testbed

WIRE = os.environ.get("WIRE", str(ROOT / "build" / "release" / "tests" / "wire"))
THROUGH = os.environ.get("THROUGH", str(ROOT / "build" / "release" / "tests" / "through"))
CASES = int(os.environ.get("FWCTL_CASES", 4000))
SEED = int(os.environ.get("FWCTL_SEED", 1))
MODES = ["l2-dsr", "ipip", "gue"]
WAYS = [(mode, to) for mode in MODES for to in (4, 6)]
US = {4: "10.9.0.2", 6: "fd00:9::2"}
BACKENDS = {4: [f"10.9.0.{number}" for number in (11, 12, 13)], 6: [f"fd00:9::{number}" for number in (11, 12, 13)]}
CLIENT_MAC = "02:00:00:00:00:99"
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
XDP_PASS, XDP_TX, TC_NEXT, TC_REDIRECT = 2, 3, -1, 7


def mac_of_backend(address):
    return f"02:00:00:00:09:{address[-2:]}"


def vip(way, family):
    number = 10 + WAYS.index(way)
    return f"203.0.113.{number}" if family == 4 else f"2001:db8:10::{number}"


def link(destination, source, family):
    return bytes.fromhex((destination + source).replace(":", "")) + struct.pack("!H", ETHERTYPE[family])


def services():
    text = ""
    for way in WAYS:
        mode, to = way
        name = f"{mode}-{to}"
        text += f'[vip.{name}]\naddress = ["{vip(way, 4)}", "{vip(way, 6)}"]\nservice = ["tcp", "udp", "sctp"]\nforward = "{mode}"\n'
        for number, address in enumerate(BACKENDS[to]):
            text += f'[[vip.{name}.backend]]\nname = "w{number}"\naddress = "{address}"\n'
    return text


class Balancer:
    """The role b of `pair` with fwctl at one hook of its interface, and backends whose MAC addresses are known."""

    def __init__(self, folder, hook):
        self.folder = folder
        self.hook = hook
        self.bed = Testbed("pair", "--no-offload")
        self.mac = netns.mac_of(self.bed.name("b"), "eth0")
        self.bed.check("b", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for address in BACKENDS[4] + BACKENDS[6]:
            self.bed.check("b", "ip", "neigh", "replace", address, "lladdr", mac_of_backend(address), "dev", "eth0", "nud",
                           "permanent")

    def apply(self, text):
        policy = self.folder / "policy.toml"
        mode, hooks = ("native", "xdp") if self.hook == "xdp" else ("tc", "tc-in")
        attach = f'[attach.eth0]\nmode = "{mode}"\nhooks = ["{hooks}"]\n'
        policy.write_text(f"version = 1\n{attach}{text}")
        self.bed.fwctl("b", "apply", policy)
        if self.hook == "xdp":
            self.bed.check("b", WIRE, "eth0")

    def through(self, frames):
        sent, got = self.folder / "sent.pcap", self.folder / "got.pcap"
        write_frames(sent, frames)
        self.bed.check("b", THROUGH, self.hook, "eth0", sent, got, timeout=600)
        results = read_results(got)
        assert len(results) == len(frames)
        return results


@pytest.fixture(params=["xdp", "tc-in"])
def balancer(request, tmp_path):
    made = Balancer(tmp_path, request.param)
    yield made
    made.bed.down()


def cases_of(rng, count):
    """(way, case), in the order in which they are sent: a later fragment behind the first one."""
    drawn = []
    while len(drawn) < count:
        for way in WAYS:
            for family in (4, 6):
                drawn += [(way, case) for case in draw(rng, family, vip(way, family))]
    return drawn


def backend_in(way, frame):
    """Whom the frame goes to, and flow label and source port of its outer headers."""
    mode, to = way
    if to == 4:
        address = ".".join(map(str, frame[30:34]))
        return address, (0, struct.unpack_from("!H", frame, 34)[0])
    (word,) = struct.unpack_from("!I", frame, 14)
    port = struct.unpack_from("!H", frame, 54)[0] if mode == "gue" else 0
    return "fd00:9::" + f"{struct.unpack_from('!H', frame, 52)[0]:x}", (word & 0xFFFFF, port)


def expect_sent(balancer, way, case, frame, flows):
    """Compares one frame with what scapy makes of the case."""
    mode, to = way
    if mode == "l2-dsr":
        backend, mark = None, None
        inside = case.packet
    else:
        backend, mark = backend_in(way, frame)
        assert backend in BACKENDS[to], frame.hex()
        inside = outer(mode, US[to], backend, case, mark)
        if mode == "gue":
            assert mark[1] >= 0xC000
    assert frame[14:] == inside + case.padding, (way, frame.hex(), case.packet.hex())
    if balancer.hook == "xdp":
        if mode == "l2-dsr":
            backend = next((one for one in BACKENDS[to] if frame.startswith(bytes.fromhex(mac_of_backend(one).replace(":", "")))), None)
            assert backend, frame.hex()
        family = case.family if mode == "l2-dsr" else to
        assert frame[:14] == link(mac_of_backend(backend), balancer.mac, family), frame.hex()
    # A later fragment has no ports to make a label of; it goes where the first one went.
    assert flows.setdefault(case.flow, (backend, mark)) == (backend, mark), "another way than the flow's packets before"
    if case.flow[-1] == 1:
        assert flows[case.flow[:-1] + (0,)][0] == backend, "another way than the first fragment's"


@pytest.mark.oldest
def test_what_leaves_is_what_scapy_makes(balancer):
    rng = random.Random(SEED)
    balancer.apply(services())
    cases = cases_of(rng, CASES // 2)
    # Of flows that were there; the second and the third one by what the program has known since the first one.
    cases += [one for one in rng.sample([one for one in cases if one[1].flow[-1] == 0], len(cases) // 5) for _ in range(3)]
    sent = [link(balancer.mac, CLIENT_MAC, case.family) + case.packet + case.padding for _, case in cases]
    results = balancer.through(sent)
    flows = {}
    for (way, case), (action, frame) in zip(cases, results):
        assert action == (XDP_TX if balancer.hook == "xdp" else TC_REDIRECT), (way, case.packet.hex())
        expect_sent(balancer, way, case, frame, flows)
    for way in WAYS:
        used = {backend for flow, (backend, _) in flows.items() if flow[1] in (vip(way, 4), vip(way, 6))}
        assert balancer.hook == "tc-in" and way[0] == "l2-dsr" or used == set(BACKENDS[way[1]]), way
    print(f"{len(cases)} frames at {balancer.hook}")


def test_what_is_unpacked_is_what_was_packed(balancer):
    rng = random.Random(SEED + 1)
    balancer.apply(f'[decapsulate]\nfrom = ["{US[4]}", "{US[6]}"]\n')
    cases = [(way, case) for way, case in cases_of(rng, CASES // 2) if way[0] != "l2-dsr"]
    sent = []
    for (mode, to), case in cases:
        packed = outer(mode, US[to], BACKENDS[to][0], case, (rng.randrange(1 << 20), rng.randrange(1, 65536)))
        assert len(packed) == len(case.packet) + OUTER[mode, to] <= LONGEST + 52
        sent.append(link(balancer.mac, CLIENT_MAC, to) + packed + case.padding)
    for (way, case), (action, frame) in zip(cases, balancer.through(sent)):
        assert action == (XDP_PASS if balancer.hook == "xdp" else TC_NEXT), (way, case.packet.hex())
        expected = link(balancer.mac, CLIENT_MAC, case.family) + case.packet + case.padding
        assert frame == expected, (way, frame.hex(), expected.hex())


def heard(ear, starts, bound=10):
    """The first frame that has these bytes from layer 3's addresses on."""
    while select.select([ear], [], [], bound)[0]:
        frame = ear.recv(2048)
        if frame[26:34] == starts:
            return frame
    raise AssertionError("nothing has come")


# RFC 8950: at TC it is the neighbour that the kernel is to find, at XDP its MAC address is there already.
def test_the_router_on_the_way_may_have_an_address_of_the_other_version(balancer):
    balancer.bed.check("b", "ip", "route", "add", "10.77.0.0/24", "via", "inet6", "fd00:9::1", "dev", "eth0", "src", US[4])
    balancer.bed.check("b", "ping", "-c", "1", "fd00:9::1")
    if balancer.hook == "xdp":
        balancer.bed.check("a", WIRE, "--far", "eth0")
    balancer.apply('[vip.web]\naddress = "203.0.113.10"\nservice = "udp/53"\nforward = "ipip"\n'
                   '[[vip.web.backend]]\nname = "w1"\naddress = "10.77.0.5"\n')
    packet = bytes(IP(src="198.51.100.7", dst="203.0.113.10") / UDP(sport=4000, dport=53) / b"hello")
    with netns.packet_socket(balancer.bed.name("a"), "eth0", 3) as ear:
        ear.send(link(balancer.mac, CLIENT_MAC, 4) + packet)
        frame = heard(ear, bytes([10, 9, 0, 2, 10, 77, 0, 5]))
    assert frame[:6] == bytes.fromhex(netns.mac_of(balancer.bed.name("a"), "eth0").replace(":", ""))
    assert frame[34:] == packet
