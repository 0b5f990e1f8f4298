"""Who filters on the wire: fwctl, and what a user would take instead. Each puts a policy of policies.py in force on the router of a
testbed, for what comes in by in0, whether it is for the router itself or sent on.
"""

import shutil
import subprocess

from links import attach_trivial

PATIENCE = 90  # seconds for what a peer has to load: nftables takes half a minute for a million prefixes


class Refused(Exception):
    """A peer that is not there, that the kernel does not take, or that has no words for a policy."""


class Filter:
    tool = None  # the command that has to be there
    drops = True
    only = ("dropped", "passed")  # what of a policy it is measured with

    def __init__(self, name, quick=False):
        self.name = name
        self.quick = quick  # takes part in --quick

    def prepare(self, bed, policy, folder):
        if self.tool and not shutil.which(self.tool):
            raise Refused(f"{self.tool} is not installed")
        try:
            self.put(bed, policy, folder)
        except AssertionError as error:
            raise Refused(" ".join(str(error).split())[-300:]) from error
        except subprocess.TimeoutExpired as error:
            raise Refused(f"has not loaded it within {PATIENCE} s") from error

    def put(self, bed, policy, folder):
        raise NotImplementedError


def said(words, what):
    if words is None:
        raise Refused(f"{what} for this policy")
    return words


class SenderAlone(Filter):
    """The driver refuses what is sent, as nothing is there that would take it: what is left is the sender's own cost."""

    def put(self, bed, policy, folder):
        bed.check("fw", "ethtool", "-K", "in0", "gro", "off")


class NoFilter(Filter):
    drops = False

    def put(self, bed, policy, folder):
        pass


class Trivial(Filter):
    """A program of XDP that does nothing but return its verdict, or reads the headers and counts before."""

    def __init__(self, name, program, only, quick=False):
        super().__init__(name, quick)
        self.program = program
        self.only = (only,)

    def put(self, bed, policy, folder):
        attach_trivial(bed, "fw", "in0", self.program)


class Iptables(Filter):
    """Debian's iptables, which speaks to nf_tables; a list of addresses is not for it."""

    tool = "iptables-restore"

    def __init__(self, name, table, chains, quick=False):
        super().__init__(name, quick)
        self.table, self.chains = table, chains

    def put(self, bed, policy, folder):
        rules = said(policy.iptables(), "iptables has no rule, but for ipset,")
        lines = [f"-A {chain} {rule}\n" for chain in self.chains for rule in rules]
        path = folder / f"{self.table}.iptables"
        path.write_text(f"*{self.table}\n{''.join(lines)}COMMIT\n")
        bed.check("fw", self.tool, path, timeout=PATIENCE)


class Ipset(Filter):
    """A list of addresses, and iptables' rule about it."""

    tool = "ipset"

    def put(self, bed, policy, folder):
        prefixes = said(policy.ipset(), "ipset has no list")
        path = folder / "listed.ipset"
        lines = "".join(f"add listed {prefix}\n" for prefix in prefixes)
        path.write_text(f"create listed hash:net maxelem {len(prefixes)}\n{lines}")
        bed.check("fw", self.tool, "restore", "-f", path, timeout=PATIENCE)
        bed.check("fw", "iptables", "-t", "raw", "-A", "PREROUTING", "-m", "set", "--match-set", "listed", "src", "-j", "DROP")


class Nftables(Filter):
    tool = "nft"

    def __init__(self, name, family, hooks, quick=False):
        super().__init__(name, quick)
        self.family, self.hooks = family, hooks

    def put(self, bed, policy, folder):
        sets, rule = policy.nft()
        chains = "".join(f"chain c{number} {{ type filter hook {hook} priority 0; {rule}; }}\n" for number, hook in enumerate(self.hooks))
        path = folder / f"{self.family}.nft"
        path.write_text(f"table {self.family} bench {{\n{sets}\n{chains}}}\n")
        bed.check("fw", self.tool, "-f", path, timeout=PATIENCE)


class XdpFilter(Filter):
    tool = "xdp-filter"

    def put(self, bed, policy, folder):
        commands = said(policy.xdp_filter(), "xdp-filter has no rule")
        bed.check("fw", self.tool, "load", "-m", "native", "-p", "allow", "-f", "udp", "in0")
        for words in commands:
            bed.check("fw", self.tool, *words)


class Fwctl(Filter):
    def __init__(self, name, mode, hook, quick=False):
        super().__init__(name, quick)
        self.mode, self.hook = mode, hook

    def prepare(self, bed, policy, folder):
        """What is under test is never left out: what it refuses is an error."""
        self.put(bed, policy, folder)

    def put(self, bed, policy, folder):
        path = folder / "policy.toml"
        path.write_text(f'version = 1\n[attach.in0]\nmode = "{self.mode}"\nhooks = ["{self.hook}"]\n{policy.toml(folder)}')
        bed.fwctl("fw", "apply", path)


SENDER = SenderAlone("the sender alone", quick=True)
FILTERS = [
    NoFilter("no filter", quick=True),
    Iptables("iptables, raw", "raw", ["PREROUTING"], quick=True),
    Iptables("iptables, filter", "filter", ["INPUT", "FORWARD"]),
    Ipset("ipset and iptables, raw", quick=True),
    Nftables("nftables, inet", "inet", ["input", "forward"]),
    Nftables("nftables, netdev", "netdev", ["ingress device in0"], quick=True),
    XdpFilter("xdp-filter"),
    Fwctl("fwctl, TC", "tc", "tc-in"),
    Fwctl("fwctl, generic XDP", "generic", "xdp"),
    Trivial("trivial XDP_DROP", "trivial", "dropped", quick=True),
    Trivial("trivial XDP_PASS", "let_pass", "passed", quick=True),
    Trivial("headers read and counted, XDP_DROP", "count_and_drop", "dropped"),
    Trivial("headers read and counted, XDP_PASS", "parse_and_count", "passed"),
    Fwctl("fwctl, native XDP", "native", "xdp", quick=True),
]
