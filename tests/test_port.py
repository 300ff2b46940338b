"""Mail of other systems in, and out again: what comes back is what went in."""
import mailbox
import os

import pytest

LETTERS = [
    ("a", "S", "Subject: one\n\nFrom the start of a line\n>From quoted\nend\n"),
    ("b", "", "Subject: two\nX-Long: a\n b\n\nno line end"),
    ("c", "FRS", "Subject: three\n\n\n\nempty lines\n\n"),
]


def run(i, *args, check=True):
    return i.run(*args, check=check)


def maildir(path):
    box = mailbox.Maildir(path)
    for name, flags, text in LETTERS:
        m = mailbox.MaildirMessage(text.encode())
        m.set_subdir("cur")
        m.set_flags(flags)
        m.set_date(1_500_000_000 + ord(name))
        box.add(m)
    sub = box.add_folder("Work.Deep")
    sub.add(mailbox.MaildirMessage(b"Subject: sub\n\nx\n"))
    return box


def seen(path):
    """Subject -> (flags, body, date) of a Maildir folder."""
    found = {}
    for m in mailbox.Maildir(path, create=False):
        found[m["Subject"]] = (m.get_flags(), m.get_payload(), int(m.get_date()))
    return found


@pytest.fixture
def stopped(instance):
    return instance(start=False)


def test_maildir_and_back(stopped, tmp_path):
    maildir(str(tmp_path / "in"))
    p = run(stopped, "import", "Jones@foo.com", str(tmp_path / "in"))
    assert "4 letters imported" in p.stdout
    p = run(stopped, "export", "Jones@foo.com", str(tmp_path / "out"))
    assert "4 letters exported" in p.stdout
    assert seen(tmp_path / "out") == seen(tmp_path / "in")
    assert seen(tmp_path / "out/.Work.Deep")["sub"][1] == "x\n"


@pytest.mark.parametrize("form", ["mbox", "eml"])
def test_other_forms_and_back(stopped, tmp_path, form):
    maildir(str(tmp_path / "in"))
    run(stopped, "import", "Jones@foo.com", str(tmp_path / "in"))
    run(stopped, "export", "Jones@foo.com", str(tmp_path / "mid"), "--format", form)
    run(stopped, "import", "Brown@foo.com", str(tmp_path / "mid"))
    run(stopped, "export", "Brown@foo.com", str(tmp_path / "out"))
    was, now = seen(tmp_path / "in"), seen(tmp_path / "out")
    assert set(was) == set(now)
    for k in was:
        assert was[k][0] == now[k][0] and was[k][2] == now[k][2]
        assert was[k][1].rstrip("\n") == now[k][1].rstrip("\n")
    assert seen(tmp_path / "out/.Work.Deep")["sub"][1].rstrip() == "x"


def test_python_reads_our_mbox(stopped, tmp_path):
    maildir(str(tmp_path / "in"))
    run(stopped, "import", "Jones@foo.com", str(tmp_path / "in"))
    run(stopped, "export", "Jones@foo.com", str(tmp_path / "out"), "--format", "mbox")
    box = mailbox.mbox(str(tmp_path / "out/INBOX.mbox"))
    assert sorted(m["Subject"] for m in box) == ["one", "three", "two"]
    assert {m["Subject"]: m.get_flags() for m in box}["three"] == "ROFA"


def test_single_letter_into_a_mailbox(stopped, tmp_path):
    (tmp_path / "x.eml").write_bytes(b"Subject: lone\r\n\r\nhi\r\n")
    run(stopped, "import", "Jones@foo.com", str(tmp_path / "x.eml"), "Archive/2026")
    run(stopped, "export", "Jones@foo.com", str(tmp_path / "out"), "--format", "eml")
    assert (tmp_path / "out/Archive/2026/00000001.eml").read_bytes() == b"Subject: lone\r\n\r\nhi\r\n"


def test_names_stay_inside(stopped, tmp_path):
    (tmp_path / "x.eml").write_bytes(b"Subject: lone\r\n\r\nhi\r\n")
    run(stopped, "import", "Jones@foo.com", str(tmp_path / "x.eml"), "../../up")
    for form in ("eml", "mbox", "maildir"):
        run(stopped, "export", "Jones@foo.com", str(tmp_path / form), "--format", form)
    assert not os.path.exists(tmp_path / "up") and not os.path.exists(tmp_path.parent / "up")
    assert (tmp_path / "eml/%2E./%2E./up/00000001.eml").exists()


