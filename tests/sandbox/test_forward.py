"""Past the stack: what the kernel's own forwarding delivers arrives as well, and what only it can do is left to it."""

import re

import pytest

from forwarding import FORWARDINGS, every_forwarding, ping
from router import CLIENT, FAMILIES, ROUTER, SERVER, Router


@pytest.fixture
def router(way, tmp_path):
    made = Router(tmp_path, way)
    try:
        yield made
    finally:
        made.down()


def hops(bed, family):
    shown = bed.check("client", "traceroute", f"-{family}", "-n", "-q", "1", "-m", "3", "-w", "2", SERVER[family])
    return re.findall(r"^ *\d+  (\S+)", shown, re.M)


def small_things(router, family):
    """What one sees of a router from behind it."""
    bed, server = router.bed, SERVER[family]
    seen = {
        "ttl 1": ping(bed, "client", server, "-t", 1),
        "ttl 2": ping(bed, "client", server, "-t", 2),
        "ttl 2 back": ping(bed, "server", CLIENT[family], "-t", 2),
        "many": ping(bed, "client", server, count=200),
        "in fragments": ping(bed, "client", server, "-s", 5000, count=5),
        "nobody there": ping(bed, "client", server + "5"),
        "the router itself": ping(bed, "client", ROUTER[family]),
        "its other side": ping(bed, "client", server[:-1] + "1"),
        "no route": ping(bed, "client", "198.51.100.1" if family == 4 else "2001:db8::1"),
        "page": bed.curls("client", server),
        "traceroute": hops(bed, family),
    }
    if family == 4:
        seen["record route"] = ping(bed, "client", server, "-R")
    return seen


@pytest.mark.parametrize("family", FAMILIES)
@every_forwarding
def test_it_is_the_router_that_the_kernel_is(router, family, forwarding):
    before = small_things(router, family)
    assert before["traceroute"] == [ROUTER[family], SERVER[family]]
    defaults, routes = FORWARDINGS[forwarding]
    router.apply(defaults, routes)
    assert small_things(router, family) == before
    assert router.counted("forwarded") > 300
    assert router.dropped() == {}


@pytest.mark.parametrize("family", FAMILIES)
@every_forwarding
def test_neighbours_that_are_not_known_yet_are_found(router, family, forwarding):
    router.apply(*FORWARDINGS[forwarding])
    for _ in range(3):
        router.forget_neighbours()
        assert ping(router.bed, "client", SERVER[family]) == (1, [])
        router.forget_neighbours()
        assert router.bed.curls("client", SERVER[family]) == "hello from server\n"
    assert router.counted("forwarded") > 0
