"""A segment on which addresses of services are announced: lb1 takes 10.2.0.100 and fd00:2::100 among the hosts of 10.2.0.0/24, and b1 and b2 serve.

The router is the neighbour that asks and is told; what is on lb1's eth0, iproute2 says.
"""

import json
import subprocess

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA
from scapy.layers.l2 import ARP, Ether

import netns
from agent import Agent
from conftest import FWCTL, Testbed, until

V4, V6 = "10.2.0.100", "fd00:2::100"
ADDRESSES = {V4, V6}
LIVE = "10.2.0.101"
ETH_P_ALL = 3
FAILED, USAGE = 1, 2

HEAD = 'version = 1\n[attach.lan]\ndevice = "eth0"\n'


def web(addresses=(V4, V6), announce="eth0", more=""):
    text = f'[vip.web]\naddress = {json.dumps(list(addresses))}\nservice = "tcp/80"\nforward = "l2-dsr"\n{more}'
    text += f'announce = "{announce}"\n' * bool(announce)
    for number in (1, 2):
        text += f'[[vip.web.backend]]\nname = "b{number}"\naddress = ["10.2.0.2{number}", "fd00:2::2{number}"]\n'
    return text


NEW = HEAD + web([V4]) + web([LIVE]).replace("vip.web", "vip.live")


class Segment:
    def __init__(self, bed, folder):
        self.bed = bed
        self.folder = folder

    def file(self, text, name="policy.toml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *words, role="lb1", expect=0):
        """Its exit status is looked at unless None is expected."""
        if expect is not None:
            return self.bed.fwctl(role, *words, expect=expect)
        return self.bed.run("router", FWCTL, *words, "--netns", self.bed.name(role))

    def apply(self, text=HEAD + web(), role="lb1", expect=0):
        return self.run("apply", self.file(text), role=role, expect=expect)

    def ip(self, words, role="lb1"):
        return self.bed.check(role, "ip", *words.split())

    def addresses(self, role="lb1", device="eth0"):
        """What ip says of the device's addresses, by address."""
        shown = json.loads(self.bed.run(role, "ip", "-json", "address", "show", "dev", device).stdout or "[]")
        return {f"{one['local']}/{one['prefixlen']}": one for entry in shown for one in entry.get("addr_info", [])}

    def announced(self, role="lb1"):
        """The addresses of services that are on eth0 as single ones."""
        return {text.split("/")[0] for text in self.addresses(role) if text in {f"{V4}/32", f"{LIVE}/32", f"{V6}/128"}}

    def on(self, device):
        """Those of web that are on the device."""
        return ADDRESSES & {text.split("/")[0] for text in self.addresses(device=device)}

    def mac(self, role):
        return netns.mac_of(self.bed.name(role), "eth0")

    def known(self, address):
        """The MAC address that the router knows for it."""
        entries = json.loads(self.ip(f"-json neigh show to {address} dev out0", "router"))
        return entries[0].get("lladdr") if entries else None

    def served(self, role="client"):
        return [bool(self.bed.curls(role, address)) for address in (V4, V6)]

    def findings(self, expect=0):
        told = json.loads(self.run("doctor", "--json", expect=expect).stdout)["findings"]
        return [(one["verdict"], one["text"]) for one in told if one["text"].startswith("vip ")]

    def traced(self, words, *options):
        command = ["strace", "-qq", "-o", self.folder / "trace", *options, FWCTL, *map(str, words), "--netns", self.bed.name("lb1")]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    bed = Testbed("lb")
    try:
        for server in ("b1", "b2"):
            for address in (f"{V4}/32", f"{LIVE}/32", f"{V6}/128"):
                bed.check(server, "ip", "address", "add", address, "dev", "lo")
        yield Segment(bed, tmp_path_factory.mktemp("policies"))
    finally:
        bed.down()


@pytest.fixture
def lan(made):
    before = {role: own_addresses(made, role) for role in ("lb1", "lb2")}
    yield made
    for role in before:
        made.run("rollback", role=role, expect=None)
        made.run("detach", "--all", role=role, expect=None)
        assert netns.leftovers(made.bed.name(role)) == []
        assert own_addresses(made, role) == before[role]
        until(lambda: not processes_in(made.bed, role))  # those that tell the segment once more
    made.ip("neigh flush dev out0", "router")


def own_addresses(lan, role):
    """But for the link-local one, which goes with the MAC address."""
    return {text for text in lan.addresses(role) if not text.startswith("fe80:")}


def processes_in(bed, role):
    return set(bed.run("router", "ip", "netns", "pids", bed.name(role)).stdout.split())


@pytest.fixture
def agent(lan):
    one = Agent(lan.bed, "lb1")
    yield one
    one.end()


def frames_of(raw, mac):
    """The frames of that sender that come, each a second apart from the one before at most."""
    frames = []
    raw.settimeout(5)
    while len([one for one in frames if one.haslayer(ICMPv6ND_NA)]) < 3:
        frame = Ether(raw.recv(2000))
        if frame.src == mac and (frame.haslayer(ARP) or frame.haslayer(ICMPv6ND_NA)):
            frames.append(frame)
    return frames
