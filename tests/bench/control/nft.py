"""nftables: a table `inet`, its sets of addresses, of blocks where `interval`."""

import re
import shutil

from stopwatch import Command
from task import Task

TABLE = "inet bench"
ICMP = {"icmp": ("ipv4", "icmp"), "icmp6": ("ipv6", "icmpv6")}
EMPTY = "flush ruleset\n"


def rule(one):
    words = []
    for side, block in (("saddr", one.source), ("daddr", one.destination)):
        if block != "-":
            words.append(f"{'ip6' if ':' in block else 'ip'} {side} {block}")
    if one.protocol in ICMP:
        words += [f"meta nfproto {ICMP[one.protocol][0]} meta l4proto {ICMP[one.protocol][1]}"]
    elif one.protocol != "-":
        words.append(f"meta l4proto {one.protocol}")
    if one.icmp_type != "-":
        words.append(f"{ICMP[one.protocol][1]} type {one.icmp_type}")
    words += [f"th {side} {ports}" for side, ports in (("sport", one.source_ports), ("dport", one.ports)) if ports != "-"]
    return " ".join([*words, "counter", "accept" if one.action == "allow" else "drop"]) + "\n"


def table(pieces):
    return [EMPTY, f"table {TABLE} {{\n", *pieces, "}\n"]


def chain(rules):
    return ["chain in {\ntype filter hook input priority 0\n", *rules, "}\n"]


def denied(kind, elements=()):
    """A set of that name, and a rule that drops what is in it."""
    of = "ipv6_addr" if kind == "v6" else "ipv4_addr"
    flags = "" if kind == "bans" else "flags interval\n"
    held = [f"elements = {{ {', '.join(elements)} }}\n"] if elements else []
    return [f"set banned {{\ntype {of}\n{flags}", *held, "}\n",
            *chain([f"{'ip6' if kind == 'v6' else 'ip'} saddr @banned counter drop\n"])]


class Nft:
    name = "nft"

    def __init__(self, content, _build):
        self.content = content
        self.missing = None if shutil.which("nft") else "nft is not installed (apt-get install nftables)"

    def load(self, path):
        return Command(["nft", "-f", path])

    def empty(self):
        return [self.load(self.content.made("nothing.nft", lambda: [EMPTY]))]

    def rules_file(self, kind, count):
        return self.content.made(f"{kind}-{count}.nft", lambda: table(chain(map(rule, self.content.rules(kind, count)))))

    def list_file(self, kind, count):
        return self.content.made(f"{kind}-{count}.nft", lambda: table(denied(kind, self.content.members(kind, count))))

    def check_rules(self, kind, count):
        return Task({"": Command(["nft", "-c", "-f", self.rules_file(kind, count)])}, before=self.empty())

    def check_list(self, kind, count):
        return Task({"": Command(["nft", "-c", "-f", self.list_file(kind, count)])}, before=self.empty())

    def apply_rules(self, kind, count):
        return Task({"": self.load(self.rules_file(kind, count))}, clear=self.empty())

    def apply_list(self, kind, count):
        return Task({"": self.load(self.list_file(kind, count))}, clear=self.empty())

    def edit(self, kind, count):
        """A rule is removed by its handle, which -e and -a tell who has added it."""
        add = Command(["nft", "-e", "-a", "insert", "rule", *TABLE.split(), "in", "udp", "dport", "9", "counter", "drop"])

        def remove(said):
            handle = re.search(r"handle (\d+)", said)[1]
            return Command(["nft", "delete", "rule", *TABLE.split(), "in", "handle", handle])

        return Task({"added": add, "removed": remove}, [self.load(self.rules_file(kind, count))])

    def member(self, kind, count, one):
        element = [*TABLE.split(), "banned", f"{{ {one} }}"]
        return Task({"put in": Command(["nft", "add", "element", *element]), "taken out": Command(["nft", "delete", "element", *element])},
                    [self.load(self.list_file(kind, count))])

    def bans(self, kind, count):
        text = self.content.made(f"{kind}-{count}.add.nft",
                                 lambda: [f"add element {TABLE} banned {{ ", ", ".join(self.content.members(kind, count)), " }\n"])
        nobody = self.content.made(f"{kind}-nobody.nft", lambda: table(denied(kind)))
        return Task({"": Command(["nft", "-f", "-"], text)}, clear=self.empty(), declare=[self.load(nobody)])
