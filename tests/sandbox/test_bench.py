"""The benchmark runs as a whole, says where files are wrong, and its runs can be compared, drawn and told of. No figure is judged."""

import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

from conftest import FWCTL

SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "bench" / "front"
BUILD = pathlib.Path(FWCTL).parents[2]
HUMBLE = ["setpriv", "--bounding-set", "-sys_nice"]  # without the right to go before all others: other tests run beside this one
sys.path += [str(SCRIPTS), str(SCRIPTS.parent)]

import plot  # noqa: E402
import rounds  # noqa: E402

RULES = """@192.0.2.0/24\t198.51.100.7/32\t0 : 65535\t80 : 80\t0x06/0xFF\t0x0200/0x1200\t
@0.0.0.0/0\t198.51.100.0/24\t0 : 65535\t0 : 65535\t0x06/0xFF\t0x0000/0x0000\t
@0.0.0.0/0\t0.0.0.0/0\t0 : 65535\t0 : 65535\t0x00/0x00\t0x0000/0x0000\t
"""
TRACE = """3221226035\t3325256711\t40000\t80\t6\t33559040\t0
3221226035\t3325256712\t40000\t81\t6\t0\t1
167772161\t167772162\t0\t0\t1\t4294967295\t2
"""


def bench(*words):
    """Test runs of the programs alone."""
    return subprocess.run([*HUMBLE, BUILD / "tests" / "bench" / "fwctl_bench", "--quick", *words], capture_output=True, text=True, timeout=600)


def front(*words, build=BUILD):
    """scripts/bench, but for packages and the build."""
    return subprocess.run([*HUMBLE, "/usr/bin/python3", SCRIPTS, build, *words], capture_output=True, text=True, timeout=800)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rules").write_text(RULES)
    (tmp_path / "trace").write_text(TRACE)
    return tmp_path


def measured(path, *words):
    done = bench(*words, "--json", path)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


def test_own_rules_beside_a_row_of_ours(files):
    run = measured(files / "run.json", "--rules", files / "rules", "--trace", files / "trace", "--only", "icmp denied")
    assert run["schema"] == 1
    own, ours = run["packets"]
    assert own["name"] == "3 rules of rules" and own["note"] == "a packet is compared with 1.3 rows; 3 packets, again and again"
    assert set(own["flows"]) == {"hot", "1k"}  # three packets are no more than these can tell apart
    assert ours["name"] == "icmp denied: ping" and set(ours["flows"]) == {"hot", "1k", "64k"}
    assert set(ours["flows"]["hot"]) == {"ns", "spread", "baseline", "baseline_spread"}
    assert run["balance"] == []


def test_a_row_of_balancing(files):
    run = measured(files / "run.json", "--only", "balance: not for a service")
    (row,) = run["balance"]
    assert {"constant", "constant_spread", "spread", "baseline_spread"} <= set(row["flows"]["64k"])
    assert run["packets"] == []


@pytest.mark.parametrize("words, message", [
    (["--rules", "trace"], 'trace:1:1: "@" has to stand here, not "3221226035"'),
    (["--rules", "rules", "--trace", "rules"], 'rules:1:1: an address from 0 to 4294967295 has to stand here, not "@192.0.2.0/24"'),
    (["--rules", "empty"], "empty: no rules"),
    (["--trace", "trace"], "--trace without --rules; usage: [--quick] [--only ROW] [--rules FILE [--trace FILE]] [--json FILE]"),
])
def test_what_is_wrong_is_said(files, monkeypatch, words, message):
    (files / "empty").write_text("\n")
    monkeypatch.chdir(files)
    done = bench(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"bench: {message}\n")


def test_all_parts_in_one_run(tmp_path):
    kept = tmp_path / "run.json"
    done = front("--quick", "--json", kept)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(kept.read_text())
    assert run["schema"] == 1 and run["machine"]["run"] == "quick" and run["machine"]["processors"] == len(os.sched_getaffinity(0))
    names = {section: {row["name"] for row in run[section]} for section in ("packets", "balance", "wire", "control")}
    assert {"no rules", "established flow", "1k ACL-like rules"} <= names["packets"]
    assert "balance: ipip, hit" in names["balance"]
    assert {"one rule, dropped: fwctl, native XDP", "one rule, dropped: nftables, netdev", "forwarded, IPv4: forward = fib, native XDP",
            "tracked, established: nftables, ct state", "balance, packets of known flows, UDP, 10 backends: fwctl, l2-dsr, native XDP",
            "balance, connections of one request: fwctl, nat, TC: p99", "balance, connections of one request: haproxy, mode tcp"} <= names["wire"]
    assert {"apply ACL-like rules: fwctl, 1k", "apply ACL-like rules: nft, 1k"} <= names["control"]
    done = front("--report", kept)
    assert done.returncode == 0, done.stderr
    assert "| no rules, hot | ≤ 5 ns | " in done.stdout and "| packets that slip through 1,000 replacements | " in done.stdout
    assert all(f"\n## {title}\n" in done.stdout for title in ("Targets", "Per packet", "Balancing", "On the wire", "Control plane", "Left out"))
    done = front("--compare", kept, kept)
    assert done.returncode == 0, done.stderr
    assert " higher" not in done.stdout and " lower" not in done.stdout and "only in" not in done.stdout


