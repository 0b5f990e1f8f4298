"""Every policy of policies/: read without a warning, its own tests hold, and it can be applied to interfaces of its kind."""

import json
import re
import subprocess

import pytest

from conftest import FWCTL, ROOT

FOLDER = ROOT / "policies"
POLICIES = sorted(FOLDER.glob("*.toml")) + sorted(FOLDER.glob("*/policy.toml"))
TESTS = {"fragment": r"fragment (first|later)", "ICMP": r"icmp/", "IPv6": r"[0-9a-f]::"}

each_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda path: str(path.relative_to(FOLDER)))


def fwctl(*words):
    return subprocess.run([FWCTL, *map(str, words)], capture_output=True, text=True, timeout=60)


def canonical(policy):
    """All that the policy says, as one text."""
    printed = fwctl("fmt", "--quiet", policy)
    assert (printed.returncode, printed.stderr) == (0, "")
    return printed.stdout


def test_the_folder_says_what_is_in_it():
    readme = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| \[[^]]*\]\(([^)]*)\)", readme, re.M)
    assert sorted(rows) == sorted(str(path.relative_to(FOLDER)) for path in POLICIES)


@each_policy
def test_a_policy_is_read_without_a_warning(policy):
    checked = fwctl("check", policy)
    assert (checked.returncode, checked.stderr) == (0, "")


@each_policy
def test_a_policy_tests_allowed_and_denied_traffic_of_every_kind(policy):
    text = canonical(policy)
    assert {"allow", "deny"} <= set(re.findall(r'^expect = "(\w+)"', text, re.M))
    packets = re.findall(r'^packet = "(.*)"', text, re.M)
    for kind, pattern in TESTS.items():
        assert any(re.search(pattern, packet) for packet in packets), kind


@each_policy
def test_a_policy_has_a_test_for_each_of_its_rules(policy):
    """Rules that count or log decide nothing, so no test can name them."""
    text = canonical(policy)
    rules = {name for name, action in re.findall(r'^name = "(.*)"\n(?:comment = .*\n)?action = "(\w+)"', text, re.M)
             if action not in ("count", "log")}
    assert rules - set(re.findall(r'^because = "(.*)"', text, re.M)) == set()


@each_policy
def test_the_tests_of_a_policy_hold(policy):
    tested = fwctl("test", policy)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def make_interfaces(bed, role, policy):
    """What the policy wants to attach to, as cables to nowhere and bridges."""
    there = {link["ifname"] for link in json.loads(bed.check(role, "ip", "-j", "link"))}
    headings = re.findall(r"^\[attach\.(\S+)\]\n(?:device = \"(.*)\")?", canonical(policy), re.M)
    for number, (name, device) in enumerate(headings):
        interface = (device or name).replace("*", "an0")
        kind = ["bridge"] if interface.startswith("docker") else ["veth", "peer", "name", f"far{number}"]
        if interface not in there:
            bed.check(role, "ip", "link", "add", interface, "type", *kind)


@each_policy
def test_a_policy_is_applied_and_then_nothing_is_left_to_change(testbed, policy):
    bed = testbed("pair")
    make_interfaces(bed, "b", policy)
    bed.fwctl("b", "apply", policy)
    assert bed.json("b", "plan", policy)["changes"] == []


@each_policy
def test_what_is_exported_says_the_same(testbed, policy, tmp_path):
    bed = testbed("pair")
    make_interfaces(bed, "b", policy)
    bed.fwctl("b", "apply", policy)
    exported = tmp_path / "exported.toml"
    exported.write_text(bed.fwctl("b", "export").stdout)
    assert bed.json("b", "plan", exported)["changes"] == []
