"""Announced addresses (segment.py) when a command is killed, and when the agent has to put them back."""

import json
import re
import signal

import pytest
from scapy.layers.l2 import ARP

import netns
from conftest import FWCTL, until
from segment import (ADDRESSES, ETH_P_ALL, HEAD, LIVE, NEW, V4, V6, agent, frames_of, lan, made,  # fixtures: agent, lan, made
                     processes_in, web)

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
    until(lambda: len(processes_in(lan.bed, "lb1")) == 2)  # both are the agent's: nobody tells the segment any more
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
