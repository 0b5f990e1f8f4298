"""What the runs of the benchmark have written as JSON, figure by figure, for those who compare and draw them."""

import json
import sys
import typing


FLOWS = {"hot": 1, "1k": 1 << 10, "64k": 1 << 16, "1M": 1 << 20}  # how many different packets


class Figure(typing.NamedTuple):
    section: str  # packets, balance, control …
    name: str  # of the row
    flows: str  # "hot", "1k" …; empty where there is no such column
    value: float
    unit: str
    low: float | None  # how far the spreads of the run reach
    high: float | None
    size: int | None = None  # how much of `of` there is
    of: str = ""
    baseline: float | None = None  # of the driver, which is taken off


# A cost is that of the best load: others took up to `spread` more, and the baseline up to `baseline_spread`.
def cost(figures, prefix):
    value = figures[prefix or "ns"]
    spread = figures.get(f"{prefix}_spread" if prefix else "spread")
    if spread is None:
        return value, None, None
    return value, value - figures.get("baseline_spread", 0), value + spread


def of_row(section, row, name):
    size, of = row.get("size"), row.get("of", "")
    for flows, figures in sorted(row.get("flows", {}).items(), key=lambda column: FLOWS[column[0]]):
        yield Figure(section, name, flows, *place(cost(figures, "")), size, of, figures["baseline"])
        if "constant" in figures:
            yield Figure(section, f"{name}: constant encapsulation", flows, *place(cost(figures, "constant")))
    if "value" in row:
        value, spread = row["value"], row.get("spread") if row.get("runs") != 1 else None  # once tells of no spread
        ends = (None, None) if spread is None else (value - spread, value + spread)
        yield Figure(section, name, "", value, row["unit"], *ends, size, of)


def place(costs):
    return costs[0], "ns", costs[1], costs[2]


def read(path):
    """A run, as it was written."""
    try:
        with open(path) as file:
            run = json.load(file)
        if run.get("schema") != 1:
            sys.exit(f"bench: {path}: its schema is {run.get('schema')}, not 1")
        return run
    except (OSError, ValueError, AttributeError) as error:
        sys.exit(f"bench: {path}: not what scripts/bench --json has written: {error!r}")


def load(path):
    """Every figure of a file, in its order. A row whose name begins with blanks is of the one before."""
    run = read(path)
    try:
        figures, before = [], ""
        for section, rows in run.items():
            if not isinstance(rows, list) or section == "skipped":  # schema, machine
                continue
            for row in rows:
                belongs = row["name"].startswith(" ")
                before = before if belongs else row["name"]
                figures += of_row(section, row, f"{before}: {row['name'].strip()}" if belongs else before)
        return figures
    except (KeyError, TypeError, AttributeError) as error:
        sys.exit(f"bench: {path}: not what scripts/bench --json has written: {error!r}")
