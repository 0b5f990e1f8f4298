"""Filters beside each other on the wire: what a packet costs that fwctl, or what a user would take instead, drops or lets pass.

Usage: filters.py BUILD [--quick] [--only ROW] [--json FILE]; BUILD is the folder with what was built, ROW a piece of the names of rows.

64-byte UDP of 65,536 sorts comes from a sender in the kernel. All runs on one processor: sending, receiving, filtering, and what is
behind that. Each filter has a router of its own for each policy. They take turns, in five rounds through all rows, and the best counts,
with what the worst took more. What counts is time of the processor, the sender's and that of the kernel's thread for soft interrupts:
what else the machine does takes no part in it, but for the caches. The sender's own cost is measured in the same turns, with a router
that takes no packet; less that, a packet's time is the receiver's. A kernel that books soft interrupts apart
(CONFIG_IRQ_TIME_ACCOUNTING) hides them from the sender's time: there, all the time that passes counts.
Dropped packets are for the router itself; those that pass are sent on, and the receiver's time has the forwarding in it, and a server
that drops all at prerouting. What a peer has not loaded within a minute and a half is left out, and that is said.
--quick: what is dropped alone, of few filters, the best of three short turns.
"""

import contextlib
import pathlib
import sys
import tempfile

sys.path[:0] = [f"{__file__.rsplit('/', 3)[0]}/sandbox", __file__.rsplit("/", 2)[0]]
import policies  # noqa: E402
import rounds  # noqa: E402
from filter import FILTERS, SENDER, Refused  # noqa: E402
from links import Effort, arguments  # noqa: E402
from report import Report  # noqa: E402
from subject import Subject, frame  # noqa: E402

FULL, QUICK = Effort(turns=5, seconds=0.3), Effort(turns=3, seconds=0.1)
XDP_DROP, NO_FILTER = "trivial XDP_DROP", "no filter"


class Row:
    """A policy, what is to become of the packets, and those that took the policy, the sender first."""

    def __init__(self, name, policy, what, subjects, report, **curve):
        self.name, self.what, self.curve, self.report = f"{name}, {what}", what, curve, report
        self.frames = "\n".join(frame(*one).hex() for one in (policy.hits if what == "dropped" else policy.misses))
        self.subjects = [one for one in subjects if what in one.filter.only]

    def find_pace(self, seconds):
        for subject in self.subjects:
            subject.find_pace(self.what, self.frames, seconds)

    def turn(self):
        for subject in self.subjects:
            subject.measure(self.what, self.frames)

    def show(self):
        costs = {subject.filter.name: subject.costs[self.what] for subject in self.subjects}
        best = {name: cost.best() for name, cost in costs.items()}
        self.report.begin(f"{self.name}, 64-byte UDP", "x XDP_DROP" if self.what == "dropped" else "over no filter")
        for subject in self.subjects:
            name = subject.filter.name
            self.report.add(self.name, name, "64k", costs[name], costs[SENDER.name], **self.beside(subject, best), **self.curve)

    def beside(self, subject, best):
        """What its cost is in relation to that of the fastest, or to none at all."""
        sender, cost = best[SENDER.name], best[subject.filter.name]
        if subject.filter is SENDER:
            return {}
        lost = {"lost": subject.lost[self.what]}
        if self.what == "dropped":
            return lost | {"times_xdp_drop": (cost - sender) / (best[XDP_DROP] - sender)}
        return lost | {"over_no_filter": cost - best[NO_FILTER]}


def subjects_of(row, policy, filters, report, ends):
    """Those that took the policy, the sender first; `ends` takes them down."""
    folder = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory()))
    for filter_ in [SENDER, *filters]:
        try:
            subject = Subject(filter_, policy, folder)
        except Refused as refused:
            report.skip(f"{row.name}: {filter_.name}", str(refused))
            continue
        ends.callback(subject.bed.down)
        yield subject


def rows_of(row, wanted, filters, report, ends):
    policy = policies.policy(row)
    subjects = list(subjects_of(row, policy, [one for one in filters if set(wanted) & set(one.only)], report, ends))
    for what in wanted:
        curve = {"of": f"{row.of}, {what}", "size": row.size} if row.of else {}
        yield Row(row.name, policy, what, subjects, report, **curve)


def main():
    names = [f"{row.name}, {what}" for row in policies.ROWS for what in ("dropped", "passed")]
    asked = arguments("wire", names)
    effort = QUICK if asked.quick else FULL
    filters = [one for one in FILTERS if one.quick or not asked.quick]
    report = Report(asked.json)
    with contextlib.ExitStack() as ends:
        rows = []
        for row in policies.ROWS:
            wanted = [what for what in ("dropped", "passed") if asked.only in f"{row.name}, {what}"]
            if asked.quick:
                wanted = [what for what in wanted if row.quick and what == "dropped"]
            if wanted:
                rows += rows_of(row, wanted, filters, report, ends)
        for row in rows:
            row.find_pace(effort.seconds)
        rounds.take(rows, effort.turns)


main()
