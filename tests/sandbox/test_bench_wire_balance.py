"""The benchmark of balancers on the wire runs, a row of each kind. No figure is judged; that all backends are served, it looks at itself."""

import json
import pathlib
import subprocess

from conftest import FWCTL, ROOT

SCRIPT = ROOT / "tests" / "bench" / "wire_balance.py"
BUILD = pathlib.Path(FWCTL).parents[2]
PACKETS = ["trivial, MACs swapped", "fwctl, l2-dsr, native XDP", "fwctl, nat, native XDP", "fwctl, l2-dsr, TC", "nftables, DNAT"]
PROXIES = ["haproxy, mode tcp", "nginx, stream"]
CONNECTIONS = ["no balancer, one backend", "fwctl, l2-dsr, native XDP", "fwctl, nat, TC", "nftables, DNAT", *PROXIES]


def run(*words):
    return subprocess.run(["/usr/bin/python3", SCRIPT, BUILD, "--quick", *words], capture_output=True, text=True, timeout=600)


def measured(path, row):
    done = run("--only", row, "--json", path)
    assert done.returncode == 0, done.stderr
    written = json.loads(path.read_text())
    assert written["schema"] == 1 and written["skipped"] == []
    assert all(figure["unit"] and figure["spread"] >= 0 for figure in written["wire"])
    return {figure["name"].removeprefix(f"{row}: "): figure for figure in written["wire"]}


def test_a_row_of_packets(tmp_path):
    row = "balance, packets of known flows, UDP, 10 backends"
    figures = measured(tmp_path / "run.json", row)
    assert list(figures) == ["the sender alone", *PACKETS]
    for name in PACKETS:
        figure = figures[name]
        assert (figure["unit"], figure["size"], figure["of"]) == ("ns", 10, f"backends, balance, packets of known flows, UDP: {name}")
        assert figure["packets_per_second"] > 0 and figure["baseline"] > 0 and {"times_trivial", "lost"} <= set(figure)


def test_a_row_of_connections(tmp_path):
    figures = measured(tmp_path / "run.json", "balance, connections of one request")
    parts = ["", ": processor", ": p50", ": p90", ": p99", ": p99.9"]
    assert list(figures) == [f"{name}{part}" for name in CONNECTIONS for part in parts]
    for name in CONNECTIONS:
        assert [figures[name + part]["unit"] for part in parts] == ["a second", *["us"] * 5]
        assert all(figures[name + part]["value"] > 0 for part in parts)
        latencies = [figures[name + part]["value"] for part in parts[2:]]
        assert latencies == sorted(latencies)


def test_a_row_that_is_not_there():
    done = run("--only", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no row has 'nonsense' in its name; the rows: balance, packets of known flows, UDP, 10 backends; " in done.stderr
