"""Packets per second through a router, forwarded by the kernel's stack and by fwctl: one line for each.

Usage: forwarding.py BUILD (the folder with what was built). Frames of one flow come from a sender in the kernel on the
same processor, the server counts what arrives and drops it. Best of three turns each.
"""

import sys
import tempfile
import time

from scapy.all import IP, UDP, Ether, IPv6, raw

sys.path.insert(0, f"{__file__.rsplit('/', 2)[0]}/sandbox")
from links import DROP_ALL, arrived, link, send, take_frames  # noqa: E402
from router import CLIENT, SERVER, WAYS, Router  # noqa: E402

PACKETS, TURNS = 2_000_000, 3
FIB = 'forward = "fib"'
SUBJECTS = [("the kernel's stack, no fwctl", "tc", None), ("the kernel's stack behind fwctl, TC", "tc", ""), ("forward = fib, TC", "tc", FIB),
            ("the kernel's stack behind fwctl, generic XDP", "generic", ""), ("forward = fib, generic XDP", "generic", FIB),
            ("the kernel's stack behind fwctl, native XDP", "native", ""), ("forward = fib, native XDP", "native", FIB)]


def frame(bed, family):
    ip = {4: IP, 6: IPv6}[family](src=CLIENT[family], dst=SERVER[family])
    ethernet = Ether(dst=link(bed, "fw", "in0")["address"], src=link(bed, "client", "eth0")["address"])
    return raw(ethernet / ip / UDP(sport=4000, dport=9) / bytes(30)).hex()


def rate(bed, family):
    """Packets per second that arrive."""
    before = arrived(bed)
    seconds, _ = send(bed, "client", frame(bed, family), PACKETS)
    time.sleep(0.2)
    return (arrived(bed) - before) / seconds


def measure(way, defaults, family):
    with tempfile.TemporaryDirectory() as folder:
        router = Router(folder, WAYS[way])
        try:
            bed = router.bed
            take_frames(bed, ("fw", "in0"), ("fw", "out0"), ("server", "eth0"))
            bed.check("server", "nft", DROP_ALL)
            bed.check("client", "ping", "-c", "1", SERVER[family])
            if defaults is not None:
                router.apply(defaults)
            return max(rate(bed, family) for _ in range(TURNS))
        finally:
            router.down()


def main():
    print(f"\npackets per second through a router, 64-byte UDP{'':22}{'IPv4':>12}{'IPv6':>12}   beside the stack alone")
    alone = {}
    for name, way, defaults in SUBJECTS:
        rates = {family: measure(way, defaults, family) for family in (4, 6)}
        alone = alone or rates
        print(f"{name:<70}" + "".join(f"{rates[family]:12,.0f}" for family in (4, 6)) +
              "   " + ", ".join(f"x{rates[family] / alone[family]:.2f}" for family in (4, 6)), flush=True)


main()
