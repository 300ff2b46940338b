"""POP3: Python's poplib, curl and fetchmail against a real maildrop."""
import email.header
import os
import poplib
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess

import pytest

CLEAR = {"login.argon2_memory": "64k", "login.argon2_passes": "1", "login.clear_text": "yes", "store.linger": "300ms"}
LETTERS = ["Subject: one\r\n\r\nfirst\r\n", "Subject: two\r\n\r\n.\r\n..\r\n.dots\r\nend. \r\n",
           "Subject: three\r\n\r\n" + "".join(f"line {i}\r\n" for i in range(20)), "Subject: no end\r\n\r\nx\r\n\r\n"]


def send(w, letters=LETTERS, to="Jones@foo.com"):
    before = w.log().count(f"to={to} uid")
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        for letter in letters:
            c.sendmail("Smith@bar.com", [to], letter)
    w.wait_until(lambda: w.log().count(f"to={to} uid") == before + len(letters))


def login(w, name="Jones@foo.com", password="secret"):
    w.wait_port(w.ports["pop3"])
    p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=60)
    p.user(name)
    p.pass_(password)
    return p


def body(letter):
    return letter.encode().split(b"\r\n\r\n", 1)[1]


def got(p, n):
    return b"".join(x + b"\r\n" for x in p.retr(n)[1]).split(b"\r\n\r\n", 1)[1]


def test_letters_come_back_as_they_were(instance):
    w = instance(CLEAR)
    send(w)
    p = login(w)
    n, size = p.stat()
    assert n == len(LETTERS)
    sizes = [int(x.split()[1]) for x in p.list()[1]]
    assert sum(sizes) == size and p.list(2) == b"+OK 2 %d" % sizes[1]
    for i, letter in enumerate(LETTERS, 1):
        assert got(p, i) == body(letter)
        assert p.retr(i)[2] == sizes[i - 1]
    top = p.top(3, 2)[1]
    assert top[-3:] == [b"", b"line 0", b"line 1"] and b"Subject: three" in top
    assert p.top(3, 0)[1][-1] == b""
    assert p.top(3, 10**9)[1] == p.retr(3)[1]
    p.quit()


def test_utf8_and_languages(instance):
    """RFC 6856: before the login, both; behind it languages only."""
    w = instance(CLEAR)
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: gr\u00fcn\r\n\r\ngr\u00fcn\r\n".encode(),
                   ["SMTPUTF8", "BODY=8BITMIME"])
    w.wait_until(lambda: "to=Jones@foo.com uid" in w.log())
    p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=60)
    capa = p.capa()
    assert capa["UTF8"] == ["USER"] and capa["LANG"] == []
    assert p.utf8().startswith(b"+OK")
    assert [x.split()[0] for x in p._longcmd("LANG")[1]] == [b"en", b"i-default"]
    p.user("Jones@foo.com")
    p.pass_("secret")
    for wanted, tag in (("en", b"+OK en "), ("EN-gb", b"+OK en "), ("i-default", b"+OK i-default "), ("*", b"+OK i-default ")):
        assert p._shortcmd(f"LANG {wanted}").startswith(tag)
    for wrong in ("LANG tlh", "LANG english", "UTF8"):
        with pytest.raises(poplib.error_proto):
            p._shortcmd(wrong)
    assert "Subject: gr\u00fcn".encode() in p.retr(1)[1] and p.capa()["UTF8"] == ["USER"]
    p.quit()


def test_letters_in_utf8_for_who_cannot_read_them(instance):
    """RFC 6856 2.1: in another form where there is one, else refused; as they are for who has said UTF8."""
    w = instance(CLEAR)
    letters = ["From: Smith@bar.com\r\nSubject: gr\u00fcn\r\n\r\ngr\u00fcn\r\n.dot\r\n" + "x" * 60 + "\r\n",
               "From: M\u00fcller <m\u00fcller@bar.com>\r\nSubject: x\r\n\r\nb\r\n", "Subject: plain\r\n\r\ngr\u00fcn\r\n"]
    for i, letter in enumerate(letters, 1):
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
            c.sendmail("Smith@bar.com", ["Jones@foo.com"], letter.encode(), ["SMTPUTF8", "BODY=8BITMIME"])
        w.wait_until(lambda: w.log().count("to=Jones@foo.com uid") == i)
    p = login(w)
    lines = p.retr(1)[1]
    assert all(x.isascii() for x in lines[:lines.index(b"")])
    assert str(email.header.make_header(email.header.decode_header(
        email.message_from_bytes(b"\r\n".join(lines))["Subject"]))) == "gr\u00fcn"
    assert lines[-3:] == ["gr\u00fcn".encode(), b".dot", b"x" * 60]
    assert p.top(1, 1)[1][-1] == "gr\u00fcn".encode()
    for command in ("RETR 2", "TOP 2 0"):
        with pytest.raises(poplib.error_proto, match=r"-ERR \[UTF8\]"):
            p._longcmd(command)
    assert "gr\u00fcn".encode() in p.retr(3)[1]
    p.quit()
    p = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=10)
    p.utf8()
    with pytest.raises(poplib.error_proto, match="STLS is for before UTF8"):
        p.stls(ssl.create_default_context())
    p.user("Jones@foo.com")
    p.pass_("secret")
    assert "From: M\u00fcller <m\u00fcller@bar.com>".encode() in p.retr(2)[1]
    p.quit()


