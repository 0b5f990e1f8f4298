"""Flows through a router with fwctl on both interfaces, which sees each packet twice: coming in and going out."""

import contextlib
import socket
import subprocess

import pytest

import netns
from conftest import SPOOF
from router import CLIENT, SERVER, WAYS, Router

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
ASKING = 20
FLOOD = 300_000
RULES = "[conntrack]\nsize = 1000\n" + "".join(f'[[rule]]\nname = "{name} {direction}"\n{rest}direction = "{direction}"\naction = "allow"\n'
                                              for name, directions, rest in (
                                                  ("replies", ["in", "out"], 'state = ["established", "related"]\n'),
                                                  ("asks", ["in"], 'on = "in0"\nstate = "new"\n'),
                                                  ("asks", ["out"], 'on = "out0"\nstate = "new"\n'),
                                                  ("offered", ["in", "out"], 'service = "udp/53"\nstate = "new"\n'))
                                              for direction in directions)


@pytest.fixture(params=["tc", "generic"])
def router(request, tmp_path):
    made = Router(tmp_path, WAYS[request.param])
    try:
        made.apply('in = "deny"\nout = "deny"', RULES)
        yield made
    finally:
        made.down()


@pytest.mark.parametrize("family", [4, 6])
def test_who_is_refused_hears_of_it(router, family):
    with netns.inside(router.bed.name("client")):
        for _ in range(3):
            with socket.socket(FAMILY[family], socket.SOCK_STREAM) as asking:
                asking.bind((CLIENT[family], 40_000))
                asking.settimeout(5)
                with pytest.raises(ConnectionRefusedError):
                    asking.connect((SERVER[family], 5001))


def test_a_flood_on_one_side_does_not_push_out_what_begins_on_the_other(router):
    with netns.inside(router.bed.name("server")):
        answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        answering.bind((SERVER[4], 5001))
    asking = []
    with netns.inside(router.bed.name("client")):
        for _ in range(ASKING):
            asking.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            asking[-1].settimeout(2)
            asking[-1].connect((SERVER[4], 5001))
    try:
        def flood():
            command = router.bed.command("server", SPOOF, "eth0", netns.mac_of(router.bed.name("fw"), "out0"), CLIENT[4], CLIENT[6],
                                         FLOOD, 1, "udp/53")
            subprocess.run(command, check=True, timeout=300)

        flood()  # the table is full of it
        for one in asking:
            one.send(b"question")
        answering.settimeout(5)
        askers = [answering.recvfrom(100)[1] for _ in asking]
        flood()
        displaced = router.bed.json("fw", "conntrack", "show")["counts"]["displaced"]
        assert displaced > FLOOD, "too little of a flood"
        for asker in askers:
            answering.sendto(b"answer", asker)
        heard = 0
        for one in asking:
            with contextlib.suppress(TimeoutError):
                heard += one.recv(100) == b"answer"
        assert heard >= ASKING - 2, "two of the same bucket push out each other; that more do, nobody will see"
    finally:
        for one in [answering, *asking]:
            one.close()