def test_a_part_that_fails_is_told_of(tmp_path):
    """Nothing was built there."""
    done = front("--part", "packets", "--quick", "--json", tmp_path / "run.json", build=tmp_path)
    assert done.returncode == 1 and "bench: the part packets has failed: exit status 127\n" in done.stderr
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["skipped"] == [{"name": "packets", "why": "has failed: exit status 127"}] and run["packets"] == []


def test_turns_are_spread_over_the_part():
    """A row is told of when it has had its last."""
    said = []

    class Row:
        def __init__(self, name):
            self.name = name

        def turn(self):
            said.append(self.name)

        def show(self):
            said.append(f"shown: {self.name}")

    rounds.take([Row("a"), Row("b")], turns=2)
    assert said == ["a", "b", "a", "shown: a", "b", "shown: b"]


@pytest.mark.parametrize("words, message", [
    (["--only", "rules"], "--only names rows of one part: --part has to say which"),
    (["--part", "wire", "--rules", "rules"], "--rules and --trace are for --part packets"),
    (["--part", "packets", "--quick", "--only", "nothing like it"], 'bench: no row of --quick has "nothing like it" in its name'),
    (["--part", "wire", "--quick", "--only", "nothing like it"], 'bench: no row has "nothing like it" in its name'),
    (["--part", "control", "--quick", "--only", "nothing like it"], 'bench: no row has "nothing like it" in its name'),
])
def test_words_that_are_wrong(words, message):
    done = front(*words)
    assert done.returncode == 2 and message in done.stderr, done.stderr


# --- runs that are kept: made up, so that what is said of them is known ----------------------------


def row(name, cost, **more):
    column = {"ns": cost, "spread": 2, "baseline": 30, "baseline_spread": 1}
    return {"name": name, "flows": {"hot": column, "64k": column}, **more}


def kept(path, *packets, control=()):
    path.write_text(json.dumps({"schema": 1, "packets": packets, "balance": [], "control": control, "skipped": []}))
    return path


def test_runs_are_compared(tmp_path):
    old = kept(tmp_path / "old", row("same", 10), row("near", 10), row("more", 10), row("less", 10), row("gone", 10), row("  alone", 7),
               control=[{"name": "apply", "value": 5, "unit": "ms"}, {"name": "edit", "value": 5, "unit": "ms", "spread": 1},
                        {"name": "once", "value": 5, "unit": "ms", "spread": 0, "runs": 1}])
    new = kept(tmp_path / "new", row("same", 10), row("near", 12.9), row("more", 13.1), row("less", 5), row("new", 10),
               control=[{"name": "apply", "value": 6, "unit": "ms"}, {"name": "edit", "value": 7.5, "unit": "ms", "spread": 1},
                        {"name": "once", "value": 6, "unit": "ms", "spread": 0, "runs": 1}])
    done = front("--compare", old, new)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^(\w+) .*?x[\d.]+  (.+)$", done.stdout, re.MULTILINE))
    assert found == {"same": "within the spreads", "near": "within the spreads", "more": "higher", "less": "lower",
                     "apply": "no spread", "edit": "higher", "once": "no spread"}
    assert "only in the old run, in part or as a whole: gone; gone: alone\n" in done.stdout
    assert "only in the new run, in part or as a whole: new\n" in done.stdout


def test_what_is_no_run_is_refused(tmp_path):
    run = kept(tmp_path / "run", row("same", 10))
    for text in ("", "[]", '{"schema": 2}', '{"schema": 1, "packets": [{}]}'):
        (tmp_path / "bad").write_text(text)
        done = front("--compare", run, tmp_path / "bad")
        assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith(f"bench: {tmp_path / 'bad'}: "), text
        assert "Traceback" not in done.stderr


def test_curves_are_drawn(tmp_path, capsys):
    rows = [row(f"{size} ACL-like rules", cost, of="ACL-like rules", size=size) for size, cost in ((10, -0.5), (1000, 20), (100000, 300))]
    run = kept(tmp_path / "run", *rows, row("no rules", 5))
    assert plot.draw(tmp_path / "drawn", [run]) == 0
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"rules.svg", "connections.svg"}
    assert f"SKIPPED {tmp_path / 'drawn' / 'prefixes.svg'}: " in capsys.readouterr().out
    root = xml.parse(tmp_path / "drawn" / "rules.svg").getroot()
    words = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"ACL-like rules", "rules", "ns per packet", "64k flows", "100k"} <= set(words)
    points = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(points) == 2 * 3
    height = float(root.get("height"))
    assert all(0 < float(point.get("cy")) < height for point in points)
