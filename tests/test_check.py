"""waxwing check: what the world sees of a domain.  All good where all is whole;
each break is named, with its mend; strangers' domains are only looked at; and
nothing hangs."""
import json
import re
import socket
import threading
import time

import pytest

from ports import free_ports

PTR = "1.0.0 PTR mail.foo.com."


@pytest.fixture
def ours(instance, dns):
    """An instance whose zone says what `waxwing dns` prints; edit(lines) may change that."""
    def start(edit=lambda lines: lines, reverse=PTR, signed=True, serve=True, **more):
        w = instance(dict({"host.name": "mail.foo.com", "host.addresses": "127.0.0.1", "publish.caa": "ca.example",
                           "relay.ipv6": "no", "check.timeout": "5s"}, **more), start=False)
        w.configure(**{"relay.port": str(w.ports["smtp"])})
        w.run("alias", "add", "postmaster@foo.com", "Jones@foo.com")
        rows = json.loads(w.run("dns", "foo.com", "--json").stdout)
        lines = [f"{r['name']}. {r['type']} {r['data']}" for r in rows if not r["elsewhere"]]
        dns.zone("foo.com", "\n".join(edit(lines)), signed=signed)
        dns.zone("127.in-addr.arpa", reverse)
        w.configure(**dns.settings())
        if serve:
            w.start()
        return w
    return start


def check(w, domain="foo.com", status=None):
    p = w.run("check", domain, "--json", check=False)
    assert p.stdout, p.stderr
    found = json.loads(p.stdout)
    bad = [f for f in found if f["state"] in ("wrong", "missing", "unknown")]
    assert p.returncode == (1 if bad else 0)
    assert status is None or p.returncode == status, bad
    return found


def bad_of(found):
    return {(f["state"], f["point"]) for f in found if f["state"] not in ("good", "advice")}


def test_a_whole_domain_is_good(ours):
    w = ours()
    found = check(w, status=0)
    good = {f["point"] for f in found if f["state"] == "good"}
    assert {"dnssec", "mx", "address", "tlsa", "spf", "dkim", "dmarc", "tlsrpt", "caa", "srv", "autoconfig", "ptr", "smtp",
            "starttls", "dane", "relay", "postmaster", "reverse"} <= good
    # What a self-made certificate lacks is said, and is no fault.
    advice = {f["point"] for f in found if f["state"] == "advice"}
    assert {"certificate", "mta-sts", "submissions", "imaps", "pop3"} <= advice
    text = w.run("check", "foo.com").stdout
    assert re.search(r"^good +dane +mail\.foo\.com 127\.0\.0\.1:\d+: a TLSA record fits", text, re.M)
    assert re.search(r"^foo\.com: \d+ good, 0 wrong, 0 missing, 0 unknown, \d+ to think about$", text, re.M)
    # No letter was begun.
    assert "kept" not in w.log()


def without(kind):
    return lambda lines: [x for x in lines if not re.search(kind, x)]


def instead(kind, by):
    return lambda lines: [re.sub(kind + ".*", by, x) for x in lines]


# What is changed in the zone, and the points that must say so.
BREAKS = [
    (without(r" MX "), {("missing", "mx")}, "Publish it: foo.com. 3600 IN MX 10 mail.foo.com."),
    (without(r"_tcp\.mail.* TLSA"), {("missing", "tlsa"), ("missing", "dane")}, "IN TLSA 3 1 1 "),
    (instead(r"TLSA 3 1 1 ", "TLSA 3 1 1 " + "0" * 64), {("missing", "tlsa"), ("wrong", "dane")}, "IN TLSA 3 1 1 "),
    (without(r"^foo.com. TXT"), {("missing", "spf")}, "v=spf1 ip4:127.0.0.1 -all"),
    (instead(r"^foo.com. TXT ", 'foo.com. TXT "v=spf1 -all"'), {("wrong", "spf")}, "Name the address in the SPF record"),
    (instead(r"^foo.com. TXT ", 'foo.com. TXT "v=spf1 +all"'), {("wrong", "spf")}, "End it with -all."),
    (instead(r"^foo.com. TXT ", 'foo.com. TXT "v=spf1 nonsense -all"'), {("wrong", "spf")}, "Write the record anew"),
    (lambda lines: lines + ['foo.com. TXT "v=spf1 a -all"'], {("wrong", "spf")}, "Write the record anew"),
    (without(r"_dmarc"), {("missing", "dmarc")}, "v=DMARC1; p=quarantine"),
    (instead(r"TXT \"v=DMARC1", 'TXT "v=DMARC1; p=perhaps"'), {("missing", "dmarc")}, "as `waxwing dns` prints it"),
    (without(r"_domainkey.*k=rsa"), {("missing", "dkim"), ("wrong", "dkim")}, "v=DKIM1; k=rsa"),
    (instead(r"k=ed25519; p=", 'k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'), {("wrong", "dkim")}, "v=DKIM1; k=ed25519"),
    (without(r"_smtp\._tls"), {("missing", "tlsrpt")}, "v=TLSRPTv1"),
    (instead(r"TXT \"v=TLSRPTv1", 'TXT "v=TLSRPTv1; rua=nobody"'), {("wrong", "tlsrpt")}, "v=TLSRPTv1; rua=mailto:"),
    (lambda lines: lines + ['foo.com. CAA 128 tbs "x"'], {("wrong", "caa")}, "critical flag"),
    (without(r" CAA "), {("missing", "caa")}, 'CAA 0 issue "ca.example"'),
    (instead(r"^_imaps._tcp.foo.com. SRV ", "_imaps._tcp.foo.com. SRV 0 1 9 mail.foo.com."),
     {("missing", "srv"), ("wrong", "imaps")}, "_imaps._tcp.foo.com. 3600 IN SRV 0 1 "),
    (instead(r"^autoconfig.*", "autoconfig.foo.com. A 127.0.0.99"), {("wrong", "autoconfig")}, "autoconfig.foo.com. 3600 IN CNAME"),
    (without(r"^mail.foo.com. A "), {("missing", "address"), ("wrong", "mx"), ("wrong", "reverse")}, "IN A 127.0.0.1"),
    (instead(r"^foo.com. MX ", "foo.com. MX 10 alias.foo.com.\nalias.foo.com. CNAME mail.foo.com."),
     {("missing", "mx"), ("wrong", "mx")}, "Let the MX name the host itself"),
]


