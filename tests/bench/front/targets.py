"""The design's targets, what a run has measured for each, and the verdict. This is the one place that lists them.

A target of rows of which fwctl_bench and control/ know it themselves is taken from the row; the others are written here.
"""

import typing

import figures

NATIVE, TRIVIAL = "fwctl, native XDP", "a trivial program, native XDP"
NO_PROGRAM, TESTS = "fwctl has no such program", "judged by a test: tests/sandbox/test_switch.py"
MET, NOT_MET, NOT_MEASURED = "met", "not met", "not measured"


class Value(typing.NamedTuple):
    value: float
    shown: str


class Target(typing.NamedTuple):
    what: str
    limit: float
    unit: str  # "ns", "ms", "MB"; "x" of a ratio
    measured: Value | None
    at_least: bool = False  # a ratio that has to be so high
    why: str = ""  # there is no figure

    def times(self):
        """How many times the target it takes: at most 1 is right."""
        return self.limit / self.measured.value if self.at_least and self.measured.value > 0 else self.measured.value / self.limit

    def verdict(self):
        if not self.measured:
            return NOT_MEASURED
        return MET if (self.measured.value >= self.limit if self.at_least else self.measured.value <= self.limit) else NOT_MET


class Figures:
    """Of one run, by name and column."""

    def __init__(self, run, rows):
        self.run = run
        self.rows = {(row.section, row.name, row.flows): row for row in rows}

    def get(self, section, name, flows=""):
        return self.rows.get((section, name, flows))

    def value(self, section, name, flows=""):
        found = self.get(section, name, flows)
        return found and Value(found.value, shown(found))

    def ratio(self, above, below):
        if not above or not below or below.value <= 0:
            return None
        if above.low is not None and below.low is not None and below.low > 0:
            low, high = max(above.low, 0) / below.high, above.high / below.low
            return Value(above.value / below.value, f"{above.value / below.value:.2f} ({low:.2f} to {high:.2f})")
        return Value(above.value / below.value, f"{above.value / below.value:.2f}")

    def less(self, name, without, flows):
        """What one row of `packets` costs more than another."""
        one, other = self.get("packets", name, flows), self.get("packets", without, flows)
        return one and other and Value(one.value - other.value, f"{one.value - other.value:.1f} (+{one.high - one.value:.1f})")


def shown(figure):
    if figure.low is None:
        return f"{figure.value:,.1f}"
    sign = "±" if figure.section == "control" else "+"
    return f"{figure.value:,.1f} {sign}{figure.high - figure.value:,.1f}"


def wire(of, row, who):
    return of.get("wire", f"{row}: {who}", "64k")


def added(of, row, who, without="no filter"):
    """What a filter adds to a packet that passes: a figure whose own cost is that over another's."""
    one, none = wire(of, row, who), wire(of, row, without)
    return one and none and one._replace(value=one.value - none.value, low=None, high=None)


def peers(of):
    """The table "Peers, same machine"."""
    one = lambda who: wire(of, "one rule, dropped", who)  # noqa: E731
    yield Target("one rule drops, beside a trivial XDP_DROP", 1.15, "x", of.ratio(one(NATIVE), one("trivial XDP_DROP")))
    for peer in ("iptables, raw", "nftables, netdev"):
        yield Target(f"one rule drops, {peer} beside fwctl", 5, "x", of.ratio(one(peer), one(NATIVE)), at_least=True)
    for flows in figures.FLOWS:
        yield Target(f"no rules, pass, beside a program that parses and counts, {flows}", 1.3, "x",
                     of.ratio(of.get("packets", "no rules", flows), of.get("packets", "bare: parse and count", flows)))
    yield from million(of)
    for size, limit in (("1k", 300), ("10k", 450)):
        row = wire(of, f"{size} rules of several fields, dropped", NATIVE)
        yield Target(f"{size} rules of several fields, wire, with the sender", limit, "ns",
                     row and Value(row.value + row.baseline, f"{row.value + row.baseline:,.0f} +{row.high - row.value:,.0f}"))
    yield Target("packets that slip through 1,000 replacements", 0, "packets", None, why=TESTS)
    for without, what in (("no filter", "no filter"), (TRIVIAL, "a trivial program of XDP, whose cost is the veth's")):
        yield Target(f"established flow: what nftables with conntrack adds to no filter, beside what fwctl adds to {what}", 5, "x",
                     of.ratio(added(of, "tracked, established", "nftables, ct state"),
                              added(of, "tracked, established", "fwctl, state, native XDP", without)), True)
    yield Target("established flow: what nftables with conntrack takes to forward, beside fwctl with forward = fib", 5, "x",
                 of.ratio(wire(of, "tracked, established", "nftables, ct state"),
                          wire(of, "tracked, established", "fwctl, state, forward = fib, native XDP")), True)


