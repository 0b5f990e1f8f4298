"""Real clients and real servers through the balancer: in every mode, both families, and every way of attaching.

Cheap questions are asked of every mode and family in the ways that differ most, expensive ones of a part of them in which
every way, mode and family is met; FWCTL_ALL_WAYS=1 asks everything of all.
"""

import contextlib
import errno
import json
import re
import socket
import subprocess

import pytest

import echo
from balancer import (ALL_WAYS, BALANCERS, CLIENT, CLIENT_HOSTS, CROSSED, FAMILIES, FORWARD, FULL_NAT, GUE, IPERF_SERVER, L2, NAT,
                      NAT_BALANCER, NAT_PORTS, RANGE, SEGMENT, SERVERS, USUAL, WAYS, Balancer, all_services, place, vip)
from conftest import until
from echo import ECHO, TALLY
from router import errors, url

PAGES = {f"hello from {server}" for server in SERVERS}
OUTER_IP = {4: 20, 6: 40}
OUTER_REST = {"ipip": 0, "gue": 12}  # UDP and GUE


every_way = pytest.mark.parametrize("balancer", USUAL, indirect=True, scope="module")
every_mode = pytest.mark.parametrize("number", [pytest.param(number, id=f"{FORWARD[number]}{'-crossed' * (number in CROSSED)}")
                                                for number in FORWARD])
every_family = pytest.mark.parametrize("family", FAMILIES)
# Of expensive tests: each way with each mode, each of those with one family here and the other one there.
some_modes = every_mode if ALL_WAYS else pytest.mark.parametrize(
    "number", [pytest.param(number, id=FORWARD[number]) for number in FORWARD if number not in CROSSED])
a_family = pytest.mark.parametrize("turn", [0, 1] if ALL_WAYS else [0])


@pytest.fixture(scope="module")
def balancer(request, tmp_path_factory):
    made = Balancer(tmp_path_factory.mktemp("policies"), WAYS[request.param])
    try:
        made.number = USUAL.index(request.param)
        made.balance(all_services())
        made.unpack()
        def addresses(server):
            return {place(server, family, number) for number in FORWARD for family in FAMILIES}

        with contextlib.closing(echo.Servers(made.bed, SERVERS, [ECHO, TALLY, RANGE[0], RANGE[-1]], addresses)):
            yield made
    finally:
        made.down()


@pytest.fixture
def family(balancer, number, turn):
    return FAMILIES[(balancer.number + number + turn) % 2]


def assert_sees(seen, one, number, family):
    """A server sees the client's own address and port, with full-nat a balancer's."""
    address, port = seen
    if number == FULL_NAT:
        assert address in [SEGMENT[family].format(host) for host in BALANCERS.values()] and port in NAT_PORTS
    else:
        assert (address, port) == one.getsockname()[:2]


def dials(balancer, number, family, port=ECHO, host=2):
    """The server that a new connection comes to."""
    with echo.dial(balancer.bed, "client", vip(family, number), port, CLIENT[family].format(host)) as one:
        (server, *seen), _ = echo.greeting(one)
        assert_sees(seen, one, number, family)
        one.sendall(b"once more")
        assert one.recv(100) == b"once more"
    return server


@every_family
@every_mode
@every_way
def test_pages_come_from_all_servers(balancer, number, family):
    seen = set()

    def all_are_seen():
        address = url(vip(family, number))
        done = balancer.bed.check("client", "curl", "-sfg", "-m", "10", "-H", "Connection: close", *[address] * 20)
        seen.update(done.splitlines())
        return seen >= PAGES

    until(all_are_seen)
    assert seen == PAGES
    assert {dials(balancer, number, family, host=host) for host in CLIENT_HOSTS for _ in range(4)} <= SERVERS.keys()


