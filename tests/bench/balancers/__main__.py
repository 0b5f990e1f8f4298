"""Balancers beside each other on the wire: fwctl, and what a user would take instead.

Usage: balancers BUILD [--quick] [--only ROW] [--json FILE]; BUILD is the folder with what was built, ROW a piece of the names of
rows. --quick: fewer balancers, fewer turns, half a minute or so; all of it takes some minutes.

Packets: 64-byte UDP and TCP from a sender in the kernel go to the balancer and come back to where they are dropped, all on one processor.
65,536 flows are known, or each packet is of a new one. Each balancer has a bed of its own for each row. They take turns, in five rounds
through all rows, and the best counts, with what the worst took more. What counts is time of the processor, as in wire/filters.py; less
the sender's own it is the balancer's, and beside it stands that of a program of XDP which swaps MAC addresses. Before that the backends
count what each has had.
A packet by TC or the stack has another kind of sink than one by XDP, the cheaper one for each (subject.py).

Connections: wrk through a balancer to four web servers, 16 at a time, with one request for each connection or with many. All run on one
processor: how many a second it carries, how long it is busy for one, in all and more than without a balancer, and what wrk says of
the time from a request to its answer (not of the time to connect). The median of five turns counts, with what the farthest is off.
No end leaves checksums or segments to its device, as frames come from a wire; fwctl's XDP sends by itself. What `ipip` has put into
another packet, fwctl takes out on each backend: that is in its figure.
"""

import argparse
import os
import sys

TESTS = __file__.rsplit("/", 3)[0]
sys.path.insert(0, f"{TESTS}/sandbox")
sys.path += [f"{TESTS}/bench", f"{TESTS}/bench/wire"]
for variable, built in (("FWCTL", "ctl/cli/fwctl"), ("WIRE", "tests/wire")):
    os.environ.setdefault(variable, f"{sys.argv[1]}/{built}")
import connections  # noqa: E402
import packets  # noqa: E402
from report import Report  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Balancers beside each other on the wire.")
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="ROW")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    names = [row.name for row in packets.rows(arguments.quick)] + list(connections.ROWS)
    if not any(arguments.only in name for name in names):
        parser.error(f"no row has {arguments.only!r} in its name; the rows: " + "; ".join(names))
    report = Report(arguments.json)
    packets.measure(arguments.only, arguments.quick, report)
    connections.measure(arguments.only, arguments.quick, report)


main()
