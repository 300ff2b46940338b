"""SPF, DKIM, DMARC and ARC at the door, with live DNS: what is refused and why,
what is written at the top of a letter, and which letters are not checked."""
import base64
import imaplib
import re
import smtplib
import subprocess
import threading
import time

import pytest

import conftest

REJECT = '_dmarc TXT "v=DMARC1; p=reject"\n'


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


@pytest.fixture
def world(dns, instance, tmp_path):
    openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key.pem")
    key = base64.b64encode(openssl("pkey", "-in", tmp_path / "key.pem", "-pubout", "-outform", "DER")[-32:]).decode()
    dns.zone("good.example", '@ TXT "v=spf1 ip4:127.0.0.1 -all"\n' + REJECT)
    dns.zone("bad.example", '@ TXT "v=spf1 -all exp=why.bad.example"\nwhy TXT "%{i} is not our host"\n' + REJECT)
    dns.zone("signed.example", f'@ TXT "v=spf1 -all"\ns._domainkey TXT "v=DKIM1; k=ed25519; p={key}"\n' + REJECT)
    dns.zone("aside.example", '@ TXT "v=spf1 -all"\n_dmarc TXT "v=DMARC1; p=quarantine"\n')
    dns.zone("bar.com", f'@ TXT "v=spf1 -all"\ns._domainkey TXT "v=DKIM1; k=ed25519; p={key}"\n')

    def start(**more):
        settings = dict(dns.settings(), **{"trust.check_loopback": "yes", "host.name": "mx.foo.com"})
        w = instance(dict(settings, **{k.replace("__", "."): v for k, v in more.items()}))
        w.key = tmp_path / "key.pem"
        return w
    return start


def signed(w, letter, domain="signed.example"):
    p = subprocess.run([conftest.WAXWING, "inspect", "dkim-sign", "--key", str(w.key), "--selector", "s", "--domain", domain],
                       input=letter, stdout=subprocess.PIPE, check=True)
    return re.search(r'"field":"(.*)"', p.stdout.decode()).group(1).replace("\\r\\n", "\r\n").replace("\\t", "\t").replace(
        "\\/", "/").encode() + letter


def letter(author, more=b"", body=b"Hello\r\n"):
    return b"From: " + author + b"\r\nTo: Jones@foo.com\r\nSubject: x\r\n" + more + b"\r\n" + body


def send(w, sender, text, wait=True):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], "mail.sender.example", timeout=60) as c:
        c.ehlo()
        assert c.mail(sender)[0] == 250
        assert c.rcpt("Jones@foo.com")[0] == 250
        code, said = c.data(text)
        return code, said.decode()


def arrived(w, n, mailbox="INBOX"):
    """The n-th letter of Jones, once it is there."""
    def look():
        with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as m:
            m.login("Jones@foo.com", "secret")
            count = int(m.select(mailbox)[1][0])
            return m.fetch(str(n), "(BODY.PEEK[])")[1][0][1] if count >= n else None
    end = time.monotonic() + 60
    while (got := look()) is None:
        assert time.monotonic() < end, w.log()[-3000:]
        time.sleep(0.05)
    return got


def results(text):
    """The field at the top, unfolded."""
    m = re.match(rb"Return-Path: .*\r\n(?:X-Quarantine-Reason: .*\r\n)?Authentication-Results: ((?:.*\r\n)(?:[ \t].*\r\n)*)", text)
    assert m, text[:400]
    return re.sub(r"\s+", " ", m.group(1).decode()).strip()


def test_what_proves_an_author_and_what_does_not(world):
    w = world(login__clear_text="yes")
    assert send(w, "a@good.example", letter(b"a@good.example"))[0] == 250
    top = results(arrived(w, 1))
    assert top.startswith("mx.foo.com; spf=pass smtp.mailfrom=a@good.example; iprev="), top
    assert "; dkim=none; dmarc=pass (p=reject)" in top
    code, said = send(w, "a@bad.example", letter(b"a@bad.example"))
    assert code == 550 and said.startswith("5.7.26 DMARC:") and "bad.example" in said
    code, said = send(w, "eve@good.example", letter(b"a@bad.example"))
    assert code == 550 and "DMARC" in said
    assert send(w, "x@signed.example", signed(w, letter(b"x@signed.example")))[0] == 250
    top = results(arrived(w, 2))
    assert "spf=fail" in top and "dkim=pass (256-bit key) header.d=signed.example" in top and "dmarc=pass" in top
    broken = signed(w, letter(b"x@signed.example")).replace(b"Hello", b"Jello")
    assert send(w, "x@signed.example", broken)[0] == 550
    assert send(w, "y@aside.example", letter(b"y@aside.example"))[0] == 250
    assert "dmarc=fail (p=quarantine) header.from=aside.example policy.dmarc=quarantine" in results(arrived(w, 1, "Junk"))
    w.wait_log(r"checked .*dmarc=fail disposition=quarantine")


