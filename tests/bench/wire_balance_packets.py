"""What a packet costs that is balanced: the rows, and how they are measured."""

import contextlib
import pathlib
import tempfile

from wire_balance_peers import BALANCERS, FLOOR, SENDER
from wire_balance_subject import Subject
from wire_filters import Refused

BACKENDS = 10
CURVE = (1, 10, 100)


class Row:
    def __init__(self, kind, protocol, backends):
        self.kind, self.protocol, self.backends = kind, protocol, backends
        self.what = f"balance, packets of {kind} flows, {protocol}"
        self.name = f"{self.what}, {backends} backend{'s' * (backends > 1)}"


def rows(quick):
    counts = (BACKENDS,) if quick else CURVE
    made = [Row("known", "UDP", backends) for backends in counts]
    return made + [Row(kind, protocol, BACKENDS) for kind, protocol in (("known", "TCP"), ("new", "UDP"), ("new", "TCP"))]


def subjects_of(row, folder, seconds, report, ends):
    """Those that balance here, the sender first; `ends` takes them down."""
    for balancer in [SENDER, *BALANCERS]:
        try:
            subject = Subject(balancer, row.backends, folder, seconds)
        except Refused as refused:
            report.skip(f"{row.name}: {balancer.name}", str(refused))
            continue
        ends.callback(subject.down)
        yield subject


def measure(row, turns, seconds, report):
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        subjects = list(subjects_of(row, pathlib.Path(folder), seconds, report, ends))
        for subject in subjects:
            subject.begin(row.protocol, row.kind)
            subject.find_pace(turns)
        for _ in range(turns):
            for subject in subjects:
                subject.measure()
        best = {subject.balancer.name: min(subject.costs) for subject in subjects}
        alone, floor = best[SENDER.name], best[FLOOR.name]
        report.begin_packets(row)
        for subject in subjects:
            report.add_packets(row, subject, alone, floor)
