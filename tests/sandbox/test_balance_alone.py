"""What a balancer leaves alone: frames to others, and what it has unpacked itself, whoever of its programs did that."""

import contextlib

import pytest
from scapy.all import IP, UDP, Ether, IPv6, IPv6ExtHdrDestOpt, PadN

import echo
import netns
from balancer import BALANCERS, CLIENT, FAMILIES, GUE, IPIP, SEGMENT, VIP, WAYS, Balancer, all_services, both, service, vip
from conftest import until
from echo import ECHO

every_way = pytest.mark.parametrize("balancer", WAYS, indirect=True, scope="module")
every_family = pytest.mark.parametrize("family", FAMILIES)
BATCH = 20
NOBODY = "02:00:00:00:00:99"  # which the switch does not know: it goes to all
STRANGER = {4: "198.51.100.7", 6: "2001:db8:7::7"}
IP_OF = {4: IP, 6: IPv6}


@pytest.fixture(scope="module")
def balancer(request, tmp_path_factory):
    made = Balancer(tmp_path_factory.mktemp("policies"), WAYS[request.param])
    try:
        yield made
    finally:
        made.down()


def sends(balancer, role, interface, frames):
    with netns.packet_socket(balancer.bed.name(role), interface) as out:
        for frame in frames:
            out.send(bytes(frame))


def counted_since(balancer, role, before, reason, packets):
    """What is counted more than before, once there are so many of that reason."""

    def those():
        more = {name: count - before.get(name, 0) for name, count in balancer.counted([role]).items()}
        return more if more.get(reason, 0) >= packets else None

    return until(those)


@every_family
@every_way
def test_frames_to_another_machine(balancer, family):
    """As on a bridge, at a mirror's port, or where a switch has forgotten a machine; the interface lets them in."""
    balancer.balance(all_services(), ["lb1"])
    bed = balancer.bed
    bed.check("lb1", "ip", "link", "set", "eth0", "promisc", "on")
    here = netns.mac_of(bed.name("router"), "out0")
    packet = IP_OF[family](src=STRANGER[family], dst=vip(family, GUE)) / UDP(sport=4000, dport=ECHO) / b"hello"
    try:
        before = balancer.counted(["lb1"])
        sends(balancer, "router", "out0", [Ether(src=here, dst=NOBODY) / packet] * BATCH)
        assert counted_since(balancer, "lb1", before, "default-allow", BATCH).get("balanced", 0) == 0
        own = netns.mac_of(bed.name("lb1"), "eth0")
        sends(balancer, "router", "out0", [Ether(src=here, dst=own) / packet] * BATCH)
        assert counted_since(balancer, "lb1", before, "balanced", BATCH)["balanced"] == BATCH
    finally:
        bed.check("lb1", "ip", "link", "set", "eth0", "promisc", "off")


@every_way
def test_two_balancers_that_are_each_others_backend(balancer):
    """What one sends the other one takes: it would come back, and so on for ever."""
    bed = balancer.bed
    addresses = [vip(family, number) for number in (IPIP, GUE) for family in FAMILIES]
    for role, other in (("lb1", "lb2"), ("lb2", "lb1")):
        for address in addresses:
            bed.check(role, "ip", "address", "replace", address, "dev", "lo")
        text = f'[decapsulate]\nfrom = {both(SEGMENT, BALANCERS[other])!r}\n'
        for number, forward in ((IPIP, "ipip"), (GUE, "gue")):
            its = {"name": other, "address": both(SEGMENT, BALANCERS[other])}
            text += service(f"to-{number}", both(VIP, number), [f"tcp/{ECHO}", f"udp/{ECHO}"], forward, [its])
        balancer.apply(role, text)
    try:
        with contextlib.closing(echo.Servers(bed, BALANCERS, [ECHO], lambda _: addresses)):
            for role, other in (("lb1", "lb2"), ("lb2", "lb1")):
                balancer.through(role)
                for address in addresses:
                    before = {one: balancer.counted([one]).get("balanced", 0) for one in BALANCERS}
                    with echo.datagrams(bed, "client", address, ECHO) as one:
                        one.settimeout(10)
                        one.send(b"hello")
                        assert one.recv(100).split()[0].decode() == other
                    with echo.dial(bed, "client", address, ECHO) as one:
                        assert echo.greeting(one)[0][0] == other
                    assert balancer.counted([role])["balanced"] > before[role]
                    assert balancer.counted([other]).get("balanced", 0) == before[other]
    finally:
        balancer.through_both()
        for role in BALANCERS:
            for address in addresses:
                bed.check(role, "ip", "address", "del", address, "dev", "lo")


