#!/bin/bash
# waxwing as built in this tree (or $WAXWING).
#
# Settings changed from the defaults, and why:
#   listen.*                 loopback ports
#   host.name                the benchmark's domain
#   login.clear_text=yes     the load generators log in without TLS, as they do
#                            with every peer
#   smtp.mend_line_ends=yes  some letters of the shared load generator end in
#                            CR CR LF, which is refused by default
#   relay.networks, .routes  mail for relay.example from loopback goes to the
#                            harness's sink, as with every peer
# Accounts have {PLAIN} verifiers, as the other peers' do, so that no figure is
# that of a password hash; they are put into directory.db directly, because
# `waxwing account add` rightly takes an argon2id for each.
# Nothing that concerns durability, logging or the sandbox is changed.
PORT=${PORT:-2530} IMAP=${IMAP:-2146} IMAPS=${IMAPS:-2996} POP3=${POP3:-2113} SUBMISSIONS=${SUBMISSIONS:-2465}
. "$(dirname "$0")/common.sh"
WAXWING=${WAXWING:-$(dirname "$(readlink -f "$0")")/../../build/src/waxwing}

do_info() {
	echo "smtp=$PORT"; echo "relay=$RELAY_PORT"; echo "imap=$IMAP"; echo "imaps=$IMAPS"; echo "pop3=$POP3"; echo "submissions=$SUBMISSIONS"
	echo "rcpt=user%d@$DOMAIN"; echo "login=user%d@$DOMAIN"
	echo "version=waxwing $(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --short HEAD 2>/dev/null)"
}

accounts() {
	python3 - "$D/w/directory/directory.db" "$DOMAIN" "$PASS" <<-'END'
	import sqlite3, sys, time
	path, domain, password = sys.argv[1:]
	db = sqlite3.connect(path)
	names = [f"user{i}@{domain}" for i in range(500)]
	db.executemany("INSERT INTO account (id, address, shown, verifier, quota, created)"
	               " VALUES (?, ?, ?, ?, 0, ?)",
	               [(i + 1, n, n, "{PLAIN}" + password, int(time.time() * 1000))
	                for i, n in enumerate(names)])
	db.execute("INSERT INTO counter (name, value) VALUES ('account', ?)"
	           " ON CONFLICT (name) DO UPDATE SET value = excluded.value", (len(names),))
	db.commit()
	END
}

do_setup() {
	rm -rf "$D"
	mkdir -p "$D"
	"$WAXWING" setup "$DOMAIN" --dir "$D/w" >"$D/setup.out" 2>&1
	accounts
	cat >"$D/w/waxwing.conf" <<-END
	host = { name = "$DOMAIN"; };
	listen = {
		smtp = "127.0.0.1:$PORT"; submission = ""; submissions = "127.0.0.1:$SUBMISSIONS";
		imap = "127.0.0.1:$IMAP"; imaps = "127.0.0.1:$IMAPS";
		pop3 = "127.0.0.1:$POP3"; pop3s = ""; https = "";
	};
	login = { clear_text = "yes"; };
	smtp = { mend_line_ends = "yes"; };
	relay = {
		networks = "127.0.0.1";
		routes = "relay.example = smtp://[127.0.0.1]:$RELAY_PORT";
	};
	END
	[ -z "${WAXWING_EXTRA:-}" ] || echo "$WAXWING_EXTRA" >>"$D/w/waxwing.conf"
}

do_start() {
	"$WAXWING" serve --dir "$D/w" </dev/null >"$D/out" 2>&1 &
	echo $! >"$D/pid"
	wait_port $PORT
}
do_stop() { stop_pidfile "$D/pid"; }
do_reset() { rm -rf "$D/w/mail" "$D/w/spool" "$D/w/log"; }

# One line of the log for each letter put into a mailbox.  Counting the rows of
# 100 indexes takes longer than the driver's patience of 0.1 s between polls.
do_count() { grep -ac ' delivered id=' "$D/w/log/waxwing.log" || true; }
do_queued() { echo 0; }
# Envelope and body structure are rendered at delivery: nothing may be forgotten.
do_dropindex() { :; }
main "$@"
