import argparse
import os
import sys

sys.path.insert(0, f"{__file__.rsplit('/', 2)[0]}/sandbox")
os.environ.setdefault("WIRE", f"{sys.argv[1]}/tests/wire")
import wire_balance_connections as connections  # noqa: E402
import wire_balance_packets as packets  # noqa: E402
from wire_balance_report import Report  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Balancers beside each other on the wire.")
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="ROW")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    report = Report()
    for row in packets.rows(arguments.quick):
        if arguments.only in row.name:
            packets.measure(row, 2 if arguments.quick else 5, 0.05 if arguments.quick else 0.25, report)
    names = [name for name in connections.ROWS if arguments.only in name]
    if names:
        connections.measure(names, 2 if arguments.quick else 5, 0.3 if arguments.quick else 1.5, report)
    if arguments.json:
        report.write(arguments.json)


main()
