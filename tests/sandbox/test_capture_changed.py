"""`fwctl capture --point both`: packets as they came, and as they left when fwctl changed them or answered in their place."""

import random

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

import netns
import test_balance_frames as encapsulated
import test_nat_frames as translated
from captured import TC_REDIRECT, XDP_TX, capture
from conftest import until
from test_balance_frames import BACKENDS, CLIENT_MAC, Balancer, link

CASES = 400
NO_LINK = bytes(12)  # where the kernel is yet to write the addresses


@pytest.fixture(params=["xdp", "tc-in"])
def balancer(request, tmp_path):
    made = Balancer(tmp_path, request.param)
    yield made
    made.bed.down()


def is_what_left(bytes_there, frame, balancer):
    """Where the kernel is yet to write the link header, the capture has no addresses."""
    if balancer.hook == "xdp" or bytes_there[:12] != NO_LINK:
        return bytes_there == frame
    return bytes_there[12:14] == encapsulated.ETHERTYPE[frame[14] >> 4].to_bytes(2, "big") and bytes_there[14:] == frame[14:]


@pytest.mark.parametrize("services, cases_of", [(encapsulated.services, encapsulated.cases_of), (translated.services, translated.cases_of)],
                         ids=["encapsulated", "translated"])
def test_before_and_after(balancer, services, cases_of):
    balancer.apply(services())
    cases = cases_of(random.Random(3), CASES)
    sent = [link(balancer.mac, CLIENT_MAC, case.family) + case.packet + case.padding for _, case in cases]
    redirected = ["--verdict", "redirect"]  # the kernels of the pair may have something to say of their own
    with capture(balancer.bed, "b", *redirected, "--point", "both") as both, capture(balancer.bed, "b", *redirected) as before, \
            capture(balancer.bed, "b", *redirected, "--point", "after") as after:
        results = balancer.through(sent)
        assert [one.end() for one in (both, before, after)] == [0, 0, 0]
        assert both.notes()[-1] == f"{2 * len(sent):,} packets captured"
        came, went = both.packets()[::2], both.packets()[1::2]
        assert before.packets() == came and after.packets() == went
    assert [one.bytes for one in came] == sent
    verdict = ("xdp", XDP_TX) if balancer.hook == "xdp" else ("tc", TC_REDIRECT)
    for one, other, (_, frame) in zip(came, went, results):
        assert one.verdict == other.verdict == verdict
        assert one.comment.startswith("redirect balanced, backend ") and other.comment == one.comment + ", after"
        assert (one.direction, other.direction) == ("in", None)
        assert other.length == len(other.bytes)
        assert is_what_left(other.bytes, frame, balancer), (other, frame.hex())
    changed = [one for one, other in zip(came, went) if one.bytes[14:] != other.bytes[14:]]
    assert len(changed) > len(sent) // 2


def hear(ear, frames):
    """All that comes, until nothing does any more; but what was sent there."""
    ear.settimeout(1)
    heard = []
    try:
        while True:
            data, (_, _, kind, *_) = ear.recvfrom(65536)
            if kind != 4:  # PACKET_OUTGOING
                heard.append(data)
    except TimeoutError:
        return heard


def test_what_the_wire_has_seen(balancer):
    """Of packets that are balanced in every way, and of answers in a packet's place."""
    bed = balancer.bed
    bed.check("a", encapsulated.WIRE, "--far", "eth0")
    balancer.apply(encapsulated.services() + '[[rule]]\nname = "no"\nservice = "tcp/7"\naction = "reject"\n')
    cases = encapsulated.cases_of(random.Random(4), 60)
    sent = [link(balancer.mac, CLIENT_MAC, case.family) + case.packet + case.padding for _, case in cases]
    head = Ether(src=CLIENT_MAC, dst=balancer.mac)
    answered = [bytes(head / IP(src="10.9.0.50", dst="10.9.0.2") / TCP(sport=port, dport=7, flags="S") / Raw(b"x" * (port % 3)))
                for port in range(2000, 2020)]
    vip = encapsulated.vip(encapsulated.WAYS[0], 4)
    answered += [bytes(head / IP(src="10.9.0.50", dst=vip) / ICMP(id=number) / Raw(b"y" * number)) for number in range(30)]
    with capture(bed, "b", "--point", "both") as one, netns.packet_socket(bed.name("a"), "eth0", 3) as ear:
        for frame in sent + answered:
            ear.send(frame)
        heard = hear(ear, sent)
        assert one.end() == 0
        packets = [one for one in one.packets() if one.comment.split()[1].split(",")[0] in ("balanced", "rule-reject", "echo-answered")]
    came = [one.bytes for one in packets if not one.comment.endswith(", after")]
    went = [one for one in packets if one.comment.endswith(", after")]
    assert sorted(came) == sorted(sent + answered)
    assert len(went) == len(sent) + len(answered)
    for one in went:
        assert any(is_what_left(one.bytes, frame, balancer) for frame in heard), one
    assert balancer.hook == "xdp" or any(one.bytes[:12] == NO_LINK for one in went)
    assert {one.comment for one in went if one.comment.startswith("drop")} == {
        'drop rule-reject, rule "no", after', "drop echo-answered, after"}


def test_what_was_unpacked_is_captured_as_it_was_judged(balancer):
    """Without the headers that it came in, as its verdict and its rule are its own."""
    balancer.apply(f'[decapsulate]\nfrom = ["{encapsulated.US[4]}"]\n[[rule]]\nname = "no"\nservice = "udp/9"\naction = "deny"\n')
    inner = IP(src="192.0.2.1", dst=BACKENDS[4][0]) / UDP(dport=9) / Raw(b"inside")
    head = Ether(src=CLIENT_MAC, dst=balancer.mac)
    with capture(balancer.bed, "b", "--point", "both", "host", "192.0.2.1") as one:
        balancer.through([bytes(head / IP(src=encapsulated.US[4], dst=encapsulated.US[4]) / inner)])
        assert one.end() == 0
        (packet,) = one.packets()
    assert (packet.bytes, packet.comment) == (bytes(head / inner), 'drop rule-deny, rule "no"')


def test_what_xdp_leaves_to_tc_is_captured_once(testbed, tmp_path):
    """Where XDP judges and TC ingress does the rest, it is TC that tells, of the frame as it came."""
    bed = testbed("pair", "--no-offload")
    mac = netns.mac_of(bed.name("b"), "eth0")
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[attach.eth0]\nmode = "native"\nhooks = ["xdp", "tc-in"]\n'
                      '[[rule]]\nname = "no"\nservice = "udp/7"\naction = "reject"\n')
    bed.fwctl("b", "apply", policy)
    frames = [bytes(Ether(src=CLIENT_MAC, dst=mac) / IP(src="10.9.0.50", dst="10.9.0.2") / UDP(dport=port) / Raw(b"z")) for port in (7, 8)]
    with capture(bed, "b", "--point", "both", "udp", "or", "icmp") as one, netns.packet_socket(bed.name("a"), "eth0") as out:
        for frame in frames:
            out.send(frame)
        until(lambda: one.has(3))
        assert one.end() == 0
        packets = [(one.bytes, one.comment.split(",")[0], one.verdict[0]) for one in one.packets() if Ether(one.bytes).src != mac]
        answers = [one for one in one.packets() if Ether(one.bytes).src == mac and one.comment.endswith(", after")]
    assert packets == [(frames[0], "drop rule-reject", "tc"), (frames[1], "pass default-allow", "xdp")]
    assert len(answers) == 1 and ICMP in Ether(answers[0].bytes)
