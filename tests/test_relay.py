"""relay against a server that may do anything (smtp_sink.py)."""
import base64
import hmac
import re
import socket
import ssl
import time

import pytest

from certificates import Authority
from relay_alone import BOGUS, FAILED, NO_NAME, Relay, address, mx
from smtp_sink import DROP, SILENCE, Sink

LETTER = b"From: Smith@bar.com\r\nTo: Jones@foo.com\r\nSubject: hello\r\n\r\n.a dot\r\n..\r\nbye\r\n"
QUICK = {"relay.command_timeout": "300ms", "relay.data_timeout": "300ms", "relay.greeting_timeout": "300ms",
         "relay.end_timeout": "300ms", "relay.block_timeout": "300ms"}


def zone(sink, secure=False, host="mx.foo.com"):
    return {("foo.com", "MX"): ([mx(10, host)], secure), (host, "A"): ([address(sink.host)], secure)}


def relay_to(sink, settings=None, dns=None, **more):
    return Relay({"relay.port": sink.port} | (settings or {}), dns=dns if dns is not None else zone(sink), **more)


def wait_until(true, limit=60):
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.02)


def one(results):
    assert len(results) == 1
    return results[0]


def test_a_letter():
    with Sink() as sink, relay_to(sink) as relay:
        results, how = relay.send(LETTER, ["Jones@foo.com", "Green@foo.com"])
        assert [(r["recipient"], r["verdict"], r["code"], r["status"], r["host"]) for r in results] == [
            (0, "ok", 250, "2.0.0", "mx.foo.com"), (1, "ok", 250, "2.0.0", "mx.foo.com")]
        assert how == "clear text, mx.foo.com"
        letter = sink.wait(1)[0]
        assert letter["data"] == LETTER
        assert letter["mail"] == f"MAIL FROM:<Smith@bar.com> SIZE={len(LETTER)}"
        assert letter["rcpts"] == ["RCPT TO:<Jones@foo.com>", "RCPT TO:<Green@foo.com>"]
        assert sink.lines[0] == "EHLO us.example"


# ---- recipients and transactions ----

def test_some_recipients_fail():
    def rcpt(session, line):
        return "550 5.1.1 no Green here" if "Green" in line else "451 4.7.1 come back" if "Brown" in line else None

    for offers in ([], ["PIPELINING"]):
        with Sink(rcpt=rcpt, offers=offers) as sink, relay_to(sink) as relay:
            results, _ = relay.send(LETTER, ["Green@foo.com", "Jones@foo.com", "Brown@foo.com"])
            assert [(r["verdict"], r["code"], r["status"]) for r in results] == [
                ("no", 550, "5.1.1"), ("ok", 250, "2.0.0"), ("later", 451, "4.7.1")]
            assert results[0]["text"] == "5.1.1 no Green here"
            assert sink.wait(1)[0]["rcpts"] == ["RCPT TO:<Jones@foo.com>"]


def test_all_recipients_fail():
    for offers in ([], ["PIPELINING"]):
        with Sink(rcpt="550 5.1.1 nobody", offers=offers) as sink, relay_to(sink) as relay:
            assert one(relay.send(LETTER, ["Green@foo.com"])[0])["verdict"] == "no"
            # The connection is used again, and begins with RSET.
            sink.on["rcpt"] = None
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
            assert len(sink.sessions) == 1 and "RSET" in sink.lines


def test_all_recipients_fail_and_the_host_wants_a_text():
    # RFC 2920 3.1: 354 though nobody is there; the text is empty, and is lost.
    with Sink(rcpt="550 5.1.1 nobody", data="354 go", text="554 5.5.1 nobody") as sink, relay_to(sink) as relay:
        assert one(relay.send(LETTER, ["Green@foo.com"])[0])["status"] == "5.1.1"
        assert sink.texts == [b""] and not sink.letters


def test_more_recipients_than_one_transaction():
    people = [f"p{i}@foo.com" for i in range(250)]
    with Sink() as sink, relay_to(sink, {"relay.recipients": 100}) as relay:
        results, _ = relay.send(LETTER, people)
        assert [r["verdict"] for r in results] == ["ok"] * 250
        assert [len(x["rcpts"]) for x in sink.wait(3)] == [100, 100, 50]
        assert len(sink.sessions) == 1


def test_too_many_recipients_said_the_old_way():
    def rcpt(session, line):
        return "552 too many" if "p3" in line else None

    with Sink(rcpt=rcpt) as sink, relay_to(sink) as relay:
        results, _ = relay.send(LETTER, [f"p{i}@foo.com" for i in range(4)])
        assert [(r["verdict"], r["status"]) for r in results][2:] == [("ok", "2.0.0"), ("later", "4.5.3")]


def test_only_those_that_are_wanted():
    with Sink() as sink, relay_to(sink) as relay:
        results, _ = relay.send(LETTER, ["a@foo.com", "b@elsewhere.org", "c@foo.com"], wanted=[2, 0], site="foo.com")
        assert [r["recipient"] for r in results] == [2, 0]
        assert sink.wait(1)[0]["rcpts"] == ["RCPT TO:<c@foo.com>", "RCPT TO:<a@foo.com>"]


