"""Letters to and from Postfix, Exim and OpenSMTPD, TLS and DANE included."""
import os
import shutil
import smtplib
import ssl
import tempfile

import pytest

from certificates import Authority
from mail_peers import Exim, OpenSmtpd, Postfix, need, wait_port
from ports import free_ports
from smtp_sink import Sink
from test_send import QUICK, hand_in, inbox, queue

TEXTS = {
    "dots": "Subject: dots\r\nFrom: Jones@foo.com\r\n\r\n.\r\n..\r\n.a line\r\nend\r\n".encode(),
    "eight": "Subject: eight\r\nFrom: Jones@foo.com\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: 8bit\r\n\r\nöäü\r\n".encode(),
    "large": b"Subject: large\r\nFrom: Jones@foo.com\r\n\r\n" + b".x" * 30 + b"\r\n" + b"0123456789" * 7 + b"\r\n" * 3 +
             (b"." + b"y" * 70 + b"\r\n") * 20000,
}


@pytest.fixture(params=[Postfix, Exim, OpenSmtpd], ids=["postfix", "exim", "opensmtpd"])
def peers(request, instance, dns):
    """(our server, the peer, the sink behind the peer), joined by DNS with DANE."""
    kind = request.param
    need(kind.needs)
    top = tempfile.mkdtemp(prefix="waxwing-peer-")
    os.chmod(top, 0o755)
    port, (keys, home) = free_ports(1)[0], [os.path.join(top, n) for n in ("keys", "home")]
    os.mkdir(keys)
    os.mkdir(home)
    pair = Authority(keys).make("mx.peer.example")
    record = pair.tlsa(3, 1, 1)
    dane = f"_{port}._tcp.mx TLSA 3 1 1 {record[3:].hex()}\n" if kind.tls else ""
    dns.zone("peer.example", "@ MX 10 mx\nmx A 127.0.0.1\n" + dane)
    with Sink(offers=["PIPELINING", "8BITMIME", "SIZE 20000000"]) as sink:
        w = instance(dns.settings(**dict(QUICK, **{"relay.port": str(port)})))
        peer = kind(home, port, pair, {"peer.example": sink.port, "foo.com": w.ports["smtp"]})
        peer.start()
        try:
            wait_port(peer)
            yield w, peer, sink
        finally:
            peer.stop()
            shutil.rmtree(top, ignore_errors=True)


def body(letter):
    return letter.split(b"\r\n\r\n", 1)[1]


def test_to_a_peer(peers):
    w, peer, sink = peers
    hand_in(w, ["a@peer.example", "b@peer.example"], "to")
    # TLS that is offered and does not work is no reason to keep a letter that nobody wants protected.
    how = r"TLSv1\.3 \w+, DANE-EE verified" if peer.tls else "clear text"
    w.wait_log(rf' relayed .*to=b@peer\.example .*how="{how}, mx\.peer\.example"')
    letter = sink.wait(1, 60)[0]
    assert sorted(r.split(">")[0] for x in sink.letters for r in x["rcpts"]) == ["RCPT TO:<a@peer.example", "RCPT TO:<b@peer.example"]
    assert letter["mail"].startswith("MAIL FROM:<Jones@foo.com>") and b"\r\nSubject: to\r\n" in letter["data"]
    for n, (name, text) in enumerate(TEXTS.items()):
        hand_in(w, "c@peer.example", name, text=text)
        w.wait_until(lambda: any(f"Subject: {name}".encode() in x["data"] for x in sink.letters), 60)
        got = next(x["data"] for x in sink.letters if f"Subject: {name}".encode() in x["data"])
        assert body(got) == body(text), (name, got[:2000])
    w.wait_until(lambda: not queue(w, "list"))


def test_from_a_peer(peers):
    w, peer, sink = peers
    with smtplib.SMTP("127.0.0.1", peer.port, timeout=60) as c:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if peer.tls:
            c.starttls(context=context)
        for name, text in TEXTS.items():
            c.sendmail("Smith@peer.example", ["Jones@foo.com", "Brown@foo.com"], text,
                       ["BODY=8BITMIME"] if name == "eight" and c.has_extn("8bitmime") else [])
    for who in ("Jones@foo.com", "Brown@foo.com"):
        w.wait_until(lambda: len(inbox(w, who)) == len(TEXTS), 60)
        for m in inbox(w, who):
            assert "with ESMTPS" in m["Received"], m["Received"]
            raw = m.as_bytes().replace(b"\r\n", b"\n")
            assert body(raw.replace(b"\n", b"\r\n")) == body(TEXTS[m["Subject"]]), m["Subject"]
    # A recipient that nobody has is refused to the peer, and it keeps no copy.
    with smtplib.SMTP("127.0.0.1", peer.port, timeout=60) as c:
        c.sendmail("Smith@peer.example", ["nobody@foo.com"], TEXTS["dots"])
    w.wait_log(r"to=nobody@foo\.com result=\"No such user here\"", 60)
