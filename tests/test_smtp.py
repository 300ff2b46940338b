"""SMTP from outside: framing attacks, limits, real clients."""
import os
import re
import resource
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

import conftest


def read_reply(s):
    got = b""
    while not got.endswith(b"\r\n") or got.splitlines()[-1][3:4] == b"-":
        more = s.recv(65536)
        if not more:
            return got
        got += more
    return got


class Client:
    """Bytes as they are."""

    def __init__(self, w, service="smtp", hello=b"EHLO c.example\r\n"):
        w.wait_port(w.ports[service])
        self.s = socket.create_connection(("127.0.0.1", w.ports[service]), 60)
        self.greeting = read_reply(self.s)
        if hello:
            assert self.say(hello).startswith(b"250")

    def say(self, data):
        self.s.sendall(data)
        return read_reply(self.s)

    def envelope(self, to=b"Jones@foo.com"):
        assert self.say(b"MAIL FROM:<Smith@bar.com>\r\n").startswith(b"250")
        assert self.say(b"RCPT TO:<" + to + b">\r\n").startswith(b"250")

    def begin(self):
        self.envelope()
        assert self.say(b"DATA\r\n").startswith(b"354")


# CVE-2023-51764, -51765, -51766 and their kin: what another server may take for the end of the text.
FALSE_ENDS = [a + b"." + b for a in (b"\n", b"\r", b"\r\n", b"\r\r", b"\n\n", b"\r\n\0", b"\0\r\n", b"\r\0\n", b"\x85", b"\xc2\x85")
              for b in (b"\n", b"\r", b"\r\n", b"\0\r\n", b"\r\0\n", b"\r\r\n", b"\n\r", b"\x85")
              if (a, b) not in ((b"\r\n", b"\r\n"), (b"\0\r\n", b"\r\n"), (b"\r\n", b"\r\n"))]


def test_nothing_but_crlf_dot_crlf_ends_the_text(instance):
    w = instance({"smtp.letters": "1000", "smtp.errors": "1000"})
    c = Client(w)
    for end in FALSE_ENDS:
        c.begin()
        c.s.sendall(b"Subject: x\r\n\r\ntext" + end + b"MAIL FROM:<evil@bar.com>\r\nRCPT TO:<Brown@foo.com>\r\nDATA\r\nSubject: smuggled\r\n")
        answer = c.say(b"\r\n.\r\n")
        assert answer.count(b"\r\n") == 1, (end, answer)
        alone = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", end + b"M")
        assert answer.startswith(b"554 5.6.0" if alone else b"250 2.0.0"), (end, answer)
        assert c.say(b"NOOP\r\n") == b"250 2.0.0 OK\r\n", end
    assert "to=Brown" not in w.log()


def test_the_end_is_found_at_every_cut(instance):
    """The last bytes arrive in every possible pair of pieces, and one by one."""
    w = instance()
    c = Client(w)
    text = b"a\r\n..b\r\n.\r\nNOOP\r\n"
    for cut in range(1, len(text)):
        c.begin()
        c.s.sendall(text[:cut])
        time.sleep(0.002)
        c.s.sendall(text[cut:])
        got = read_reply(c.s)
        while got.count(b"\r\n") < 2:
            got += read_reply(c.s)
        assert re.fullmatch(rb"250 2.0.0 OK id=\S+\r\n250 2.0.0 OK\r\n", got), (cut, got)


@pytest.mark.parametrize("between,code", [(b"VRFY Jones\r\n", b"252"), (b"NOOP\r\n", b"250"), (b"HELP\r\n", b"214"), (b"EXPN x\r\n", b"502"),
                                          (b"FOO\r\n", b"500"), (b"MAIL FROM:<x@y.z>\r\n", b"503"), (b"RCPT TO:<>\r\n", b"501"),
                                          (b"STARTTLS now\r\n", b"501"), (b"EHLO !\r\n", b"501"), (b"RSET x\r\n", b"501")])
