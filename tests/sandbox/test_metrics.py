"""Metrics of `fwctl agent`: what they say is what was sent."""

import subprocess

import pytest

import metrics
from agent import agent_of
from cable import ATTACH, cable  # fixture: cable
from conftest import FWCTL, until
from metrics import Scrape, ask, policy, promtool


@pytest.mark.parametrize("mode", ATTACH)
def test_the_sums_are_what_was_sent(cable, mode):
    bed = cable.bed
    bed.fwctl("b", *ATTACH[mode])
    bed.fwctl("b", "deny", "udp/9")
    frames = [cable.udp(port, size) for port, size in [(9, 0), (10, 100), (9, 200), (9, 1), (11, 18)] * 40]
    with agent_of(bed, "b") as (_, path):
        cable.send_all("a", frames, "in")
        scrape = Scrape(path)
        assert scrape.sum("fwctl_packets_total", direction="in") == len(frames)
        assert scrape.sum("fwctl_bytes_total", direction="in") == sum(map(len, frames))
        dropped = [frame for frame in frames if frame[36:38] == (9).to_bytes(2, "big")]
        labels = {"interface": "eth0", "direction": "in", "verdict": "drop", "reason": "rule-deny"}
        assert scrape.one("fwctl_packets_total", **labels) == len(dropped) == 120
        assert scrape.one("fwctl_bytes_total", **labels) == sum(map(len, dropped))
        assert scrape.one("fwctl_rule_packets_total", rule="deny-udp/9", origin="live") == len(dropped)
        assert scrape.one("fwctl_rule_bytes_total", rule="deny-udp/9") == sum(map(len, dropped))
        as_counters_has_it(bed, "b", scrape)
        assert promtool("check", "metrics", text=scrape.text) == ""
        (attachment, one), = scrape.all("fwctl_attachment_info")
        assert one == 1 and attachment["interface"] == "eth0"
        assert attachment["ingress"] == mode and scrape.one("fwctl_attachment_protects", interface="eth0") == 1
        assert (scrape.one("fwctl_attached"), scrape.sum("fwctl_trial_remaining_seconds")) == (1, 0)


