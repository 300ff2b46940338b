"""Letters to and from the mail servers of others, with TLS: Postfix, Exim and
OpenSMTPD of Debian, each a throw-away instance on loopback.

Postfix is installed (.ci/packages-test) and runs beside the system's own from a
folder of its own.  Debian allows one such package at a time, so the other two
are unpacked, into PEERS (default: build/peers; .ci/run does it), and run in a mount
namespace of their own, where they find the users and folders that they want.
"""
import email
import os
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

import pytest

from certificates import Authority
from conftest import ROOT, free_ports
from test_send import QUICK, hand_in, inbox, queue, reports

PEERS = os.environ.get("PEERS", os.path.join(ROOT, "build/peers"))
OWNER = 5999
HARD = "From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
       "Content-Transfer-Encoding: 8bit\r\n\r\n.a dot\r\n..\r\n.\u00e4\r\n\r\n" + "x" * 900 + "\r\nFrom here\r\n" * 3000


class Peer:
    """One server: peer.example's boxes "green" and nobody else's; it relays the rest to ours."""

    def __init__(self, top, ours):
        self.dir, self.ours = str(top), ours
        os.chmod(self.dir, 0o755)
        self.port = free_ports(1)[0]
        self.mail = self.path("mail")
        os.mkdir(self.mail)
        os.chown(self.mail, OWNER, OWNER)
        pair = Authority(self.dir).make("mx.peer.example")
        self.certificate, self.key = pair.file, pair.key
        self.process = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def wait(self, true, what, limit=30):
        end = time.monotonic() + limit
        while not true():
            assert time.monotonic() < end, f"{what}: waited {limit} s in vain\n{self.log()}"
            time.sleep(0.05)

    def answers(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as c:
                return c.ehlo()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def log(self):
        found = []
        for name in ("log", "out", "log-mainlog", "log-paniclog"):
            if os.path.exists(self.path(name)):
                found.append(open(self.path(name), errors="replace").read()[-6000:])
        return "\n".join(found)

    def letters(self):
        found = []
        for top, _, names in os.walk(self.mail):
            if os.path.basename(top) == "new":
                for name in names:
                    with open(os.path.join(top, name), "rb") as f:
                        found.append(email.message_from_bytes(f.read()))
        return found

    def spawn(self, words):
        with open(self.path("out"), "w") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def stop(self):
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGTERM)
                self.process.wait(10)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)


class Postfix(Peer):
    MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = mx.peer.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = peer.example
virtual_mailbox_maps = inline:{{green@peer.example=green/}}
virtual_mailbox_base = {mail}
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
relay_domains = foo.com
transport_maps = inline:{{foo.com=smtp:[127.0.0.1]:{ours}}}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_received_header = yes
smtp_tls_security_level = encrypt
"""

    def start(self):
        for name in ("queue", "data"):
            os.mkdir(self.path(name))
        shutil.chown(self.path("data"), "postfix")
        self.write("etc/main.cf", self.MAIN.format(owner=OWNER, **vars(self)))
        rows = []
        for row in open("/usr/share/postfix/master.cf.dist"):
            words = row.split()
            if row.startswith("smtp ") and words[1] == "inet":
                row = f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
            elif row[0].isalpha() and len(words) > 4 and words[4] == "y":
                row = " ".join(words[:4] + ["n"] + words[5:]) + "\n"
            rows.append(row)
        if not any(row.startswith("postlog ") for row in rows):
            rows.append("postlog unix-dgram n - n - 1 postlogd\n")
        self.write("etc/master.cf", "".join(rows))
        p = subprocess.run(["postfix", "-c", self.path("etc"), "start"], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
        assert p.returncode == 0, p.stdout
        self.wait(self.answers, "Postfix")

    def stop(self):
        if os.path.exists(self.path("etc/master.cf")):
            subprocess.run(["postfix", "-c", self.path("etc"), "stop"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)


def missing(kind):
    return None if shutil.which("postfix") else "the package postfix is not there"


@pytest.fixture(params=[Postfix])
def peer(request, instance):
    """(ours, theirs), each knowing the way to the other."""
    why = missing(request.param)
    if why:
        assert "CI" not in os.environ, why
        pytest.skip(why)
    top = tempfile.mkdtemp(prefix="waxwing-peer-")
    w = instance(start=False)
    theirs = request.param(top, w.ports["smtp"])
    w.configure(**dict(QUICK, **{"relay.routes": f"peer.example = smtp://[127.0.0.1]:{theirs.port}"}))
    try:
        w.start()
        theirs.start()
        yield w, theirs
    finally:
        theirs.stop()
        shutil.rmtree(top, ignore_errors=True)


def received(letter):
    return " ".join(letter.get_all("Received")[0].split())


def test_both_ways(peer):
    w, theirs = peer
    # From us to them: dots, 8bit, a long line, more than one write.
    hand_in(w, "green@peer.example", "out", text=HARD.format(sender="Jones@foo.com", to="green@peer.example", subject="out").encode())
    theirs.wait(theirs.letters, "a letter from us")
    got = theirs.letters()[0]
    text = HARD.split("\r\n\r\n", 1)[1]
    assert got["Subject"] == "out"
    assert got.get_payload(decode=True).decode().replace("\r\n", "\n").rstrip("\n") == text.replace("\r\n", "\n").rstrip("\n")
    assert "ESMTPS" in received(got), got.get_all("Received")
    w.wait_until(lambda: not queue(w, "list"))
    # From them to us.
    with smtplib.SMTP("127.0.0.1", theirs.port, timeout=20) as c:
        c.sendmail("green@peer.example", ["Jones@foo.com"],
                   HARD.format(sender="green@peer.example", to="Jones@foo.com", subject="in").encode(), ["BODY=8BITMIME"])
    w.wait_until(lambda: inbox(w))
    got = inbox(w)[0]
    assert got["Subject"] == "in"
    assert got.get_payload(decode=True).decode().replace("\r\n", "\n").rstrip("\n") == text.replace("\r\n", "\n").rstrip("\n")
    assert "with ESMTPS" in received(got), got.get_all("Received")


def test_refused_there(peer):
    w, theirs = peer
    hand_in(w, "nobody@peer.example", "lost")
    w.wait_until(lambda: reports(w))
    fields = reports(w)[0].get_payload()[1].as_string()
    assert "nobody@peer.example" in fields and "5.1.1" in fields, fields
    assert not theirs.letters()
    w.wait_until(lambda: not queue(w, "list"))


def test_refused_here(peer):
    w, theirs = peer
    with smtplib.SMTP("127.0.0.1", theirs.port, timeout=20) as c:
        c.sendmail("green@peer.example", ["Nobody@foo.com"], "From: green@peer.example\r\nSubject: lost\r\n\r\nhello\r\n")
    theirs.wait(theirs.letters, "their own report")
    assert "Nobody@foo.com" in theirs.letters()[0].as_string()
