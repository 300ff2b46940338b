"""waxwing-sendmail(1): what programs of this machine call, with a server and without one."""
import contextlib
import email
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from conftest import WAXWING

SENDMAIL = os.path.join(os.path.dirname(WAXWING), "waxwing-sendmail")
ME = pwd.getpwuid(os.geteuid()).pw_name
EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM = 64, 65, 67, 69, 75, 77
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
LETTER = "Subject: hello\n\nHello.\n"


def program(w, user):
    """Others may not be let through the folders where it was built (/root): a copy for them."""
    copy = os.path.join(os.path.dirname(w.dir), "waxwing-sendmail")
    if user and not os.path.exists(copy):
        shutil.copy(SENDMAIL, copy + ".new")
        os.rename(copy + ".new", copy)
    return copy if user else SENDMAIL


def sendmail(w, *args, stdin=LETTER, user=None, name="sendmail", check=0):
    """With its exit status asserted; user: who calls it."""
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    who = pwd.getpwnam(user) if user else None
    p = subprocess.run([name, *args], executable=program(w, user), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env={"WAXWING_DIR": w.dir, "PATH": os.environ["PATH"]}, timeout=60, umask=0o027,
                       **({"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}))
    assert check is None or p.returncode == check, (p.returncode, p.stderr)
    return p


def letters(w, address="Jones@foo.com"):
    """All that are in INBOX, as they lie there."""
    out = os.path.join(w.dir, "export")
    shutil.rmtree(out, ignore_errors=True)
    w.run("export", address, out, "--format", "eml")
    found = []
    for top, _, files in os.walk(out):
        for f in sorted(files):
            if f.endswith(".eml"):
                found.append(open(os.path.join(top, f), "rb").read())
    return found


def arrived(w, n=1, address="Jones@foo.com"):
    """Waits for n letters; as email.message."""
    w.wait_until(lambda: len(letters(w, address)) >= n)
    got = letters(w, address)
    assert len(got) == n, got
    return [email.message_from_bytes(x) for x in got]


def drop(w):
    return os.path.join(w.dir, "local/drop")


@pytest.fixture
def w(instance):
    made = instance({"host.name": "foo.com", "testing.time": "", "queue.flush_interval": "100ms"})
    program(made, ME)   # before there are threads: a file that one of them writes cannot be run by another
    return made


def test_a_letter_as_cron_sends_it(w):
    """As Debian's cron calls it, for root, whose letters go to the first account."""
    sendmail(w, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root",
             stdin="From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> true\nMIME-Version: 1.0\n\n.\nout\n")
    m = arrived(w)[0]
    assert m["From"] == f"{ME}@foo.com (Cron Daemon)" and m["To"] == "root@foo.com"
    assert m.get_payload().replace("\r\n", "\n") == ".\nout\n"
    assert m["Message-ID"] and m["Date"]
    assert f"local user {ME}, uid {os.geteuid()}" in m["Received"]
    assert m["Return-Path"] == f"<{ME}@foo.com>"


def test_what_is_missing_is_added_and_nothing_else_is_touched(w):
    body = "".join(f"{i} " + "x" * (i % 1200) + "\n" for i in range(1500)) + "ends without a line end"
    sendmail(w, "-F", 'A "B" C', "Jones@foo.com", stdin="X-Odd:   kept  as it is\nSubject: s\n\n" + body)
    m = arrived(w)[0]
    assert m["From"] == f'"A \\"B\\" C" <{ME}@foo.com>'
    assert m["X-Odd"] == "  kept  as it is" or m["X-Odd"] == "kept  as it is"
    assert m.get_payload().replace("\r\n", "\n").rstrip("\n") == body
    assert len(m.get_all("Date")) == 1 and len(m.get_all("Message-ID")) == 1


SHAPES = [
    ("no header at all\nsecond\n", "no header at all\nsecond\n"),
    ("From jones Mon Jan  1 00:00:00 2026\nSubject: s\n\nbody\n", "body\n"),
    ("\nbody\n", "body\n"),
    ("", ""),
    ("Subject: s\nbody at once\n", "body at once\n"),
    ("Subject: s\r\n\r\nwith CRLF\r\n", "with CRLF\n"),
    ("Subject: s\n\none\n.\nnever seen\n", "one\n"),
]


def test_shapes_of_letters(w):
    for text, _ in SHAPES:
        sendmail(w, "Jones@foo.com", stdin=text)
    got = sorted(m.get_payload().replace("\r\n", "\n") for m in arrived(w, len(SHAPES)))
    assert got == sorted(payload for _, payload in SHAPES)


def test_recipients_of_the_header(w):
    text = ("To: Jones@foo.com, \"Brown, B.\" <brown@FOO.com>\nCc: list: jones@foo.com, Smith@bar.com;\n"
            "Bcc: Brown@foo.com,\n Smith@bar.com\nSubject: s\n\nb\n")
    sendmail(w, "-t", stdin=text)
    for address in "Jones@foo.com", "Brown@foo.com", "Smith@bar.com":
        w.wait_until(lambda: len(letters(w, address)) == 1)
        m = email.message_from_bytes(letters(w, address)[0])
        assert m["Bcc"] is None and m["Cc"].startswith("list:")
    # Resent- fields come in their place, and arguments are added.
    sendmail(w, "-ti", "Brown@foo.com", stdin="To: Green@foo.com\nResent-To: Smith@bar.com\n\nb\n")
    for address in "Brown@foo.com", "Smith@bar.com":
        w.wait_until(lambda: len(letters(w, address)) == 2)
    assert len(letters(w)) == 1


def test_eight_bits(w):
    sendmail(w, "-i", "Jones@foo.com", stdin="Subject: s\nContent-Type: text/plain; charset=utf-8\n\ngr\u00fc\u00dfe\n".encode())
    arrived(w)
    assert "gr\u00fc\u00dfe".encode() in letters(w)[0]


STATUSES = [
    ((), LETTER, EX_USAGE),
    (("-bd",), LETTER, EX_USAGE),
    (("-Z",), LETTER, EX_USAGE),
    (("-N", "sometimes", "Jones@foo.com"), LETTER, EX_USAGE),
    (("-R", "half", "Jones@foo.com"), LETTER, EX_USAGE),
    (("-t",), LETTER, EX_DATAERR),
    (("-t",), "To: no such@@name <\n\nb\n", EX_DATAERR),
    (("Green@foo.com",), LETTER, EX_NOUSER),
    (("@",), LETTER, EX_NOUSER),
    (("Jones@foo.com",), b"Subject: s\n\nnul \0 here\n", EX_DATAERR),
    (("-bi",), "", 0),
    (("-q",), "", 0),
    (("-q15m",), "", 0),
    (("-I",), "", 0),
]


def test_exit_statuses(w):
    for args, stdin, status in STATUSES:
        assert sendmail(w, *args, stdin=stdin, check=status).stderr or status == 0, args


def test_one_wrong_recipient_of_three(w):
    p = sendmail(w, "Jones@foo.com", "Green@foo.com", "Brown@foo.com", check=EX_NOUSER)
    assert b"Green@foo.com: 5.1.1 No such user here" in p.stderr
    arrived(w, 1)
    w.wait_until(lambda: len(letters(w, "Brown@foo.com")) == 1)


def test_options_that_others_have(w):
    sendmail(w, "-oi", "-oem", "-odb", "-o8", "-OAuthSubmit=no", "-O", "DeliveryMode=b", "-G", "-U", "-n", "-m", "-x", "-Ac",
             "-C", "/nowhere", "-h", "3", "-L", "tag", "-p", "ESMTP", "-X", "/nowhere", "-V", "id1", "-N", "failure,delay",
             "-R", "hdrs", "-d", "-v", "--", "Jones@foo.com", stdin="Subject: s\n\n.\nb\n")
    assert arrived(w)[0].get_payload().replace("\r\n", "\n") == ".\nb\n"


def test_names_that_it_is_called_by(w):
    assert b"The queue is empty" in sendmail(w, name="/usr/bin/mailq").stderr
    sendmail(w, name="newaliases")
    sendmail(w, "-bp")


def test_smtp_on_standard_input(w):
    said = ("EHLO x\r\nAUTH PLAIN AAAA\r\nSTARTTLS\r\nMAIL FROM:<>\r\nRCPT TO:<Jones@foo.com>\r\nDATA\r\nSubject: s\r\n\r\nb\r\n"
            ".\r\nQUIT\r\n")
    out = sendmail(w, "-bs", stdin=said).stdout.decode()
    codes = [x[:3] for x in out.splitlines() if x[3:4] == " "]
    assert codes == ["220", "250", "502", "454", "250", "250", "354", "250", "221"], out
    assert "AUTH" not in out and "STARTTLS" not in out
    arrived(w)


@as_root
def test_only_root_and_the_trusted_name_other_senders(w):
    refused = sendmail(w, "-f", "Smith@bar.com", "Jones@foo.com", user="nobody", check=EX_NOPERM)
    assert b"not one of yours" in refused.stderr
    sendmail(w, "-f", "nobody", "Jones@foo.com", user="nobody")
    sendmail(w, "-f", "<>", "Jones@foo.com", user="nobody")
    sendmail(w, "-f", "Smith@bar.com", "Jones@foo.com", user="root")
    w.configure(**{"local.trusted": "root, nobody"})
    w.process.send_signal(signal.SIGHUP)
    w.wait_log(" reloaded")
    w.wait_until(lambda: sendmail(w, "-r", "Smith@bar.com", "Jones@foo.com", user="nobody", check=None).returncode == 0)
    paths = sorted(m["Return-Path"] for m in arrived(w, 4))
    assert paths == ["<>", "<Smith@bar.com>", "<Smith@bar.com>", "<nobody@foo.com>"]


@as_root
def test_a_user_with_an_account_sends_as_it(w):
    w.configure(**{"local.accounts": "nobody = Brown@foo.com, daemon = Jones@foo.com"})
    w.process.send_signal(signal.SIGHUP)
    w.wait_log(" reloaded")
    w.wait_until(lambda: sendmail(w, "-f", "Brown@foo.com", "daemon", user="nobody", check=None).returncode == 0)
    m = arrived(w)[0]
    assert m["Return-Path"] == "<Brown@foo.com>" and m["From"] == "Brown@foo.com" or "<Brown@foo.com>" in m["From"]
    sendmail(w, "-f", "Smith@bar.com", "daemon", user="nobody", check=EX_NOPERM)


def test_a_host_that_is_no_domain_of_ours(instance):
    """Letters to its users, bounces to them too, go where local.accounts says; root's go to postmaster."""
    import smtplib
    w = instance({"host.name": "mail.foo.com", "local.accounts": "daemon = Brown@foo.com"})
    sendmail(w, "root")
    sendmail(w, "daemon")
    sendmail(w, "nobody", check=EX_NOUSER)
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"], timeout=60) as c:
        assert c.sendmail("", ["daemon@mail.foo.com"], "Subject: bounce\r\n\r\nb\r\n") == {}
        assert c.docmd("RSET")[0] == 250 and c.mail("")[0] == 250 and c.rcpt("nobody@mail.foo.com")[0] == 550
    assert arrived(w)[0]["Return-Path"] == f"<{ME}@mail.foo.com>"
    arrived(w, 2, "Brown@foo.com")


def test_wrong_accounts_are_refused_at_start(instance):
    w = instance(start=False)
    w.configure(**{"local.accounts": "root, www-data"})
    p = w.run("serve", "--check", check=False)
    assert p.returncode and "local.accounts" in p.stderr


# ---- programs ----


def test_mail_from_bsd_mailx(w, tmp_path):
    if not os.path.exists("/usr/bin/bsd-mailx"):
        pytest.skip("bsd-mailx is not there")
    rc = tmp_path / "mailrc"
    rc.write_text(f"set sendmail={SENDMAIL}\n")
    subprocess.run(["bsd-mailx", "-s", "by mail", "-c", "Brown@foo.com", "Jones@foo.com"], input="hello\n", text=True, check=True,
                   timeout=60, env=dict(os.environ, MAILRC=str(rc), WAXWING_DIR=w.dir, HOME=str(tmp_path)))
    m = arrived(w)[0]
    assert m["Subject"] == "by mail" and m["Cc"] == "Brown@foo.com"


def test_neomutt(w, tmp_path):
    if not shutil.which("neomutt"):
        pytest.skip("neomutt is not there")
    rc = tmp_path / "muttrc"
    rc.write_text(f'set sendmail="{SENDMAIL} -oem -oi"\nset from="{ME}@foo.com"\nset copy=no\nset use_envelope_from=yes\n')
    subprocess.run(["neomutt", "-F", str(rc), "-s", "by mutt", "-b", "Brown@foo.com", "Jones@foo.com"], input="hello\n",
                   text=True, check=True, timeout=60, env=dict(os.environ, WAXWING_DIR=w.dir, HOME=str(tmp_path)))
    m = arrived(w)[0]
    assert m["Subject"] == "by mutt" and m["Bcc"] is None
    w.wait_until(lambda: len(letters(w, "Brown@foo.com")) == 1)


def test_git_send_email(w, tmp_path):
    git = subprocess.run(["git", "--exec-path"], capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    if not os.path.exists(os.path.join(git, "git-send-email")):
        pytest.skip("git-email is not there")
    env = dict(os.environ, WAXWING_DIR=w.dir, HOME=str(tmp_path), GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="S",
               GIT_AUTHOR_EMAIL=f"{ME}@foo.com", GIT_COMMITTER_NAME="S", GIT_COMMITTER_EMAIL=f"{ME}@foo.com")

    def run(*args):
        subprocess.run(["git", *args], cwd=tmp_path, check=True, env=env, timeout=60, stdout=subprocess.DEVNULL)

    run("init", "-q", "repo")
    run("-C", "repo", "commit", "-q", "--allow-empty", "-m", "one")
    (tmp_path / "repo/f").write_text("x\n")
    run("-C", "repo", "add", "f")
    run("-C", "repo", "commit", "-q", "-m", "two: gr\u00fc\u00dfe")
    run("-C", "repo", "send-email", "--quiet", "--confirm=never", "--from", f"{ME}@foo.com", "--to", "Jones@foo.com",
        "--suppress-cc=all", f"--smtp-server={SENDMAIL}", "--smtp-server-option=-i", "-1")
    m = arrived(w)[0]
    assert "PATCH" in m["Subject"] and "two" in str(email.header.make_header(email.header.decode_header(m["Subject"])))


# ---- while the server is down ----


def test_kept_while_the_server_is_down(w):
    w.stop()
    for i in range(5):
        sendmail(w, "-i", "Jones@foo.com", stdin=f"Subject: {i}\n\n.\nb\n")
    files = os.listdir(drop(w))
    assert len(files) == 5
    for f in files:
        s = os.lstat(os.path.join(drop(w), f))
        assert s.st_mode & 0o7777 == 0o600 and s.st_uid == os.geteuid() and len(f) == 16
    w.start()
    got = arrived(w, 5)
    assert sorted(m["Subject"] for m in got) == list("01234")
    w.wait_until(lambda: os.listdir(drop(w)) == [])
    assert all(m.get_payload().replace("\r\n", "\n") == ".\nb\n" for m in got)


def test_nobody_takes_it_before_a_server_has_run(instance):
    w = instance(start=False)
    assert b"no server has run here" in sendmail(w, "Jones@foo.com", check=EX_TEMPFAIL).stderr


def test_refused_later_is_reported(w):
    """Nobody waits for an answer any more: the sender gets a letter."""
    w.stop()
    sendmail(w, "-f", "Brown@foo.com" if os.geteuid() == 0 else f"{ME}@foo.com", "Jones@foo.com", "Green@foo.com")
    w.start()
    if os.geteuid() == 0:
        arrived(w)
        w.wait_until(lambda: len(letters(w, "Brown@foo.com")) == 1)
        report = letters(w, "Brown@foo.com")[0]
    else:       # who has no mailbox has the postmaster's, who is Jones
        report = next(m.as_bytes() for m in arrived(w, 2) if m["Return-Path"] == "<>")
    assert b"Green@foo.com" in report and b"5.1.1" in report and b"multipart/report" in report
    w.wait_until(lambda: os.listdir(drop(w)) == [])


@as_root
def test_false_sender_in_the_drop_folder(w):
    """The server is not asked at once; who lies then is told at his own address, or the postmaster is."""
    w.stop()
    sendmail(w, "-f", "Smith@bar.com", "Brown@foo.com", user="nobody")
    w.start()
    m = arrived(w)[0]       # Jones is the first account: postmaster
    assert "not one of yours" in m.as_string() and m["Return-Path"] == "<>"
    assert letters(w, "Brown@foo.com") == [] and letters(w, "Smith@bar.com") == []


@as_root
@pytest.mark.parametrize("role", ["parent", "door", "queue", "warden"])
def test_taken_once_whoever_dies(w, role):
    """Each process in turn is killed while the drop folder is being emptied."""
    n = 24
    w.stop()
    for i in range(n):
        sendmail(w, "Jones@foo.com", stdin=f"Subject: {i}\n\nb\n", user=("root", "daemon", "nobody", "bin")[i % 4])
    w.start(wait=False)
    for left in (20, 15, 10, 5):
        w.wait_until(lambda: len(os.listdir(drop(w))) <= left)
        if role == "parent":
            w.process.kill()
            w.process.wait()
            w.start(wait=False)
        else:
            for pid in w.pids(role):
                with contextlib.suppress(ProcessLookupError):   # it has ended meanwhile
                    os.kill(pid, signal.SIGKILL)
    w.wait_until(lambda: os.listdir(drop(w)) == [])
    w.wait_until(lambda: len(letters(w)) >= n)
    subjects = sorted(int(email.message_from_bytes(x)["Subject"]) for x in letters(w))
    assert subjects == list(range(n))


def test_sendmail_killed_leaves_nothing_half(w):
    """kill -9 at any moment: the letter is whole in the folder, or only an unfinished file is, which nobody takes."""
    w.stop()
    body = "Subject: s\n\n" + "x" * 70 * 20000
    whole = 0
    for i in range(12):
        p = subprocess.Popen([SENDMAIL, "Jones@foo.com"], stdin=subprocess.PIPE, env={"WAXWING_DIR": w.dir})
        p.stdin.write(body.encode())
        p.stdin.close()
        time.sleep(0.002 * i)
        p.kill()
        whole += p.wait() == 0
    finished = [f for f in os.listdir(drop(w)) if len(f) == 16]
    assert len(finished) >= whole
    w.start()
    w.wait_until(lambda: [f for f in os.listdir(drop(w)) if len(f) == 16] == [])
    w.wait_until(lambda: len(letters(w)) >= len(finished))
    assert len(letters(w)) == len(finished)
    assert all(len(x) > 70 * 20000 for x in letters(w))


# ---- hostile users ----


@as_root
def test_nobody_sees_or_touches_what_others_left(w):
    w.stop()
    sendmail(w, "Jones@foo.com", user="daemon")
    name = os.listdir(drop(w))[0]
    for what in (["ls", drop(w)], ["cat", os.path.join(drop(w), name)], ["rm", "-f", os.path.join(drop(w), name)],
                 ["mv", os.path.join(drop(w), name), os.path.join(drop(w), "0" * 16)]):
        nobody = pwd.getpwnam("nobody")
        p = subprocess.run(what, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], capture_output=True)
        assert p.returncode, what
    assert os.listdir(drop(w)) == [name]


@as_root
def test_what_is_no_letter_in_the_drop_folder(w):
    w.stop()
    d = drop(w)
    secret = os.path.join(w.dir, "secret")
    with open(secret, "w") as f:
        f.write("waxwing-drop 1\nsender \nrecipient Jones@foo.com\n\nSubject: stolen\n\nsecret\n")
    os.chmod(secret, 0o600)
    os.symlink(secret, os.path.join(d, "a" * 16))
    os.link(secret, os.path.join(d, "b" * 16))
    os.mkfifo(os.path.join(d, "c" * 16), 0o600)
    os.mkdir(os.path.join(d, "d" * 16))
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(d, "e" * 16))

    def put(name, data, mode=0o600):
        fd = os.open(os.path.join(d, name), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, data)
        os.fchmod(fd, mode)
        os.fchown(fd, 65534, 65534)
        os.close(fd)

    good = b"waxwing-drop 1\nsender nobody@foo.com\nrecipient Jones@foo.com\n\nSubject: good\n\nb\n"
    put("f" * 16, b"")
    put("0" * 16, b"\0" * 1000)
    put("1" * 16, good.replace(b"recipient", b"RCPT TO"))
    put("2" * 16, good.replace(b"Jones@foo.com", b"Jones@foo.com>\r\nDATA"))
    put("3" * 16, good, 0o644)
    put("4" * 16, good)
    fd = os.open(os.path.join(d, "5" * 16), os.O_WRONLY | os.O_CREAT, 0o600)
    os.ftruncate(fd, 10 ** 11)
    os.close(fd)
    put("not-a-key", good)
    w.start()
    m = arrived(w)[0]
    assert m["Subject"] == "good"
    w.wait_until(lambda: sorted(os.listdir(d)) == ["not-a-key"])
    assert os.path.exists(secret)
    w.wait_until(lambda: len(re.findall(" drop-refused ", w.log())) >= 9)
    s.close()


@as_root
def test_one_user_does_not_keep_others_waiting(w):
    """His process is stopped by him; another one's letter goes on."""
    w.stop()
    sendmail(w, "Jones@foo.com", stdin="Subject: slow\n\n" + "x" * 1000 * 1000 * 20, user="nobody")
    sendmail(w, "Brown@foo.com", user="daemon")
    w.start(wait=False)
    nobody = pwd.getpwnam("nobody").pw_uid
    end, stopped = time.monotonic() + 60, None
    while stopped is None and time.monotonic() < end and os.listdir(drop(w)):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.stat(f"/proc/{pid}").st_uid in (0, nobody) and "--pickup" in open(f"/proc/{pid}/cmdline").read() and \
                        w.dir in open(f"/proc/{pid}/environ").read() and str(nobody) in open(f"/proc/{pid}/cmdline").read():
                    os.kill(int(pid), signal.SIGSTOP)
                    stopped = int(pid)
            except OSError:
                pass
    w.wait_until(lambda: len(letters(w, "Brown@foo.com")) == 1)
    if stopped:
        try:
            os.kill(stopped, signal.SIGCONT)
        except OSError:
            pass
    arrived(w, 1)


@as_root
def test_too_many_connections_of_one_user(instance):
    w = instance({"host.name": "foo.com", "local.connections": "3", "host.doors": "1"})
    held = []
    nobody = pwd.getpwnam("nobody").pw_uid
    code = ("import socket,sys,time\nall=[]\nfor i in range(6):\n s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1])\n"
            " all.append(s);print(s.recv(100)[:3].decode(),flush=True)\nsys.stdin.read()\n")
    p = subprocess.Popen(["/usr/bin/python3", "-c", code, os.path.join(w.dir, "local/submit")], user=nobody, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    held = [p.stdout.readline().strip() for _ in range(6)]
    assert held == ["220"] * 3 + ["421"] * 3
    sendmail(w, "Jones@foo.com", user="daemon")
    arrived(w)
    p.communicate("")


def test_the_socket_can_be_turned_off(instance):
    w = instance({"host.name": "foo.com", "local.submit": "no"})
    assert not os.path.exists(os.path.join(w.dir, "local/submit"))
    sendmail(w, "Jones@foo.com", check=EX_TEMPFAIL)


def test_to_other_hosts_only_where_allowed(instance):
    w = instance({"host.name": "foo.com", "local.relay": "no"})
    assert b"Not a relay" in sendmail(w, "Jones@elsewhere.example", check=EX_NOPERM).stderr


# ---- whose From: it is ----


@as_root
def test_nobody_writes_as_somebody_else(w):
    """Without an account too: NAME@ and host.name, unless he is trusted."""
    for author in ("Jones@foo.com", "root@foo.com", "someone@example.net", "nobody@foo.com, Jones@foo.com", "Nobody <nobody@bar.com>"):
        p = sendmail(w, "Jones@foo.com", stdin=f"From: {author}\nSubject: x\n\nb\n", user="nobody", check=EX_NOPERM)
        assert b"not one of your addresses" in p.stderr, author
    sendmail(w, "-f", "<>", "Jones@foo.com", stdin="From: Jones@foo.com\n\nb\n", user="nobody", check=EX_NOPERM)
    sendmail(w, "Jones@foo.com", stdin="From: Me <nobody@foo.com>\nSubject: mine\n\nb\n", user="nobody")
    # As cron has it for everybody.
    sendmail(w, "-i", "-FCronDaemon", "Jones@foo.com", stdin="From: root (Cron Daemon)\nTo: nobody\nSubject: cron\n\nb\n",
             user="nobody")
    sendmail(w, "Jones@foo.com", stdin="From: boss@example.net\nSubject: root\n\nb\n", user="root")
    by = {m["Subject"]: m for m in arrived(w, 3)}
    assert by["mine"]["From"] == "Me <nobody@foo.com>" and by["cron"]["From"] == "nobody@foo.com (Cron Daemon)"
    assert by["root"]["From"] == "boss@example.net"


@as_root
def test_false_author_in_the_drop_folder(w):
    w.stop()
    sendmail(w, "Brown@foo.com", stdin="From: Jones@foo.com\nSubject: x\n\nb\n", user="nobody")
    w.start()
    m = arrived(w)[0]       # to the postmaster: nobody@foo.com has no mailbox
    assert "not one of your addresses" in m.as_string()
    assert letters(w, "Brown@foo.com") == []


# ---- -bs without a server ----


def codes(out):
    return [x[:3] for x in out.decode().splitlines() if x[3:4] == " "]


def test_smtp_on_standard_input_without_a_server(w):
    w.stop()
    me = f"{ME}@foo.com"
    said = (f"MAIL FROM:<{me}>\r\nEHLO x\r\nRCPT TO:<a@b>\r\nMAIL FROM:<{me}> SIZE=30 BODY=8BITMIME RET=HDRS ENVID=a+3Db\r\n"
            "MAIL FROM:<x@y>\r\nDATA\r\nRCPT TO:<Jones@foo.com> NOTIFY=NEVER\r\nRCPT TO:<Brown@foo.com>\r\nRCPT TO:<no\r\n"
            "VRFY Jones\r\nNOOP\r\nDATA\r\nSubject: one\r\n\r\n..dot\r\nb\r\n.\r\n"
            f"MAIL FROM:<{me}>\r\nRSET\r\nMAIL FROM:<{me}>\r\nRCPT TO:<Jones@foo.com>\r\nDATA\r\nSubject: two\r\n\r\nb\r\n.\r\n"
            "AUTH PLAIN AAAA\r\nSTARTTLS\r\nnonsense\r\nQUIT\r\nNOOP\r\n")
    out = sendmail(w, "-bs", stdin=said).stdout
    # A MAIL before EHLO begins a transaction, which EHLO ends.
    assert codes(out) == ["220", "250", "250", "503", "250", "503", "503", "250", "250", "501", "252", "250", "354", "250",
                          "250", "250", "250", "250", "354", "250", "500", "500", "500", "221"], out
    assert len(os.listdir(drop(w))) == 2
    w.start()
    got = {m["Subject"]: m for m in arrived(w, 2)}
    assert got["one"].get_payload() == ".dot\r\nb\r\n" and got["two"]["From"] == me
    assert arrived(w, 1, "Brown@foo.com")[0]["Subject"] == "one"
    w.wait_until(lambda: os.listdir(drop(w)) == [])


def test_what_is_wrong_is_said_without_a_server(instance):
    w = instance({"host.name": "foo.com", "smtp.message_size": "64k"})
    w.stop()
    begin = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<Jones@foo.com>\r\nDATA\r\n"
    for said, want in (
            (begin + "a\nb\r\n.\r\n", "554"), (begin + "a\0b\r\n.\r\n", "554"), (begin + "x\r\n.\n.\r\n.\r\n", "554"),
            (begin + "y" * 70000 + "\r\n.\r\n", "552"), ("MAIL FROM:<> SIZE=70000\r\n", "552"), ("MAIL FROM:<> XKEY=1\r\n", "555"),
            ("MAIL FROM:<> BODY=BINARYMIME\r\n", "501"), ("MAIL FROM:<\u00fc@foo.com>\r\n", "553"), ("NOOP\n", "500"),
            ("NOOP " + "x" * 5000 + "\r\n", "500"), ("NOOP a\rb\r\n", "500"), ("EHLO\r\n", "501"), ("VRFY\r\n", "501")):
        assert codes(sendmail(w, "-bs", stdin=said + "QUIT\r\n").stdout)[-2:] == [want, "221"], said
    # Half a letter is none, nor is a line without end.
    for said in (begin + "Subject: half\r\n", begin, "x" * 1000000):
        sendmail(w, "-bs", stdin=said)
    assert os.listdir(drop(w)) == []


# ---- the drop folder as one user fills it ----


def flood(w, n, user="nobody", size=0):
    """As somebody does who does not use waxwing-sendmail."""
    uid = pwd.getpwnam(user).pw_uid
    for i in range(n):
        fd = os.open(os.path.join(drop(w), f"{i:016x}"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"waxwing-drop 1\nsender \nrecipient Jones@foo.com\n\nSubject: many\n\n" + b"x" * size)
        os.fchown(fd, uid, uid)
        os.close(fd)


@as_root
def test_so_many_files_of_one_user_in_one_round(w):
    w.configure(**{"local.drop_files": "20"})
    w.stop()
    flood(w, 50)
    for i in range(3):
        sendmail(w, "Brown@foo.com", stdin=f"Subject: {i}\n\nb\n", user="daemon")
    w.start()
    assert sorted(m["Subject"] for m in arrived(w, 3, "Brown@foo.com")) == list("012")
    # Nothing that was kept is lost; it waits, and that is said.
    w.wait_until(lambda: os.listdir(drop(w)) == [], 60)
    arrived(w, 50)
    assert "its owner has left much" in w.log()


@as_root
def test_so_many_bytes_of_one_user_in_one_round(w):
    w.configure(**{"local.drop_bytes": "1m"})
    w.stop()
    flood(w, 8, size=300 * 1000)
    w.start()
    w.wait_until(lambda: os.listdir(drop(w)) == [], 60)
    arrived(w, 8)
    assert "its owner has left much" in w.log()


@as_root
def test_a_full_folder_is_looked_through_in_steps(w):
    """The parent answers meanwhile, and another user's letter is there long before the end of it."""
    n = int(os.environ.get("WAXWING_DROP_FILES", "3000"))
    w.stop()
    uid = pwd.getpwnam("nobody").pw_uid
    for i in range(n):
        path = os.path.join(drop(w), f"junk{i}.new")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        os.chown(path, uid, uid)
    w.start()
    sendmail(w, "Brown@foo.com", user="daemon")
    w.stop()
    sendmail(w, "Brown@foo.com", user="daemon")
    w.start()
    arrived(w, 2, "Brown@foo.com")
    took = time.monotonic()
    w.run("status")
    assert time.monotonic() - took < 5
    assert sum(x.startswith("junk") for x in os.listdir(drop(w))) == n