def million(of):
    for what, hit in (("dropped", "hit"), ("passed", "miss")):
        cost = wire if what == "dropped" else added
        for peer in ("nftables, inet", "nftables, netdev"):
            row = f"1M prefixes, {what}"
            yield Target(f"1M prefixes, {hit}: {peer} beside fwctl{', what each adds' * (what == 'passed')}", 8, "x",
                         of.ratio(cost(of, row, peer), cost(of, row, NATIVE)), True)
        for flows in ("hot", "64k", "1M"):
            name = f"1M v4 prefixes, {hit}"
            yield Target(f"1M prefixes, {hit}: a look-up in LPM_TRIE beside all of fwctl, {flows}", 5, "x",
                         of.ratio(of.get("packets", f"{name}: LPM_TRIE, look-up alone", flows), of.get("packets", name, flows)), True)


def flow_table(of):
    for name, what, limits in (("established flow", "hit", {"hot": 8, "1M": 80}), ("new flow, let pass", "insert", {"hot": 110, "64k": 110, "1M": 110})):
        for flows, limit in limits.items():
            yield Target(f"flow table, {what}: what it adds to no rules, {flows}", limit, "ns", of.less(name, "no rules", flows))


def of_rows(of, section):
    """Targets that rows have: of those that the run has not taken there is nothing to say."""
    for row in of.run.get(section, []):
        for flows, column in sorted(row.get("flows", {}).items(), key=lambda one: figures.FLOWS[one[0]]):
            if "target" in column:
                yield Target(f"{row['name']}, {flows}", column["target"], "ns", of.value(section, row["name"], flows))
            if "target_times_constant" in column:
                yield Target(f"{row['name']}, {flows}, beside constant encapsulation", column["target_times_constant"], "x", times_constant(column))
        if "target" in row:
            yield Target(row["name"], row["target"], row["unit"], of.value(section, row["name"]))


def times_constant(column):
    """Both with the driver's share, as the prototypes' figures were."""
    driver = column["baseline"]
    cost, constant = driver + column["ns"], driver + column["constant"]
    return Value(cost / constant, f"{cost / constant:.2f} (to {(cost + column['spread']) / constant:.2f})")


def balancing(of):
    yield from of_rows(of, "balance")
    limits = {"hot": 26, "1k": 27, "64k": 143, "1M": 143}
    for flows, limit in limits.items():
        yield Target(f"IPIP with flow table, {flows}", limit, "ns", of.value("balance", "balance: ipip, hit", flows))
    yield Target("lookup alone", 9, "ns", None, why=NO_PROGRAM)
    yield Target("IPIP stateless", 26, "ns", None, why=NO_PROGRAM)


def tables(path):
    """{title: its targets}"""
    run = figures.read(path)
    of = Figures(run, figures.load(path))
    return {"Beside the peers": list(peers(of)), "Whole paths, over a trivial program": list(of_rows(of, "packets")),
            "Flow table": list(flow_table(of)), "Balancing": list(balancing(of)), "Control plane": list(of_rows(of, "control"))}
