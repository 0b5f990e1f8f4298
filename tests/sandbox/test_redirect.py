"""Rules with action redirect: out of another interface as it is, or to a next hop."""

import pytest
from scapy.all import IP, UDP, Ether, IPv6, Raw

import netns
from forwarding import ping
from router import CLIENT, FAMILIES, SERVER, Router, every_way, resolving_ways

ELSEWHERE = {4: "203.0.113.9", 6: "2001:db8:9::9"}


@pytest.fixture
def router(way, tmp_path):
    made = Router(tmp_path, way)
    try:
        yield made
    finally:
        made.down()


def sent_and_seen(router, frame, wanted):
    """The frames that arrive at the server after the client has sent this one, as bytes."""
    listening = netns.packet_socket(router.bed.name("server"), "eth0", 3)
    listening.settimeout(2)
    with netns.packet_socket(router.bed.name("client"), "eth0") as out, listening:
        out.send(bytes(frame))
        try:
            while True:
                seen = listening.recv(65536)
                if wanted in seen:
                    return seen
        except TimeoutError:
            return None


def frame_to(router, family, **fields):
    bed = router.bed
    link = Ether(src=netns.mac_of(bed.name("client"), "eth0"), dst=netns.mac_of(bed.name("fw"), "in0"))
    if family == 4:
        return link / IP(src=CLIENT[4], dst=ELSEWHERE[4], ttl=fields.get("ttl", 64)) / UDP(dport=9) / Raw(b"redirected")
    return link / IPv6(src=CLIENT[6], dst=ELSEWHERE[6], hlim=fields.get("ttl", 64)) / UDP(dport=9) / Raw(b"redirected")


def redirect(**table):
    words = ", ".join(f'{key} = "{value}"' for key, value in table.items())
    return f'[[rule]]\nname = "on"\naction = "redirect"\nredirect = {{ {words} }}\nservice = "udp/9"\n'


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_frame_is_redirected_as_it_is(router, family):
    router.apply(rules=redirect(to="out0"))
    frame = bytes(frame_to(router, family, ttl=1))
    assert sent_and_seen(router, frame, b"redirected") == frame
    assert router.counted("rule-redirect") == 1


@pytest.mark.parametrize("family", FAMILIES)
@resolving_ways
def test_a_packet_is_redirected_to_a_next_hop(router, family):
    bed = router.bed
    router.apply(rules=redirect(via=SERVER[family], to="out0"))
    router.forget_neighbours()
    seen = Ether(sent_and_seen(router, frame_to(router, family), b"redirected"))
    expected = frame_to(router, family, ttl=63)
    expected.src, expected.dst = netns.mac_of(bed.name("fw"), "out0"), netns.mac_of(bed.name("server"), "eth0")
    assert bytes(seen) == bytes(expected)
    assert router.counted("rule-redirect") == 1


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_next_hop_is_found_by_its_route(router, family):
    router.apply(rules=redirect(via=SERVER[family]))
    ping(router.bed, "fw", SERVER[family])
    seen = Ether(sent_and_seen(router, frame_to(router, family), b"redirected"))
    assert seen.dst == netns.mac_of(router.bed.name("server"), "eth0")
    assert router.counted("rule-redirect") == 1


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_next_hop_does_not_get_what_has_come_too_far(router, family):
    router.apply(rules=redirect(via=SERVER[family]))
    assert sent_and_seen(router, frame_to(router, family, ttl=1), b"redirected") is None
    assert router.counted("redirect-kernel") == 1


def test_an_unknown_interface_is_refused(testbed, tmp_path):
    bed = testbed("router")
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[attach.in0]\n' + redirect(to="out7"))
    assert 'rule "on": there is no interface "out7"' in bed.fwctl("fw", "apply", policy, expect=1).stderr
    assert netns.leftovers(bed.name("fw")) == []
