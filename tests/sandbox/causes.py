"""For each reason a packet that causes it: the one table of them, and the place where all of it can happen.

The place is b of the topology `pair`; a plays clients, backends and attackers. Their kernels say nothing: what fwctl lets in is
taken away behind it, so that nobody answers but fwctl.
"""

import dataclasses
import fcntl
import os
import re
import struct
from collections.abc import Callable

from scapy.all import (ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN, Raw)

import netns
from agent import Agent
from balancer import service
from cable import QuietCable
from conftest import until
from frames import ipv6_chain

CLIENT, HERE, BACKEND, ASIDE = "198.51.100.7", "10.9.0.2", "10.9.0.1", "10.8.0.1"
CLIENT_MAC, EVERYBODY = "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"
SERVICES = ["plain", "maint", "packed", "lost", "dead", "nat", "nat-too", "checked"]
VIP = {name: f"10.100.0.{number}" for number, name in enumerate(SERVICES, 10)}
MTU = 9000  # so that a packet may have more headers than the kernel takes away at once
MANY = 2000  # far more than are answered in a moment
OWN = ("out", "own-answer")

RULES = """
[defaults]
out     = "deny"
forward = "table"
[decapsulate]
from = "fd00:9::1"
[[route]]
prefix    = "10.7.0.0/16"
via       = "10.8.0.1"
interface = "aside0"
[[rule]]
name      = "answers"
state     = "established"
direction = "out"
action    = "allow"
[[rule]]
name    = "let in"
service = "udp/1001"
action  = "allow"
[[rule]]
name    = "kept out"
service = "udp/1002"
action  = "deny"
[[rule]]
name      = "turned away"
service   = ["udp/1003", "tcp/1003"]
direction = "in"
action    = "reject"
[[rule]]
name     = "aside"
service  = "udp/1004"
action   = "redirect"
redirect = { to = "aside0" }
[[rule]]
name     = "too narrow"
service  = "udp/1005"
action   = "redirect"
redirect = { to = "narrow0" }
[[rule]]
name     = "by a router"
service  = "udp/1006"
action   = "redirect"
redirect = { via = "10.8.0.1" }
[[rule]]
name    = "guarded"
service = "tcp/1007"
action  = "synproxy"
"""


def services():
    def one(name, forward, address=BACKEND, health="", **more):
        state = {"state": more.pop("state")} if "state" in more else {}
        text = service(name, [VIP[name]], ["tcp/53", "udp/53"], forward, [{"name": "only", "address": address, **state}], **more)
        asked = f'health = {{ tcp = true, every = "200ms", timeout = "200ms", fall = 1, {health} }}\n[['
        return text.replace("[[", asked, 1) if health else text

    return "".join([
        one("plain", "l2-dsr"), one("maint", "l2-dsr", state="maint"), one("packed", "ipip"), one("lost", "ipip", "10.6.0.1"),
        one("dead", "ipip", ASIDE, down="reset", health='via = "backend"'), one("nat", "nat"), one("nat-too", "nat"),
        one("checked", "l2-dsr", health='via = "vip"')])


