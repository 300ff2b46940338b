"""What the door serves by HTTP, asked by a real client."""
import re
import socket
import subprocess
import xml.etree.ElementTree as xml

import pytest


def curl(w, host, path, *more, service="https"):
    p = subprocess.run(["curl", "-sS", "--max-time", "60", "--insecure", "--connect-to", f"::127.0.0.1:{w.ports[service]}",
                        "-w", "\n%{http_code} %{content_type} %{redirect_url}", *more, f"{service}://{host}{path}"],
                       capture_output=True, timeout=90)
    assert p.returncode == 0, p.stderr
    body, _, last = p.stdout.decode().rpartition("\n")
    code, _, rest = last.partition(" ")
    return int(code), rest.strip(), body


@pytest.fixture
def web(instance):
    return instance({"sts.mode": "enforce", "sts.max_age": "10d", "host.name": "mail.foo.com"})


def test_mta_sts_policy_of_our_domains_only(web):
    code, kind, body = curl(web, "mta-sts.foo.com", "/.well-known/mta-sts.txt")
    assert (code, kind) == (200, "text/plain")
    assert body == "version: STSv1\r\nmode: enforce\r\nmx: mail.foo.com\r\nmax_age: 864000\r\n"
    assert curl(web, "mta-sts.BAR.com", "/.well-known/mta-sts.txt")[0] == 200
    for host in ("mta-sts.example.net", "foo.com", "mta-sts.", "mta-sts.x.foo.com"):
        assert curl(web, host, "/.well-known/mta-sts.txt")[0] == 404, host
    web.configure(**{"sts.mode": "none"})
    web.run("status")
    web.process.send_signal(1)
    web.wait_log(" reloaded")
    web.wait_until(lambda: curl(web, "mta-sts.foo.com", "/.well-known/mta-sts.txt")[0] == 404)


def test_a_wrong_mode_is_refused(instance):
    w = instance(start=False)
    w.configure(**{"sts.mode": "enforced"})
    p = w.run("serve", check=False)
    assert p.returncode == 2 and "sts.mode" in p.stderr and "none, testing or enforce" in p.stderr


def test_thunderbird_finds_its_settings(web):
    for host, path in (("autoconfig.foo.com", "/mail/config-v1.1.xml?emailaddress=Jones%40foo.com"),
                       ("foo.com", "/.well-known/autoconfig/mail/config-v1.1.xml")):
        code, kind, body = curl(web, host, path)
        assert (code, kind) == (200, "text/xml; charset=utf-8")
        top = xml.fromstring(body)
        provider = top.find("emailProvider")
        assert top.get("version") == "1.1" and provider.get("id") == "foo.com"
        servers = [(s.tag, s.get("type"), int(s.find("port").text), s.find("socketType").text) for s in provider
                   if s.tag.endswith("Server")]
        assert servers[0] == ("incomingServer", "imap", web.ports["imaps"], "SSL")
        assert ("outgoingServer", "smtp", web.ports["submission"], "STARTTLS") in servers
        assert {s.find("hostname").text for s in provider if s.tag.endswith("Server")} == {"mail.foo.com"}


def test_autodiscover_and_apple(web):
    ask = ("<Autodiscover><Request><EMailAddress>Jones@foo.com</EMailAddress>"
           "<AcceptableResponseSchema>x</AcceptableResponseSchema></Request></Autodiscover>")
    code, _, body = curl(web, "autodiscover.foo.com", "/Autodiscover/Autodiscover.xml", "-d", ask)
    assert code == 200
    top = xml.fromstring(body)
    assert [e.text for e in top.iter() if e.tag.endswith("}LoginName")][0] == "Jones@foo.com"
    assert {e.text for e in top.iter() if e.tag.endswith("}Port")} >= {str(web.ports["imaps"]), str(web.ports["submissions"])}
    code, kind, body = curl(web, "foo.com", "/email.mobileconfig?email=Jones%40foo.com")
    assert code == 200 and kind.startswith("application/x-apple-aspen-config")
    import plistlib
    mail = plistlib.loads(body.encode())["PayloadContent"][0]
    assert (mail["EmailAddress"], mail["IncomingMailServerPortNumber"]) == ("Jones@foo.com", web.ports["imaps"])


@pytest.mark.parametrize("address", ["", "<x>@foo.com", "a@b\"><c/>", "x" * 400 + "@foo.com"])
def test_no_markup_of_strangers(web, address):
    code, _, body = curl(web, "foo.com", "/email.mobileconfig", "-G", "--data-urlencode", f"email={address}")
    assert code == 400 and "<" not in body


def test_bodies_and_methods_have_limits(web):
    assert curl(web, "foo.com", "/autodiscover/autodiscover.xml", "-d", "x" * 100000)[0] == 413
    assert curl(web, "foo.com", "/", "-X", "DELETE")[0] == 405
    assert curl(web, "foo.com", "/" + "x" * 30000)[0] in (404, 414)
    assert curl(web, "foo.com", "/../../etc/passwd", "--path-as-is")[0] == 404
    code, _, body = curl(web, "foo.com", "/", "-I")
    assert code == 200 and "nosniff" in body


def test_http_leads_to_https(web):
    code, rest, _ = curl(web, "autoconfig.foo.com", "/mail/config-v1.1.xml", service="http")
    assert code == 301 and rest.endswith(f"https://autoconfig.foo.com:{web.ports['https']}/mail/config-v1.1.xml")
    assert curl(web, "foo.com", "/other", service="http")[0] == 404


def test_many_and_silent_connections_do_no_harm(web):
    open_ones = [socket.create_connection(("127.0.0.1", web.ports[s])) for s in ("http", "https") * 50]
    open_ones[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert curl(web, "foo.com", "/")[0] == 200
    for s in open_ones:
        s.close()
    web.wait_until(lambda: len(re.findall(r" disconnect ", web.log())) >= len(open_ones))
    assert len(web.pids("door")) and "died" not in web.log()


def test_smuggling_forms_are_refused(web):
    """Two lengths, or a length beside chunks: nobody may read them differently."""
    for head in (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                 b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n", b"Host: bar.com\r\n"):
        with socket.create_connection(("127.0.0.1", web.ports["http"]), 60) as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: foo.com\r\n" + head + b"\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: foo.com\r\n\r\n")
            got = b""
            s.settimeout(60)
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        assert got.startswith(b"HTTP/1.1 400 ") and b"301" not in got, (head, got)
