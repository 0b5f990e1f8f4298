"""netns-testbed itself: side by side, torn down twice, killed halfway, called wrongly."""

import json
import pathlib
import subprocess
import uuid

import pytest

import netns
from conftest import TESTBED, Testbed, until
from router import url

TOPOLOGIES = {
    "bridge": {"fw", "outside", "web", "client"},
    "router": {"client", "fw", "server"},
    "pair": {"a", "b"},
    "lb": {"client", "router", "switch", "lb1", "lb2", "b1", "b2", "b3", "b4"},
}


def run_testbed(*words, expect=0):
    done = subprocess.run([TESTBED, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, f"testbed {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture
def name():
    """An id that nobody has; what has it at the end is removed."""
    one = "q" + uuid.uuid4().hex[:6]
    yield one
    run_testbed("down", "--id", one)


def namespaces(name):
    return {path.name.removeprefix(f"fwt-{name}-") for path in pathlib.Path("/run/netns").glob(f"fwt-{name}-*")}


def state_directory(name):
    return pathlib.Path("/run/fwctl-testbed") / name


def processes(name):
    """Those that this testbed has started."""
    mark = f"FWCTL_TESTBED={name}".encode()
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it has ended meanwhile
            pass
    return found


def assert_nothing_is_left(name):
    assert namespaces(name) == set()
    assert not state_directory(name).exists()
    assert processes(name) == []


@pytest.mark.parametrize("topology, roles", TOPOLOGIES.items())
def test_every_topology_comes_up_and_goes(name, topology, roles):
    said = run_testbed("up", topology, "--id", name).stdout.split("\n")
    assert said[0] == f"id={name}"
    assert {line.split()[0] for line in said[1:] if line} == namespaces(name) == roles
    assert run_testbed("show", "--id", name).stdout.startswith(f"id={name} {topology}\n")
    assert processes(name) != []
    run_testbed("down", "--id", name)
    assert_nothing_is_left(name)


def test_every_topology_is_tested():
    assert {path.stem for path in (TESTBED.parent / "topologies").glob("*.sh")} == set(TOPOLOGIES)


def test_two_stand_side_by_side_with_the_same_addresses(name):
    other = name + "x"
    try:
        for one in (name, other):
            run_testbed("up", "pair", "--id", one)
        run_testbed("exec", "--id", other, "b", "ip", "link", "set", "eth0", "down")
        assert run_testbed("exec", "--id", name, "a", "curl", "-s", "http://10.9.0.2/").stdout == "hello from b\n"
        run_testbed("exec", "--id", other, "a", "curl", "-s", "-m", "1", "http://10.9.0.2/", expect=28)
    finally:
        run_testbed("down", "--id", other)
    assert_nothing_is_left(other)
    assert namespaces(name) == {"a", "b"}
    assert run_testbed("exec", "--id", name, "a", "curl", "-s", "http://10.9.0.2/").stdout == "hello from b\n"


def test_the_id_of_another_is_not_taken(name):
    run_testbed("up", "pair", "--id", name)
    said = run_testbed("up", "bridge", "--id", name, expect=1)
    assert said.stderr == f"testbed: testbed {name} (pair) exists; remove it: testbed down --id {name}\n"
    assert namespaces(name) == {"a", "b"}


def test_down_twice_is_fine(name):
    run_testbed("up", "pair", "--id", name)
    run_testbed("down", "--id", name)
    run_testbed("down", "--id", name)
    assert_nothing_is_left(name)


def test_exec_hands_on_the_exit_status_and_enters_the_network_alone(name):
    run_testbed("up", "pair", "--id", name)
    run_testbed("exec", "--id", name, "a", "sh", "-c", "exit 7", expect=7)
    assert run_testbed("name", "--id", name, "a").stdout == f"fwt-{name}-a\n"
    words = ["stat", "-Lc", "%i", "/proc/self/ns/net", "/proc/self/ns/mnt"]
    net, mount = run_testbed("exec", "--id", name, "a", *words).stdout.split()
    my_net, my_mount = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert net != my_net and mount == my_mount


def test_down_ends_what_exec_left_running(name):
    run_testbed("up", "pair", "--id", name)
    left = subprocess.Popen([TESTBED, "exec", "--id", name, "a", "sleep", "1000"], start_new_session=True)
    until(lambda: left.pid in processes(name))
    run_testbed("down", "--id", name)
    assert left.wait(timeout=10) != 0
    assert_nothing_is_left(name)


@pytest.mark.parametrize("namespaces_made", range(5))
def test_down_cleans_up_after_a_killed_up(name, namespaces_made):
    """kill -9 as soon as that many namespaces are there; only the script dies, not what it has started."""
    up = subprocess.Popen([TESTBED, "up", "bridge", "--id", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while up.poll() is None and len(namespaces(name)) < namespaces_made:
        pass
    up.kill()
    up.wait()
    run_testbed("down", "--id", name)
    assert_nothing_is_left(name)


@pytest.mark.parametrize("words", [
    ["up", "ring"],
    ["up"],
    ["up", "pair", "bridge"],
    ["up", "pair", "--id", "no/slash"],
    ["up", "pair", "--fast"],
    ["down", "--id"],
    ["fly"],
    [],
])
def test_a_wrong_call_is_refused(words):
    said = run_testbed(*words, expect=2)
    assert said.stdout == "" and said.stderr != ""


def test_an_unknown_role_is_refused_and_the_known_are_named(name):
    run_testbed("up", "pair", "--id", name)
    for words in (["exec", "--id", name, "web", "true"], ["name", "--id", name, "web"]):
        assert run_testbed(*words, expect=2).stderr == f"testbed: testbed {name} (pair) has no role 'web', but: a b\n"


def test_no_offload_plays_a_wire(name):
    run_testbed("up", "pair", "--id", name, "--no-offload")
    for role in ("a", "b"):
        features = run_testbed("exec", "--id", name, role, "ethtool", "-k", "eth0").stdout
        for feature in ("tx-checksumming", "tcp-segmentation-offload", "generic-segmentation-offload",
                        "generic-receive-offload"):
            assert f"\n{feature}: off" in features, feature


def test_no_offload_leaves_gro_to_what_takes_redirected_frames(name):
    run_testbed("up", "lb", "--id", name, "--no-offload")
    for port, gro in {"router": "off", "lb1": "on", "lb2": "on", "b1": "off"}.items():
        features = run_testbed("exec", "--id", name, "switch", "ethtool", "-k", port).stdout
        assert f"\ngeneric-receive-offload: {gro}" in features, port
        assert "\ntx-checksumming: off" in features, port


def test_the_testbed_of_a_killed_test_is_removed():
    script = ("import conftest, time; bed = conftest.Testbed('pair'); bed.fwctl('b', 'attach', 'eth0'); "
              "print(bed.id, flush=True); time.sleep(600)")
    with subprocess.Popen(["/usr/bin/python3", "-c", script], cwd=pathlib.Path(__file__).parent, text=True,
                          stdout=subprocess.PIPE) as run:
        name = run.stdout.readline().strip()
        pins = netns.pins(f"fwt-{name}-b")
        run.kill()
    assert pins
    until(lambda: f"fwt-{name}-" not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True,
                                                       check=True).stdout)
    assert not [pin for pin in pins if pathlib.Path(pin).exists()]


# --- lb --------------------------------------------------------------------------------------------------------------

SEGMENT = {"router": 1, "lb1": 11, "lb2": 12, "b1": 21, "b2": 22, "b3": 23, "b4": 24}
ON_SEGMENT = {4: "10.2.0.{}", 6: "fd00:2::{}"}
CLIENT = {4: "10.1.0.{}", 6: "fd00:1::{}"}
VIP = {4: "10.100.0.10", 6: "fd00:100::10"}
VIPS = {4: "10.100.0.0/24", 6: "fd00:100::/64"}
both_families = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def lb():
    bed = Testbed("lb")
    yield bed
    bed.down()


def test_in_lb_each_role_pings_each_other(lb):
    addresses = {role: [form.format(number) for form in ON_SEGMENT.values()] for role, number in SEGMENT.items()}
    addresses["client"] = [form.format(number) for form in CLIENT.values() for number in range(2, 10)]
    for role in addresses:
        others = sum((there for other, there in addresses.items() if other != role), [])
        lb.check(role, "sh", "-c", 'for there; do ping -q -c 1 -W 5 "$there" || exit; done', "sh", *others)


@both_families
def test_in_lb_the_client_reaches_each_server_from_each_of_its_addresses(lb, family):
    for number in range(2, 10):
        for server in ("b1", "b2", "b3", "b4"):
            there = url(ON_SEGMENT[family].format(SEGMENT[server]))
            page = lb.check("client", "curl", "-sg", "--interface", CLIENT[family].format(number), there)
            assert page == f"hello from {server}\n"


def chosen_by_the_router(lb, family):
    """The next hop of a connection to the virtual address, by the client's port."""
    words = ["ip", "-json", "route", "get", VIP[family], "from", CLIENT[family].format(2), "iif", "in0",
             "ipproto", "tcp", "dport", "80"]
    return {port: json.loads(lb.check("router", *words, "sport", port))[0]["gateway"] for port in range(5000, 5032)}


@both_families
def test_in_lb_the_router_parts_connections_between_the_balancers(lb, family):
    both = {ON_SEGMENT[family].format(SEGMENT[role]) for role in ("lb1", "lb2")}
    (route,) = json.loads(lb.check("router", "ip", f"-{family}", "-json", "route", "show", VIPS[family]))
    assert {hop["gateway"] for hop in route["nexthops"]} == both
    chosen = chosen_by_the_router(lb, family)
    assert set(chosen.values()) == both
    assert chosen_by_the_router(lb, family) == chosen


@both_families
def test_in_lb_servers_have_the_virtual_address_and_do_not_answer_for_it(lb, family):
    lb.check("lb1", "ip", "route", "add", VIP[family], "dev", "eth0")
    lb.check("lb1", "sysctl", "-q", "-w", f"net.ipv{family}.neigh.eth0.retrans_time_ms=100")
    assert not lb.pings("lb1", VIP[family])
    until(lambda: "FAILED" in lb.check("lb1", "ip", "neigh", "show", VIP[family]))
    mac = netns.mac_of(lb.name("b3"), "eth0")
    lb.check("lb1", "ip", "neigh", "replace", VIP[family], "lladdr", mac, "dev", "eth0")
    assert lb.curls("lb1", VIP[family]) == "hello from b3\n"


@both_families
def test_in_lb_servers_answer_the_client_past_the_balancer(lb, family):
    forwarding = {4: "net.ipv4.ip_forward=1", 6: "net.ipv6.conf.all.forwarding=1"}
    for balancer, server in {"lb1": "b1", "lb2": "b2"}.items():
        lb.check(balancer, "sysctl", "-q", "-w", forwarding[family])
        lb.check(balancer, "ip", "route", "add", VIP[family], "via", ON_SEGMENT[family].format(SEGMENT[server]))
        lb.check(balancer, "nft", "add table inet t; add chain inet t answers { type filter hook forward priority 0; }; "
                                  "add rule inet t answers tcp sport 80 drop")
    until(lambda: {lb.curls("client", VIP[family]) for _ in range(8)} == {"hello from b1\n", "hello from b2\n"})


@both_families
def test_in_lb_a_path_can_have_a_smaller_mtu(lb, family):
    server = ON_SEGMENT[family].format(SEGMENT["b1"])
    lb.check("router", "ip", "link", "set", "in0", "mtu", "1400")
    words = ["curl", "-sg", "-m", "30", "-r", "0-999999", "-o", "/dev/null", "-w", "%{size_download}"]
    assert lb.check("client", *words, url(server, "big")) == "1000000"
    assert " mtu 1400" in lb.check("b1", "ip", "route", "get", CLIENT[family].format(2))
