"""Action synproxy: real clients and servers, behind the firewall and on it, with and without a flood."""

import os
import pathlib
import re
import socket
import subprocess

import pytest

import netns
from conftest import until
from router import CLIENT, FAMILIES, ROUTER, SERVER, WIRED, Router, Way, errors, url

HERE = pathlib.Path(__file__).parent
PYTHON = "/usr/bin/python3"
BOTH_WAYS = ["xdp", "tc-in", "tc-out"]
WAYS = {
    "native-wire": Way("native", BOTH_WAYS, WIRED, wire=True),
    "native-handing-on": Way("native", BOTH_WAYS),
    "generic": Way("generic", BOTH_WAYS),
    "generic-no-offload": Way("generic", BOTH_WAYS, WIRED),
    "tc": Way("tc", ["tc-in", "tc-out"]),
    "tc-no-offload": Way("tc", ["tc-in", "tc-out"], WIRED),
}
every_way = pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])
# The oldest kernel, which is emulated, gets one of XDP and one of TC.
every_way_oldest_with_two = pytest.mark.parametrize("way", [
    pytest.param(way, id=name, marks=[pytest.mark.oldest] * (name in ("native-wire", "tc"))) for name, way in WAYS.items()])
by_tc = pytest.mark.parametrize("way", [pytest.param(WAYS["tc"], id="tc")])
by_wire = pytest.mark.parametrize("way", [pytest.param(WAYS["native-wire"], id="native-wire")])
# Not PAWSEstab: the ACK that is sent in the client's name may be overtaken by the client's own data.
BROKEN = ["TcpInCsumErrors", "TcpExtTCPSACKDiscard"]
SPOOFED_SYNS = """
table inet seen {
    chain c {
        type filter hook prerouting priority -300
        ip saddr 198.18.0.0/15 counter
        ip6 saddr 2001:db8:bad::/48 counter
    }
}
"""
FLOOD = int(os.environ.get("FWCTL_FLOOD", 1_000_000))  # packets


def synproxy(services='"tcp/80"', more=""):
    return ('[[rule]]\nname = "replies"\nstate = ["established", "related"]\naction = "allow"\non = "out0"\n'
            f'[[rule]]\nname = "web"\naction = "synproxy"\nservice = {services}\non = "in0"\n{more}')


@pytest.fixture
def router(way, tmp_path):
    made = Router(tmp_path, way)
    made.accepted_before = {role: errors(made.bed, role, "TcpPassiveOpens") for role in ("fw", "server")}
    try:
        yield made
    finally:
        made.down()


def served(bed, role, port, count=1):
    """transfer.py serving in a role; `with` it."""
    serving = subprocess.Popen(bed.command(role, PYTHON, HERE / "transfer.py", "serve", port, count))
    until(lambda: f":{port} " in bed.check(role, "ss", "-Hltn"))
    return serving


def ask(bed, address, port, octets, **options):
    return bed.check("client", PYTHON, HERE / "transfer.py", "ask", address, port, octets, **options)


def no_errors(bed):
    for role in ("client", "fw", "server"):
        assert {name: errors(bed, role, name) for name in BROKEN} == dict.fromkeys(BROKEN, 0), role


def accepted(router, role):
    """Connections that sockets there have taken since the testbed is up."""
    return errors(router.bed, role, "TcpPassiveOpens") - router.accepted_before[role]


def curl(bed, address, role="client"):
    return bed.run(role, "curl", "-sg", "-m", "20", "-o", "/dev/null", url(address)).returncode


@every_way_oldest_with_two
def test_clients_reach_a_server_behind(router):
    bed = router.bed
    router.apply('in = "deny"', synproxy())
    for family in FAMILIES:
        assert bed.curls("client", SERVER[family])
    assert router.counted("syn-cookie") == 2 and router.counted("cookie-accepted") == 2
    assert accepted(router, "server") == 2
    no_errors(bed)


@every_way
def test_clients_reach_a_server_on_this_host(router):
    bed = router.bed
    router.apply('in = "deny"', synproxy('"tcp/9000"'))
    with served(bed, "fw", 9000, 2):
        for family in FAMILIES:
            ask(bed, ROUTER[family], 9000, 1000)
    assert accepted(router, "fw") == 2
    no_errors(bed)


@pytest.mark.parametrize("place", ["behind", "here"])
@every_way
def test_what_arrives_is_what_was_sent(router, place):
    """Large transfers both ways at once."""
    bed = router.bed
    router.apply('in = "deny"', synproxy('"tcp/9000"'))
    role, addresses = ("server", SERVER) if place == "behind" else ("fw", ROUTER)
    with served(bed, role, 9000, 2):
        for family in FAMILIES:
            ask(bed, addresses[family], 9000, 30_000_000)
    for name in ("client", "fw", "server"):
        assert errors(bed, name, "TcpInCsumErrors") == 0
    assert router.counted("synproxy-failed") == 0


