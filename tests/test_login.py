"""Logins: what is offered before one, what is said to whom, and how guessing ends."""
import base64
import os
import poplib
import re
import socket
import ssl
import threading
import time

import pytest

CHEAP = {"login.argon2_memory": "64k", "login.argon2_passes": "1"}
CLEAR = dict(CHEAP, **{"login.clear_text": "yes"})


def b64(*parts):
    return base64.b64encode(b"".join(parts)).decode()


class Line:
    """A client that says lines and hears lines."""

    def __init__(self, port, tls=False):
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        if tls:
            self.wrap()
        self.file = self.sock.makefile("rb")
        self.greeting = self.hear()

    def wrap(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def hear(self):
        return self.file.readline().decode().rstrip("\r\n")

    def put(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())

    def say(self, line):
        """One line out; what comes back up to the tagged, or the first, line."""
        self.put(line + "\r\n")
        return self.hear()

    def until(self, start):
        """Lines up to one that begins so."""
        got = []
        while not got or not got[-1].startswith(start):
            line = self.hear()
            assert line, got
            got.append(line)
        return got

    def rest(self):
        try:
            return self.file.read().decode()
        except ConnectionResetError:
            return ""

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture
def line():
    made = []

    def connect(w, service="imap", tls=False):
        w.wait_port(w.ports[service])
        made.append(Line(w.ports[service], tls))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def test_no_password_is_asked_in_clear(instance, line):
    w = instance(CHEAP)
    c = line(w)
    assert "LOGINDISABLED" in c.greeting and "AUTH=" not in c.greeting and "STARTTLS" in c.greeting
    assert c.say("a LOGIN Jones@foo.com secret").startswith("a NO [PRIVACYREQUIRED]")
    assert c.say("b AUTHENTICATE PLAIN").startswith("b NO [PRIVACYREQUIRED]")
    p = line(w, "pop3")
    p.put("CAPA\r\n")
    capa = p.until(".")
    assert "STLS" in capa and "USER" not in capa and not [x for x in capa if x.startswith("SASL")]
    assert p.say("USER Jones@foo.com").startswith("-ERR")
    assert p.say("AUTH PLAIN " + b64(b"\0Jones@foo.com\0secret")).startswith("-ERR")
    assert "login sid" not in w.log()


def test_starttls_offers_passwords(instance, line):
    w = instance(CHEAP)
    c = line(w)
    assert c.say("a STARTTLS").startswith("a OK")
    c.wrap()
    c.put("b CAPABILITY\r\n")
    capa = c.until("b ")[0]
    assert "AUTH=PLAIN" in capa and "STARTTLS" not in capa and "LOGINDISABLED" not in capa
    assert c.say("c STARTTLS").startswith("c BAD")
    p = line(w, "pop3")
    assert p.say("STLS").startswith("+OK")
    p.wrap()
    p.put("CAPA\r\n")
    capa = p.until(".")
    assert "USER" in capa and any(x.startswith("SASL ") and " PLAIN LOGIN" in x for x in capa) and "STLS" not in capa


@pytest.mark.parametrize("service,start", [("imap", "a STARTTLS\r\na2 NOOP\r\n"), ("pop3", "STLS\r\nCAPA\r\n")])
def test_nothing_may_follow_starttls(instance, line, service, start):
    w = instance(CHEAP)
    c = line(w, service)
    c.put(start)
    answer = c.rest()
    assert ("BAD" in answer or "-ERR" in answer) and "a2 OK" not in answer and "TOP" not in answer


def test_unknown_and_wrong_hear_the_same(instance, line):
    w = instance(CLEAR)
    heard = [line(w).say(f"a LOGIN {name} {password}") for name, password in (
        ("Jones@foo.com", "wrong"), ("Green@foo.com", "secret"), ("Jones@elsewhere.org", "secret"))]
    assert len(set(heard)) == 1 and heard[0].startswith("a NO [AUTHENTICATIONFAILED]")
    heard = [line(w, "pop3").say("AUTH PLAIN " + b64(b"\0", name, b"\0wrong")) for name in (b"Jones@foo.com", b"Green")]
    assert len(set(heard)) == 1 and heard[0].startswith("-ERR [AUTH]")


def processor_time(pid):
    """Seconds of it that a process has had, whatever else runs on the machine."""
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_time_does_not_tell_who_is_known(instance, line):
    """The same argon2id runs for both."""
    w = instance({"login.clear_text": "yes", "login.argon2_memory": "64m", "login.argon2_passes": "4"})
    (warden,) = w.pids("warden")
    took = {"Jones@foo.com": [], "Green@foo.com": []}
    for name in list(took) * 2:
        before = processor_time(warden)
        assert line(w).say(f"a LOGIN {name} wrong").startswith("a NO [AUTHENTICATIONFAILED]")
        took[name].append(processor_time(warden) - before)
    known, unknown = (min(t) for t in took.values())
    assert known > 0.05 and 0.4 < unknown / known < 2.5, took


def test_acting_for_another_is_refused(instance, line):
    w = instance(CLEAR)
    c = line(w)
    own = b64(b"jones@foo.com\0Jones@foo.com\0secret")
    other = b64(b"Brown@foo.com\0Jones@foo.com\0secret")
    assert c.say("a AUTHENTICATE PLAIN " + other).startswith("a NO [AUTHENTICATIONFAILED]")
    p = line(w, "pop3")
    assert p.say("AUTH PLAIN " + own).startswith("+OK")


def test_sasl_exchanges(instance, line):
    w = instance(dict(CLEAR, **{"login.errors": "100"}))
    c = line(w, "pop3")
    assert c.say("AUTH PLAIN") == "+ "
    assert c.say("*").startswith("-ERR")
    assert c.say("AUTH PLAIN =").startswith("-ERR")
    assert c.say("AUTH PLAIN not*base64").startswith("-ERR")
    assert c.say("AUTH NTLM").startswith("-ERR")
    assert c.say("AUTH PLAIN") == "+ "
    assert c.say("").startswith("-ERR")
    c.put("AUTH\r\n")
    assert c.until(".") == ["+OK", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "."]
    assert c.say("AUTH LOGIN") == "+ " + b64(b"Username:")
    assert c.say(b64(b"Jones@foo.com")) == "+ " + b64(b"Password:")
    assert c.say(b64(b"secret")).startswith("+OK 0 messages")
    i = line(w)
    assert i.say("a AUTHENTICATE PLAIN") == "+ "
    assert i.say("*").startswith("a BAD")
    assert i.say("b AUTHENTICATE PLAIN " + b64(b"x" * 40000)[:12000] + "=").startswith("b BAD")
    assert i.say("c AUTHENTICATE PLAIN") == "+ "
    assert i.say("A" * 20000).startswith("c BAD")
    assert i.rest().startswith("* BYE")


def test_errors_end_the_connection(instance, line):
    w = instance(dict(CLEAR, **{"login.errors": "3"}))
    c = line(w)
    c.put("a FOO\r\nb BAR\r\n\r\nd NOOP\r\n")
    assert c.rest().splitlines()[-1].startswith("* BYE")
    p = line(w, "pop3")
    p.put("FOO\r\nBAR\r\nSTAT\r\nCAPA\r\n")
    assert p.rest().count("-ERR") == 4
    endless = line(w)
    endless.put(b"a" * 200000 + b"\r\nb NOOP\r\n")
    assert endless.until("b ")[-1].startswith("b OK")
    assert "died" not in w.log()
    nul = line(w)
    assert nul.say("a NO\0OP").startswith("a BAD")
    assert nul.say("b NOOP").startswith("b OK")


def test_login_has_to_come_in_time(instance, line):
    w = instance(dict(CLEAR, **{"login.timeout": "1s"}))
    c, p, s = line(w), line(w, "pop3"), socket.create_connection(("127.0.0.1", w.ports["imaps"]))
    # Dripping does not help.
    heard, end = "", time.monotonic() + 60
    while not heard.startswith("* BYE"):
        assert time.monotonic() < end and (not heard or heard.startswith("a OK")), heard
        try:
            c.put("a NOOP\r\n")
        except OSError:     # the goodbye is still to be heard
            pass
        heard = c.hear()
        time.sleep(0.2)
    assert p.rest().startswith("-ERR")
    assert s.recv(10) == b""
    s.close()


def test_changed_password_ends_what_is_remembered(instance):
    w = instance(CLEAR)

    def login(password):
        p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=60)
        p.user("Jones@foo.com")
        try:
            p.pass_(password)
            return True
        except poplib.error_proto:
            return False
        finally:
            p.quit()

    w.wait_port(w.ports["pop3"])
    assert login("secret") and login("secret")
    w.run("account", "passwd", "Jones@foo.com", "--password-stdin", stdin="other")
    assert not login("secret")
    assert login("other")
    w.run("account", "remove", "Jones@foo.com", "--yes")
    assert not login("other")


