"""Packets per second through a router that follows connections: nftables with the kernel's connection tracking and fwctl with
`state`, beside no filter at all and a program of XDP that does nothing. The packets are UDP, while 1, 65,536 and 1,048,576 flows are
established in both directions:

  established   of those flows, and nothing else may pass;
  new           each is the first of its flow, and new flows may pass;
  flood         the same, and they may not.

A dash: more flows than net.netfilter.nf_conntrack_max lets the kernel follow; new ones are fewer where it is small.

Usage: tracking.py BUILD (the folder with what was built). Best of three turns each; the sender is on the same processor.
"""

import pathlib
import sys
import tempfile
import time

from scapy.all import IP, UDP, Ether, raw

sys.path.insert(0, f"{__file__.rsplit('/', 2)[0]}/sandbox")
from links import DROP_ALL, arrived, attach_trivial, link, received, send, take_frames  # noqa: E402
from router import CLIENT, SERVER, WAYS, Router  # noqa: E402

FLOWS = [1, 1 << 16, 1 << 20]
NEW, OF_ANY_NUMBER = 1 << 20, 1 << 24  # the first flow that is not established; as many as the sender can tell apart
PACKETS, TURNS, AT_A_TIME = 1_000_000, 3, 16_384
KERNEL_LIMIT = int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())
CONNTRACK = """[conntrack]
size = 1310720
udp = "10m"
udp-stream = "10m"
"""


def rule(state):
    return f'[[rule]]\nname = "{state}"\nstate = "{state}"\naction = "allow"\n'


# --- what filters: `prepare` lets pass what a row of that kind has to, and nothing else ------------


class Filter:
    kinds = ["established", "new", "flood"]
    limit = OF_ANY_NUMBER  # flows that it may be given

    def __init__(self, router):
        self.router = router


class NoFilter(Filter):
    kinds = ["established", "new"]

    def prepare(self, kind):
        pass


class Trivial(Filter):
    """The program lets all pass, or drops all of a flood, and knows nothing of flows."""

    def prepare(self, kind):
        attach_trivial(self.router.bed, "fw", "in0", "trivial" if kind == "flood" else "let_pass")


class Nftables(Filter):
    limit = KERNEL_LIMIT

    def prepare(self, kind):
        states = "established,new" if kind == "new" else "established"
        bed = self.router.bed
        for timeout in ("udp_timeout", "udp_timeout_stream"):
            bed.check("fw", "sysctl", "-qw", f"net.netfilter.nf_conntrack_{timeout}=600")
        bed.check("fw", "nft", "flush ruleset; add table inet bench; add chain inet bench f { type filter hook forward priority 0; "
                  f"policy drop; }}; add rule inet bench f ct state {states} accept")


class Fwctl(Filter):
    def prepare(self, kind):
        states = ["established"] + ["new"] * (kind == "new")
        self.router.apply('in = "deny"', CONNTRACK + "".join(map(rule, states)))


SUBJECTS = [("no filter", NoFilter, "tc"), ("nftables, ct state", Nftables, "tc"), ("fwctl, state, TC", Fwctl, "tc"),
            ("fwctl, state, generic XDP", Fwctl, "generic"), ("a trivial program, native XDP", Trivial, "native"),
            ("fwctl, state, native XDP", Fwctl, "native")]


# --- the packets ---------------------------------------------------------------------------------


class Sender:
    def __init__(self, bed):
        self.bed = bed
        self.next = NEW
        self.frames = {}
        for role, answers in (("client", False), ("server", True)):
            port = {"client": "in0", "server": "out0"}[role]
            ethernet = Ether(dst=link(bed, "fw", port)["address"], src=link(bed, role, "eth0")["address"])
            ends = (SERVER[4], CLIENT[4]) if answers else (CLIENT[4], SERVER[4])
            ports = (9, 4000) if answers else (4000, 9)
            self.frames[role] = raw(ethernet / IP(src=ends[0], dst=ends[1]) / UDP(sport=ports[0], dport=ports[1], chksum=0) / bytes(30)).hex()

    def send(self, role, packets, first, flows):
        """Seconds that it took, and of the processor."""
        return send(self.bed, role, self.frames[role], packets, first, flows, *["answers"] * (role == "server"))

    def establish(self, flows):
        """A few flows at a time, from both ends, as new ones push out each other."""
        for _ in range(2):
            for first in range(0, flows, AT_A_TIME):
                for role in ("client", "server", "client"):
                    self.send(role, min(flows, AT_A_TIME), first, flows)

    def rate(self, kind, flows, limit):
        """Packets per second that arrive; of a flood, that the router has had while next to none arrives."""
        packets = PACKETS if kind == "established" else min(PACKETS, (limit - flows) // (2 * TURNS))
        first, of = (0, flows) if kind == "established" else (self.next, OF_ANY_NUMBER)
        before, had = arrived(self.bed), received(self.bed, "fw", "in0")
        seconds, _ = self.send("client", packets, first, of)
        time.sleep(0.2)
        passed = arrived(self.bed) - before
        if kind != "established":
            self.next += packets
        if kind != "flood":
            return passed / seconds
        if passed > packets // 100:
            raise AssertionError(f"{passed} packets of a flood have passed")
        return (received(self.bed, "fw", "in0") - had) / seconds


def measure(subject, way, flows):
    """{kind: packets per second}"""
    with tempfile.TemporaryDirectory() as folder:
        router = Router(folder, WAYS[way])
        try:
            bed = router.bed
            take_frames(bed, ("fw", "in0"), ("fw", "out0"), ("server", "eth0"), ("client", "eth0"))
            for role in ("client", "server"):
                bed.check(role, "nft", DROP_ALL)
            bed.check("client", "ping", "-c", "1", SERVER[4])
            under_test = subject(router)
            under_test.prepare("new")
            sender = Sender(bed)
            sender.establish(flows)
            rates = {}
            for kind in subject.kinds:
                under_test.prepare(kind)
                rates[kind] = max(sender.rate(kind, flows, subject.limit) for _ in range(TURNS))
            return rates
        finally:
            router.down()


def main():
    print("\npackets per second through a router, UDP" + " " * 10 + "".join(f"{flows:>14,}" for flows in FLOWS) + "   beside no filter")
    alone = None
    for name, subject, way in SUBJECTS:
        rates = [measure(subject, way, flows) if flows < subject.limit else {} for flows in FLOWS]
        alone = alone or rates
        for kind in subject.kinds:
            shown = [one.get(kind, 0) for one in rates]
            beside = [rate / first["new" if kind == "flood" else kind] for rate, first in zip(shown, alone)]
            print(f"{name + ': ' + kind:<50}" + "".join(f"{rate:14,.0f}" if rate else f"{'-':>14}" for rate in shown) +
                  "   " + ", ".join(f"x{one:.2f}" if one else "-" for one in beside), flush=True)


main()
