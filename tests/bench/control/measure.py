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
    patience: float  # seconds for the turns of one subject: when they are over, it has had its turns
    limit: int  # seconds for one command


FULL = Effort(turns=3, patience=5, limit=100)
QUICK = Effort(turns=3, patience=3, limit=30)


def figure(values):
    if not values:
        return None
    median = statistics.median(values)
    return Figure(median, max(max(values) - median, median - min(values)), len(values))


class Station:
    """A subject in its namespace, and what it has taken."""

    def __init__(self, subject, stopwatch, effort):
        self.subject, self.stopwatch, self.effort = subject, stopwatch, effort
        self.history = {}  # row: the largest size so far, its most expensive Cost

    def begin(self, task):
        self.task, self.costs, self.kernel = task, {step: [] for step in task.steps}, []
        self.spent = 0
        self.untimed(task.before)
        self.stopwatch.group.settled()  # a command may have to wait for what the kernel still frees

    def untimed(self, commands):
        for command in commands:
            self.stopwatch.run(command, self.effort.limit)

    def turn(self):
        task = self.task
        self.untimed(task.clear)
        before = self.kernel_megabytes() if task.clear else None
        self.untimed(task.declare)
        for step, command in task.steps.items():
            cost = self.stopwatch.run(command(self.stopwatch.output()) if callable(command) else command, self.effort.limit)
            self.costs[step].append(cost)
            self.spent += cost.milliseconds / 1000
        if before is not None:
            self.kernel.append(self.kernel_megabytes() - before)

    def kernel_megabytes(self):
        """What the kernel has taken for the subject, where that can be known."""
        if hasattr(self.subject, "kernel_megabytes"):
            return self.subject.kernel_megabytes(self.stopwatch)
        return self.stopwatch.group.settled() / 1024 if self.stopwatch.group.path else None

    def done(self):
        return self.spent > self.effort.patience

    def end(self, row, size):
        costs = [cost for step in self.costs.values() for cost in step]
        if costs:
            self.history[row.name] = size, max(costs), max(self.kernel, default=0)
        self.untimed(self.subject.empty())

    def too_much(self, row, size):
        """Why that size is not begun, or None."""
        if row.name not in self.history:
            return None
        smaller, (milliseconds, _, megabytes), kernel = self.history[row.name]
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


def attempt(station, row, size, report, work):
    """Whether it went well."""
    try:
        work()
    except Failed as why:
        report.skip(f"{row.name}: {station.subject.name}, {short(size)}", str(why))
        return False
    return True


def measure(row, size, stations, effort, report):
    asked = [station for station in stations if hasattr(station.subject, row.task) and not station.subject.missing]
    running = []
    for station in asked:
        if why := station.too_much(row, size):
            report.skip(f"{row.name}: {station.subject.name}, {short(size)}", why)
            continue
        task = getattr(station.subject, row.task)(row.kind, size, *row.more)
        if attempt(station, row, size, report, lambda: station.begin(task)):
            running.append(station)
    left = list(running)
    for _ in range(effort.turns):
        left = [station for station in left if not station.done() and attempt(station, row, size, report, station.turn)]
        left = left[1:] + left[:1]  # the kernel may still be at work for the one before
    show(row, size, running, report)
    for station in asked:
        attempt(station, row, size, report, lambda: station.end(row, size))


def show(row, size, stations, report):
    """First all of the first step, so that fwctl and its peers stand together."""
    for step in dict.fromkeys(step for station in stations for step in station.costs):
        name = f"{row.name}, {step}" if step else row.name
        fwctls = None
        for station in stations:
            costs = station.costs.get(step)
            if not costs:
                continue
            time = figure([cost.milliseconds for cost in costs])
            is_fwctl = station.subject.name == "fwctl"
            fwctls = time if is_fwctl else fwctls
            report.add(Line(
                name, station.subject.name, size, row.of, time, figure([cost.cpu for cost in costs]),
                figure([cost.megabytes for cost in costs]), figure(station.kernel),
                beside=None if is_fwctl or not fwctls else time.median / fwctls.median,
                milliseconds=row.milliseconds.get(size) if is_fwctl else None, megabytes=row.megabytes.get(size) if is_fwctl else None))
