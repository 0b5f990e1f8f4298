"""Packets per second of established flows through a router that lets in nothing else: nftables with the kernel's connection
tracking, and fwctl with `state`, at 1, 65,536 and 1,048,576 flows of UDP. A dash: more than net.netfilter.nf_conntrack_max lets the
kernel follow.

Usage: tracking.py SENDER (the executable of sender.cpp). Best of three turns each; the sender is on the same processor.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

from scapy.all import IP, UDP, Ether, raw

sys.path.insert(0, f"{__file__.rsplit('/', 2)[0]}/sandbox")
from links import arrived, link  # noqa: E402
from router import CLIENT, SERVER, WAYS, Router  # noqa: E402

FLOWS = [1, 1 << 16, 1 << 20]
PACKETS, TURNS, AT_A_TIME = 2_000_000, 3, 16_384
NOTHING, NFTABLES, FWCTL = "no filter", "nftables", "fwctl"
SUBJECTS = [("no filter", NOTHING, "tc"), ("nftables, ct state", NFTABLES, "tc"), ("fwctl, state, TC", FWCTL, "tc"),
            ("fwctl, state, generic XDP", FWCTL, "generic"), ("fwctl, state, native XDP", FWCTL, "native")]

RULES = """[conntrack]
size = 1310720
udp = "10m"
udp-stream = "10m"
[[rule]]
name = "known"
state = "established"
action = "allow"
"""
KERNEL_LIMIT = int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())


def start(router, subject, strict):
    """Strict: established alone passes."""
    if subject == FWCTL:
        router.apply('in = "deny"' if strict else "", RULES)
    elif subject == NFTABLES:
        router.bed.check("fw", "nft", "flush ruleset; add table inet bench; add chain inet bench f { type filter hook forward priority 0; policy "
                         + ("drop" if strict else "accept") + "; }; add rule inet bench f ct state established accept")


class Sender:
    def __init__(self, bed, sender):
        self.bed, self.sender = bed, sender
        self.frames = {}
        for role, answers in (("client", False), ("server", True)):
            port = {"client": "in0", "server": "out0"}[role]
            ethernet = Ether(dst=link(bed, "fw", port)["address"], src=link(bed, role, "eth0")["address"])
            ends = (SERVER[4], CLIENT[4]) if answers else (CLIENT[4], SERVER[4])
            ports = (9, 4000) if answers else (4000, 9)
            self.frames[role] = raw(ethernet / IP(src=ends[0], dst=ends[1]) / UDP(sport=ports[0], dport=ports[1], chksum=0) / bytes(30)).hex()

    def send(self, role, packets, first, flows):
        words = [self.sender, "eth0", str(packets), str(first), str(flows)] + ["answers"] * (role == "server")
        subprocess.run(["ip", "netns", "exec", self.bed.name(role), *words], input=self.frames[role], text=True, check=True, timeout=120)

    def establish(self, flows):
        """A few flows at a time, from both ends, as new ones push out each other."""
        for _ in range(2):
            for first in range(0, flows, AT_A_TIME):
                for role in ("client", "server", "client"):
                    self.send(role, min(flows, AT_A_TIME), first, flows)

    def rate(self, flows):
        before, started = arrived(self.bed), time.monotonic()
        self.send("client", PACKETS, 0, flows)
        seconds = time.monotonic() - started
        time.sleep(0.2)
        return (arrived(self.bed) - before) / seconds


def measure(executable, subject, way, flows):
    with tempfile.TemporaryDirectory() as folder:
        router = Router(folder, WAYS[way])
        try:
            bed = router.bed
            for role, device in (("fw", "in0"), ("fw", "out0"), ("server", "eth0"), ("client", "eth0")):
                bed.check(role, "ethtool", "-K", device, "gro", "on")
            for role in ("client", "server"):
                bed.check(role, "nft", "add table inet bench; add chain inet bench in "
                          "{ type filter hook prerouting priority raw; }; add rule inet bench in meta l4proto udp drop")
            bed.check("client", "ping", "-c", "1", SERVER[4])
            start(router, subject, strict=False)
            sender = Sender(bed, executable)
            sender.establish(flows)
            start(router, subject, strict=True)
            return max(sender.rate(flows) for _ in range(TURNS))
        finally:
            router.down()


def main():
    print("\npackets per second through a router, UDP of established flows" + "".join(f"{flows:>14,}" for flows in FLOWS) + "   beside no filter")
    alone = None
    for name, subject, way in SUBJECTS:
        rates = [0 if subject == NFTABLES and flows > KERNEL_LIMIT else measure(sys.argv[1], subject, way, flows) for flows in FLOWS]
        alone = alone or rates
        print(f"{name:<61}" + "".join(f"{rate:14,.0f}" if rate else f"{'-':>14}" for rate in rates) +
              "   " + ", ".join(f"x{rate / first:.2f}" if rate else "-" for rate, first in zip(rates, alone)), flush=True)


main()
