"""Addresses that are announced on a segment: lb1 takes 10.2.0.100 and fd00:2::100 among the hosts of 10.2.0.0/24, and b1 and b2 serve.

The router is the neighbour that asks and is told; what is on lb1's eth0, iproute2 says.
"""

import json
import re
import socket
import signal
import subprocess

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

import netns
from agent import Agent
from conftest import FWCTL, Testbed, until

V4, V6 = "10.2.0.100", "fd00:2::100"
ADDRESSES = {V4, V6}
LIVE = "10.2.0.101"
ETH_P_ALL = 3
FAILED, USAGE = 1, 2

HEAD = 'version = 1\n[attach.lan]\ndevice = "eth0"\n'


def web(addresses=(V4, V6), announce="eth0", more=""):
    text = f'[vip.web]\naddress = {json.dumps(list(addresses))}\nservice = "tcp/80"\nforward = "l2-dsr"\n{more}'
    text += f'announce = "{announce}"\n' * bool(announce)
    for number in (1, 2):
        text += f'[[vip.web.backend]]\nname = "b{number}"\naddress = ["10.2.0.2{number}", "fd00:2::2{number}"]\n'
    return text


class Segment:
    def __init__(self, bed, folder):
        self.bed = bed
        self.folder = folder

    def file(self, text, name="policy.toml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *words, role="lb1", expect=0):
        """Its exit status is looked at unless None is expected."""
        if expect is not None:
            return self.bed.fwctl(role, *words, expect=expect)
        return self.bed.run("router", FWCTL, *words, "--netns", self.bed.name(role))

    def apply(self, text=HEAD + web(), role="lb1", expect=0):
        return self.run("apply", self.file(text), role=role, expect=expect)

    def ip(self, words, role="lb1"):
        return self.bed.check(role, "ip", *words.split())

    def addresses(self, role="lb1", device="eth0"):
        """What ip says of the device's addresses, by address."""
        shown = json.loads(self.bed.run(role, "ip", "-json", "address", "show", "dev", device).stdout or "[]")
        return {f"{one['local']}/{one['prefixlen']}": one for entry in shown for one in entry.get("addr_info", [])}

    def announced(self, role="lb1"):
        """The addresses of services that are on eth0 as single ones."""
        return {text.split("/")[0] for text in self.addresses(role) if text in {f"{V4}/32", f"{LIVE}/32", f"{V6}/128"}}

    def on(self, device):
        """Those of web that are on the device."""
        return ADDRESSES & {text.split("/")[0] for text in self.addresses(device=device)}

    def mac(self, role):
        return netns.mac_of(self.bed.name(role), "eth0")

    def known(self, address):
        """The MAC address that the router knows for it."""
        entries = json.loads(self.ip(f"-json neigh show to {address} dev out0", "router"))
        return entries[0].get("lladdr") if entries else None

    def served(self, role="client"):
        return [bool(self.bed.curls(role, address)) for address in (V4, V6)]

    def findings(self, expect=0):
        told = json.loads(self.run("doctor", "--json", expect=expect).stdout)["findings"]
        return [(one["verdict"], one["text"]) for one in told if one["text"].startswith("vip ")]

    def traced(self, words, *options):
        command = ["strace", "-qq", "-o", self.folder / "trace", *options, FWCTL, *map(str, words), "--netns", self.bed.name("lb1")]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    bed = Testbed("lb")
    try:
        for server in ("b1", "b2"):
            for address in (f"{V4}/32", f"{LIVE}/32", f"{V6}/128"):
                bed.check(server, "ip", "address", "add", address, "dev", "lo")
        yield Segment(bed, tmp_path_factory.mktemp("policies"))
    finally:
        bed.down()


@pytest.fixture
def lan(made):
    before = {role: own_addresses(made, role) for role in ("lb1", "lb2")}
    yield made
    for role in before:
        made.run("rollback", role=role, expect=None)
        made.run("detach", "--all", role=role, expect=None)
        assert netns.leftovers(made.bed.name(role)) == []
        assert own_addresses(made, role) == before[role]
        until(lambda: not processes_in(made.bed, role))  # those that tell the segment once more
    made.ip("neigh flush dev out0", "router")


def own_addresses(lan, role):
    """But for the link-local one, which goes with the MAC address."""
    return {text for text in lan.addresses(role) if not text.startswith("fe80:")}


def processes_in(bed, role):
    return set(bed.run("router", "ip", "netns", "pids", bed.name(role)).stdout.split())


@pytest.fixture
def agent(lan):
    one = Agent(lan.bed, "lb1")
    yield one
    one.end()


# --- the segment -----------------------------------------------------------------------------------------------------


@pytest.mark.oldest
def test_whoever_asks_on_the_segment_is_served(lan):
    assert lan.served("router") == [False, False]
    lan.ip("neigh flush dev out0", "router")
    lan.apply()
    assert lan.served("router") == lan.served("client") == [True, True]
    assert {lan.known(address) for address in ADDRESSES} == {lan.mac("lb1")}
    counted = lan.bed.json("lb1", "vip", "show", "web")
    assert counted["flows"] == 4 and (counted["announce"], counted["unanswered"]) == ("eth0", [])
    assert lan.findings() == []
    lan.run("detach", "--all")
    assert lan.announced() == set()


def test_it_is_there_at_once(lan):
    """Duplicate address detection would keep the IPv6 one from serving at first, and for good where another has it."""
    lan.ip(f"address add {V6}/128 dev eth0 nodad", "lb2")
    try:
        lan.apply()
        assert not {"tentative", "dadfailed"} & set(lan.addresses()[f"{V6}/128"])
        assert lan.addresses()[f"{V6}/128"]["nodad"]
    finally:
        lan.ip(f"address del {V6}/128 dev eth0", "lb2")


def frames_of(raw, mac):
    """The frames of that sender that come, each a second apart from the one before at most."""
    frames = []
    raw.settimeout(5)
    while len([one for one in frames if one.haslayer(ICMPv6ND_NA)]) < 3:
        frame = Ether(raw.recv(2000))
        if frame.src == mac and (frame.haslayer(ARP) or frame.haslayer(ICMPv6ND_NA)):
            frames.append(frame)
    return frames


def test_the_segment_is_told_three_times(lan):
    mac = lan.mac("lb1")
    lan.run("attach", "eth0")
    with netns.packet_socket(lan.bed.name("router"), "out0", ETH_P_ALL) as raw:
        lan.apply()
        frames = frames_of(raw, mac)
    arp = [one for one in frames if one.haslayer(ARP) and one[ARP].psrc == V4]
    assert [one[ARP].op for one in arp] == [1, 2] * 3
    for one in arp:
        assert (one.dst, one[ARP].hwsrc, one[ARP].pdst) == ("ff:ff:ff:ff:ff:ff", mac, V4)
        assert one[ARP].hwdst == (mac if one[ARP].op == 2 else "00:00:00:00:00:00")
    for one in (one for one in frames if one.haslayer(ICMPv6ND_NA)):
        assert (one.dst, one[IPv6].src, one[IPv6].dst, one[IPv6].hlim) == ("33:33:00:00:00:01", V6, "ff02::1", 255)
        told = one[ICMPv6ND_NA]
        assert (told.tgt, told.R, told.S, told.O, told[ICMPv6NDOptDstLLAddr].lladdr) == (V6, 0, 0, 1, mac)
        again = Ether(bytes(one))
        del again[ICMPv6ND_NA].cksum
        assert Ether(bytes(again))[ICMPv6ND_NA].cksum == told.cksum


def test_neighbours_learn_the_new_place(lan):
    """And connections go on: both rings are the same."""
    lan.apply(role="lb2")
    assert lan.served("router") == [True, True]
    assert {lan.known(address) for address in ADDRESSES} == {lan.mac("lb2")}
    with netns.inside(lan.bed.name("router")):
        held = socket.create_connection((V4, 80), timeout=10)
    held.sendall(b"GET / HTTP/1.0\r\n")
    until(lambda: not processes_in(lan.bed, "lb2"))  # it has told the segment for the last time
    lan.apply()
    until(lambda: {lan.known(address) for address in ADDRESSES} == {lan.mac("lb1")})
    held.sendall(b"\r\n")
    assert held.makefile().read().split()[-1] in ("b1", "b2")
    before = lan.bed.json("lb2", "vip", "show", "web")["packets"]
    assert lan.served("router") == [True, True]
    assert lan.bed.json("lb2", "vip", "show", "web")["packets"] == before


# --- this host -------------------------------------------------------------------------------------------------------


def test_the_host_sends_nothing_from_it(lan):
    """Also where its own addresses have come later."""
    lan.apply()
    for address in ("10.2.0.11/24", "fd00:2::11/64"):
        lan.ip(f"address del {address} dev eth0")
    for address in ("10.2.0.11/24", "fd00:2::11/64 nodad"):
        lan.ip(f"address add {address.split()[0]} dev eth0 {' '.join(address.split()[1:])}")
    for route in ("default via 10.2.0.1", "default via fd00:2::1"):
        lan.ip(f"route replace {route}")
    for target, own in {"10.2.0.1": "10.2.0.11", "10.1.0.2": "10.2.0.11", "fd00:2::1": "fd00:2::11", "fd00:1::2": "fd00:2::11"}.items():
        with netns.inside(lan.bed.name("lb1")), socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect((target, 9))
            assert one.getsockname()[0] == own
    told = lan.bed.check("lb1", "/usr/bin/python3", "-c",  # as old programs ask for the address of a device
                         "import fcntl, socket\nasked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                         "print(socket.inet_ntoa(fcntl.ioctl(asked, 0x8915, b'eth0'.ljust(40, bytes(1)))[20:24]))")
    assert told == "10.2.0.11\n"


def test_another_port_is_this_hosts_own(lan):
    lan.apply(HEAD + web() + '[[rule]]\nname = "no ssh"\nservice = "tcp/22"\naction = "deny"\n')
    with netns.inside(lan.bed.name("lb1")):
        listener = socket.create_server(("", 8080))
    with listener, netns.inside(lan.bed.name("router")):
        socket.create_connection((V4, 8080), timeout=10).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((V4, 8081), timeout=10)
        with pytest.raises(TimeoutError):
            socket.create_connection((V4, 22), timeout=0.5)


@pytest.mark.parametrize("foreign", [f"{V4}/32", f"{V4}/24", f"{V6}/128", f"{V6}/64"])
def test_what_others_have_put_there_stays_theirs(lan, foreign):
    lan.ip(f"address add {foreign} dev eth0 {'nodad' * (':' in foreign)}")
    try:
        before = lan.addresses()
        lan.apply()
        taken = {f"{V4}/32", f"{V6}/128"} if "/32" not in foreign and "/128" not in foreign else {f"{V4}/32", f"{V6}/128"} - {foreign}
        taken = {one for one in taken if one.split("/")[0] != foreign.split("/")[0]}
        assert set(lan.addresses()) == set(before) | taken
        assert lan.served("router") == [True, True]
        assert lan.findings() == []
        lan.run("vip", "disable", "web")
        assert lan.addresses() == before
        lan.run("vip", "enable", "web")
        lan.run("detach", "--all")
        assert lan.addresses() == before
    finally:
        lan.ip(f"address del {foreign} dev eth0")


def test_an_address_that_another_takes_over_is_theirs(lan):
    lan.apply()
    lan.ip(f"address replace {V4}/32 dev eth0 label eth0:own")
    lan.run("detach", "--all")
    try:
        assert lan.announced() == {V4}
    finally:
        lan.ip(f"address del {V4}/32 dev eth0")


# --- the policy that holds -------------------------------------------------------------------------------------------


def test_live_edits(lan):
    lan.apply()
    lan.run("vip", "disable", "web", "-n")
    assert lan.announced() == ADDRESSES
    lan.run("vip", "disable", "web")
    assert lan.announced() == set()
    lan.run("vip", "enable", "web")
    assert lan.announced() == ADDRESSES
    lan.run("backend", "drain", "web/b1")
    assert lan.announced() == ADDRESSES
    lan.run("vip", "add", "live", "--address", LIVE, "--service", "tcp/80", "--forward", "l2-dsr", "--announce", "eth0",
            "--backend", "x=10.2.0.21")
    assert lan.announced() == ADDRESSES | {LIVE}
    assert lan.bed.curls("router", LIVE)
    lan.run("panic", "lockdown")
    lan.run("panic", "off")
    assert lan.announced() == ADDRESSES | {LIVE}
    lan.apply(HEAD + web([V4]))
    assert lan.announced() == {V4, LIVE}
    assert lan.run("export").stdout.count('announce = "eth0"\n') == 2
    lan.run("vip", "remove", "live")
    lan.run("vip", "remove", "web")
    assert lan.announced() == set()


def test_rollback_and_a_vip_that_is_announced_no_more(lan):
    lan.apply()
    assert "~ vip web: announce eth0 -> nowhere" in lan.run("plan", lan.file(HEAD + web(announce=""))).stdout
    lan.apply(HEAD + web(announce=""))
    assert lan.announced() == set()
    assert "\n  not announced: its packets are to be routed here, or " in lan.run("vip", "show", "web").stdout
    lan.run("rollback")
    assert lan.announced() == ADDRESSES


def test_one_of_two_interfaces_is_detached(lan):
    lan.ip("link add more0 up type veth peer name more1")
    try:
        lan.apply(HEAD + '[attach.more]\ndevice = "more0"\n' + web())
        lan.run("detach", "more0")
        assert lan.announced() == ADDRESSES
        assert lan.findings() == []
        lan.run("attach", "more0")
        lan.run("detach", "eth0")
        assert lan.announced() == ADDRESSES
        assert lan.findings() == [("note", f"vip web: {address} is announced on eth0, where what comes in is not balanced: "
                                           "fwctl attach eth0") for address in (V4, V6)]
        lan.run("detach", "more0")
        assert lan.announced() == set()
    finally:
        lan.ip("link del more0")


class Trial:
    def __init__(self, lan, text, lasts):
        command = [FWCTL, "try", lan.file(text, "trial.toml"), "--for", lasts, "--netns", lan.bed.name("lb1")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not self.process.stdout.readline().endswith("ends it\n"):
            assert self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.communicate()


NEW = HEAD + web([V4]) + web([LIVE]).replace("vip.web", "vip.live")


def test_a_trial_has_the_addresses_of_both(lan):
    lan.apply()
    trial = Trial(lan, NEW, "60s")
    assert lan.announced() == ADDRESSES | {LIVE}
    lan.run("rollback")
    assert lan.announced() == ADDRESSES
    trial.process.communicate(timeout=30)
    trial = Trial(lan, NEW, "60s")
    lan.run("confirm")
    assert lan.announced() == {V4, LIVE}
    trial.process.communicate(timeout=30)


def over(lan):
    return "live" not in {one["name"] for one in lan.bed.json("lb1", "vip", "list")["vips"]}


@pytest.mark.parametrize("watched", [False, True], ids=["by-the-next-command", "by-the-agent"])
def test_a_trial_that_ends_with_nobody_there(lan, agent, watched):
    lan.apply()
    if watched:
        agent.start()
        until(lambda: "the agent runs" in lan.run("doctor").stdout)
    Trial(lan, NEW, "3s").kill()
    assert lan.announced() == ADDRESSES | {LIVE}
    until(lambda: over(lan))
    assert lan.served("router") == [True, True]
    if watched:
        until(lambda: lan.announced() == ADDRESSES)
        assert lan.bed.json("lb1", "vip", "list")
    else:
        assert lan.announced() == ADDRESSES | {LIVE}
        lan.run("deny", "udp/9")
        assert lan.announced() == ADDRESSES


# --- what cannot be --------------------------------------------------------------------------------------------------


def refused(lan, text, message, expect=FAILED):
    before = lan.addresses(), lan.bed.json("lb1", "status")["generation"]
    assert lan.apply(text, expect=expect).stderr == f"fwctl: {message}\n"
    assert (lan.addresses(), lan.bed.json("lb1", "status")["generation"]) == before


def test_devices_that_cannot_be_announced_on(lan):
    lan.apply(HEAD + web([V4]))
    cannot = f'vip "web" cannot announce {V4} on'
    refused(lan, HEAD + web([V4], "eth9"), f"{cannot} eth9: there is no such interface")
    refused(lan, HEAD + web([V4], "lo"), f"{cannot} lo: it is no Ethernet device, so that nobody there asks for addresses")
    lan.ip("link add more0 type veth peer name more1")
    try:
        lan.bed.check("lb1", "sysctl", "-qw", "net.ipv6.conf.more0.disable_ipv6=1")
        refused(lan, HEAD + web(announce="more0"),
                f'vip "web" cannot announce {V6} on more0: IPv6 is switched off there (net.ipv6.conf.more0.disable_ipv6)')
    finally:
        lan.ip("link del more0")
    new = ["vip", "add", "live", "--address", LIVE, "--service", "tcp/80", "--forward", "l2-dsr", "--announce"]
    assert lan.run(*new, "eth9", expect=FAILED).stderr == f'fwctl: vip "live" cannot announce {LIVE} on eth9: there is no such interface\n'
    assert lan.run(*new, "eth*", expect=USAGE).stderr == 'fwctl: "eth*" is a pattern; name one interface\n'
    block = ["vip", "add", "live", "--address", "10.2.0.128/25", *new[5:], "eth0"]
    assert lan.run(*block, expect=USAGE).stderr == 'fwctl: "announce" goes with single addresses alone, and 10.2.0.128/25 is a block\n'
    assert lan.announced() == {V4}


def test_a_device_that_is_gone_keeps_nobody_from_working(lan):
    lan.ip("link add more0 up type veth peer name more1")
    try:
        lan.apply(HEAD + web(announce="more0"))
        lan.ip("link del more0")
        assert lan.findings(expect=FAILED) == [
            ("BAD", f"vip web: {address} is to be announced on more0, and is not there: there is no such interface")
            for address in (V4, V6)]
        assert f"\n  {V4} is not on more0: there is no such interface\n" in lan.run("vip", "show", "web").stdout
        lan.run("backend", "drain", "web/b1")
        lan.run("deny", "udp/9")
        lan.ip("link add more0 up type veth peer name more1")
        lan.run("rule", "remove", "deny-udp/9")
        assert lan.on("more0") == ADDRESSES
        lan.apply()
        assert lan.on("more0") == set()
    finally:
        lan.bed.run("lb1", "ip", "link", "del", "more0")


def test_a_device_that_is_down(lan):
    """It has the addresses when it comes up; going down takes those of IPv6."""
    lan.ip("link add more0 type veth peer name more1")
    try:
        lan.apply(HEAD + web(announce="more0"))
        assert lan.on("more0") == ADDRESSES
        lan.ip("link set more0 up")
        assert lan.on("more0") == ADDRESSES
        lan.ip("link set more0 down")
        assert lan.on("more0") == {V4}
        lan.run("deny", "udp/9")
        lan.ip("link set more0 up")
        assert lan.on("more0") == ADDRESSES
    finally:
        lan.ip("link del more0")


def test_ipv6_that_is_switched_off_later(lan):
    lan.ip("link add more0 up type veth peer name more1")
    try:
        lan.apply(HEAD + web(announce="more0"))
        lan.bed.check("lb1", "sysctl", "-qw", "net.ipv6.conf.more0.disable_ipv6=1")
        lan.run("backend", "drain", "web/b1")
        assert lan.findings(expect=FAILED) == [
            ("BAD", f"vip web: {V6} is to be announced on more0, and is not there: IPv6 is switched off there "
                    "(net.ipv6.conf.more0.disable_ipv6)"),
            *(("note", f"vip web: {address} is announced on more0, where what comes in is not balanced: fwctl attach more0")
              for address in (V4, V6))]
        lan.bed.check("lb1", "sysctl", "-qw", "net.ipv6.conf.more0.disable_ipv6=0")
        lan.run("backend", "ready", "web/b1")
        assert lan.on("more0") == ADDRESSES
    finally:
        lan.ip("link del more0")


# --- killed ----------------------------------------------------------------------------------------------------------

CHANGES = re.compile(r"bpf\(BPF_(OBJ_PIN|LINK_|MAP_UPDATE|MAP_DELETE)|send(to|msg)\(|fork\(|clone|unlink|rename|exit_group")


def killing_points(lan, words):
    """[(system call, which of its kind)] of those that change something, and of those behind them."""
    done = lan.traced(words)
    assert done.returncode == 0, done.stderr
    seen, calls = {}, []
    for line in (lan.folder / "trace").read_text().splitlines():
        name, bracket, _ = line.partition("(")
        if bracket and name.isidentifier():
            seen[name] = seen.get(name, 0) + 1
            calls.append((name, seen[name], line))
    entered = next(place for place, call in enumerate(calls) if call[0] == "setns")
    chosen = {place + more for place, call in enumerate(calls) if place > entered and CHANGES.search(call[2]) for more in (0, 1)}
    return [calls[place][:2] for place in sorted(chosen) if place < len(calls)]


def kill(lan, words, point):
    name, number = point
    return lan.traced(words, "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={number}").returncode


def holds(lan):
    """What the policy that holds announces."""
    done = lan.bed.run("lb1", FWCTL, "vip", "list", "--json")
    if done.returncode != 0:
        return set()
    return {address for one in json.loads(done.stdout)["vips"] if one["announce"] for address in one["address"]}


def test_an_apply_that_is_killed(lan):
    """Nothing is there of an address that is not balanced, but one that was balanced before; the next command puts it right."""
    lan.apply()
    one, other = lan.file(HEAD + web(), "one.toml"), lan.file(NEW, "other.toml")
    lan.run("apply", other)
    points = killing_points(lan, ["apply", one])
    sets = ADDRESSES, {V4, LIVE}
    killed, seen = 0, set()
    for point in points[::3]:
        lan.run("apply", other)
        assert lan.announced() == sets[1]
        killed += kill(lan, ["apply", one], point) == -9
        now, wanted = lan.announced(), holds(lan)
        assert wanted in sets and (now == sets[1] if wanted == sets[1] else V4 in now), point
        seen.add((frozenset(wanted), frozenset(now)))
        lan.run("deny", "udp/9")
        assert lan.announced() == holds(lan) == wanted, point
        lan.run("rule", "remove", "deny-udp/9")
    assert killed >= 0.8 * len(points[::3]) and len(seen) >= 3, seen


def test_a_detach_that_is_killed(lan):
    lan.apply()
    policy = lan.folder / "policy.toml"
    points = killing_points(lan, ["detach", "--all"])
    seen = set()
    for point in points[::3]:
        lan.run("apply", policy)
        assert lan.announced() == ADDRESSES
        kill(lan, ["detach", "--all"], point)
        lan.run("deny", "udp/9", expect=None)
        left = holds(lan)
        assert lan.announced() == left, point
        seen.add(frozenset(left))
    assert seen == {frozenset(), frozenset(ADDRESSES)}


# --- the agent -------------------------------------------------------------------------------------------------------


def put_eth0_back(lan):
    lan.bed.check("switch", "ip", "link", "add", "lb1", "type", "veth", "peer", "name", "eth0", "netns", lan.bed.name("lb1"))
    lan.bed.check("switch", "ip", "link", "set", "lb1", "master", "lan0", "up")
    lines = "link set eth0 up\naddress add 10.2.0.11/24 dev eth0\naddress add fd00:2::11/64 dev eth0 nodad\n" \
            "route add default via 10.2.0.1\nroute add default via fd00:2::1\n"
    lan.bed.check("lb1", "ip", "-batch", "-", input=lines)


def test_the_agent_puts_back_what_goes_missing(lan, agent):
    lan.apply()
    agent.start()
    until(lambda: "the agent runs" in lan.run("doctor").stdout)
    lan.ip(f"address del {V4}/32 dev eth0")
    agent.says(f"interface eth0: announces {V4} of vip web again")
    assert lan.announced() == ADDRESSES
    lan.ip("link set eth0 down")  # which takes those of IPv6
    lan.ip("link set eth0 up")
    agent.says(f"interface eth0: announces {V6} of vip web again")
    until(lambda: lan.announced() == ADDRESSES)
    lan.bed.check("lb1", "ip", "-batch", "-", input="address replace fd00:2::11/64 dev eth0 nodad\nroute replace default via fd00:2::1\n"
                                                    "route replace default via 10.2.0.1\n")
    until(lambda: lan.served("router") == [True, True])
    lan.ip("link del eth0")
    until(lambda: lan.findings(expect=None))
    put_eth0_back(lan)
    until(lambda: lan.announced() == ADDRESSES)
    agent.says("interface eth0: attached")
    until(lambda: lan.served("router") == [True, True])
    assert lan.findings() == []


@pytest.mark.parametrize("looks_away", [False, True])
def test_the_agent_tells_the_segment_of_a_device_that_comes_up(lan, agent, looks_away):
    """Also of one that was down and up again between two looks."""
    lan.apply()
    agent.start()
    until(lambda: "the agent runs" in lan.run("doctor").stdout)
    until(lambda: len(processes_in(lan.bed, "lb1")) == 1)  # nobody tells the segment any more
    is_up = lambda: "LOWER_UP" in lan.bed.check("lb1", "ip", "link", "show", "eth0")  # noqa: E731
    raw = netns.packet_socket(lan.bed.name("router"), "out0", ETH_P_ALL)
    with raw:
        if looks_away:
            agent.process.send_signal(signal.SIGSTOP)
        lan.bed.check("switch", "ip", "link", "set", "lb1", "down")
        until(lambda: not is_up())
        lan.bed.check("switch", "ip", "link", "set", "lb1", "up")
        until(is_up)
        agent.process.send_signal(signal.SIGCONT)
        frames = frames_of(raw, lan.mac("lb1"))
        assert len([one for one in frames if one.haslayer(ARP) and one[ARP].psrc == one[ARP].pdst == V4]) >= 2
        new = f"02:00:00:00:00:7{looks_away:d}"
        lan.ip(f"link set eth0 address {new}")
        frames_of(raw, new)
    until(lambda: {lan.known(address) for address in ADDRESSES} <= {new, None})
    assert lan.served("router") == [True, True]
