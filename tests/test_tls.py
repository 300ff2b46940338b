"""TLS at the door: what is agreed, where the key is, what may not follow STARTTLS, and a reload."""
import base64
import os
import re
import smtplib
import socket
import ssl
import subprocess

import pytest

from test_smtp import read_reply


def context(w=None):
    c = ssl.create_default_context(cafile=os.path.join(w.dir, "keys/tls.pem") if w else None)
    if w is None:
        c.check_hostname = False
        c.verify_mode = ssl.CERT_NONE
    return c


def test_letter_by_starttls(instance):
    w = instance()
    with smtplib.SMTP("localhost", w.ports["smtp"]) as c:
        c.ehlo()
        assert c.has_extn("starttls")
        c.starttls(context=context(w))
        c.ehlo()
        assert not c.has_extn("starttls")
        assert c.docmd("STARTTLS")[0] == 503
        c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: secret\r\n\r\n" + "x" * 200000 + "\r\n")
    w.wait_log(r"tls sid=.*TLSv1.3")
    w.wait_log(r"delivered .*to=Jones@foo.com")


def test_letter_by_implicit_tls(instance):
    w = instance()
    w.wait_port(w.ports["submissions"])
    with smtplib.SMTP_SSL("localhost", w.ports["submissions"], context=context(w)) as c:
        assert c.ehlo()[0] == 250


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_versions_and_keys(instance, version, kind):
    w = instance(start=False)
    if kind == "rsa":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", w.dir + "/rsa.key", "-out", w.dir + "/rsa.pem"],
                       check=True, capture_output=True)
        w.configure(**{"tls.certificate": "rsa.pem", "tls.key": w.dir + "/rsa.key"})
    w.start()
    c = ssl.create_default_context(cafile=w.dir + ("/rsa.pem" if kind == "rsa" else "/keys/tls.pem"))
    c.minimum_version = c.maximum_version = version
    with smtplib.SMTP("localhost", w.ports["smtp"]) as s:
        s.starttls(context=c)
        assert s.sock.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        assert s.ehlo()[0] == 250


def test_old_tls_is_refused(instance):
    w = instance()
    c = context()
    with pytest.warns(DeprecationWarning):
        c.minimum_version = ssl.TLSVersion.TLSv1
        c.maximum_version = ssl.TLSVersion.TLSv1_1
    c.set_ciphers("DEFAULT:@SECLEVEL=0")
    with smtplib.SMTP("localhost", w.ports["smtp"]) as s:
        with pytest.raises((ssl.SSLError, OSError)):
            s.starttls(context=c)


@pytest.mark.parametrize("behind", [b"EHLO evil.example\r\n", b"X", b"\r\n", b"MAIL FROM:<a@b.example>\r\nRCPT TO:<Jones@foo.com>\r\n"])
def test_nothing_may_follow_starttls(instance, behind):
    w = instance()
    with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as s:
        read_reply(s)
        s.sendall(b"EHLO a.example\r\n")
        read_reply(s)
        s.sendall(b"STARTTLS\r\n" + behind)
        assert read_reply(s).startswith(b"554 5.5.1")
        assert s.recv(100) == b""


def test_clear_text_after_the_220_is_no_command(instance):
    w = instance()
    with socket.create_connection(("127.0.0.1", w.ports["smtp"]), 60) as s:
        read_reply(s)
        s.sendall(b"EHLO a.example\r\n")
        read_reply(s)
        s.sendall(b"STARTTLS\r\n")
        assert read_reply(s).startswith(b"220")
        s.sendall(b"NOOP\r\nQUIT\r\n")
        rest = b""
        try:
            while more := s.recv(4096):
                rest += more
        except ConnectionResetError:
            pass
        assert b"250" not in rest and b"221" not in rest
    w.wait_log("tls-failed")


def test_alpn_must_be_ours(instance):
    w = instance()
    w.wait_port(w.ports["submissions"])
    c = context()
    c.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(("127.0.0.1", w.ports["submissions"]), 60) as s:
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            c.wrap_socket(s)
    c.set_alpn_protocols(["http/1.1", "smtp"])
    with socket.create_connection(("127.0.0.1", w.ports["submissions"]), 60) as s:
        with c.wrap_socket(s) as t:
            assert t.selected_alpn_protocol() == "smtp"
            assert read_reply(t).startswith(b"220")