def test_what_leaves_a_transaction_whole(instance, between, code):
    w = instance()
    c = Client(w)
    c.envelope()
    assert c.say(between).startswith(code)
    assert c.say(b"DATA\r\n").startswith(b"354")
    assert c.say(b"x\r\n.\r\n").startswith(b"250")
    w.wait_log("delivered .*to=Jones@foo.com")


@pytest.mark.parametrize("between", [b"RSET\r\n", b"EHLO again.example\r\n", b"HELO again.example\r\n"])
def test_what_ends_a_transaction(instance, between):
    w = instance()
    c = Client(w)
    c.envelope()
    assert c.say(between).startswith(b"250")
    assert c.say(b"RCPT TO:<Brown@foo.com>\r\n").startswith(b"503")
    assert c.say(b"DATA\r\n").startswith(b"503")
    c.envelope(b"Brown@foo.com")
    assert c.say(b"DATA\r\n").startswith(b"354")
    assert c.say(b"x\r\n.\r\n").startswith(b"250")
    w.wait_log("delivered .*to=Brown@foo.com")
    assert "delivered" in w.log() and not re.search("delivered .*to=Jones", w.log())


def test_failed_starttls_in_mid_transaction_is_the_end(instance):
    w = instance()
    c = Client(w)
    c.envelope()
    assert c.say(b"STARTTLS\r\n").startswith(b"220")
    c.s.sendall(b"DATA\r\nx\r\n.\r\n")
    try:
        while c.s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    w.wait_log("disconnect")
    assert "accepted" not in w.log()


def test_endless_line(instance):
    w = instance({"smtp.errors": "3"})
    c = Client(w)
    sent = 0
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while sent < 64 << 20:
            c.s.sendall(b"A" * 65536)
            sent += 65536
    assert sent < 8 << 20
    # One such line, and then life goes on.
    c = Client(w)
    assert c.say(b"B" * 5000 + b"\r\n").startswith(b"500 5.5.2")


def test_hundred_thousand_recipients(instance):
    w = instance({"smtp.recipients": "100", "smtp.errors": "1000", "smtp.idle_commands": "1000"})
    c = Client(w)
    assert c.say(b"MAIL FROM:<Smith@bar.com>\r\n").startswith(b"250")
    seen = {b"250": 0, b"452": 0, b"421": 0}

    def pump():
        try:
            for _ in range(100):
                c.s.sendall(b"RCPT TO:<Jones@foo.com>\r\n" * 1000)
        except OSError:
            pass

    t = threading.Thread(target=pump)
    t.start()
    got = b""
    try:
        while more := c.s.recv(1 << 20):
            got += more
    except ConnectionResetError:
        pass
    t.join()
    for line in got.splitlines():
        seen[line[:3]] += 1
    assert seen[b"250"] == 100 and seen[b"452"] == 1001 and seen[b"421"] <= 1
    Client(w)


def test_an_envelope_too_large_is_refused_at_rcpt(instance):
    """Never after the text: the client keeps the rest for another transaction."""
    w = instance({"smtp.recipients": "10000", "smtp.errors": "1000"})
    c = Client(w)
    assert c.say(b"MAIL FROM:<Smith@bar.com>\r\n").startswith(b"250")
    n = 0
    while (answer := c.say(b"RCPT TO:<Jones@foo.com>\r\n")).startswith(b"250"):
        n += 1
    assert answer.startswith(b"452 4.5.3") and n >= 800
    assert c.say(b"DATA\r\n").startswith(b"354")
    assert c.say(b"x\r\n.\r\n").startswith(b"250")