def test_names_in_utf8(instance):
    """RFC 6856 2.2: they may be said, as UTF-8."""
    w = instance(CLEAR)
    w.account("gr\u00fcn@foo.com", "gr\u00fcn")
    w.wait_port(w.ports["pop3"])
    with socket.create_connection(("127.0.0.1", w.ports["pop3"]), 10) as c:
        f = c.makefile("rwb")
        f.readline()

        def say(line):
            f.write(line + b"\r\n")
            f.flush()
            return f.readline()
        assert say(b"USER gr\xfcn@foo.com").startswith(b"-ERR")
        assert say("USER gr\u00fcn@foo.com".encode()).startswith(b"+OK")
        assert say(b"PASS gr\xfcn").startswith(b"-ERR")
        assert say("PASS gr\u00fcn".encode()).startswith(b"+OK")


def test_deleted_at_quit_and_not_before(instance):
    w = instance(CLEAR)
    send(w)
    p = login(w)
    uids = [x.split()[1] for x in p.uidl()[1]]
    assert len(set(uids)) == len(LETTERS)
    p.dele(1)
    p.dele(3)
    assert p.stat()[0] == 2 and len(p.list()[1]) == 2
    for command in ("DELE 1", "RETR 1", "TOP 3 0", "LIST 1", "UIDL 3", "RETR 0", "RETR 5", "RETR", "DELE x", "TOP 2",
                    "RETR 4294967298", "STAT 1", "NOOP x", "USER a", "APOP a b", "XYZZY"):
        with pytest.raises(poplib.error_proto, match="-ERR"):
            p._shortcmd(command)
    assert p.rset().startswith(b"+OK") and p.stat()[0] == 4
    p.dele(2)
    p.sock.shutdown(socket.SHUT_RDWR)  # lost, without QUIT: nothing is deleted
    p.close()
    w.wait_until(lambda: not w.pids("room"))
    p = login(w)
    assert [x.split()[1] for x in p.uidl()[1]] == uids
    p.dele(2)
    p.dele(4)
    p.quit()
    p = login(w)
    assert [x.split()[1] for x in p.uidl()[1]] == [uids[0], uids[2]]
    p.quit()
    send(w, LETTERS[:1])
    p = login(w)
    last = p.uidl()[1][-1].split()[1]
    assert last not in uids
    p.quit()


def test_one_session_at_a_time(instance):
    w = instance(CLEAR)
    send(w, LETTERS[:2])
    p = login(w)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\]"):
        login(w)
    # A letter that comes meanwhile waits for the next session.
    send(w, LETTERS[2:3])
    assert p.stat()[0] == 2
    other = login(w, "Brown@foo.com")
    assert other.stat() == (0, 0)
    other.quit()
    p.quit()
    p = login(w)
    assert p.stat()[0] == 3
    p.quit()


def test_commands_in_one_packet(instance):
    w = instance(CLEAR)
    send(w)
    w.wait_port(w.ports["pop3"])
    with socket.create_connection(("127.0.0.1", w.ports["pop3"]), 60) as s:
        s.sendall(b"USER Jones@foo.com\r\nPASS secret\r\nSTAT\r\nRETR 2\r\nDELE 1\r\nTOP 3 1\r\nQUIT\r\n")
        all_of_it = s.makefile("rb").read()
    assert all_of_it.count(b"\r\n+OK") == 7 and b"\r\n-ERR" not in all_of_it
    assert b"\r\n..\r\n...\r\n..dots\r\n" in all_of_it
    p = login(w)
    assert p.stat()[0] == 3
    p.quit()