def test_while_the_server_runs_and_somebody_is_in(instance, tmp_path):
    """He hears goodbye, letters wait, and afterwards all is there once."""
    import imaplib
    import smtplib
    i = instance({"login.clear_text": "yes"})
    maildir(str(tmp_path / "in"))
    c = imaplib.IMAP4("127.0.0.1", i.ports["imap"])
    c.login("Jones@foo.com", "secret")
    c.select("INBOX")
    with smtplib.SMTP("127.0.0.1", i.ports["smtp"]) as s:
        s.sendmail("a@bar.com", ["Jones@foo.com"], "Subject: before\r\n\r\nx\r\n")
    i.wait_log("delivered id=")
    run(i, "import", "Jones@foo.com", str(tmp_path / "in"))
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        c.noop()
        c.noop()
    with smtplib.SMTP("127.0.0.1", i.ports["smtp"]) as s:
        s.sendmail("a@bar.com", ["Jones@foo.com"], "Subject: behind\r\n\r\nx\r\n")
    i.wait_until(lambda: i.log().count("delivered id=") == 2)
    run(i, "export", "Jones@foo.com", str(tmp_path / "out"), "--format", "mbox")
    box = sorted(m["Subject"] for m in mailbox.mbox(str(tmp_path / "out/INBOX.mbox")))
    assert box == ["before", "behind", "one", "three", "two"]
    # Nobody is kept out any longer.
    c = imaplib.IMAP4("127.0.0.1", i.ports["imap"])
    c.login("Jones@foo.com", "secret")
    assert c.select("INBOX")[1] == [b"5"]
    assert "died role=room" not in i.log()


def test_before_the_first_start_under_any_umask(instance, tmp_path):
    """What the command makes is where the rooms, with user ids of their own, get to."""
    import smtplib
    i = instance(start=False)
    maildir(str(tmp_path / "in"))
    old = os.umask(0o077)
    try:
        run(i, "import", "Jones@foo.com", str(tmp_path / "in"))
    finally:
        os.umask(old)
    i.start()
    with smtplib.SMTP("127.0.0.1", i.ports["smtp"]) as s:
        s.sendmail("a@bar.com", ["Jones@foo.com"], "Subject: behind\r\n\r\nx\r\n")
    i.wait_log("delivered id=")


def test_wrong_use(stopped, tmp_path):
    assert run(stopped, "export", "Jones@foo.com", str(tmp_path / "o"), "--format", "pst", check=False).returncode == 2
    assert run(stopped, "rebuild", check=False).returncode == 2
    assert run(stopped, "import", "Nobody@foo.com", "/dev/null", check=False).returncode == 1


def test_removed_letters_come_back(instance, tmp_path):
    import imaplib
    w = instance({"login.clear_text": "yes"})
    maildir(str(tmp_path / "in"))
    run(w, "import", "Jones@foo.com", str(tmp_path / "in"))
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"]) as c:
        c.login("Jones@foo.com", "secret")
        assert c.select("INBOX") == ("OK", [b"3"])
        gone = c.search(None, "OR", "SUBJECT", "one", "SUBJECT", "two")[1][0].split()
        c.store(b",".join(gone).decode(), "+FLAGS", r"(\Deleted)")
        c.expunge()
        assert c.delete("Work/Deep")[0] == "OK"
    assert "--days" in run(w, "undelete", "Jones@foo.com", "--days", "0", check=False).stderr
    assert "3 letters are back, in Undeleted" in run(w, "undelete", "Jones@foo.com", "--days", "1").stdout
    assert "0 letters are back, in Undeleted" in run(w, "undelete", "Jones@foo.com").stdout
    assert run(w, "undelete", "Jones@foo.com", "a//b", check=False).returncode == 1
    run(w, "export", "Jones@foo.com", str(tmp_path / "out"))
    back = seen(tmp_path / "out" / ".Undeleted")
    assert set(back) == {"one", "two", "sub"} and back["one"][0] == "S"
