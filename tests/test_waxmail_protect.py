"""How much a letter is protected (waxmail send --protect): encrypted, else REQUIRETLS, else asked or held."""
import os
import re

import pytest

from certificates import Authority
from test_reader import Terminal
from test_waxmail_servers import Stub
from test_waxmail_smime import keys_of, pair, raw, setting
from waxmail import Person, WAXMAIL

GREETED = [b"220 hi\r\n", "hear"]
TAKEN = ["hear", b"235 in\r\n", "hear", b"250 sender\r\n", "hear", b"250 rcpt\r\n", "hear", b"354 go\r\n", "hear", b"250 taken\r\n", "hear"]
WITH = GREETED + [b"250-hi\r\n250-REQUIRETLS\r\n250 AUTH PLAIN\r\n"] + TAKEN
WITHOUT = GREETED + [b"250-hi\r\n250 AUTH PLAIN\r\n"] + TAKEN


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "keys").mkdir()
    return Authority(tmp_path / "keys")


@pytest.fixture
def stubbed(tmp_path, authority, dns):
    """Nobody outside is asked: bar.com is here, and has no certificates."""
    dns.zone("bar.com")
    s = dns.settings()

    def start(words):
        stub = Stub(authority.context("localhost"), words)
        person = Person(tmp_path / f"person{stub.port}")
        person.run("account", "add", "Jones@foo.com", "--read", "imaps://localhost:1", "--send",
                   f"submissions://localhost:{stub.port}", "--authorities", authority.file, "--password-command",
                   "echo secret", "--no-check")
        setting(person, f'resolver = "{s["testing.resolver"]}"; trust_anchor = "{s["testing.trust_anchor"]}";')
        return stub, person
    return start


def mail_from(stub):
    return re.findall(rb"MAIL FROM:[^\r]*", stub.heard)


def test_without_certificates_it_requires_tls(stubbed):
    stub, jones = stubbed(WITH)
    p = jones.run("send", "--to", "Smith@bar.com", "--protect", "protect", input="Blah\n")
    assert "not encrypted: no certificate of Smith@bar.com" in p.stderr
    assert len(mail_from(stub)) == 1 and mail_from(stub)[0].endswith(b" REQUIRETLS")
    assert jones.json("outbox", "list") == []
    stub, jones = stubbed(WITH)
    jones.run("send", "--to", "Smith@bar.com", input="Blah\n")
    assert b"REQUIRETLS" not in mail_from(stub)[0]


def test_what_cannot_be_protected_is_held(stubbed):
    stub, jones = stubbed(WITHOUT)
    got = jones.json("send", "--to", "Smith@bar.com", "--protect", "protect", input="Blah\n")
    assert got["state"] == "held" and "does not offer REQUIRETLS" in got["why"]
    row = jones.json("outbox", "list")[0]
    assert row["held"] and row["next"] is None and "not encrypted" in row["problem"] and row["number"] == got["outbox"]
    assert "held" in jones.run("outbox", "list").stdout
    # It goes neither at the next sync nor when it is tried again, but when that is said.
    jones.run("sync", status=1)
    assert "held" in jones.run("outbox", "send", str(row["number"]), status=1).stderr
    assert jones.json("outbox", "list")[0]["held"] and mail_from(stub) == []
    for wrong in ("sign", "nonsense"):
        jones.run("outbox", "send", str(row["number"]), "--protect", wrong, status=2)
    assert jones.json("outbox", "send", str(row["number"]), "--protect", "off")["state"] == "sent"
    assert len(mail_from(stub)) == 1 and jones.json("outbox", "list") == []
    jones.run("outbox", "send", "77", status=1)


@pytest.mark.parametrize("key,left", [("n", 1), ("y", 0)])
def test_on_a_terminal_it_is_asked(stubbed, tmp_path, key, left):
    stub, jones = stubbed(WITHOUT)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\ngrep -q '^Protect: protect$' \"$1\" && echo Blah >> \"$1\"\n")
    editor.chmod(0o755)
    env = [f"{k}={v}" for k, v in jones.env.items() if k in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    t = Terminal(tmp_path, ["sh", "-c", f"'{WAXMAIL} send --to Smith@bar.com --subject x --protect protect; echo done $?; read x'"],
                 env=[*env, f"EDITOR={editor}"])
    try:
        t.until("Send it?")
        t.keys("y")
        assert "does not offer REQUIRETLS" in t.until("Send it without that? [y/N]").replace("\n", "")
        t.keys(key, "Enter")
        t.until("done 0")
        assert len(mail_from(stub)) == 1 - left and len(jones.json("outbox", "list")) == left
    finally:
        t.close()


def test_words_of_the_setting(stubbed):
    stub, jones = stubbed(WITH)
    config = os.path.join(jones.folder, "config/waxmail/config")
    assert 'protect = "auto";' in open(config).read()

    def set_to(value):
        text = re.sub(r"protect = .*;", f"protect = {value};", open(config).read())
        open(config, "w").write(text)
    for value, status, says in (('"encrypt"', 1, "no certificate of Smith@bar.com"), ('"sign"', 1, "no key to sign"),
                                ('"much"', 1, "wants off, sign, auto, protect or encrypt")):
        set_to(value)
        assert says in jones.run("send", "--to", "Smith@bar.com", input="x\n", status=status).stderr
    assert mail_from(stub) == []
    set_to("false")
    jones.run("send", "--to", "Smith@bar.com", input="x\n")
    set_to('"protect"')
    jones.run("send", "--to", "Smith@bar.com", input="x\n")
    jones.run("send", "--to", "Smith@bar.com", "--plain", input="x\n")
    assert [b"REQUIRETLS" in x for x in mail_from(stub)] == [False, True, False]


def test_who_is_hidden_stays_so(pair, dns):
    """Smith is named and Jones gets a blind copy: neither's letter says that."""
    w, jones, smith = pair
    for person, address in ((jones, "Jones@foo.com"), (smith, "Smith@bar.com")):
        keys_of(w, person, address)
        name = address.split("@")[1]
        dns.zone(name, w.run("cert", "dns", name).stdout)
    s = dns.settings()
    setting(smith, f'resolver = "{s["testing.resolver"]}"; trust_anchor = "{s["testing.trust_anchor"]}";')
    said = smith.run("send", "--to", "Smith@bar.com", "--bcc", "Jones@foo.com", "--protect", "encrypt", "--subject", "x", input="Blah blah\n").stderr
    assert "signed and encrypted for Smith@bar.com" in said and "Jones@foo.com" in said
    smith.wait(lambda rows: len(rows) == 1)
    jones.wait(lambda rows: len(rows) == 1)
    named, hidden = recipients(smith, raw(smith)), recipients(jones, raw(jones))
    # Smith wrote it and is named: his own two; Jones: his and the author's.
    assert len(hidden) == 2 and named < hidden
    assert "Blah blah" in jones.run("show", "1").stdout and "Blah blah" in smith.run("show", "1").stdout
    smith.sync()
    sent = next(f["name"] for f in smith.json("folders") if f["use"] == "sent")
    assert len(smith.list(sent)) == 1


def recipients(person, text):
    """The serial numbers that the letter's RecipientInfos name."""
    import subprocess
    out = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-noout"], input=text, text=True, stdout=subprocess.PIPE, check=True).stdout
    head = out[:out.index("encryptedContentInfo") if "encryptedContentInfo" in out else out.index("authEncryptedContentInfo")]
    return set(re.findall(r"serialNumber: (\S+)", head) or re.findall(r"d.subjectKeyIdentifier:.*?0000 - ([^\n]*)", head, re.S))