def echoed(one, text, number, family):
    """The server that answers a datagram with what it was sent; None: nobody in a while, or a router that it is too long."""
    one.settimeout(5 if len(text) < 1000 else 0.5)
    try:
        one.send(text)
        answer = one.recv(1 << 16)
    except TimeoutError:
        return None
    except OSError as error:
        assert error.errno == errno.EMSGSIZE and len(text) > 1000
        return None
    line, rest = answer.split(b"\n", 1)
    server, address, port = line.decode().split()
    assert rest == text
    assert_sees((address, int(port)), one, number, family)
    return server


@every_family
@every_mode
@every_way
def test_datagrams_and_their_fragments(balancer, number, family):
    """The first long ones may be too long in an outer header, and their sender is told so."""
    for host in CLIENT_HOSTS:
        with echo.datagrams(balancer.bed, "client", vip(family, number), ECHO, CLIENT[family].format(host)) as one:
            def ask(text):
                return echoed(one, text, number, family)

            server = ask(b"short")
            assert server in SERVERS
            assert until(lambda: ask(bytes(9000))) == server
            assert ask(b"short again") == server


@every_family
@every_mode
@every_way
def test_the_address_answers_ping(balancer, number, family):
    bed = balancer.bed
    before = balancer.counted().get("echo-answered", 0)
    done = bed.check("client", "ping", "-n", "-c", "5", "-i", "0.01", "-W", "5", "-s", "200", vip(family, number))
    assert " 0% packet loss" in done
    assert balancer.counted()["echo-answered"] - before == 5


@a_family
@some_modes
@every_way
def test_wrk_without_a_failed_request(balancer, number, family):
    done = balancer.bed.check("client", "wrk", "-t", "1", "-c", "16", "-d", "1s", url(vip(family, number)))
    assert int(re.search(r"(\d+) requests in", done).group(1)) > 0, done
    assert "Socket errors" not in done and "Non-2xx" not in done


@a_family
@some_modes
@every_way
def test_iperf_both_ways(balancer, number, family):
    bed = balancer.bed
    for options in (["-n", "20M"], ["-n", "20M", "-R"], ["-u", "-b", "2M", "-t", "1", "-l", "1200"]):
        with subprocess.Popen(bed.command(IPERF_SERVER, "iperf3", "-s", "-1", "-B", place(IPERF_SERVER, family, number)), stdout=subprocess.DEVNULL) as listening:
            try:
                until(lambda: ":5201 " in bed.check(IPERF_SERVER, "ss", "-Hltn"))
                end = json.loads(bed.check("client", "iperf3", "-J", "-c", vip(family, number), *options))["end"]
            finally:
                listening.terminate()
        if "-u" in options:
            assert end["sum"]["packets"] > 100 and end["sum"]["lost_packets"] == 0
        else:
            assert end["sum_sent"]["bytes"] >= 20 << 20 and end["sum_received"]["bytes"] > 1 << 20  # it ends with what is sent
    for role in ("client", IPERF_SERVER):
        assert errors(bed, role, "TcpInCsumErrors", "UdpInCsumErrors") == 0


def path_mtu(balancer, role, family, address, source=()):
    """What the kernel was told of the way there; None: nothing."""
    found = re.search(r" mtu (\d+)", balancer.bed.check(role, "ip", f"-{family}", "route", "get", address, *source))
    return int(found.group(1)) if found else None


@a_family
@some_modes
@every_way
def test_an_upload_finds_the_mtu(balancer, number, family):
    """The outer header makes segments too long that the client takes for right: it is told, and goes on."""
    bed, address = balancer.bed, vip(family, number)
    balancer.forget_paths()
    with echo.dial(bed, "client", address, TALLY, timeout=50) as one:
        echo.greeting(one)
        one.sendall(bytes(900_000))
        one.shutdown(socket.SHUT_WR)
        assert one.recv(100) == b"900000"
    told = path_mtu(balancer, "client", family, address)
    outer = FAMILIES if number in CROSSED else [family]
    assert told in ([1500 - OUTER_IP[one] - OUTER_REST[FORWARD[number]] for one in outer] if FORWARD[number] in OUTER_REST else [None])


