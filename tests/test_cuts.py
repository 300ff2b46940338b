"""SMTP as a stream: the answers to the same octets are the same, however they are cut into packets.

STREAMS says how many (60 in `make check`, 1,000 in `make check-long`); SEED which.
"""
import os
import random
import re
import socket
import time

STREAMS = int(os.environ.get("STREAMS", "60"))
SEED = int(os.environ.get("SEED", "1"))
COMMANDS = [b"EHLO x.org\r\n", b"HELO x.org\r\n", b"MAIL FROM:<a@b.org>\r\n", b"MAIL FROM:<a@b.org> BODY=BINARYMIME\r\n",
            b"RCPT TO:<Jones@foo.com>\r\n", b"RCPT TO:<x@y.org>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\nhi\r\n.\r\n"]
# No QUIT and no STARTTLS: what stands behind them may come too late to count.
ODD = [b".\r\n", b"\r\n.\r\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"text ", b"..dots\r\n", b"BDAT 5 LAST\r\nabcde", b"BDAT 3\r\nab\r",
       b"BDAT 2 LAST\r\n\r\n", b"BDAT 0 LAST\r\n", b"BDAT 9\r\nRSET\r\nabc", b"RSET\r\n", b"NOOP\r\n", b"VRFY a\r\n", b"\0", b"x" * 1200 + b"\r\n",
       b"AUTH PLAIN\r\n", b"NOOP\n", b"\xff\r\n"]


def stream(chance):
    pieces = [chance.choice(COMMANDS if chance.random() < 0.6 else ODD) for _ in range(chance.randrange(2, 25))]
    return b"EHLO x.org\r\n" * (chance.random() < 0.8) + b"".join(pieces)


def answers(port, data, cuts, chance):
    """All that is said to it, up to our end and theirs."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for a, b in zip([0, *cuts], [*cuts, len(data)]):
            s.sendall(data[a:b])
            if chance.random() < 0.3:
                time.sleep(0.0005)
        s.shutdown(socket.SHUT_WR)
        return re.sub(rb"id=[0-9a-f.]+", b"id", s.makefile("rb").read())


def test_cuts_change_nothing(instance):
    w = instance({"smtp.errors": "1000"})
    chance = random.Random(SEED)
    for _ in range(STREAMS):
        data = stream(chance)
        whole = answers(w.ports["smtp"], data, [], chance)
        for n in (1, 10, 60):
            cuts = sorted(chance.sample(range(1, len(data)), min(n, len(data) - 1)))
            assert answers(w.ports["smtp"], data, cuts, chance) == whole, (data, cuts)
