"""Servers that say who they are and whom they see, and send back or count what they are sent; and many connections to them."""

import contextlib
import resource
import selectors
import socket
import threading
import time

import netns

ECHO, TALLY = 7, 9
PACE = 0.2  # seconds between two turns of speaking


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def dial(bed, role, address, port, source=None, timeout=10):
    """A connection from the role's namespace."""
    with netns.inside(bed.name(role)):
        return socket.create_connection((address, port), timeout, (source, 0) if source else None)


def datagrams(bed, role, address, port, source=None):
    """A connected socket for datagrams."""
    with netns.inside(bed.name(role)):
        made = socket.socket(family_of(address), socket.SOCK_DGRAM)
    if source:
        made.bind((source, 0))
    made.connect((address, port))
    return made


class Servers:
    """A thread with the servers of several roles: TCP on all their addresses, and UDP on those that are named for each.

    Both send back what they are sent; on TALLY, TCP says at the end of the stream how many bytes it was.
    """

    def __init__(self, bed, roles, tcp_ports, udp_addresses=lambda role: (), udp_port=ECHO):
        self.ready = selectors.DefaultSelector()
        self.tallies = {}
        self.ends, self.wake = socket.socketpair()
        self.ready.register(self.ends, selectors.EVENT_READ, None)
        for role in roles:
            with netns.inside(bed.name(role)):
                for port in tcp_ports:
                    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
                        self.serve(socket.create_server((address, port), family=family, backlog=1000), self.accept, role)
                for address in udp_addresses(role):
                    bound = socket.socket(family_of(address), socket.SOCK_DGRAM)
                    bound.bind((address, udp_port))
                    self.serve(bound, self.answer, role)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def serve(self, one, handle, role):
        one.setblocking(False)
        self.ready.register(one, selectors.EVENT_READ, (handle, role))

    def accept(self, listener, role):
        one, peer = listener.accept()
        one.sendall(f"{role} {peer[0]} {peer[1]}\n".encode())
        if one.getsockname()[1] == TALLY:
            self.tallies[one] = 0
            self.serve(one, self.tally, role)
        else:
            self.serve(one, self.echo, role)

    def tally(self, one, _):
        data = one.recv(1 << 16)
        self.tallies[one] += len(data)
        if not data:
            one.sendall(str(self.tallies[one]).encode())
            raise ConnectionError

    def echo(self, one, _):
        data = one.recv(1 << 16)
        if not data:
            raise ConnectionError
        one.sendall(data)

    def answer(self, one, role):
        data, peer = one.recvfrom(1 << 16)
        one.sendto(f"{role} {peer[0]} {peer[1]}\n".encode() + data, peer)

    def run(self):
        while True:
            for key, _ in self.ready.select():
                if key.data is None:
                    return
                handle, role = key.data
                try:
                    handle(key.fileobj, role)
                except OSError:
                    if handle in (self.echo, self.tally):
                        self.ready.unregister(key.fileobj)
                        key.fileobj.close()

    def close(self):
        self.wake.close()
        self.thread.join()
        for key in list(self.ready.get_map().values()):
            key.fileobj.close()
        self.ready.close()


def greeting(one):
    """(role, address, port) of a line that a server begins with, and what else came."""
    heard = one.recv(1 << 16)
    while b"\n" not in heard:
        more = one.recv(1 << 16)
        if not more:
            raise ConnectionError("no greeting")
        heard += more
    line, rest = heard.split(b"\n", 1)
    role, address, port = line.decode().split()
    return (role, address, int(port)), rest


class Connections:
    """Many connections that say something again and again, in a thread of their own, until they are closed or end.

    One that ends, by a reset or by being closed from the other side, is noted; so is one that falls silent, as it is
    missing in `heard`.
    """

    def __init__(self):
        self.servers = {}  # of each connection
        self.ended = {}  # the server of those that have ended, and why
        self.turn = 0
        self.heard = {}  # by connection the last turn that came back
        self.stopping = threading.Event()
        self.thread = None

    def add(self, one, sees_client=True):
        (role, address, port), _ = greeting(one)
        assert not sees_client or (address, port) == one.getsockname()[:2]
        one.setblocking(False)
        self.servers[one] = role
        self.heard[one] = 0
        return role

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            self.turn += 1
            begun = time.monotonic()
            for one in self.living():
                with self.noting(one):
                    one.send(self.turn.to_bytes(4, "big"))
            while time.monotonic() - begun < PACE:
                for one in self.living():
                    with self.noting(one):
                        self.listen(one)
                self.stopping.wait(PACE / 4)

    def listen(self, one):
        data = one.recv(1 << 16)
        if not data:
            raise ConnectionError("closed by the server")
        self.heard[one] = int.from_bytes(data[-4:], "big") if len(data) % 4 == 0 else self.heard[one]

    @contextlib.contextmanager
    def noting(self, one):
        try:
            yield
        except BlockingIOError:
            pass
        except OSError as error:
            self.ended[one] = (self.servers[one], str(error))

    def living(self):
        return [one for one in self.servers if one not in self.ended]

    def all_heard_since(self, turn):
        return all(self.heard[one] > turn for one in self.living())

    def by_server(self):
        counts = {}
        for one in self.living():
            counts[self.servers[one]] = counts.get(self.servers[one], 0) + 1
        return counts

    def close(self):
        self.stopping.set()
        if self.thread:
            self.thread.join()
        for one in self.servers:
            one.close()


@contextlib.contextmanager
def many_files():
    """Both ends of all connections are this process's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
