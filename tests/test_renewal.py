"""Certificates by themselves: made without being asked, renewed before they end, and what was revoked fetched by anybody."""
import os
import re
import subprocess

from smime_pki import openssl
from test_cert import active, listed, raw
from test_smime import inspect, later, waxwing
from test_web import curl

LETTER = b"From: Jones <Jones@foo.com>\r\nTo: Brown@foo.com\r\nSubject: The offer\r\n\r\nTen pounds.\r\n"
KINDS = ["encryption", "signing"]
QUICK = {"smime.issue": "yes", "smime.check": "1s"}


def states(one, who, kinds=KINDS):
    return sorted((r["state"], r["kind"]) for r in listed(one, who) if r["kind"] in kinds)


def of(*words, kinds=KINDS):
    return sorted((w, k) for w in words for k in kinds)


def stored_for(one, address):
    """The serial number of the certificate that what arrives is encrypted to."""
    account = {"Jones@foo.com": 1, "Smith@bar.com": 2}[address]
    return openssl("x509", "-inform", "DER", "-in", f"{one.dir}/mail/{account}/encrypt.der", "-noout",
                   "-serial").decode().strip().removeprefix("serial=")


def test_made_for_who_has_none(instance):
    """Accounts of before, imported ones, and those that are made while the server runs."""
    one = instance(accounts=("Jones@foo.com",), start=False)
    assert states(one, "Jones@foo.com") == []
    one.configure(**QUICK)
    assert one.run("account", "import", "-", stdin="Brown@foo.com {PLAIN}x\nGreen@bar.com {PLAIN}x\n").stdout == "2 accounts made.\n"
    assert states(one, "Brown@foo.com") == states(one, "Green@bar.com") == of("active")
    one.start()
    one.wait_log(r" certificates-made of=Jones@foo\.com")
    assert states(one, "Jones@foo.com") == of("active")
    raw(one, "cert", "revoke", active(one, "Jones@foo.com", "signing"), "--yes")
    one.wait_until(lambda: states(one, "Jones@foo.com") == sorted(of("active") + [("revoked", "signing")]))


def test_renewed_in_their_time(instance, dns):
    """The next ones stand in DNS before those in use go; where DNS has none, nothing is waited for."""
    dns.zone("foo.com", '@ TXT "a"\n').zone("bar.com", '@ TXT "a"\n')
    one = instance(dns.settings(**QUICK, **{"smime.wait": "1h", "testing.time": later(0)}),
                   accounts=("Jones@foo.com", "Smith@bar.com"), start=False)

    def publish():
        dns.zone("foo.com", '@ TXT "a"\n' + re.sub(r"\n\t", "", raw(one, "cert", "dns", "foo.com").decode()))
        one.run("dns", "forget", check=False)

    def again(days):
        one.stop()
        one.configure(**{"testing.time": later(days)})
        one.start()
    old = {k: active(one, "Jones@foo.com", k) for k in KINDS}
    one.run("account", "encrypt", "Smith@bar.com", "on")
    assert stored_for(one, "Smith@bar.com") == active(one, "Smith@bar.com", "encryption")
    publish()
    again(212)
    assert states(one, "Jones@foo.com") == of("active")
    # The last third has begun.
    again(273)
    one.wait_until(lambda: states(one, "Jones@foo.com") == of("active", "next"))
    one.wait_until(lambda: states(one, "Smith@bar.com") == of("active", "retired"))
    one.wait_log(r' certificate-active of=Smith@bar\.com serial=\w+ why="?DNS has none')
    assert {k: active(one, "Jones@foo.com", k) for k in KINDS} == old
    # Smith's letters are stored encrypted, from now on to the new one; Jones' are not.
    one.wait_log(r" encrypt-to .*ok")
    assert stored_for(one, "Smith@bar.com") == active(one, "Smith@bar.com", "encryption")
    assert not os.path.exists(f"{one.dir}/mail/1/encrypt.der")
    publish()
    one.wait_until(lambda: len(re.findall(r" certificate-seen of=Jones@foo\.com", one.log())) == 2)
    assert states(one, "Jones@foo.com") == of("active", "next"), "an hour has not gone by"
    again(273 + 1.5 / 24)
    one.wait_until(lambda: states(one, "Jones@foo.com") == of("active", "retired"))
    new = {k: active(one, "Jones@foo.com", k) for k in KINDS}
    assert not set(new.values()) & set(old.values())
    # Keys of before are in what is exported, and what is published is the new pair alone.
    assert raw(one, "cert", "export", "Jones@foo.com").count(b"BEGIN PRIVATE KEY") == 4
    assert raw(one, "cert", "dns", "foo.com").count(b"SMIMEA") == 4
    # Never taken away: DNS does not get the next ones, and those in use are at their end.
    publish()
    again(634)
    one.wait_until(lambda: states(one, "Jones@foo.com") == sorted(of("active", "retired") + of("retired")))
    one.wait_log(r"why=\"the other one ends; DNS has not got this one\"")


