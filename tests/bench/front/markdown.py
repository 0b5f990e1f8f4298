"""A run as Markdown, for docs/performance/figures.md: the targets, the tables section by section, the pictures."""

import collections
import re

import figures
import plot
import targets

CONTROL = re.compile(r"(?P<what>[^:]+): (?P<who>[^:]+)(?:: (?P<which>[^,]+))?, (?P<size>[^ ]+)")
COLUMNS = list(figures.FLOWS)


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def machine(run):
    about = run.get("machine", {})
    if about:
        yield (f"A {about['run']} run of {about['date']}, commit {about['commit'] or 'unknown'}, on Linux {about['kernel']}, {about['processors']} "
               f"processors ({about['processor']}).\n")


def target_row(target):
    shown = target.measured.shown + (f" {target.unit}" if target.unit != "x" else "") if target.measured else target.why or "-"
    limit = f"{'≥' if target.at_least else '≤'} {target.limit:g}{' ' + target.unit if target.unit != 'x' else ' ×'}"
    beside = f"× {target.times():.2f}" if target.measured and target.limit else "-"
    return [target.what, limit, shown, beside, target.verdict()]


def of_targets(path):
    yield "## Targets\n"
    for title, listed in targets.tables(path).items():
        verdicts = collections.Counter(target.verdict() for target in listed)
        yield f"### {title}\n"
        yield ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()) + ".\n" if listed else "Nothing measured.\n"
        if listed:
            yield from table(["what", "target", "measured", "times the target", "verdict"], map(target_row, listed))


def spread(figure):
    return f"{figure['ns']:.1f} +{figure['spread']:.1f}"


def packets(run):
    rows = [[row["name"].strip() if not row["name"].startswith(" ") else f"… {row['name'].strip()}",
             *(spread(row["flows"][one]) if one in row["flows"] else "-" for one in COLUMNS)] for row in run.get("packets", [])]
    if rows:
        yield "## Per packet\n\nNanoseconds over a trivial program, by the number of flows.\n"
        yield from table(["", *COLUMNS], rows)


def balance(run):
    rows = []
    for row in run.get("balance", []):
        rows.append([row["name"], *(f"{spread(row['flows'][one])}; × {targets.times_constant(row['flows'][one]).value:.2f}"
                                    if one in row["flows"] else "-" for one in COLUMNS)])
    if rows:
        yield "## Balancing\n\nNanoseconds over a trivial program; how many times constant encapsulation that is, both with the driver's share.\n"
        yield from table(["", *COLUMNS], rows)


def wire_row(who, entry):
    beside = f"× {entry['times_xdp_drop']:.2f} XDP_DROP" if "times_xdp_drop" in entry else ""
    beside = f"{entry['over_no_filter']:+,.0f} ns" if "over_no_filter" in entry else beside
    return [who, f"{entry['packets_per_second']:,.0f}", f"{entry['ns']:,.0f} +{entry['spread']:,.0f}", beside]


def wire(run):
    groups = collections.defaultdict(list)
    for row in (row for row in run.get("wire", []) if "flows" in row):
        what, who = row["name"].split(": ", 1)
        for flows, entry in row["flows"].items():
            groups[f"{what}, {flows} flows" if len(row["flows"]) > 1 or what.startswith("tracked") else what].append(wire_row(who, entry))
    if groups:
        yield "## On the wire\n\nNanoseconds of the receiver for each packet: those of the sender are taken off.\n"
    for what, rows in groups.items():
        yield f"### {what}\n"
        yield from table(["", "packets/s", "ns", "beside"], rows)


def balanced_packets(rows):
    groups = collections.defaultdict(list)
    for row in (row for row in rows if "packets_per_second" in row):
        what, who = row["name"].split(": ", 1)
        times = f"× {row['times_trivial']:.2f}" if "times_trivial" in row else ""
        groups[what].append([who, f"{row['packets_per_second']:,.0f}", f"{row['value']:,.0f} +{row['spread']:,.0f}", times])
    for what, lines in groups.items():
        yield f"### {what}\n"
        yield from table(["", "packets/s", "ns", "beside MACs swapped"], lines)


def balanced_connections(rows):
    groups = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in (row for row in rows if "packets_per_second" not in row):
        what, who, which = [*row["name"].split(": "), "a second"][:3]
        groups[what][who][which] = f"{row['value']:,.0f} ±{row['spread']:,.0f}"
    for what, by_who in groups.items():
        columns = list(next(iter(by_who.values())))
        yield f"### {what}\n"
        yield from table(["", *(one if one == "a second" else f"{one}, us" for one in columns)],
                         ([who, *(cells.get(one, "-") for one in columns)] for who, cells in by_who.items()))


def balancers(run):
    rows = [row for row in run.get("wire", []) if "flows" not in row]
    if rows:
        yield ("## Balancers on the wire\n\nPackets: nanoseconds of the balancer, those of the sender are taken off. Connections: how many one processor "
               "carries, how long it is busy for one, clients and servers included, and how long answers take.\n")
        yield from balanced_packets(rows)
        yield from balanced_connections(rows)


def control(run):
    tasks = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in run.get("control", []):
        found = CONTROL.fullmatch(row["name"])
        if found:
            which = f"{found['what']}{', ' + found['which'] if found['which'] else ''}, {row['unit']}"
            tasks[which][found["size"]][found["who"]] = f"{row['value']:,.1f} ±{row['spread']:,.1f}"
    if tasks:
        yield "## Control plane\n\nThe median of the runs, and the farthest of them.\n"
    for what, sizes in tasks.items():
        everyone = list(dict.fromkeys(who for by_who in sizes.values() for who in by_who))
        yield f"### {what}\n"
        yield from table(["", *everyone], ([size, *(by_who.get(who, "-") for who in everyone)] for size, by_who in sizes.items()))


def skipped(run):
    if run.get("skipped"):
        yield "## Left out\n"
        for one in run["skipped"]:
            yield f"- {one['name']}: {one['why']}"


def pictures(path):
    drawn = [name for name, picture in plot.pictures([path]).items() if picture]
    if drawn:
        yield "## Curves\n"
        yield from (f"![{name.replace('-', ' ')}]({name}.svg)" for name in drawn)
        yield ""


def show(path):
    run = figures.read(path)
    lines = ["<!-- made by scripts/bench --report: not to be edited -->\n# Figures of a run\n", *machine(run), *of_targets(path), *pictures(path)]
    for section in (packets, balance, wire, balancers, control, skipped):
        lines += section(run)
    print("\n".join(lines))
    return 0
