"""What a packet costs that is balanced: the rows, and how they are measured."""

import contextlib
import pathlib
import tempfile

import rounds
from peers import BALANCERS, FLOOR, QUICK, SENDER
from subject import Subject
from filter import Refused

BACKENDS = 10
CURVE = (1, 10, 100)


class Row:
    """Packets of flows that are `known`, each of one that was seen before, or `new`, each the first of its own."""

    def __init__(self, kind, protocol, backends):
        self.kind, self.protocol, self.backends = kind, protocol, backends
        self.what = f"balance, packets of {kind} flows, {protocol}"
        self.name = f"{self.what}, {backends} backend{'s' * (backends > 1)}"

    def prepare(self, quick, report, ends):
        """Those that balance here, the sender first; `ends` takes them down."""
        self.report, self.subjects = report, []
        folder = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory()))
        for balancer in [SENDER, *BALANCERS]:
            if quick and balancer.name not in QUICK:
                continue
            try:
                subject = Subject(balancer, self, folder)
            except Refused as refused:
                report.skip(f"{self.name}: {balancer.name}", str(refused))
                continue
            ends.callback(subject.bed.down)
            self.subjects.append(subject)

    def find_pace(self, seconds):
        for subject in self.subjects:
            subject.find_pace(seconds)

    def turn(self):
        for subject in self.subjects:
            subject.measure()

    def show(self):
        best = {subject.balancer.name: min(subject.costs) for subject in self.subjects}
        self.report.begin_packets(self)
        for subject in self.subjects:
            self.report.add_packets(self, subject, best[SENDER.name], best[FLOOR.name])


def rows(quick):
    basic = [Row(kind, protocol, BACKENDS) for protocol in ("UDP", "TCP") for kind in ("known", "new") if protocol == "UDP" or not quick]
    return basic + [Row("known", "UDP", backends) for backends in CURVE if backends != BACKENDS and not quick]


def measure(only, quick, report):
    turns, seconds = (2, 0.05) if quick else (5, 0.25)
    wanted = [row for row in rows(quick) if only in row.name]
    with contextlib.ExitStack() as ends:
        for row in wanted:
            row.prepare(quick, report, ends)
        for row in wanted:
            row.find_pace(seconds)
        rounds.take(wanted, turns)
