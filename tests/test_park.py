"""The way of a session from door to room and back: what is parked holds no process, and wakes."""
import os
import signal
import smtplib
import time

import pytest

from test_login import CLEAR, Line

QUICK = dict(CLEAR, **{"store.linger": "200ms", "host.doors": "1"})


def send(w, subject="hi", to="Jones@foo.com"):
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.sendmail("Smith@bar.com", [to], f"Subject: {subject}\r\n\r\ntext\r\n")


def session(w, service="imap", select=True, name="Jones@foo.com"):
    w.wait_port(w.ports[service])
    c = Line(w.ports[service], tls=service.endswith("s"))
    c.put(f"a LOGIN {name} secret\r\n")
    assert c.until("a ")[-1].startswith("a OK")
    if select:
        c.put("b SELECT INBOX\r\n")
        assert c.until("b ")[-1].startswith("b OK")
    return c


def idles(w, n, *args, **more):
    parked = w.log().count(" parked ")
    made = []
    for _ in range(n):
        made.append(session(w, *args, **more))
        assert made[-1].say("i IDLE").startswith("+")
    w.wait_until(lambda: w.log().count(" parked ") >= parked + n)
    return made


def idle(w, *args, **more):
    return idles(w, 1, *args, **more)[0]


def no_room(w):
    w.wait_until(lambda: not w.pids("room"))


@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_parked_session_wakes(instance, service):
    w = instance(QUICK)
    c = idle(w, service)
    for n in (1, 2):
        no_room(w)
        send(w)
        assert c.until(f"* {n} EXISTS")
    no_room(w)
    # By its own word, too.
    assert c.say("DONE").startswith("i OK")
    c.put("f FETCH 1:* FLAGS\r\n")
    assert len([x for x in c.until("f ") if "FETCH" in x]) == 2
    c.put("z LOGOUT\r\n")
    assert "z OK" in c.rest()
    no_room(w)


@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_what_is_half_said_is_not_lost(instance, service):
    w = instance(QUICK)
    c = idle(w, service)
    no_room(w)
    c.put("DO")
    c.put("NE\r\nn NOOP\r\n")
    assert c.until("n ")[-1].startswith("n OK")
    c.close()


def test_all_who_idle_hear_of_it(instance):
    w = instance(QUICK)
    ten = idles(w, 5, "imap") + idles(w, 5, "imaps")
    other = idle(w, name="Brown@foo.com")
    no_room(w)
    send(w)
    for c in ten:
        assert c.until("* 1 EXISTS")
    assert other.say("DONE").startswith("i OK")
    # Who hangs up starts no room.
    no_room(w)
    gone = w.log().count("disconnect")
    for c in ten:
        c.close()
    w.wait_until(lambda: w.log().count("disconnect") >= gone + 10)
    assert not w.pids("room")


def test_many_leave_around_a_gap_while_it_is_parked(instance):
    """The uid in the gap had left before: the client must not count it again."""
    w = instance(QUICK)
    for i in range(4):
        send(w)
    w.wait_until(lambda: w.log().count(" delivered ") >= 4)
    c = session(w)
    c.put("d STORE 2 +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\n")
    assert "* 2 EXPUNGE" in c.until("e ")
    parked = w.log().count(" parked ")
    assert c.say("i IDLE").startswith("+")
    w.wait_until(lambda: w.log().count(" parked ") > parked)
    other = session(w)
    other.put("d STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\n")
    assert other.until("e ")[-1].startswith("e OK")
    assert c.until("* 1 EXPUNGE") and c.until("* 1 EXPUNGE")
    assert c.say("DONE").startswith("i OK")


@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_room_dies(instance, service):
    """Who is in it hears BYE; who is parked does not notice."""
    w = instance(QUICK)
    parked = idle(w, service)
    inside = session(w, service)
    os.kill(w.pids("room")[0], signal.SIGKILL)
    assert inside.rest().startswith("* BYE")
    send(w)
    assert parked.until("* 1 EXISTS")


def is_open(port, client):
    """Has the server its end of that connection still? (/proc/net/tcp: 01 is established, 08 waits for its close)"""
    ends = [(row.split()[1][-4:], row.split()[2][-4:], row.split()[3]) for row in open("/proc/net/tcp").readlines()[1:]]
    return any(a == f"{port:04X}" and b == f"{client:04X}" and state in ("01", "08") for a, b, state in ends)


def test_who_hangs_up_while_the_room_is_leaving(instance):
    """The room goes when all have said that nothing more will come, and the parent takes its time."""
    w = instance(QUICK)
    c = idle(w)
    door = w.pids("door")
    os.kill(w.process.pid, signal.SIGSTOP)
    try:
        time.sleep(1)       # more than it lingers
        # The log stands still meanwhile: the parent writes it.
        port, client = w.ports["imap"], c.sock.getsockname()[1]
        assert is_open(port, client)
        c.close()
        w.wait_until(lambda: not is_open(port, client))
    finally:
        os.kill(w.process.pid, signal.SIGCONT)
    no_room(w)
    again = idle(w)
    assert again.say("DONE").startswith("i OK")
    assert w.pids("door") == door and " died " not in w.log() and "room-done" not in w.log()


def test_warden_dies(instance):
    """Tickets are good for its successor too."""
    w = instance(QUICK)
    c = idle(w)
    no_room(w)
    os.kill(w.pids("warden")[0], signal.SIGKILL)
    assert c.say("DONE").startswith("i OK")


def test_password_changed_while_parked(instance):
    w = instance(QUICK)
    c = idle(w)
    no_room(w)
    w.run("account", "passwd", "Jones@foo.com", "--password-stdin", stdin="other")
    assert c.say("DONE").startswith("* BYE")


def test_stop_says_bye_to_the_parked_too(instance):
    w = instance(QUICK)
    said = [idle(w), idle(w, "imaps"), session(w), session(w, "imaps")]
    w.stop()
    for c in said:
        assert "* BYE" in c.rest()


def test_rooms_leave_for_others(instance):
    w = instance(dict(QUICK, **{"store.linger": "1h", "store.rooms": "1"}))
    session(w, name="Brown@foo.com").put("z LOGOUT\r\n")
    stays = session(w)
    # Brown's has nothing to do; Jones' has.
    w.wait_until(lambda: session(w, name="Smith@bar.com") and len(w.pids("room")) <= 2)
    stays.put("n NOOP\r\n")
    assert stays.until("n ")[-1].startswith("n OK")


@pytest.mark.parametrize("service,most", [("imap", 8192), ("imaps", 30 * 1024)])
def test_what_an_idle_session_costs(instance, service, most):
    """All our processes counted, by the memory that they have written: pages of
    programs move from shared to private whenever another process ends."""
    n = 60
    w = instance(dict(QUICK, **{"limits.connections_per_address": "10000"}))

    def memory():
        no_room(w)
        return sum(int(line.split()[1]) * 1024 for pids in w.pids().values() for pid in pids
                   for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Private_Dirty"))

    warm = idles(w, 20, service)
    before = memory()
    many = idles(w, n, service)
    each = (memory() - before) / n
    assert each < most, each
    for c in warm + many:
        c.close()
