"""The figures, as a table for people and as JSON: rows of `control` as ../report.cpp writes them, one for each figure, with their spread.

The name of a row is "WHAT: WHO, SIZE" or "WHAT: WHO: memory of the command, SIZE"; `size` is the same as a number.
"""

import json

from content import short

WIDTH = 66


def shown(figure, digits):
    return f"{figure.median:,.{digits}f} +{figure.spread:,.{digits}f}" if figure else "-"


class Report:
    def __init__(self):
        self.control, self.skipped = [], []

    @staticmethod
    def begin():
        print("\nControl plane: commands as they are typed, median of the runs +spread between the least and the most\n\n"
              f"{'':{WIDTH}}{'ms':>20}{'peak, MB':>16}{'in the kernel, MB':>19}{'runs':>6}", flush=True)

    def add(self, what, who, size, time, memory, kernel, beside, targets):
        line = f"{f'{what}: {who}, {short(size)}':{WIDTH}}{shown(time, 1):>20}{shown(memory, 1):>16}{shown(kernel, 2):>19}{time.runs:>6}"
        if beside:
            line += f"   x{beside:.2f} of fwctl's time"
        for figure, target, unit in ((time, targets[0], "ms"), (kernel, targets[1], "MB")):
            if figure and target:
                line += f"   target {target} {unit} x{figure.median / target:.2f}"
        print(line, flush=True)
        self._keep(f"{what}: {who}", size, time, "ms", targets[0])
        self._keep(f"{what}: {who}: memory of the command", size, memory, "MB")
        self._keep(f"{what}: {who}: memory in the kernel", size, kernel, "MB", targets[1])

    def _keep(self, name, size, figure, unit, target=None):
        if not figure:
            return
        row = {"name": f"{name}, {short(size)}", "value": figure.median, "unit": unit, "spread": figure.spread, "runs": figure.runs,
               "size": size}
        self.control.append(row | ({"target": target} if target else {}))

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self.skipped.append({"name": what, "why": why})

    def write(self, path):
        with open(path, "w") as file:
            json.dump({"schema": 1, "control": self.control, "skipped": self.skipped}, file, indent=2)
            file.write("\n")
