"""scripts/bench, but for the packages and the build: runs the parts one after the other and keeps what they have measured in one file.

Usage: front BUILD WORDS...; BUILD is the folder with what was built, the words are those of scripts/bench.

Promises: what the parts before have measured is in the file whatever becomes of one, and what that one has shown until then, too.
Exit status: 0; 1 when a part has failed; 2 when the words are wrong; 130 when it was interrupted.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import compare
import machine
import markdown
import plot

BENCH = pathlib.Path(__file__).resolve().parents[1]
ALONE = BENCH.parent / "sandbox" / "alone"
PICTURES = machine.ROOT / "docs" / "performance"
SECTIONS = ["packets", "balance", "wire", "control", "skipped"]
# What each runs, in which order: the program of the first is built, the others are scripts of this folder's neighbours.
PARTS = {"packets": "tests/bench/fwctl_bench", "wire": "wire/filters.py", "forwarding": "wire/forwarding.py",
         "tracking": "wire/tracking.py", "balancers": "balancers", "control": "control"}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", allow_abbrev=False)
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="few rows, small sizes, short turns: under three minutes")
    parser.add_argument("--json", metavar="FILE", help="keep the figures there")
    parser.add_argument("--part", choices=PARTS, help="this one alone")
    parser.add_argument("--only", metavar="ROW", help="of a part, the rows with this in their names")
    parser.add_argument("--rules", metavar="FILE", help="of packets: rules of your own, in ClassBench's format")
    parser.add_argument("--trace", metavar="FILE", help="packets for them")
    parser.add_argument("--compare", nargs="+", metavar="FILE.json", help="with a run that was kept, or two of them, without measuring")
    parser.add_argument("--plot", nargs="+", metavar="FILE.json", help="draw docs/performance/*.svg, without measuring")
    parser.add_argument("--report", metavar="FILE.json", help="print tables as Markdown, without measuring")
    asked = parser.parse_args()
    if (asked.rules or asked.trace) and not asked.part:
        asked.part = "packets"  # the only one that takes them
    if (asked.rules or asked.trace) and asked.part != "packets":
        parser.error("--rules and --trace are for --part packets")
    if asked.only is not None and not asked.part:
        parser.error("--only names rows of one part: --part has to say which")
    if asked.compare and len(asked.compare) > 2:
        parser.error("--compare takes one file or two")
    return asked


def command(part, build, kept, asked):
    what = PARTS[part]
    words = [build / what] if part == "packets" else ["/usr/bin/python3", BENCH / what, build]
    words += ["--quick"] * asked.quick + ["--json", kept]
    for name in ("only", "rules", "trace"):
        value = getattr(asked, name)
        words += [f"--{name}", value] if value is not None else []
    return [str(word) for word in [ALONE, *words]]


def read(path):
    """What a part has kept: nothing, where it did not come that far."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


class Run:
    """What the parts have measured."""

    def __init__(self, quick, path):
        self.path = path
        self.whole = {"schema": 1, "machine": machine.description(quick)} | {section: [] for section in SECTIONS}
        self.keep()

    def add(self, part):
        for section in SECTIONS:
            self.whole[section] += part.get(section, [])
        self.keep()

    def failed(self, part, why):
        print(f"bench: the part {part} has failed: {why}", file=sys.stderr, flush=True)
        self.add({"skipped": [{"name": part, "why": f"has failed: {why}"}]})

    def keep(self):
        self.path.write_text(json.dumps(self.whole, indent=2) + "\n")


def measure(asked, run, folder):
    """The exit status."""
    status = 0
    for part in [asked.part] if asked.part else PARTS:
        print(f"\n==> {part}", flush=True)
        began, kept = time.monotonic(), folder / f"{part}.json"
        try:
            done = subprocess.run(command(part, pathlib.Path(asked.build), kept, asked)).returncode
        finally:
            run.add(read(kept))
        print(f"    ({time.monotonic() - began:.0f} s)", flush=True)
        if done == 2 and asked.part:
            return 2  # it has said which of the words it does not take
        if done != 0:
            run.failed(part, f"exit status {done}")
            status = 1
    return status


def main():
    asked = arguments()
    if asked.plot:
        return plot.draw(PICTURES, asked.plot)
    if asked.report:
        return markdown.show(asked.report)
    if asked.compare and len(asked.compare) == 2:
        return compare.show(*asked.compare)
    old = compare.by_key(asked.compare[0]) if asked.compare else None  # what is no run is to be known before the hour is over
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="fwctl-bench-") as folder:
        folder = pathlib.Path(folder)
        path = pathlib.Path(asked.json) if asked.json else folder / "run.json"
        try:
            status = measure(asked, Run(asked.quick, path), folder)
        except OSError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        if old and status != 2:
            compare.show_these(old, compare.by_key(path))
    return status


if __name__ == "__main__":
    sys.exit(main())
