"""Letters to and from the mail servers of others, with TLS: Postfix, Exim and
OpenSMTPD of Debian, each a throw-away instance on loopback.

Postfix is installed (.ci/packages-test) and runs beside the system's own from a
folder of its own.  Debian allows one such package at a time, so the other two
are unpacked, into PEERS (default: build/peers; .ci/peers does it), and run in a mount
namespace of their own, where they find the users and folders that they want.
"""
import email
import os
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

import pytest

from certificates import openssl
from conftest import ROOT, free_ports
from test_send import QUICK, hand_in, inbox, queue, reports

PEERS = os.environ.get("PEERS", os.path.join(ROOT, "build/peers"))
OWNER = 5999
HARD = "From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
       "Content-Transfer-Encoding: 8bit\r\n\r\n.a dot\r\n..\r\n.\u00e4\r\n\r\n" + "x" * 900 + "\r\nFrom here\r\n" * 3000


class Peer:
    """One server: peer.example's boxes "green" and nobody else's; it relays the rest to ours."""

    HOW = "TLSv1.3"     # a letter of ours gets there

    def __init__(self, top, ours):
        self.dir, self.ours = str(top), ours
        os.chmod(self.dir, 0o755)
        self.port = free_ports(1)[0]
        self.mail = self.path("mail")
        os.mkdir(self.mail)
        os.chown(self.mail, OWNER, OWNER)
        self.certificate, self.key = self.path("cert.pem"), self.path("cert.key")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=mx.peer.example",
                "-keyout", self.key, "-out", self.certificate)
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


class Unpacked(Peer):
    """In a mount and process namespace of its own, with users and folders as its package makes them."""
    PASSWD = "Debian-exim:x:5996:5996::/:/usr/sbin/nologin\nopensmtpd:x:5997:5997::/:/usr/sbin/nologin\n" \
             "opensmtpq:x:5998:5998::/:/usr/sbin/nologin\npeer:x:5999:5999::/:/usr/sbin/nologin\n"
    GROUP = "Debian-exim:x:5996:\nopensmtpd:x:5997:\nopensmtpq:x:5998:\npeer:x:5999:\n"

    def bind(self, own):
        """Runs in the namespace: {folder of ours: folder of the system's that it hides}."""
        return "".join(f"mount --bind '{self.path(mine)}' '{theirs}' && " for mine, theirs in own.items())

    def etc(self):
        subprocess.run(["cp", "-a", "/etc", self.path("etc")], check=True)
        for name, rows in (("passwd", self.PASSWD), ("group", self.GROUP)):
            with open(self.path("etc", name), "a") as f:
                f.write(rows)

    def spawn_in(self, own, words):
        self.spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                    self.bind(own) + 'exec "$@"', "sh", *words])


class Exim(Unpacked):
    PROGRAM = os.path.join(PEERS, "exim/usr/sbin/exim4")
    MAIN = """\
exim_path = {program}
primary_hostname = mx.peer.example
spool_directory = {dir}/spool
log_file_path = {dir}/log-%slog
pid_file_path = {dir}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
disable_ipv6 = true
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
accept_8bitmime = true
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
begin acl
check_rcpt:
  accept domains = peer.example
    verify = recipient
  accept domains = foo.com
  deny message = relay not permitted
begin routers
relay:
  driver = manualroute
  domains = foo.com
  transport = out
  route_list = * 127.0.0.1
  self = send
  no_more
boxes:
  driver = accept
  domains = peer.example
  local_parts = green
  transport = maildir
begin transports
out:
  driver = smtp
  port = {ours}
  allow_localhost
  hosts_require_tls = *
maildir:
  driver = appendfile
  directory = {mail}/green
  maildir_format
  user = peer
begin retry
*  *  F,2h,15m
"""

    def start(self):
        self.etc()
        os.mkdir(self.path("spool"))
        for path in (self.dir, self.path("spool")):
            os.chown(path, 5996, 5996)
        os.chown(self.key, 5996, 5996)
        config = self.write("exim.conf", self.MAIN.format(program=self.PROGRAM, **vars(self)))
        self.write("etc/exim4/trusted_configs", config + "\n")
        self.spawn_in({"etc": "/etc"}, [self.PROGRAM, "-C", config, "-bdf", "-q30m"])
        self.wait(self.answers, "Exim")


class OpenSmtpd(Unpacked):
    PROGRAM = os.path.join(PEERS, "opensmtpd/usr/sbin/smtpd")
    # Debian's 6.8.0p2 offers STARTTLS and then fails at each handshake ("EVP lib": the
    # process that holds its key cannot sign with OpenSSL 3).  Nothing demands TLS
    # of it, so the letter goes without.  As a client it has no such trouble.
    HOW = "clear text"
    MAIN = """\
pki mx.peer.example cert "{certificate}"
pki mx.peer.example key "{key}"
table boxes {{ "green@peer.example" = "peer" }}
listen on 127.0.0.1 port {port} tls pki mx.peer.example hostname mx.peer.example
action "deliver" maildir "{mail}/%{{dest.user}}" virtual <boxes>
action "out" relay host smtp+tls://127.0.0.1:{ours} tls no-verify
match from any for domain "peer.example" action "deliver"
match from any for domain "foo.com" action "out"
"""

    def start(self):
        self.etc()
        # It asks DNS for the name of 127.0.0.1 before it reads /etc/hosts.
        self.write("etc/resolv.conf.own", "lookup file\n")
        os.replace(self.path("etc/resolv.conf.own"), self.path("etc/resolv.conf"))
        os.makedirs(self.path("lib/opensmtpd/empty"))
        for name in ("queue", "corrupt", "incoming", "offline", "purge", "temporary"):
            os.makedirs(self.path("spool/smtpd", name))
            os.chown(self.path("spool/smtpd", name), 0 if name == "offline" else 5998, 5998 if name == "offline" else 0)
            os.chmod(self.path("spool/smtpd", name), 0o770 if name == "offline" else 0o700)
        os.chmod(self.path("spool/smtpd"), 0o711)
        config = self.write("smtpd.conf", self.MAIN.format(**vars(self)))
        os.symlink(os.path.join(PEERS, "opensmtpd/usr/libexec"), self.path("libexec"))
        self.spawn_in({"etc": "/etc", "spool": "/var/spool", "lib": "/var/lib", "libexec": "/usr/libexec"},
                      [self.PROGRAM, "-d", "-f", config])
        self.wait(self.answers, "OpenSMTPD")


def missing(kind):
    if kind is Postfix:
        return None if shutil.which("postfix") else "the package postfix is not there"
    return None if os.path.exists(kind.PROGRAM) else f"{kind.PROGRAM} is not there: .ci/peers unpacks it"


@pytest.fixture(params=[Postfix, Exim, OpenSmtpd])
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
    how = re.search(r" relayed .* how=\"(.*?)\"", w.log())
    assert how and how[1].startswith(theirs.HOW), (w.log()[-3000:], got.get_all("Received"), theirs.log())
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
    assert "nobody@peer.example" in fields and re.search(r"^Status: 5\.", fields, re.M), fields
    assert not theirs.letters()
    w.wait_until(lambda: not queue(w, "list"))


def test_refused_here(peer):
    w, theirs = peer
    with smtplib.SMTP("127.0.0.1", theirs.port, timeout=20) as c:
        c.sendmail("green@peer.example", ["Nobody@foo.com"], "From: green@peer.example\r\nSubject: lost\r\n\r\nhello\r\n")
    theirs.wait(theirs.letters, "their own report")
    assert "Nobody@foo.com" in theirs.letters()[0].as_string()