def test_null_sender_and_dsn():
    person = {"address": "Jones@foo.com", "original": "all+x@foo.com", "notify": 2 | 4}
    other = {"address": "Brown@foo.com", "orcpt": "rfc822;Brown@foo.com", "notify": 1}
    with Sink(offers=["PIPELINING", "DSN"]) as sink, relay_to(sink) as relay:
        results, _ = relay.send(LETTER, [person, other], sender="", ret=b"H", envid="QQ314159")
        assert [r["dsn"] for r in results] == [1, 1]
        letter = sink.wait(1)[0]
        assert letter["mail"] == "MAIL FROM:<> RET=HDRS ENVID=QQ314159"
        assert letter["rcpts"] == ["RCPT TO:<Jones@foo.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;all+2Bx@foo.com",
                                   "RCPT TO:<Brown@foo.com> NOTIFY=NEVER ORCPT=rfc822;Brown@foo.com"]
    with Sink(offers=[]) as sink, relay_to(sink) as relay:
        results, _ = relay.send(LETTER, [person], ret=b"F")
        assert one(results)["dsn"] == 0
        assert sink.wait(1)[0]["mail"] == "MAIL FROM:<Smith@bar.com>"


# ---- what a host can take ----

def test_size():
    with Sink(offers=["SIZE 50"]) as sink, relay_to(sink) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert (r["verdict"], r["status"]) == ("no", "5.3.4") and not sink.letters


def test_smtputf8():
    with Sink(offers=["PIPELINING", "8BITMIME"]) as sink, relay_to(sink) as relay:
        r = one(relay.send(LETTER, ["Jönes@foo.com"], utf8=True)[0])
        assert (r["verdict"], r["status"]) == ("no", "5.6.7")
        # Where no address needs it, it goes without.
        assert one(relay.send(LETTER, ["Jones@foo.com"], utf8=True)[0])["verdict"] == "ok"
        assert "SMTPUTF8" not in sink.wait(1)[0]["mail"]
    with Sink(offers=["8BITMIME", "SMTPUTF8"]) as sink, relay_to(sink) as relay:
        assert one(relay.send(LETTER, ["Jönes@foo.com"], utf8=True)[0])["verdict"] == "ok"
        letter = sink.wait(1)[0]
        assert letter["mail"].endswith(" SMTPUTF8") and letter["rcpts"] == ["RCPT TO:<Jönes@foo.com>"]


def test_eight_bits():
    eight = "Subject: x\r\n\r\nhöhö\r\n".encode()
    with Sink(offers=["8BITMIME"]) as sink, relay_to(sink) as relay:
        assert one(relay.send(eight, ["Jones@foo.com"])[0])["verdict"] == "ok"
        letter = sink.wait(1)[0]
        assert letter["mail"] == "MAIL FROM:<Smith@bar.com> BODY=8BITMIME" and letter["data"] == eight


