"""What the scripts here have in common: where the sender is, and what the kernel says of the links of a testbed."""

import json
import sys

SENDER = f"{sys.argv[1]}/tests/bench/fwctl_bench_sender"  # sender.cpp


def link(bed, role, device):
    return json.loads(bed.check(role, "ip", "-j", "-s", "link", "show", device))[0]


def arrived(bed):
    """Packets that the server has received."""
    return link(bed, "server", "eth0")["stats64"]["rx"]["packets"]
