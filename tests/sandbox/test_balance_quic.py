"""QUIC by connection id: real clients that move while their connection goes on, to real servers that say who they are.

The servers are ngtcp2's, with connection ids of tests/sandbox/server_id.cpp.
"""

import contextlib
import json
import os
import subprocess

import pytest
from scapy.all import IP, UDP, Ether, Raw, wrpcap

from balancer import ALL_WAYS, FAMILIES, GUE, IPIP, L2, SERVERS, VIP, WAYS, Balancer, backend, both, service, vip
from conftest import ROOT, until
from router import url

SERVER_ID = os.environ.get("SERVER_ID", str(ROOT / "build" / "release" / "tests" / "server_id.so"))
NUMBERS = {L2: "l2-dsr", IPIP: "ipip", GUE: "gue"}
CONFIG = 2
IDS = {server: f"0a{number:02x}" for number, server in enumerate(SERVERS)}
MOVES = {"rebinding": ["--nat-rebinding"], "migration": []}  # the client knows of it, and takes another id, or does not
ROUNDS = 2


def services(by_connection):
    quic = {"quic": None} if by_connection else {}
    text = ""
    for number, forward in NUMBERS.items():
        backends = [backend(server, server, **({"server_id": IDS[server]} if by_connection else {})) for server in SERVERS]
        text += service(f"web-{number}", both(VIP, number), ["udp/443"], forward, backends, **quic)
    return text.replace("quic = null", f"quic = {{ config = {CONFIG}, server_id_length = 2 }}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", "/CN=fwctl", "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)
    return folder / "key", folder / "certificate"


@pytest.fixture(scope="module", params=WAYS if ALL_WAYS else ["native", "tc"])
def balancer(request, tmp_path_factory, certificate):
    with contextlib.ExitStack() as ends:
        made = Balancer(tmp_path_factory.mktemp("policies"), WAYS[request.param], NUMBERS)
        ends.callback(made.down)
        made.unpack()
        for server in SERVERS:
            page = f"/run/fwctl-testbed/{made.bed.id}/{server}"
            names = [f"LD_PRELOAD={SERVER_ID}", f"FIRST_OCTETS={CONFIG << 5:02x}{IDS[server]}"]
            process = subprocess.Popen(made.bed.command(server, "env", *names, "gtlsserver", "-q", "-d", page, "*", "443", *certificate),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ends.callback(process.wait)
            ends.callback(process.terminate)
            until(lambda server=server: ":443 " in made.bed.check(server, "ss", "-Hlun"))
        yield made


def pages(balancer, folder, meanwhile=lambda: None):
    """What clients get that ask once they have moved, each of them; "": nothing. All at once."""
    clients = []
    for number in NUMBERS:
        for family in FAMILIES:
            for move, options in MOVES.items():
                for turn in range(ROUNDS):
                    to = folder / f"{number}-{family}-{move}-{turn}"
                    to.mkdir(parents=True)
                    address = vip(family, number)
                    words = ["gtlsclient", "-q", "--exit-on-all-streams-close", f"--download={to}", "--timeout=10s",
                             "--change-local-addr=500ms", "--delay-stream=1500ms", *options, address, "443",
                             url(address, "page").replace("http", "https")]
                    client = subprocess.Popen(balancer.bed.command("client", *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    clients.append((client, to / "page"))
    try:
        meanwhile()
    finally:
        for client, _ in clients:
            client.wait(timeout=120)
    return [page.read_text().strip() if page.exists() else "" for _, page in clients]


def all_came(got):
    return set(got) <= {f"hello from {server}" for server in SERVERS}


def test_connections_survive_that_their_client_moves(balancer, tmp_path):
    balancer.balance(services(by_connection=True))
    got = pages(balancer, tmp_path)
    assert all_came(got), got
    assert len(set(got)) > 1, "all were sent to one server"


def test_and_that_another_balancer_takes_over(balancer, tmp_path):
    """It has never heard of them."""
    balancer.balance(services(by_connection=True))
    balancer.through("lb1")
    try:
        got = pages(balancer, tmp_path, meanwhile=lambda: balancer.through("lb2"))
    finally:
        balancer.through_both()
    assert all_came(got), got


def test_they_do_not_by_address_and_port(balancer, tmp_path):
    """Else the tests above would show nothing."""
    balancer.balance(services(by_connection=False))
    assert "" in pages(balancer, tmp_path)


def test_explain_and_show_say_it(balancer, tmp_path):
    balancer.balance(services(by_connection=True))
    bed = balancer.bed

    def frame(datagram):
        return Ether(dst="02:00:00:00:00:01") / IP(src="10.1.0.2", dst=vip(4, IPIP)) / UDP(sport=40000, dport=443) / Raw(datagram)

    first = bytes([CONFIG << 5 | 9])
    known = first + bytes.fromhex(IDS["b3"]) + bytes(8)
    unknown = first + b"\xee\xee" + bytes(8)
    capture = tmp_path / "capture"
    wrpcap(str(capture), [frame(b"\x40" + known + bytes(20)), frame(b"\xc0\0\0\0\1" + bytes([len(known)]) + known + bytes(20)),
                          frame(b"\x40" + unknown + bytes(20)), frame(b"\xc0\0\0\0\1\0\0" + bytes(20))])
    chosen = [one["service"] for one in bed.json("lb1", "explain", "--pcap", capture, "on", "eth0")["packets"]]
    assert [one["by"] for one in chosen] == ["connection", "connection", "ring", "ring"]
    assert [one["backend"] for one in chosen[:2]] == ["b3", "b3"]

    shown = bed.json("lb1", "vip", "show", f"web-{IPIP}")
    assert shown["quic"] == {"config": [CONFIG], "server_id_length": 2}
    assert {one["name"]: one["server_id"] for one in shown["backends"]} == {server: [number] for server, number in IDS.items()}
    line = "QUIC by connection id: configuration 2; server ids " + ", ".join(f"{server} {number}" for server, number in IDS.items())
    assert line in [text.strip() for text in bed.fwctl("lb1", "vip", "show", f"web-{IPIP}").stdout.splitlines()]


def test_live_edits_and_exports_keep_it(balancer, tmp_path):
    text = services(by_connection=True)
    balancer.balance(text)
    bed = balancer.bed
    bed.fwctl("lb1", "backend", "weight", f"web-{IPIP}/b2", "5")
    bed.fwctl("lb1", "backend", "add", f"web-{IPIP}/more", "10.2.0.99")
    shown = bed.json("lb1", "vip", "show", f"web-{IPIP}")
    ids = {one["name"]: one["server_id"] for one in shown["backends"]}
    assert ids == {server: [number] for server, number in IDS.items()} | {"more": []}
    exported = tmp_path / "exported.toml"
    exported.write_text(bed.fwctl("lb1", "export").stdout)
    bed.fwctl("lb1", "plan", exported, "--detailed")
    assert json.loads(bed.fwctl("lb1", "plan", exported, "--json").stdout)["changes"] == []
    bed.fwctl("lb1", "apply", balancer.folder / "lb1.toml")
    assert bed.json("lb1", "vip", "show", f"web-{IPIP}")["quic"] == {"config": [CONFIG], "server_id_length": 2}
