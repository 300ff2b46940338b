"""waxmail(1) beside other programs: what they do in its Maildirs; letters sent on, and their dates."""
import os
import shutil

import pytest

from test_reader import Terminal
from test_waxmail import fill, jones, parse, person
from waxmail import Person

# ---- other programs in the Maildirs ----

def maildir(person, folder="INBOX"):
    return os.path.join(person.env["XDG_DATA_HOME"], "waxmail/jones@foo.com/mail", folder)


def files(person, folder="INBOX"):
    top = os.path.join(maildir(person, folder), "cur")
    return {open(os.path.join(top, n)).read().split("Subject: ")[1].split("\n")[0]: os.path.join(top, n) for n in os.listdir(top)}


def test_other_programs_change_the_maildirs(jones, tmp_path):
    """Flags by renaming, a move, a new letter, a copy, a removal: the server hears of each."""
    person, w = jones
    fill(w, 5)
    person.sync()
    person.run("move", str(person.list("--oldest")[4]["id"]), "--folder", "Kept")
    person.sync()
    at = files(person)
    subjects = sorted(at)
    seen, moved, gone, copied = subjects[:4]
    os.rename(at[seen], at[seen].split(":2,")[0] + ":2,FS")
    os.rename(at[moved], os.path.join(maildir(person, "Kept"), "cur", os.path.basename(at[moved])))
    os.unlink(at[gone])
    shutil.copy(at[copied], os.path.join(maildir(person, "Kept"), "cur"))
    with open(os.path.join(maildir(person), "new", "1700000000.1_1.host"), "w") as f:
        f.write("From: a@foo.com\nSubject: delivered here\n\nText.\n")
    # What somebody is writing is left alone.
    writing = os.path.join(maildir(person), "tmp", "1700000000.2_1.host")
    open(writing, "w").close()
    got = person.sync()
    assert got["refused"] == 0
    other = Person(tmp_path / "other").account("Jones@foo.com", w)
    other.sync()
    for who in (person, other):
        inbox = {x["subject"]: x["flags"] for x in who.list()}
        assert set(inbox) == {seen, copied, "delivered here"}, inbox
        assert set(inbox[seen]) == {"flagged", "seen"}
        kept = [x["subject"] for x in who.list("Kept")]
        assert len(kept) == 3 and moved in kept and copied in kept
    assert os.path.exists(writing)
    # In step: nothing is told again, and nothing comes back.
    got = person.sync()
    assert (got["told"], got["headers"], got["gone"]) == (0, 0, 0)
    # A folder that is gone as a whole is an accident: its letters come again.
    shutil.rmtree(maildir(person, "Kept"))
    person.sync()
    assert len(person.list("Kept")) == 3 and len(files(person, "Kept")) == 3
    other.sync()
    assert len(other.list("Kept")) == 3


def test_keywords_of_the_maildir_and_the_server(jones, tmp_path):
    """A keyword goes from the verb into the file's name and to the server, and back from either."""
    person, w = jones
    fill(w, 2)
    person.sync()
    one, two = (x["id"] for x in person.list("--oldest"))
    person.run("flag", str(one), "--add", "work", "--add", "$Junk", "--add", "$Forwarded")
    name = next(n for n in os.listdir(os.path.join(maildir(person), "cur")) if n.endswith(":2,Pab"))
    with open(os.path.join(maildir(person), "dovecot-keywords")) as f:
        assert f.read() == "0 work\n1 $Junk\n"
    person.sync()
    other = Person(tmp_path / "other").account("Jones@foo.com", w)
    other.sync()
    assert set(other.list("--oldest")[0]["flags"]) == {"work", "$Junk", "forwarded"}
    assert [x["subject"] for x in other.json("search", "tag:work", "tag:$Forwarded")] == [other.list("--oldest")[0]["subject"]]
    assert "[work, junk]" in other.run("list").stdout
    assert "Tags:     work, junk\n" in other.run("show", str(other.list("--oldest")[0]["id"])).stdout
    # Another program takes a letter away and gives one; another reader changes a third word.
    at = os.path.join(maildir(person), "cur")
    os.rename(os.path.join(at, name), os.path.join(at, name.replace(":2,Pab", ":2,Pb")))
    second = next(n for n in os.listdir(at) if n.endswith(":2,"))
    os.rename(os.path.join(at, second), os.path.join(at, second + "a"))
    other.run("flag", str(other.list("--oldest")[0]["id"]), "--add", "todo")
    other.sync()
    person.sync()
    person.sync()
    other.sync()
    for who in (person, other):
        rows = who.list("--oldest")
        assert set(rows[0]["flags"]) == {"$Junk", "todo", "forwarded"}, rows
        assert rows[1]["flags"] == ["work"], rows
    assert any(n.endswith(":2,Pbc") for n in os.listdir(at)), os.listdir(at)
    assert person.sync()["told"] == 0


