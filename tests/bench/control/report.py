"""The figures, as a table for people and as JSON: rows of `control` as ../report.cpp writes rows, one for each figure, with their spread.

The name of a row is "WHAT: WHO, SIZE" or "WHAT: WHO: memory of the command, SIZE"; `size` is the same as a number, of `of`.
"""

import json
import pathlib
import typing

from content import short

WIDTH = 72


class Figure(typing.NamedTuple):
    median: float
    spread: float  # how far from it the farthest run is
    runs: int


class Line(typing.NamedTuple):
    what: str
    who: str
    size: int
    of: str
    time: Figure
    cpu: Figure
    memory: Figure
    kernel: typing.Optional[Figure]
    beside: typing.Optional[float]  # times that of fwctl
    milliseconds: typing.Optional[float]  # targets
    megabytes: typing.Optional[float]


def shown(figure, digits):
    return f"{figure.median:,.{digits}f} ±{figure.spread:,.{digits}f}" if figure else "-"


class Report:
    """What is said with skip() and add() is kept in the file at once, as nobody knows whether the next row succeeds."""

    def __init__(self, path):
        self.path = path
        self.control, self.skipped = [], []
        self.keep()

    @staticmethod
    def begin():
        print("\nControl plane: commands as they are typed; median of the runs ± the farthest of them, CPU time in it, the most memory of the"
              f"\ncommand, and what it left in the kernel\n\n{'':{WIDTH}}{'ms':>20}{'CPU, ms':>11}{'peak, MB':>15}{'kernel, MB':>15}{'runs':>6}",
              flush=True)

    def add(self, line):
        name = f"{line.what}: {line.who}, {short(line.size)}"
        text = (f"{name:{WIDTH}}{shown(line.time, 1):>20}{line.cpu.median:>11,.1f}{shown(line.memory, 1):>15}{shown(line.kernel, 2):>15}"
                f"{line.time.runs:>6}")
        if line.beside:
            text += f"   x{line.beside:.2f} of fwctl's time"
        for figure, target, unit in ((line.time, line.milliseconds, "ms"), (line.kernel, line.megabytes, "MB")):
            if figure and target:
                text += f"   target {target} {unit} x{figure.median / target:.2f}"
        print(text, flush=True)
        self._keep(line, "", line.time, "ms", line.milliseconds)
        self._keep(line, ": CPU time", line.cpu, "ms")
        self._keep(line, ": memory of the command", line.memory, "MB")
        self._keep(line, ": memory in the kernel", line.kernel, "MB", line.megabytes)
        self.keep()

    def _keep(self, line, which, figure, unit, target=None):
        if not figure:
            return
        row = {"name": f"{line.what}: {line.who}{which}, {short(line.size)}", "value": figure.median, "unit": unit, "spread": figure.spread,
               "runs": figure.runs, "size": line.size, "of": line.of}
        self.control.append(row | ({"target": target} if target else {}))

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self.skipped.append({"name": what, "why": why})
        self.keep()

    def keep(self):
        if self.path:
            whole = {"schema": 1, "control": self.control, "skipped": self.skipped}
            pathlib.Path(self.path).write_text(json.dumps(whole, indent=2) + "\n")
