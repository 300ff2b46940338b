"""Letters that are handed in by naming them: URLAUTH over IMAP (RFC 4467), BURL at submission (RFC 4468)."""
import imaplib
import os
import re
import signal
import smtplib
import shutil
import tempfile

import pytest

from conftest import Instance
from test_submission import letter, mailbox, trusting

ME = "Jones@foo.com"
HOST = "mx.foo.com"

for verb in ("GENURLAUTH", "URLFETCH", "RESETKEY"):
    imaplib.Commands[verb] = ("AUTH", "SELECTED")


@pytest.fixture(scope="module")
def server():
    """One server for all that does not restart it; two doors, so that a session of each may be in either."""
    top = tempfile.mkdtemp(prefix="waxwing-test-")
    os.chmod(top, 0o711)
    w = Instance(os.path.join(top, "w"), {"host.name": HOST, "host.doors": "2", "login.clear_text": "yes",
                                          "smtp.message_size": "200k", "store.linger": "200ms"})
    for one in (ME, "Brown@foo.com", "Smith@bar.com"):
        w.account(one)
    w.start()
    yield w
    w.stop()
    shutil.rmtree(top, ignore_errors=True)


class Reader:
    """An IMAP session that makes URLs."""

    def __init__(self, w, who=ME, password="secret"):
        self.c = imaplib.IMAP4("127.0.0.1", w.ports["imap"])
        self.c.starttls(trusting())
        self.c.login(who, password)
        self.who = who

    def append(self, text, mailbox="Drafts"):
        said = self.c.append(mailbox, "", None, text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))[1][0]
        validity, uid = re.search(rb"APPENDUID (\d+) (\d+)", said).groups()
        return f"imap://{self.who.replace('@', '%40')}@{HOST}/{mailbox};UIDVALIDITY={validity.decode()}/;UID={uid.decode()}"

    def url(self, rump, access=None):
        rump += f";URLAUTH={access or 'submit+' + self.who.replace('@', '%40')}"
        self.c._simple_command("GENURLAUTH", f'"{rump}"', "INTERNAL")
        return self.c.response("GENURLAUTH")[1][0].decode().strip('"')

    def fetch(self, url):
        kind, _ = self.c._simple_command("URLFETCH", f'"{url}"')
        assert kind == "OK"
        return self.c.response("URLFETCH")[1][0]

    def reset(self, *args):
        assert self.c._simple_command("RESETKEY", *args)[0] == "OK"


def reader(w, *args):
    return Reader(w, *args)


def begin(w, who=ME, password="secret", to="Brown@foo.com", mail=()):
    c = smtplib.SMTP("127.0.0.1", w.ports["submission"], "client.example", timeout=60)
    c.starttls(context=trusting())
    c.ehlo()
    assert c.esmtp_features["burl"] == ""
    c.login(who, password)
    c.ehlo()
    assert c.esmtp_features["burl"] == "imap"
    assert c.mail(who, mail)[0] == 250
    if to:
        assert c.rcpt(to)[0] == 250
    return c


def burl(c, url, last=True):
    code, said = c.docmd("BURL", url + (" LAST" if last else ""))
    return code, said.decode()


def refused(w, url, code, who=ME, **more):
    """So, and nothing of the transaction is left."""
    with begin(w, who, **more) as c:
        got = burl(c, url)
        assert (got[0], got[1].split()[0]) == code, got
        c.send(b"BDAT 3 LAST\r\nabc")
        assert c.getreply()[0] == 503
    return got[1]


def got(w, n, who="Brown@foo.com"):
    w.wait_until(lambda: len(mailbox(w, who)) >= n)
    return mailbox(w, who)[n - 1][1]


def count(w, who="Brown@foo.com"):
    return len(mailbox(w, who))


def test_a_letter_is_named_and_goes_out(server):
    r = reader(server)
    url = r.url(r.append(letter(body="The text.\n")))
    before = count(server)
    with begin(server) as c:
        assert burl(c, url)[0] == 250
    text = got(server, before + 1)
    assert b"\r\n\r\nThe text.\r\n" in text and b"with ESMTPSA" in text
    # It is one-way: the person himself does not read by it.
    assert r.fetch(url) == f'"{url}" NIL'.encode()
    # And it can be used again, for as long as its key is there.
    with begin(server) as c:
        assert burl(c, url)[0] == 250
    got(server, before + 2)


