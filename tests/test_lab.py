"""waxwing lab: three mail domains with DNS of their own; what breaks, and what is then seen."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from conftest import WAXWING


class Lab:
    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="waxwing-lab-")
        os.chmod(self.top, 0o711)
        self.dir = os.path.join(self.top, "lab")

    def run(self, *words, check=True, json_out=True, dir=None):
        p = subprocess.run([WAXWING, *words, "--dir", dir or self.dir] + (["--json"] if json_out else []),
                           text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=120)
        if check:
            assert p.returncode == 0, f"{words}: {p.stdout}{p.stderr}"
        return json.loads(p.stdout) if json_out and p.stdout else p

    def status(self):
        return {r["domain"]: r for r in self.run("lab", "status")}

    def place(self, domain):
        return os.path.join(self.dir, domain)

    def ask(self, name, kind="MX", by="bar.com"):
        """What the server of that domain hears of DNS."""
        return self.run("lookup", name, kind, dir=self.place(by), check=False)

    def end(self):
        if os.path.exists(os.path.join(self.dir, "lab.json")):
            self.run("lab", "down", "--purge", json_out=False)
        shutil.rmtree(self.top, ignore_errors=True)


@pytest.fixture(scope="module")
def lab():
    one = Lab()
    try:
        one.run("lab", "up")
        yield one
    finally:
        one.end()


@pytest.fixture
def whole(lab):
    """The lab with nothing broken, also afterwards."""
    yield lab
    lab.run("lab", "mend")


def tlsa(lab, domain):
    return lab.ask(f"_2525._tcp.mail.{domain}", "TLSA")


def test_three_hosts_and_dns_are_up(whole):
    rows = whole.status()
    assert set(rows) == {"(DNS)", "foo.com", "bar.com", "insecure.example"}
    assert all(r["up"] and r["pid"] for r in rows.values())
    assert len({r["address"] for r in rows.values()}) == 4
    assert all(r.get("broken", []) == [] for r in rows.values())


def test_dns_is_signed_but_for_the_old_host(whole):
    for domain, secure in (("foo.com", True), ("bar.com", True), ("insecure.example", False)):
        a = whole.ask(domain)
        assert (a["outcome"], a["secure"], a["records"]) == ("found", secure, [f"10 mail.{domain}."])
        address = whole.ask(f"mail.{domain}", "A")["records"][0]
        assert address == whole.status()[domain]["address"]
        assert whole.ask(address, "PTR")["records"] == [f"mail.{domain}."]
    assert tlsa(whole, "insecure.example")["outcome"] == "no-name"


def test_tlsa_is_that_of_the_certificate(whole):
    for domain in ("foo.com", "bar.com"):
        a = tlsa(whole, domain)
        pem = os.path.join(whole.place(domain), "keys/tls.pem")
        key = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-pubkey"], stdout=subprocess.PIPE).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                             stdout=subprocess.PIPE).stdout
        digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, stdout=subprocess.PIPE).stdout
        # Of the key, and of the next one.
        assert a["secure"] and "3 1 1 " + digest.decode().split()[0] in a["records"] and len(a["records"]) == 2


def seen(lab):
    """What bar.com sees of foo.com: outcome and security of MX, and TLSA."""
    a, t = lab.ask("foo.com"), tlsa(lab, "foo.com")
    return a["outcome"], a["secure"], a["records"], sorted(t["records"])


@pytest.mark.parametrize("what", ["dnssec", "unsigned", "mx", "null-mx", "gone", "dns", "dane", "tlsa-rollover",
                                  "mta-sts"])
def test_each_break_is_seen_in_dns_and_mended(whole, what):
    before = seen(whole)
    assert before[:3] == ("found", True, ["10 mail.foo.com."])
    said = whole.run("lab", "break", what)
    assert said["what"] == what and said["so"] and whole.status()["foo.com"]["broken"] == [what]
    outcome, secure, records, fits = seen(whole)
    expected = {
        "dnssec": ("bogus", False, [], []), "unsigned": ("found", False, before[2], before[3]),
        "mx": ("found", True, ["10 nowhere.foo.com."], before[3]), "null-mx": ("found", True, ["0 ."], before[3]),
        "gone": ("no-name", True, [], []), "dns": ("failed", False, [], []),
        "dane": ("found", True, before[2], ["3 1 1 " + "0" * 64]),
        "mta-sts": ("found", True, before[2], []),
        # DNS says what it said; it is the host's key that is another.
        "tlsa-rollover": before,
    }
    assert (outcome, secure, records, fits) == expected[what]
    # Its neighbour does not suffer, but from silence.
    assert whole.ask("bar.com", by="foo.com")["outcome"] == ("failed" if what == "dns" else "found")
    whole.run("lab", "mend", what)
    after = seen(whole)
    assert after[:3] == before[:3] and (after[3] == before[3]) == (what != "tlsa-rollover")
    assert whole.status()["foo.com"]["broken"] == []


def test_two_who_never_met_write_in_secret(whole, tmp_path):
    """Smith finds the certificate of Jones by DNSSEC, and Jones that of Smith."""
    def run(place, *args, stdin=b"", status=0):
        p = subprocess.run([WAXWING, *map(str, args), "--dir", whole.place(place)], input=stdin, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60)
        assert status is None or p.returncode == status, p.stderr.decode()
        return p.stdout if status == 0 else p.stderr.decode()
    for who in ("Smith@bar.com", "Jones@foo.com"):
        (tmp_path / who).write_bytes(run(who.split("@")[1], "cert", "export", who))
    letter = b"From: Smith@bar.com\r\nTo: Jones@foo.com\r\nSubject: The offer\r\n\r\nTen pounds.\r\n"
    seal = ["smime", "encrypt", "--key", tmp_path / "Smith@bar.com", "--to", "Jones@foo.com"]
    sealed = run("bar.com", *seal, stdin=letter)
    assert b"pounds" not in sealed and b"offer" not in sealed
    check = ["smime", "verify", "--json", "--key", tmp_path / "Jones@foo.com"]
    v = json.loads(run("foo.com", *check, "--find", stdin=sealed))
    assert v["verdict"] == "good" and v["signers"][0]["chain"] == "pinned" and v["decryption"]["authenticated"], v
    assert "untrusted" in subprocess.run([WAXWING, *map(str, check)], input=sealed, stdout=subprocess.PIPE).stdout.decode()
    # Broken: nothing leaves with less than was asked for.
    for what, said in (("smimea", "no certificate in DNS"), ("dnssec", "looked up now"), ("unsigned", "without DNSSEC")):
        whole.run("lab", "break", what, "foo.com")
        assert said in run("bar.com", *seal, stdin=letter, status=1)
        whole.run("lab", "mend")
    assert "without DNSSEC" in run("bar.com", *seal[:-1], "Green@insecure.example", stdin=letter, status=1)


def test_what_is_broken_outlasts_the_lab(whole):
    whole.run("lab", "break", "host")
    whole.run("lab", "break", "null-mx", "bar.com")
    assert not whole.status()["foo.com"]["up"]
    pids = {r["pid"] for r in whole.status().values() if r["pid"]}
    whole.run("lab", "down", json_out=False)
    assert not any(r["up"] for r in whole.status().values())
    assert not [p for p in pids if alive(p)]
    whole.run("lab", "up")
    rows = whole.status()
    assert not rows["foo.com"]["up"] and rows["bar.com"]["broken"] == ["null-mx"]
    assert whole.ask("bar.com", by="bar.com")["records"] == ["0 ."]
    whole.run("lab", "mend", "all")
    assert whole.status()["foo.com"]["up"]


def alive(pid):
    try:
        return "Z" not in open(f"/proc/{pid}/stat").read().split(")")[1].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize("words,status", [
    (("lab", "break", "nothing"), 2), (("lab", "break", "dane", "example.org"), 2),
    (("lab", "break", "dane", "insecure.example"), 1), (("lab", "break", "dkim", "insecure.example"), 1), (("lab", "mend", "nothing"), 2),
])
def test_what_cannot_be_broken_is_said(whole, words, status):
    p = subprocess.run([WAXWING, *words, "--dir", whole.dir], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    assert p.returncode == status and p.stderr and not p.stdout


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for words in (("lab", "up"), ("lab", "down", "--purge")):
        p = subprocess.run([WAXWING, *words, "--dir", str(tmp_path)], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        assert p.returncode == 1 and p.stderr
        assert os.listdir(tmp_path) == ["mine"]


def test_without_a_lab(tmp_path):
    for words in (("lab", "status"), ("lab", "down"), ("lab", "break", "dane")):
        p = subprocess.run([WAXWING, *words, "--dir", str(tmp_path)], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        assert p.returncode == 1 and "waxwing lab up" in p.stderr


# ---- letters ----

class Watch:
    """lab watch --json, in the background."""

    def __init__(self, lab, *options):
        self.process = subprocess.Popen([WAXWING, "lab", "watch", "--json", *options, "--dir", lab.dir], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def until(self, text):
        """All turns up to the one with that text."""
        turns = []
        for line in self.process.stdout:
            turns.append(json.loads(line))
            if text in turns[-1]["text"]:
                return turns
        raise AssertionError(f"no {text!r} in {turns}")

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def watch(lab):
    made = []

    def begin(*options):
        made.append(Watch(lab, *options))
        return made[-1]

    yield begin
    for one in made:
        one.end()


def test_a_letter_within_a_domain(whole):
    s = whole.run("lab", "send", "--from", "Jones@foo.com", "--to", "Brown@foo.com")
    assert s["outcome"] == "delivered" and s["id"] and not s["there"] and s["dns"] == [] and s["verdict"] is None


@pytest.mark.parametrize("sender,recipient,status,word", [
    ("Jones@foo.com", "Nobody@foo.com", 1, "550"), ("x@elsewhere.example", "Jones@foo.com", 2, "--from"),
    ("Jones@foo.com", "Jones", 2, "--to"), ("Nobody@foo.com", "Jones@foo.com", 1, "535"),
])
def test_letters_that_cannot_begin(whole, sender, recipient, status, word):
    p = subprocess.run([WAXWING, "lab", "send", "--from", sender, "--to", recipient, "--dir", whole.dir], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == status and word in p.stderr, p.stderr


def test_a_letter_over_dane(whole):
    s = whole.run("lab", "send")
    assert s["outcome"] == "delivered" and (s["from"], s["to"]) == ("Smith@bar.com", "Jones@foo.com")
    assert "TLSv1.3" in s["how"] and "DANE-EE verified" in s["how"] and "DANE" in s["verdict"]
    assert [(d["type"], d["outcome"], d["secure"]) for d in s["dns"]] == \
        [("MX", "found", True), ("A", "found", True), ("TLSA", "found", True)]
    said = [(t["by"], t["layer"], t["tls"], t["text"]) for t in s["dialog"]]
    assert said[0] == ("*", "TCP", False, "connection for smtp") and ("C", "SMTP", False, "STARTTLS") in said
    # Nothing of the envelope was said before TLS.
    assert all(tls for by, _, tls, text in said if text.startswith(("MAIL", "RCPT", "DATA", "BDAT")))
    assert {t["client"] for t in s["dialog"] if t["client"]} == {"bar.com"}
    assert said[-1][:2] == ("*", "message") or said[-1][3] == "end of the connection"


def test_a_letter_to_the_old_host_and_back(whole):
    s = whole.run("lab", "send", "--to", "Old@insecure.example")
    assert s["outcome"] == "delivered" and "clear text" in s["how"] and "in clear" in s["verdict"]
    assert not any(t["tls"] for t in s["dialog"])
    # It has no TLS of its own to offer, but uses that of others.
    s = whole.run("lab", "send", "--from", "Old@insecure.example")
    assert s["outcome"] == "delivered" and "DANE-EE verified" in s["how"]


def test_a_letter_to_nobody_comes_back(whole):
    s = whole.run("lab", "send", "--to", "Green@foo.com", check=False)
    assert s["outcome"] == "returned" and "5.1.1" in s["says"]


# What is broken, what becomes of a letter, and a word of why.
OUTCOMES = [
    ("dane", "waits", "TLSA"), ("tlsa-rollover", "waits", "TLSA"), ("dnssec", "waits", "DNSSEC"),
    ("starttls", "waits", "DANE asks for TLS"), ("dns", "waits", "timeout"), ("host", "waits", "refused"),
    ("mx", "returned", "no address"), ("null-mx", "returned", "7505"), ("gone", "returned", "no domain"),
    ("unsigned", "delivered", "PKIX verified"), ("mta-sts", "waits", "self-signed certificate"),
]


@pytest.mark.parametrize("what,outcome,word", OUTCOMES)
def test_each_break_has_its_outcome_and_nothing_is_lost(whole, what, outcome, word):
    whole.run("lab", "break", what)
    s = whole.run("lab", "send", check=False)
    assert s["outcome"] == outcome and word in s["says"] + s["how"], s
    whole.run("lab", "mend", what)
    if outcome == "waits":
        # It goes by itself once all is whole, and by the way that was asked for.
        line = wait_line(whole, "bar.com", f"relayed .*id={re.escape(s['id'])} .*how=")
        assert "DANE-EE verified" in line
    if outcome == "returned":
        wait_line(whole, "bar.com", "delivered .*to=Smith@bar.com")


def test_both_ends_say_who_wrote_it(whole):
    for words in ((), ("--from", "Jones@foo.com", "--to", "Smith@bar.com")):
        s = whole.run("lab", "send", *words)
        assert s["sealed"] == {"by": "dkim", "domain": s["from"].split("@")[1]}
        assert s["checked"] == {"spf": "pass", "dkim": "pass", "dmarc": "pass", "arc": "none"}
        assert any(t["text"] == "checked: spf=pass dkim=pass dmarc=pass arc=none" and t["explanation"] for t in s["dialog"])
    # The old host signs nothing, and nobody asks it to.
    s = whole.run("lab", "send", "--from", "Old@insecure.example")
    assert s["sealed"] is None and s["checked"] == {"spf": "none", "dkim": "none", "dmarc": "none", "arc": "none"}


@pytest.mark.parametrize("what,outcome,spf,dkim,dmarc", [
    ("spf", "delivered", "fail", "pass", "pass"), ("dkim", "delivered", "pass", "fail", "pass"),
    ("dmarc", "returned", "fail", "fail", "fail"),
])
def test_who_wrote_it_cannot_be_proved(whole, what, outcome, spf, dkim, dmarc):
    said = whole.run("lab", "break", what)
    assert said["domain"] == "bar.com"
    s = whole.run("lab", "send", check=False)
    found = s["checked"]
    assert (s["outcome"], found["spf"], found["dkim"], found["dmarc"]) == (outcome, spf, dkim, dmarc), s
    if what == "dmarc":
        assert found["disposition"] == "reject" and "DMARC" in s["says"]
        wait_line(whole, "bar.com", "delivered .*to=Smith@bar.com")
    whole.run("lab", "mend", what)
    assert whole.run("lab", "send")["checked"]["dmarc"] == "pass"


def test_without_dnssec_a_cut_starttls_is_noticed_by_mta_sts_alone(whole):
    whole.run("lab", "send")
    whole.run("lab", "break", "unsigned")
    whole.run("lab", "break", "starttls")
    s = whole.run("lab", "send", check=False)
    assert s["outcome"] == "waits" and "MTA-STS asks for TLS" in s["says"], s


def look(lab, domain="foo.com"):
    p = subprocess.run([WAXWING, "check", domain, "--json", "--dir", lab.place(domain)], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=120)
    assert p.stdout, p.stderr
    return p.returncode, {(f["state"], f["point"]) for f in json.loads(p.stdout)}


@pytest.mark.parametrize("domain", ["foo.com", "bar.com"])
def test_check_finds_nothing_where_all_is_whole(whole, domain):
    code, found = look(whole, domain)
    assert code == 0 and {state for state, _ in found} == {"good"}, found


# What `waxwing check` says of each break.
NAMED = [
    ("dane", {("wrong", "dane"), ("missing", "tlsa")}), ("dnssec", {("wrong", "dnssec")}),
    ("unsigned", {("missing", "dnssec")}), ("starttls", {("wrong", "starttls")}), ("mx", {("missing", "mx"), ("wrong", "mx")}),
    ("null-mx", {("wrong", "mx")}), ("gone", {("wrong", "dnssec")}), ("host", {("wrong", "smtp"), ("wrong", "imaps")}),
    ("mta-sts", {("wrong", "mta-sts"), ("missing", "dane")}), ("spf", {("wrong", "spf")}), ("dkim", {("wrong", "dkim")}),
]


@pytest.mark.parametrize("what,points", NAMED)
def test_check_names_what_is_broken(whole, what, points):
    whole.run("lab", "break", what, "foo.com")
    code, found = look(whole)
    assert code == 1 and points <= found, found


def wait_line(lab, domain, pattern):
    end = time.monotonic() + 60
    while True:
        text = open(os.path.join(lab.place(domain), "log/waxwing.log"), errors="replace").read()
        for line in reversed(text.split("\n")):
            if re.search(pattern, line):
                return line
        assert time.monotonic() < end, f"{pattern}: {text[-3000:]}"
        time.sleep(0.05)


def test_watch_shows_the_dialog_with_its_layers(whole, watch):
    w = watch()
    end = time.monotonic() + 60
    turns = []
    # It begins at the end of the logs: letters are sent until it sees one.
    threading.Thread(target=lambda: turns.extend(w.until("end of the connection")), daemon=True).start()
    while not turns:
        assert time.monotonic() < end
        whole.run("lab", "send", "--from", "Jones@foo.com", "--to", "Brown@foo.com")
        time.sleep(0.1)
    first = turns[0]
    assert (first["layer"], first["by"], first["client"], first["host"]) == ("TCP", "*", "a mail program", "foo.com")
    assert [t["layer"] for t in turns[:3]] == ["TCP", "TLS", "SMTP"]
    said = {t["by"]: [x["text"] for x in turns if x["by"] == t["by"]] for t in turns}
    assert "MAIL FROM:<Jones@foo.com>" in said["C"] and "AUTH PLAIN" in said["C"]
    assert any(x.startswith("250 2.0.0 OK id=") for x in said["S"])
    assert all(t.get("explanation") for t in turns), [t for t in turns if not t.get("explanation")]
    assert all(t["tls"] for t in turns if t["by"] != "*")
    assert "secret" not in " ".join(t["text"] for t in turns) and "Blah" not in json.dumps(turns)


def test_the_lab_needs_no_root():
    """By a plain user, in his home; skipped where he cannot reach the program."""
    if os.geteuid() != 0:
        pytest.skip("all of this file was by a plain user")
    home = tempfile.mkdtemp(prefix="waxwing-lab-home-")
    os.chown(home, 65534, 65534)
    os.chmod(home, 0o755)

    def run(*words):
        return subprocess.run([WAXWING, "lab", *words], text=True, user=65534, group=65534, extra_groups=[], cwd="/",
                              env={"HOME": home, "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)

    try:
        up = run("up", "--json")
    except PermissionError:
        shutil.rmtree(home)
        pytest.skip("another user cannot reach the program")
    try:
        assert up.returncode == 0, up.stderr
        rows = json.loads(up.stdout)
        assert all(r["up"] for r in rows)
        assert {os.stat(f"/proc/{r['pid']}").st_uid for r in rows} == {65534}
        sent = run("send", "--json", "--from", "Jones@foo.com", "--to", "Brown@foo.com")
        assert json.loads(sent.stdout)["outcome"] == "delivered", sent.stderr
    finally:
        down = run("down", "--purge")
        shutil.rmtree(home, ignore_errors=True)
    assert down.returncode == 0, down.stderr


# In a network of its own: each 127.0.NET.1 is another lab's that is just coming up, but for the last one.
OTHERS_BEGIN = """
import fcntl, socket, struct, subprocess, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
marks = [socket.socket() for net in range(40, 251)]
for i, s in enumerate(marks):
    s.bind((f"127.0.{40 + i}.1", 2054))