def test_large_letters_too(world):
    w = world(login__clear_text="yes")
    text = signed(w, letter(b"x@signed.example", body=b"A line of a long letter, more than what stays inline.\r\n" * 20000))
    assert send(w, "x@signed.example", text)[0] == 250
    got = arrived(w, 1)
    assert "dmarc=pass" in results(got)
    assert got.endswith(text)
    forged = letter(b"a@good.example", b"Authentication-Results: MX.foo.com; dmarc=pass header.from=nobody\r\n",
                    body=b"A line.\r\n" * 20000)
    assert send(w, "a@good.example", forged)[0] == 250
    got = arrived(w, 2)
    assert b"nobody" not in got and got.endswith(b"\r\n\r\n" + b"A line.\r\n" * 20000)
    assert re.search(rb"\r\nReceived: from mail.sender.example", got) and b"\r\nFrom: a@good.example\r\nTo:" in got


def test_forged_results_do_not_stay(world):
    w = world(login__clear_text="yes")
    forged = (b"Authentication-Results: mx.foo.com; dmarc=pass header.from=bank.example\r\n"
              b"Authentication-Results: other.example; spf=pass\r\n"
              b"AUTHENTICATION-results :\r\n \"mx.foo.com\" 1; spf=pass smtp.mailfrom=bank.example\r\n")
    assert send(w, "a@good.example", letter(b"a@good.example", forged))[0] == 250
    got = arrived(w, 1)
    assert b"bank.example" not in got and got.count(b"Authentication-Results: mx.foo.com") == 1
    assert b"Authentication-Results: other.example; spf=pass\r\n" in got


def test_own_domains_are_not_written_from_outside(world):
    w = world()
    code, said = send(w, "a@good.example", letter(b"Smith@bar.com"))
    assert code == 550 and "bar.com" in said and "log in" in said
    code, said = send(w, "a@good.example", letter(b"nobody@foo.com"))
    assert code == 550 and "foo.com" in said
    assert send(w, "a@good.example", signed(w, letter(b"Smith@bar.com"), "bar.com"))[0] == 250


def test_letters_of_nobody(world):
    w = world()
    for more, author in ((b"From: b@good.example\r\n", b"a@good.example"), (b"", b"just words"), (b"", b"Team:;"), (b"", b"a@localhost")):
        code, said = send(w, "a@good.example", letter(author, more))
        assert code == 550 and said.startswith("5.7.1 From:"), (author, said)
    code, said = send(w, "a@good.example", b"Subject: x\r\n\r\nHello\r\n")
    assert code == 550 and "no From: field" in said
    huge = letter(b"a@good.example", b"X-Filler: " + b"a" * 900 + b"\r\n")
    huge = huge.replace(b"Subject: x\r\n", b"Subject: x\r\n" + (b"X-Filler: " + b"a" * 900 + b"\r\n") * 9300)
    assert send(w, "a@good.example", huge)[0] == 552


def test_policies_are_settings(world):
    w = world(login__clear_text="yes", trust__reject_dmarc="no", trust__reject_own="no", trust__reject_author="no",
              trust__received_spf="yes")
    assert send(w, "a@bad.example", letter(b"a@bad.example"))[0] == 250
    got = arrived(w, 1)
    assert "policy.dmarc=reject" in results(got) and b"\r\nReceived-SPF: fail client-ip=127.0.0.1;" in got
    assert send(w, "a@bad.example", letter(b"Smith@bar.com"))[0] == 250
    assert send(w, "a@bad.example", b"Subject: x\r\n\r\nHello\r\n")[0] == 250
    w.stop()
    w.configure(**{"trust.reject_spf": "yes"})
    w.start()
    code, said = send(w, "a@bad.example", letter(b"a@bad.example"))
    assert code == 550 and "5.7.23 SPF: 127.0.0.1 may not send for bad.example" in said
    assert "The domain bad.example explains: 127.0.0.1 is not our host" in said
    # SPF alone does not count against what DKIM proves.
    assert send(w, "x@signed.example", signed(w, letter(b"x@signed.example")))[0] == 250