@every_family
@every_way
def test_what_xdp_unpacks_and_tc_sends_on(balancer, family):
    """The next router is not there, so that TC, or the kernel, has to ask for it: TC must know that the packet was unpacked."""
    bed, address = balancer.bed, vip(family, GUE)
    forwards = ["net.ipv4.ip_forward={}", "net.ipv6.conf.all.forwarding={}"]
    balancer.apply("lb1", f'[decapsulate]\nfrom = "{CLIENT[family].format(2)}"\n' + all_services() + '[defaults]\nforward = "fib"\n')
    bed.check("lb1", "sysctl", "-qw", *[line.format(1) for line in forwards])
    bed.check("lb1", "ip", f"-{family}", "route", "add", address, "via", SEGMENT[family].format(99))
    inside = IP_OF[family](src=STRANGER[family], dst=address) / UDP(sport=4000, dport=ECHO) / b"hello"
    packed = IP_OF[family](src=CLIENT[family].format(2), dst=SEGMENT[family].format(BALANCERS["lb1"])) / inside
    link = Ether(src=netns.mac_of(bed.name("client"), "eth0"), dst=netns.mac_of(bed.name("router"), "in0"))
    try:
        before = balancer.counted(["lb1"])
        sends(balancer, "client", "eth0", [link / packed] * BATCH)
        assert counted_since(balancer, "lb1", before, "default-allow", BATCH).get("balanced", 0) == 0
    finally:
        bed.check("lb1", "ip", f"-{family}", "route", "del", address)
        bed.check("lb1", "sysctl", "-qw", *[line.format(int(balancer.way.forwarding)) for line in forwards])


@every_family
@every_way
def test_what_is_packed_twice_is_unpacked_once(balancer, family):
    """Also where XDP has unpacked it and TC, or the kernel, sends it on, as the next router is not known yet."""
    bed, address = balancer.bed, vip(family, GUE)
    next_router = SEGMENT[family].format(99)
    packer, IP_ = CLIENT[family].format(2), IP_OF[family]
    balancer.apply("lb1", f'[decapsulate]\nfrom = "{packer}"\n[defaults]\nforward = "fib"\n')
    bed.check("lb1", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    on_the_segment = f"{next_router}/{24 if family == 4 else 64}"
    bed.check("router", "ip", "address", "add", on_the_segment, "dev", "out0", *["nodad"] * (family == 6))
    bed.check("lb1", "ip", f"-{family}", "route", "add", address, "via", next_router)
    inside = IP_(src=packer, dst=address) / IP_(src=STRANGER[family], dst=address) / UDP(sport=4000, dport=ECHO) / b"hello"
    packed = IP_(src=packer, dst=SEGMENT[family].format(BALANCERS["lb1"])) / inside
    link = Ether(src=netns.mac_of(bed.name("client"), "eth0"), dst=netns.mac_of(bed.name("router"), "in0"))
    rest = bytes(inside.payload)
    try:
        with netns.packet_socket(bed.name("router"), "out0", 3) as ear:
            ear.settimeout(10)
            sends(balancer, "client", "eth0", [link / packed])
            mac = bytes.fromhex(netns.mac_of(bed.name("lb1"), "eth0").replace(":", ""))
            while not ((heard := ear.recv(2048))[6:12] == mac and heard.endswith(rest)):
                pass
        assert len(heard) == 14 + len(inside), "as it was, but for its TTL"
    finally:
        bed.check("lb1", "ip", f"-{family}", "route", "del", address)
        bed.check("router", "ip", "address", "del", on_the_segment, "dev", "out0")
        bed.check("lb1", "ip", "neigh", "flush", "all")
        bed.check("lb1", "sysctl", "-qw", *[f"{name}={int(balancer.way.forwarding)}" for name in
                                            ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")])


@pytest.mark.parametrize("carried", FAMILIES)
def test_what_cannot_be_unpacked_is_dropped(testbed, tmp_path, carried):
    """The kernel takes away 4,095 bytes at once: where it has changed the outer header's version, what is left is no packet."""
    bed = testbed("pair")
    for role in ("a", "b"):
        bed.check(role, "ip", "link", "set", "eth0", "mtu", "9000")
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[attach.eth0]\nmode = "tc"\nhooks = ["tc-in"]\n[builtin]\nmalformed = false\n'
                      '[decapsulate]\nfrom = "fd00:9::1"\n')
    bed.fwctl("b", "apply", policy)
    inside = IP_OF[carried](src=STRANGER[carried], dst=vip(carried, GUE)) / UDP(sport=4000, dport=53) / b"hello"
    before = bed.counters("b", "eth0").get(("in", "unpack-failed"), 0)
    long_one = IPv6(src="fd00:9::1", dst="fd00:9::2")
    for _ in range(3):
        long_one /= IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(252))] * 8)
    frame = Ether(src=netns.mac_of(bed.name("a"), "eth0"), dst=netns.mac_of(bed.name("b"), "eth0")) / long_one / inside
    with netns.packet_socket(bed.name("a"), "eth0") as out:
        out.send(bytes(frame))
    until(lambda: bed.counters("b", "eth0").get(("in", "unpack-failed"), 0) == before + 1)
