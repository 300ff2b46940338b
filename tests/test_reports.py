"""Reports between mail systems (RFC 9990, 9991, 8460), both ways: counted while
letters pass, told to who asks and to nobody else, read from the mailbox."""
import email
import gzip
import http.server
import io
import json
import os
import re
import signal
import smtplib
import subprocess
import threading
import time
import zipfile

import pytest

from certificates import Authority
from conftest import ROOT, WAXWING
from smtp_sink import Sink
from test_send import QUICK, ZONE, hand_in
from test_sts import Policies, policy

SCHEMA = os.path.join(ROOT, "tests/schema/dmarc-2.0.xsd")
RUA = ("mailto:d@author.example!1m,mailto:x@stranger.example,mailto:y@friend.example,mailto:small@author.example!100,"
       "mailto:z@moved.example,mailto:e@evil.example")
AUTHOR = ZONE + '@ TXT "v=spf1 ip4:127.0.0.1 -all"\n_dmarc TXT "v=DMARC1; p=quarantine; sp=reject; rua=%s"\n'


# No day ends while a test runs, but where it is to.  The clock is a day behind at
# most: what signatures in DNS that are made now allow (RFC 4035 5.3.1, with some slack).
DAY = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 43200))
NEXT_DAY = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 43200))
NOON = DAY + "T12:00:00Z"


@pytest.fixture
def world(instance, dns):
    def make(sink, **more):
        dns.zone("author.example", AUTHOR % RUA)
        dns.zone("stranger.example", ZONE).zone("elsewhere.example", ZONE + '@ TXT "v=spf1 -all"\n')
        dns.zone("friend.example", ZONE + 'author.example._report._dmarc TXT "v=DMARC1"\n')
        # One that has its reports elsewhere in its house, and one who would have them go to another's.
        dns.zone("moved.example", ZONE + 'author.example._report._dmarc TXT "v=DMARC1; rua=mailto:new@moved.example"\n')
        dns.zone("evil.example", ZONE + 'author.example._report._dmarc TXT "v=DMARC1; rua=mailto:victim@foo.com"\n')
        settings = dict(QUICK, **{"relay.port": str(sink.port), "trust.check_loopback": "yes", "host.name": "mx.foo.com",
                                  "relay.sts": "no", "testing.time": NOON, **more})
        return instance(dns.settings(**settings))
    return make


def deliver(w, sender, text, to="Jones@foo.com"):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], "mail.sender.example", timeout=60) as c:
        c.ehlo()
        assert c.mail(sender)[0] == 250
        assert c.rcpt(to)[0] == 250
        code, said = c.data(text)
        return code, said.decode()


def letter(author, subject="x", more=""):
    return f"From: {author}\r\nTo: Jones@foo.com\r\nSubject: {subject}\r\nMessage-ID: <{subject}@{author}>\r\n{more}\r\nBlah\r\n"


def pending(w):
    return json.loads(w.run("reports", "pending", "--json").stdout or "[]")


def rows(w, *words):
    return json.loads(w.run("reports", *words, "--json").stdout or "[]")


def attachment(message):
    return message.get_payload()[1]


