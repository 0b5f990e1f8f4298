"""iptables and ip6tables, as Debian has them: rules alone, in both families, which are two commands."""

import shutil

from stopwatch import Command
from task import Task

ICMP = {"icmp": "icmp", "icmp6": "ipv6-icmp"}
TOOLS = {4: "iptables", 6: "ip6tables"}


def rule(one, family):
    words = [f"{option} {value}" for option, value in (("-s", one.source), ("-d", one.destination)) if value != "-"]
    if one.protocol != "-":
        words.append(f"-p {ICMP.get(one.protocol, one.protocol)}")
    if one.icmp_type != "-":
        words.append(f"{'--icmp-type' if family == 4 else '--icmpv6-type'} {one.icmp_type}")
    for option, ports in (("--sport", one.source_ports), ("--dport", one.ports)):
        if ports != "-":
            words.append(f"{option} {ports.replace('-', ':')}")
    return f"-A INPUT {' '.join(words)} -j {'ACCEPT' if one.action == 'allow' else 'DROP'}\n"


def both(*lines):
    """One command after the other, in a shell that takes a millisecond itself."""
    return Command(["sh", "-c", " && ".join(lines)])


class Iptables:
    name = "iptables"

    def __init__(self, content, _build):
        self.content = content
        self.missing = None if shutil.which("iptables-restore") else "iptables is not installed (apt-get install iptables)"

    def file(self, name, family, rules):
        return self.content.made(f"{name}.{TOOLS[family]}", lambda: [
            "*filter\n", *(rule(one, family) for one in rules() if family in one.families()), "COMMIT\n"])

    def restore(self, name, rules, options=""):
        return both(*(f"{tool}-restore {options} {self.file(name, family, rules)}" for family, tool in TOOLS.items()))

    def empty(self):
        return [self.restore("nothing", list)]

    def rules(self, kind, count, options=""):
        return self.restore(f"{kind}-{count}", lambda: self.content.rules(kind, count), options)

    def check_rules(self, kind, count):
        return Task({"": self.rules(kind, count, "--test")}, before=self.empty())

    def apply_rules(self, kind, count):
        return Task({"": self.rules(kind, count)}, clear=self.empty())

    def edit(self, kind, count):
        words = "INPUT -p udp --dport 9 -j DROP"
        steps = {what: both(*(f"{tool} {option} {words}" for tool in TOOLS.values())) for what, option in (("added", "-I"), ("removed", "-D"))}
        return Task(steps, [self.rules(kind, count)])
