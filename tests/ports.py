"""Ports of loopback for servers that bind them a moment later.

Each process that runs tests takes a range of them for as long as it lives, so
that no other one on this machine, nor any in the same run, chooses the same.
They are below those that the kernel gives to outgoing connections.
"""
import itertools
import os
import socket

FIRST, LAST, RANGE = 10000, 32000, 500


def take_range():
    """The first port of a range, and the socket that says whose it is: a name
    of Linux' own (unix(7), abstract), which goes with the process."""
    count = (LAST - FIRST) // RANGE
    for i in range(count):
        i = (i + os.getpid()) % count
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind(f"\0waxwing-test-ports-{i}")
            return FIRST + i * RANGE, mark
        except OSError:
            mark.close()
    raise RuntimeError(f"{count} runs of tests hold all ports from {FIRST} to {LAST}")


def is_free(port):
    """Also by UDP: a nameserver has both."""
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        try:
            stream.bind(("127.0.0.1", port))
            packets.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


BEGIN, MARK = take_range()
# One after another: what a test had is not given to the next one.
NEXT = itertools.cycle(range(BEGIN, BEGIN + RANGE))


def free_ports(n):
    ports = []
    for port in itertools.islice(NEXT, RANGE):
        if is_free(port):
            ports.append(port)
        if len(ports) == n:
            return ports
    raise RuntimeError(f"no {n} ports are free from {BEGIN} on")