@pytest.mark.skipif(not shutil.which("neomutt"), reason="neomutt is not here")
def test_neomutt_changes_the_maildirs(jones, tmp_path):
    person, w = jones
    fill(w, 3)
    person.sync()
    (tmp_path / "rc").write_text(f"set folder={maildir(person, '')}\nset mbox_type=Maildir\nset sort=date\nset delete=yes\n"
                                 "set quit=yes\nset confirmappend=no\nset resolve=yes\nset maildir_trash=no\nset status_format=\"Msgs:%m Del:%d\"\n")
    t = Terminal(tmp_path, ["neomutt", "-n", "-F", str(tmp_path / "rc"), "-f", maildir(person)])
    try:
        t.until("Msgs:3")
        t.keys("F", "j", "d")
        t.until("Del:1")
        t.keys("q")
        t.ended()
    finally:
        t.close()
    person.sync()
    rows = person.list("--oldest")
    assert len(rows) == 2 and "flagged" in rows[0]["flags"]
    other = Person(tmp_path / "other").account("Jones@foo.com", w)
    other.sync()
    assert [("flagged" in x["flags"]) for x in other.list("--oldest")] == [True, False]


# ---- sending on, and the date ----

def test_resend(jones):
    person, w = jones
    person.run("send", "--to", "Jones@foo.com", "--subject", "ours", input="Blah\n")
    person.wait(lambda rows: len(rows) == 1)
    number = str(person.list()[0]["id"])
    before = person.run("raw", number).stdout
    got = person.json("resend", number, "--to", "Smith@bar.com", "--bcc", "Jones@foo.com")
    assert got["state"] == "sent"
    smith = Person(os.path.join(person.folder, "smith")).account("Smith@bar.com", w)
    there = smith.wait(lambda rows: len(rows) == 1) and smith.run("raw", "1").stdout
    assert "Resent-To: Smith@bar.com\n" in there and "Resent-From: J. J" not in there and "<Jones@foo.com>" in there.split("Resent-From:")[1].split("Resent-To")[0]
    assert f"Resent-Message-ID: <{got['message_id']}>" in there and "Resent-Date: " in there and "Bcc" not in there
    assert there.endswith(before[before.index("\nFrom: ") + 1:]), there
    person.wait(lambda rows: len(rows) == 2)
    # Not in place of our own words: nothing is kept as sent.
    assert [f["messages"] for f in person.json("folders") if f["use"] == "sent"] == [1]
    for args, says in ((["--to", "nobody at all"], "no address"), ([], "no recipient"), (["--to", "a@b.c", "--protect", "encrypt"], "stays as it is")):
        assert says in person.run("resend", number, *args, status=1).stderr
    # Our own server takes From: of the account alone; that is said, and nothing comes of it.
    fill(w, 1)
    person.wait(lambda rows: len(rows) == 3)
    theirs = next(str(x["id"]) for x in person.list() if x["subject"] == "letter 0")
    assert "not one of your addresses" in person.run("resend", theirs, "--to", "Smith@bar.com", status=1).stderr
    assert person.list("Drafts") == [] and person.json("outbox", "list") == []


@pytest.mark.parametrize("zone,offset", [("Europe/Vienna", ("+0100", "+0200")), ("America/St_Johns", ("-0330", "-0230")), ("UTC", ("+0000",))])
def test_date_in_local_time(jones, zone, offset):
    person, w = jones
    person.run("send", "--draft", "--to", "a@b.cd", input="x\n", TZ=zone)
    assert parse(person, person.list("Drafts")[0]["id"])[1]["Date"].endswith(offset)
    config = os.path.join(person.folder, "config/waxmail/config")
    text = open(config).read()
    open(config, "w").write(text.replace("local_time = true", "local_time = false"))
    person.run("send", "--draft", "--to", "a@b.cd", input="x\n", TZ=zone)
    assert parse(person, person.list("Drafts")[0]["id"])[1]["Date"].endswith("+0000")
