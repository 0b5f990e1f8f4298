"""What the commands cost that a user types, beside nft, iptables and ipset with the same rules, blocks and addresses.

Usage: control BUILD [--quick] [--only ROW] [--json FILE]. BUILD is the folder with what was built, ROW a piece of the names of rows.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

BENCH = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(BENCH), str(BENCH.parent / "sandbox")]
import rounds  # noqa: E402
from content import Content  # noqa: E402
from fwctl import Fwctl  # noqa: E402
from ipset import Ipset  # noqa: E402
from iptables import Iptables  # noqa: E402
from measure import FULL, QUICK, Comparison, Station  # noqa: E402
from nft import Nft  # noqa: E402
from report import Report  # noqa: E402
from rows import ROWS  # noqa: E402
from stopwatch import Group, Stopwatch  # noqa: E402

SUBJECTS = [Fwctl, Nft, Iptables, Ipset]


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench --part control", allow_abbrev=False)
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="small sizes and few turns")
    parser.add_argument("--only", default="", metavar="ROW", help="rows with this in their names")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


@contextlib.contextmanager
def namespace(build):
    """The name of a namespace with an interface eth0. It goes with this process, however that ends."""
    os.environ["FWCTL"] = f"{build}/ctl/cli/fwctl"
    from conftest import Testbed

    bed = Testbed("pair")
    try:
        yield bed.name("a")
    finally:
        bed.down()


def kept_for(name):
    """Where fwctl keeps on the disk what it applies in that namespace."""
    import netns

    with netns.inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        cookie = int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, netns.SO_NETNS_COOKIE, 8), "little")
    return f"/var/lib/fwctl/net-{cookie}"


def remove_at_the_end(*folders):
    """Of this process, however that comes. A control group stays until its last process has gone."""
    script = """
        tail --pid="$0" -s 0.2 -f /dev/null
        for folder; do
            for second in 1 2 3 4 5; do rmdir "$folder" || rm -rf "$folder" && break; sleep 1; done
        done"""
    subprocess.Popen(["sh", "-c", script, str(os.getpid()), *map(str, folders)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, start_new_session=True)


def station(subject, build, folder, effort, ends):
    name = ends.enter_context(namespace(build))
    group = Group(f"fwctl-bench-{name}")
    remove_at_the_end(kept_for(name), *filter(None, [group.path]))
    return Station(subject, Stopwatch(build, folder, name, group), effort)


def run(wanted, rows, report):
    effort = QUICK if wanted.quick else FULL
    with contextlib.ExitStack() as ends:
        folder = tempfile.mkdtemp(prefix="fwctl-bench-")
        remove_at_the_end(folder)
        content = Content(folder, wanted.build)
        stations = [station(subject(content, wanted.build), wanted.build, folder, effort, ends) for subject in SUBJECTS]
        for one in stations:
            if one.subject.missing:
                report.skip(one.subject.name, one.subject.missing)
        if any(not one.stopwatch.group.path for one in stations):
            report.skip("memory in the kernel", Group.why)
        sizes = [(row, size) for row in rows for size in (row.quick if wanted.quick else row.sizes)]
        rounds.take([Comparison(row, size, stations, report) for row, size in sizes], effort.turns)


def main():
    wanted = arguments()
    rows = [row for row in ROWS if wanted.only in row.name and (row.quick or not wanted.quick)]
    if not rows:
        names = "".join(f"\n  {row.name}" for row in ROWS)
        print(f'bench: no row has "{wanted.only}" in its name{" and is part of --quick" * wanted.quick}; there are:{names}', file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report(wanted.json)
    report.begin()
    run(wanted, rows, report)


main()