class Place:
    def __init__(self, folder, attach):
        self.cable = QuietCable()
        self.bed = self.cable.bed
        try:
            self._prepare()
            policy = folder / "policy.toml"
            policy.write_text(f"version = 1\n{RULES}{services()}[attach.eth0]\n{attach}")
            self.bed.fwctl("b", "apply", policy)
        except BaseException:
            self.down()
            raise

    def _prepare(self):
        backend_mac = netns.mac_of(self.bed.name("a"), "eth0")
        self.bed.check("b", "nft", "add rule netdev t behind drop")
        self.bed.check("a", "nft", f"""add table netdev t; add chain netdev t c {{ type filter hook ingress device eth0 priority 0; }};
                                       add rule netdev t c ip daddr {VIP["checked"]} counter""")
        self.bed.check("b", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.bed.check("b", "ip", "-batch", "-", input=f"""
            link set eth0 mtu {MTU}
            address add {HERE}/24 dev eth0
            link add aside0 type veth peer name aside0 netns {self.bed.name("a")}
            link add narrow0 mtu 100 type veth peer name narrow0 netns {self.bed.name("a")}
            link set aside0 arp off up
            link set narrow0 arp off up
            address add 10.8.0.2/24 dev aside0
            neigh replace {BACKEND} lladdr {backend_mac} nud permanent dev eth0
            neigh replace {ASIDE} lladdr 02:00:00:00:00:08 nud permanent dev aside0
            route add 198.51.100.0/24 via {BACKEND}
            route add 10.100.0.0/24 via {BACKEND}
            route add 10.7.0.0/16 via {ASIDE}
            route add unreachable 10.6.0.1
        """)
        for words in (["eth0", "mtu", MTU], ["aside0", "arp", "off", "up"], ["narrow0", "arp", "off", "up"]):
            self.bed.check("a", "ip", "link", "set", *words)

    def send(self, sender, frames):
        self.cable.send_all(sender, list(map(bytes, frames)), "in" if sender == "a" else "out")

    def link(self, to=None):
        return Ether(src=CLIENT_MAC, dst=to or self.cable.mac)

    def udp(self, port, to=HERE, sport=40000, size=0, **fields):
        return self.link() / IP(src=CLIENT, dst=to, **fields) / UDP(sport=sport, dport=port) / Raw(bytes(size))

    def tcp(self, port, to=HERE, sport=40000, flags="S", link=None, **fields):
        return (link or self.link()) / IP(src=CLIENT, dst=to) / TCP(sport=sport, dport=port, flags=flags, **fields)

    def echo(self, to, size=0):
        return self.link() / IP(src=CLIENT, dst=to) / ICMP() / Raw(bytes(size))

    def ipv6(self, *headers, **fields):
        return self.link() / ipv6_chain(IPv6(src="fd00:9::1", dst="fd00:9::2", **fields), list(headers), UDP(sport=40000, dport=1000))

    def from_here(self, layer4):
        return Ether(src=self.cable.mac, dst=CLIENT_MAC) / IP(src=HERE, dst=CLIENT) / layer4

    def checks(self):
        """How many health checks by the service's way have come to its backend, as the backend's kernel counts."""
        return int(re.search(r"counter packets (\d+)", self.bed.check("a", "nft", "list table netdev t"))[1])

    def down(self):
        self.cable.down()


# --- how reasons are caused ----------------------------------------------------------------------
# Each takes the place and the reason, and answers what was caused by it: {(direction, reason): packets}.


def by(make, *also):
    """Three of a frame from a; of each of the others that it causes as many."""
    def cause(place, reason):
        place.send("a", [make(place)] * 3)
        return {("in", reason): 3, **dict.fromkeys(also, 3)}

    return cause


def going_out(make):
    def cause(place, reason):
        place.send("b", [make(place)] * 3)
        return {("out", reason): 3}

    return cause


def too_many(make, others):
    """More than are answered; how many are is a matter of time, but each is counted as one or the other."""
    def cause(place, reason):
        before = place.cable.counted("in")[others][0]
        place.send("a", [make(place)] * MANY)
        answered = place.cable.counted("in")[others][0] - before
        assert 0 < answered < MANY
        return {("in", others): answered, ("in", reason): MANY - answered, OWN: answered}

    return cause


def without_a_header(place, reason):
    """What a device without link headers gets, sent out of one that has them; a packet socket sends nothing so short."""
    bed = place.bed
    with netns.inside(bed.name("b")):
        device = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"bare0", 0x0001 | 0x1000))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
        bed.check("b", "ip", "link", "set", "bare0", "up")
        bed.check("b", "tc", "qdisc", "add", "dev", "bare0", "clsact")
        bed.check("b", "tc", "filter", "add", "dev", "bare0", "ingress", "protocol", "ip", "u32", "match", "u8", "0", "0",
                  "action", "mirred", "egress", "redirect", "dev", "eth0")
        for _ in range(3):
            os.write(device, b"\x45" + bytes(4))
        until(lambda: place.cable.counted("out")[reason][0] >= 3)
    finally:
        os.close(device)
    return {("out", reason): 3}


def opens(place, sport):
    """A client sends a SYN and brings its cookie back: its last segment."""
    with netns.packet_socket(place.bed.name("a"), "eth0", 3) as ear:
        ear.settimeout(10)
        place.send("a", [place.tcp(1007, sport=sport, seq=1000)])
        while not ((heard := Ether(ear.recv(2048))).haslayer(TCP) and heard[TCP].dport == sport):
            pass
    segment = place.tcp(1007, sport=sport, flags="A", seq=1001, ack=heard[TCP].seq + 1)
    place.send("a", [segment])
    return segment


def with_its_cookie(place, reason):
    opens(place, 40001)
    return {("in", "syn-cookie"): 1, ("in", reason): 1, OWN: 1}


def in_a_connection(place, reason):
    """The server's answer is answered with the client's ACK, which comes in as if the client had sent it."""
    segment = opens(place, 40002)
    place.send("b", [place.from_here(TCP(sport=1007, dport=40002, flags="SA", seq=77, ack=1001))])
    place.send("a", [segment] * 3)
    return {("in", "syn-cookie"): 1, ("in", "cookie-accepted"): 1, ("in", reason): 1 + 3, ("out", "rule-allow"): 1, OWN: 1}


def from_a_backend(place, reason):
    place.send("a", [place.udp(53, VIP["nat"], sport=40003)])
    place.send("a", [place.link() / IP(src=BACKEND, dst=CLIENT) / UDP(sport=53, dport=40003)] * 3)
    return {("in", "balanced"): 1, ("in", reason): 3, OWN: 4}


def two_of_one_port(place, reason):
    """Which the backend could not tell apart."""
    place.send("a", [place.udp(53, VIP["nat"], sport=40004)])
    place.send("a", [place.udp(53, VIP["nat-too"], sport=40004)] * 3)
    return {("in", "balanced"): 1, ("in", reason): 3, OWN: 1}


