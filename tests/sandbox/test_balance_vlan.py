"""A VLAN's own interface balances what comes in it, in every mode; the interface below leaves frames with a tag alone.

Router, balancer and servers are in VLAN 10, too, beside the segment of the topology `lb`. Who takes the tags off and puts
them on is the device, or the kernel. Where the kernel has no VLANs, nothing of this is asked; the oldest one has.
"""

import contextlib
import json
import socket

import pytest

import echo
import netns
from balancer import ALL_WAYS, CLIENT, CROSSED, FAMILIES, FORWARD, GUE, SERVERS, UNTRANSLATED, VIP, both, service, vip
from conftest import KERNEL, Testbed
from echo import ECHO, TALLY

SEGMENT = {4: "10.3.0.{}", 6: "fd00:3::{}"}
NUMBERS = {"router": 1, "lb1": 11} | SERVERS
PARENTS = {"router": "out0"} | dict.fromkeys(["lb1", *SERVERS], "eth0")
HOOKS = {
    "generic": 'mode = "generic"\nhooks = ["xdp", "tc-in"]\n',
    "tc": 'mode = "tc"\nhooks = ["tc-in"]\n',
}
every_mode = pytest.mark.parametrize("number", [pytest.param(number, id=f"{FORWARD[number]}{'-crossed' * (number in CROSSED)}")
                                                for number in UNTRANSLATED])
OFFLOADS = {"rxvlan": "on", "no-rxvlan": "off"}
# One of them on the oldest kernel, whose processor is emulated: where the tag is not in the frame.
WAYS = [pytest.param((hooks, offload), id=f"{hooks}-{offload}",
                     marks=[pytest.mark.oldest] * ((hooks, offload) == ("tc", "rxvlan")))
        for hooks in HOOKS for offload in OFFLOADS]


def services(segment):
    text = ""
    for number, forward in UNTRANSLATED.items():
        families = [[4], [6], [4], [6]] if number in CROSSED else [FAMILIES] * 4
        backends = [{"name": server, "address": [segment[family].format(SERVERS[server]) for family in its]}
                    for server, its in zip(SERVERS, families)]
        text += service(f"all-{number}", both(VIP, number), [f"tcp/{ECHO}", f"tcp/{TALLY}", f"udp/{ECHO}"], forward, backends)
    return text


def require_vlans(bed):
    done = bed.run("router", "ip", "link", "add", "link", "out0", "name", "out0.10", "type", "vlan", "id", "10")
    if "Unknown device type" in done.stderr:
        assert KERNEL != (6, 1), "Debian's kernel has VLANs"
        pytest.skip("this kernel has no VLANs (CONFIG_VLAN_8021Q)")
    bed.check("router", "ip", "link", "del", "out0.10")


class Vlan:
    def __init__(self, folder, hooks, offload):
        self.folder = folder
        self.hooks = HOOKS[hooks]
        self.turn = list(HOOKS).index(hooks)  # the other half of modes and families
        self.bed = Testbed("lb")
        try:
            self.put_all_into_the_vlan(offload)
        except BaseException:
            self.bed.down()
            raise

    def put_all_into_the_vlan(self, offload):
        require_vlans(self.bed)
        for role, parent in PARENTS.items():
            self.bed.check(role, "ethtool", "-K", parent, "rxvlan", offload, "txvlan", offload)
            lines = [f"link add link {parent} name {parent}.10 type vlan id 10", f"link set {parent}.10 up"]
            lines += [f"address add {SEGMENT[family].format(NUMBERS[role])}/{24 if family == 4 else 64} dev {parent}.10"
                      + " nodad" * (family == 6) for family in FAMILIES]
            if role in SERVERS:
                lines += [f"address replace {vip(family, number)} dev lo" for number in UNTRANSLATED for family in FAMILIES]
            self.bed.check(role, "ip", "-batch", "-", input="\n".join(lines))
        for port in ("router", "lb1", *SERVERS):
            self.bed.check("switch", "ethtool", "-K", port, "rxvlan", offload, "txvlan", offload)
        for family, prefix in {4: VIP[4].format(0) + "/24", 6: VIP[6].format("") + "/64"}.items():
            self.bed.check("router", "ip", f"-{family}", "route", "replace", prefix, "via", SEGMENT[family].format(NUMBERS["lb1"]))

    def apply(self, role, text):
        policy = self.folder / f"{role}.toml"
        policy.write_text("version = 1\n" + text + "".join(f'[attach."{name}"]\n{self.hooks}' for name in ("eth0", "eth0.10")))
        self.bed.fwctl(role, "apply", policy)

    def balanced(self, interface):
        return self.bed.counters("lb1", interface).get(("in", "balanced"), 0)

    def down(self):
        try:
            for role in ("lb1", *SERVERS):
                self.bed.fwctl(role, "detach", "--all")
                assert netns.leftovers(self.bed.name(role)) == []
        finally:
            self.bed.down()