def test_an_authority_is_followed_by_the_next(instance, tmp_path):
    one = instance(dict(QUICK, **{"testing.time": later(0)}), accounts=("Jones@foo.com",), start=False)
    first = active(one, "foo.com", "authority")
    signed = {}

    def at(days):
        one.stop()
        one.configure(**{"testing.time": later(days)})
        one.start()
    at(2960)
    one.wait_until(lambda: states(one, "foo.com", ["authority"]) == of("active", "next", kinds=["authority"]))
    assert active(one, "foo.com", "authority") == first
    assert raw(one, "cert", "show", "foo.com").count(b"BEGIN CERTIFICATE") == 2
    one.wait_until(lambda: states(one, "Jones@foo.com") == of("active", "retired"))
    (tmp_path / "jones").write_bytes(raw(one, "cert", "export", "Jones@foo.com"))
    signed = waxwing("smime", "sign", "--time", later(2990), "--key", tmp_path / "jones", stdin=LETTER)
    at(3325)
    one.wait_until(lambda: states(one, "foo.com", ["authority"]) == of("active", "retired", kinds=["authority"]))
    one.wait_until(lambda: ("active", "signing") in states(one, "Jones@foo.com"))
    assert active(one, "foo.com", "authority") != first
    # Both are shown while there are certificates of both, and so letters of then and now are good.
    (tmp_path / "both").write_bytes(raw(one, "cert", "show", "foo.com"))
    (tmp_path / "jones").write_bytes(raw(one, "cert", "export", "Jones@foo.com"))
    v = inspect(waxwing("smime", "sign", "--time", later(3356), "--key", tmp_path / "jones", stdin=LETTER),
                "--ca", str(tmp_path / "both"), "--time", later(3356))
    assert v["verdict"] == "good", v
    v = inspect(signed, "--ca", str(tmp_path / "both"), "--time", later(3018))
    assert v["verdict"] == "good", v


def test_what_was_revoked_is_served(instance, tmp_path):
    """And nothing else is."""
    web = instance({"smime.issue": "yes"}, accounts=("Jones@foo.com", "Brown@foo.com"))
    serial = active(web, "Brown@foo.com", "signing")
    (tmp_path / "brown").write_bytes(raw(web, "cert", "show", "Brown@foo.com"))
    (tmp_path / "jones").write_bytes(raw(web, "cert", "show", "Jones@foo.com"))
    (tmp_path / "ca").write_bytes(raw(web, "cert", "show", "foo.com"))
    for kind in KINDS:
        raw(web, "cert", "revoke", active(web, "Brown@foo.com", kind), "--yes")
    authority = active(web, "foo.com", "authority")
    said = openssl("x509", "-in", tmp_path / "jones", "-noout", "-ext", "crlDistributionPoints,authorityInfoAccess").decode()
    base = f"http://autoconfig.foo.com:{web.ports['http']}/smime/{authority}"
    assert f"URI:{base}.crl" in said and f"CA Issuers - URI:{base}.cer" in said
    for service in ("http", "https"):
        for kind, form in (("crl", "application/pkix-crl"), ("cer", "application/pkix-cert")):
            p = subprocess.run(["curl", "-sS", "--insecure", "--connect-to", f"::127.0.0.1:{web.ports[service]}", "-o", tmp_path / kind, "-w",
                                "%{http_code} %{content_type}", f"{service}://autoconfig.foo.com/smime/{authority}.{kind}"],
                               capture_output=True, text=True)
            assert p.stdout == f"200 {form}", p
    assert openssl("x509", "-inform", "DER", "-in", tmp_path / "cer") == openssl("x509", "-in", tmp_path / "ca")
    (tmp_path / "pem").write_bytes(openssl("crl", "-inform", "DER", "-in", tmp_path / "crl"))
    for name, good in (("jones", True), ("brown", False)):
        p = subprocess.run(["openssl", "verify", "-crl_check", "-CAfile", tmp_path / "ca", "-CRLfile", tmp_path / "pem", tmp_path / name],
                           capture_output=True, text=True)
        assert ("certificate revoked" in p.stderr) == (not good), p
    for name in ("", ".crl", "00.crl", "x" * 200 + ".crl", "..%2f..%2fkeys.cer", authority, f"{authority}.key", f"{serial}.cer", f"{serial}.crl"):
        for service in ("http", "https"):
            assert curl(web, "autoconfig.foo.com", f"/smime/{name}", service=service)[0] == 404, name
