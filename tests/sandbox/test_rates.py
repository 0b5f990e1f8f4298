"""Rules with a rate on real traffic: what passes is counted by the kernel behind fwctl, over several seconds of its own clock."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time

import pytest

from cable import ATTACH, cable  # fixture: cable
from conftest import until
from firewall import ATTACH as ATTACH_WAN
from firewall import allow, firewall
from flood import frame as udp_frame

SECONDS = 4
WITHIN = 0.05  # of the rate, as was asked for
SIZE = 1000    # bytes from the IP header on


@pytest.fixture
def fw(tmp_path):
    with firewall(tmp_path) as made:
        yield made


@contextlib.contextmanager
def flood(cable, cpus):
    """A sender on each of so many processors: over a veth, what it sends is received on its own."""
    chosen = sorted(cable.cpus)[:cpus]
    assert len(chosen) == cpus, "this test needs so many processors"
    script = pathlib.Path(__file__).with_name("flood.py")
    senders = [subprocess.Popen([sys.executable, script, cable.bed.name("a"), "eth0", cable.mac, str(cpu), str(SIZE)])
               for cpu in chosen]
    try:
        yield
        assert [sender.poll() for sender in senders] == [None] * cpus, "a sender has ended by itself"
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()


def let_in(cable):
    """(seconds, packets, bytes) of what the kernel has got from fwctl."""
    before = time.monotonic()
    shown = json.loads(cable.bed.check("b", "nft", "-j", "list", "table", "netdev", "t"))["nftables"]
    (rule,) = [entry["rule"] for entry in shown if "rule" in entry]
    counter = rule["expr"][0]["counter"]
    return (before + time.monotonic()) / 2, counter["packets"], counter["bytes"]


def dropped(cable):
    return cable.bed.rules("b")["limit-udp/9"]["packets"]


def wait_for_drops(cable):
    seen = dropped(cable)
    until(lambda: dropped(cable) > seen)


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("unit, rate", [("packets", 2000), ("bytes", 3_000_000)])
@pytest.mark.parametrize("mode", ATTACH)
def test_what_passes_is_within_five_percent_of_the_rate(cable, mode, unit, rate, cpus):
    cable.bed.fwctl("b", *ATTACH[mode])
    cable.bed.fwctl("b", "limit", "udp/9", f"{rate}/second", unit)
    with flood(cable, cpus):
        # At both ends the bucket is empty, also where the sender had to wait for a processor.
        wait_for_drops(cable)
        first = let_in(cable)
        time.sleep(SECONDS)
        wait_for_drops(cable)
        last = let_in(cable)
    seconds, packets, size = (after - before for before, after in zip(first, last))
    passed = (packets if unit == "packets" else size) / seconds
    assert abs(passed - rate) <= WITHIN * rate, f"{passed:.0f} of {rate} {unit} a second passed"


def bucket_memory(cable):
    """(pages, bytes) of the inner maps of `buckets`."""
    (path,) = [pin for pin in cable.bed.pins("b") if pin.endswith("/buckets")]
    dumped = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", path], capture_output=True, text=True, check=True,
                            timeout=60).stdout
    ids = [int.from_bytes(bytes(int(byte, 16) for byte in entry["value"]), "little") if "value" in entry
           else entry["inner_map_id"] for entry in json.loads(dumped) if "inner_map_id" in entry or "value" in entry]
    shown = [json.loads(subprocess.run(["bpftool", "-j", "map", "show", "id", str(one)], capture_output=True, text=True,
                                       check=True, timeout=60).stdout) for one in ids if one]
    return len(shown), sum(one["bytes_memlock"] for one in shown)


def test_spoofed_sources_do_not_grow_memory_nor_free_who_is_limited(cable):
    cable.bed.fwctl("b", "attach", "eth0", "--mode", "native")
    assert bucket_memory(cable)[0] == 0, "nobody asks for buckets"
    cable.bed.fwctl("b", "limit", "udp/9", "5/hour", "per", "source")
    pages, size = bucket_memory(cable)
    assert pages == 32 and size < 9 << 20
    frame = bytearray(udp_frame(cable.mac, 60))
    cable.send_all("a", [bytes(frame)] * 10, "in")
    assert cable.bed.rules("b")["limit-udp/9-per-source"]["packets"] == 5
    spoofed = []
    for number in range(60_000):
        frame[26:30] = (0x0B000000 + number).to_bytes(4, "big")
        spoofed.append(bytes(frame))
    before = cable.let_in()
    cable.send_all("a", spoofed, "in")
    assert cable.let_in() - before == len(spoofed), "each of them is the first of its source"
    frame[26:30] = bytes([10, 9, 0, 1])
    cable.send_all("a", [bytes(frame)] * 10, "in")
    assert cable.bed.rules("b")["limit-udp/9-per-source"]["packets"] == 15
    assert bucket_memory(cable) == (pages, size)


# --- the command --------------------------------------------------------------------------------


def test_limit_adds_changes_and_shows(fw):
    fw.run("attach", "eth0")
    assert fw.run("limit", "udp/9", "3/hour", "per", "source/24,64").stdout == (
        "limit-udp/9-per-source/24: deny udp/9 over 3/hour per source/24 in\n")
    assert [fw.passes(9) for _ in range(5)] == [True] * 3 + [False] * 2
    assert fw.counts()["limit-udp/9-per-source/24"] == 2
    (rule,) = [rule for rule in fw.json("rule", "list")["rules"] if rule["origin"] == "live"]
    assert (rule["rate"], rule["direction"], rule["action"]) == (["over 3/hour per source/24"], ["in"], "deny")
    # Other numbers: another bucket, the same rule.
    changed = fw.json("limit", "udp/9", "2/hour", "per", "source/24")
    assert (changed["rule"], changed["result"]) == ("limit-udp/9-per-source/24", "replaced")
    assert [fw.passes(9) for _ in range(3)] == [True] * 2 + [False]
    assert fw.json("limit", "udp/9", "2/hour", "per", "source/24")["result"] == "unchanged"
    # Another live edit does not fill it.
    fw.run("deny", "udp/10")
    assert not fw.passes(9)
    assert 'rate = "over 2/hour per source/24"' in fw.export()
    fw.run("limit", "udp/9", "1/fortnight", expect=2)
    fw.run("rule", "remove", "limit-udp/9-per-source/24")
    assert fw.passes(9)


def test_under_lets_so_much_in(fw):
    fw.apply(ATTACH_WAN + allow("few", "udp/9", 'rate = "under 2/hour"\n') + allow("last", "udp/7") +
             '\n[[rule]]\nname = "count"\naction = "count"\nservice = "udp/9"\nrate = "over 1/hour"\n'
             '\n[[rule]]\nname = "rest"\naction = "deny"\nservice = "udp/9"\ndirection = "in"\n')
    assert [fw.passes(9) for _ in range(5)] == [True] * 2 + [False] * 3
    counts = fw.counts()
    assert (counts["few"], counts["count"], counts["rest"]) == (2, 2, 3), "of three the first was under one an hour"


def test_buckets_stay_when_a_policy_is_applied_again_and_begin_anew_with_another_rate(fw):
    def policy(rate, more=""):
        return ATTACH_WAN + f'\n[[rule]]\nname = "few"\naction = "deny"\nservice = "udp/9"\nrate = "{rate}"\n' + more

    fw.apply(policy("over 2/hour"))
    assert [fw.passes(9) for _ in range(3)] == [True, True, False]
    fw.apply(policy("over 2/hour", allow("other", "udp/10")))
    assert not fw.passes(9)
    assert '~ rule "few": deny udp/9 over 2/hour in -> deny udp/9 over 3/hour in' in fw.plan(policy("over 3/hour"))
    fw.apply(policy("over 3/hour"))
    assert [fw.passes(9) for _ in range(4)] == [True] * 3 + [False]


def test_explain_asks_the_live_bucket_and_takes_nothing(fw):
    fw.run("attach", "eth0")
    fw.run("limit", "udp/9", "2/hour")
    packet = "udp 10.9.0.1:40000 > 10.9.0.2:9 on eth0"
    for _ in range(5):
        assert fw.json("explain", packet)["verdict"] == "allow"
    said = fw.run("explain", packet).stdout
    assert "it is for what is over 2/hour, and there are tokens left for the packet" in said
    assert [fw.passes(9) for _ in range(3)] == [True, True, False]
    assert fw.json("explain", packet)["verdict"] == "deny"


def test_tests_of_a_policy_have_buckets_of_their_own(fw):
    def test(repeat, expect):
        return (f'\n[[test]]\npacket = "udp 10.9.0.1:40000 > 10.9.0.2:9 on wan"\nrepeat = {repeat}\nexpect = "{expect}"\n')

    rule = '\n[[rule]]\nname = "few"\naction = "deny"\nservice = "udp/9"\nrate = "over 3/hour per source"\n'
    fw.apply(ATTACH_WAN + rule + test(3, "allow") + test(4, "deny") + test(1, "allow"))
    fw.apply(ATTACH_WAN + rule + test(4, "allow"), expect=11)
    assert [fw.passes(9) for _ in range(4)] == [True] * 3 + [False], "the tests have taken nothing"


def test_the_examples_of_the_page_hold(fw):
    page = (pathlib.Path(__file__).parents[2] / "docs" / "rates.md").read_text()
    examples = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    assert fw.json("test", fw.file(ATTACH_WAN + "".join(examples)))["failed"] == 0
    for words in re.findall(r"^    fwctl (limit .*)", page, re.M):
        fw.run("attach", "eth0")
        fw.run(*words.split())
    assert len(fw.rules("live")) == 2