def test_a_letter_that_goes_in_circles(instance):
    w = instance({"smtp.hops": "10"})
    head = b"Received: from a by b; x\r\n\tfolded\r\n"
    pad = b"X-Pad: " + b"y" * 900 + b"\r\n"
    for n, size, code in ((10, 0, b"250"), (11, 0, b"554 5.4.6"), (10, 100, b"250"), (11, 100, b"554 5.4.6")):
        c = Client(w)
        c.begin()
        # In a memory file too, and spread over it; those in the body do not count.
        answer = c.say((pad * size).join([b""] + [head] * n) + b"\r\n" + head * 20 + b".\r\n")
        assert answer.startswith(code), (n, size, answer)


def test_too_large_and_no_memory(instance):
    w = instance({"smtp.message_size": "64k", "limits.memory_letters": "1m"})
    c = Client(w)
    c.begin()
    assert c.say(b"x" * 70000 + b"\r\n.\r\n").startswith(b"552 5.3.4")
    c.begin()
    assert c.say(b"x" * 60000 + b"\r\n.\r\n").startswith(b"250")
    # Many that are half-way fill the door's memory for letters: 452, and it recovers.
    half = []
    for _ in range(20):
        one = Client(w)
        one.begin()
        one.s.sendall(b"y" * 60000)
        half.append(one)
    answers = [one.say(b"\r\n.\r\n")[:9] for one in half]
    # One door or several: some were kept, none was lost silently.
    assert set(answers) <= {b"250 2.0.0", b"452 4.3.1"}
    del half
    c.begin()
    assert c.say(b"z\r\n.\r\n").startswith(b"250")


def test_dripping_text_has_an_end(instance):
    w = instance({"smtp.data_timeout": "1s", "smtp.data_total": "2s", "smtp.timeout": "60s"})
    c = Client(w)
    c.begin()
    began = time.monotonic()
    assert read_reply(c.s).startswith(b"421 4.4.2")
    assert time.monotonic() - began < 10
    c = Client(w)
    c.begin()
    began = time.monotonic()
    with pytest.raises((BrokenPipeError, ConnectionResetError, AssertionError)):
        while time.monotonic() - began < 15:
            c.s.sendall(b"x")
            time.sleep(0.1)
            c.s.setblocking(False)
            try:
                assert not c.s.recv(1000)
            except BlockingIOError:
                pass
            c.s.setblocking(True)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("setting,count", [("limits.connections_per_address", 3), ("limits.connections_per_network", 5)])
def test_connections_from_one_place(instance, setting, count):
    w = instance({setting: str(count), "limits.count_loopback": "yes", "host.doors": "1"})
    # The harness's own connection must be gone first.
    w.wait_log("disconnect")
    open_ones = []
    for i in range(count - 1):
        open_ones.append(Client(w, hello=None))
        # Each made and closed one more, to see that the server is there.
        w.wait_until(lambda: w.log().count(" disconnect ") > i + 1)
    with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as s:
        last = read_reply(s)
    refused = [last]
    hold = []
    for _ in range(4):
        s = socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60)
        refused.append(read_reply(s))
        hold.append(s)
    assert refused[-1] == b"421 4.7.0 Too many connections from your network\r\n"
    assert [c.greeting[:3] for c in open_ones] == [b"220"] * (count - 1)
    for c in open_ones:
        c.s.close()
    for s in hold:
        s.close()
    end = time.monotonic() + 60
    while True:
        with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as s:
            if read_reply(s).startswith(b"220"):
                break
        assert time.monotonic() < end
        time.sleep(0.05)


def letters(w, account=1):
    """What lies in the spool and in the mailbox, as bytes."""
    got = b""
    for top in ("mail", "spool"):
        for base, _, names in os.walk(os.path.join(w.dir, top)):
            for n in names:
                got += open(os.path.join(base, n), "rb").read()
    return got


