"""waxwing dns: the zone that it prints, its checklist, and the updates (RFC 2136,
TSIG by RFC 8945) that a real name server takes; waxwing tls switch."""
import hashlib
import json
import os
import signal
import subprocess
import time

import pytest

import nameserver
from ports import free_ports

LIMIT = 60
SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"

CONF = nameserver.CONF.split("policy:")[0] + """\
key:
  - id: update.foo.com
    algorithm: hmac-sha256
    secret: {secret}
  - id: idle.foo.com
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: update
    key: update.foo.com
    action: update
zone:
  - domain: foo.com
    storage: {dir}
    file: foo.com.zone
    zonefile-sync: 0
    acl: update
    semantic-checks: off
"""


class Server:
    """One knot with one zone that takes updates, signed by update.foo.com."""

    def __init__(self, path, records):
        self.dir, self.port = str(path), free_ports(1)[0]
        os.makedirs(self.dir + "/db")
        with open(self.dir + "/knot.conf", "w") as f:
            f.write(CONF.format(dir=self.dir, port=self.port, secret=SECRET))
        with open(self.dir + "/foo.com.zone", "w") as f:
            f.write("$ORIGIN foo.com.\n$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 864000 60\n@ NS ns1\nns1 A 127.0.0.1\n" +
                    records + "\n")
        self.process = subprocess.Popen(["knotd", "-c", self.dir + "/knot.conf"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + LIMIT
        while not self.ask("foo.com", "SOA"):
            assert self.process.poll() is None and time.monotonic() < end, open(self.dir + "/log").read()
            time.sleep(0.02)

    def ask(self, name, kind):
        """RDATA of all records, sorted."""
        p = subprocess.run(["kdig", "@127.0.0.1", "-p", str(self.port), "+noall", "+answer", "+time=2", name, kind],
                           text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return sorted(" ".join(line.split()[4:]) for line in p.stdout.splitlines() if not line.startswith(";") and line)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT)


@pytest.fixture
def server(tmp_path):
    made = []

    def start(records=""):
        made.append(Server(tmp_path / "knot", records))
        return made[-1]
    yield start
    for s in made:
        s.stop()


SETTINGS = {"host.name": "mail.foo.com", "host.addresses": "127.0.0.2, 2001:db8::2", "publish.ttl": "5min",
            "publish.caa": "ca.example", "sts.mode": "testing"}


@pytest.fixture
def ours(instance):
    return lambda **more: instance(dict(SETTINGS, **more), accounts=(), start=False)


def rows(w, *words, check=True):
    return json.loads(w.run("dns", "foo.com", "--json", *words, check=check).stdout)


def key_file(tmp_path, name="update.foo.com", secret=SECRET, mode=0o600):
    path = tmp_path / "key"
    path.write_text(f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
    path.chmod(mode)
    return str(path)


# ---- what is printed ----

def test_a_zone_that_a_name_server_reads(ours, tmp_path):
    w = ours(**{"publish.spf": " ".join(f"ip4:198.51.100.{i}" for i in range(40)), "publish.reports": "r;e!p@foo.com"})
    text = w.run("dns", "foo.com").stdout
    zone = tmp_path / "foo.com.zone"
    zone.write_text("foo.com. 60 IN SOA ns1.foo.com. h.foo.com. 1 3600 600 864000 60\nfoo.com. IN NS ns1.foo.com.\n"
                    "ns1.foo.com. IN A 127.0.0.1\n" + text)
    p = subprocess.run(["kzonecheck", "-o", "foo.com", str(zone)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.returncode == 0, p.stdout + text
    printed = [x for x in text.splitlines() if x and not x.startswith(";")]
    listed = rows(w)
    assert len(printed) == len([r for r in listed if not r["elsewhere"]])
    for r in listed:
        line = f"{r['name']}. 300 IN {r['type']} {r['data']}"
        assert ("; " + line if r["elsewhere"] else line) in text.splitlines()
    assert {"mx", "address", "tlsa", "spf", "dkim", "dmarc", "mta-sts", "tlsrpt", "caa", "srv", "autoconfig", "ptr"} == \
        {r["kind"] for r in listed}
    assert all(r["why"] for r in listed)
    # Each string has 255 octets at most; together they are one text.
    spf = next(r["data"] for r in listed if r["kind"] == "spf" and r["name"] == "foo.com")
    strings = spf.strip('"').split('" "')
    assert len(strings) > 1 and all(len(s) <= 255 for s in strings) and "".join(strings).endswith("ip4:198.51.100.39 -all")
    assert "rua=mailto:r%3Be%21p@foo.com" in next(r["data"] for r in listed if r["kind"] == "dmarc")


def test_tlsa_of_the_key_and_of_the_next(ours):
    w = ours()

    def digest(pem):
        key = subprocess.run(["openssl", "x509", "-in", os.path.join(w.dir, "keys", pem), "-noout", "-pubkey"],
                             stdout=subprocess.PIPE).stdout
        return hashlib.sha256(subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                                             stdout=subprocess.PIPE).stdout).hexdigest()
    said = [r["data"] for r in rows(w) if r["kind"] == "tlsa"]
    assert said == ["3 1 1 " + digest("tls.pem"), "3 1 1 " + digest("next.pem")]
    # Who has certificates of his own minds his keys himself.
    w.configure(**{"tls.certificate": "keys/tls.pem", "tls.key": "keys/tls.key"})
    assert [r["data"] for r in rows(w) if r["kind"] == "tlsa"] == said[:1]


def test_names_that_are_not_ascii_are_printed_as_a_labels(ours):
    w = ours()
    w.run("domain", "add", "bücher.example")
    text = w.run("dns", "bücher.example").stdout
    assert "xn--bcher-kva.example. 300 IN MX 10 mail.foo.com.\n" in text and "ü" not in text
    assert "; mail.foo.com. 300 IN A 127.0.0.2" in text


def test_what_is_not_ours_or_makes_no_record(ours):
    w = ours()
    for domain, word in (("example.net", "not one of ours"), ("foo..com", "not the name of a domain")):
        p = w.run("dns", domain, check=False)
        assert p.returncode == 1 and word in p.stderr and p.stdout == ""
    w.configure(**{"host.addresses": "mail.foo.com"})
    assert "is no address" in w.run("dns", "foo.com", check=False).stderr
    w.configure(**{"publish.dmarc": "refuse"})
    assert "none, quarantine, reject" in w.run("serve", "--check", check=False).stderr


def test_the_checklist_says_what_is_to_do(ours, dns):
    w = ours()
    told = [r for r in rows(w) if r["kind"] != "ptr"]
    left = [r for r in told if r["kind"] != "caa"]
    dns.zone("foo.com", "\n".join(f"{r['name']}. {r['type']} {r['data']}" for r in left))
    w.configure(**dns.settings())
    p = w.run("dns", "foo.com", "--checklist", check=False)
    assert p.returncode == 1
    to_do = [x for x in p.stdout.splitlines() if x.startswith("to do")]
    assert len(to_do) == 3 and "CAA" in to_do[0] and "PTR" in to_do[1] and "PTR" in to_do[2]
    assert 'foo.com. 300 IN CAA 0 issue "ca.example"' in p.stdout
    assert p.stdout.splitlines()[-1] == f"foo.com: {len(left)} of {len(told) + 2} done"
    as_json = rows(w, "--checklist", check=False)
    assert {r["state"] for r in as_json if r["kind"] == "caa"} == {"to do"}
    assert all(r["secure"] for r in as_json if r["state"] == "done")


# ---- updates ----

def whats(found, what):
    return [r["record"] for r in found if r["what"] == what]


def test_an_update_adds_what_is_missing_and_then_nothing(ours, server, tmp_path):
    w, s = ours(), server("mail TXT \"not ours\"\n@ TXT \"hello\"\n@ MX 20 backup")
    to = ("--update", f"127.0.0.1:{s.port}", "--tsig", key_file(tmp_path))
    own = [r for r in rows(w) if not r["elsewhere"]]
    done = rows(w, *to)
    assert len(whats(done, "added")) == len(own) and len(done) == len(own)
    for r in own:
        assert any(x.replace('" "', "") == r["data"].replace('" "', "") or x == r["data"] or
                   x.lower().replace(" ", "") == r["data"].replace(" ", "") for x in s.ask(r["name"], r["type"])), r
    # What was there is there.
    assert '"hello"' in s.ask("foo.com", "TXT") and '"not ours"' in s.ask("mail.foo.com", "TXT")
    assert "20 backup.foo.com." in s.ask("foo.com", "MX")
    again = rows(w, *to)
    assert len(whats(again, "kept")) == len(own) == len(again)
    assert "All is there already" in w.run("dns", "foo.com", *to).stdout
    serial = s.ask("foo.com", "SOA")
    rows(w, *to)
    assert s.ask("foo.com", "SOA") == serial


def test_only_its_own_records_are_ever_removed(ours, server, tmp_path):
    foreign = "3 1 1 " + "ab" * 32
    w, s = ours(), server("_25._tcp.mail TLSA " + foreign)
    to = ("--update", f"127.0.0.1:{s.port}", "--tsig", key_file(tmp_path))
    rows(w, *to)
    before = [r["data"] for r in rows(w) if r["kind"] == "tlsa"]
    w.run("tls", "switch", "--yes")
    after = [r["data"] for r in rows(w) if r["kind"] == "tlsa"]
    assert after[0] == before[1] and after[1] not in before
    w.configure(**{"sts.mode": "enforce", "publish.caa": ""})
    done = rows(w, *to)
    assert len(whats(done, "added")) == 2 and len(whats(done, "removed")) == 3 and not whats(done, "conflict")
    assert sorted(x.lower().replace(" ", "") for x in s.ask("_25._tcp.mail.foo.com", "TLSA")) == \
        sorted(x.replace(" ", "") for x in after + [foreign])
    assert len(s.ask("_mta-sts.foo.com", "TXT")) == 1 and s.ask("foo.com", "CAA") == []


def test_more_than_one_message_holds(ours, server, tmp_path):
    """A certificate of each of sixty people: some 50 KiB and more, in several updates."""
    w, s = ours(), server()
    w.run("account", "import", "-", stdin="".join(f"person{i}@foo.com {{PLAIN}}x\n" for i in range(60)))
    w.run("cert", "renew", "--all")
    people = [r for r in rows(w) if r["kind"] == "smimea"]
    assert len(people) >= 60
    to = ("--update", f"127.0.0.1:{s.port}", "--tsig", key_file(tmp_path))
    done = rows(w, *to)
    assert len(whats(done, "added")) == len([r for r in rows(w) if not r["elsewhere"]])
    for r in (people[0], people[30], people[-1]):
        assert r["data"].replace(" ", "") in [x.lower().replace(" ", "") for x in s.ask(r["name"], "SMIMEA")]
    assert {r["what"] for r in rows(w, *to)} == {"kept"}


def test_what_stands_in_the_way_stays_and_is_said(ours, server, tmp_path):
    w, s = ours(), server('@ TXT "v=spf1 include:_spf.example.net ~all"\n_dmarc TXT "v=DMARC1; p=none"\n'
                          "autoconfig A 127.0.0.99\nautodiscover CNAME elsewhere")
    p = w.run("dns", "foo.com", "--update", f"127.0.0.1:{s.port}", "--tsig", key_file(tmp_path), "--json", check=False)
    assert p.returncode == 1
    conflicts = [r for r in json.loads(p.stdout) if r["what"] == "conflict"]
    assert {r["record"].split("\t")[0] for r in conflicts} == {"foo.com.", "_dmarc.foo.com.", "autoconfig.foo.com.",
                                                              "autodiscover.foo.com."}
    assert all(r["other"] for r in conflicts)
    assert [x for x in s.ask("foo.com", "TXT") if "spf1" in x] == ['"v=spf1 include:_spf.example.net ~all"']
    assert s.ask("_dmarc.foo.com", "TXT") == ['"v=DMARC1; p=none"']
    assert s.ask("autoconfig.foo.com", "A") == ["127.0.0.99"] and s.ask("autodiscover.foo.com", "CNAME") == ["elsewhere.foo.com."]
    assert s.ask("foo.com", "MX") == ["10 mail.foo.com."]


@pytest.mark.parametrize("key,word", [
    (dict(name="idle.foo.com"), "REFUSED|does not know the key"), (dict(name="nobody.foo.com"), "does not know the key"),
    (dict(secret="d3Jvbmc="), "does not know the key"), (None, "NOTAUTH"), (dict(mode=0o644), "others can read it"),
])
def test_updates_that_the_server_refuses_change_nothing(ours, server, tmp_path, key, word):
    w, s = ours(), server()
    words = ("--tsig", key_file(tmp_path, **key)) if key is not None else ()
    p = w.run("dns", "foo.com", "--update", f"127.0.0.1:{s.port}", *words, check=False)
    assert p.returncode == 1 and any(x in p.stderr for x in word.split("|")), p.stderr
    assert s.ask("foo.com", "MX") == []


def test_servers_that_are_none(ours, server, tmp_path):
    w = ours()
    p = w.run("dns", "foo.com", "--update", f"127.0.0.1:{free_ports(1)[0]}", check=False)
    assert p.returncode == 1 and "does not answer" in p.stderr
    assert w.run("dns", "foo.com", "--update", "ns1.example", check=False).returncode == 2
    s = server()
    w.run("domain", "add", "other.example")
    p = w.run("dns", "other.example", "--update", f"127.0.0.1:{s.port}", "--tsig", key_file(tmp_path), check=False)
    assert p.returncode == 1 and p.stderr.strip()


# ---- the next key ----

def tlsa_zone(w):
    return "\n".join(f"{r['name']}. {r['type']} {r['data']}" for r in rows(w) if r["kind"] in ("tlsa", "address"))


def test_the_key_is_switched_once_its_record_was_there_long_enough(ours, dns):
    w = ours()

    def pem(name):
        return open(os.path.join(w.dir, "keys", name)).read()
    key, following = pem("tls.pem"), pem("next.pem")
    records = tlsa_zone(w)
    dns.zone("foo.com", "mail A 127.0.0.2")
    w.configure(**dns.settings())
    p = w.run("tls", "switch", check=False)
    assert p.returncode == 1 and "no TLSA record" in p.stderr and pem("tls.pem") == key
    dns.zone("foo.com", [x for x in records.splitlines() if "TLSA" in x][0])
    p = w.run("tls", "switch", check=False)
    assert p.returncode == 1 and "does not have the record" in p.stderr and pem("tls.pem") == key
    dns.zone("foo.com", records)
    p = w.run("tls", "switch", "--time", "2026-11-25T10:00:00Z", check=False)
    assert p.returncode == 1 and "come again after 2026-11-25T10:05:00" in p.stderr and pem("tls.pem") == key
    p = w.run("tls", "switch", "--time", "2026-11-25T10:04:00Z", check=False)
    assert p.returncode == 1 and pem("tls.pem") == key
    w.run("tls", "switch", "--time", "2026-11-25T10:05:30Z")
    assert pem("tls.pem") == following and pem("next.pem") not in (key, following)
    # The new next one has to be seen anew.
    p = w.run("tls", "switch", "--time", "2026-11-25T12:00:00Z", check=False)
    assert p.returncode == 1 and "does not have the record" in p.stderr and pem("tls.pem") == following


def test_a_switch_that_was_cut_in_two_is_finished(ours):
    w = ours()

    def path(name):
        return os.path.join(w.dir, "keys", name)
    following = open(path("next.pem")).read()
    os.rename(path("next.key"), path("tls.key"))
    w.start()
    assert open(path("tls.pem")).read() == following and not os.path.exists(path("next.pem"))
    assert " no-tls " not in w.log() and "mismatch" not in w.log()
    w.run("setup", "foo.com")
    assert os.path.exists(path("next.pem"))


def test_a_certificate_of_the_operator_is_not_touched(ours):
    w = ours()
    w.configure(**{"tls.certificate": "keys/tls.pem", "tls.key": "keys/tls.key"})
    p = w.run("tls", "switch", "--yes", check=False)
    assert p.returncode == 1 and "tls.certificate" in p.stderr
