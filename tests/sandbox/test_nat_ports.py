"""Whose port of ours a new flow gets with full-nat: many flows to one backend, which has 16,384 of them."""

import ipaddress
import struct

import pytest

import nat_table
from test_balance_frames import BACKENDS, CLIENT_MAC, TC_REDIRECT, US, XDP_TX, Balancer, link, mac_of_backend

VIP, BACKEND = "203.0.113.50", BACKENDS[4][0]
FIN, SYN, RST, ACK = 1, 2, 4, 16
PORTS = 16384
IDLE = 200  # in ticks: longer than a flow of `nat` may be silent, much shorter than a connection lives


def segment(source, destination, source_port, destination_port, flags, sequence=1, acknowledgment=1):
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    tcp = struct.pack("!HHIIBBHHH", source_port, destination_port, sequence, acknowledgment, 0x50, flags, 8192, 0, 0)
    return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + tcp


class Scene(Balancer):
    def serve(self, forward="full-nat", more_text="", **more):
        keys = "".join(f"{key} = {value}\n" for key, value in more.items())
        self.apply(f'[vip.web]\naddress = "{VIP}"\nservice = "tcp/80"\nforward = "{forward}"\n{keys}'
                   f'[[vip.web.backend]]\nname = "w"\naddress = "{BACKEND}"\n{more_text}')

    def ask(self, clients, flags, acknowledgment=1):
        """Of each client, (address, port), one packet: the port of ours that it leaves by, or None where it was dropped."""
        sent = [link(self.mac, CLIENT_MAC, 4) + segment(address, VIP, port, 80, flags, 1, acknowledgment) for address, port in clients]
        ports = []
        for returned, frame in self.through(sent):
            is_sent = returned == (XDP_TX if self.hook == "xdp" else TC_REDIRECT)
            ports.append(struct.unpack_from("!H", frame, 34)[0] if is_sent else None)
        return ports

    def answer(self, ports, flags):
        frames = [link(self.mac, mac_of_backend(BACKEND), 4) + segment(BACKEND, US[4], 80, port, flags) for port in ports]
        return [str(ipaddress.ip_address(frame[30:34])) for _, frame in self.through(frames)]

    def open(self, clients):
        ports = self.ask(clients, SYN)
        assert None not in ports and len(set(ports)) == len(clients)
        assert self.answer(ports, SYN | ACK) == [address for address, _ in clients]
        assert self.ask(clients, ACK) == ports
        return ports


@pytest.fixture(params=["xdp", "tc-in"])
def scene(request, tmp_path):
    made = Scene(tmp_path, request.param)
    made.bed.check("b", "ip", "neigh", "replace", BACKEND[:-2] + "99", "lladdr", CLIENT_MAC, "dev", "eth0", "nud", "permanent")
    made.bed.check("b", "ip", "route", "add", "198.51.0.0/16", "via", BACKEND[:-2] + "99", "dev", "eth0")
    yield made
    made.bed.down()


def clients(count, first=0):
    return [(f"198.51.{(first + number) // 250}.{(first + number) % 250 + 1}", 40000) for number in range(count)]


def test_a_new_connection_takes_no_port_of_an_idle_one(scene):
    scene.serve()
    idle = clients(2000)
    ports = scene.open(idle)
    nat_table.let_pass(scene.bed, "b", IDLE)
    others = scene.ask(clients(4000, first=2000), SYN)
    assert None not in others and not set(others) & set(ports)
    assert scene.ask(idle, ACK) == ports


def test_who_sends_a_fin_of_others_takes_no_port_of_theirs(scene):
    scene.serve()
    victims = clients(2000)
    ports = scene.open(victims)
    assert scene.ask(victims, FIN | ACK) == ports
    assert not set(scene.ask(clients(4000, first=2000), SYN)) & set(ports)
    assert scene.ask(victims, ACK) == ports


def test_one_client_of_a_service_by_source_has_many_connections(scene):
    scene.serve(affinity='"source"')
    scene.open([("198.51.0.1", port) for port in range(1024, 6024)])


def test_a_flood_of_new_flows_leaves_ports_to_others(scene):
    """More than there are ports, all answered by the backend, as it has to answer SYNs: what was new makes room, and no connection."""
    scene.serve()
    connected = clients(1000)
    ports = scene.open(connected)
    nat_table.let_pass(scene.bed, "b", 30)
    for turn in range(3):
        flood = scene.ask([(address, 1024 + turn) for address, _ in clients(8000, first=1000)], SYN)
        assert None not in flood and not set(flood) & set(ports)
        scene.answer(flood, SYN | ACK)
    scene.open(clients(50, first=10000))
    assert scene.ask(connected, ACK) == ports


def test_ports_of_connections_that_have_closed_serve_again(scene):
    scene.serve()
    for turn in range(3):
        some = [(address, 1024 + turn) for address, _ in clients(8000)]
        ports = scene.open(some)
        assert scene.ask(some, FIN | ACK) == ports