def asked_by_the_agent(place, until_then):
    """What the agent's health checks by the service's way are counted as."""
    before = place.checks()
    agent = Agent(place.bed, "b").start()
    try:
        until(lambda: until_then() and place.checks() > before)
    finally:
        agent.end()
    checks = place.checks() - before
    return {("out", "health-check"): checks, OWN: checks}


def health_check(place, _):
    return asked_by_the_agent(place, lambda: True)


def backend_down(place, reason):
    """A flow of a backend that does not answer the agent."""
    segment = place.tcp(53, VIP["dead"], flags="A", sport=40005)
    place.send("a", [segment])
    caused = asked_by_the_agent(place, lambda: place.bed.json("b", "vip", "show", "dead")["backends"][0]["health"] == "down")
    place.send("a", [segment] * 3)
    return caused | {("in", "balanced"): 1, ("in", reason): 3, OWN: caused[OWN] + 3}


def packed_too_deep(place):
    packet = IPv6(src="fd00:9::1", dst="fd00:9::2")
    for _ in range(3):
        packet /= IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(252))] * 8)
    return place.link() / packet / IP(src=CLIENT, dst=HERE) / UDP(sport=40000, dport=1000)


@dataclasses.dataclass(frozen=True)
class Cause:
    reason: str
    cause: Callable


HOP, DESTINATION = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()

CAUSES = [
    Cause("default-allow", by(lambda place: place.udp(1000))),
    Cause("rule-allow", by(lambda place: place.udp(1001))),
    Cause("rule-deny", by(lambda place: place.udp(1002))),
    Cause("truncated-ethernet", without_a_header),
    Cause("truncated-vlan", by(lambda place: bytes(place.link() / Dot1Q(vlan=5, type=0x8100)) + b"\0\5")),
    Cause("vlan-depth", by(lambda place: place.link() / Dot1Q() / Dot1Q() / Dot1Q() / IP() / UDP())),
    Cause("truncated-ipv4", by(lambda place: bytes(place.udp(1000, size=50))[:60])),
    Cause("malformed-ipv4", by(lambda place: place.udp(1000, ihl=4))),
    Cause("truncated-ipv6", by(lambda place: place.ipv6(plen=200))),
    Cause("malformed-ipv6", by(lambda place: place.ipv6(DESTINATION, HOP))),
    Cause("truncated-extension", by(lambda place: place.ipv6(IPv6ExtHdrDestOpt(len=200)))),
    Cause("header-chain", by(lambda place: place.ipv6(*[IPv6ExtHdrDestOpt() for _ in range(11)]))),
    Cause("truncated-l4", by(lambda place: place.udp(1000, len=24))),
    Cause("malformed-tcp", by(lambda place: place.tcp(1000, dataofs=3))),
    Cause("tiny-fragment", by(lambda place: place.link() / IP(src=CLIENT, dst=HERE, frag=1, proto=6) / Raw(bytes(32)))),
    Cause("default-deny", going_out(lambda place: place.from_here(UDP(sport=1000, dport=1000)))),
    Cause("rule-reject", by(lambda place: place.udp(1003), OWN)),
    Cause("reject-silent", by(lambda place: place.tcp(1003, flags="R"))),
    Cause("rule-redirect", by(lambda place: place.udp(1004))),
    Cause("redirect-kernel", by(lambda place: place.udp(1006, ttl=1))),
    Cause("redirect-failed", by(lambda place: place.udp(1005, size=200))),
    Cause("forwarded", by(lambda place: place.udp(1000, to="10.7.0.5"))),
    Cause("own-answer", lambda place, _: by(lambda place: place.tcp(1003), OWN)(place, "rule-reject")),
    Cause("rule-synproxy", in_a_connection),
    Cause("syn-cookie", by(lambda place: place.tcp(1007), OWN)),
    Cause("cookie-accepted", with_its_cookie),
    Cause("cookie-invalid", by(lambda place: place.tcp(1007, flags="A"))),
    Cause("synproxy-failed", by(lambda place: place.tcp(1007, link=place.link(EVERYBODY)))),
    Cause("balanced", by(lambda place: place.udp(53, VIP["plain"]), OWN)),
    Cause("no-backend", by(lambda place: place.udp(53, VIP["maint"]))),
    Cause("balance-too-long", by(lambda place: place.udp(53, VIP["packed"], size=MTU - 28), OWN)),
    Cause("balance-failed", by(lambda place: place.udp(53, VIP["lost"]))),
    Cause("backend-down", backend_down),
    Cause("echo-answered", by(lambda place: place.echo(VIP["plain"]), OWN)),
    Cause("answer-translated", from_a_backend),
    Cause("nat-full", two_of_one_port),
    Cause("balance-expired", by(lambda place: place.udp(53, VIP["nat"], ttl=1), OWN)),
    Cause("echo-silent", by(lambda place: place.echo(VIP["plain"], size=3000))),
    Cause("unpack-failed", by(packed_too_deep)),
    Cause("health-check", health_check),
    Cause("echo-limited", too_many(lambda place: place.echo(VIP["plain"]), "echo-answered")),
    Cause("reject-limited", too_many(lambda place: place.udp(1003), "rule-reject")),
]
