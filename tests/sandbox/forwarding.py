"""The ways in which packets can be forwarded past the stack, in every way of attaching."""

import re

import pytest

from router import ALL_WAYS, USUAL, WAYS

FORWARDINGS = {
    "fib": ('forward = "fib"', ""),
    "table": ('forward = "table"',
              "".join(f'[[route]]\nprefix = "{prefix}"\nvia = "{via}"\ninterface = "{to}"\n' for prefix, via, to in [
                  ("10.2.0.0/24", "10.2.0.2", "out0"), ("fd00:2::/64", "fd00:2::2", "out0"),
                  ("10.1.0.0/24", "10.1.0.2", "in0"), ("fd00:1::/64", "fd00:1::2", "in0")])),
    "table-by-route": ('forward = "table"',
                       "".join(f'[[route]]\nprefix = "{prefix}"\nvia = "{via}"\n' for prefix, via in [
                           ("10.2.0.2/32", "10.2.0.2"), ("fd00:2::2/128", "fd00:2::2"),
                           ("10.1.0.0/16", "10.1.0.2"), ("fd00:1::/32", "fd00:1::2")])),
}
COMBINATIONS = [(way, forwarding) for way in WAYS for forwarding in FORWARDINGS] if ALL_WAYS else [
    *[(way, "fib") for way in USUAL], ("native", "table"), ("tc-no-offload", "table"), ("native-and-tc", "table-by-route"),
    ("native-handing-on-no-offload", "table-by-route")]
every_forwarding = pytest.mark.parametrize(
    "way, forwarding", [pytest.param(WAYS[way], forwarding, id=f"{way}-{forwarding}") for way, forwarding in COMBINATIONS])


def ping(bed, role, address, *options, count=1):
    """(answers, errors that routers sent)"""
    done = bed.run(role, "ping", "-n", "-c", count, "-i", "0.01", "-W", "1", *options, address)
    seen = re.search(r"(\d+) received", done.stdout)
    told = re.findall(r"From (\S+?):? icmp_seq=\d+ (.*)", done.stdout)
    return int(seen.group(1)), sorted(set(told))
