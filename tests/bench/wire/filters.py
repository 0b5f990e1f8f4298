"""Filters beside each other on the wire: what a packet costs that fwctl, or what a user would take instead, drops or lets pass.

Usage: filters.py BUILD [--quick] [--only ROW] [--json FILE]; BUILD is the folder with what was built, ROW a piece of the names of rows.

64-byte UDP of 65,536 sorts comes from a sender in the kernel. All runs on one processor: sending, receiving, filtering, and what is
behind that. Each filter has a router of its own; they take turns, and the best of five counts, with what the worst took more. What
counts is time of the processor, the sender's and that of the kernel's thread for soft interrupts: what else the machine does takes no
part in it, but for the caches. The sender's own cost is measured in the same turns, with a router that takes no packet; less that,
a packet's time is the receiver's. A kernel that books soft interrupts apart (CONFIG_IRQ_TIME_ACCOUNTING) hides them from the sender's
time: there, all the time that passes counts.
Dropped packets are for the router itself; those that pass are sent on, and the receiver's time has the forwarding in it, and a server
that drops all at prerouting. What a peer has not loaded within a minute and a half is left out, and that is said.
--quick: what is dropped alone, of few filters, the best of three short turns.
"""

import contextlib
import pathlib
import sys
import tempfile

sys.path.insert(0, f"{__file__.rsplit('/', 3)[0]}/sandbox")
import policies  # noqa: E402
from filter import FILTERS, SENDER, Refused  # noqa: E402
from links import Effort, arguments  # noqa: E402
from report import Report  # noqa: E402
from subject import Subject, frame  # noqa: E402

FULL, QUICK = Effort(turns=5, seconds=0.3), Effort(turns=3, seconds=0.1)
XDP_DROP, NO_FILTER = "trivial XDP_DROP", "no filter"


def subjects_of(name, policy, what, filters, folder, report, ends):
    """Those that took the policy, the sender first; `ends` takes them down."""
    subjects = []
    for filter_ in [SENDER, *filters]:
        if what not in filter_.only:
            continue
        try:
            subject = Subject(filter_, policy, what, folder)
        except Refused as refused:
            report.skip(f"{name}: {filter_.name}", str(refused))
            continue
        ends.callback(subject.bed.down)
        subjects.append(subject)
    return subjects


def beside(what, subject, best):
    """What its cost is in relation to that of the fastest, or to none at all."""
    sender, cost = best[SENDER.name], best[subject.filter.name]
    if subject.filter is SENDER:
        return {}
    if what == "dropped":
        return {"times_xdp_drop": (cost - sender) / (best[XDP_DROP] - sender), "lost": subject.lost}
    return {"over_no_filter": cost - best[NO_FILTER], "lost": subject.lost}


def measure(row, policy, what, filters, effort, report):
    packets = policy.hits if what == "dropped" else policy.misses
    frames = "\n".join(frame(*one).hex() for one in packets)
    name = f"{row.name}, {what}"
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        subjects = subjects_of(name, policy, what, filters, pathlib.Path(folder), report, ends)
        for subject in subjects:
            subject.find_pace(frames, effort.seconds)
        for _ in range(effort.turns):
            for subject in subjects:
                subject.measure(frames)
        best = {subject.filter.name: subject.costs.best() for subject in subjects}
        report.begin(f"{name}, 64-byte UDP", "x XDP_DROP" if what == "dropped" else "over no filter")
        curve = {"of": f"{row.of}, {what}", "size": row.size} if row.of else {}
        for subject in subjects:
            report.add(name, subject.filter.name, "64k", subject.costs, subjects[0].costs, **beside(what, subject, best), **curve)


def main():
    names = [f"{row.name}, {what}" for row in policies.ROWS for what in ("dropped", "passed")]
    asked = arguments("wire", names)
    filters = [one for one in FILTERS if one.quick or not asked.quick]
    report = Report(asked.json)
    for row in policies.ROWS:
        wanted = [what for what in ("dropped", "passed") if asked.only in f"{row.name}, {what}"]
        if asked.quick:
            wanted = [what for what in wanted if row.quick and what == "dropped"]
        policy = policies.policy(row) if wanted else None
        for what in wanted:
            measure(row, policy, what, filters, QUICK if asked.quick else FULL, report)


main()
