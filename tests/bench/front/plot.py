"""Draws how costs grow, from what runs of the benchmark have written.

An SVG for each picture that the files have rows for; of rows that are in several files the last counts. A bar at a point is as long as
the spread of its figure.
"""

import collections
import re
import sys

import figures
from svg import COLOURS, Curve, Panel, Point, drawing

FLOWS = list(figures.FLOWS.values())
NANOSECONDS, CONSTANT = "ns per packet", "constant encapsulation"
TRACKED = ["no rules", "established flow", "established flow behind 10k ACL-like rules", "new flow, let pass", "no flow, dropped: a flood"]
WHO = re.compile(r"(?P<what>[^:]+): (?P<who>[^:]+)(?P<memory>: memory [^,]+)?, \S+")  # of rows of the control plane


def point(x, figure):
    known = figure.low is not None
    return Point(x, figure.value, figure.low if known else figure.value, figure.high if known else figure.value)


def look(number):
    """A colour and a dash that no other number has, as long as there are."""
    return number % len(COLOURS), number // len(COLOURS)


def curve(name, points, colour, dash=0):
    """None of a single point: that is no curve."""
    return Curve(name, sorted(points), colour % len(COLOURS), dash) if len(points) > 1 else None


def panel(title, x_title, y_title, curves):
    curves = [one for one in curves if one]
    return [Panel(title, x_title, y_title, curves)] if curves else []


def by_size(rows, of, suffix="", dash=0):
    """A curve for each number of flows."""
    for colour, flows in enumerate(figures.FLOWS):
        points = [point(row.size, row) for row in rows if row.of == of and row.flows == flows]
        name = "one packet again and again" if flows == "hot" else f"{flows} flows"
        yield curve(name + suffix, points, colour, dash)


def by_flows(rows, name, colour, dash=0, shown=None):
    points = [point(figures.FLOWS[row.flows], row) for row in rows if row.name == name and row.flows]
    return curve(shown or name, points, colour, dash)


def rules(rows):
    panels = []
    for mix in ("ACL-like rules", "firewall-like rules", "wildcard rules"):
        panels += panel(mix, "rules", NANOSECONDS, by_size(rows, mix))
    return drawing("Cost per packet over the number of rules", panels) if panels else None


def prefixes(rows):
    panels = []
    for of in ("v4 prefixes, hit", "v4 prefixes, miss", "v6 prefixes, hit", "v6 prefixes, miss"):
        both = [*by_size(rows, of), *by_size(rows, f"{of}, LPM_TRIE", ", LPM_TRIE alone", 1)]
        panels += panel(of, "prefixes", NANOSECONDS, both)
    return drawing("Cost per packet over the number of prefixes", panels) if panels else None


def connections(rows):
    panels = panel("connection tracking", "flows", NANOSECONDS, [by_flows(rows, name, i) for i, name in enumerate(TRACKED)])
    return drawing("Cost per packet over the number of flows", panels, FLOWS) if panels else None


def balancing(rows, title, of):
    names = dict.fromkeys(row.name for row in rows if row.section == "balance" and of(row.name))
    curves = [by_flows(rows, name, i) for i, name in enumerate(name for name in names if not name.endswith(CONSTANT))]
    constant = [by_flows(rows, name, len(COLOURS) - 1, 1, CONSTANT) for name in names if name.endswith(CONSTANT)]
    panels = panel(title, "flows", NANOSECONDS, [*curves, *constant[:1]])
    return drawing("Cost per packet of balancing over the number of flows", panels, FLOWS) if panels else None


def control(rows, memory):
    """A panel for each task, a curve for each of those who do it."""
    tasks = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        found = WHO.fullmatch(row.name) if row.section == "control" and row.size else None
        if found and (found["memory"] or "") == memory:
            tasks[found["what"]][found["who"]].append(row)
    everyone = list(dict.fromkeys(who for task in tasks.values() for who in task))
    panels = []
    for what, task in tasks.items():
        unit = next(iter(task.values()))[0].unit
        curves = [curve(who, [point(row.size, row) for row in task[who]], everyone.index(who)) for who in task]
        panels += panel(what, "rules, blocks or addresses", unit, curves)
    return drawing(f"The control plane{memory or ': time'} over the size", panels) if panels else None


