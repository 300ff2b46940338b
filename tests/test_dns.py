"""The process names: what it answers, what it proves, and what hostile servers get out of it."""
import json
import os
import signal
import subprocess
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


def test_forwarders_and_anchor_are_settings(internet, instance):
    """As an operator names them, without the hooks of tests."""
    hooks = internet.settings()
    w = instance({"dns.forwarders": hooks["testing.resolver"], "dns.trust_anchor": hooks["testing.trust_anchor"]},
                 accounts=())
    a = lookup("foo.com", "MX", "--dir", w.dir)
    assert (a["outcome"], a["secure"]) == ("found", True)


def test_the_forwarders_of_the_system(instance):
    """What they say is another question; they are read before the process is locked in."""
    w = instance({"dns.forwarders": "system", "dns.timeout": "1s"}, accounts=())
    a = lookup("localhost", "A", "--dir", w.dir)
    assert a["outcome"] == "found" and a["records"] == ["127.0.0.1"]
    assert " died " not in w.log()


def test_another_anchor_proves_nothing(internet, dns):
    """With the true root's keys our own root is false."""
    s = internet.settings()
    a = lookup("foo.com", "MX", "--dir", "/nonexistent", "--resolver", s["testing.resolver"],
               "--trust-anchor", "/usr/share/dns/root.key")
    assert a["outcome"] == "bogus" and not a["records"]


# ---- servers that misbehave ----

# The first label says what is done to it (nameserver.py); the outcome, how many
# records, and a word of the reason.
FAULTS = [
    ("fine", "A", "found", 1, ""),
    ("silent", "A", "failed", 0, ""),
    ("servfail", "A", "failed", 0, "SERVFAIL"),
    ("refused", "A", "failed", 0, ""),
    ("lame", "A", "failed", 0, "SERVFAIL"),
    ("truncated", "A", "failed", 0, ""),
    ("garbage", "A", "failed", 0, ""),
    ("wrongid", "A", "failed", 0, ""),
    ("wrongquestion", "A", "failed", 0, ""),
    ("broken", "MX", "failed", 0, ""),
    ("loop-1", "A", "failed", 0, ""),
    ("chain-5", "A", "found", 1, ""),
    ("chain-40", "A", "failed", 0, ""),
    ("huge", "TXT", "found", 58, ""),
    ("many", "A", "found", 2000, ""),
    ("hugemx", "MX", "failed", 0, "too large"),
    ("noname", "A", "no-name", 0, ""),
    ("foreign", "A", "found", 1, ""),
    ("ad", "A", "found", 1, ""),
]


class Asker:
    """tests/ask_names.c: a process `names` with one door, whose part we play."""

    def __init__(self, w):
        program = os.path.join(os.path.dirname(os.path.dirname(WAXWING)), "tests/ask_names")
        self.process = subprocess.Popen([program, WAXWING, w.dir], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=1)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answers(self, n):
        return [json.loads(self.process.stdout.readline()) for _ in range(n)]

    def ask(self, name, kind="A", times=1):
        self.say(f"ask {kind} {name} {times}")
        return self.answers(times)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(90) == 0
        self.process.stdout.close()


@pytest.fixture
def asker(instance):
    made = []

    def make(settings):
        made.append(Asker(instance(settings, accounts=(), start=False)))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_faults_have_outcomes(dns, asker):
    # Each its own server: one that was lame is not asked again for a while.
    for first, *_ in FAULTS:
        dns.fault(f"{first}.example")
    dns.zone("victim.com", "@ A 127.0.0.7")
    a = asker(dns.settings(**{"dns.timeout": "8s"}))
    for first, kind, *_ in FAULTS:
        a.say(f"ask {kind} {first}.at.{first}.example 1")
    got = {}
    for x in a.answers(len(FAULTS)):
        got[x["name"].split(".")[0]] = x
    for first, kind, outcome, n, why in FAULTS:
        x = got[first]
        assert (x["outcome"], len(x["records"]), x["secure"]) == (outcome, n, False), x
        assert why in x["why"] and bool(x["why"]) == (outcome == "failed"), x
    # What it said of somebody else was not believed, though it had 600 seconds.
    assert a.ask("victim.com")[0]["records"] == ["127.0.0.7"]


