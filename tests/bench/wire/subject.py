"""A filter on a router of its own, with a policy in force: what a packet takes there, turn by turn."""

import collections
import json
import struct

import policies
from conftest import Testbed
from links import DROP_ALL, Lost, arrived, keep_neighbours, received, repeated, take_frames
from processor_time import send_and_settle
from filter import SENDER
from report import Costs

FIRST, MOST = 4_096, 8_000_000  # packets: of the turn that tells how many the others have, and of any turn
ROUTER, CLIENT = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def frame(source, to, sport, dport):
    """64 bytes with the checksum of the wire."""
    fields = [0x45, 0, 46, 0, 0, 64, 17, 0, source, to]
    fields[7] = checksum(struct.pack("!BBHHHBBHII", *fields))
    return ROUTER + CLIENT + b"\x08\0" + struct.pack("!BBHHHBBHII", *fields) + struct.pack("!4H", sport, dport, 26, 0) + bytes(18)


class Subject:
    """A filter that has a policy in force on a router of its own. Packets that are to be dropped are for the router itself, those that
    are to pass are sent on."""

    def __init__(self, filter_, policy, folder):
        self.filter = filter_
        self.costs = collections.defaultdict(lambda: Costs([], []))  # by what is to become of packets: "dropped" or "passed"
        self.lost = collections.Counter()  # the largest share of a turn's packets that the cable has lost, by the same
        self.packets = {}  # of a turn, by the same
        self.bed = Testbed("router", "--no-offload")
        try:
            self.set_up()
            filter_.prepare(self.bed, policy, folder)
        except BaseException:
            self.bed.down()
            raise

    def set_up(self):
        take_frames(self.bed, ("fw", "in0"), ("fw", "out0"), ("server", "eth0"))
        self.bed.check("fw", "ip", "link", "set", "dev", "in0", "address", ROUTER.hex(":"))
        self.bed.check("client", "ip", "neigh", "flush", "all")
        for name in ("all", "in0"):
            self.bed.check("fw", "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
        self.bed.check("fw", "ip", "route", "add", "default", "via", "10.1.0.2")
        self.bed.check("fw", "ip", "route", "add", policies.NETWORK, "via", "10.2.0.2")
        self.bed.check("server", "nft", DROP_ALL)
        self.bed.check("client", "ping", "-c", "1", "10.2.0.2")
        keep_neighbours(self.bed, "fw")

    def lead(self, what):
        """The packets to where they belong: lo takes all of its own network. A route of the type `local` would do the same, but where
        there ever was one the kernel looks up every source, too."""
        its = f"{policies.NETWORK[1]}/{policies.NETWORK.prefixlen}"
        self.bed.run("fw", "ip", "address", "add" if what == "dropped" else "del", its, "dev", "lo")

    def delivered(self, what):
        """UDP that has come past the filter."""
        if what == "passed":
            return arrived(self.bed)
        counts = json.loads(self.bed.check("fw", "nstat", "-ajz", "UdpInDatagrams", "UdpNoPorts"))["kernel"]
        return sum(counts.values())

    def turn(self, what, frames, packets):
        """Nanoseconds for each packet that was received: of the processor, and until the next one."""
        self.lead(what)
        had, passed = received(self.bed, "fw", "in0"), self.delivered(what)
        of_processor, took = send_and_settle(self.bed, "client", frames, packets)
        had, passed = received(self.bed, "fw", "in0") - had, self.delivered(what) - passed
        self.judge(what, packets, had, passed)
        self.lost[what] = max(self.lost[what], 1 - had / packets)
        if self.filter is SENDER:
            had = packets
        return of_processor / had, took / had

    def judge(self, what, packets, had, passed):
        """A filter that filters nothing, or all, is not what is to be measured."""
        if self.filter is not SENDER and had <= packets // 10:
            raise Lost(f"{self.filter.name}: of {packets} packets {had} have come")
        if self.filter is SENDER:
            right = had <= packets // 100
        elif what == "dropped" and self.filter.drops:
            right = passed <= had // 100
        else:
            right = passed >= had * 9 // 10
        if not right:
            raise AssertionError(f"{self.filter.name}: of {had} packets that were to be {what}, {passed} have passed")

    def find_pace(self, what, frames, seconds):
        """How many packets a turn has, that is to take about so long."""
        self.packets[what] = FIRST
        for _ in range(2):
            cost, _ = repeated(lambda: self.turn(what, frames, self.packets[what]))
            self.packets[what] = max(FIRST, min(MOST, int(seconds * 1e9 / cost)))

    def measure(self, what, frames):
        cost, apart = repeated(lambda: self.turn(what, frames, self.packets[what]))
        self.costs[what].processor.append(cost)
        self.costs[what].apart.append(apart)