@a_family
@some_modes
@every_way
def test_a_download_finds_the_mtu(balancer, number, family):
    """What a router on the way to the client says comes to the server whose connection it is about."""
    bed = balancer.bed
    balancer.forget_paths()
    if number == FULL_NAT:  # the router sends errors to either balancer, and only one knows the flow (docs/nat.md)
        balancer.through(NAT_BALANCER)
    bed.check("router", "ip", "link", "set", "in0", "mtu", "1400")
    try:
        words = ("curl", "-sfg", "-m", "50", "-o", "/dev/null", "-w", "%{size_download}", "-r", "0-2999999")
        for _ in range(4):
            assert bed.check("client", *words, url(vip(family, number), "big")) == "3000000"
    finally:
        bed.check("router", "ip", "link", "set", "in0", "mtu", "1500")
        balancer.through_both()
    seen = SEGMENT[family].format(BALANCERS[NAT_BALANCER]) if number == FULL_NAT else CLIENT[family].format(2)
    told = [path_mtu(balancer, server, family, seen,
                     ["from", place(server, family, number)] if number == NAT else []) for server in SERVERS]
    assert 1400 in told


@every_way
def test_xdp_sends_what_came_from_a_wire(balancer):
    before = balancer.sent_by_xdp()
    balancer.bed.curls("client", vip(4, GUE))
    assert (balancer.sent_by_xdp() > before) == balancer.way.wire


@every_way
def test_rules_come_first_and_the_host_has_the_rest(balancer):
    """A rule denies what the service would get; another port of its address is the balancer's own."""
    bed, address = balancer.bed, vip(4, L2)
    bed.check("lb1", "ip", "address", "add", address, "dev", "lo")
    balancer.through("lb1")
    try:
        with contextlib.closing(echo.Servers(bed, ["lb1"], [RANGE[0], RANGE[-1] + 1])):
            assert dials(balancer, L2, 4, RANGE[0]) in SERVERS
            assert dials(balancer, L2, 4, RANGE[-1]) in SERVERS
            assert dials(balancer, L2, 4, RANGE[-1] + 1) == "lb1"
            balancer.apply("lb1", f'[[rule]]\nname = "closed"\nservice = "tcp/{RANGE[0]}"\naction = "reject"\n' + all_services())
            with pytest.raises(ConnectionRefusedError):
                dials(balancer, L2, 4, RANGE[0])
            assert dials(balancer, L2, 4, RANGE[-1]) in SERVERS
            assert bed.curls("client", address).strip() in PAGES
    finally:
        bed.check("lb1", "ip", "address", "del", address, "dev", "lo")
        balancer.apply("lb1", all_services())
        balancer.through_both()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", "/CN=fwctl", "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)
    return folder / "key", folder / "certificate"


@pytest.fixture(scope="module")
def http3(balancer, certificate):
    """Servers of HTTP/3 in all roles, whose page /page says who they are."""
    with contextlib.ExitStack() as ends:
        for server in SERVERS:
            page = f"/run/fwctl-testbed/{balancer.bed.id}/{server}"
            process = subprocess.Popen(balancer.bed.command(server, "gtlsserver", "-q", "-d", page, "*", "443", *certificate),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ends.callback(process.wait)
            ends.callback(process.terminate)
            until(lambda server=server: ":443 " in balancer.bed.check(server, "ss", "-Hlun"))
        yield


@a_family
@some_modes
@every_way
def test_http3(balancer, http3, number, family, tmp_path):
    address = vip(family, number)
    pages = set()
    for turn in range(4):
        folder = tmp_path / str(turn)
        folder.mkdir()
        balancer.bed.check("client", "gtlsclient", "-q", "--exit-on-all-streams-close", f"--download={folder}", address, "443",
                           url(address, "page").replace("http", "https"))
        pages.add((folder / "page").read_text().strip())
    assert pages <= PAGES


@every_way
def test_nothing_was_dropped_without_an_answer(balancer):
    """Of all that the tests before have sent."""
    assert balancer.dropped() <= {"echo-answered", "balance-too-long", "rule-reject"}
