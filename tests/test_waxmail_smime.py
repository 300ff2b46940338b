"""S/MIME in waxmail(1): keys that the server made, certificates from letters and from DNS."""
import os
import re
import time

import pytest

from test_reader import deliver
from test_revocation import world  # noqa: F401, a fixture
from test_smime import signed
from waxmail import Person


def keys_of(w, person, address):
    """The account's key from the server, taken by the mail program."""
    w.run("cert", "renew", address)
    pem = os.path.join(person.folder, "own.pem")
    with open(pem, "w") as f:
        f.write(w.run("cert", "export", address).stdout)
    rows = person.json("cert", "import", pem)
    assert {a for r in rows for a in r["addresses"]} == {address} and all(r["ours"] for r in rows)
    assert os.stat(os.path.join(person.folder, "data/waxmail", address.lower(), "smime/keys.pem")).st_mode & 0o077 == 0


@pytest.fixture
def pair(instance, tmp_path):
    w = instance()
    jones = Person(tmp_path / "jones").account("Jones@foo.com", w)
    smith = Person(tmp_path / "smith").account("Smith@bar.com", w)
    return w, jones, smith


def setting(person, line):
    path = os.path.join(person.folder, "config/waxmail/config")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(line + "\n" + text)


def raw(person, number=1):
    return person.run("raw", str(number)).stdout


def test_without_a_key_letters_go_as_they_are(pair):
    w, jones, smith = pair
    jones.run("send", "--to", "Smith@bar.com", "--subject", "plain", input="Blah\n")
    smith.wait(lambda rows: len(rows) == 1)
    assert "application/pkcs7" not in raw(smith)
    for wish, says in (("--sign", "no key to sign as Jones@foo.com"), ("--encrypt", "no certificate of Smith@bar.com")):
        assert says in jones.run("send", "--to", "Smith@bar.com", wish, input="Blah\n", status=1).stderr


def test_a_signed_letter_brings_the_certificate(pair):
    w, jones, smith = pair
    keys_of(w, jones, "Jones@foo.com")
    said = jones.run("send", "--to", "Smith@bar.com", "--subject", "one", input="Blah blah\n").stderr
    assert "signed, not encrypted: no certificate of Smith@bar.com" in said
    smith.wait(lambda rows: len(rows) == 1)
    assert "multipart/signed" in raw(smith)
    shown = smith.run("show", "1").stdout
    # Nobody whom Smith trusts says that it is Jones's: it is shown as what it is.
    assert "Blah blah" in shown and "smime.p7s" not in shown and "nobody" in shown.split("\n")[0]
    assert [r["addresses"] for r in smith.json("cert", "list")] and all(not r["ours"] for r in smith.json("cert", "list"))
    keys_of(w, smith, "Smith@bar.com")
    said = smith.run("reply", "1", input="Blah in return\n").stderr
    assert "signed and encrypted for Jones@foo.com (certificate seen in a letter before)" in said
    jones.wait(lambda rows: len(rows) == 1)
    there = raw(jones, jones.list()[0]["id"])
    assert "application/pkcs7-mime" in there and "Blah in return" not in there
    assert "Blah in return" in jones.run("show", str(jones.list()[0]["id"])).stdout
    # --plain for one letter.
    jones.run("send", "--to", "Smith@bar.com", "--subject", "two", "--plain", input="open\n")
    smith.wait(lambda rows: len(rows) == 2)
    assert "pkcs7" not in raw(smith, smith.list()[0]["id"])


def test_strangers_find_each_other_by_dns(pair, dns):
    """No set-up at all: two people who never met, SMIMEA and DNSSEC."""
    w, jones, smith = pair
    keys_of(w, jones, "Jones@foo.com")
    keys_of(w, smith, "Smith@bar.com")
    for name in ("foo.com", "bar.com"):
        dns.zone(name, w.run("cert", "dns", name).stdout)
    for person in (jones, smith):
        s = dns.settings()
        setting(person, f'resolver = "{s["testing.resolver"]}"; trust_anchor = "{s["testing.trust_anchor"]}";')
    assert jones.json("cert", "find", "Smith@bar.com")[0]["source"] == "from DNS, proved by DNSSEC"
    said = jones.run("send", "--to", "Smith@bar.com", "--subject", "secret", input="Blah blah\n").stderr
    assert "signed and encrypted for Smith@bar.com (certificate from DNS, proved by DNSSEC)" in said
    smith.wait(lambda rows: len(rows) == 1)
    there = raw(smith)
    assert "application/pkcs7-mime" in there and "Blah blah" not in there and "Subject: secret" not in there
    shown = smith.run("show", "1").stdout
    assert "Blah blah" in shown and "secret" in shown and "DNSSEC proves the certificate" in shown
    # The text begins with the subject, for programs that know of no other (RFC 9788); not for us.
    assert shown.count("secret") == 1
    # Our own copy can be read.
    jones.sync()
    sent = next(f["name"] for f in jones.json("folders") if f["name"].startswith("Sent"))
    assert "Blah blah" in jones.run("show", str(jones.list(sent)[0]["id"])).stdout


