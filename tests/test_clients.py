"""The programs that people use, against a running server, over TLS."""
import os
import re
import shutil
import subprocess

LETTER = "From: Smith <Smith@bar.com>\r\nTo: Jones@foo.com\r\nSubject: number {n}\r\n" \
         "Message-ID: <{n}@bar.com>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nletter {n}\r\n.dots\r\n"


def need(program):
    assert shutil.which(program), f"{program} is in .ci/packages-test and must be there"


def send(w, n=3):
    import smtplib
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        for i in range(n):
            c.sendmail("Smith@bar.com", ["Jones@foo.com"], LETTER.format(n=i))
    for i in range(n):
        w.wait_log(rf"delivered .*to=Jones@foo.com uid={i + 1}\b")


def certificate(w):
    return os.path.join(w.dir, "keys/tls.pem")


def run(args, home, stdin=None, ok=(0,)):
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    p = subprocess.run(args, input=stdin, text=True, env=env, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=60, cwd=home)
    assert p.returncode in ok, f"{args[0]} ended with {p.returncode}:\n{p.stdout}"
    return p.stdout


def test_mbsync_copies_both_ways(instance, tmp_path):
    need("mbsync")
    w = instance()
    send(w)
    (tmp_path / "mail").mkdir()
    (tmp_path / "rc").write_text(f"""
IMAPAccount w
Host 127.0.0.1
Port {w.ports["imaps"]}
User Jones@foo.com
Pass secret
SSLType IMAPS
SSLVersions TLSv1.3
SystemCertificates no
CertificateFile {certificate(w)}

IMAPStore far
Account w

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
    sync = ["mbsync", "-c", str(tmp_path / "rc"), "all"]
    run(sync, tmp_path)
    inbox = tmp_path / "mail/INBOX"
    got = [p for sub in ("new", "cur") for p in (inbox / sub).iterdir()]
    assert len(got) == 3
    assert sorted(re.search(r"^letter \d", p.read_text(), re.M).group() for p in got) == \
        ["letter 0", "letter 1", "letter 2"]
    # A new one at home goes up; one marked removed at home goes there too.
    os.rename(got[0], inbox / "cur" / (got[0].name.split(":")[0] + ":2,ST"))
    (inbox / "new/1.2.local").write_text("From: a@foo.com\nSubject: from home\n\nhello\n")
    run(sync, tmp_path)
    import imaplib
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as c:
        import ssl
        context = ssl.create_default_context(cafile=certificate(w))
        context.check_hostname = False
        c.starttls(context)
        c.login("Jones@foo.com", "secret")
        assert c.select("INBOX", readonly=True)[1] == [b"3"]
        assert c.search(None, "SUBJECT", '"from home"')[1] != [b""]


def test_fetchmail_takes_by_pop3_and_imap(instance, tmp_path):
    need("fetchmail")
    w = instance()
    send(w)
    out = tmp_path / "got"
    for protocol, port, keep in (("IMAP", w.ports["imaps"], "keep"), ("POP3", w.ports["pop3s"], "nokeep")):
        rc = tmp_path / f"rc.{protocol}"
        rc.write_text(f"poll 127.0.0.1 protocol {protocol} port {port} user 'Jones@foo.com' password 'secret' "
                      f"ssl sslcertck sslcertfile {certificate(w)} sslcommonname localhost "
                      f"{keep} fetchall mda 'cat >> {out}.{protocol}'\n")
        rc.chmod(0o600)
        host = subprocess.run(["openssl", "x509", "-in", certificate(w), "-noout", "-subject"], text=True,
                              stdout=subprocess.PIPE).stdout
        rc.write_text(rc.read_text().replace("localhost", host.split("=")[-1].strip()))
        run(["fetchmail", "--nosyslog", "-f", str(rc), "-i", str(tmp_path / "ids"), "--pidfile",
             str(tmp_path / "pid")], tmp_path)
        text = (tmp_path / f"got.{protocol}").read_text()
        assert len(re.findall(r"^letter \d", text, re.M)) == 3 and ".dots" in text
    # POP3 without keep has emptied it.
    run(["fetchmail", "--nosyslog", "-f", str(tmp_path / "rc.IMAP"), "-i", str(tmp_path / "ids"), "--pidfile",
         str(tmp_path / "pid")], tmp_path, ok=(1,))


def test_neomutt_reads_and_answers(instance, tmp_path):
    need("neomutt")
    w = instance()
    send(w)
    (tmp_path / "rc").write_text(f"""
set certificate_file={tmp_path}/certs
set ssl_ca_certificates_file={certificate(w)}
set ssl_verify_host=no
set imap_user="Jones@foo.com"
set imap_pass="secret"
set folder="imaps://127.0.0.1:{w.ports["imaps"]}/"
set spoolfile="+INBOX"
set imap_check_subscribed=yes
set timeout=1
set header_cache={tmp_path}/cache
set quit=yes
set confirmappend=no
set confirmcreate=no
set delete=yes
set mbox_type=mbox
set record=""
push '<tag-pattern>~A<enter><tag-prefix><copy-message>{tmp_path}/out<enter><delete-pattern>~s"number 1"<enter><sync-mailbox><exit>'
""")
    need("tmux")
    socket = str(tmp_path / "tmux")
    run(["tmux", "-S", socket, "new-session", "-d", "-x", "100", "-y", "30",
         f"neomutt -F {tmp_path}/rc; tmux -S {socket} wait-for -S done"], tmp_path)
    try:
        run(["tmux", "-S", socket, "wait-for", "done"], tmp_path, ok=(0, 1))
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], stderr=subprocess.DEVNULL)
    text = (tmp_path / "out").read_text()
    assert len(re.findall(r"^letter \d", text, re.M)) == 3
    from poplib import POP3_SSL
    c = POP3_SSL("127.0.0.1", w.ports["pop3s"])
    c.user("Jones@foo.com")
    c.pass_("secret")
    assert c.stat()[0] == 2
    c.quit()


def test_curl_sends_lists_and_fetches(instance, tmp_path):
    need("curl")
    w = instance()
    send(w, 1)
    curl = ["curl", "-sS", "--cacert", certificate(w), "--insecure", "-u", "Jones@foo.com:secret"]
    (tmp_path / "letter").write_text(LETTER.format(n=7).replace("\r\n", "\n").replace("Smith <Smith@bar.com>", "Jones@foo.com"))
    run(curl + ["--crlf", "--mail-from", "Jones@foo.com", "--mail-rcpt", "Brown@foo.com", "-T", "letter",
                f"smtps://127.0.0.1:{w.ports['submissions']}/client.example"], tmp_path)
    w.wait_log(r"delivered .*to=Brown@foo.com")
    assert "letter 0" in run(curl + [f"imaps://127.0.0.1:{w.ports['imaps']}/INBOX;UID=1"], tmp_path)
    assert "letter 0" in run(curl + [f"pop3s://127.0.0.1:{w.ports['pop3s']}/1"], tmp_path)
    assert '"/" INBOX' in run(curl + [f"imaps://127.0.0.1:{w.ports['imaps']}/"], tmp_path)
