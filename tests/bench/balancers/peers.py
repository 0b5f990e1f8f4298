"""Who balances packets on the wire: fwctl in its modes, and what a user would take instead. Each does it on b of the topology `pair`,
from eth0 back to eth0, for the service of traffic.py and any number of backends, which a plays.
"""

import json
import pathlib
import subprocess

from links import attach_trivial
from traffic import PORTS, VIP
from filter import Refused

KEPT = 3600  # seconds: flows are known from the first round to the last
KERNEL_LIMIT = pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max")


def address(number):
    return f"10.9.0.{number + 100}"


def mac(number):
    return f"02:00:00:00:01:{number:02x}"


class Balancer:
    sends_by = "stack"  # or "xdp": what its packets are when they leave, which says what takes them most cheaply
    balances = True  # else all goes one way
    remembers = False  # how a backend's answers are to be changed: flows are known when they were answered
    # Its flows lie in a table of the kernel's beside those of all other namespaces, and make each other slow: it forgets them after each
    # turn, and they are made known again before the next.
    shares_its_table = False

    def __init__(self, name):
        self.name = name

    def prepare(self, bed, backends, folder):
        try:
            self.put(bed, backends, folder)
        except AssertionError as error:
            raise Refused(" ".join(str(error).split())[-300:]) from error

    def put(self, bed, backends, folder):
        raise NotImplementedError

    def limit(self):
        """How many new flows it may be given in a turn, or None."""
        return None


class SenderAlone(Balancer):
    """The driver refuses what is sent, as nothing is there that would take it: what is left is the sender's own cost."""

    balances = False

    def put(self, bed, backends, folder):
        bed.check("b", "ethtool", "-K", "eth0", "gro", "off")


class Trivial(Balancer):
    """A program of XDP that does the same to every packet, and sends it."""

    sends_by = "xdp"
    balances = False

    def __init__(self, name, program):
        super().__init__(name)
        self.program = program

    def put(self, bed, backends, folder):
        attach_trivial(bed, "b", "eth0", self.program)


class Forwarding(Balancer):
    """The kernel's stack sends all to one backend: what a packet costs there that nobody balances."""

    balances = False

    def put(self, bed, backends, folder):
        bed.check("b", "ip", "route", "add", VIP, "via", address(0))


class Nftables(Balancer):
    SERVICE = f"ip daddr {VIP} th dport {PORTS[0]}-{PORTS[-1]} meta l4proto {{ tcp, udp }}"
    CHOICE = "jhash ip saddr . th sport mod"

    def __init__(self, name, family, hook, statement, places, remembers=False):
        super().__init__(name)
        self.family, self.hook, self.statement, self.places = family, hook, statement, places
        self.remembers = self.shares_its_table = remembers

    def put(self, bed, backends, folder):
        places = ", ".join(f"{number} : {self.places(number)}" for number in range(backends))
        statement = self.statement.format(f"{self.CHOICE} {backends} map {{ {places} }}")
        path = folder / "balance.nft"
        path.write_text(f"table {self.family} bench {{ chain c {{ type {self.hook};\n{self.SERVICE} {statement}; }}\n}}\n")
        bed.check("b", "nft", "-f", path)
        if self.remembers:
            bed.check("b", "sysctl", "-qw", "net.netfilter.nf_conntrack_checksum=0")
            self.forget(bed)  # what cannot is left out

    def forget(self, bed):
        bed.check("b", "conntrack", "-F")

    def limit(self):
        return int(KERNEL_LIMIT.read_text()) // 2 if self.remembers else None


class Ipvs(Balancer):
    """The kernel's own balancer: `way` is ipvsadm's option, -g for direct routing, -m for NAT."""

    def __init__(self, name, way):
        super().__init__(name)
        self.way = way
        self.remembers = way == "-m"

    def prepare(self, bed, backends, folder):
        subprocess.run(["modprobe", "-q", "ip_vs"], capture_output=True)
        if not pathlib.Path("/proc/net/ip_vs").exists():
            raise Refused("the kernel has no IPVS")
        super().prepare(bed, backends, folder)

    def put(self, bed, backends, folder):
        lines = []
        for kind in ("-u", "-t"):
            for port in PORTS:
                lines.append(f"-A {kind} {VIP}:{port} -s rr")
                lines += [f"-a {kind} {VIP}:{port} -r {address(number)}:{port} {self.way}" for number in range(backends)]
        bed.check("b", "ip", "address", "add", f"{VIP}/32", "dev", "lo")
        bed.check("b", "ipvsadm", "-R", input="\n".join(lines) + "\n")


class Fwctl(Balancer):
    def __init__(self, forward, mode):
        super().__init__(f"fwctl, {forward}, {'native XDP' if mode == 'native' else 'TC'}")
        self.forward, self.mode = forward, mode
        self.sends_by = "xdp" if mode == "native" else "stack"
        self.remembers = forward == "nat"

    def prepare(self, bed, backends, folder):
        """What is under test is never left out: what it refuses is an error."""
        self.put(bed, backends, folder)

    def put(self, bed, backends, folder):
        hooks = ["xdp", "tc-in"] if self.mode == "native" else ["tc-in"]
        services = json.dumps([f"{protocol}/{PORTS[0]}-{PORTS[-1]}" for protocol in ("udp", "tcp")])
        text = f'version = 1\n[conntrack]\nudp = "{KEPT}s"\nudp-stream = "{KEPT}s"\n'
        text += f'[attach.eth0]\nmode = "{self.mode}"\nhooks = {json.dumps(hooks)}\n'
        text += f'[vip.bench]\naddress = "{VIP}"\nservice = {services}\nforward = "{self.forward}"\n'
        text += "".join(f'[[vip.bench.backend]]\nname = "b{number}"\naddress = "{address(number)}"\n' for number in range(backends))
        path = folder / "policy.toml"
        path.write_text(text)
        bed.fwctl("b", "apply", path)
        if self.mode == "native":
            bed.play_wire("b")


SENDER = SenderAlone("the sender alone")
FLOOR = Trivial("trivial, MACs swapped", "send_back")
BALANCERS = [
    FLOOR,
    Trivial("trivial, constant encapsulation", "encapsulate"),
    *(Fwctl(forward, "native") for forward in ("l2-dsr", "ipip", "gue", "nat")),
    *(Fwctl(forward, "tc") for forward in ("l2-dsr", "ipip", "gue", "nat")),
    Forwarding("no balancer, the kernel forwards"),
    Nftables("nftables, netdev, MAC and fwd", "netdev", "filter hook ingress device eth0 priority 0", "ether daddr set {} fwd to eth0", mac),
    Nftables("nftables, DNAT without conntrack", "ip", "filter hook prerouting priority raw", "ip daddr set {}", address),
    Nftables("nftables, DNAT", "ip", "nat hook prerouting priority dstnat", "dnat to {}", address, remembers=True),
    Ipvs("IPVS, direct routing", "-g"),
    Ipvs("IPVS, NAT", "-m"),
]
QUICK = {SENDER.name, FLOOR.name, "fwctl, l2-dsr, native XDP", "fwctl, nat, native XDP", "fwctl, l2-dsr, TC", "nftables, DNAT"}
