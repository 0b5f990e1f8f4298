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
import pathlib
import sys
import tempfile

sys.path.insert(0, f"{__file__.rsplit('/', 2)[0]}/sandbox")
import wire_policies  # noqa: E402
from wire_filters import FILTERS, SENDER, Refused  # noqa: E402
from wire_report import Report  # noqa: E402
from wire_subject import Subject, frame  # noqa: E402

TURNS = 7
WHAT = ("dropped", "passed")


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
    if not any(arguments.only in f"{name}, {what}" for name in wire_policies.POLICIES for what in WHAT):
        parser.error(f"no row has {arguments.only!r} in its name; the rows: " +
                     "; ".join(f"{name}, dropped or passed" for name in wire_policies.POLICIES))
    report = Report()
    for name in wire_policies.POLICIES:
        rows = {f"{name}, {what}": what for what in WHAT if arguments.only in f"{name}, {what}"}
        policy = wire_policies.policy(name) if rows else None
        for row, what in rows.items():
            measure(row, policy, what, report)
    if arguments.json:
        report.write(arguments.json)


main()
