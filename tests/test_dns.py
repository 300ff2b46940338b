"""The process names: what it answers, what it proves, and what hostile servers get out of it."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from conftest import WAXWING

FOO = """\
@ MX 10 mail
mail A 127.0.0.2
mail AAAA ::1
www CNAME mail
many CNAME www
left CNAME mail.insecure.example.
dangling CNAME nowhere
_25._tcp.mail TLSA 3 1 1 abababababababababababababababababababababababababababababababab
@ TXT "v=spf1 mx" " -all"
@ CAA 0 issue "ca.example"
_submission._tcp SRV 0 1 587 mail
_smimecert SMIMEA 3 0 1 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
"""
MAIL = "@ MX 10 mail\nmail A 127.0.0.3"


@pytest.fixture
def internet(dns):
    dns.zone("foo.com", FOO).zone("bar.com", MAIL, nsec3=True)
    dns.zone("insecure.example", MAIL, signed=False).zone("island.example", MAIL, ds="none")
    dns.zone("broken.example", MAIL, ds="broken").zone("expired.example", MAIL, expired=True)
    dns.zone("127.in-addr.arpa", "2.0.0 PTR mail.foo.com.")
    return dns


def lookup(name, kind, *options, program=WAXWING):
    """By the command; --dir leads to a running server, --resolver to none."""
    p = subprocess.run([program, "lookup", name, kind, "--json", *options], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=90)
    assert p.stdout, p.stderr
    return json.loads(p.stdout)


def directly(settings):
    return ["--dir", "/nonexistent", "--resolver", settings["testing.resolver"],
            "--trust-anchor", settings["testing.trust_anchor"]]


# What is asked, and outcome, security, the last alias and the records that must come.
ANSWERS = [
    ("foo.com", "MX", "found", True, None, ["10 mail.foo.com."]),
    ("FOO.com.", "MX", "found", True, "foo.com", ["10 mail.foo.com."]),
    ("mail.foo.com", "A", "found", True, None, ["127.0.0.2"]),
    ("mail.foo.com", "AAAA", "found", True, None, ["::1"]),
    ("www.foo.com", "A", "found", True, "mail.foo.com", ["127.0.0.2"]),
    ("many.foo.com", "AAAA", "found", True, "mail.foo.com", ["::1"]),
    ("www.foo.com", "CNAME", "found", True, "www.foo.com", ["mail.foo.com."]),
    ("left.foo.com", "A", "found", False, "mail.insecure.example", ["127.0.0.3"]),
    ("dangling.foo.com", "A", "no-name", True, "nowhere.foo.com", []),
    ("many.foo.com", "MX", "no-data", True, "mail.foo.com", []),
    ("_25._tcp.mail.foo.com", "TLSA", "found", True, None, ["3 1 1 " + "ab" * 32]),
    ("_smimecert.foo.com", "SMIMEA", "found", True, None, ["3 0 1 " + "cd" * 32]),
    ("foo.com", "TXT", "found", True, None, ['"v=spf1 mx" " -all"']),
    ("foo.com", "CAA", "found", True, None, ['0 issue "ca.example"']),
    ("_submission._tcp.foo.com", "SRV", "found", True, None, ["0 1 587 mail.foo.com."]),
    ("127.0.0.2", "PTR", "found", True, None, ["mail.foo.com."]),
    ("nobody.foo.com", "MX", "no-name", True, None, []),
    ("nobody.bar.com", "MX", "no-name", True, None, []),
    ("bar.com", "TXT", "no-data", True, None, []),
    ("nothing", "MX", "no-name", True, None, []),
    ("insecure.example", "MX", "found", False, None, ["10 mail.insecure.example."]),
    ("nobody.insecure.example", "MX", "no-name", False, None, []),
    ("_25._tcp.mail.insecure.example", "TLSA", "no-name", False, None, []),
    ("island.example", "MX", "found", False, None, ["10 mail.island.example."]),
    ("broken.example", "MX", "bogus", False, None, []),
    ("nobody.broken.example", "MX", "bogus", False, None, []),
    ("expired.example", "MX", "bogus", False, None, []),
    ("a" * 64 + ".foo.com", "MX", "no-name", False, None, []),
    ("a..foo.com", "MX", "no-name", False, None, []),
]


def check_answers(*options):
    for name, kind, outcome, secure, canonical, records in ANSWERS:
        a = lookup(name, kind, *options)
        assert (a["outcome"], a["secure"], a["records"]) == (outcome, secure, records), a
        if canonical:
            assert a["canonical"] == canonical
        assert bool(a["why"]) == (outcome in ("bogus", "failed") or a["why"].startswith("not a name")), a


def test_answers_of_the_process(internet, instance):
    w = instance(internet.settings(), accounts=())
    check_answers("--dir", w.dir)
    status = json.loads(w.run("status", "--json").stdout)
    row = [r for r in status if r["process"] == "names"][0]
    assert row["restarts"] == 0 and row["asked"] == 0 and row["in_flight"] == 0


def test_answers_without_a_server(internet):
    check_answers(*directly(internet.settings()))


def test_the_way_of_the_proof_is_shown(internet):
    options = directly(internet.settings())

    def chain(name):
        return [(z["zone"], z["security"]) for z in lookup(name, "MX", *options)["chain"]]

    assert chain("foo.com") == [("com", "signed"), ("foo.com", "signed")]
    assert chain("a.b.foo.com") == [("com", "signed"), ("foo.com", "signed")]
    assert chain("insecure.example") == [("example", "signed"), ("insecure.example", "unsigned")]
    assert chain("broken.example")[0] == ("example", "signed")
    text = subprocess.run([WAXWING, "lookup", "foo.com", *options], text=True, stdout=subprocess.PIPE).stdout
    assert "secure" in text and ". > com > foo.com" in text


def test_another_anchor_proves_nothing(internet, dns):
    """With the true root's keys our own root is false."""
    s = internet.settings()
    a = lookup("foo.com", "MX", "--dir", "/nonexistent", "--resolver", s["testing.resolver"],
               "--trust-anchor", "/usr/share/dns/root.key")
    assert a["outcome"] == "bogus" and not a["records"]