def options_of(bed, role, port):
    """What the sockets of that port there have agreed on: {"ts", "sack", "wscale:7,10"}."""
    shown = bed.check(role, "ss", "-Htino", "state", "established", f"( sport = :{port} or dport = :{port} )")
    words = set(shown.split())
    return {word for word in words if word in ("ts", "sack") or word.startswith("wscale:")}


def scales(options):
    (scale,) = [re.fullmatch(r"wscale:(\d+),(\d+)", word) for word in options if word.startswith("wscale:")]
    return int(scale[1]), int(scale[2])


@pytest.mark.parametrize("family", FAMILIES)
@by_tc
def test_options_survive(router, family):
    bed = router.bed
    router.apply(rules=synproxy('"tcp/9000"'))
    with served(bed, "server", 9000, 1), netns.inside(bed.name("client")):
        with socket.create_connection((SERVER[family], 9000)) as connection:
            client, server = options_of(bed, "client", 9000), options_of(bed, "server", 9000)
            assert {"ts", "sack"} <= client and {"ts", "sack"} <= server
            # Each shows the scale of what it gets, then its own: the client's is known to the server, and to the
            # client that of the proxy.
            assert scales(client)[0] == 7 and scales(server)[0] == scales(client)[1]
            connection.sendall((0).to_bytes(8, "big"))


@pytest.mark.parametrize("family", FAMILIES)
@by_tc
def test_clients_without_timestamps_connect(router, family):
    bed = router.bed
    bed.check("client", "sysctl", "-qw", "net.ipv4.tcp_timestamps=0")
    router.apply(rules=synproxy('"tcp/9000"'))
    with served(bed, "server", 9000, 1):
        ask(bed, SERVER[family], 9000, 3_000_000)
    no_errors(bed)


@pytest.mark.parametrize("family", FAMILIES)
@by_tc
def test_servers_without_options_are_served(router, family):
    """The client was told of options that the server has not."""
    bed = router.bed
    for option in ("timestamps", "sack", "window_scaling"):
        bed.check("server", "sysctl", "-qw", f"net.ipv4.tcp_{option}=0")
    router.apply(rules=synproxy('"tcp/9000"'))
    with served(bed, "server", 9000, 1):
        ask(bed, SERVER[family], 9000, 3_000_000)


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_server_that_refuses_is_heard(router, family):
    bed = router.bed
    router.apply(rules=synproxy('"tcp/81"'))
    address = SERVER[family]
    target = f"http://[{address}]:81/" if family == 6 else f"http://{address}:81/"
    done = bed.run("client", "curl", "-sgS", "-m", "10", target)
    assert done.returncode in (7, 52, 56), f"refused, and not after a timeout: {done.stderr}"
    assert router.counted("cookie-accepted") == 1


@pytest.mark.parametrize("lost", ["tcp flags & (syn | ack) == syn", "tcp flags & (syn | ack) == ack"])
@by_tc
def test_what_is_lost_on_the_way_to_the_server_is_sent_again(router, lost):
    bed = router.bed
    router.apply(rules=synproxy())
    bed.check("server", "nft", "add table inet t; add chain inet t c { type filter hook prerouting priority -300; }; "
              f"add rule inet t c {lost} limit rate over 1/hour burst 1 packets accept; add rule inet t c {lost} drop")
    assert curl(bed, SERVER[4]) == 0
    bed.check("server", "nft", "flush chain inet t c")
    assert curl(bed, SERVER[6]) == 0


@every_way
def test_a_client_learns_how_narrow_the_way_to_the_server_is(router):
    """It was told of larger segments than fit there: path MTU discovery, by errors that this host sends."""
    bed = router.bed
    for role, interface in (("fw", "out0"), ("server", "eth0")):
        bed.check(role, "ip", "link", "set", interface, "mtu", "1300")
    router.apply('in = "deny"', synproxy('"tcp/9000"'))
    with served(bed, "server", 9000, 2):
        for family in FAMILIES:
            ask(bed, SERVER[family], 9000, 3_000_000)
            assert " mtu 1300" in bed.check("client", "ip", "route", "get", SERVER[family])
    assert router.counted("synproxy-failed") == 0


@pytest.mark.parametrize("family", FAMILIES)
@every_way
def test_a_syn_that_nobody_answered_is_no_way_past_it(router, family):
    """Another rule has let the first one in, and it was lost; the next ones are answered, and their client connects."""
    bed = router.bed
    few = '[[rule]]\nname = "few"\nservice = "tcp/80"\nrate = "under 1/hour burst 1"\naction = "allow"\non = "in0"\n'
    router.apply('in = "deny"', few + synproxy())
    syn = "add rule inet t c tcp flags & (syn | ack) == syn"
    bed.check("server", "nft", "add table inet t; add chain inet t c { type filter hook prerouting priority -300; }; "
              f"{syn} limit rate over 1/hour burst 1 packets accept; {syn} drop")
    assert curl(bed, SERVER[family]) == 0
    assert router.counted("syn-cookie") == 1 and router.counted("cookie-accepted") == 1
    assert accepted(router, "server") == 1


