"""What a packet through a router takes, forwarded by the kernel's stack and by fwctl.

Usage: forwarding.py BUILD [--quick] [--only ROW] [--json FILE]. 64-byte UDP of one flow, from a sender in the kernel on the same
processor, in turns; the server counts what arrives and drops it. How time is taken says filters.py.
"""

import contextlib
import sys

sys.path[:0] = [f"{__file__.rsplit('/', 3)[0]}/sandbox", __file__.rsplit("/", 2)[0]]
import rounds  # noqa: E402
from links import Effort, arguments  # noqa: E402
from report import Report  # noqa: E402
from station import MOST, SENDER, Station  # noqa: E402

FULL, QUICK = Effort(turns=5, seconds=0.3), Effort(turns=3, seconds=0.1)
FIB, STACK = 'forward = "fib"', "the kernel's stack, no fwctl"
SUBJECTS = [(STACK, "tc", None), ("the kernel's stack behind fwctl, TC", "tc", ""), ("forward = fib, TC", "tc", FIB),
            ("the kernel's stack behind fwctl, generic XDP", "generic", ""), ("forward = fib, generic XDP", "generic", FIB),
            ("the kernel's stack behind fwctl, native XDP", "native", ""), ("forward = fib, native XDP", "native", FIB)]
QUICK_SUBJECTS = [one for one in SUBJECTS if one[0] == STACK or one[1] == "native"]
FAMILIES = {"forwarded, IPv4": 4, "forwarded, IPv6": 6}


def stations(subjects, ends):
    yield Station(SENDER, "tc", ends, refuses=True)
    for name, way, defaults in subjects:
        station = Station(name, way, ends)
        if defaults is not None:
            station.router.apply(defaults)
        yield station


class Row:
    def __init__(self, name, family, all_stations, report):
        self.name, self.stations, self.report = name, all_stations, report
        self.frames = {station: station.frame(family) for station in all_stations}

    def find_pace(self, seconds):
        for station in self.stations:
            station.find_pace(self.name, seconds, MOST, self.turn_of(station))

    def turn_of(self, station):
        return lambda packets: station.turn(self.frames[station], packets)

    def turn(self):
        for station in self.stations:
            station.measure(self.name, self.turn_of(station))

    def show(self):
        costs = {station.name: station.costs[self.name] for station in self.stations}
        self.report.begin(f"{self.name}, 64-byte UDP", "over no fwctl")
        for name, cost in costs.items():
            more = {} if name == SENDER else {"over_no_filter": cost.best() - costs[STACK].best()}
            self.report.add(self.name, name, "hot", cost, costs[SENDER], **more)


def main():
    asked = arguments("forwarding", FAMILIES)
    effort = QUICK if asked.quick else FULL
    report = Report(asked.json)
    with contextlib.ExitStack() as ends:
        all_stations = list(stations(QUICK_SUBJECTS if asked.quick else SUBJECTS, ends))
        rows = [Row(name, family, all_stations, report) for name, family in FAMILIES.items()
                if asked.only in name and (not asked.quick or family == 4)]
        for row in rows:
            row.find_pace(effort.seconds)
        rounds.take(rows, effort.turns)


main()
