"""The figures on the wire, as a table for people and as JSON, whose rows have the shape of those of report.cpp."""

import json
import pathlib
import typing


class Costs(typing.NamedTuple):
    """Of each turn, nanoseconds a packet: of the processor, and until the next one."""

    processor: list
    apart: list

    def best(self):
        return min(self.processor)

    def spread(self):
        return max(self.processor) - min(self.processor)


class Report:
    """What is said with skip() and add() is kept in the file at once, as nobody knows whether the next row succeeds."""

    def __init__(self, path):
        self.path = path
        self.wire, self.skipped = {}, []
        self.keep()

    def keep(self):
        if self.path:
            whole = {"schema": 1, "wire": list(self.wire.values()), "skipped": self.skipped}
            pathlib.Path(self.path).write_text(json.dumps(whole, indent=2) + "\n")

    def skip(self, what, why):
        print(f"SKIPPED {what}: {why}", flush=True)
        self.skipped.append({"name": what, "why": why})
        self.keep()

    @staticmethod
    def begin(title, beside):
        print(f"\n{title:<52}{'packets/s':>12}{'ns a packet':>18}{'of the receiver':>16}{beside:>16}", flush=True)

    def add(self, row, who, flows, costs, alone, **more):
        """`flows` names the column; `alone` are the costs of the sender, that are no part of the receiver's. `more` has what else is
        known: times_xdp_drop, over_no_filter, lost, of whose the curve is and the size there."""
        entry = {"ns": costs.best() - alone.best(), "spread": costs.spread(), "baseline": alone.best(), "baseline_spread": alone.spread(),
                 "packets_per_second": 1e9 / min(costs.apart)}
        entry |= {key: more[key] for key in ("times_xdp_drop", "over_no_filter", "lost") if more.get(key) is not None}
        print(f"{who:<52}{entry['packets_per_second']:12,.0f}{f'{costs.best():.0f} +{costs.spread():.0f}':>18}{entry['ns']:16.0f}"
              + self.beside(entry), flush=True)
        name = f"{row}: {who}"
        kept = self.wire.setdefault(name, {"name": name, "flows": {}})
        kept["flows"][flows] = entry
        kept |= {key: more[key] for key in ("of", "size") if key in more}
        self.keep()

    @staticmethod
    def beside(entry):
        shown = ""
        if "times_xdp_drop" in entry:
            shown = f"{entry['times_xdp_drop']:16.2f}"
        elif "over_no_filter" in entry:
            shown = f"{entry['over_no_filter']:+16.0f}"
        return shown + (f"   {entry['lost']:.0%} lost" if entry.get("lost", 0) > 0.01 else "")
