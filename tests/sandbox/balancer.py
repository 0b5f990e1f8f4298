"""The topology `lb` with fwctl on the balancers and on the servers, in every way in which it can balance.

The policy has one [vip] for each way of getting packets to a backend, all of both families: what is asked of one
can be asked of all without applying anything.
"""

import json
import os
import pathlib
import re

import netns
from conftest import Testbed
from echo import ECHO, TALLY
from router import ALL_WAYS, WIRE, WIRED

BALANCERS = {"lb1": 11, "lb2": 12}
SERVERS = {"b1": 21, "b2": 22, "b3": 23, "b4": 24}
FAMILIES = [4, 6]
SEGMENT = {4: "10.2.0.{}", 6: "fd00:2::{}"}
CLIENT = {4: "10.1.0.{}", 6: "fd00:1::{}"}
CLIENT_HOSTS = range(2, 10)
VIP = {4: "10.100.0.{}", 6: "fd00:100::{}"}
# By the last number of its addresses. The crossed ones: two backends have IPv4 alone, the others IPv6 alone.
L2, IPIP, GUE, IPIP_CROSSED, GUE_CROSSED, NAT, FULL_NAT = 10, 11, 12, 13, 14, 15, 16
FORWARD = {L2: "l2-dsr", IPIP: "ipip", GUE: "gue", IPIP_CROSSED: "ipip", GUE_CROSSED: "gue", NAT: "nat", FULL_NAT: "full-nat"}
CROSSED = {IPIP_CROSSED, GUE_CROSSED}
TRANSLATED = {NAT, FULL_NAT}
UNTRANSLATED = {number: forward for number, forward in FORWARD.items() if number not in TRANSLATED}
NAT_BALANCER = "lb1"  # by which servers send their answers to what is not from the segment
NAT_PORTS = range(16384, 32768)
RANGE = range(6000, 6010)
IPERF_SERVER = "b3"  # what comes in two connections has one backend


class Way:
    """How fwctl is attached to balancers and servers, and what plays a wire for it."""

    def __init__(self, mode, hooks, options=(), wire=False, forwarding=False):
        self.attach = f'[attach.eth0]\nmode = "{mode}"\nhooks = {json.dumps(hooks)}\n'
        self.options = options
        self.wire = wire
        self.forwarding = forwarding  # of the balancers' kernel: else XDP knows no neighbours


WAYS = {
    "native": Way("native", ["xdp", "tc-in"], WIRED, wire=True, forwarding=True),
    "native-handing-on": Way("native", ["xdp", "tc-in"]),
    "native-handing-on-no-offload": Way("native", ["xdp", "tc-in"], WIRED, forwarding=True),
    "generic": Way("generic", ["xdp", "tc-in"], forwarding=True),
    "tc": Way("tc", ["tc-in"]),
    "tc-no-offload": Way("tc", ["tc-in"], WIRED, forwarding=True),
}
USUAL = list(WAYS) if ALL_WAYS else ["native", "native-handing-on", "tc"]


def vip(family, number):
    return VIP[family].format(number)


def place(server, family, number):
    """The address at which a server gets what is for that service."""
    return SEGMENT[family].format(SERVERS[server]) if number in TRANSLATED else vip(family, number)


def both(addresses, number):
    return [addresses[family].format(number) for family in FAMILIES]


def backend(name, server, families=FAMILIES, **more):
    address = [SEGMENT[family].format(SERVERS[server]) for family in families]
    return {"name": name, "address": address, **more}


def service(name, addresses, services, forward, backends, **more):
    """A [vip] as text."""
    keys = {"address": addresses, "service": services, "forward": forward, **more}
    text = f"[vip.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    for one in backends:
        text += f"[[vip.{name}.backend]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items())
    return text


def all_services():
    """Every forwarding mode, with all servers; and the services whose connections belong together, with one."""
    text = ""
    for number, forward in FORWARD.items():
        families = [FAMILIES] * 4 if number not in CROSSED else [[4], [6], [4], [6]]
        backends = [backend(server, server, its) for server, its in zip(SERVERS, families)]
        ports = ["tcp/80", f"tcp/{ECHO}", f"tcp/{TALLY}", f"udp/{ECHO}", "udp/443", f"tcp/{RANGE[0]}-{RANGE[-1]}"]
        text += service(f"all-{number}", both(VIP, number), ports, forward, backends)
        text += service(f"one-{number}", both(VIP, number), ["tcp/5201", "udp/5201"], forward, [backend("only", IPERF_SERVER)])
    return text