def test_what_is_put_aside_lies_in_junk_with_the_reason(world):
    w = world(login__clear_text="yes", trust__reject_dmarc="quarantine", trust__reject_own="quarantine",
              trust__reject_spf="quarantine", trust__reject_author="quarantine")
    reasons = []
    for n, (sender, text) in enumerate((("a@bad.example", letter(b"a@bad.example")), ("a@good.example", letter(b"Smith@bar.com")),
                                        ("a@aside.example", letter(b"a@aside.example")),
                                        ("a@good.example", b"Subject: x\r\n\r\nHello\r\n")), 1):
        assert send(w, sender, text)[0] == 250
        got = arrived(w, n, "Junk")
        reasons.append(re.search(rb"^X-Quarantine-Reason: (.*)\r\n", got, re.M).group(1).decode())
        assert got.endswith(text) and results(got)
    assert reasons[0] == "DMARC: neither SPF (fail) nor DKIM (none) proves bad.example, whose policy is reject"
    assert "bar.com, which is ours" in reasons[1] and "aside.example, whose policy is quarantine" in reasons[2]
    assert reasons[3].startswith("From: is refused")
    w.wait_log(r"quarantined .*why=.*bad\.example")
    # A good one comes into the inbox, whatever it says of itself.
    assert send(w, "a@good.example", letter(b"a@good.example", b"X-Quarantine-Reason: none\r\n"))[0] == 250
    assert arrived(w, 1).count(b"X-Quarantine-Reason") == 1


def test_what_is_to_be_done_is_said_in_three_words(world):
    w = world(login__clear_text="yes", trust__quarantine_dmarc="reject", trust__reject_dmarc="accept")
    code, said = send(w, "y@aside.example", letter(b"y@aside.example"))
    assert code == 550 and "5.7.26 DMARC: neither SPF (fail) nor DKIM (none) proves aside.example, whose policy is quarantine" in said
    assert send(w, "a@bad.example", letter(b"a@bad.example"))[0] == 250
    assert "policy.dmarc=reject" in results(arrived(w, 1))
    w.configure(**{"trust.reject_own": "perhaps"})
    p = w.run("serve", "--check", check=False)
    assert p.returncode == 1 and "reject, quarantine or accept" in p.stderr


def test_the_mailbox_for_junk_is_found_by_its_use_and_made_where_it_is_gone(world):
    w = world(login__clear_text="yes")
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as m:
        m.login("Jones@foo.com", "secret")
        assert m.rename("Junk", "Rubbish")[0] == "OK"
    assert send(w, "y@aside.example", letter(b"y@aside.example"))[0] == 250
    assert b"X-Quarantine-Reason" in arrived(w, 1, "Rubbish")
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as m:
        m.login("Jones@foo.com", "secret")
        assert m.delete("Rubbish")[0] == "OK"
    assert send(w, "y@aside.example", letter(b"y@aside.example"))[0] == 250
    assert b"X-Quarantine-Reason" in arrived(w, 1, "Junk")


def test_the_name_of_the_address(world, dns):
    dns.zone("127.in-addr.arpa", "1.0.0 PTR mail.sender.example.")
    dns.zone("sender.example", "mail A 127.0.0.1")
    w = world(login__clear_text="yes")
    # It is looked for beside the letter, and nobody waits for it: the first may come too early.
    end = time.monotonic() + 60
    for n in range(1, 1000):
        assert send(w, "a@good.example", letter(b"a@good.example"))[0] == 250
        top = results(arrived(w, n))
        if "iprev=pass" in top:
            break
        assert "iprev=temperror policy.iprev=127.0.0.1" in top and time.monotonic() < end, top
    assert "; iprev=pass (mail.sender.example) policy.iprev=127.0.0.1; dkim=none" in top
    w.stop()
    w.configure(**{"trust.iprev": "no"})
    w.start()
    assert send(w, "a@good.example", letter(b"a@good.example"))[0] == 250
    assert "iprev" not in results(arrived(w, n + 1))


def test_who_is_known_is_not_checked(world):
    w = world(login__clear_text="yes", trust__check_loopback="no")
    assert send(w, "a@bad.example", letter(b"a@bad.example"))[0] == 250
    forged = b"Authentication-Results: mx.foo.com; dmarc=pass header.from=bank.example\r\n"
    with smtplib.SMTP("127.0.0.1", w.ports["submission"], timeout=60) as c:
        c.login("Jones@foo.com", "secret")
        c.sendmail("Jones@foo.com", ["Jones@foo.com"], letter(b"Jones@foo.com", forged))
    for n in (1, 2):
        assert b"Authentication-Results" not in arrived(w, n)


def test_names_gone_is_no_proof_against_anybody(world, dns):
    w = world(login__clear_text="yes", dns__timeout="1s")
    dns.pause()
    try:
        assert send(w, "a@bad.example", letter(b"a@bad.example"))[0] == 250
        assert "spf=temperror" in (top := results(arrived(w, 1))) and "dmarc=temperror" in top
    finally:
        dns.go_on()


def test_many_at_once(world):
    """Sessions wait for DNS beside each other, not one after the other."""
    w = world(login__clear_text="yes")
    said = []

    def one(i):
        author = b"a@good.example" if i % 2 else b"a@bad.example"
        said.append((i % 2, send(w, author.decode(), letter(author))[0]))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert sorted(said) == [(0, 550)] * 12 + [(1, 250)] * 12
