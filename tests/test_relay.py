"""relay against a server that may do anything (smtp_sink.py)."""
import pytest

from relay_alone import BOGUS, FAILED, NO_NAME, Relay, address, mx
from smtp_sink import DROP, SILENCE, Sink

LETTER = b"From: Smith@bar.com\r\nTo: Jones@foo.com\r\nSubject: hello\r\n\r\n.a dot\r\n..\r\nbye\r\n"
QUICK = {"relay.command_timeout": "300ms", "relay.data_timeout": "300ms", "relay.greeting_timeout": "300ms",
         "relay.end_timeout": "300ms", "relay.block_timeout": "300ms"}


def zone(sink, secure=False, host="mx.foo.com"):
    return {("foo.com", "MX"): ([mx(10, host)], secure), (host, "A"): ([address(sink.host)], secure)}


def relay_to(sink, settings=None, dns=None, **more):
    return Relay({"relay.port": sink.port} | (settings or {}), dns=dns if dns is not None else zone(sink), **more)


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
        sink.enough.wait(1)
        assert sink.lines[-1] == "QUIT"
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
    with Sink(text=action) as sink, relay_to(sink, QUICK) as relay:
        r = one(relay.send(LETTER, ["Jones@foo.com"])[0])
        assert (r["verdict"], r["status"]) == ("later", "4.4.2")
        assert "may-be-doubled" in relay.log() and len(sink.texts) == 1
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

    with Sink(data=data) as sink, relay_to(sink, QUICK) as relay:
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
        assert relay.send(LETTER, ["Jones@foo.com"], route="nonsense")[0] == []