def test_a_record_that_nothing_proves_is_not_used(pair, dns):
    w, jones, smith = pair
    keys_of(w, jones, "Jones@foo.com")
    keys_of(w, smith, "Smith@bar.com")
    dns.zone("bar.com", w.run("cert", "dns", "bar.com").stdout, signed=False)
    s = dns.settings()
    setting(jones, f'resolver = "{s["testing.resolver"]}"; trust_anchor = "{s["testing.trust_anchor"]}";')
    assert "none" in jones.run("cert", "find", "Smith@bar.com", status=1).stderr
    assert "no certificate" in jones.run("send", "--to", "Smith@bar.com", "--encrypt", input="x\n", status=1).stderr


def test_keys_from_pkcs12(pair):
    w, jones, smith = pair
    w.run("cert", "renew", "Jones@foo.com")
    import subprocess
    pem = w.run("cert", "export", "Jones@foo.com").stdout
    path = os.path.join(jones.folder, "jones.p12")
    subprocess.run(["openssl", "pkcs12", "-export", "-passout", "pass:", "-out", path], input=pem, text=True, check=True)
    assert jones.json("cert", "import", path)[0]["ours"]
    assert "here already" in jones.run("cert", "import", path, status=1).stderr
    empty = os.path.join(jones.folder, "empty.pem")
    open(empty, "w").write("nothing\n")
    assert "no private key" in jones.run("cert", "import", empty, status=1).stderr
    assert re.search(r"Jones@foo\.com\s+\w+\s+until", jones.run("cert", "list").stdout)


# ---- was it revoked? ----

def test_revocation_is_asked_where_the_person_wants_it(instance, world, dns, tmp_path):  # noqa: F811
    """Nothing unasked; lists, which are kept; OCSP; and who is not there is not waited for again."""
    w = instance()
    dns.zone("foo.com", "lists A 127.0.0.1")
    s = dns.settings()
    jones = Person(tmp_path / "jones").account("Jones@foo.com", w)
    jones.env["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    both = tmp_path / "both.pem"
    both.write_bytes(open(os.path.join(w.dir, "keys/tls.pem"), "rb").read() + open(world.pki("ca.crt"), "rb").read())
    config = os.path.join(jones.folder, "config/waxmail/config")
    account = re.sub(r"authorities = .*;", f'authorities = "{both}";', open(config).read())
    for who in ("smith", "gone", "none"):
        deliver(w, signed(world.pki, who).decode())
    jones.sync()
    at = dict(zip(("smith", "gone", "none"), (str(x["id"]) for x in sorted(jones.list(), key=lambda x: x["uid"]))))

    def seal(who, wish):
        with open(config, "w") as f:
            f.write(f'resolver = "{s["testing.resolver"]}"; trust_anchor = "{s["testing.trust_anchor"]}"; {wish}\n{account}')
        world.asked.clear()
        return jones.run("show", at[who]).stdout.split("From:")[0].replace("\n", " ").replace("          ", " ")

    assert "revoked" not in seal("gone", "") and world.asked == []
    assert "The certificate was not revoked." in seal("smith", 'revocation = "crl,private";') and world.asked == ["/ca.crl"]
    assert "was revoked" in seal("gone", 'revocation = "crl,private";') and world.asked == []
    assert "nobody answered" in seal("none", 'revocation = "crl,private";') and world.asked == ["/none.crl"]
    # The responder is the openssl command, which a busy machine lets wait.
    end = time.monotonic() + 60
    while "The certificate was not revoked." not in (said := seal("none", 'revocation = "ocsp,private";')):
        assert time.monotonic() < end, said
    assert world.asked == [("/ocsp", "application/ocsp-request")]
    assert "was not revoked" in seal("none", 'revocation = "ocsp,private";') and world.asked == []
    # Without private no address of ours is asked, and what was kept counts.
    assert "nobody answered" in seal("none", 'revocation = "crl";') and world.asked == []
    with open(config, "w") as f:
        f.write(f'revocation = "all";\n{account}')
    assert "revocation wants" in jones.run("list", status=1).stderr
