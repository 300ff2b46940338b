#!/usr/bin/env python3
"""One client of the counter: new TLS connections, a login on each, and a letter; as long as it is told.

    counter.py submit|login PORT SECONDS

submit: TLS from the first byte, EHLO, AUTH PLAIN, one letter of 4 KiB to one of a hundred mailboxes, QUIT.
login: IMAP over TLS, LOGIN, LOGOUT. Prints how many it did. No session is resumed.
"""
import base64
import random
import socket
import ssl
import sys
import time

LETTER = b"From: user0@bench.example\r\nTo: user1@bench.example\r\nSubject: bench\r\n\r\n" + (b"x" * 70 + b"\r\n") * 56 + b".\r\n"


def connected(port, context):
    t = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))
    return t, t.makefile("rb")


def hear(f, want):
    while True:
        line = f.readline()
        if line[3:4] != b"-":
            break
    assert line.startswith(want), (line, want)


def submit(port, context):
    user = random.randrange(100)
    t, f = connected(port, context)
    auth = base64.b64encode(f"\0user{user}@bench.example\0secret".encode())
    with t, f:
        hear(f, b"220")
        for say, want in ((b"EHLO bench", b"250"), (b"AUTH PLAIN " + auth, b"235"),
                          (f"MAIL FROM:<user{user}@bench.example>".encode(), b"250"),
                          (f"RCPT TO:<user{random.randrange(100)}@bench.example>".encode(), b"250"), (b"DATA", b"354"),
                          (LETTER.replace(b"user0@", f"user{user}@".encode())[:-2], b"250"), (b"QUIT", b"221")):
            t.sendall(say + b"\r\n")
            hear(f, want)


def login(port, context):
    t, f = connected(port, context)
    with t, f:
        hear(f, b"* OK")
        t.sendall(f"a LOGIN user{random.randrange(100)}@bench.example secret\r\nb LOGOUT\r\n".encode())
        while not (line := f.readline()).startswith(b"a "):
            assert line
        assert line.startswith(b"a OK"), line


def main():
    what, port, seconds = {"submit": submit, "login": login}[sys.argv[1]], int(sys.argv[2]), float(sys.argv[3])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    n, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        what(port, context)
        n += 1
    print(n)


main()