@pytest.fixture(scope="module", params=WAYS)
def vlan(request, tmp_path_factory):
    hooks, offload = request.param
    made = Vlan(tmp_path_factory.mktemp("policies"), hooks, OFFLOADS[offload])
    try:
        made.apply("lb1", services(SEGMENT))
        for server in SERVERS:
            made.apply(server, f"[decapsulate]\nfrom = {json.dumps(both(SEGMENT, NUMBERS['lb1']))}\n")
        addresses = [vip(family, number) for number in UNTRANSLATED for family in FAMILIES]
        with contextlib.closing(echo.Servers(made.bed, SERVERS, [ECHO, TALLY], lambda _: addresses)):
            yield made
    finally:
        made.down()


@pytest.mark.parametrize("turn", [0, 1] if ALL_WAYS else [0])
@every_mode
def test_connections_and_datagrams(vlan, number, turn):
    """An upload, too: its segments are too long in an outer header, and the client is told so through the VLAN."""
    family = FAMILIES[(number + turn + vlan.turn) % 2]
    bed, address = vlan.bed, vip(family, number)
    before = vlan.balanced("eth0.10")
    bed.check("client", "ip", f"-{family}", "route", "flush", "cache")
    seen = set()
    for host in range(2, 10):
        with echo.dial(bed, "client", address, ECHO, CLIENT[family].format(host)) as one:
            (server, *client), _ = echo.greeting(one)
            assert tuple(client) == one.getsockname()[:2]
            seen.add(server)
        with echo.datagrams(bed, "client", address, ECHO, CLIENT[family].format(host)) as one:
            one.settimeout(10)
            one.send(b"short")
            seen.add(one.recv(100).split()[0].decode())
    assert len(seen) > 1 and seen <= SERVERS.keys()
    with echo.dial(bed, "client", address, TALLY, timeout=50) as one:
        echo.greeting(one)
        one.sendall(bytes(300_000))
        one.shutdown(socket.SHUT_WR)
        assert one.recv(100) == b"300000"
    assert " 0% packet loss" in bed.check("client", "ping", "-n", "-c", "3", "-i", "0.01", "-W", "5", address)
    assert vlan.balanced("eth0.10") > before
    assert vlan.balanced("eth0") == 0


def test_what_has_no_tag_is_balanced_below(vlan):
    """The router sends it by the segment without tags; the backends are where they were."""
    bed, address = vlan.bed, vip(4, GUE)
    bed.check("router", "ip", "route", "add", address, "via", "10.2.0.11")
    try:
        before = vlan.balanced("eth0"), vlan.balanced("eth0.10")
        with echo.dial(bed, "client", address, ECHO) as one:
            assert echo.greeting(one)[0][0] in SERVERS
        assert vlan.balanced("eth0") > before[0] and vlan.balanced("eth0.10") == before[1]
    finally:
        bed.check("router", "ip", "route", "del", address)