def test_large_letters_go_by_chunks():
    large = b"Subject: large\r\n\r\n" + b"x" * 70 * 1024 + b"\r\n" + b".line\r\n" * 200000
    with Sink(offers=["PIPELINING", "CHUNKING"]) as sink, relay_to(sink) as relay:
        assert one(relay.send(large, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert sink.wait(1)[0]["data"] == large
        assert [x.split()[0] for x in sink.lines[3:]] == ["BDAT"] * 3
    with Sink(offers=["PIPELINING"]) as sink, relay_to(sink) as relay:
        assert one(relay.send(large, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert sink.wait(1)[0]["data"] == large


def test_a_chunk_is_refused():
    large = b"Subject: large\r\n\r\n" + b"line\r\n" * 200000
    with Sink(offers=["CHUNKING"], bdat="452 4.3.1 full") as sink, relay_to(sink) as relay:
        r = one(relay.send(large, ["Jones@foo.com"])[0])
        assert (r["verdict"], r["code"]) == ("later", 452) and not sink.letters


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n"])
def test_no_line_end_that_stands_alone_is_sent(end):
    # The sink fails on a lone CR or LF, and on a text that ends too early.
    letter = b"Subject: x\r\n\r\nbefore" + end + b"MAIL FROM:<evil@bar.com>\r\nbehind"
    for settings, offers in (({}, []), ({"relay.chunking": "0"}, ["CHUNKING"])):
        with Sink(offers=offers) as sink, relay_to(sink, settings) as relay:
            assert one(relay.send(letter, ["Jones@foo.com"])[0])["verdict"] == "ok"
            data = sink.wait(1)[0]["data"]
            assert data.startswith(b"Subject: x\r\n\r\nbefore\r\n") and data.endswith(b"behind\r\n")
            assert b"\n" not in data.replace(b"\r\n", b"") and b"\r" not in data.replace(b"\r\n", b"")
            assert [x for x in sink.lines if "evil" in x] == []


def test_a_letter_without_its_last_line_end():
    with Sink() as sink, relay_to(sink) as relay:
        relay.send(b"Subject: x\r\n\r\nabc", ["Jones@foo.com"])
        assert sink.wait(1)[0]["data"] == b"Subject: x\r\n\r\nabc\r\n"


# ---- one connection, many letters ----

def test_one_connection_many_letters():
    with Sink() as sink, relay_to(sink, {"relay.letters": 10}) as relay:
        for _ in range(25):
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert len(sink.sessions) == 3 and len(sink.wait(25)) == 25
        assert relay.asked.count(("foo.com", "MX")) == 3


def test_many_at_once():
    with Sink() as sink, relay_to(sink) as relay:
        numbers = [relay.begin(LETTER, [f"p{i}@foo.com"]) for i in range(300)]
        assert all(one(relay.wait(n)[0])["verdict"] == "ok" for n in numbers)
        assert len(sink.letters) == 300


def test_a_connection_that_went_while_it_was_idle():
    with Sink() as sink, relay_to(sink) as relay:
        relay.send(LETTER, ["Jones@foo.com"])
        sink.sessions[0].sock.close()
        sink.on["mail"] = None
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert len(sink.sessions) == 2


def test_an_idle_connection_says_goodbye():
    with Sink() as sink, relay_to(sink, {"relay.idle": "100ms"}) as relay:
        relay.send(LETTER, ["Jones@foo.com"])
        wait_until(lambda: sink.lines[-1] == "QUIT")
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert len(sink.sessions) == 2


def test_an_idle_connection_that_is_told_to_go():
    def text(session, line):
        return b"250 2.0.0 taken\r\n421 4.3.2 and now go\r\n"

    with Sink(text=text) as sink, relay_to(sink) as relay:
        for i in range(3):
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert len(sink.sessions) == 3


# ---- bad servers ----

@pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("how", ["421", "drop", "silence", "garbage", "endless", "long", "codes"])
def test_trouble_before_the_text(stage, how):
    action = {"421": "421 4.3.2 going down", "drop": DROP, "silence": SILENCE, "garbage": "hello there",
              "endless": b"250-and\r\n" * 1000, "long": b"250 " + b"x" * 100000, "codes": "250-a\n251 b"}[how]
    settings = QUICK if how == "silence" else {}
    with Sink(**{stage: action}) as sink, relay_to(sink, settings) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert r["verdict"] == "later" and r["host"] == "mx.foo.com", r
        assert not sink.letters
        assert "may-be-doubled" not in relay.log()


@pytest.mark.parametrize("how", ["drop", "silence", "garbage"])
def test_trouble_behind_the_final_dot(how):
    action = {"drop": DROP, "silence": SILENCE, "garbage": "hello there"}[how]
    with Sink(text=action) as sink, relay_to(sink, {"relay.end_timeout": "300ms"}) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert (r["verdict"], r["status"]) == ("later", "4.4.2")
        relay.wait_log("may-be-doubled")
        assert len(sink.texts) == 1
        # Only this one host was asked, only once: it may have the letter.
        assert len(sink.sessions) == 1


def test_the_text_is_refused():
    for reply, verdict in (("554 5.7.1 spam", "no"), ("451 4.3.0 later", "later"), ("421 4.3.2 bye", "later")):
        with Sink(text=reply) as sink, relay_to(sink) as relay:
            r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
            assert (r["verdict"], r["code"]) == (verdict, int(reply[:3]))


def test_a_reply_of_many_lines_is_made_printable():
    with Sink(rcpt=b"550-5.1.1 no\x1b[31m\r\n550-5.1.1 such \xc3\xb6\r\n550 5.1.1 user\r\n") as sink, relay_to(sink) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert (r["code"], r["status"]) == (550, "5.1.1")
        assert r["text"] == "5.1.1 no?[31m\n5.1.1 such ??\n5.1.1 user"


def test_replies_out_of_turn():
    # An answer to MAIL before it was asked: nothing that follows can be believed.
    ehlo = b"250-sink\r\n250 SIZE\r\n250 2.1.0 ok\r\n"
    with Sink(ehlo=ehlo) as sink, relay_to(sink) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert r["verdict"] == "later" and "before it was asked" in r["text"]


def test_replies_that_drip():
    def drip(session, line):
        for c in b"250 " + b"x" * 100:
            session.send(bytes([c]))
            if session.sink.enough.wait(0.1):
                break
        return DROP

    with Sink(mail=drip) as sink, relay_to(sink, QUICK) as relay:
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "later"


def test_a_host_that_reads_nothing():
    large = b"Subject: large\r\n\r\n" + b"line\r\n" * 4000000

    def data(session, line):
        session.send(b"354 go\r\n")
        return SILENCE

    with Sink(data=data, offers=[]) as sink, relay_to(sink, {"relay.block_timeout": "300ms"}) as relay:
        r = one(relay.send(large, ["Jones@foo.com"])[0])
        assert r["verdict"] == "later" and "took nothing" in r["text"]


def test_helo_where_ehlo_is_not_known():
    with Sink(ehlo="502 5.5.2 what?") as sink, relay_to(sink) as relay:
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert sink.lines[:3] == ["EHLO us.example", "HELO us.example", "MAIL FROM:<Smith@bar.com>"]


def test_no_sender_but_a_text_is_wanted():
    # MAIL refused, and yet 354: nothing may be sent there.
    with Sink(mail="451 4.3.0 no", data="354 go") as sink, relay_to(sink) as relay:
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["code"] == 451
        assert sink.texts == []


# ---- which host ----

def test_the_order_of_hosts():
    with Sink(mail="451 4.3.0 busy") as first, Sink("127.0.0.2", first.port) as second:
        dns = {("foo.com", "MX"): ([mx(20, "b.foo.com"), mx(10, "a.foo.com"), mx(5, "none.foo.com")], False),
               ("a.foo.com", "A"): ([address("127.0.0.1")], False), ("b.foo.com", "A"): ([address("127.0.0.2")], False)}
        with relay_to(first, dns=dns) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["host"] == "b.foo.com"
            assert len(first.sessions) == 1 and len(second.letters) == 1


def test_equals_share():
    with Sink() as first, Sink("127.0.0.2", first.port) as second:
        dns = {("foo.com", "MX"): ([mx(10, "a.foo.com"), mx(10, "b.foo.com")], False),
               ("a.foo.com", "A"): ([address("127.0.0.1")], False), ("b.foo.com", "A"): ([address("127.0.0.2")], False)}
        with relay_to(first, {"relay.idle": "0"}, dns=dns) as relay:
            for _ in range(40):
                relay.send(LETTER, ["Jones@foo.com"])
            assert len(first.letters) + len(second.letters) == 40 and first.letters and second.letters


def test_permanent_is_permanent_for_all_hosts():
    with Sink(mail="550 5.7.1 not from you") as first, Sink("127.0.0.2", first.port) as second:
        dns = {("foo.com", "MX"): ([mx(10, "a.foo.com"), mx(20, "b.foo.com")], False),
               ("a.foo.com", "A"): ([address("127.0.0.1")], False), ("b.foo.com", "A"): ([address("127.0.0.2")], False)}
        with relay_to(first, dns=dns) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "no"
            assert not second.sessions


def outcome(dns, site="foo.com", settings=None):
    with Relay(settings, dns=dns) as relay:
        r = one(relay.send(LETTER, [f"Jones@{site}"], site=site)[0])
        return r["verdict"], r["status"]


def test_what_dns_may_say():
    a = ([address("127.0.0.1")], False)
    assert outcome({("foo.com", "MX"): ([mx(0, "")], False)}) == ("no", "5.1.10")
    assert outcome({("foo.com", "MX"): NO_NAME}) == ("no", "5.1.2")
    assert outcome({("foo.com", "MX"): FAILED}) == ("later", "4.4.3")
    assert outcome({("foo.com", "MX"): BOGUS}) == ("later", "4.4.3")
    assert outcome({("foo.com", "MX"): ([mx(0, "mx.foo.com")], True), ("mx.foo.com", "A"): BOGUS}) == ("later", "4.4.3")
    assert outcome({("foo.com", "MX"): ([mx(0, "mx.foo.com")], True)}) == ("no", "5.4.4")
    assert outcome({}) == ("no", "5.4.4")
    assert outcome({("foo.com", "MX"): ([b"\0\1\3a b\0", b"\0", b"\0\1\x40x\0"], False)}) == ("no", "5.4.4")
    # Ourselves: by name, by address, and behind better ones.
    assert outcome({("foo.com", "MX"): ([mx(5, "US.example"), mx(9, "b.foo.com")], False)}) == ("no", "5.4.6")
    assert outcome({("foo.com", "MX"): ([mx(5, "b.foo.com"), mx(9, "c.foo.com")], False), ("b.foo.com", "A"): a},
                   settings={"listen.smtp": "127.0.0.1:25"}) == ("no", "5.4.6")
    assert outcome({("foo.com", "MX"): ([mx(5, "b.foo.com"), mx(5, "us.example"), mx(9, "c.foo.com")], False)}) == ("no", "5.4.6")


def test_hosts_not_better_than_us_are_left_out():
    with Sink() as sink:
        dns = {("foo.com", "MX"): ([mx(5, "a.foo.com"), mx(10, "us.example"), mx(10, "c.foo.com")], False),
               ("c.foo.com", "A"): ([address("127.0.0.1")], False)}
        with relay_to(sink, dns=dns) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] != "ok"
            assert not sink.sessions


def test_no_mx_and_an_alias():
    with Sink() as sink:
        dns = {("foo.com", "MX"): ([], False, "real.foo.net"), ("real.foo.net", "A"): ([address("127.0.0.1")], False)}
        with relay_to(sink, dns=dns) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["host"] == "real.foo.net"


def test_literals():
    with Sink() as sink, relay_to(sink, dns={}) as relay:
        r = one(relay.send(LETTER, ["Jones@[127.0.0.1]"], site="[127.0.0.1]")[0])
        assert r["verdict"] == "ok" and r["host"] == f"127.0.0.1:{sink.port}" and relay.asked == []
    assert outcome({}, "[foo]") == ("no", "5.1.2")


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 is to be had here")
def test_ipv6():
    with Sink("::1") as sink:
        dns = {("foo.com", "MX"): ([mx(5, "mx.foo.com")], False), ("mx.foo.com", "AAAA"): ([address("::1")], False)}
        with relay_to(sink, {"relay.ipv6": "yes"}, dns=dns) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        with relay_to(sink, {"relay.ipv6": "no"}, dns=dns) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "no"


def test_nobody_listens():
    with Sink() as sink:
        port = sink.port
    with Relay({"relay.port": port}, dns=zone(sink)) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert (r["verdict"], r["status"]) == ("later", "4.4.1") and "refused" in r["text"]


def test_our_own_address():
    with Sink() as sink, relay_to(sink, {"relay.source4": "127.0.0.9"}) as relay:
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"


def test_a_route():
    with Sink() as sink, Relay(dns={}) as relay:
        route = f"smtp://[127.0.0.1]:{sink.port}"
        assert one(relay.send(LETTER, ["Jones@foo.com"], route=route)[0])["verdict"] == "ok"
        assert relay.asked == []
    with Sink() as sink, Relay(dns={("smart.example", "A"): ([address("127.0.0.1")], False)}) as relay:
        route = f"smtp://smart.example:{sink.port}"
        assert one(relay.send(LETTER, ["Jones@foo.com"], route=route)[0])["host"] == "smart.example"


def test_a_record_that_cannot_be_read_is_answered():
    with Relay(dns={}) as relay:
        assert relay.send(LETTER, ["Jones@foo.com"], wanted=[7])[0] == []
        r = one(relay.send(LETTER, ["Jones@foo.com"], route="nonsense")[0])
        assert (r["verdict"], r["status"]) == ("later", "4.3.0")
        # Nothing that could end a command is ever said.
        for to, more in (("Jones@foo.com>\r\nRCPT TO:<x@foo.com", {}), ("Jones@foo.com", {"sender": "a@b.c>\nDATA"}),
                         ("Jones@foo.com", {"envid": "x\r\nDATA"})):
            r = one(relay.send(LETTER, [to], site="foo.com", **more)[0])
            assert (r["verdict"], r["status"]) == ("no", "5.1.3")


# ---- TLS ----

@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def test_tls_where_it_is_offered(ca):
    with Sink(tls=ca.context("whoever.example")) as sink, relay_to(sink) as relay:
        results, how = relay.send(LETTER, ["Jones@foo.com"])
        assert one(results)["verdict"] == "ok" and sink.wait(1)[0]["tls"] == "TLSv1.3"
        assert re.fullmatch(r"TLSv1\.3 TLS_\w+, not verified, mx\.foo\.com", how)
        assert sink.lines[:4] == ["EHLO us.example", "STARTTLS", "EHLO us.example",
                                  f"MAIL FROM:<Smith@bar.com> SIZE={len(LETTER)}"]
        relay.wait_log(f'how="{re.escape(how)}"')


def test_tls_1_2(ca):
    with Sink(tls=ca.context("mx.foo.com", newest=ssl.TLSVersion.TLSv1_2)) as sink, relay_to(sink) as relay:
        assert relay.send(LETTER, ["Jones@foo.com"])[1].startswith("TLSv1.2 ECDHE-")


def test_sessions_are_resumed(ca):
    with Sink(tls=ca.context("mx.foo.com")) as sink, relay_to(sink, {"relay.letters": 1}) as relay:
        for _ in range(4):
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "ok"
        assert [x["session"].reused for x in sink.wait(4)] == [False, True, True, True]


def alert(session, line):
    session.send(b"220 go\r\n")
    session.octets(5)
    session.send(b"\x15\x03\x01\x00\x02\x02\x28")
    return DROP


@pytest.mark.parametrize("starttls", ["454 4.7.0 not now", "554 5.7.0 never", alert])
def test_starttls_offered_and_then_refused(starttls):
    # Nobody asks for TLS there: in clear, on this connection or the next.
    with Sink(offers=["STARTTLS"], starttls=starttls) as sink, relay_to(sink) as relay:
        results, how = relay.send(LETTER, ["Jones@foo.com"])
        assert one(results)["verdict"] == "ok" and how == "clear text, mx.foo.com"
        assert "tls-out-failed" in relay.log()


def test_bytes_behind_the_reply_to_starttls(ca):
    with Sink(tls=ca.context("mx.foo.com"), starttls=[b"220 go\r\n250-sink\r\n250 SIZE\r\n"]) as sink:
        with relay_to(sink) as relay:
            r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
            assert r["verdict"] == "later" and "in clear behind" in r["text"]


def test_nothing_from_before_the_handshake_counts(ca):
    def ehlo(session, line):
        return "250-sink\n250-STARTTLS\n250 8BITMIME" if not session.tls else "250 sink"

    with Sink(tls=ca.context("mx.foo.com"), ehlo=ehlo) as sink, relay_to(sink) as relay:
        relay.send(LETTER, ["Jones@foo.com"])
        # No letter of 8 bits: what was offered in clear is not offered.
        assert one(relay.send("a: b\r\n\r\nö\r\n".encode(), ["Jones@foo.com"])[0])["verdict"] in ("no", "ok")
        assert "BODY=" not in "".join(sink.lines)


# ---- DANE ----

def dane_zone(sink, records, secure=True, mx_secure=True, tlsa_secure=True):
    dns = zone(sink)
    dns[("foo.com", "MX")] = ([mx(10, "mx.foo.com")], mx_secure)
    dns[("mx.foo.com", "A")] = ([address(sink.host)], secure)
    dns[(f"_{sink.port}._tcp.mx.foo.com", "TLSA")] = (
        records if isinstance(records, int) else (records, tlsa_secure))
    return dns


def dane(sink, records, **more):
    with relay_to(sink, dns=dane_zone(sink, records, **more)) as relay:
        results, how = relay.send(LETTER, ["Jones@foo.com"])
        return one(results), how


def test_dane_ee(ca):
    cert, other = ca.make("whatever.example"), ca.make("mx.foo.com")
    for selector, matching in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)):
        with Sink(tls=cert.context()) as sink:
            r, how = dane(sink, [cert.tlsa(3, selector, matching)])
            # Names do not matter to DANE-EE (RFC 7672 3.1.1).
            assert r["verdict"] == "ok" and "DANE-EE verified, mx.foo.com" in how
            r, _ = dane(sink, [other.tlsa(3, selector, matching)])
            assert (r["verdict"], r["status"]) == ("later", "4.7.5") and len(sink.letters) == 1


def test_dane_ta(ca):
    with Sink(tls=ca.context("mx.foo.com")) as sink:
        r, how = dane(sink, [ca.tlsa(2, 0, 1)])
        assert r["verdict"] == "ok" and "DANE-TA verified" in how
    # The certificate's name may also be the domain (RFC 7672 3.2.2), but no other.
    with Sink(tls=ca.context("foo.com")) as sink:
        assert dane(sink, [ca.tlsa(2, 1, 2)])[0]["verdict"] == "ok"
    with Sink(tls=ca.context("evil.example")) as sink:
        r, _ = dane(sink, [ca.tlsa(2, 0, 1)])
        assert r["verdict"] == "later" and "ostname" in r["text"] and not sink.letters


def test_rollover_with_two_records(ca):
    now, next_one = ca.make("mx.foo.com"), ca.make("mx.foo.com")
    with Sink(tls=now.context()) as sink:
        assert dane(sink, [next_one.tlsa(3, 1, 1), now.tlsa(3, 1, 1)])[0]["verdict"] == "ok"


def test_dane_makes_starttls_mandatory(ca):
    with Sink() as sink:
        r, _ = dane(sink, [ca.tlsa(3, 1, 1)])
        assert (r["verdict"], r["status"]) == ("later", "4.7.4") and not sink.letters
    with Sink(offers=["STARTTLS"], starttls="454 4.7.0 no") as sink:
        r, _ = dane(sink, [ca.tlsa(3, 1, 1)])
        assert r["verdict"] == "later" and not sink.letters


def test_records_that_cannot_be_used_ask_for_encryption_alone(ca):
    for records in ([b"\0\0\1" + b"x" * 32], [b"\1\1\1" + b"x" * 32], [b"\3\7\1" + b"x" * 32],
                    [b"\3\1\1short"], [b"\3\1\x09" + b"x" * 32]):
        with Sink(tls=ca.context("whoever.example")) as sink:
            r, how = dane(sink, records)
            assert r["verdict"] == "ok" and "not verified" in how
        with Sink() as sink:
            assert dane(sink, records)[0]["verdict"] == "later"


def test_one_usable_record_counts(ca):
    with Sink(tls=ca.context("mx.foo.com")) as sink:
        assert dane(sink, [b"\3\7\1" + b"x" * 32, ca.tlsa(3, 1, 1)])[0]["verdict"] == "later"


def test_dane_only_where_all_is_secure(ca):
    wrong = [ca.tlsa(3, 1, 1)]
    for more in ({"secure": False}, {"mx_secure": False}, {"tlsa_secure": False}):
        with Sink(tls=ca.context("mx.foo.com")) as sink:
            r, how = dane(sink, wrong, **more)
            assert r["verdict"] == "ok" and "not verified" in how
    with Sink() as sink, relay_to(sink) as relay:
        relay.send(LETTER, ["Jones@foo.com"])
        assert not [x for x in relay.asked if x[1] == "TLSA"]


def test_trouble_with_tlsa_is_no_downgrade(ca):
    for trouble in (BOGUS, FAILED):
        with Sink(tls=ca.context("mx.foo.com")) as sink:
            r, _ = dane(sink, trouble)
            assert (r["verdict"], r["status"]) == ("later", "4.7.5") and not sink.sessions
    with Sink(tls=ca.context("mx.foo.com")) as sink:
        assert dane(sink, NO_NAME)[0]["verdict"] == "ok"


def test_a_host_that_fails_dane_leaves_the_next(ca):
    good = ca.make("b.foo.com")
    with Sink(tls=ca.context("a.foo.com")) as first, Sink("127.0.0.2", first.port, tls=good.context()) as second:
        dns = {("foo.com", "MX"): ([mx(10, "a.foo.com"), mx(20, "b.foo.com")], True),
               ("a.foo.com", "A"): ([address("127.0.0.1")], True), ("b.foo.com", "A"): ([address("127.0.0.2")], True),
               (f"_{first.port}._tcp.a.foo.com", "TLSA"): ([good.tlsa(3, 1, 1)], True),
               (f"_{first.port}._tcp.b.foo.com", "TLSA"): ([good.tlsa(3, 1, 1)], True)}
        with relay_to(first, dns=dns) as relay:
            results, how = relay.send(LETTER, ["Jones@foo.com"])
            assert one(results)["host"] == "b.foo.com" and "DANE-EE" in how and not first.letters


def test_aliases_of_the_host(ca):
    # RFC 7672 2.2.2: first behind the alias, then where it begins.
    good = ca.make("mx.foo.com")
    for at in ("real.foo.net", "mx.foo.com"):
        with Sink(tls=good.context()) as sink:
            dns = {("foo.com", "MX"): ([mx(10, "mx.foo.com")], True),
                   ("mx.foo.com", "A"): ([address("127.0.0.1")], True, "real.foo.net"),
                   (f"_{sink.port}._tcp.{at}", "TLSA"): ([good.tlsa(3, 1, 1)], True)}
            with relay_to(sink, dns=dns) as relay:
                results, how = relay.send(LETTER, ["Jones@foo.com"])
                assert one(results)["verdict"] == "ok" and "DANE-EE verified" in how
                assert [n for n, k in relay.asked if k == "TLSA"][0] == f"_{sink.port}._tcp.real.foo.net"


# ---- REQUIRETLS and TLS-Required ----

def test_requiretls(ca):
    good = ca.make("mx.foo.com")
    for offers, records, verdict, status in ((["REQUIRETLS"], [good.tlsa(3, 1, 1)], "ok", "2.0.0"),
                                             ([], [good.tlsa(3, 1, 1)], "no", "5.7.30")):
        with Sink(tls=good.context(), offers=offers) as sink:
            with relay_to(sink, dns=dane_zone(sink, records)) as relay:
                r = one(relay.send(LETTER, ["Jones@foo.com"], requiretls=True)[0])
                assert (r["verdict"], r["status"]) == (verdict, status)
                assert all("REQUIRETLS" in x["mail"] for x in sink.letters)
    # Nothing says for sure which host it is.
    with Sink(tls=good.context(), offers=["REQUIRETLS"]) as sink, relay_to(sink) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"], requiretls=True)[0])
        assert (r["verdict"], r["status"]) == ("no", "5.7.30") and not sink.sessions
    # Secure MX without TLSA: a host without TLS, and then by an authority.
    with Sink(offers=["REQUIRETLS"]) as sink, relay_to(sink, dns=dane_zone(sink, NO_NAME)) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"], requiretls=True)[0])
        assert (r["verdict"], r["status"]) == ("no", "5.7.30") and not sink.letters
    for name, verdict in (("mx.foo.com", "ok"), ("evil.example", "later")):
        with Sink(tls=ca.context(name), offers=["REQUIRETLS"]) as sink:
            with relay_to(sink, {"relay.authorities": ca.file}, dns=dane_zone(sink, NO_NAME)) as relay:
                results, how = relay.send(LETTER, ["Jones@foo.com"], requiretls=True)
                assert one(results)["verdict"] == verdict and ("PKIX verified" in how) == (verdict == "ok")


def test_tls_required_no(ca):
    letter = b"TLS-Required: No\r\n" + LETTER
    with Sink(tls=ca.context("mx.foo.com")) as sink, relay_to(sink, dns=dane_zone(sink, [ca.tlsa(3, 1, 1)])) as relay:
        results, how = relay.send(letter, ["Jones@foo.com"])
        assert one(results)["verdict"] == "ok" and "not verified" in how
        # The next letter does not profit from that connection.
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["verdict"] == "later"
        # REQUIRETLS is stronger (RFC 8689 4.3).
        assert one(relay.send(letter, ["Jones@foo.com"], requiretls=True)[0])["verdict"] != "ok"
    with Sink() as sink, relay_to(sink, dns=dane_zone(sink, [ca.tlsa(3, 1, 1)])) as relay:
        results, how = relay.send(letter, ["Jones@foo.com"])
        assert one(results)["verdict"] == "ok" and how.startswith("clear text")


# ---- smarthosts ----

def smart(ca, sink, scheme, tmp_path, name="smart.example", login=True):
    path = tmp_path / "credentials"
    path.write_text("# logins\nsmart.example jones pass word\n" if login else "")
    path.chmod(0o600)
    dns = {("smart.example", "A"): ([address("127.0.0.1")], False)}
    with Relay({"relay.credentials": str(path), "relay.authorities": ca.file}, dns=dns) as relay:
        results, how = relay.send(LETTER, ["Jones@foo.com"], route=f"{scheme}://smart.example:{sink.port}")
        assert "pass word" not in relay.log()
        return one(results), how


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_smarthost_with_login(ca, tmp_path, mechanism):
    said = []

    def auth(session, line):
        def ask(text):
            session.send(b"334 " + base64.b64encode(text) + b"\r\n")
            return base64.b64decode(session.line())

        assert session.tls
        words = line.split()
        if words[1] == "PLAIN":
            said.append(base64.b64decode(words[2]) == b"\0jones\0pass word")
        elif words[1] == "LOGIN":
            said.append([ask(b"User Name"), ask(b"Password")] == [b"jones", b"pass word"])
        else:
            mac = hmac.new(b"pass word", b"<1.2@smart>", "md5").hexdigest()
            said.append(ask(b"<1.2@smart>") == b"jones " + mac.encode())
        return None

    for scheme in ("smtp", "smtps"):
        with Sink(tls=ca.context("smart.example"), implicit=scheme == "smtps", offers=[f"AUTH {mechanism}"],
                  auth=auth) as sink:
            r, how = smart(ca, sink, scheme, tmp_path)
            assert r["verdict"] == "ok" and "PKIX verified, smart.example" in how and said and all(said)


def test_no_password_for_somebody_else(ca, tmp_path):
    with Sink(tls=ca.context("evil.example"), offers=["AUTH PLAIN"]) as sink:
        assert smart(ca, sink, "smtp", tmp_path)[0]["verdict"] == "later"
        assert not [x for x in sink.lines if x.startswith("AUTH")]
    with Sink(offers=["AUTH PLAIN"]) as sink:
        assert smart(ca, sink, "smtp", tmp_path)[0]["verdict"] == "later"
        assert not [x for x in sink.lines if x.startswith("AUTH")]


def test_the_login_is_refused(ca, tmp_path):
    with Sink(tls=ca.context("smart.example"), offers=["AUTH PLAIN"], auth="535 5.7.8 wrong") as sink:
        r, _ = smart(ca, sink, "smtp", tmp_path)
        assert (r["verdict"], r["code"]) == ("later", 535)


# ---- forwards and groups ----

def test_recipients_with_a_sender_of_their_own():
    own = {"via_kind": 1, "via": "Brown@bar.com", "sender": "SRS0=x@bar.com"}
    people = ["Jones@foo.com", {"address": "a@foo.com"} | own, "Green@foo.com", {"address": "b@foo.com"} | own]
    for settings, offers in (({}, ["SIZE"]), ({"relay.chunking": "0"}, ["SIZE", "CHUNKING"])):
        with Sink(offers=offers) as sink, relay_to(sink, settings) as relay:
            results, _ = relay.send(LETTER, people)
            assert [r["verdict"] for r in results] == ["ok"] * 4
            first, second = sink.wait(2)
            assert first["rcpts"] == ["RCPT TO:<Jones@foo.com>", "RCPT TO:<Green@foo.com>"]
            assert first["mail"].startswith("MAIL FROM:<Smith@bar.com>") and first["data"] == LETTER
            assert second["rcpts"] == ["RCPT TO:<a@foo.com>", "RCPT TO:<b@foo.com>"]
            assert second["data"] == b"Delivered-To: Brown@bar.com\r\n" + LETTER
            assert second["mail"] == f"MAIL FROM:<SRS0=x@bar.com> SIZE={len(second['data'])}"


def test_whose_fault_it_is():
    for stage, site in (("connect", 1), ("ehlo", 1), ("mail", 0), ("rcpt", 0)):
        with Sink(**{stage: "451 4.3.0 no"}) as sink, relay_to(sink) as relay:
            assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["site"] == site
    with Sink(rcpt="421 4.3.2 bye") as sink, relay_to(sink) as relay:
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["site"] == 1
    with Relay(dns={("foo.com", "MX"): FAILED}) as relay:
        assert one(relay.send(LETTER, ["Jones@foo.com"])[0])["site"] == 1


# ---- memory ----

def test_weaker_than_before(ca):
    cert = ca.make("mx.foo.com")
    with Sink(tls=cert.context()) as sink:
        dns = dane_zone(sink, [cert.tlsa(3, 1, 1)])
        with relay_to(sink, {"relay.letters": 1}, dns=dns) as relay:
            assert "DANE-EE" in relay.send(LETTER, ["Jones@foo.com"])[1]
            # The zone loses its signature: what is left is not worth a refusal, but a line.
            for key, value in dns.items():
                dns[key] = (value[0], False)
            results, how = relay.send(LETTER, ["Jones@foo.com"])
            assert one(results)["verdict"] == "ok" and "not verified" in how and "(was: " in how
            sink.offers.remove("STARTTLS")
            assert "clear text" in relay.send(LETTER, ["Jones@foo.com"])[1]
            wait_until(lambda: len(re.findall("tls-weaker .* was=.*DANE-EE", relay.log())) == 2)
            # A sender who asks for less is no sign.
            relay.send(b"TLS-Required: No\r\n" + LETTER, ["Jones@foo.com"])
            assert relay.log().count("tls-weaker") == 2