def test_pieces_and_chunks_are_mixed(server):
    r = reader(server)
    rump = r.append("Subject: old\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n"
                    "--b\nContent-Type: text/plain\n\nsecond\n--b--\n")
    one, two = r.url(rump + "/;SECTION=1"), r.url(rump + "/;SECTION=2")
    head = letter(body="").replace("\n", "\r\n").encode()
    before = count(server)
    with begin(server) as c:
        c.send(b"BDAT %d\r\n%b" % (len(head), head))
        assert c.getreply()[0] == 250
        assert burl(c, one, last=False) == (250, "2.5.0 Waiting for additional BURL or BDAT commands")
        c.send(b"BDAT 3\r\n, \r")
        assert c.getreply()[0] == 250
        c.send(b"BDAT 1\r\n\n")
        assert c.getreply()[0] == 250
        assert c.docmd("DATA")[0] == 503
        assert c.rcpt("Smith@bar.com")[0] == 503
        assert burl(c, two)[0] == 250
    assert got(server, before + 1).endswith(b"\r\n\r\nfirst, \r\nsecond")
    with begin(server) as c:
        assert burl(c, r.url(r.append(letter(body="a\n"))), last=False)[0] == 250
        assert c.docmd("BDAT 0 LAST")[0] == 250
    assert got(server, before + 2).endswith(b"\r\n\r\na\r\n")


def test_what_is_no_good_for_him_is_refused(server):
    r, other = reader(server), reader(server, "Smith@bar.com")
    rump = r.append(letter())
    good = r.url(rump)
    me, him = ME.replace("@", "%40"), "Smith%40bar.com"
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    # Somebody else with a URL of mine; a URL of mine for him; his own letters under my name.
    refused(server, good, (554, "5.7.0"), who="Smith@bar.com")
    refused(server, r.url(rump, "submit+" + him), (554, "5.7.0"))
    refused(server, r.url(rump, "submit+" + him), (554, "5.7.0"), who="Smith@bar.com")
    refused(server, other.url(other.append(letter("Smith@bar.com"))).replace(him, me), (554, "5.7.0"))
    # Altered: the token, the letter, the part, the mailbox.
    refused(server, wrong, (554, "5.7.0"))
    refused(server, re.sub(r"/;UID=(\d+)", lambda m: f"/;UID={int(m[1]) + 1}", good), (554, "5.7.0"))
    refused(server, good.replace(";URLAUTH", "/;SECTION=HEADER;URLAUTH"), (554, "5.7.0"))
    refused(server, good.replace("/Drafts;", "/INBOX;"), (554, "5.7.0"))
    refused(server, good.replace("/Drafts;", "/Nowhere;"), (554, "5.7.0"))
    # No token, for others, elsewhere, no IMAP at all.
    refused(server, rump, (554, "5.7.14"))
    refused(server, good.rsplit(":", 2)[0], (554, "5.7.14"))
    refused(server, r.url(rump, "anonymous"), (554, "5.7.14"))
    refused(server, r.url(rump, "authuser"), (554, "5.7.14"))
    refused(server, r.url(rump, "user+" + me), (554, "5.7.14"))
    refused(server, good.replace(HOST, "mx.example.net"), (554, "5.7.14"))
    refused(server, "http://127.0.0.1/", (554, "5.7.14"))
    refused(server, "imap://nonsense;;", (554, "5.6.6"))
    # Another door of IMAP than ours.
    refused(server, good.replace(HOST, HOST + ":9"), (554, "5.7.0"))
    # Its time is over; what it names is gone.
    refused(server, r.url(rump + ";EXPIRE=2001-01-01T00:00:00Z"), (554, "5.7.0"))
    refused(server, r.url(rump + "/;SECTION=9"), (554, "5.6.6"))
    # The key is another one now.
    r.reset("Drafts")
    refused(server, good, (554, "5.7.0"))


def test_what_lies_in_another_account_is_not_read(server):
    """By IMAP too: whatever the URL allows, a room has no letters but its own."""
    r, other = reader(server), reader(server, "Smith@bar.com")
    rump = r.append(letter())
    for access in ("anonymous", "authuser", "user+Smith%40bar.com"):
        url = r.url(rump, access)
        assert other.fetch(url) == f'"{url}" NIL'.encode()
        assert other.fetch(url.replace("Jones%40foo.com", "Smith%40bar.com")).endswith(b" NIL")


def test_a_password_for_smtp_alone_hands_in_what_was_named(server):
    """It opens no IMAP session; the token was made in one."""
    password = server.run("account", "app", "add", ME, "Scanner", "--scope", "smtp").stdout.strip()
    r = reader(server)
    url = r.url(r.append(letter()))
    before = count(server)
    with begin(server, password=password) as c:
        assert burl(c, url)[0] == 250
    got(server, before + 1)
    with pytest.raises(imaplib.IMAP4.error):
        reader(server, ME, password)
    # Taken away meanwhile, it opens nothing any more.
    with begin(server, password=password) as c:
        server.run("account", "app", "remove", ME, "Scanner")
        assert burl(c, url)[1].startswith("5.6.6 ")


