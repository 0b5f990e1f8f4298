"""Live rules: added, moved, removed, expired, and told apart."""

import socket
import subprocess

import pytest

import netns
from conftest import FWCTL, MODES, until

WEB, WEB6 = "172.17.0.2", "fd00:17::2"
A, B = "10.9.0.1", "10.9.0.2"


def add_rule(bed, role, *words):
    """The name that the new rule got."""
    return bed.json(role, *words)["rule"]


def send_udp(bed, role, address, port):
    with netns.inside(bed.name(role)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (address, port))


def test_a_rule_with_a_time_expires_in_the_data_plane(testbed):
    """Only ping runs from the moment the rule is there until it has expired."""
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    stream = subprocess.Popen(bed.command("a", "ping", "-i", "0.05", "-c", "2000", "-q", B), stdout=subprocess.DEVNULL)
    try:
        bed.fwctl("b", "deny", "icmp", "--for", "2s")
        until(lambda: bed.pings("a", B))
    finally:
        stream.kill()
        stream.wait()
    assert bed.counters("b", "eth0")["in", "rule-deny"] > 0
    assert bed.rule_names("b") == []


def test_a_rule_with_a_time_says_how_long_it_lasts(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    assert bed.fwctl("b", "deny", "udp/9", "--for", "1h30m").stdout == "deny-udp/9: deny udp/9 for 1h30m\n"
    assert 0 < bed.rules("b")["deny-udp/9"]["seconds_left"] <= 90 * 60
    bed.fwctl("b", "deny", "udp/9")
    assert "seconds_left" not in bed.rules("b")["deny-udp/9"]


def test_the_first_rule_that_matches_decides(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    deny = add_rule(bed, "b", "deny", "icmp", "in")
    late = bed.json("b", "allow", "icmp", "from", A, "in")
    assert any("never matches" in note for note in late["notes"])
    allow = late["rule"]
    assert bed.rule_names("b") == [deny, allow]
    assert bed.ping_fails("a", B)

    bed.fwctl("b", "rule", "move", allow, "--before", deny)
    assert bed.rule_names("b") == [allow, deny]
    assert bed.pings("a", B)
    assert (bed.rule_packets("b", allow), bed.rule_packets("b", deny)) == (1, 1)

    bed.fwctl("b", "rule", "move", allow)
    assert bed.rule_names("b") == [deny, allow]
    assert bed.ping_fails("a", B)

    bed.fwctl("b", "rule", "remove", allow)
    assert bed.rule_names("b") == [deny]
    again = add_rule(bed, "b", "allow", "icmp", "from", A, "in", "--before", deny)
    assert bed.rule_names("b") == [again, deny]
    assert bed.pings("a", B)

    bed.fwctl("b", "rule", "remove", again, deny)
    assert bed.rule_names("b") == []
    assert bed.pings("a", B)


def test_remove_takes_all_that_are_named_or_none(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "icmp")
    refused = bed.fwctl("b", "rule", "remove", "deny-icmp", "deny-nothing", expect=2)
    assert refused.stderr.startswith('fwctl: there is no rule "deny-nothing"')
    assert bed.rule_names("b") == ["deny-icmp"]
    bed.fwctl("b", "rule", "remove", "arp", expect=2)


def test_rule_show_says_what_a_rule_does_and_has_done(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "icmp")
    assert bed.ping_fails("a", B)
    shown = bed.fwctl("b", "rule", "show", "deny-icmp").stdout
    assert "deny icmp" in shown and "1 packet" in shown
    (rule,) = [rule for rule in bed.json("b", "rule", "list")["rules"] if rule["name"] == "deny-icmp"]
    assert (rule["action"], rule["origin"], rule["packets"]) == ("deny", "live", 1)
    assert "RFC 826" in bed.fwctl("b", "rule", "show", "arp").stdout


def test_allow_takes_the_place_of_deny(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "icmp")
    assert bed.ping_fails("a", B)
    assert bed.fwctl("b", "allow", "icmp").stdout == "allow-icmp: allow icmp (was deny-icmp)\n"
    assert bed.rule_names("b") == ["allow-icmp"]
    assert bed.pings("a", B)
    assert bed.fwctl("b", "allow", "icmp").stdout == "allow-icmp: allow icmp (it is so already)\n"
    assert bed.rule_names("b") == ["allow-icmp"]


def test_counters_survive_the_edits_of_other_rules(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "udp/9")
    for sent in range(1, 4):
        send_udp(bed, "a", B, 9)
        until(lambda: bed.rule_packets("b", "deny-udp/9") == sent)
        first = add_rule(bed, "b", "deny", f"tcp/{sent}", "--before", "deny-udp/9")
        assert bed.rule_packets("b", "deny-udp/9") == sent
        assert bed.rule_packets("b", first) == 0
        bed.fwctl("b", "rule", "move", "deny-udp/9", "--before", first)
        assert bed.rule_packets("b", "deny-udp/9") == sent
        bed.fwctl("b", "rule", "remove", first)
        assert bed.rule_packets("b", "deny-udp/9") == sent
    bed.fwctl("b", "rule", "remove", "deny-udp/9")
    bed.fwctl("b", "deny", "udp/10")
    assert bed.rule_packets("b", "deny-udp/10") == 0  # not those of the rule before it


def test_dry_run_of_rules_changes_nothing(testbed):
    bed = testbed("pair")
    bed.fwctl("b", "attach", "eth0")
    first, second = (add_rule(bed, "b", "deny", service) for service in ("tcp/1", "tcp/2"))
    before = bed.json("b", "status")["generation"], list(bed.rules("b").items())
    for words in (["deny", "icmp"], ["allow", "tcp/1"], ["rule", "remove", first], ["rule", "move", first],
                  ["rule", "move", second, "--before", first]):
        assert "(dry run: nothing changed)" in bed.fwctl("b", *words, "-n").stdout
        assert bed.json("b", *words, "-n")["dry_run"] is True
        assert (bed.json("b", "status")["generation"], list(bed.rules("b").items())) == before
    assert bed.pings("a", B)


def test_dry_run_of_attach_and_detach_changes_nothing(testbed):
    """Whether it is done without effect or refused."""
    bed = testbed("pair")
    before = bed.traces("b")
    bed.run("b", FWCTL, "attach", "eth0", "-n")
    assert bed.traces("b") == before
    bed.fwctl("b", "attach", "eth0")
    before = bed.traces("b")
    bed.run("b", FWCTL, "detach", "eth0", "-n")
    assert bed.traces("b") == before


def test_a_rule_holds_on_the_interface_that_it_names(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0", "eth0")
    bed.fwctl("fw", "deny", "icmp", "on", "eth0")
    assert bed.ping_fails("outside", WEB)
    assert bed.pings("fw", WEB)
    assert ("in", "rule-deny") in bed.counters("fw", "eth0")
    assert ("in", "rule-deny") not in bed.counters("fw", "docker0")
    bed.fwctl("fw", "rule", "remove", *bed.rule_names("fw"))
    bed.fwctl("fw", "deny", "icmp", "on", "docker*")
    assert bed.ping_fails("outside", WEB)
    assert bed.pings("fw", "10.7.0.2")
    assert ("out", "rule-deny") in bed.counters("fw", "docker0")


def test_a_rule_on_an_interface_that_is_not_attached_says_so(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0")
    said = bed.fwctl("fw", "deny", "icmp", "on", "eth0")
    assert "note: eth0 is not attached, so it holds nowhere yet\n" in said.stderr
    assert bed.pings("outside", WEB)
    bed.fwctl("fw", "attach", "eth0")
    assert bed.ping_fails("outside", WEB)


@pytest.mark.parametrize("mode", MODES)
def test_a_rule_holds_in_the_direction_that_it_names(testbed, mode):
    """Port 80 is the destination of what a client sends out and of what comes in to a server."""
    bed = testbed("pair")
    for role, stops, does_not in (("b", "in", "out"), ("a", "out", "in")):
        bed.fwctl(role, "attach", "eth0", *mode)
        name = add_rule(bed, role, "deny", "tcp/80", does_not)
        assert bed.curls("a", B) == "hello from b\n"
        bed.fwctl(role, "rule", "remove", name)
        bed.fwctl(role, "deny", "tcp/80", stops)
        assert bed.curl_fails("a", B)
        assert {way for way, reason in bed.counters(role, "eth0") if reason == "rule-deny"} == {stops}
        bed.fwctl(role, "detach", "eth0")


def test_addresses_of_a_rule_are_honoured(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0")
    bed.fwctl("fw", "deny", "tcp/80", "from", "10.7.0.0/24", "to", WEB)
    assert bed.curl_fails("outside", WEB)
    assert bed.curls("outside", "172.17.0.3") == "hello from client\n"
    assert bed.curls("fw", WEB) == "hello from web\n"
    assert bed.curls("outside", WEB6) == "hello from web\n"
    bed.fwctl("fw", "deny", "tcp/80", "from", "fd00:7::/64", "to", WEB6)
    assert bed.curl_fails("outside", WEB6)
    assert bed.curls("fw", WEB6) == "hello from web\n"


def test_rules_go_with_the_last_attachment_and_are_named(testbed):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0", "eth0")
    bed.fwctl("fw", "deny", "icmp")
    assert bed.fwctl("fw", "detach", "docker0").stderr == ""
    assert bed.rule_names("fw") == ["deny-icmp"]
    assert bed.fwctl("fw", "detach", "eth0").stderr == "forgotten with the last attachment: fwctl deny icmp\n"
    bed.fwctl("fw", "attach", "docker0")
    assert bed.rule_names("fw") == []
    assert bed.pings("fw", WEB)


def test_json_of_every_verb_has_its_schema(testbed):
    bed = testbed("bridge")
    for words in (["attach", "docker0"], ["status"], ["status", "docker0"], ["deny", "icmp"], ["allow", "tcp/80"],
                  ["rule", "list"], ["rule", "show", "deny-icmp"], ["rule", "move", "deny-icmp"],
                  ["rule", "remove", "deny-icmp"], ["counters"], ["counters", "docker0"], ["doctor"],
                  ["doctor", "docker0"], ["detach", "docker0"]):
        assert bed.json("fw", *words)["schema"] == 1, words
    assert bed.json("fw", "status", expect=3) == {"schema": 1, "attachments": []}
