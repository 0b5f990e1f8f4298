"""What the benchmark of the control plane loads: fwctl and its peers get the same rules, blocks and addresses.

Each peer loads its file, and what the kernel then says that it has is translated back by fwctl import.
"""

import json
import pathlib
import subprocess
import sys
import tomllib

import pytest

from conftest import FWCTL, ROOT, Testbed

sys.path.append(str(ROOT / "tests" / "bench" / "control"))

from content import Content  # noqa: E402
from fwctl import Fwctl  # noqa: E402
from ipset import Ipset  # noqa: E402
from iptables import TOOLS, Iptables  # noqa: E402
from nft import Nft  # noqa: E402

BUILD = pathlib.Path(FWCTL).parents[2]
RULES = 1000
EVERY = {4: "0.0.0.0/0", 6: "::/0"}
SAME = {"1": "icmp", "58": "icmp6"}  # beside addresses: what import writes for either
TUPLE = ("action", "from", "to", "service", "sport")
kinds = pytest.mark.parametrize("kind", ["acl", "firewall"])
blocks = pytest.mark.parametrize("kind", ["v4", "v6"])


@pytest.fixture
def content(tmp_path):
    return Content(tmp_path, BUILD)


@pytest.fixture
def bed():
    bed = Testbed("pair")
    yield bed
    bed.down()


def run(bed, command):
    """What a command of the benchmark says, in a."""
    stdin = command.stdin.read_text() if command.stdin else None
    return bed.check("a", *command.words, input=stdin)


def five_tuples(text):
    """The rules of a policy, in the words that `fmt` has for them."""
    done = subprocess.run([FWCTL, "fmt", "-"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rules = tomllib.loads(done.stdout)["rule"]
    return [tuple(SAME.get(rule.get(key), rule.get(key)) for key in TUPLE) for rule in rules]


def translated(kind, listed):
    done = subprocess.run([FWCTL, "import", *kind.split(), "-"], input=listed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return five_tuples(done.stdout)


def fwctls(content, kind):
    rules = five_tuples(Fwctl(content, BUILD).rules_file(kind, RULES).read_text())
    assert len(rules) == RULES
    return rules


@kinds
def test_nft_has_the_rules_of_fwctl(bed, content, kind):
    run(bed, Nft(content, BUILD).load(Nft(content, BUILD).rules_file(kind, RULES)))
    assert translated("nft", bed.check("a", "nft", "list", "ruleset")) == fwctls(content, kind)


@kinds
def test_iptables_has_the_rules_of_fwctl(bed, content, kind):
    """Each family those that hold for it."""
    run(bed, Iptables(content, BUILD).rules(kind, RULES))
    families = [rule.families() for rule in content.rules(kind, RULES)]
    for family, tool in TOOLS.items():
        expected = [rule for rule, of in zip(fwctls(content, kind), families) if family in of]
        assert translated("iptables-save", bed.check("a", f"{tool}-save")) == expected


@blocks
def test_every_peer_has_the_blocks_of_fwctl(bed, content, kind):
    wanted = sorted(content.members(kind, RULES))
    assert len(set(wanted)) == RULES
    assert f'file = "{content.lines(kind, RULES).name}"' in Fwctl(content, BUILD).list_file(kind, RULES).read_text()
    assert sorted(nfts(bed, content, kind)) == wanted
    assert sorted(ipsets(bed, Ipset(content, BUILD).whole(kind, RULES))) == wanted


def test_every_peer_has_the_addresses_of_fwctl(bed, content):
    wanted = sorted(content.members("bans", RULES))
    assert len(set(wanted)) == RULES
    fwctl, ipset = Fwctl(content, BUILD), Ipset(content, BUILD)
    for command in fwctl.filled("bans", RULES):
        run(bed, command)
    shown = bed.fwctl("a", "set", "show", "banned", "--json").stdout.splitlines()
    assert sorted(json.loads(line)["member"] for line in shown) == wanted
    bans = ipset.bans("bans", RULES)
    for command in bans.declare:
        run(bed, command)
    assert sorted(ipsets(bed, bans.steps[""])) == wanted
    bans = Nft(content, BUILD).bans("bans", RULES)
    run(bed, bans.declare[0])
    run(bed, bans.steps[""])
    assert sorted(nft_members(bed)) == wanted


def nfts(bed, content, kind):
    nft = Nft(content, BUILD)
    run(bed, nft.load(nft.list_file(kind, RULES)))
    return nft_members(bed)


def nft_members(bed):
    for entry in json.loads(bed.check("a", "nft", "-j", "list", "set", "inet", "bench", "banned"))["nftables"]:
        for member in entry.get("set", {}).get("elem", []):
            prefix = member["prefix"] if isinstance(member, dict) else None
            yield f"{prefix['addr']}/{prefix['len']}" if prefix else member


def ipsets(bed, command):
    run(bed, command)
    return [line.split()[2] for line in bed.check("a", "ipset", "save").splitlines() if line.startswith("add ")]
