"""A letter in a rarer charset: the room loads what iconv needs, locked in as it is."""
import glob
import os
import smtplib
import sqlite3


def subjects(w):
    found = []
    for path in glob.glob(os.path.join(w.dir, "mail/*/index.db")):
        db = sqlite3.connect(path)
        found += [row[0] for row in db.execute("SELECT subject FROM letter")]
        db.close()
    return [s.decode() for s in found if s]


def test_subject_in_koi8_r_is_understood_in_a_room(instance):
    w = instance()
    with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
        c.sendmail("Smith@bar.com", ["Jones@foo.com"], "Subject: Re: =?koi8-r?B?8NLJ18XU?=\r\n\r\nBlah\r\n")
    w.wait_log(r"delivered .*to=Jones@foo.com")
    w.stop()  # the room alone reads its database while it runs
    assert "Привет" in subjects(w), w.log()
    assert "signal=" not in w.log()
