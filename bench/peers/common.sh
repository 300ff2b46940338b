# Sourced by every peers/NAME.sh, which is called with one of these verbs and
# defines do_VERB for it:
#
#   info       key=value lines: smtp= imap= imaps= pop3= (ports on 127.0.0.1),
#              rcpt= login= (patterns with %d), version=
#   setup      configuration and empty data under $D (server stopped):
#              user0 .. user499@$DOMAIN with the password $PASS
#   start      start; return once its ports answer
#   stop       stop; return once it is gone
#   reset      empty the mailboxes and the queue (server stopped)
#   count      how many letters lie in mailboxes, while it runs; cheap
#   queued     how many wait in the queue
#   dropindex  forget what may be forgotten of parsed letters
#
# The same form as that of the harness which compares mail servers, so that a
# peer's script can be used by both.
set -eu
umask 022
NAME=$(basename "$0" .sh)
BENCH_DIR=${BENCH_DIR:-/tmp/waxwing-bench}
D=$BENCH_DIR/$NAME
DOMAIN=bench.example
RELAY_PORT=${RELAY_PORT:-2600}	# letters for @relay.example go there, to our own sink
PASS=secret

wait_port() { # port: up to ten seconds
	local tries=200
	until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "$NAME: nobody answers on port $1" >&2; return 1; }
		sleep 0.05
	done
}

stop_pidfile() { # the process named in the file; TERM, after ten seconds KILL
	local pid tries=200
	[ -s "$1" ] || return 0
	pid=$(tr -dc 0-9 <"$1")
	kill -TERM "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { kill -KILL "$pid"; return 0; }
		sleep 0.05
	done
}

do_queued() { echo 0; }
do_dropindex() { :; }

main() {
	case ${1:-} in
	info | setup | start | stop | reset | count | queued | dropindex) "do_$1" ;;
	*) echo "usage: $0 info|setup|start|stop|reset|count|queued|dropindex" >&2; exit 2 ;;
	esac
}
