"""What a packet takes through a router that follows connections: nftables with the kernel's connection tracking and fwctl with
`state`, beside no filter at all and a program of XDP that does nothing. The packets are UDP, while 1, 65,536 and 1,048,576 flows are
established in both directions:

  established   of those flows, and nothing else may pass;
  new           each is the first of its flow, and new flows may pass;
  flood         the same, and they may not.

Left out: more flows than net.netfilter.nf_conntrack_max lets the kernel follow; new ones are fewer where it is small.

Usage: tracking.py BUILD [--quick] [--only ROW] [--json FILE]. All in turns; how time is taken says filters.py. Flows stay established
from the first round to the last.
--quick: 65,536 established flows, of few filters.
"""

import contextlib
import pathlib
import sys

sys.path[:0] = [f"{__file__.rsplit('/', 3)[0]}/sandbox", __file__.rsplit("/", 2)[0]]
import rounds  # noqa: E402
from links import Effort, arguments, attach_trivial, send  # noqa: E402
from report import Report  # noqa: E402
from station import MOST, SENDER, Station  # noqa: E402

FULL, QUICK = Effort(turns=5, seconds=0.3), Effort(turns=3, seconds=0.1)
FLOWS = {"hot": 1, "64k": 1 << 16, "1M": 1 << 20}
KINDS = ["established", "new", "flood"]
OPENING = "opening"  # what is done before any row: flows are established, and stay
UNANSWERED = {"new": 10}  # seconds, else as answered ones: new flows of one turn are to be gone in the next
KEPT = 3600  # seconds
NEW, OF_ANY_NUMBER = 1 << 20, 1 << 24  # the first flow that is not established; as many as the sender can tell apart
# Packets that establish flows, at a time. On a busy machine, as that of tests, a veth loses most of a long burst.
BURST = {FULL: 65_536, QUICK: 16_384}
KERNEL_LIMIT = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max")
NO_FILTER = "no filter"


def states_let_pass(kind):
    return ["established"] + ["new"] * (kind in ("new", OPENING))


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
        states = ",".join(states_let_pass(kind))
        bed = router.bed
        bed.check("fw", "nft", "flush ruleset; add table inet bench; add chain inet bench f { type filter hook forward priority 0; "
                  f"policy drop; }}; add rule inet bench f ct state {states} accept")
        for timeout, seconds in (("udp_timeout", UNANSWERED.get(kind, KEPT)), ("udp_timeout_stream", KEPT)):
            bed.check("fw", "sysctl", "-qw", f"net.netfilter.nf_conntrack_{timeout}={seconds}")


class Fwctl(Filter):
    def __init__(self, name, way, forward="", quick=False):
        super().__init__(name, way, quick)
        self.forward = forward

    def prepare(self, router, kind, flows):
        table = f'[conntrack]\nsize = {flows + (1 << 18)}\nudp = "{UNANSWERED.get(kind, KEPT)}s"\nudp-stream = "{KEPT}s"\n'
        router.apply(f'in = "deny"\n{self.forward}', table + "".join(map(rule, states_let_pass(kind))))


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
        self.filter.prepare(self.router, OPENING, flows)
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


class Row:
    """Packets of a kind, while so many flows are established as the column says."""

    def __init__(self, name, kind, column, stations, effort, report):
        self.name, self.kind, self.column, self.effort, self.report = name, kind, column, effort, report
        self.stations = [station for station in stations if kind in station.filter.kinds]

    def prepare(self, station):
        """Rows of other kinds have the same station."""
        station.filter.prepare(station.router, self.kind, FLOWS[self.column])

    def find_pace(self):
        for station in self.stations:
            self.prepare(station)
            most = station.most(self.kind, FLOWS[self.column], self.effort)
            station.find_pace(self.name, self.effort.seconds, most, station.turn_of(self.kind, FLOWS[self.column]))

    def turn(self):
        for station in self.stations:
            self.prepare(station)
            station.measure(self.name, station.turn_of(self.kind, FLOWS[self.column]))

    def show(self):
        costs = {station.name: station.costs[self.name] for station in self.stations}
        self.report.begin(f"{self.name}, {FLOWS[self.column]:,} flows", "over no filter")
        for name, cost in costs.items():
            more = {"over_no_filter": cost.best() - costs[NO_FILTER].best()} if name != SENDER and NO_FILTER in costs else {}
            self.report.add(self.name, name, self.column, cost, costs[SENDER], **more)


def stations_of(column, filters, effort, report, ends):
    flows = FLOWS[column]
    for filter_ in filters:
        if filter_.limit() <= flows:
            report.skip(f"{filter_.name}, {flows:,} flows", f"nf_conntrack_max is {filter_.limit():,}")
            continue
        station = Tracked(filter_, ends)
        station.establish(flows, BURST[effort])
        yield station


def main():
    names = {f"tracked, {kind}": kind for kind in KINDS}
    asked = arguments("tracking", names)
    effort = QUICK if asked.quick else FULL
    kinds = {name: kind for name, kind in names.items() if asked.only in name and (kind == "established" or not asked.quick)}
    filters = [one for one in FILTERS if one.quick or not asked.quick]
    report = Report(asked.json)
    with contextlib.ExitStack() as ends:
        rows = []
        for column in ["64k"] if asked.quick else FLOWS:
            stations = list(stations_of(column, filters, effort, report, ends))
            rows += [Row(name, kind, column, stations, effort, report) for name, kind in kinds.items()]
        for row in rows:
            row.find_pace()
        rounds.take(rows, effort.turns)


main()
