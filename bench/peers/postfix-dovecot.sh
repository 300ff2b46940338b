#!/bin/bash
# Postfix, handing over to Dovecot by LMTP into Maildirs: Debian's packages
# (postfix dovecot-imapd dovecot-pop3d dovecot-lmtpd) as they come.
# Submission is Postfix's, with Dovecot asked for the password (SASL).
#
# Settings changed from the defaults: ports, folders and users; no chroot, as
# the data lies elsewhere; disable_plaintext_auth=no and {PLAIN} passwords, as
# with every peer; fs.inotify.max_user_instances raised for 1,000 IDLE sessions.
SMTP=${SMTP:-2561} IMAP=${IMAP:-2562} IMAPS=${IMAPS:-2563} POP3=${POP3:-2564} SUBMISSIONS=${SUBMISSIONS:-2565}
. "$(dirname "$0")/common.sh"
P=$D/postfix V=$D/dovecot MAILUSER=wxbench

do_info() {
	command -v postfix dovecot >/dev/null || { echo "missing=postfix dovecot"; return 0; }
	echo "smtp=$SMTP"; echo "relay=$RELAY_PORT"; echo "imap=$IMAP"; echo "imaps=$IMAPS"; echo "pop3=$POP3"; echo "submissions=$SUBMISSIONS"
	echo "rcpt=user%d@$DOMAIN"; echo "login=user%d@$DOMAIN"
	echo "version=postfix $(postconf -dh mail_version), dovecot $(dovecot --version)"
}

postfix_conf() {
	mkdir -p "$P/conf" "$P/queue" "$P/data"
	chown postfix "$P/data"
	for i in $(seq 0 499); do echo "user$i@$DOMAIN ok"; done >"$P/conf/users"
	cat >"$P/conf/main.cf" <<-END
	compatibility_level = 3.6
	queue_directory = $P/queue
	data_directory = $P/data
	myhostname = mx.$DOMAIN
	mydestination =
	inet_interfaces = 127.0.0.1
	inet_protocols = ipv4
	virtual_mailbox_domains = $DOMAIN
	virtual_mailbox_maps = hash:$P/conf/users
	mynetworks = 127.0.0.0/8
	relay_domains = relay.example
	transport_maps = inline:{relay.example=smtp:[127.0.0.1]:$RELAY_PORT}
	virtual_transport = lmtp:unix:$V/run/lmtp
	maillog_file = $P/log/postfix.log
	maillog_file_prefixes = $P
	END
	cp "$(postconf -dh config_directory)/master.cf" "$P/conf/master.cf"
	postconf -c "$P/conf" -MX smtp/inet
	postconf -c "$P/conf" -M "$SMTP/inet=$SMTP inet n - n - - smtpd"
	postconf -c "$P/conf" -M "$SUBMISSIONS/inet=$SUBMISSIONS inet n - n - - smtpd"
	for option in smtpd_tls_wrappermode=yes smtpd_sasl_auth_enable=yes smtpd_sasl_type=dovecot \
		smtpd_sasl_path=private/auth "smtpd_tls_cert_file=$V/cert.pem" "smtpd_tls_key_file=$V/key.pem" \
		smtpd_recipient_restrictions=permit_sasl_authenticated,reject; do
		postconf -c "$P/conf" -P "$SUBMISSIONS/inet/$option"
	done
	postconf -c "$P/conf" -F '*/*/chroot=n'
	mkdir -p "$P/log"
	postmap -c "$P/conf" "hash:$P/conf/users"
}

dovecot_conf() {
	mkdir -p "$V/run" "$V/state" "$V/mail"
	chown $MAILUSER: "$V/mail"
	for i in $(seq 0 499); do echo "user$i@$DOMAIN:{PLAIN}$PASS::::::"; done >"$V/users"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-subj "/CN=$DOMAIN" -keyout "$V/key.pem" -out "$V/cert.pem" 2>/dev/null
	cat >"$V/dovecot.conf" <<-END
	base_dir = $V/run
	state_dir = $V/state
	log_path = $V/log
	listen = 127.0.0.1
	protocols = imap pop3 lmtp
	disable_plaintext_auth = no
	ssl_cert = <$V/cert.pem
	ssl_key = <$V/key.pem
	mail_location = maildir:~/Maildir
	first_valid_uid = 100
	passdb {
	  driver = passwd-file
	  args = username_format=%u $V/users
	}
	userdb {
	  driver = static
	  args = uid=$MAILUSER gid=$MAILUSER home=$V/mail/%n
	}
	namespace inbox {
	  inbox = yes
	}
	service imap-login {
	  inet_listener imap {
	    port = $IMAP
	  }
	  inet_listener imaps {
	    port = $IMAPS
	    ssl = yes
	  }
	}
	service pop3-login {
	  inet_listener pop3 {
	    port = $POP3
	  }
	  inet_listener pop3s {
	    port = 0
	  }
	}
	service auth {
	  unix_listener $P/queue/private/auth {
	    mode = 0666
	  }
	}
	service lmtp {
	  unix_listener lmtp {
	    mode = 0666
	  }
	}
	END
}

do_setup() {
	getent passwd $MAILUSER >/dev/null || useradd -r -U -M -d / -s /usr/sbin/nologin $MAILUSER
	rm -rf "$D"
	mkdir -p "$D"
	postfix_conf
	dovecot_conf
}
do_start() {
	sysctl -qw fs.inotify.max_user_instances=65536 || true
	# First: Dovecot's socket for logins lies in its queue.
	postfix -c "$P/conf" start >/dev/null 2>&1
	dovecot -c "$V/dovecot.conf"
	wait_port $SMTP
	wait_port $IMAP
}
do_stop() {
	postfix -c "$P/conf" stop >/dev/null 2>&1 || true
	stop_pidfile "$V/run/master.pid"
}
do_reset() {
	rm -rf "$V/mail"
	mkdir "$V/mail"
	chown $MAILUSER: "$V/mail"
}
do_count() { find "$V/mail" \( -path '*/new/*' -o -path '*/cur/*' \) -type f 2>/dev/null | wc -l; }
do_dropindex() { find "$V/mail" -name 'dovecot.index.cache' -delete; }
main "$@"
