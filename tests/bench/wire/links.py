"""What the scripts here have in common: the sender, the programs to compare with, and what the kernel says of the links of a testbed."""

import argparse
import json
import os
import subprocess
import sys
import typing

SENDER = f"{sys.argv[1]}/tests/bench/fwctl_bench_sender"  # sender.cpp
PROGRAMS = f"{sys.argv[1]}/bpf/skeleton/fwctl_bench_peers.o"  # peers.bpf.c
DROP_ALL = "add table inet bench; add chain inet bench in { type filter hook prerouting priority raw; }; add rule inet bench in meta l4proto udp drop"


TRIES = 5


class Lost(Exception):
    """Of a turn's packets, a veth has lost most. Now and then it does so where packets take long, and more often on a busy machine."""


def repeated(turn):
    """What the turn gives in which they have come."""
    for _ in range(TRIES - 1):
        try:
            return turn()
        except Lost:
            pass
    return turn()


class Effort(typing.NamedTuple):
    turns: int
    seconds: float  # that a turn takes, about


def arguments(part, names):
    """The words of a part of the benchmark with these rows; ends where none of them is asked for."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench --part {part}", allow_abbrev=False)
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="ROW")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args()
    if not any(asked.only in name for name in names):
        print(f'bench: no row has "{asked.only}" in its name; there are:' + "".join(f"\n  {name}" for name in names), file=sys.stderr)
        sys.exit(2)
    return asked


def link(bed, role, device):
    return json.loads(bed.check(role, "ip", "-j", "-s", "link", "show", device))[0]


def received(bed, role, device):
    """Packets that the device has had."""
    return link(bed, role, device)["stats64"]["rx"]["packets"]


def arrived(bed):
    """Packets that the server has received."""
    return received(bed, "server", "eth0")


def take_frames(bed, *ends):
    """Without a program of XDP a veth takes the sender's frames where it has GRO."""
    for role, device in ends:
        bed.check(role, "ethtool", "-K", device, "gro", "on")


def keep_neighbours(bed, role):
    """Of all namespaces together, the kernel keeps some hundred neighbours, but for the permanent ones; a burst is not to wait for an
    answer of ARP."""
    for known in json.loads(bed.check(role, "ip", "-j", "neigh")):
        if "lladdr" in known:
            words = [known["dst"], "lladdr", known["lladdr"], "dev", known["dev"], "nud", "permanent"]
            bed.check(role, "ip", "neigh", "replace", *words)


PROCESSOR = max(os.sched_getaffinity(0))  # that sends and receives


def send(bed, role, frames, packets, *flows):
    """Sends from eth0, and returns how many seconds that took, and how many of the processor. The frames are a line each, in
    hexadecimal; `flows` are the sender's words."""
    words = ["taskset", "-c", str(PROCESSOR), SENDER, "eth0", str(packets), *map(str, flows)]
    done = subprocess.run(["nsenter", f"--net=/run/netns/{bed.name(role)}", *words], input=frames, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stderr}")
    took, of_processor = (int(word) / 1e9 for word in done.stdout.split())
    return took, of_processor


def attach_trivial(bed, role, device, program):
    """One of the programs of peers.bpf.c, in the driver."""
    bed.check(role, "ip", "link", "set", "dev", device, "xdpdrv", "off")
    bed.check(role, "ip", "link", "set", "dev", device, "xdpdrv", "obj", PROGRAMS, "program", program)
