"""Filters beside each other on the wire: what a packet costs that fwctl, or what a user would take instead, drops or lets pass.

Usage: peers_wire.py BUILD [--only ROW] [--json FILE]; BUILD is the folder with what was built, ROW a piece of the names of rows.

64-byte UDP of 65,536 sorts comes from a sender in the kernel. All runs on one processor: sending, receiving, filtering, and what is
behind that. Each filter has a router of its own; they take turns, and the best of seven counts, with what the worst took more. What
counts is time of the processor, the sender's and that of the kernel's thread for soft interrupts: what else the machine does takes no
part in it, but for the caches. The sender's own cost is measured in the same turns, with a router that takes no packet; less that,
a packet's time is the receiver's. A kernel that books soft interrupts apart (CONFIG_IRQ_TIME_ACCOUNTING) hides them from the sender's
time: there, all the time that passes counts.
Dropped packets are for the router itself; those that pass are sent on, and the receiver's time has the forwarding in it, and a server
that drops all at prerouting.
"""

import argparse
import contextlib
import gzip
import json
import os
import pathlib
import struct
import sys
import tempfile
import time

sys.path.insert(0, f"{__file__.rsplit('/', 2)[0]}/sandbox")
import wire_policies  # noqa: E402
from conftest import Testbed  # noqa: E402
from links import DROP_ALL, PROCESSOR, arrived, received, send, take_frames  # noqa: E402
from wire_filters import FILTERS, SENDER, Refused  # noqa: E402

TURNS, SECONDS = 7, 0.4  # so long is a turn, about
FIRST, MOST = 4_096, 8_000_000  # packets: of the turn that tells how many the others have, and of any turn
ROUTER, CLIENT = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
WHAT = ("dropped", "passed")


# --- packets -------------------------------------------------------------------------------------


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def frame(source, to, sport, dport):
    """64 bytes with the checksum of the wire."""
    fields = [0x45, 0, 46, 0, 0, 64, 17, 0, source, to]
    fields[7] = checksum(struct.pack("!BBHHHBBHII", *fields))
    return ROUTER + CLIENT + b"\x08\0" + struct.pack("!BBHHHBBHII", *fields) + struct.pack("!4H", sport, dport, 26, 0) + bytes(18)


# --- time of the processor -----------------------------------------------------------------------


def books_interrupts_apart():
    """By the kernel's configuration; where it cannot be read: no, as Linux does by itself."""
    for path, opens in ((pathlib.Path("/proc/config.gz"), gzip.open), (pathlib.Path(f"/boot/config-{os.uname().release}"), open)):
        if path.exists():
            with opens(path, "rt") as file:
                return "CONFIG_IRQ_TIME_ACCOUNTING=y\n" in file
    return False


def soft_interrupts():
    """The file that tells how long the processor's thread for soft interrupts has run."""
    (found,) = [path for path in pathlib.Path("/proc").glob("[0-9]*/comm") if name_of(path) == f"ksoftirqd/{PROCESSOR}"]
    return found.with_name("schedstat")


def name_of(comm):
    try:
        return comm.read_text().strip()
    except OSError:  # has just ended
        return ""


BY_THE_WALL = books_interrupts_apart()
SOFT_INTERRUPTS = soft_interrupts()


def soft_interrupt_seconds():
    return int(SOFT_INTERRUPTS.read_text().split()[0]) / 1e9


# --- one filter on one router --------------------------------------------------------------------