def test_trace_field(instance):
    w = instance({"host.name": "mx.foo.com", "smtp.hide_client": "no"})
    c = Client(w, hello=b"HELO plain.example\r\n")
    c.begin()
    assert c.say(b"X-N: 1\r\n\r\n.\r\n").startswith(b"250")
    c = Client(w)
    assert c.say(b"MAIL FROM:<Smith@bar.com> SMTPUTF8\r\n").startswith(b"250")
    assert c.say(b"RCPT TO:<Jones@foo.com>\r\nRCPT TO:<Brown@foo.com>\r\n").startswith(b"250")
    with smtplib.SMTP("localhost", w.ports["smtp"]) as s:
        s.starttls(context=ssl._create_unverified_context())
        s.sendmail("Smith@bar.com", ["Jones@foo.com"], "X-N: 3\r\n\r\n")
    w.wait_port(w.ports["submissions"])
    with smtplib.SMTP_SSL("localhost", w.ports["submissions"], context=ssl._create_unverified_context()) as s:
        s.login("Jones@foo.com", "secret")
        s.sendmail("Jones@foo.com", ["Jones@foo.com"], "X-N: 4\r\n\r\n", mail_options=["SMTPUTF8"])
    w.wait_log(r"(?s)(delivered .*){3}")
    all_of_it = letters(w).decode("latin-1")
    for n, start, proto, tls in ((1, r"from plain\.example", "SMTP", False), (3, "from", "ESMTPS", True), (4, "from", "UTF8SMTPSA", True)):
        clause = r"\r\n\ttls TLS_AES_256_GCM_SHA384 \(TLSv1\.3\)" if tls else ""
        assert re.search(r"Received: " + start + r"[^\r\n]* \(\[127\.0\.0\.1\]\)\r\n\tby mx\.foo\.com with " + proto + r" id [0-9a-f]+\.1" + clause +
                         r"\r\n\tfor <Jones@foo\.com>;\r\n\t\w\w\w, \d+ \w\w\w \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n((Message-ID|Date|From):[^\n]*\n)*X-N: " + str(n), all_of_it), n


# ---- real clients ----

def swaks(w, *args, port="smtp", ok=True):
    w.wait_port(w.ports[port])
    p = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(w.ports[port]), "--to", "Jones@foo.com", "--from", "Smith@bar.com",
                        "--helo", "swaks.example", *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert (p.returncode == 0) == ok, p.stdout + p.stderr
    return p.stdout


def test_swaks(instance):
    w = instance()
    swaks(w)
    swaks(w, "--tls")
    swaks(w, "--pipeline")
    swaks(w, "--tls", "--pipeline", "--body", "x" * 100000)
    swaks(w, "--tls-on-connect", "--auth", "PLAIN", "--auth-user", "Jones@foo.com", "--auth-password", "secret", "--from", "Jones@foo.com", port="submissions")
    swaks(w, "--tls", "--auth", "LOGIN", "--auth-user", "Jones@foo.com", "--auth-password", "secret", "--from", "Jones@foo.com", port="submission")
    assert "535" in swaks(w, "--tls", "--auth", "LOGIN", "--auth-user", "Jones@foo.com", "--auth-password", "wrong", port="submission", ok=False)
    assert "550" in swaks(w, "--to", "nobody@foo.com", ok=False)
    w.wait_log(r"(?s)(delivered .*){6}")


def test_curl(instance, tmp_path):
    w = instance()
    letter = tmp_path / "letter"
    letter.write_bytes(b"Subject: by curl\r\n\r\n.dot\r\n" + b"y" * 70000 + b"\r\n")
    common = ["curl", "-sS", "--max-time", "60", "--cacert", os.path.join(w.dir, "keys/tls.pem"), "--mail-rcpt", "Jones@foo.com", "-T", str(letter)]
    subprocess.run(common + ["--mail-from", "Smith@bar.com", f"smtp://127.0.0.1:{w.ports['smtp']}/c.example"], check=True)
    subprocess.run(common + ["--mail-from", "Smith@bar.com", "--ssl-reqd", f"smtp://localhost:{w.ports['smtp']}/c.example"], check=True)
    w.wait_port(w.ports["submissions"])
    subprocess.run(common + ["--mail-from", "Jones@foo.com", "-u", "Jones@foo.com:secret", f"smtps://localhost:{w.ports['submissions']}/c.example"], check=True)
    w.wait_log(r"(?s)(delivered .*){3}")