@pytest.mark.parametrize("how", ["stls", "implicit"])
def test_by_tls(instance, how):
    w = instance({k: v for k, v in CLEAR.items() if k != "login.clear_text"})
    # Longer than what all the sockets on the way can hold.
    big = "Subject: big\r\n\r\n" + "".join(f"{i:070}\r\n" for i in range(60000))
    send(w, LETTERS + [big])
    context = ssl.create_default_context(cafile=w.dir + "/keys/tls.pem")
    w.wait_port(w.ports["pop3s"])
    if how == "stls":
        p = poplib.POP3("localhost", w.ports["pop3"], timeout=60)
        p.stls(context=context)
    else:
        p = poplib.POP3_SSL("localhost", w.ports["pop3s"], context=context, timeout=60)
    p.user("Jones@foo.com")
    p.pass_("secret")
    for i, letter in enumerate(LETTERS + [big], 1):
        assert got(p, i) == body(letter)
    p.dele(1)
    assert p.quit().startswith(b"+OK")
    w.wait_until(lambda: not w.pids("room"))


def test_slow_reader_of_a_large_letter(instance):
    """Nothing is held in memory without bound, and nothing is lost."""
    w = instance(CLEAR)
    big = "Subject: big\r\n\r\n" + "".join(f".{i:060}\r\n" for i in range(150000))
    send(w, [big])
    with socket.create_connection(("127.0.0.1", w.ports["pop3"]), 60) as s:
        s.sendall(b"USER Jones@foo.com\r\nPASS secret\r\nRETR 1\r\nRETR 1\r\nRETR 1\r\n")
        w.wait_until(lambda: w.pids("room"))
        peak = max(int(line.split()[1]) for pid in w.pids("room") for line in open(f"/proc/{pid}/status")
                   if line.startswith("VmRSS"))
        assert peak < 60000
        s.sendall(b"QUIT\r\n")
        all_of_it = s.makefile("rb").read()
    assert all_of_it.count(body(big).replace(b"\r\n.", b"\r\n..")) == 3 and all_of_it.endswith(b"+OK Goodbye\r\n")


def test_room_killed_under_a_session(instance):
    w = instance(CLEAR)
    send(w)
    p = login(w)
    p.dele(1)
    os.kill(w.pids("room")[0], signal.SIGKILL)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
        p.stat()
    p = login(w)
    assert p.stat()[0] == len(LETTERS)
    p.quit()


def test_autologout(instance):
    w = instance(dict(CLEAR, **{"pop3.timeout": "3s"}))
    send(w)
    p = login(w)
    p.dele(1)
    assert p.file.readline().startswith(b"-ERR Autologout") and p.file.readline() == b""
    p = login(w)
    assert p.stat()[0] == len(LETTERS)
    p.quit()


def test_curl(instance, tmp_path):
    w = instance({k: v for k, v in CLEAR.items() if k != "login.clear_text"})
    send(w)
    for url in (f"pop3s://localhost:{w.ports['pop3s']}/2", f"pop3://localhost:{w.ports['pop3']}/2"):
        for more in ([], ["--login-options", "AUTH=LOGIN"], ["--login-options", "AUTH=PLAIN", "--sasl-ir"]):
            out = subprocess.run(["curl", "-sS", "--ssl-reqd", "--cacert", w.dir + "/keys/tls.pem", "-u", "Jones@foo.com:secret",
                                  *more, url], capture_output=True, timeout=60)
            assert out.returncode == 0, out.stderr
            assert out.stdout.endswith(body(LETTERS[1]))


@pytest.mark.skipif(not shutil.which("fetchmail"), reason="fetchmail is not installed")
def test_fetchmail(instance, tmp_path):
    w = instance(CLEAR)
    send(w)
    rc = tmp_path / "rc"
    rc.write_text(f"poll localhost port {w.ports['pop3s']} protocol pop3 uidl user Jones@foo.com password secret ssl "
                  f"sslcertck sslcertfile {w.dir}/keys/tls.pem keep mda \"cat >> {tmp_path}/box\"\n")
    rc.chmod(0o600)
    env = dict(os.environ, FETCHMAILHOME=str(tmp_path), HOME=str(tmp_path))
    for status in (0, 1):  # 1: nothing new, because UIDL says the same
        p = subprocess.run(["fetchmail", "-f", str(rc), "--idfile", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid")],
                           env=env, capture_output=True, text=True, timeout=60)
        assert p.returncode == status, p.stdout + p.stderr
    assert (tmp_path / "box").read_text().count("Subject: ") == len(LETTERS)
