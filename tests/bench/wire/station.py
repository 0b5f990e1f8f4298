"""A router of the sandbox tests between client and server, and what a packet through it takes, turn by turn."""

import collections
import tempfile

from scapy.all import IP, UDP, Ether, IPv6, raw

from links import DROP_ALL, Lost, arrived, keep_neighbours, link, received, repeated, take_frames
from processor_time import send_and_settle
from router import CLIENT, SERVER, WAYS, Router
from report import Costs

FIRST, MOST = 4_096, 4_000_000  # packets: of the turn that tells how many the others have, and of any turn
SENDER = "the sender alone"


class Station:
    """The router; `ends` takes it down. Where `refuses`, it takes no packet: what is left is the sender's own cost."""

    def __init__(self, name, way, ends, refuses=False):
        self.name, self.refuses = name, refuses
        self.costs = collections.defaultdict(lambda: Costs([], []))  # by what was measured
        self.packets = {}  # of a turn, by the same
        self.router = Router(ends.enter_context(tempfile.TemporaryDirectory()), WAYS[way])
        ends.callback(self.router.down)
        self.bed = self.router.bed
        take_frames(self.bed, ("fw", "in0"), ("fw", "out0"), ("server", "eth0"), ("client", "eth0"))
        for role in ("client", "server"):
            self.bed.check(role, "nft", DROP_ALL)
        for family in (4, 6):
            self.bed.check("client", "ping", "-c", "1", SERVER[family])
        keep_neighbours(self.bed, "fw")
        if refuses:
            self.bed.check("fw", "ethtool", "-K", "in0", "gro", "off")

    def frame(self, family=4, answers=False):
        """From the client to the server, or back."""
        role, port = ("server", "out0") if answers else ("client", "in0")
        ends = (SERVER[family], CLIENT[family]) if answers else (CLIENT[family], SERVER[family])
        ports = (9, 4000) if answers else (4000, 9)
        ethernet = Ether(dst=link(self.bed, "fw", port)["address"], src=link(self.bed, role, "eth0")["address"])
        ip = {4: IP, 6: IPv6}[family](src=ends[0], dst=ends[1])
        return raw(ethernet / ip / UDP(sport=ports[0], dport=ports[1], **({"chksum": 0} if family == 4 else {})) / bytes(30)).hex()

    def turn(self, frame, packets, flows=(), passes=True):
        """Nanoseconds for each packet that has had its way, to the server or, where it does not pass, to the router."""
        passed, had = arrived(self.bed), received(self.bed, "fw", "in0")
        of_processor, took = send_and_settle(self.bed, "client", frame, packets, *flows)
        passed, had = arrived(self.bed) - passed, received(self.bed, "fw", "in0") - had
        if not self.refuses and had <= packets // 10:
            raise Lost(f"{self.name}: of {packets} packets {had} have come")
        if self.refuses:
            right = had <= packets // 100
        else:  # one in four: of flows that were to be established a busy machine has lost some, too
            right = passed >= had // 4 if passes else passed <= had // 100
        if not right:
            raise AssertionError(f"{self.name}: of {had} packets that were to {'pass' if passes else 'be dropped'}, {passed} have passed")
        count = packets if self.refuses else passed if passes else had
        return of_processor / count, took / count

    def find_pace(self, what, seconds, most, turn):
        """How many packets a turn has, that is to take about so long; `turn` is given their number."""
        self.packets[what] = min(FIRST, most)
        for _ in range(2):
            cost, _ = repeated(lambda: turn(self.packets[what]))
            self.packets[what] = min(most, max(FIRST, int(seconds * 1e9 / cost)))

    def measure(self, what, turn):
        cost, apart = repeated(lambda: turn(self.packets[what]))
        self.costs[what].processor.append(cost)
        self.costs[what].apart.append(apart)
