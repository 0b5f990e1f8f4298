"""What an answer, or who pretends to have got one, does to the tables of translated flows."""

import pytest
from scapy.all import ICMP, IP, TCP

import nat_table
from test_balance_frames import CLIENT_MAC, TC_REDIRECT, US, XDP_TX, link, mac_of_backend
from test_nat_ports import ACK, BACKEND, FIN, RST, SYN, VIP, clients, scene, segment  # noqa: F401

FLOWS = 100
NUMBER = 0x80000000  # of the backend's


def answers(scene, ports, flags, mac=None):
    frames = [link(mac or scene.mac, mac_of_backend(BACKEND), 4) + segment(BACKEND, US[4], 80, port, flags, NUMBER, 1) for port in ports]
    return [returned for returned, _ in scene.through(frames)]


def entries(scene):
    """How many there are of new flows, and of confirmed ones; each has two."""
    return nat_table.let_pass(scene.bed, "b", 0)


def test_who_does_not_see_the_answer_makes_no_connection(scene):
    """SYNs from forged addresses, which the backend answers, and whatever may come behind them from there."""
    scene.serve()
    ports = scene.ask(clients(FLOWS), SYN)
    answers(scene, ports, SYN | ACK)
    for flags in (ACK, FIN | ACK, RST, RST | ACK, 0, SYN):
        scene.ask(clients(FLOWS), flags)
    answers(scene, ports, RST)
    scene.ask(clients(FLOWS), ACK)
    assert entries(scene) == [2 * FLOWS, 0]
    scene.ask(clients(FLOWS), ACK, NUMBER + 1)
    assert entries(scene) == [0, 2 * FLOWS]


def test_what_is_not_let_in_is_no_answer(scene):
    """From an address of the backend's, which a rule denies there, or to another host."""
    deny = f'[[rule]]\nname = "forged"\nfrom = "{BACKEND}"\naction = "deny"\n'
    scene.serve(more_text=deny)
    ports = scene.ask(clients(FLOWS), SYN)
    sends = XDP_TX if scene.hook == "xdp" else TC_REDIRECT
    assert sends not in answers(scene, ports, SYN | ACK)
    scene.serve()
    assert sends not in answers(scene, ports, SYN | ACK, mac="02:00:00:00:00:42")
    scene.ask(clients(FLOWS), ACK, NUMBER + 1)
    assert entries(scene) == [2 * FLOWS, 0]
    assert set(answers(scene, ports, SYN | ACK)) == {sends}
    scene.ask(clients(FLOWS), ACK, NUMBER + 1)
    assert entries(scene) == [0, 2 * FLOWS]


@pytest.mark.parametrize("forward", ["nat", "full-nat"])
def test_errors_about_nobodys_flow_go_to_no_backend(scene, forward):
    scene.serve(forward)
    (address, port), = clients(1)
    sends = XDP_TX if scene.hook == "xdp" else TC_REDIRECT

    def is_sent(client_port):
        quoted = IP(src=VIP, dst=address) / TCP(sport=80, dport=client_port, flags="A")
        error = bytes(IP(src="192.0.2.7", dst=VIP) / ICMP(type=3, code=1) / quoted)
        ((returned, _),) = scene.through([link(scene.mac, CLIENT_MAC, 4) + error])
        return returned == sends

    assert not is_sent(port)
    scene.ask([(address, port)], SYN)
    assert is_sent(port)
    assert not is_sent(port + 1)
