"""The figures on the wire, as a table for people and as JSON, whose rows have the shape of those of report.cpp."""

import json
import pathlib

from wire_filters import SENDER


class Report:
    def __init__(self):
        self.wire, self.skipped = [], []

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self.skipped.append({"name": what, "why": why})

    def begin(self, row):
        beside = "x XDP_DROP" if row.endswith("dropped") else "over no filter"
        print(f"\n{row + ', 64-byte UDP':<52}{'packets/s':>12}{'ns a packet':>18}{'of the receiver':>16}{beside:>16}", flush=True)

    def add(self, row, subject, alone, beside):
        """`alone`: what the sender takes; `beside`: what the subject's cost is compared with, or None."""
        best, worst = min(subject.costs), max(subject.costs)
        name = f"{row}: {subject.filter.name}"
        entry = {"ns": best - alone, "spread": worst - best, "baseline": alone, "packets_per_second": 1e9 / min(subject.apart)}
        shown = ""
        if beside and row.endswith("dropped"):
            entry["times_xdp_drop"] = (best - alone) / (beside - alone)
            shown = f"{entry['times_xdp_drop']:16.2f}"
        elif beside:
            entry["over_no_filter"] = best - beside
            shown = f"{entry['over_no_filter']:+16.0f}"
        if subject.filter is not SENDER:
            entry["lost"] = subject.lost
            shown += f"   {subject.lost:.0%} lost" if subject.lost > 0.01 else ""
        print(f"{subject.filter.name:<52}{1e9 / min(subject.apart):12,.0f}{f'{best:.0f} +{worst - best:.0f}':>18}{best - alone:16.0f}{shown}", flush=True)
        self.wire.append({"name": name, "flows": {"64k": entry}})

    def write(self, path):
        whole = {"schema": 1, "packets": [], "balance": [], "control": [], "wire": self.wire, "skipped": self.skipped}
        pathlib.Path(path).write_text(json.dumps(whole, indent=2) + "\n")