@by_tc
def test_rules_before_it_decide(router):
    bed = router.bed
    router.apply(rules=f'[[rule]]\nname = "not him"\nfrom = "{CLIENT[4]}"\nservice = "tcp/80"\naction = "deny"\n' + synproxy())
    assert bed.curl_fails("client", SERVER[4]) and bed.curls("client", SERVER[6])
    assert router.counted("syn-cookie") == 1


@by_tc
def test_connections_outlive_the_rule_while_flows_are_followed(router):
    bed = router.bed
    router.apply(rules=synproxy('"tcp/9000"'))
    with served(bed, "server", 9000, 1), netns.inside(bed.name("client")):
        with socket.create_connection((SERVER[4], 9000), timeout=10) as connection:
            router.apply(rules='[[rule]]\nname = "replies"\nstate = ["established", "related"]\naction = "allow"\n'
                         '[[rule]]\nname = "no more"\nservice = "tcp/9000"\naction = "deny"\non = "in0"\n')
            connection.sendall((4).to_bytes(8, "big") + b"abcd")
            assert len(connection.recv(4, socket.MSG_WAITALL)) == 4


# --- the flood ---------------------------------------------------------------------------------------------


def spoofed_seen(bed, role):
    shown = bed.check(role, "nft", "list", "table", "inet", "seen")
    return sum(map(int, re.findall(r"packets (\d+)", shown)))


@pytest.mark.parametrize("place", ["behind", "here"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", [pytest.param(WAYS[name], id=name) for name in ("native-wire", "tc")])
def test_a_flood_reaches_no_server_and_new_clients_connect(router, family, place):
    bed = router.bed
    role, address = ("server", SERVER[family]) if place == "behind" else ("fw", ROUTER[family])
    for name in ("server", "fw"):
        bed.check(name, "nft", SPOOFED_SYNS)
    router.apply('in = "deny"', synproxy('"tcp/9000"'))
    mac = netns.mac_of(bed.name("fw"), "in0")
    # All through one of the ways; the others show the same with fewer.
    enough = FLOOD if (place, family, router.way) == ("behind", 4, WAYS["native-wire"]) else FLOOD // 20
    connected = 0
    with served(bed, role, 9000, count=FLOOD) as serving:  # more than will ask
        flood = subprocess.Popen([PYTHON, HERE / "syn_flood.py", bed.name("client"), "eth0", mac, address, "9000"])
        try:
            until(lambda: router.counted("syn-cookie") > 1000)
            while connected < 10 or router.counted("syn-cookie") < enough:
                ask(bed, address, 9000, 100_000)
                connected += 1
            assert flood.poll() is None
        finally:
            flood.kill()
            flood.wait()
            serving.kill()
    assert accepted(router, role) == connected
    assert (spoofed_seen(bed, "server"), spoofed_seen(bed, "fw")) == (0, 0)
    assert errors(bed, role, "TcpExtSyncookiesSent", "TcpExtTCPReqQFullDrop", "TcpExtListenDrops") == 0


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [pytest.param(Way("native", ["xdp"]), id="xdp alone"),
                                 pytest.param(Way("native", ["xdp", "tc-in"]), id="no tc-out")])
def test_an_attachment_needs_tc_both_ways(router):
    with pytest.raises(AssertionError) as refused:
        router.apply(rules=synproxy())
    hooks = "xdp" if "tc-in" not in router.way.attach else "xdp,tc-in"
    assert (f'rule "web" has action synproxy, and in0 has the hooks {hooks} alone: synproxy needs tc-in and tc-out; '
            'attach it with them, or say where with "on"') in str(refused.value)
    assert router.bed.pins("fw") == []


def test_doctor_says_whether_it_works(testbed):
    texts = [finding["text"] for finding in testbed("pair").json("b", "doctor")["findings"]]
    assert "programs make SYN cookies: action synproxy works" in texts


def test_the_policy_of_the_page_holds_its_own_test(testbed, tmp_path):
    page = (HERE.parents[1] / "docs" / "synproxy.md").read_text()
    (written,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    policy = tmp_path / "policy.toml"
    policy.write_text(written)
    bed = testbed("pair")
    assert "1 test" in bed.fwctl("b", "test", policy).stdout
    bed.fwctl("b", "apply", policy)
    asked = bed.json("b", "explain", "tcp 198.51.100.7:40000 > 203.0.113.1:443 syn on wan")
    assert (asked["verdict"], asked["rule"]["name"]) == ("synproxy", "web")
    asked = bed.json("b", "explain", "tcp 198.51.100.7:40000 > 203.0.113.1:443 ack on wan")
    assert (asked["verdict"], asked["reason"]) == ("deny", "cookie-invalid")
