"""Balancers on the wire as a table for people and as JSON, whose rows are those of the control plane: value, unit and spread."""

import json
import pathlib
import statistics

from peers import SENDER

PERCENTILES = ("p50", "p90", "p99", "p99.9")


def middle(subject, row, what):
    """The median of the turns, and how far the farthest one is from it."""
    values = [turn[what] for turn in subject.turns[row]]
    median = statistics.median(values)
    return median, max(abs(value - median) for value in values)


class Report:
    """Kept in the file at once, as that of wire/report.py."""

    def __init__(self, path):
        self.path = path
        self.wire, self.skipped = [], []
        self.keep()

    def keep(self):
        if self.path:
            whole = {"schema": 1, "wire": self.wire, "skipped": self.skipped}
            pathlib.Path(self.path).write_text(json.dumps(whole, indent=2) + "\n")

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self.skipped.append({"name": what, "why": why})
        self.keep()

    def begin_packets(self, row):
        print(f"\n{row.name + ', 64 bytes':<72}{'packets/s':>12}{'ns a packet':>16}{'of the balancer':>17}{'x trivial':>11}", flush=True)

    def add_packets(self, row, subject, alone, floor):
        """`alone`: what the sender takes; `floor`: with the program that does least, what it and the sender take."""
        best, worst = min(subject.costs), max(subject.costs)
        name = subject.balancer.name
        entry = {"name": f"{row.name}: {name}", "value": best - alone, "unit": "ns", "spread": worst - best, "baseline": alone,
                 "packets_per_second": 1e9 / min(subject.apart), "of": f"backends, {row.what}: {name}", "size": row.backends}
        shown = ""
        if subject.balancer is not SENDER:
            entry |= {"times_trivial": (best - alone) / (floor - alone), "lost": subject.lost}
            shown = f"{entry['times_trivial']:11.2f}" + (f"   {subject.lost:.0%} lost" if subject.lost > 0.01 else "")
        print(f"{name:<72}{entry['packets_per_second']:12,.0f}{f'{best:.0f} +{worst - best:.0f}':>16}{best - alone:17.0f}{shown}", flush=True)
        self.wire.append(entry)
        self.keep()

    def begin_connections(self, name):
        columns = f"{'a second':>18}{'us each':>10}{'of the balancer':>17}" + "".join(f"{of + ', us':>11}" for of in PERCENTILES)
        print(f"\n{name:<50}{columns}", flush=True)

    def add_connections(self, row, subject, direct):
        """`direct`: without a balancer."""
        rate, spread = middle(subject, row, "rate")
        cost, cost_spread = middle(subject, row, "cost")
        name = f"{row}: {subject.balancer.name}"
        shown = "" if subject is direct else f"{cost - middle(direct, row, 'cost')[0]:17.1f}"
        latencies = {of: middle(subject, row, of) for of in PERCENTILES}
        print(f"{subject.balancer.name:<50}{f'{rate:,.0f} ±{spread:,.0f}':>18}{cost:10.1f}{shown:>17}" +
              "".join(f"{value:11,.0f}" for value, _ in latencies.values()), flush=True)
        self.wire.append({"name": name, "value": rate, "unit": "a second", "spread": spread})
        self.wire.append({"name": f"{name}: processor", "value": cost, "unit": "us", "spread": cost_spread})
        for of, (value, its_spread) in latencies.items():
            self.wire.append({"name": f"{name}: {of}", "value": value, "unit": "us", "spread": its_spread})
        self.keep()