marks.pop().close()
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


def test_two_that_come_up_at_once_take_different_networks():
    one = Lab()
    apart = ["unshare", "-n", sys.executable, "-c", OTHERS_BEGIN, WAXWING, "lab"]
    if subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no network of its own is to be had here")
    try:
        p = subprocess.run([*apart, "up", "--json", "--dir", one.dir], text=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        assert p.returncode == 0, p.stderr
        assert {r["address"].rsplit(".", 1)[0] for r in json.loads(p.stdout)} == {"127.0.250"}
    finally:
        one.end()


def test_hosts_report_to_each_other(whole):
    """foo.com tells bar.com of its letters, and bar.com tells foo.com of the TLS on the way."""
    whole.run("lab", "send")

    def wait(words, by, true):
        end = time.monotonic() + 60
        while not true(rows := whole.run("reports", *words, dir=whole.place(by))):
            assert time.monotonic() < end, rows
            time.sleep(0.2)
        return rows

    def counted(kind, domain):
        return lambda rows: any(r["kind"] == kind and r["domain"] == domain for r in rows)
    wait(["pending"], "foo.com", counted("dmarc", "bar.com"))
    wait(["pending"], "bar.com", counted("tls", "foo.com"))
    whole.run("reports", "send", dir=whole.place("foo.com"), json_out=False)
    whole.run("reports", "send", dir=whole.place("bar.com"), json_out=False)
    row = wait([], "bar.com", bool)[0]
    assert row["domain"] == "bar.com" and row["passed"] >= 1 and row["reporter"] == "mail.foo.com" and row["proved"] is True
    assert row["source"].startswith("127.")
    tls = wait(["--tls"], "foo.com", bool)
    good = next(r for r in tls if r["result"] == "ok" and r["policy"] == "tlsa")
    assert good["domain"] == "mail.foo.com" and good["sessions"] >= 1 and good["reporter"] == "mail.bar.com" and good["proved"] is True


def waxmail_as(lab, who, *words, text="", status=0):
    p = subprocess.run([WAXWING, "lab", "as", who, "--dir", lab.dir, "--", *words], input=text, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert p.returncode == status, f"{words}: {p.stdout}{p.stderr}"
    return p


def letters_of(lab, who, subject):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        waxmail_as(lab, who, "sync", "--quiet")
        for row in json.loads(waxmail_as(lab, who, "list", "--json").stdout or "[]"):
            shown = waxmail_as(lab, who, "show", str(row["id"])).stdout
            if subject in shown:
                return shown
        time.sleep(0.2)
    raise AssertionError(f"{subject} did not come")


def test_waxmail_seals_unasked(whole):
    """Two who never met, no set-up at all: signed and encrypted, and read with a full verdict."""
    said = waxmail_as(whole, "smith@bar.com", "send", "--to", "Jones@foo.com", "--subject", "sealed one", text="Blah blah\n").stderr
    assert "signed and encrypted for Jones@foo.com (certificate from DNS, proved by DNSSEC)" in said
    shown = letters_of(whole, "Jones@foo.com", "sealed one")
    assert "Signed by Smith@bar.com" in shown and "it was encrypted" in shown and "DNSSEC proves the certificate" in shown
    assert "from bar.com, proved (DMARC)" in shown and "Blah blah" in shown


def test_waxmail_without_the_certificates_of_others(whole):
    whole.run("lab", "break", "smimea", "foo.com")
    said = waxmail_as(whole, "Smith@bar.com", "send", "--to", "Jones@foo.com", "--subject", "signed only", text="Blah blah\n").stderr
    assert "signed, not encrypted: no certificate of Jones@foo.com" in said
    waxmail_as(whole, "Smith@bar.com", "send", "--to", "Jones@foo.com", "--encrypt", text="Blah blah\n", status=1)
    assert "Signed by Smith@bar.com" in letters_of(whole, "Jones@foo.com", "signed only")


def test_nobody_else_is_in_the_lab(whole):
    assert "is nobody in the lab" in waxmail_as(whole, "Green@foo.com", "list", status=1).stderr


def the_one(lab, who, *signs):
    """The letter that shows all of these."""
    end, seen = time.monotonic() + 60, []
    while time.monotonic() < end:
        waxmail_as(lab, who, "sync", "--quiet")
        for row in json.loads(waxmail_as(lab, who, "list", "--json").stdout or "[]"):
            shown = waxmail_as(lab, who, "show", str(row["id"])).stdout
            seen.append(shown)
            if all(sign in shown for sign in signs):
                return row["id"], shown
        time.sleep(0.2)
    raise AssertionError(f"no letter that shows {signs} came, but {seen[-2:]}")


def test_the_server_seals_for_any_mail_program(whole):
    """One that knows no S/MIME hands in a letter in clear, and Jones reads it with a full verdict."""
    bar = whole.place("bar.com")
    whole.run("account", "protect", "Smith@bar.com", "protect", dir=bar, json_out=False)
    try:
        assert whole.run("lab", "send", "--from", "Smith@bar.com", "--to", "Jones@foo.com")["outcome"] == "delivered"
    finally:
        whole.run("account", "protect", "Smith@bar.com", "off", dir=bar, json_out=False)
    shown = the_one(whole, "Jones@foo.com", "Blah blah blah", "Signed by Smith@bar.com", "it was encrypted")[1]
    assert "DNSSEC proves the certificate" in shown and "from bar.com, proved (DMARC)" in shown


def test_what_comes_in_clear_is_stored_encrypted_and_read_by_waxmail(whole):
    foo = whole.place("foo.com")
    whole.run("account", "encrypt", "Brown@foo.com", "on", dir=foo, json_out=False)
    assert whole.run("lab", "send", "--from", "Smith@bar.com", "--to", "Brown@foo.com")["outcome"] == "delivered"
    one, shown = the_one(whole, "Brown@foo.com", "Blah blah blah", "It was encrypted", "from bar.com, proved (DMARC)")
    raw = waxmail_as(whole, "Brown@foo.com", "raw", str(one)).stdout
    assert "authEnveloped-data" in raw and "Subject: [...]" in raw and "dmarc=pass" in raw