def inspect(w, kind, data, code=0):
    p = subprocess.run([w.program, "inspect", kind], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == code, p.stderr
    return json.loads(p.stdout) if code == 0 else p.stderr.decode()


def count_letters(w):
    for i in range(2):
        assert deliver(w, "a@author.example", letter("a@author.example", f"good{i}"))[0] == 250
    assert deliver(w, "eve@elsewhere.example", letter("b@author.example", "bad"))[0] == 250
    assert deliver(w, "eve@elsewhere.example", letter("b@sub.author.example", "sub"))[0] == 550
    w.wait_until(lambda: sum(r["count"] for r in pending(w)) == 4)


def test_dmarc_is_told_to_who_asks_and_to_nobody_else(world, tmp_path):
    with Sink() as sink:
        w = world(sink)
        count_letters(w)
        assert [(r["kind"], r["domain"], r["rows"], r["end"]) for r in pending(w)] == [("dmarc", "author.example", 3, 0)]
        assert w.run("reports", "send").stdout == "1 reports sent.\n"
        sent = sorted(sink.wait(3), key=lambda s: s["rcpts"])
        assert [s["rcpts"] for s in sent] == [["RCPT TO:<d@author.example>"], ["RCPT TO:<new@moved.example>"], ["RCPT TO:<y@friend.example>"]]
        assert {s["mail"].split(" ")[1] for s in sent} == {"FROM:<>"}
        assert not [r for r in pending(w) if r["kind"] == "dmarc"]
        w.wait_log(r'report-not-sent .*to=x@stranger.example why="its host does not say that it wants it"')
        w.wait_log(r'report-not-sent .*to=e@evil.example why="its host does not say')
        w.wait_log(r'report-not-sent .*to=small@author.example why="it is larger')
        m = email.message_from_bytes(sent[0]["data"])
        name = attachment(m).get_filename()
        begin, end, unique = re.fullmatch(r"mx\.foo\.com!author\.example!(\d+)!(\d+)!(\w+)\.xml\.gz", name).groups()
        begin, end = int(begin), int(end)
        assert begin % 86400 == 0 and begin < end <= time.time()
        assert attachment(m).get_content_type() == "application/gzip"
        rid = re.fullmatch(r"Report Domain: author\.example Submitter: mx\.foo\.com Report-ID: <(\w+)@mx\.foo\.com>",
                           re.sub(r"\r?\n ", " ", m["Subject"])).group(1)
        xml = gzip.decompress(attachment(m).get_payload(decode=True))
        (tmp_path / "r.xml").write_bytes(xml)
        subprocess.run(["xmllint", "--noout", "--schema", SCHEMA, tmp_path / "r.xml"], check=True)
        told = inspect(w, "dmarc-report", sent[0]["data"])
        assert told == inspect(w, "dmarc-report", xml) and told["form"] == "RFC 9990" and told["id"] == rid == unique
        assert told["policy"]["p"] == "quarantine" and told["policy"]["sp"] == "reject" and told["policy"]["adkim"] == "r"
        by = {(r["header_from"], r["spf"]): r for r in told["records"]}
        good, bad, sub = by["author.example", True], by["author.example", False], by["sub.author.example", False]
        assert (good["count"], good["disposition"], good["envelope_from"], good["envelope_to"], good["source"]) == (
            2, "pass", "author.example", "foo.com", "127.0.0.1")
        assert (bad["count"], bad["disposition"], bad["spf_domain"], bad["spf_result"], bad["reason"]) == (
            1, "quarantine", "elsewhere.example", "fail", None)
        assert (sub["count"], sub["disposition"]) == (1, "reject")


def test_a_day_ends_and_a_restart_loses_nothing(world):
    with Sink() as sink:
        w = world(sink, **{"testing.time": DAY + "T23:00:00Z"})
        count_letters(w)
        # The command has had them written: whatever dies now loses none.
        for pid in w.pids("relay"):
            os.kill(pid, signal.SIGKILL)
        w.wait_until(lambda: w.run("reports", "pending", check=False).returncode == 0)
        assert [(r["count"], r["end"]) for r in pending(w)] == [(4, 0)]
        assert deliver(w, "a@author.example", letter("a@author.example", "after"))[0] == 250
        w.wait_until(lambda: sum(r["count"] for r in pending(w)) == 5)
        w.stop()
        # Its place in the hour after midnight is somewhere; then it goes by itself, within a minute.
        w.configure(**{"testing.time": NEXT_DAY + "T01:00:01Z"})
        w.start()
        sent = sink.wait(3, limit=90)
        told = inspect(w, "dmarc-report", sent[0]["data"])
        assert (told["begin"], told["end"]) == (DAY + "T00:00:00.000Z", DAY + "T23:59:59.000Z")
        assert sum(r["count"] for r in told["records"]) == 5


def test_what_nobody_asks_for_is_not_counted(world):
    with Sink() as sink:
        w = world(sink, **{"reports.dmarc": "no"})
        assert deliver(w, "a@author.example", letter("a@author.example"))[0] == 250
        assert deliver(w, "eve@elsewhere.example", letter("a@elsewhere.example"))[0] == 250
        assert w.run("reports", "send").stdout == "0 reports sent.\n"
        assert pending(w) == [] and not sink.letters


def test_bounded(world):
    """A stranger who invents names fills neither disk nor memory."""
    with Sink() as sink:
        w = world(sink, **{"reports.domain_rows": "100"})
        for i in range(130):
            deliver(w, f"a@h{i}.elsewhere.example", letter("a@author.example"))
        w.wait_until(lambda: sum(r["rows"] for r in pending(w)) == 100)
        w.wait_log(r"reports not-counted=\d+ why=")


# ---- what others tell ----

OLD = """<?xml version="1.0" encoding="UTF-8"?>
<feedback><report_metadata><org_name>Old &amp; Wise</org_name><email>x@old.example</email><report_id>77</report_id>
<date_range><begin>1764028800</begin><end>1764115199</end></date_range></report_metadata>
<policy_published><domain>foo.com</domain><p>none</p><pct>100</pct></policy_published>
<record><row><source_ip>192.0.2.7</source_ip><count>5</count><policy_evaluated><disposition>none</disposition>
<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>foo.com</header_from></identifiers>
<auth_results><spf><domain>foo.com</domain><result>fail</result></spf></auth_results></record>
<record><row><source_ip>192.0.2.7</source_ip><count>3</count><policy_evaluated><disposition>none</disposition>
<dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>foo.com</header_from></identifiers>
<auth_results/></record></feedback>
"""


def zipped(text, name="r.xml", **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, text)
        for other, bytes_ in more.items():
            z.writestr(other, bytes_)
    return out.getvalue()


def with_attachment(data, kind, author="x@author.example"):
    m = email.message.EmailMessage()
    m["From"], m["To"], m["Subject"] = author, "postmaster@foo.com", "Report Domain: foo.com"
    m.set_content("See there.\n")
    m.add_attachment(data, *kind.split("/"), filename="a!b!1!2.xml")
    return m.as_bytes(policy=email.policy.SMTP)


def test_received_ones_are_shown(world):
    with Sink() as sink:
        w = world(sink)
        for data, kind in ((zipped(OLD), "application/zip"), (gzip.compress(OLD.encode()), "application/gzip"),
                           (OLD.replace("77", "78").encode(), "text/xml"), (b"\x1f\x8bnothing", "application/gzip")):
            assert deliver(w, "x@author.example", with_attachment(data, kind), "postmaster@foo.com")[0] == 250
        w.wait_until(lambda: len(re.findall(r" delivered ", w.log())) >= 4)
        # The same report twice counts once; 78 is another one.
        assert rows(w) == [{"domain": "foo.com", "reporter": "Old & Wise", "author": "x@author.example", "proved": True,
                            "begin": "2025-11-25", "end": "2025-11-25", "source": "192.0.2.7", "passed": 10, "failed": 6}]
        assert rows(w, "foo.com") == rows(w) and rows(w, "bar.com") == [] and rows(w, "--tls") == []
        shown = w.run("reports")
        assert "192.0.2.7" in shown.stdout and "1 letters with reports could not be read" in shown.stderr


@pytest.mark.parametrize("what", ["entities", "files", "gzip bomb", "zip bomb", "two files", "deep", "torn", "no report"])
def test_hostile_reports(what):
    doctype = '<!DOCTYPE feedback [<!ENTITY a "aaaaaaaaaa">%s]>' % "".join(
        f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9))
    outside = '<!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    body = OLD.split("?>", 1)[1]
    data = {"entities": (doctype + body.replace("Old", "&j;")).encode(), "files": (outside + body.replace("Old", "&x;")).encode(),
            "gzip bomb": gzip.compress(b"<feedback>" + b" " * 200_000_000), "zip bomb": zipped(b"<feedback>" + b" " * 200_000_000),
            "two files": zipped(OLD, other="x"), "deep": b"<feedback>" + b"<a>" * 100000, "torn": gzip.compress(OLD.encode())[:-40],
            "no report": b"<html><body>hello</body></html>"}[what]
    p = subprocess.run([WAXWING, "inspect", "dmarc-report"], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert p.returncode == 1 and not p.stdout and b"root:" not in p.stderr
    assert b"too large" in p.stderr if "bomb" in what or what == "deep" else b"report" in p.stderr


# ---- single letters (RFC 9991) ----

FAILING = ZONE + '@ TXT "v=spf1 -all"\n_dmarc TXT "v=DMARC1; p=none; ruf=mailto:f@failing.example; fo=1"\n'


def test_failures_are_told_only_where_the_operator_wants_it(world, dns):
    dns.zone("failing.example", FAILING)
    with Sink() as sink:
        w = world(sink)
        assert deliver(w, "a@failing.example", letter("a@failing.example", "quiet"))[0] == 250
        w.stop()
        w.configure(**{"reports.failure": "yes", "reports.failure_limit": "2", "reports.failure_like": "0"})
        w.start()
        assert deliver(w, "", letter("a@failing.example", "bounce"))[0] == 250
        assert deliver(w, "a@failing.example", letter("a@failing.example", "auto", "Auto-Submitted: auto-replied\r\n"))[0] == 250
        for i in range(4):
            assert deliver(w, "a@failing.example", letter("a@failing.example", f"loud{i}"))[0] == 250
        sent = sink.wait(2)
        told = [inspect(w, "failure-report", s["data"]) for s in sent]
        assert sorted(t["subject"] for t in told) == ["loud0", "loud1"]
        one = told[0]
        assert (one["type"], one["failure"], one["domain"], one["source"], one["unaligned"]) == (
            "auth-failure", "dmarc", "failing.example", "127.0.0.1", "dkim, spf")
        assert re.search(rb'^SPF-DNS: txt : failing\.example : "v=spf1 -all"\r$', sent[0]["data"], re.M)
        assert b"Blah" not in sent[0]["data"] and b"Jones" not in sent[0]["data"], "header only, and nobody of ours in it"
        m = email.message_from_bytes(sent[0]["data"])
        assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "feedback-report"
        assert [p.get_content_type() for p in m.get_payload()] == ["text/plain", "message/feedback-report", "text/rfc822-headers"]
        # One that is received is shown.
        assert deliver(w, "a@author.example", sent[0]["data"], "postmaster@foo.com")[0] == 250
        w.wait_until(lambda: w.log().count(f" delivered ") >= 8)
        assert rows(w, "failing.example", "--failures")[0]["subject"] == one["subject"]


def incidents(sent):
    told = re.search(rb"^Incidents: (\d+)\r$", sent["data"], re.M)
    return int(told.group(1)) if told else 1


def test_failures_that_are_alike_are_told_as_one(world, dns):
    """And with the text where the operator wants that, in which the addresses of his own people cannot be read."""
    dns.zone("failing.example", FAILING)
    with Sink() as sink:
        w = world(sink, **{"reports.failure": "yes", "reports.failure_like": "3s", "reports.failure_body": "4k"})
        for i in range(4):
            text = letter("a@failing.example", f"loud{i}") + "To jones@foo.com himself\r\n"
            assert deliver(w, "a@failing.example", text)[0] == 250
        first = sink.wait(1)[0]
        assert b"Incidents:" not in first["data"] and b"loud0" in first["data"]
        w.wait_until(lambda: sum(map(incidents, sink.letters)) == 4)
        assert len(sink.letters) < 4 and b"loud3" in sink.letters[-1]["data"]
        original = email.message_from_bytes(first["data"]).get_payload(2)
        assert original.get_content_type() == "message/rfc822"
        body = original.get_payload(0).get_payload()
        assert re.search(r"^To [0-9a-f]{32}@foo.com himself\r?$", body, re.M) and "To:" not in original.get_payload(0).as_string()


# ---- TLS (RFC 8460) ----

ASKS = ZONE + '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@asks.example"\n'


def tls_report(w, sink, n):
    assert w.run("reports", "send").stdout == "1 reports sent.\n"
    sent = [x for x in sink.wait(n) if b"TLS-Report-Domain" in x["data"]]
    return sent[-1]["data"], inspect(w, "tls-report", sent[-1]["data"])


def test_no_tls_is_told(world, dns):
    dns.zone("asks.example", ASKS, signed=False)
    with Sink() as sink:
        w = world(sink)
        hand_in(w, "a@asks.example", "one")
        hand_in(w, "a@elsewhere.example", "nobody-asks")
        sink.wait(2)
        w.wait_until(lambda: len(pending(w)) == 2)
        data, told = tls_report(w, sink, 3)
        m = email.message_from_bytes(data)
        assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "tlsrpt"
        assert (m["TLS-Report-Domain"], m["TLS-Report-Submitter"], m["TLS-Required"]) == ("asks.example", "mx.foo.com", "No")
        assert attachment(m).get_content_type() == "application/tlsrpt+gzip"
        assert re.fullmatch(r"mx\.foo\.com!asks\.example!\d+!\d+!\w+\.json\.gz", attachment(m).get_filename())
        raw = json.loads(gzip.decompress(attachment(m).get_payload(decode=True)))
        assert raw["policies"][0]["policy"] == {"policy-type": "no-policy-found", "policy-domain": "asks.example"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", raw["date-range"]["start-datetime"])
        p = told["policies"][0]
        assert (p["type"], p["successes"], p["failures"]) == ("no-policy-found", 0, 1)
        assert p["details"] == [{"result": "starttls-not-supported", "count": 1, "sending": "127.0.0.1",
                                 "host": "mx.asks.example", "address": "127.0.0.1", "reason": None}]
        assert pending(w) == []


@pytest.mark.parametrize("good", [True, False])
def test_dane_is_told(world, dns, tmp_path, good):
    host = Authority(tmp_path).make("mx.asks.example")
    with Sink(tls=host.context()) as sink:
        hash_ = host.tlsa(3, 1, 1)[3:].hex() if good else "00" * 32
        dns.zone("asks.example", ASKS + f"_{sink.port}._tcp.mx TLSA 3 1 1 {hash_}\n")
        w = world(sink)
        hand_in(w, "a@asks.example", "one")
        w.wait_until(lambda: [r for r in pending(w) if r["kind"] == "tls"])
        if good:
            _, told = tls_report(w, sink, 2)
        else:
            w.wait_log("later .*host=mx.asks.example")
            w.run("reports", "send")
            w.wait_log("report-sent kind=tls")
            # It is to go though TLS is broken: TLS-Required: No.
            told = inspect(w, "tls-report", sink.wait(1)[0]["data"])
        p = told["policies"][0]
        assert (p["type"], p["domain"]) == ("tlsa", "mx.asks.example")
        assert (p["successes"], p["failures"]) == (1, 0) if good else (p["successes"] == 0 and p["failures"] >= 1)
        if not good:
            assert p["details"][0]["result"] == "validation-failure"


@pytest.mark.parametrize("what", ["invalid", "untrusted", "missing", "wrong host", "wrong name"])
def test_sts_is_told(world, dns, tmp_path, what):
    ca = Authority(tmp_path)
    web = ca.context("mta-sts.asks.example" if what != "untrusted" else "other.example")
    text = b"<html>" if what == "invalid" else policy("testing", "mx.other.example" if what == "wrong host" else "mx.asks.example")
    p = Policies(web, text)
    p.status = 404 if what == "missing" else 200
    try:
        dns.zone("asks.example", ASKS + 'mta-sts A 127.0.0.1\n_mta-sts TXT "v=STSv1; id=1"\n', signed=False)
        with Sink(tls=ca.context("mx.other.example" if what == "wrong name" else "mx.asks.example")) as sink:
            w = world(sink, **{"relay.sts": "yes", "relay.sts_port": str(p.port), "relay.authorities": ca.file})
            hand_in(w, "a@asks.example", "one")
            sink.wait(1)
            w.wait_until(lambda: [r for r in pending(w) if r["kind"] == "tls"])
            _, told = tls_report(w, sink, 2)
            sts = next(x for x in told["policies"] if x["type"] == "sts")
            want = {"invalid": "sts-policy-invalid", "untrusted": "sts-webpki-invalid", "missing": "sts-policy-fetch-error",
                    "wrong host": "validation-failure", "wrong name": "certificate-host-mismatch"}[what]
            assert [d["result"] for d in sts["details"]] == [want] and sts["domain"] == "asks.example"
            if what in ("invalid", "untrusted", "missing"):
                # And the letter went as where there is no policy.
                other = next(x for x in told["policies"] if x["type"] == "no-policy-found")
                assert (other["successes"], other["failures"]) == (1, 0)
    finally:
        p.stop()


class Collector:
    """https://collect.asks.example/, where reports may be brought."""

    def __init__(self, context):
        outer, self.got = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, self.headers["Content-Type"], body))
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.mark.parametrize("named", [True, False])
def test_by_https(world, dns, tmp_path, named):
    ca = Authority(tmp_path)
    c = Collector(ca.context("collect.asks.example" if named else "other.example"))
    try:
        dns.zone("asks.example", ZONE + "collect A 127.0.0.1\n"
                 f'_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@asks.example,https://collect.asks.example:{c.port}/v1/r?x=1"\n', signed=False)
        with Sink(tls=ca.context("mx.asks.example")) as sink:
            w = world(sink, **{"relay.authorities": ca.file})
            hand_in(w, "a@asks.example", "one")
            sink.wait(1)
            w.wait_until(lambda: pending(w))
            assert w.run("reports", "send").stdout == f"{int(named)} reports sent.\n"
            # Who has it does not get it again for the sake of who has not.
            w.run("reports", "send")
            assert len([x for x in sink.wait(2) if b"TLS-Report-Domain" in x["data"]]) == 1
            if named:
                path, kind, body = c.got[0]
                assert (path, kind) == ("/v1/r?x=1", "application/tlsrpt+gzip")
                told = inspect(w, "tls-report", body)
                assert (told["policies"][0]["successes"], told["policies"][0]["failures"]) == (1, 0)
            else:
                assert not c.got and pending(w)[0]["tries"] == 2
    finally:
        c.server.shutdown()
        c.server.server_close()