class Balancer:
    def __init__(self, folder, way, numbers=FORWARD):
        self.bed = Testbed("lb", *way.options)
        self.way = way
        self.folder = pathlib.Path(folder)
        self.wired = set()
        for server in SERVERS:
            lines = [f"address replace {vip(family, number)} dev lo" for number in set(numbers) - TRANSLATED for family in FAMILIES]
            self.bed.check(server, "ip", "-batch", "-", input="\n".join(lines))
            self.answer_by_nat(server)
        self.through_both()
        for role in BALANCERS:
            if way.wire:
                self.bed.check("switch", WIRE, "--far", role)
            if way.forwarding:
                self.bed.check(role, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def answer_by_nat(self, server):
        """What a server sends from its own address leaves the segment by one balancer."""
        for family in FAMILIES:
            gateway = SEGMENT[family].format(BALANCERS[NAT_BALANCER])
            own = SEGMENT[family].format(SERVERS[server])
            for words in (["rule", "add", "from", own, "lookup", "main", "suppress_prefixlength", "0", "priority", "100"],
                          ["rule", "add", "from", own, "lookup", "100", "priority", "101"],
                          ["route", "add", "default", "via", gateway, "table", "100"]):
                self.bed.check(server, "ip", f"-{family}", *words)

    def apply(self, role, text):
        policy = self.folder / f"{role}.toml"
        policy.write_text(f"version = 1\n{text}{self.way.attach}")
        done = self.bed.fwctl(role, "apply", policy)
        if self.way.wire and role not in self.wired:
            self.bed.check(role, WIRE, "eth0")
            self.wired.add(role)
        return done

    def balance(self, text, roles=BALANCERS):
        for role in roles:
            self.apply(role, text)

    def unpack(self, roles=SERVERS):
        """The servers take what the balancers have encapsulated."""
        sources = [address for number in BALANCERS.values() for address in both(SEGMENT, number)]
        for role in roles:
            self.apply(role, f"[decapsulate]\nfrom = {json.dumps(sources)}\n")

    def counted(self, roles=BALANCERS):
        """Packets that came in, by reason, of these roles together."""
        sums = {}
        for role in roles:
            for (direction, reason), packets in self.bed.counters(role, "eth0").items():
                if direction == "in":
                    sums[reason] = sums.get(reason, 0) + packets
        return sums

    def dropped(self):
        """The reasons for which anything was, on its way in."""
        rows = [row for role in (*BALANCERS, *SERVERS) for row in self.bed.json(role, "counters", "eth0")["counters"]]
        return {row["reason"] for row in rows if row["verdict"] == "drop" and row["packets"] and row["direction"] == "in"}

    def sent_by_xdp(self):
        """How many packets XDP has sent itself, as the devices of the balancers say."""
        shown = "".join(self.bed.check(role, "ethtool", "-S", "eth0") for role in BALANCERS)
        return sum(map(int, re.findall(r"xdp_tx: (\d+)", shown)))

    def through(self, role):
        """From here on the router has one balancer alone."""
        self.route([role])

    def through_both(self):
        self.route(BALANCERS)

    def route(self, roles):
        for family, prefix in {4: VIP[4].format(0) + "/24", 6: VIP[6].format("") + "/64"}.items():
            hops = [word for role in roles for word in ("nexthop", "via", SEGMENT[family].format(BALANCERS[role]))]
            self.bed.check("router", "ip", f"-{family}", "route", "replace", prefix, *hops)
            self.bed.check("router", "ip", f"-{family}", "route", "replace", VIP[family].format(NAT), "via",
                           SEGMENT[family].format(BALANCERS[NAT_BALANCER]))

    def forget_paths(self):
        """The MTU of paths that someone was told."""
        for role in ("client", *SERVERS):
            for family in FAMILIES:
                self.bed.check(role, "ip", f"-{family}", "route", "flush", "cache")

    def down(self):
        try:
            for role in (*BALANCERS, *SERVERS):
                if netns.pins(self.bed.name(role)):
                    self.bed.fwctl(role, "detach", "--all")
                    assert netns.leftovers(self.bed.name(role)) == []
        finally:
            self.bed.down()