ONE_RULE, ON_THE_WIRE = "one rule", re.compile(r"(?P<row>[^:]+), (?P<what>dropped|passed): (?P<who>.+)")
SENDER = "the sender alone"


def fwctl_first(names):
    return sorted(dict.fromkeys(names), key=lambda name: not name.startswith("fwctl"))


def filters(rows):
    """A panel for what is dropped or let pass of each kind, a curve for each filter; a single rule is where both kinds begin."""
    found = [(ON_THE_WIRE.fullmatch(row.name), row) for row in rows if row.section == "wire"]
    found = [(words, row) for words, row in found if words and words["who"] != SENDER]
    everyone = fwctl_first(words["who"] for words, _ in found)
    panels = []
    for what in ("dropped", "passed"):
        for kind in ("prefixes", "rules of several fields"):
            points = collections.defaultdict(list)
            for words, row in found:
                if row.of == f"{kind}, {what}" or (words["row"], words["what"]) == (ONE_RULE, what):
                    points[words["who"]].append(point(row.size or 1, row))
            curves = [curve(who, points[who], *look(number)) for number, who in enumerate(everyone)]
            panels += panel(f"{kind}, {what}; 1: a single rule", kind, f"{NANOSECONDS}, receiver", curves)
    return drawing("Cost per packet on the wire over the size", panels) if panels else None


def tracking(rows):
    names = [row.name.split(": ", 1)[1] for row in rows if row.name.startswith("tracked, ")]
    everyone = [who for who in fwctl_first(names) if who != SENDER]
    panels = []
    for kind in ("established", "new", "flood"):
        curves = [by_flows(rows, f"tracked, {kind}: {who}", *look(number), shown=who) for number, who in enumerate(everyone)]
        panels += panel({"established": "established flows", "new": "new flows", "flood": "no flow, dropped: a flood"}[kind],
                        "flows that are established", f"{NANOSECONDS}, receiver", curves)
    return drawing("Cost per packet on the wire over the number of flows", panels, FLOWS) if panels else None


BACKENDS = re.compile(r"backends, balance, (?P<what>[^:]+): (?P<who>.+)")


def balancers(rows):
    """A panel for each kind of packets, a curve for each balancer."""
    kinds = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        found = BACKENDS.fullmatch(row.of) if row.size else None
        if found and found["who"] != SENDER:
            kinds[found["what"]][found["who"]].append(point(row.size, row))
    everyone = fwctl_first(who for kind in kinds.values() for who in kind)
    panels = []
    for what, points in kinds.items():
        panels += panel(what, "backends", f"{NANOSECONDS}, balancer", [curve(who, points[who], *look(everyone.index(who))) for who in points])
    return drawing("Cost per packet on the wire over the number of backends", panels) if panels else None


PICTURES = {"rules": rules, "prefixes": prefixes, "connections": connections,
            "balancing": lambda rows: balancing(rows, "balancing, known flows", lambda name: ", hit" in name),
            "balancing-new": lambda rows: balancing(rows, "balancing, other packets", lambda name: ", hit" not in name),
            "wire-filters": filters, "wire-tracking": tracking, "wire-balancers": balancers,
            "control-time": lambda rows: control(rows, ""),
            "control-memory": lambda rows: control(rows, ": memory of the command"),
            "kernel-memory": lambda rows: control(rows, ": memory in the kernel")}


def pictures(paths):
    """{name: the text of its SVG, or None where nothing of it was measured at two sizes}"""
    rows = list({(row.section, row.name, row.flows): row for path in paths for row in figures.load(path)}.values())
    return {name: draw_one(rows) for name, draw_one in PICTURES.items()}


def draw(folder, paths):
    """The exit status."""
    drawn = pictures(paths)
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn.items():
        path = folder / f"{name}.svg"
        if picture:
            path.write_text(picture)
        print(path if picture else f"SKIPPED {path}: no row of it has two sizes")
    if not any(drawn.values()):
        print("bench: nothing to draw", file=sys.stderr)
        return 1
    return 0