def test_a_zone_that_should_be_signed_and_is_not_is_bogus(dns, asker):
    """Whoever strips the signatures gets nothing, neither by an answer nor by absence."""
    dns.fault("stripped.example", ds="broken")
    a = asker(dns.settings())
    for first in ("fine", "noname", "ad"):
        x = a.ask(first + ".stripped.example")[0]
        assert x["outcome"] == "bogus" and x["why"] and not x["records"] and not x["secure"], x


def test_silence_ends_in_time_and_is_asked_again(dns, asker):
    dns.zone("foo.com", FOO)
    a = asker(dns.settings(**{"dns.timeout": "1s"}))
    assert a.ask("foo.com", "MX")[0]["outcome"] == "found"
    dns.pause()
    began = time.monotonic()
    x = a.ask("mail.foo.com")[0]
    assert x["outcome"] == "failed" and "timeout" in x["why"] and x["name"] == "mail.foo.com", x
    assert 0.9 < time.monotonic() - began < 8
    dns.go_on()
    end = time.monotonic() + 60
    while a.ask("mail.foo.com")[0]["outcome"] != "found":
        assert time.monotonic() < end
        time.sleep(0.1)


def test_one_look_up_for_all_who_ask(dns, asker):
    evil = dns.fault("evil.example")
    a = asker(dns.settings())
    a.ask("evil.example")
    got = a.ask("slow.evil.example", times=100)
    assert all(x["records"] == ["127.0.0.9"] for x in got)
    assert evil.count("slow.evil.example") == 1


def test_a_hint_begins_the_look_up(dns, asker):
    evil = dns.fault("evil.example")
    a = asker(dns.settings())
    a.say("hint A slow.evil.example 1")
    end = time.monotonic() + 60
    while not evil.count("slow.evil.example"):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert a.ask("slow.evil.example")[0]["outcome"] == "found"
    assert evil.count("slow.evil.example") == 1


def test_an_asker_has_a_bound(dns, asker):
    dns.fault("evil.example")
    a = asker(dns.settings(**{"dns.questions": "10", "dns.timeout": "2s"}))
    got = a.ask("silent.evil.example", times=30)
    assert all(x["outcome"] == "failed" for x in got)
    assert len([x for x in got if "too many" in x["why"]]) == 20
    # And it is free again.
    assert a.ask("fine.evil.example")[0]["outcome"] == "found"


def test_a_restart_loses_nothing_but_time(dns, asker):
    dns.fault("evil.example")
    a = asker(dns.settings())
    a.say("ask A silent.evil.example 50")
    a.say("ask A slow.evil.example 1")
    a.say("restart")
    got = a.answers(51)
    assert all(x["outcome"] == "failed" and "names does not answer" in x["why"] for x in got)
    assert a.ask("slow.evil.example")[0]["outcome"] == "found"


def test_settings_and_forgetting_begin_it_anew(dns, instance):
    dns.zone("foo.com", FOO)
    w = instance(dns.settings(), accounts=())
    first = w.pids("names")
    assert lookup("foo.com", "MX", "--dir", w.dir)["outcome"] == "found"
    assert lookup("foo.com", "MX", "--forget", "--dir", w.dir)["outcome"] == "found"
    w.wait_until(lambda: w.pids("names") not in ([], first))
    second = w.pids("names")
    w.configure(**{"dns.timeout": "3s"})
    w.process.send_signal(signal.SIGHUP)
    w.wait_until(lambda: w.pids("names") not in ([], second))
    w.wait_log(" ended role=names")
    assert " died role=names" not in w.log()


@pytest.mark.parametrize("key,value,word", [
    ("testing.trust_anchor", "/nonexistent/anchor", "cannot be read"),
    ("testing.trust_anchor", "/dev/null", "no DNSSEC trust anchor"),
])
def test_what_names_cannot_begin_with_is_said(instance, key, value, word):
    w = instance({key: value}, accounts=(), start=False)
    w.start(wait=False)
    w.wait_log(f"dns-settings.*{word}")


@pytest.mark.parametrize("key,value", [
    ("dns.forwarders", "nameserver"), ("dns.forwarders", "127.0.0.1"), ("testing.resolver", "localhost:53"),
    ("dns.stubs", "127.0.0.1:53"), ("dns.stubs", "=127.0.0.1:53"), ("dns.stubs", "a.example=b:53"),
])
def test_wrong_servers_are_refused(instance, key, value):
    w = instance({key: value}, accounts=(), start=False)
    p = w.run("serve", "--check", check=False)
    assert p.returncode != 0 and key in p.stderr, p.stderr
