"""A gigabyte through fwctl without rules arrives whole, in every mode and both directions, and is counted."""

import pytest

SERVER = "10.9.0.2"
GIGABYTE = 1 << 30  # the size of /big

NATIVE, GENERIC, TC = ["--mode", "native"], ["--mode", "generic"], ["--hook", "tc-in,tc-out"]

MODES = [
    pytest.param([], NATIVE, id="native"),
    pytest.param([], GENERIC, id="generic"),
    pytest.param([], TC, id="tc"),
    pytest.param(["--no-offload"], NATIVE, id="native-no-offload"),
]


def bytes_received(bed, role, address):
    return int(bed.check(role, "curl", "-sf", "-o", "/dev/null", "-w", "%{size_download}", f"http://{address}/big",
                         timeout=300))


def bytes_passed(bed, role, interface, direction):
    """What the counters say, of all reasons; nothing may have been dropped."""
    rows = [row for row in bed.json(role, "counters", interface)["counters"] if row["direction"] == direction]
    assert [row for row in rows if row["verdict"] == "drop" and row["packets"]] == []
    return sum(row["bytes"] for row in rows)


@pytest.mark.parametrize("role, direction", [("a", "in"), ("b", "out")])
@pytest.mark.parametrize("offloads, mode", MODES)
def test_a_gigabyte_arrives_through_a_veth(testbed, offloads, mode, role, direction):
    bed = testbed("pair", *offloads)
    bed.fwctl(role, "attach", "eth0", *mode)
    assert bytes_received(bed, "a", SERVER) == GIGABYTE
    assert bytes_passed(bed, role, "eth0", direction) > GIGABYTE


@pytest.mark.parametrize("who, address, direction", [("outside", "172.17.0.2", "in"), ("web", "10.7.0.2", "out")])
def test_a_gigabyte_arrives_across_docker0(testbed, who, address, direction):
    bed = testbed("bridge")
    bed.fwctl("fw", "attach", "docker0", "eth0")
    assert bytes_received(bed, who, address) == GIGABYTE
    assert bytes_passed(bed, "fw", "docker0", direction) > GIGABYTE
    assert bytes_passed(bed, "fw", "eth0", "out" if direction == "in" else "in") > GIGABYTE