@pytest.mark.parametrize("edit,points,mend", BREAKS, ids=range(len(BREAKS)))
def test_each_break_in_dns_is_named_with_its_mend(ours, edit, points, mend):
    found = check(ours(edit), status=1)
    assert points <= bad_of(found), found
    named = [f for f in found if (f["state"], f["point"]) in points]
    assert any(mend in f["mend"] for f in named), named
    assert all(f["says"] for f in found)


def test_names_that_do_not_lead_back(ours):
    assert ("missing", "reverse") in bad_of(check(ours(reverse="")))


def test_a_reverse_name_of_somebody_else(ours):
    found = check(ours(reverse="1.0.0 PTR other.foo.com."))
    assert {("wrong", "reverse"), ("missing", "ptr")} <= bad_of(found)


def test_a_zone_that_is_not_signed(ours):
    found = check(ours(signed=False))
    assert ("missing", "dnssec") in bad_of(found)
    assert [f["state"] for f in found if f["point"] == "dane"] == ["advice"]


def test_a_zone_that_is_bogus(ours, dns):
    w = ours()
    dns.zone("foo.com", "@ MX 10 mail", ds="broken")
    found = check(w, status=1)
    assert ("wrong", "dnssec") in bad_of(found) and ("unknown", "mx") in bad_of(found)


def test_a_host_without_starttls(ours):
    found = check(ours(**{"smtp.starttls": "no"}))
    assert ("wrong", "starttls") in bad_of(found)


def test_a_host_that_does_not_run(ours):
    found = check(ours(serve=False))
    assert {("wrong", "smtp"), ("wrong", "imaps"), ("wrong", "submission"), ("wrong", "autoconfig")} <= bad_of(found)


def test_an_open_relay_is_found_out(ours):
    found = check(ours(**{"relay.networks": "127.0.0.0/8"}))
    assert [(f["state"], f["point"]) for f in found if f["point"] == "relay"] == [("wrong", "relay")]


def test_silence_of_dns_is_soon_over_and_nothing_is_called_missing(ours, dns):
    w = ours(**{"check.timeout": "1s"})
    dns.pause()
    try:
        began = time.monotonic()
        found = check(w, status=1)
        assert time.monotonic() - began < 30
    finally:
        dns.go_on()
    assert {s for s, _ in bad_of(found)} == {"unknown"}, bad_of(found)


class Silent:
    """Takes connections and says nothing."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(16)
        self.port, self.held = self.sock.getsockname()[1], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                self.held.append(self.sock.accept()[0])
            except OSError:
                return

    def stop(self):
        self.sock.close()
        for s in self.held:
            s.close()


def test_hosts_that_say_nothing_cost_no_more_than_their_time(ours):
    silent = Silent()
    try:
        w = ours(**{"check.timeout": "1s"}, edit=instead(r"SRV (\d+) (\d+) [1-9]\d* ", f"SRV 0 1 {silent.port} mail.foo.com."))
        w.configure(**{"relay.port": str(silent.port)})
        began = time.monotonic()
        found = check(w, status=1)
        assert time.monotonic() - began < 20
    finally:
        silent.stop()
    bad = {(f["point"], f["says"]) for f in found if f["state"] == "wrong"}
    assert any(p == "smtp" and "silent" in s for p, s in bad), bad
    assert {"imap", "imaps", "pop3", "pop3s", "submission", "submissions"} <= {p for p, _ in bad}


def test_a_domain_of_others_is_only_looked_at(ours, dns):
    w = ours()
    dns.zone("other.example", '@ MX 10 mail.foo.com.\n@ TXT "v=spf1 ?all"', signed=False)
    found = check(w, "other.example", status=0)
    assert {f["point"] for f in found if f["state"] == "good"} >= {"mx", "smtp", "starttls", "relay"}
    assert {f["point"] for f in found if f["state"] == "advice"} >= {"dnssec", "dmarc", "spf"}
    assert not any(f["mend"].startswith("Publish it:") for f in found)
    assert check(w, "nowhere.example", status=1)[0]["says"] == "there is no such domain"
    assert "not the name of a domain" in w.run("check", "no_domain", check=False).stderr
    # Also without any instance.
    w.dir += "/nothing"
    p = w.run("check", "other.example", "--json", "--resolver", f"127.0.0.1:{free_ports(1)[0]}", check=False)
    assert p.returncode == 1 and {f["state"] for f in json.loads(p.stdout)} <= {"unknown", "advice"}
