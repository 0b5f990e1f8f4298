"""What a packet costs that is balanced: the rows, and how they are measured."""

import contextlib
import pathlib
import tempfile

from peers import BALANCERS, FLOOR, QUICK, SENDER
from subject import Subject
from filter import Refused

BACKENDS = 10
CURVE = (1, 10, 100)


KINDS = ("known", "new")  # of flows: each packet is of one that was seen before, or the first of its own


class Row:
    def __init__(self, kind, protocol, backends):
        self.kind, self.protocol, self.backends = kind, protocol, backends
        self.what = f"balance, packets of {kind} flows, {protocol}"
        self.name = f"{self.what}, {backends} backend{'s' * (backends > 1)}"


def rows(quick):
    """In groups: those of one are measured on the same beds, one after another."""
    groups = [[Row(kind, "UDP", BACKENDS) for kind in KINDS]]
    if not quick:
        groups.append([Row(kind, "TCP", BACKENDS) for kind in KINDS])
        groups += [[Row("known", "UDP", backends)] for backends in CURVE if backends != BACKENDS]
    return groups


def subjects_of(group, quick, folder, seconds, report):
    """Those that balance here, the sender first."""
    for balancer in [SENDER, *BALANCERS]:
        if quick and balancer.name not in QUICK:
            continue
        try:
            yield Subject(balancer, group[0].backends, folder, seconds)
        except Refused as refused:
            for row in group:
                report.skip(f"{row.name}: {balancer.name}", str(refused))


def measure_row(row, subjects, turns, report):
    for subject in subjects:
        subject.begin(row.protocol, row.kind)
        subject.find_pace(turns)
    for _ in range(turns):
        for subject in subjects:
            subject.measure()
    best = {subject.balancer.name: min(subject.costs) for subject in subjects}
    report.begin_packets(row)
    for subject in subjects:
        report.add_packets(row, subject, best[SENDER.name], best[FLOOR.name])


def measure(only, quick, report):
    turns, seconds = (2, 0.05) if quick else (3, 0.25)
    for group in rows(quick):
        wanted = [row for row in group if only in row.name]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
            subjects = []
            for subject in subjects_of(wanted, quick, pathlib.Path(folder), seconds, report):
                ends.callback(subject.down)
                subjects.append(subject)
            for row in wanted:
                measure_row(row, subjects, turns, report)
