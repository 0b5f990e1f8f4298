"""A web server that lets in what it offers and what it has asked for: fwctl on `server` of the topology `router`.

Between it and the client stands a router, so that somebody can say that a packet was too large or has travelled too far.
"""

import contextlib
import json
import socket
import threading
import time

import netns
from conftest import Testbed
from router import CLIENT, SERVER

AF = {4: socket.AF_INET, 6: socket.AF_INET6}
GUESSERS = {4: "10.1.0.77", 6: "fd00:1::77"}  # other addresses of the client's
BAN = 6  # seconds: a slow machine has seen by then who is banned

# Bans are short, and the built-in rules that would decide before `state` is asked are off. What limits pings stands before
# the rule for replies: as to the kernel, an echo request is of an established flow once one with its identifier was answered.
POLICY = f"""version = 1

[defaults]
in      = "deny"
lockout = {{ from = "@admins", service = "tcp/22" }}

[builtin]
icmp6-essential = false
packet-too-big  = false

[set.admins]
elements = ["192.0.2.0/24", "2001:db8:aa::/48"]
[set.banned]
dynamic = true
timeout = "10m"
size    = 100_000

[[rule]]
name   = "banned"
from   = "@banned"
action = "deny"

[[rule]]
name    = "ping, politely"
service = ["icmp/echo-request", "icmp6/echo-request"]
rate    = "over 10/second per source"
action  = "deny"

[[rule]]
name   = "replies"
state  = ["established", "related"]
action = "allow"

[[rule]]
name    = "ssh guessers"
service = "tcp/22"
state   = "new"
rate    = "over 5/minute burst 5 per source"
action  = "deny"
ban     = {{ set = "banned", for = "{BAN}s" }}

[[rule]]
name    = "ssh and web"
service = ["tcp/22", "tcp/80"]
action  = "allow"

[[rule]]
name    = "ping"
service = ["icmp/echo-request", "icmp6/echo-request"]
action  = "allow"

[attach.wan]
device = "eth0"
"""

WAYS = {
    "native": ([], 'mode = "native"\nhooks = ["xdp", "tc-out"]\n'),
    "native-no-offload": (["--no-offload"], 'mode = "native"\nhooks = ["xdp", "tc-out"]\n'),
    "generic": ([], 'mode = "generic"\nhooks = ["xdp", "tc-out"]\n'),
    "tc": ([], 'mode = "tc"\nhooks = ["tc-in", "tc-out"]\n'),
}


class WebServer:
    def __init__(self, folder, way):
        options, attach = WAYS[way]
        self.bed = Testbed("router", *options)
        for address, length in ((GUESSERS[4], 24), (GUESSERS[6], 64)):
            self.bed.check("client", "ip", "address", "add", f"{address}/{length}", "dev", "eth0", "nodad")
        policy = folder / "policy.toml"
        policy.write_text(POLICY + attach)
        self.bed.fwctl("server", "apply", policy)

    def down(self):
        self.bed.fwctl("server", "detach", "--all")
        left = netns.leftovers(self.bed.name("server"))
        self.bed.down()
        assert left == []

    def packets(self, rule):
        return self.bed.rule_packets("server", rule)

    def dropped(self):
        """Packets by reason."""
        rows = self.bed.json("server", "counters", "eth0")["counters"]
        return {row["reason"]: row["packets"] for row in rows if row["verdict"] == "drop" and row["packets"]}

    def drops_from_now(self):
        """A function that tells the packets dropped since, by reason."""
        before = self.dropped()
        return lambda: {reason: count - before.get(reason, 0) for reason, count in self.dropped().items()
                        if count > before.get(reason, 0)}

    def banned(self):
        """{address: seconds left}"""
        lines = self.bed.fwctl("server", "set", "show", "banned", "--json").stdout.splitlines()
        return {one["member"]: one["seconds_left"] for one in map(json.loads, lines)}


def bound(bed, role, family, kind, port=0, address=None):
    """A socket of the role's at its own address."""
    with netns.inside(bed.name(role)):
        made = socket.socket(AF[family], kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address or {"client": CLIENT, "server": SERVER}[role][family], port))
    made.settimeout(10)
    return made


@contextlib.contextmanager
def serving(listener, answer):
    """answer(connection) for each connection to the listener, or answer(listener) for each datagram, until the block ends."""
    is_stream = listener.type == socket.SOCK_STREAM
    over = threading.Event()
    if is_stream:
        listener.listen(64)
    listener.settimeout(0.1)

    def serve():
        while not over.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                if not is_stream:
                    answer(listener)
                    continue
                with listener.accept()[0] as connection:
                    connection.settimeout(10)
                    answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener
    finally:
        over.set()
        thread.join()
        listener.close()


def reaches(bed, role, family, address, port, source=None, patience=5.0):
    """(whether TCP connects, when the attempt began, when it was over)"""
    began = time.monotonic()
    with bound(bed, role, family, socket.SOCK_STREAM, address=source) as trying:
        trying.settimeout(patience)
        try:
            trying.connect((address, port))
        except TimeoutError:
            return False, began, time.monotonic()
    return True, began, time.monotonic()