def test_ticket_is_good_at_every_door(instance):
    w = instance({"host.doors": "4"})
    w.wait_port(w.ports["submissions"])
    c = context()
    session, reused = None, 0
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", w.ports["submissions"]), 60) as s:
            with c.wrap_socket(s, session=session) as t:
                assert read_reply(t).startswith(b"220")
                reused += t.session_reused
                session = t.session
    assert reused == 11


def certificate_at(port):
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        with context().wrap_socket(s) as t:
            return t.getpeercert(True)


def test_reload_shows_the_new_certificate_and_drops_nobody(instance):
    import signal
    w = instance()
    port = w.ports["submissions"]
    w.wait_port(port)
    before = certificate_at(port)
    with socket.create_connection(("127.0.0.1", port), 60) as s, context().wrap_socket(s) as t:
        read_reply(t)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=new.example", "-keyout", w.dir + "/n.key", "-out", w.dir + "/n.pem"],
                       check=True, capture_output=True)
        w.configure(**{"tls.certificate": "n.pem", "tls.key": "n.key"})
        w.process.send_signal(signal.SIGHUP)
        # Of several doors one may be later than another.
        w.wait_until(lambda: all(certificate_at(port) != before for _ in range(10)))
        t.sendall(b"EHLO still.example\r\n")
        assert read_reply(t).startswith(b"250")
        # A pair that is none is not shown.
        w.configure(**{"tls.key": "keys/tls.key"})
        good = certificate_at(port)
        w.process.send_signal(signal.SIGHUP)
        w.wait_log("bad-key")
        assert certificate_at(port) == good


def test_doors_hold_no_key(instance):
    """The private key's number is found in warden's memory and in no door's."""
    w = instance()
    certificate_at(w.ports["submissions"])
    text = subprocess.run(["openssl", "pkey", "-in", w.dir + "/keys/tls.key", "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    secret = bytes.fromhex("".join(text.split("priv:")[1].split("pub:")[0].split()).replace(":", ""))[-32:]
    forms = (secret, secret[::-1])

    def holds(pid):
        found = False
        try:
            with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
                for line in maps:
                    span, rights = line.split()[:2]
                    if rights[0] != "r" or "[v" in line:
                        continue
                    a, b = (int(x, 16) for x in span.split("-"))
                    try:
                        mem.seek(a)
                        found |= any(f in mem.read(b - a) for f in forms)
                    except (OSError, ValueError):
                        pass
        except PermissionError:
            pytest.skip("may not look into processes here")
        return found

    assert holds(w.pids("warden")[0])
    for pid in w.pids("door"):
        assert not holds(pid)


def test_the_dialog_is_logged_without_what_is_secret(instance):
    w = instance({"log.dialog": "yes"})
    with smtplib.SMTP("127.0.0.1", w.ports["submission"]) as c:
        c.starttls(context=context())
        c.login("Smith@bar.com", "secret")
        c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: private\r\n\r\nprivate matter\r\n")
    w.wait_log(r'dialog .*line="221 ')
    said = re.findall(r'dialog sid=\S+ by=(\w+) layer=(\w+) line=(.*)', w.log())
    assert said[0][:2] == ("server", "TCP") and said[0][2].startswith('"220 ')
    assert ("client", "TCP", "STARTTLS") in said and ("client", "TLS", '"AUTH PLAIN"') in said
    assert [line for by, layer, line in said if by == "client" and "FROM:<Smith@bar.com>" in line and layer == "TLS"]
    assert any(by == "client" and "octets)" in line for by, _, line in said)
    secret = base64.b64encode(b"\0Smith@bar.com\0secret").decode()
    assert secret not in w.log() and "private" not in w.log()


def test_who_offers_no_starttls_does_not_know_it(instance):
    w = instance({"smtp.starttls": "no"})
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.ehlo("x.example")
        assert "starttls" not in c.esmtp_features and c.docmd("STARTTLS")[0] == 454
        assert c.sendmail("a@x.example", ["Jones@foo.com"], "Subject: x\r\n\r\nx\r\n") == {}
    with smtplib.SMTP("127.0.0.1", w.ports["submission"]) as c:
        c.ehlo("x.example")
        assert "starttls" in c.esmtp_features
