"""One letter from a stranger through every process into a mailbox."""
import smtplib


def test_letter_reaches_the_journal(instance):
    w = instance()
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        refused = c.sendmail("Smith@bar.com", ["Jones@foo.com", "Green@foo.com", "Brown@foo.com"],
                             "Subject: hi\r\n\r\nBlah blah blah\r\n")
    assert list(refused) == ["Green@foo.com"] and refused["Green@foo.com"][0] == 550
    w.wait_log(r"delivered .*to=Jones@foo.com")
    w.wait_log(r"delivered .*to=Brown@foo.com")
    assert "to=Green" in w.log() and "delivered id=" in w.log()