def test_a_reset_of_the_counters_does_not_show(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    bed.fwctl("b", "deny", "udp/9")
    with agent_of(bed, "b") as (_, path):
        cable.send_all("a", [cable.udp(9)] * 5, "in")
        bed.fwctl("b", "counters", "--reset")
        assert bed.counters("b", "eth0").get(("in", "rule-deny"), 0) == 0
        scrape = Scrape(path)
        assert scrape.one("fwctl_packets_total", direction="in", reason="rule-deny") == 5
        assert scrape.one("fwctl_rule_packets_total", rule="deny-udp/9") == 5


def as_counters_has_it(bed, role, scrape):
    """Interface by interface, reason by reason, rule by rule."""
    shown = bed.json(role, "counters")
    for row in shown["counters"]:
        labels = {key: row[key] for key in ("interface", "direction", "verdict", "reason")}
        assert scrape.one("fwctl_packets_total", **labels) == row["packets"], labels
        assert scrape.one("fwctl_bytes_total", **labels) == row["bytes"], labels
    assert len(shown["counters"]) == len(scrape.all("fwctl_packets_total"))
    assert {labels["rule"]: number for labels, number in scrape.all("fwctl_rule_packets_total")} == {
        rule["name"]: rule["packets"] for rule in shown["rules"]}


def test_a_namespace_without_attachments(cable):
    with agent_of(cable.bed, "b") as (_, path):
        scrape = Scrape(path)
        assert scrape.one("fwctl_attached") == 0 and not scrape.all("fwctl_packets_total")
        assert scrape.one("fwctl_health_checks_total", result="good") == 0
        assert promtool("check", "metrics", text=scrape.text) == ""
        cable.bed.fwctl("b", "attach", "eth0")
        assert Scrape(path).one("fwctl_attached") == 1
        cable.bed.fwctl("b", "detach", "--all")
        assert Scrape(path).one("fwctl_attached") == 0


def test_of_many_rules_the_others_are_summed(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(1100))
    bed.fwctl("b", "apply", file)
    bed.fwctl("b", "deny", "udp/9")
    with agent_of(bed, "b") as (_, path):
        assert Scrape(path).one("fwctl_other_rules_packets_total") == 0
        cable.send_all("a", [cable.udp(port) for port in (9, 1000, 1999, 2000, 2000, 2099)], "in")
        scrape = Scrape(path)
        told = {labels["rule"]: number for labels, number in scrape.all("fwctl_rule_packets_total")}
        assert (told["deny-udp/9"], told["r0"], told["r999"]) == (1, 1, 1) and "r1000" not in told
        assert scrape.one("fwctl_other_rules_packets_total") == 3
        assert scrape.one("fwctl_other_rules_bytes_total") == 3 * 42
        assert (scrape.one("fwctl_rules", told="each"), scrape.one("fwctl_rules", told="together")) == (len(told), 100)
        (info, _), = scrape.all("fwctl_policy_info")
        assert info["path"] == str(file)
        # Neither what they have counted goes, nor does what another rule has counted before come.
        cable.send_all("a", [cable.udp(1999)] * 50, "in")
        bed.fwctl("b", "allow", "udp/9999")
        file.write_text(policy(1050).replace('name = "r0"', 'name = "new"\naction = "deny"\nservice = "udp/9"\n[[rule]]\nname = "r0"'))
        bed.fwctl("b", "apply", file)
        scrape = Scrape(path)
        assert "r999" not in {labels["rule"] for labels, _ in scrape.all("fwctl_rule_packets_total")}
        assert (scrape.one("fwctl_rules", told="together"), scrape.one("fwctl_other_rules_packets_total")) == (51, 3)
        cable.send_all("a", [cable.udp(1999)] * 2, "in")
        assert Scrape(path).one("fwctl_other_rules_packets_total") == 5


def test_the_same_answer_for_all_who_ask_at_once(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0")
    with agent_of(bed, "b") as (_, path):
        for asked, kind in (("/metrics", "text/plain; version=0.0.4; charset=utf-8"), ("/state", "application/json")):
            # What is read anew has another time in it.
            made = set()
            for _ in range(50):
                status, headers, body = ask(metrics.OverSocket(path), path=asked)
                assert (status, headers["Content-Type"]) == (200, kind)
                made.add(body)
            assert len(made) < 25, asked


def test_no_name_ends_its_line(cable, tmp_path):
    file = tmp_path / 'a"} 1\nfwctl_attached 7 \\.toml'
    file.write_text(policy(1))
    cable.bed.fwctl("b", "apply", file)
    with agent_of(cable.bed, "b") as (_, path):
        scrape = Scrape(path)
        (info, _), = scrape.all("fwctl_policy_info")
        assert info["path"] == str(file) and scrape.one("fwctl_attached") == 1
        assert promtool("check", "metrics", text=scrape.text) == ""


def test_a_broken_attachment(cable):
    bed = cable.bed
    bed.fwctl("b", "attach", "eth0", "--hook", "tc-in,tc-out")
    with agent_of(bed, "b") as (_, path):
        assert Scrape(path).one("fwctl_attachment_protects", interface="eth0") == 1
        bed.check("b", "ip", "link", "delete", "eth0")
        until(lambda: Scrape(path).one("fwctl_attachment_protects", interface="eth0") == 0)
        (info, _), = Scrape(path).all("fwctl_attachment_info")
        assert info == {"interface": "eth0", "ingress": "missing", "egress": "missing"}


def test_sets_and_flows_and_listeners(cable, tmp_path):
    bed = cable.bed
    file = tmp_path / "policy.toml"
    file.write_text(policy(0, '[set.banned]\ndynamic = true\nsize = 4\n') +
                    '[[rule]]\nname = "banned"\naction = "deny"\nfrom = "@banned"\n'
                    '[[rule]]\nname = "known"\naction = "allow"\nstate = "established"\n')
    bed.fwctl("b", "apply", file)
    with agent_of(bed, "b") as (_, path):
        bed.fwctl("b", "ban", "192.0.2.1", "192.0.2.2")
        cable.send_all("a", [cable.udp(5000 + port) for port in range(7)], "in")
        scrape = Scrape(path)
        assert (scrape.one("fwctl_set_members", set="banned"), scrape.one("fwctl_set_member_limit", set="banned")) == (2, 4)
        shown = bed.json("b", "conntrack", "show")["counts"]
        assert scrape.one("fwctl_conntrack_opened_total") == shown["opened"] == 7
        assert scrape.one("fwctl_conntrack_flows", state="new") == 7
        assert scrape.one("fwctl_conntrack_flow_limit") > 0 and scrape.one("fwctl_listeners") == 0
        monitor = subprocess.Popen([FWCTL, "monitor", "--netns", bed.name("b")], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            until(lambda: Scrape(path).one("fwctl_listeners") == 1)
            assert Scrape(path).sum("fwctl_listener_lost_events_total") == 0
        finally:
            monitor.kill()
            monitor.wait()
