/* lab.h - an internet of three mail domains on one machine, for students of
 * mail security and for our own tests (waxwing lab).
 *
 * Everything lies in one folder:
 *
 *     lab.json            which network, what is broken
 *     dns/                knot: zones signed by DNSSEC, from a root of its own down
 *     authority.pem, .key the certificate authority that all of them trust
 *     people/ADDRESS/     what waxmail has of each, once it was used
 *     foo.com/ ...        a whole instance of waxwing each, DOMAIN.pid beside it
 *
 * The network is 127.0.NET.0: .1 has DNS, then one address for each domain;
 * all of them listen on the same ports, none below 1024.  What is
 * broken is in lab.json alone: zones and settings are written anew from it, so that to
 * break and to mend are the same.
 */
#ifndef WAXWING_ADMIN_LAB_LAB_H
#define WAXWING_ADMIN_LAB_LAB_H

#include "admin/command.h"

#include <jansson.h>

enum { LAB_PATH = 4096, LAB_PEOPLE = 3, LAB_SMTP_PORT = 2525, LAB_SUBMISSIONS_PORT = 2465, LAB_IMAPS_PORT = 2993, LAB_DNS_PORT = 2053, LAB_MARK_PORT = 2054, LAB_HTTPS_PORT = 2443 };

#define LAB_PASSWORD "secret"

/* ---- the domains (state.c): the only list ---- */

struct lab_place {
	const char *domain, *mail;	/* "foo.com", "mail.foo.com" */
	int number;			/* 127.0.NET.number */
	bool modern;			/* has TLS, and its zone is signed */
	const char *people[LAB_PEOPLE];
};

/* All; NULL past the end. */
const struct lab_place *lab_place(size_t i);
/* The place of a domain, or of an address in one; NULL: none. */
const struct lab_place *lab_place_of(struct view name);

/* ---- the state (state.c) ---- */

struct lab {
	char dir[LAB_PATH / 2];
	int net;
	int mark;		/* `lab up`: a socket at LAB_MARK_PORT that keeps the network ours; or -1 */
	uint32_t serial;	/* of all zones */
	json_t *broken;		/* [{"what": ..., "domain": ...}] */
};

/* The folder that the command line names, or the usual one.  ret is to be
 * closed in any case.  ST_MISSING: there is no lab, which is said. */
enum status lab_open(const struct invocation *in, struct lab *ret) MUST_USE;
/* The same for `lab up`, which makes it where it is missing. */
enum status lab_make(const struct invocation *in, struct lab *ret) MUST_USE;
/* Writes lab.json.  Says what is wrong. */
enum status lab_save(const struct lab *l) MUST_USE;
void lab_close(struct lab *l);

/* DIR/name into out; answers out. */
const char *lab_path(const struct lab *l, char out[LAB_PATH], const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "127.0.NET.number" into out; answers out. */
enum { LAB_ADDRESS = 16 };
const char *lab_address(const struct lab *l, int number, char out[LAB_ADDRESS]);

bool lab_is_broken(const struct lab *l, const char *what, const char *domain);

/* A whole file, as it is to be.  Says what is wrong. */
enum status lab_write(const char *path, const struct buf *text) MUST_USE;

/* ---- programs (run.c) ---- */

/* Runs argv (NULL-ended) to its end.  input: its standard input; out: its
 * standard output and error.  ST_OK (it ended with 0), ST_MISSING (no such
 * program), ST_DENIED (it ended otherwise), ST_NOMEM, ST_IO. */
enum status run_program(const char *const *argv, struct view input, struct buf *out) MUST_USE;
/* The same of waxwing itself, with --dir. */
enum status run_waxwing(const char *dir, const char *const *words, struct view input, struct buf *out) MUST_USE;
/* Starts it in a session of its own, its output to the file.  As above. */
enum status run_apart(const char *const *argv, const char *output, int *ret_pid) MUST_USE;
/* The pid in that file where a process with that word in its command line
 * has it; 0 otherwise. */
int running_pid(const char *pid_file, const char *word);
/* Also of one that we have just started. */
bool has_ended(int pid);
/* SIGTERM, and SIGKILL where it does not end in time. */
void stop_pid(int pid);
void sleep_ms(unsigned ms);

/* ---- DNS (zones.c, knot.c) ---- */

/* Writes all zones and the configuration of knot from the state. */
enum status lab_write_zones(struct lab *l) MUST_USE;
/* Runs knot with them; where it runs it reads them anew.  Returns when it
 * answers by them.  All say what is wrong. */
enum status knot_start(struct lab *l) MUST_USE;
enum status knot_reload(struct lab *l) MUST_USE;
void knot_stop(const struct lab *l);
int knot_pid(const struct lab *l);
/* Silent, and not gone; and back. */
void knot_pause(const struct lab *l, bool paused);
/* "DS ..." of the zone's key, for the zone above. */
enum status knot_ds(const struct lab *l, const char *zone, struct buf *out) MUST_USE;

/* The zones of the lab, the root first; false past the end. */
struct lab_zone {
	const char *name, *above;	/* "foo.com.", "com."; the root has none above */
	bool is_signed;
	const struct lab_place *place;	/* whose it is, or NULL */
};
bool lab_zone(size_t i, struct lab_zone *ret);
/* Is it delegated and served now? */
bool lab_zone_is_there(const struct lab *l, const struct lab_zone *z);

/* ---- the instances (instances.c) ---- */

/* Makes what is missing: folders, accounts, certificate, waxwing.conf. */
enum status instance_make(const struct lab *l, const struct lab_place *p) MUST_USE;
/* Writes waxwing.conf from the state. */
enum status instance_configure(const struct lab *l, const struct lab_place *p) MUST_USE;
/* Starts it and returns when it serves; says why not. */
enum status instance_start(const struct lab *l, const struct lab_place *p) MUST_USE;
void instance_stop(const struct lab *l, const struct lab_place *p);
int instance_pid(const struct lab *l, const struct lab_place *p);
/* Settings and certificates are read again. */
void instance_reload(const struct lab *l, const struct lab_place *p);
/* What DNS said is forgotten. */
void instance_forget_dns(const struct lab *l, const struct lab_place *p);
/* What waits for the others is tried again now. */
void instance_flush_queue(const struct lab *l, const struct lab_place *p);
/* The certificate that is right for what is broken. */
enum status instance_certify(const struct lab *l, const struct lab_place *p) MUST_USE;
/* A new key and certificate. */
enum status instance_new_key(const struct lab *l, const struct lab_place *p) MUST_USE;
/* "3 1 1 HEX" of the certificate that it shows (RFC 6698 2.1), as DNS is to
 * say it; not after a new key that nobody has told DNS of. */
enum status instance_published(const struct lab *l, const struct lab_place *p, struct buf *out) MUST_USE;

/* ---- certificates (authority.c) ---- */

/* Its certificate, of the key that it has: by the authority of the lab, or (known
 * false) by nobody else.  What is so already stays.  Says what is wrong. */
enum status authority_certify(const struct lab *l, const struct lab_place *p, bool known) MUST_USE;

/* Does it show the certificate that lies in its folder, and offer STARTTLS or
 * not?  (submit.c) */
bool lab_is_up_to_date(const struct lab *l, const struct lab_place *p, bool starttls);

/* ---- what is broken (break.c) ---- */

/* What does not last over a start: silence. */
void mechanisms_apply(const struct lab *l);

#endif