class Subject:
    """A filter that has a policy in force on a router of its own."""

    def __init__(self, filter_, policy, what, folder):
        self.filter, self.what = filter_, what
        self.costs, self.apart = [], []  # nanoseconds a packet, and between packets, turn by turn
        self.packets = FIRST
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
        way = ["via", "10.2.0.2"] if self.what == "passed" else ["dev", "lo"]
        kind = ["local"] if self.what == "dropped" else []
        self.bed.check("fw", "ip", "route", "add", *kind, wire_policies.NETWORK, *way)
        self.bed.check("server", "nft", DROP_ALL)
        self.bed.check("client", "ping", "-c", "1", "10.2.0.2")

    def delivered(self):
        """UDP that has come past the filter."""
        if self.what == "passed":
            return arrived(self.bed)
        counts = json.loads(self.bed.check("fw", "nstat", "-ajz", "UdpInDatagrams", "UdpNoPorts"))["kernel"]
        return sum(counts.values())

    def turn(self, frames):
        """Nanoseconds for each packet that was received: of the processor, and until the next one."""
        had, passed, soft = received(self.bed, "fw", "in0"), self.delivered(), soft_interrupt_seconds()
        took, of_processor = send(self.bed, "client", frames, self.packets)
        time.sleep(0.05)  # what the thread for soft interrupts still has
        of_processor += soft_interrupt_seconds() - soft
        had, passed = received(self.bed, "fw", "in0") - had, self.delivered() - passed
        if self.filter is SENDER:
            had = self.packets
        else:
            self.judge(had, passed)
        return (took if BY_THE_WALL else of_processor) / had * 1e9, took / had * 1e9

    def judge(self, had, passed):
        """A filter that filters nothing, or all, is not what is to be measured."""
        if self.what == "dropped" and self.filter.drops:
            right = passed <= had // 100
        else:
            right = passed >= had * 9 // 10
        if not right:
            raise AssertionError(f"{self.filter.name}: of {had} packets that were to be {self.what}, {passed} have passed")

    def find_pace(self, frames):
        """How many packets a turn has."""
        for _ in range(3):
            cost, _ = self.turn(frames)
            self.packets = max(FIRST, min(MOST, int(SECONDS * 1e9 / cost)))

    def measure(self, frames):
        cost, apart = self.turn(frames)
        self.costs.append(cost)
        self.apart.append(apart)


# --- a row: all filters with one policy ----------------------------------------------------------


class Report:
    def __init__(self):
        self.wire, self.skipped = [], []

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self.skipped.append({"name": what, "why": why})

    def begin(self, row):
        beside = "x XDP_DROP" if row.endswith("dropped") else "over no filter"
        print(f"\n{row + ', 64-byte UDP':<52}{'packets/s':>12}{'ns a packet':>18}{'of the receiver':>16}{beside:>16}", flush=True)

    def add(self, row, subject, alone, beside):
        """`alone`: what the sender takes; `beside`: what the subject's cost is compared with, or None."""
        best, worst = min(subject.costs), max(subject.costs)
        name = f"{row}: {subject.filter.name}"
        entry = {"ns": best - alone, "spread": worst - best, "baseline": alone, "packets_per_second": 1e9 / min(subject.apart)}
        shown = ""
        if beside and row.endswith("dropped"):
            entry["times_xdp_drop"] = (best - alone) / (beside - alone)
            shown = f"{entry['times_xdp_drop']:.2f}"
        elif beside:
            entry["over_no_filter"] = best - beside
            shown = f"{entry['over_no_filter']:+.0f}"
        print(f"{subject.filter.name:<52}{1e9 / min(subject.apart):12,.0f}{f'{best:.0f} +{worst - best:.0f}':>18}{best - alone:16.0f}{shown:>16}", flush=True)
        self.wire.append({"name": name, "flows": {"64k": entry}})

    def write(self, path):
        whole = {"schema": 1, "packets": [], "balance": [], "control": [], "wire": self.wire, "skipped": self.skipped}
        pathlib.Path(path).write_text(json.dumps(whole, indent=2) + "\n")


def subjects_of(row, policy, what, folder, report, ends):
    """Those that took the policy, the sender first; `ends` takes them down."""
    subjects = []
    for filter_ in [SENDER, *FILTERS]:
        if what not in filter_.only:
            continue
        try:
            subject = Subject(filter_, policy, what, folder)
        except Refused as refused:
            report.skip(f"{row}: {filter_.name}", str(refused))
            continue
        ends.callback(subject.bed.down)
        subjects.append(subject)
    return subjects


def measure(row, policy, what, report):
    packets = policy.hits if what == "dropped" else policy.misses
    frames = "\n".join(frame(*one).hex() for one in packets)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        subjects = subjects_of(row, policy, what, pathlib.Path(folder), report, ends)
        for subject in subjects:
            subject.find_pace(frames)
        for _ in range(TURNS):
            for subject in subjects:
                subject.measure(frames)
        best = {subject.filter.name: min(subject.costs) for subject in subjects}
        report.begin(row)
        for subject in subjects:
            compared = best.get("trivial XDP_DROP" if what == "dropped" else "no filter")
            report.add(row, subject, best[SENDER.name], None if subject.filter is SENDER else compared)


def main():
    parser = argparse.ArgumentParser(description="Filters beside each other on the wire.")
    parser.add_argument("build")
    parser.add_argument("--only", default="", metavar="ROW")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    report = Report()
    for name in wire_policies.POLICIES:
        rows = {f"{name}, {what}": what for what in WHAT if arguments.only in f"{name}, {what}"}
        policy = wire_policies.policy(name) if rows else None
        for row, what in rows.items():
            measure(row, policy, what, report)
    if arguments.json:
        report.write(arguments.json)


main()
