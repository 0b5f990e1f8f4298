"""Takes a row at one size: fwctl and its peers in turns, each in a network namespace of its own.

Promises: what cannot be measured is told to the report, and why; the next size of it is not begun when it must be expected to take too
long, or more memory than half of what there is.
"""

import statistics
import typing

from content import short
from report import Figure, Line
from stopwatch import Failed


class Effort(typing.NamedTuple):
    turns: int
    patience: float  # seconds for the turns of one subject at one size. Where LEAST turns would take longer, it has one
    limit: int  # seconds for one command


LEAST = 3  # two would say too little of how far apart they are
FULL = Effort(turns=5, patience=12, limit=100)
QUICK = Effort(turns=3, patience=3, limit=30)


def figure(values):
    if not values:
        return None
    median = statistics.median(values)
    return Figure(median, max(max(values) - median, median - min(values)), len(values))


class Taken:
    """What a subject has taken of a row at one size, turn by turn."""

    def __init__(self, task):
        self.task = task
        self.costs = {step: [] for step in task.steps}
        self.kernel = []
        self.turns = 0
        self.spent = 0  # seconds
        self.over = False

    def most(self):
        """The most expensive Cost, and the most memory of the kernel."""
        return max(cost for step in self.costs.values() for cost in step), max(self.kernel, default=0)


class Station:
    """A subject in its namespace."""

    def __init__(self, subject, stopwatch, effort):
        self.subject, self.stopwatch, self.effort = subject, stopwatch, effort
        self.history = {}  # row: the largest size so far, and most() of what it has taken

    def untimed(self, commands):
        for command in commands:
            self.stopwatch.run(command, self.effort.limit)

    def turn(self, taken):
        try:
            self.measure(taken)
        finally:
            self.untimed(self.subject.empty())
        taken.turns += 1
        taken.over = taken.spent * (LEAST if taken.turns == 1 else 1) > self.effort.patience

    def measure(self, taken):
        task = taken.task
        self.untimed([*task.before, *task.clear])
        before = self.settled_megabytes()
        self.untimed(task.declare)
        for step, command in task.steps.items():
            cost = self.stopwatch.run(command(self.stopwatch.output()) if callable(command) else command, self.effort.limit)
            taken.costs[step].append(cost)
            taken.spent += cost.milliseconds / 1000
        if task.clear and before is not None:
            taken.kernel.append(self.settled_megabytes() - before)

    def settled_megabytes(self):
        """What the kernel has taken for the subject, where that can be known. It has freed then what it was about to free: a command may
        have to wait for that."""
        kilobytes = self.stopwatch.group.settled()
        if hasattr(self.subject, "kernel_megabytes"):
            return self.subject.kernel_megabytes(self.stopwatch)
        return kilobytes / 1024 if self.stopwatch.group.path else None

    def too_much(self, row, size):
        """Why that size is not begun, or None."""
        if row.name not in self.history:
            return None
        smaller, ((milliseconds, _, megabytes), kernel) = self.history[row.name]
        times = size / smaller
        if milliseconds * times / 1000 > self.effort.limit:
            return f"{milliseconds / 1000:.1f} s at {short(smaller)}: more than {self.effort.limit} s are to be expected"
        wanted = (megabytes + kernel) * times
        if wanted > free_megabytes() / 2:
            return f"{megabytes + kernel:.0f} MB at {short(smaller)}: {wanted:.0f} MB are to be expected"
        return None


def free_megabytes():
    with open("/proc/meminfo") as file:
        (line,) = [line for line in file if line.startswith("MemAvailable:")]
    return int(line.split()[1]) / 1024


class Comparison:
    """A row at one size, with all that have words for it beside each other."""

    def __init__(self, row, size, stations, report):
        self.row, self.size, self.report = row, size, report
        self.stations = [station for station in stations if hasattr(station.subject, row.task) and not station.subject.missing]
        self.taken = None  # station: Taken, of those that take part

    def turn(self):
        first = self.taken is None
        if first:
            self.taken = {station: self.begin(station) for station in self.stations if not self.left_out(station)}
        for station, taken in self.taken.items():
            if not taken.over:
                self.attempt(station, taken)
            if first and taken.spent:
                station.history[self.row.name] = self.size, taken.most()

    def begin(self, station):
        return Taken(getattr(station.subject, self.row.task)(self.row.kind, self.size, *self.row.more))

    def left_out(self, station):
        why = station.too_much(self.row, self.size)
        if why:
            self.skip(station, why)
        return why

    def attempt(self, station, taken):
        try:
            station.turn(taken)
        except Failed as why:
            taken.over = True
            self.skip(station, str(why))

    def skip(self, station, why):
        self.report.skip(f"{self.row.name}: {station.subject.name}, {short(self.size)}", why)

    def show(self):
        """First all of the first step, so that fwctl and its peers stand together."""
        for step in dict.fromkeys(step for taken in self.taken.values() for step in taken.costs):
            fwctls = None
            for station, taken in self.taken.items():
                costs = taken.costs.get(step)
                if not costs:
                    continue
                time = figure([cost.milliseconds for cost in costs])
                is_fwctl = station.subject.name == "fwctl"
                fwctls = time if is_fwctl else fwctls
                self.report.add(self.line(step, station, taken, time, None if is_fwctl or not fwctls else time.median / fwctls.median))

    def line(self, step, station, taken, time, beside):
        row, size, costs, of_fwctl = self.row, self.size, taken.costs[step], station.subject.name == "fwctl"
        return Line(f"{row.name}, {step}" if step else row.name, station.subject.name, size, row.of, time,
                    figure([cost.cpu for cost in costs]), figure([cost.megabytes for cost in costs]), figure(taken.kernel), beside=beside,
                    milliseconds=row.milliseconds.get(size) if of_fwctl else None, megabytes=row.megabytes.get(size) if of_fwctl else None)