def test_the_order_of_commands(server):
    r = reader(server)
    url = r.url(r.append(letter()))
    with begin(server, to=None) as c:
        assert burl(c, url) == (554, "5.5.0 No recipients have been specified")
        c.rset()
        assert burl(c, url)[0] == 503
        for bad in ("", url + " last more", url + "  LAST"):
            c.docmd(f"MAIL FROM:<{ME}>")
            c.docmd("RCPT TO:<Brown@foo.com>")
            code, said = c.docmd("BURL " + bad)
            assert (code, said.split()[0]) == (501, b"5.5.4"), bad
    with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as c:
        c.starttls(context=trusting())
        c.ehlo()
        assert c.docmd("BURL", url)[0] == 530
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as c:
        c.ehlo()
        assert "burl" not in c.esmtp_features
        c.mail("a@example.net")
        c.rcpt("Brown@foo.com")
        assert c.docmd("BURL", url + " LAST")[0] == 502


def test_sizes_count_together(server):
    r = reader(server)
    big = letter(body="x" * 70 + "\n")
    big += ("y" * 70 + "\n") * 1700		# 122 kB of 204.8
    url = r.url(r.append(big))
    before = count(server)
    with begin(server) as c:
        assert burl(c, url)[0] == 250
    assert len(got(server, before + 1)) > 122000
    with begin(server) as c:
        assert burl(c, url, last=False)[0] == 250
        assert burl(c, url) == (554, "5.3.4 Message too big for system")
        # The text before it is gone too.
        assert c.docmd("BDAT 0 LAST")[0] == 503
    with begin(server) as c:
        assert burl(c, url, last=False)[0] == 250
        c.send(b"BDAT 100000 LAST\r\n" + b"z" * 100000)
        assert c.getreply()[0] == 552


def test_binary_needs_its_name(server):
    r = reader(server)
    url = r.url(r.append(letter(body="a\0b\n")))
    with begin(server) as c:
        code, said = burl(c, url)
        assert (code, said.split()[0]) == (554, "5.6.3")
    before = count(server)
    with begin(server, mail=("BODY=BINARYMIME",)) as c:
        assert burl(c, url)[0] == 250
    assert b"a\0b" in got(server, before + 1)
    # 8 bits go as they are to who takes them, and are converted for who does not.
    with begin(server) as c:
        assert burl(c, r.url(r.append(letter(body="gr\u00fcn\n"))))[0] == 250
    assert "gr\u00fcn".encode() in got(server, before + 2)


def test_the_policy_of_submission_holds(server):
    """As for any letter: whose From: it is, what is added and removed."""
    r = reader(server)
    assert "From: has" in refused(server, r.url(r.append(letter("Smith@bar.com"))), (550, "5.7.1"))
    before = count(server)
    with begin(server) as c:
        assert burl(c, r.url(r.append("Subject: x\nBcc: secret@example.net\n\nbody\n")))[0] == 250
    text = got(server, before + 1)
    assert b"Bcc" not in text and b"From: " + ME.encode() in text and b"Message-ID:" in text


def test_tokens_are_in_no_log(server):
    r = reader(server)
    url = r.url(r.append(letter()))
    server.configure(**{"log.dialog": "yes"})
    server.process.send_signal(signal.SIGHUP)
    server.wait_log(r" reload")
    with begin(server) as c:
        assert burl(c, url)[0] == 250
    server.wait_log(r' burl .*result=ok')
    assert "line=\"BURL imap" in server.log() and url.rsplit(":", 1)[1] not in server.log()


def test_rooms_come_and_go_meanwhile(server):
    """Killed, or gone to rest: the next one answers."""
    r = reader(server)
    url = r.url(r.append(letter(body="x\n" * 60000)))
    r.c.logout()
    before = count(server)
    for i in range(6):
        with begin(server) as c:
            for pid in server.pids("room") if i % 2 else []:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            assert burl(c, url)[0] == 250
    assert len(got(server, before + 6)) > 120000


def test_it_can_be_left_out(instance):
    w = instance({"host.name": HOST, "submission.burl": "no"}, accounts=(ME,))
    with smtplib.SMTP("127.0.0.1", w.ports["submission"]) as c:
        c.starttls(context=trusting())
        c.ehlo()
        c.login(ME, "secret")
        c.ehlo()
        assert "burl" not in c.esmtp_features
        assert c.docmd("BURL", "imap://x LAST")[0] == 502