def test_openssl_s_client(instance):
    w = instance()
    p = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{w.ports['smtp']}", "-starttls", "smtp", "-CAfile", os.path.join(w.dir, "keys/tls.pem"),
                        "-verify_return_error", "-verify_hostname", "localhost", "-quiet"], input=b"EHLO x\r\nQUIT\r\n", capture_output=True, timeout=60)
    assert b"221" in p.stdout, p.stdout + p.stderr


def test_smtplib_unicode(instance):
    w = instance()
    with smtplib.SMTP("localhost", w.ports["smtp"]) as s:
        assert s.sendmail("dörte@bar.com", ["Jones@foo.com"], "Subject: ü\r\n\r\nü\r\n".encode(), mail_options=["SMTPUTF8", "BODY=8BITMIME"]) == {}
    w.wait_log("delivered")


# ---- crowds ----

def rss(pids):
    return sum(int(re.search(r"Rss:\s+(\d+)", open(f"/proc/{p}/smaps_rollup").read())[1]) for p in pids)


def test_ten_thousand_silent_connections(instance):
    want = 10000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < want + 200:
        want = hard - 500
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, want + 400) if hard > 0 else want + 400, hard))
    w = instance()
    try:
        before = rss(w.pids("door"))
        crowd = []
        for i in range(want):
            s = socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60)
            crowd.append(s)
        for s in crowd:
            assert s.recv(100).startswith(b"220")
        each = (rss(w.pids("door")) - before) / want
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
            c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: still here\r\n\r\n")
        w.wait_log("delivered .*to=Jones@foo.com")
        print(f"{each:.2f} KiB each")
        assert each < 4
    finally:
        for s in crowd:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_memory_of_idle_tls(instance):
    n = 300
    w = instance({"host.doors": "1"})
    w.wait_port(w.ports["submissions"])
    ctx = ssl._create_unverified_context()

    def connect():
        t = ctx.wrap_socket(socket.create_connection(("127.0.0.1", w.ports["submissions"]), 60))
        read_reply(t)
        t.sendall(b"EHLO x\r\n")
        read_reply(t)
        return t

    crowd = [connect() for _ in range(50)]
    before = rss(w.pids("door"))
    crowd += [connect() for _ in range(n)]
    each = (rss(w.pids("door")) - before) / n
    print(f"{each:.2f} KiB each")
    assert each < 30
    for t in crowd:
        t.close()


def test_full_descriptor_table(instance):
    """No descriptors left: the door rests instead of spinning, and recovers when some are free."""
    w = instance({"host.doors": "1"}, start=False)
    w.process = subprocess.Popen([conftest.WAXWING, "serve", "--dir", w.dir], stdin=subprocess.DEVNULL,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    w.wait_port(w.ports["smtp"])
    c = Client(w)
    door = w.pids("door")[0]
    crowd = [socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) for _ in range(60)]
    w.wait_log("cannot-accept")

    def cpu():
        f = open(f"/proc/{door}/stat").read().rsplit(") ", 1)[1].split()
        return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")

    before = cpu()
    time.sleep(1)
    assert cpu() - before < 0.5
    c.begin()
    # Past what fits a record a letter needs a memory file: 452, and the session lives.
    assert c.say(b"x" * 200000 + b"\r\n.\r\n")[:3] in (b"452", b"250")
    for s in crowd:
        s.close()
    end = time.monotonic() + 60
    while True:
        with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as s:
            if read_reply(s).startswith(b"220"):
                break
        assert time.monotonic() < end
    c.begin()
    assert c.say(b"x\r\n.\r\n").startswith(b"250")
