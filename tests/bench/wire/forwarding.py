"""What a packet through a router takes, forwarded by the kernel's stack and by fwctl.

Usage: forwarding.py BUILD [--quick] [--only ROW] [--json FILE]. 64-byte UDP of one flow, from a sender in the kernel on the same
processor, in turns; the server counts what arrives and drops it. How time is taken says filters.py.
"""

import contextlib
import sys

sys.path.insert(0, f"{__file__.rsplit('/', 3)[0]}/sandbox")
from links import Effort, arguments  # noqa: E402
from report import Report  # noqa: E402
from station import MOST, SENDER, Station, take_turns  # noqa: E402

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


def measure(row, family, all_stations, effort, report):
    turns = {station: lambda packets, station=station, frame=station.frame(family): station.turn(frame, packets) for station in all_stations}
    for station, turn in turns.items():
        station.pace(row, effort.seconds, MOST, turn)
    costs = take_turns(row, turns, effort)
    report.begin(f"{row}, 64-byte UDP", "over no fwctl")
    for name, cost in costs.items():
        more = {} if name == SENDER else {"over_no_filter": cost.best() - costs[STACK].best()}
        report.add(row, name, "hot", cost, costs[SENDER], **more)


def main():
    asked = arguments("forwarding", FAMILIES)
    rows = [row for row in FAMILIES if asked.only in row and (not asked.quick or FAMILIES[row] == 4)]
    report = Report(asked.json)
    with contextlib.ExitStack() as ends:
        all_stations = list(stations(QUICK_SUBJECTS if asked.quick else SUBJECTS, ends))
        for row in rows:
            measure(row, FAMILIES[row], all_stations, QUICK if asked.quick else FULL, report)


main()
