"""What a packet takes through a router that follows connections: nftables with the kernel's connection tracking and fwctl with
`state`, beside no filter at all and a program of XDP that does nothing. The packets are UDP, while 1, 65,536 and 1,048,576 flows are
established in both directions:

  established   of those flows, and nothing else may pass;
  new           each is the first of its flow, and new flows may pass;
  flood         the same, and they may not.

Left out: more flows than net.netfilter.nf_conntrack_max lets the kernel follow; new ones are fewer where it is small.

Usage: tracking.py BUILD [--quick] [--only ROW] [--json FILE]. All in turns; how time is taken says filters.py.
--quick: 65,536 established flows, of few filters.
"""

import contextlib
import pathlib
import sys

sys.path.insert(0, f"{__file__.rsplit('/', 3)[0]}/sandbox")
from links import Effort, arguments, attach_trivial, send  # noqa: E402
from report import Report  # noqa: E402
from station import MOST, SENDER, Station, take_turns  # noqa: E402

FULL, QUICK = Effort(turns=5, seconds=0.3), Effort(turns=3, seconds=0.1)
FLOWS = {"hot": 1, "64k": 1 << 16, "1M": 1 << 20}
KINDS = ["established", "new", "flood"]
NEW, OF_ANY_NUMBER = 1 << 20, 1 << 24  # the first flow that is not established; as many as the sender can tell apart
# Packets that establish flows, at a time. On a busy machine, as that of tests, a veth loses most of a long burst.
BURST = {FULL: 65_536, QUICK: 16_384}
KERNEL_LIMIT = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max")
NO_FILTER = "no filter"


def rule(state):
    return f'[[rule]]\nname = "{state}"\nstate = "{state}"\naction = "allow"\n'


# --- what filters: `prepare` lets pass what a row of that kind has to, and nothing else ------------


class Filter:
    kinds = KINDS
    follows = True  # flows have to be established for it

    def __init__(self, name, way, quick=False):
        self.name, self.way, self.quick = name, way, quick

    def limit(self):
        """Flows that it may be given."""
        return OF_ANY_NUMBER

    def prepare(self, router, kind, flows):
        pass


class NoFilter(Filter):
    kinds = ["established", "new"]
    follows = False


class Sender(NoFilter):
    """Of a station that takes no packet."""

    kinds = KINDS


class Trivial(Filter):
    """The program lets all pass, or drops all of a flood, and knows nothing of flows."""

    follows = False

    def prepare(self, router, kind, flows):
        attach_trivial(router.bed, "fw", "in0", "trivial" if kind == "flood" else "let_pass")


class Nftables(Filter):
    def limit(self):
        return int(KERNEL_LIMIT.read_text()) if KERNEL_LIMIT.exists() else OF_ANY_NUMBER

    def prepare(self, router, kind, flows):
        states = "established,new" if kind == "new" else "established"
        bed = router.bed
        bed.check("fw", "nft", "flush ruleset; add table inet bench; add chain inet bench f { type filter hook forward priority 0; "
                  f"policy drop; }}; add rule inet bench f ct state {states} accept")
        for timeout in ("udp_timeout", "udp_timeout_stream"):
            bed.check("fw", "sysctl", "-qw", f"net.netfilter.nf_conntrack_{timeout}=600")


class Fwctl(Filter):
    def __init__(self, name, way, forward="", quick=False):
        super().__init__(name, way, quick)
        self.forward = forward

    def prepare(self, router, kind, flows):
        states = ["established"] + ["new"] * (kind == "new")
        table = f'[conntrack]\nsize = {flows + (1 << 18)}\nudp = "10m"\nudp-stream = "10m"\n'
        router.apply(f'in = "deny"\n{self.forward}', table + "".join(map(rule, states)))


FILTERS = [Sender(SENDER, "tc", quick=True), NoFilter(NO_FILTER, "tc", quick=True), Nftables("nftables, ct state", "tc", quick=True),
           Fwctl("fwctl, state, TC", "tc"), Fwctl("fwctl, state, generic XDP", "generic"), Trivial("a trivial program, native XDP", "native"),
           Fwctl("fwctl, state, native XDP", "native", quick=True),
           Fwctl("fwctl, state, forward = fib, native XDP", "native", 'forward = "fib"', quick=True)]


# --- the packets ---------------------------------------------------------------------------------


class Tracked(Station):
    def __init__(self, filter_, ends):
        super().__init__(filter_.name, filter_.way, ends, refuses=filter_.name == SENDER)
        self.filter = filter_
        self.next = NEW
        self.frames = {"client": self.frame(), "server": self.frame(answers=True)}

    def establish(self, flows, burst):
        """A few flows at a time, from both ends, as new ones push out each other."""
        self.filter.prepare(self.router, "new", flows)
        for _ in range(2 if self.filter.follows else 0):
            for first in range(0, flows, burst):
                for role in ("client", "server", "client"):
                    send(self.bed, role, self.frames[role], min(flows, burst), first, flows, *["answers"] * (role == "server"))

    def most(self, kind, flows, effort):
        """Packets of a turn: new flows have to find room in all turns together."""
        return MOST if kind == "established" else min(MOST, (self.filter.limit() - flows) // (2 * (effort.turns + 2)))

    def turn_of(self, kind, flows):
        def turn(packets):
            words = (0, flows)
            if kind != "established":
                words = (self.next, OF_ANY_NUMBER)
                self.next += packets
            return self.turn(self.frames["client"], packets, words, passes=kind != "flood")
        return turn


def measure(row, kind, column, stations, effort, report):
    flows = FLOWS[column]
    turns = {station: station.turn_of(kind, flows) for station in stations if kind in station.filter.kinds}
    for station, turn in turns.items():
        station.filter.prepare(station.router, kind, flows)
        station.pace(row, effort.seconds, station.most(kind, flows, effort), turn)
    costs = take_turns(row, turns, effort)
    report.begin(f"{row}, {flows:,} flows", "over no filter")
    for name, cost in costs.items():
        more = {"over_no_filter": cost.best() - costs[NO_FILTER].best()} if name != SENDER and NO_FILTER in costs else {}
        report.add(row, name, column, cost, costs[SENDER], **more)


def take(column, rows, filters, effort, report):
    flows = FLOWS[column]
    with contextlib.ExitStack() as ends:
        stations = []
        for filter_ in filters:
            if filter_.limit() <= flows:
                report.skip(f"{filter_.name}, {flows:,} flows", f"nf_conntrack_max is {filter_.limit():,}")
                continue
            stations.append(Tracked(filter_, ends))
            stations[-1].establish(flows, BURST[effort])
        for row, kind in rows.items():
            measure(row, kind, column, stations, effort, report)


def main():
    names = {f"tracked, {kind}": kind for kind in KINDS}
    asked = arguments("tracking", names)
    rows = {name: kind for name, kind in names.items() if asked.only in name and (kind == "established" or not asked.quick)}
    report = Report(asked.json)
    for column in ["64k"] if asked.quick else FLOWS:
        take(column, rows, [one for one in FILTERS if one.quick or not asked.quick], QUICK if asked.quick else FULL, report)


main()
