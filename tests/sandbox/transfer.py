"""A TCP service and its client that send each other many octets at once and compare what has arrived.

    transfer.py serve PORT COUNT      answers COUNT connections, of either IP version
    transfer.py ask ADDRESS PORT OCTETS
"""

import hashlib
import random
import socket
import sys
import threading

PIECE = 1 << 16


def octets(seed, size):
    return random.Random(seed).randbytes(size)


def exchange(connection, sent, size):
    """Sends all of it while it receives `size` octets; answers their hash."""
    sender = threading.Thread(target=connection.sendall, args=(sent,))
    sender.start()
    received, digest = 0, hashlib.sha256()
    while received < size:
        piece = connection.recv(min(PIECE, size - received))
        if not piece:
            break
        received += len(piece)
        digest.update(piece)
    sender.join()
    return digest.hexdigest()


def answer(connection):
    with connection:
        size = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
        arrived = exchange(connection, octets("server", size), size)
        connection.sendall(arrived.encode())
        connection.recv(1)


def serve(port, count):
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64) as listening:
        for _ in range(int(count)):
            threading.Thread(target=answer, args=(listening.accept()[0],)).start()


def ask(address, port, size):
    size = int(size)
    with socket.create_connection((address, int(port)), timeout=30) as connection:
        connection.sendall(size.to_bytes(8, "big"))
        arrived = exchange(connection, octets("client", size), size)
        theirs = connection.recv(64, socket.MSG_WAITALL).decode()
    assert arrived == hashlib.sha256(octets("server", size)).hexdigest(), "what the server sent is not what arrived"
    assert theirs == hashlib.sha256(octets("client", size)).hexdigest(), "what the client sent is not what arrived"


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
