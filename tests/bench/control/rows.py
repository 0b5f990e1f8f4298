"""What is measured, at which sizes, and what the design wants of it (section 8)."""

import typing

RULES = [10, 100, 1_000, 10_000, 100_000]
BLOCKS = [10_000, 100_000, 1_000_000, 5_000_000]
APPLIED = {1_000: 60, 10_000: 700, 100_000: 5_000}  # milliseconds
LISTED = {1_000_000: 400}
LIST_MEMORY = {1_000_000: 20}  # megabytes


class Row(typing.NamedTuple):
    name: str
    task: str  # the method of the subjects (fwctl.py and its peers); those without it have no such row
    kind: str  # content.py
    of: str  # what there are so many of
    sizes: list
    quick: list = []  # sizes of --quick
    milliseconds: dict = {}  # targets of fwctl by size
    megabytes: dict = {}  # in the kernel
    more: tuple = ()  # for the method


def always(milliseconds, sizes):
    return dict.fromkeys(sizes, milliseconds)


def rule_rows(kind, like):
    quick = [1_000] if kind == "acl" else []
    return [Row(f"check {like} rules", "check_rules", kind, "rules", RULES, quick),
            Row(f"plan {like} rules", "plan_rules", kind, "rules", RULES),
            Row(f"apply {like} rules", "apply_rules", kind, "rules", RULES, quick, APPLIED),
            Row(f"one live rule beside {like} rules", "edit", kind, "rules", RULES, quick, always(20, RULES))]


def block_rows(kind, sizes, quick):
    return [Row(f"check {kind} blocks", "check_list", kind, "blocks", sizes),
            Row(f"plan {kind} blocks", "plan_list", kind, "blocks", sizes),
            Row(f"apply {kind} blocks", "apply_list", kind, "blocks", sizes, quick, LISTED, LIST_MEMORY)]


ROWS = [
    *rule_rows("acl", "ACL-like"),
    *rule_rows("firewall", "firewall-like"),
    *block_rows("v4", BLOCKS, BLOCKS[1:2]),
    *block_rows("v6", BLOCKS[:3], []),
    Row("one address beside addresses", "member", "bans", "addresses", BLOCKS[:3], BLOCKS[:1], always(5, BLOCKS), more=("203.0.113.9",)),
    Row("one block beside blocks", "member", "v4", "blocks", BLOCKS[:3], [], always(5, BLOCKS), more=("203.0.113.0/28",)),
    Row("addresses from standard input", "bans", "bans", "addresses", [1_000, 10_000, 100_000, 1_000_000], [10_000]),
]
