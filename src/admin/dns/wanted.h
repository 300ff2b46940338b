/* wanted.h - what a domain should say in DNS, so that its mail is found, is
 * believed, and travels safely: the one list, from which zone files, updates,
 * checks and the zones of the lab are made.
 *
 * Pure: facts in, records out.  facts.h gathers the facts of an instance.
 * Everything returned lies in the list's arena.
 */
#ifndef WAXWING_ADMIN_DNS_WANTED_H
#define WAXWING_ADMIN_DNS_WANTED_H

#include "base/clock.h"
#include "ipc/records.h"
#include "trust/mta_sts.h"
#include "wire/connect.h"
#include "wire/rdata.h"

enum {
	FACT_ADDRESSES = 16, FACT_PINS = 16, FACT_KEYS = 32, FACT_CERTIFICATES = 4096,
	PIN_SIZE = 32,			/* SHA-256 (RFC 6698 2.1.3) */
	WANTED_MAX = FACT_CERTIFICATES + 512,	/* records of one domain */
	WANTED_ARENA = 32 * 1024 * 1024,
};

/* ---- what is known ---- */

/* A key of TLS that the host shows, or will. */
struct fact_pin {
	unsigned char digest[PIN_SIZE];	/* of its SubjectPublicKeyInfo */
	bool next;			/* not shown yet: published ahead (RFC 7671 8.1) */
};

/* A key of DKIM. */
struct fact_key {
	struct view selector, algorithm;	/* "rsa", "ed25519" (RFC 6376 3.6.1, RFC 8463) */
	struct view public_key;			/* base64, as p= has it */
	struct view folder;			/* below keys/dkim: the domain as the directory has it */
	bool next;				/* nothing is signed by it yet */
	bool retired;				/* nothing is signed by it any more; letters on their way are */
};

/* A certificate of S/MIME that is found by its owner's address (RFC 8162), as
 * directory/certificates.h has it. */
struct fact_certificate {
	struct view owner, rdata;
};

/* Borrowed by wanted_make. */
struct dns_facts {
	struct view domain;		/* A-labels, lower case */
	struct view host;		/* our mail host, the same form */
	struct endpoint addresses[FACT_ADDRESSES];	/* it sends and is reached by these; ports 0 */
	size_t n_addresses;
	uint16_t ports[SERVICE_COUNT];	/* 0: not offered */
	uint16_t smtp_port;		/* where others bring letters; 25 but in the lab */
	struct fact_pin pins[FACT_PINS];
	size_t n_pins;
	struct fact_key keys[FACT_KEYS];
	size_t n_keys;
	const struct fact_certificate *certificates;
	size_t n_certificates;
	enum sts_mode sts;
	uint32_t sts_age;		/* seconds */
	struct view spf;		/* terms of others who send for the domain */
	struct view smarthost;		/* or empty */
	struct view dmarc;		/* the policy; empty: none is published */
	struct view reports, failure_reports;	/* addresses; empty: none are asked for */
	struct view caa, caa_mail;	/* authorities with commas between, ";" for nobody, or empty */
	uint32_t ttl;			/* seconds */
};

/* ---- what is to be said ---- */

enum wanted_kind {
	WANTED_MX, WANTED_ADDRESS, WANTED_TLSA, WANTED_SPF, WANTED_DKIM, WANTED_DMARC, WANTED_STS,
	WANTED_TLSRPT, WANTED_CAA, WANTED_SMIMEA, WANTED_SRV, WANTED_WEB, WANTED_PTR, WANTED_KINDS,
};

struct wanted_kind_row {
	const char *word;	/* "spf", for programs */
	const char *title;	/* for people */
	const char *good_for;	/* one line */
	/* Of TXT records at one name only one may begin like this (RFC 7208
	 * 3.2, RFC 9989 4.10, RFC 8461 3.1, RFC 8460 3); or NULL. */
	const char *alone;
};
/* The row of a kind. */
const struct wanted_kind_row *wanted_kind_row(enum wanted_kind k);

struct wanted {
	enum wanted_kind kind;
	enum dns_type type;
	struct view name;	/* presentation form, without the last dot */
	struct view rdata;	/* wire form */
	struct view why;	/* of this record, or empty: what its kind is good for */
	bool elsewhere;		/* not in the domain's own zone: whoever has that has to say it */
};

struct wanted_list {
	struct arena arena;
	struct wanted *list;
	size_t n;
};

/* All of it, in the order of enum wanted_kind.  ret is to be freed in any
 * case.  ST_SYNTAX: a fact makes no record; *ret_what (static) says which.
 * ST_LIMIT, ST_NOMEM. */
enum status wanted_make(const struct dns_facts *f, struct wanted_list *ret, const char **ret_what) MUST_USE;
void wanted_free(struct wanted_list *w);

/* The record as a line of a zone file (RFC 1035 5.1), its name in full, with
 * a dot at the end and without a line end. */
void wanted_line(const struct wanted *w, uint32_t ttl, struct buf *out);

/* May both stand side by side?  False where the one makes the other worthless:
 * an alias beside anything, two policies. */
bool wanted_agrees(const struct wanted *w, enum dns_type type, struct view rdata);

/* Is it the same record?  Names in it are compared without regard to case. */
bool wanted_is(const struct wanted *w, enum dns_type type, struct view rdata);

#endif