def test_remembered_login_costs_no_argon2id(instance):
    """With an argon2id that takes its time, the second login must not."""
    w = instance({"login.clear_text": "yes", "login.argon2_memory": "64m", "login.argon2_passes": "6"})
    w.wait_port(w.ports["pop3"])
    (warden,) = w.pids("warden")
    took = []
    for _ in range(3):
        p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=60)
        p.user("Jones@foo.com")
        start = processor_time(warden)
        p.pass_("secret")
        took.append(processor_time(warden) - start)
        p.quit()
    assert min(took[1:]) < took[0] / 3, took


def test_guessing_ends_and_mail_goes_on(instance, line):
    """Many guess at once; letters are taken meanwhile, and then the address has to wait."""
    import smtplib
    w = instance({"login.clear_text": "yes", "login.argon2_memory": "32m", "login.argon2_passes": "2",
                  "login.failures": "5", "login.errors": "100"})
    heard = []

    def guess(n):
        c = Line(w.ports["imap"])
        for i in range(4):
            answer = c.say(f"a{i} LOGIN Jones@foo.com guess{n}.{i}")
            heard.append(answer)
            if "NO [LIMIT]" in answer or not answer:
                break
        c.close()

    w.wait_port(w.ports["imap"])
    threads = [threading.Thread(target=guess, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
        for i in range(5):
            assert c.sendmail("Smith@bar.com", ["Jones@foo.com"], f"Subject: {i}\r\n\r\nhi\r\n") == {}
    for t in threads:
        t.join()
    wrong = [h for h in heard if "[AUTHENTICATIONFAILED]" in h]
    slow = [h for h in heard if "[LIMIT]" in h]
    # Five, and what was in the works when the fifth came.
    assert 1 <= len(wrong) <= 5 + 8 and slow
    # Now even the right password has to wait.
    assert line(w).say("a LOGIN Jones@foo.com secret").startswith("a NO [LIMIT]")


def test_warden_killed_amid_logins(instance):
    w = instance(CLEAR)
    w.wait_port(w.ports["pop3"])
    import signal
    for i in range(3):
        os.kill(w.pids("warden")[0], signal.SIGKILL)
        p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=60)
        p.user("Jones@foo.com")
        assert p.pass_("secret").startswith(b"+OK")
        p.quit()


def test_id_and_logout(instance, line):
    w = instance(CHEAP)
    c = line(w)
    assert c.say('a ID ("name" "test")').startswith("* ID (")
    assert c.hear().startswith("a OK")
    c.put("b LOGOUT\r\n")
    assert c.rest().splitlines()[0].startswith("* BYE")
    p = line(w, "pop3")
    assert p.say("QUIT").startswith("+OK")
    assert p.rest() == ""


def test_stop_says_goodbye(instance, line):
    w = instance(CLEAR)
    c, p = line(w), line(w, "pop3")
    q = line(w, "pop3")
    q.say("USER Jones@foo.com")
    assert q.say("PASS secret").startswith("+OK")
    w.stop()
    assert c.rest().startswith("* BYE") and p.rest().startswith("-ERR") and q.rest().startswith("-ERR")
