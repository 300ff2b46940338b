/* facts.h - what an instance knows of itself and of a domain of ours, for
 * wanted.h: settings, certificates, keys. */
#ifndef WAXWING_ADMIN_DNS_FACTS_H
#define WAXWING_ADMIN_DNS_FACTS_H

#include "admin/dns/wanted.h"
#include "conf/conf.h"

enum { FACTS_ARENA = 32 * 1024 * 1024, FACTS_WHY = 4096 };

struct facts {
	struct dns_facts f;	/* borrows from what follows */
	struct arena arena;
	struct conf conf;
};

/* domain: as anybody writes it; U-labels become A-labels.  ret is to be freed
 * in any case.  ST_MISSING: the domain is not ours.  ST_SYNTAX (it is no
 * domain, or host.name is no name), errors of conf_load and directory_open;
 * why says what. */
enum status facts_gather(const char *dir, struct view domain, struct facts *ret, struct buf *why) MUST_USE;
void facts_free(struct facts *f);

/* The SHA-256 of the key of a PEM file's first certificate (RFC 6698 2.1.1:
 * selector 1, 2.1.3: matching type 1); where host is not empty only if the certificate
 * names it.  ST_MISSING (no such file, or another host's), ST_SYNTAX. */
enum status pin_of_file(const char *path, const char *host, unsigned char ret[PIN_SIZE]) MUST_USE;

/* The same of a chain in PEM. */
enum status pin_of_pem(struct view chain, unsigned char ret[PIN_SIZE]) MUST_USE;

#endif
