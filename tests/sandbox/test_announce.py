"""Addresses that are announced on a segment (segment.py): what the segment is told, edits, trials, and what cannot be announced."""

import socket
import subprocess

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

import netns
from conftest import FWCTL, until
from segment import (ADDRESSES, ETH_P_ALL, FAILED, HEAD, LIVE, NEW, USAGE, V4, V6, agent, frames_of, lan, made,  # fixtures: agent, lan, made
                     processes_in, web)

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
