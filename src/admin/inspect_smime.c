/* inspect_smime.c - waxwing inspect smime: who signed a letter by S/MIME, and
 * was it encrypted. */
#include "admin/inspect.h"
#include "admin/listing.h"
#include "admin/revoked.h"
#include "admin/tell.h"

#include "base/clock.h"
#include "msg/header.h"
#include "smime/chain.h"

#include <string.h>
#include <unistd.h>

enum { TRUST_FILE_MAX = 64 * 1024 * 1024 };

const char system_authorities[] = "/etc/ssl/certs/ca-certificates.crt";

/* ---- keys, and whom to trust ---- */

typedef enum status take_text(struct smime_means *m, struct view text);

static enum status take_certificates(struct smime_means *m, struct view text)
{
	return smime_keys_add(&m->keys, text);
}

static enum status take_keys(struct smime_means *m, struct view text)
{
	unsigned before = m->keys.n;
	enum status st = smime_keys_add(&m->keys, text);

	return st == ST_OK && m->keys.n == before ? ST_SYNTAX : st;
}

static enum status take_authorities(struct smime_means *m, struct view text)
{
	return smime_trust_authorities(m->trust, text);
}

static enum status take_crl(struct smime_means *m, struct view text)
{
	return smime_trust_revoked(m->trust, text);
}

static enum status take_ocsp(struct smime_means *m, struct view text)
{
	return smime_trust_ocsp(m->trust, text);
}

static const struct {
	enum option_id option;
	take_text *take;
	const char *wanted;
} sources[] = {
	{ OPTION_key, take_keys, "no private key with its certificate, in PEM and without a passphrase" },
	{ OPTION_certificates, take_certificates, "no certificates in PEM" },
	{ OPTION_authorities, take_authorities, "no certificates in PEM" },
	{ OPTION_ca, take_authorities, "no certificates in PEM" },
	{ OPTION_crl, take_crl, "no list of revoked certificates in PEM or DER" },
	{ OPTION_ocsp, take_ocsp, "no OCSP response in DER" },
};

static bool take_file(struct smime_means *m, const char *path, take_text *take, const char *wanted)
{
	struct buf text = BUF(TRUST_FILE_MAX);
	enum status st = read_file(path, &text), taken = ST_OK;

	if (st == ST_OK)
		taken = take(m, buf_view(&text));
	buf_wipe(&text);
	if (st != ST_OK)
		complain(path, st, NULL);
	else if (taken != ST_OK)
		tell("%s: %s", path, taken == ST_SYNTAX ? wanted : status_name(taken));
	return st == ST_OK && taken == ST_OK;
}

bool smime_means_open(struct smime_means *m, const struct invocation *in)
{
	*m = (struct smime_means){ .system = BUF(TRUST_FILE_MAX) };
	if (smime_trust_new(&m->trust) != ST_OK) {
		tell("%s", status_name(ST_NOMEM));
		return false;
	}
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		const char *path = in->given[sources[i].option];

		if (path && !take_file(m, path, sources[i].take, sources[i].wanted)) {
			smime_means_close(m);
			return false;
		}
	}
	/* Commands that write ask nobody for trust. */
	if ((in->command->row.options & OPT(ca)) && in->given[OPTION_authorities] == NULL && in->given[OPTION_ca] == NULL &&
	    read_file(system_authorities, &m->system) == ST_OK)
		smime_trust_later(m->trust, buf_view(&m->system));
	return true;
}

void smime_means_close(struct smime_means *m)
{
	smime_trust_free(m->trust);
	smime_keys_free(&m->keys);
	buf_free(&m->system);
	m->trust = NULL;
}

/* ---- as JSON ---- */

static json_t *time_or_null(wall_ms at)
{
	char text[RFC3339_SIZE];

	return at >= 0 ? json_string(clock_rfc3339(at, text)) : json_null();
}

static json_t *problems_json(smime_problems p)
{
	json_t *all = json_array();

	for (int i = 0; i < PROBLEM_COUNT; i++)
		if (p >> i & 1)
			json_array_append_new(all, json_string(smime_problem_word((enum smime_problem)i)));
	return all;
}

static json_t *capabilities_json(unsigned can)
{
	static const char *const names[] = { "aes128-CBC", "aes256-CBC", "aes128-GCM", "aes256-GCM", "des-EDE3-CBC", "RSAES-OAEP" };
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (can >> i & 1)
			json_array_append_new(all, json_string(names[i]));
	return all;
}

static bool is_sealed(const struct smime_layer *l)
{
	return l->kind == SMIME_ENVELOPED || l->kind == SMIME_AUTH_ENVELOPED;
}

static json_t *decryption_json(const struct smime_layer *l)
{
	return json_pack("{s:b, s:o, s:o, s:b, s:i}", "opened", (int)l->opened, "algorithm", json_text_or_null(l->cipher),
			 "key_algorithm", json_text_or_null(l->key_algorithm), "authenticated", (int)l->authenticated,
			 "recipients", (int)l->recipients);
}

static json_t *layer_json(const struct smime_layer *l)
{
	json_t *o = json_pack("{s:s, s:b, s:o}", "type", smime_kind_name(l->kind), "opened", (int)l->opened,
			      "problems", problems_json(l->problems));

	if (is_sealed(l))
		json_object_set_new(o, "decryption", decryption_json(l));
	return o;
}

static json_t *signer_json(const struct smime_signer *s)
{
	json_t *addresses = json_array(), *o;

	for (size_t i = 0; i < s->n_addresses; i++)
		json_array_append_new(addresses, json_text(s->addresses[i]));
	o = json_pack("{s:i, s:b, s:b, s:s, s:s, s:i}", "layer", (int)s->layer, "valid", (int)s->valid,
		      "address_match", (int)s->address_match, "chain", smime_chain_name(s->chain),
		      "revocation", smime_revocation_name(s->revocation), "key_bits", (int)s->key_bits);
	json_object_set_new(o, "subject", json_text_or_null(s->subject));
	json_object_set_new(o, "issuer", json_text_or_null(s->issuer));
	json_object_set_new(o, "serial", json_text_or_null(s->serial));
	json_object_set_new(o, "addresses", addresses);
	json_object_set_new(o, "digest", json_text_or_null(s->digest));
	json_object_set_new(o, "algorithm", json_text_or_null(s->algorithm));
	json_object_set_new(o, "signing_time", time_or_null(s->signed_at));
	json_object_set_new(o, "not_before", s->certificate.n ? time_or_null(s->not_before) : json_null());
	json_object_set_new(o, "not_after", s->certificate.n ? time_or_null(s->not_after) : json_null());
	json_object_set_new(o, "capabilities", capabilities_json(s->capabilities));
	json_object_set_new(o, "problems", problems_json(s->problems));
	return o;
}

static json_t *protection_json(const struct smime_letter *l)
{
	json_t *all = json_array();

	if (l->protection == SMIME_HP_NONE) {
		json_decref(all);
		return json_null();
	}
	for (size_t i = 0; i < l->n_fields; i++) {
		struct buf value = BUF(TRUST_FILE_MAX);

		field_unfold(l->fields[i].value, &value);
		json_array_append_new(all, json_pack("{s:o, s:o, s:b}", "name", json_text(l->fields[i].name), "value",
						     json_text(buf_view(&value)), "hidden", (int)l->fields[i].hidden));
		buf_free(&value);
	}
	return json_pack("{s:s, s:o}", "hp", l->protection == SMIME_HP_CIPHER ? "cipher" : "clear", "fields", all);
}

static const struct smime_layer *sealed_layer(const struct smime_letter *l)
{
	for (unsigned i = l->n_layers; i-- > 0;)
		if (is_sealed(&l->layers[i]))
			return &l->layers[i];
	return NULL;
}

json_t *smime_json(const struct smime_letter *l)
{
	json_t *layers = json_array(), *signers = json_array(), *o;
	const struct smime_layer *sealed = sealed_layer(l);
	struct buf sentence = BUF(65536);

	smime_put_sentence(l, &sentence);
	for (unsigned i = 0; i < l->n_layers; i++)
		json_array_append_new(layers, layer_json(&l->layers[i]));
	for (unsigned i = 0; i < l->n_signers; i++)
		json_array_append_new(signers, signer_json(&l->signers[i]));
	o = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:i, s:i, s:I}",
		      "verdict", smime_word_name(l->word), "sentence", json_text(buf_view(&sentence)),
		      "type", l->n_layers ? smime_kind_name(l->layers[0].kind) : "none", "layers", layers,
		      "signers", signers, "decryption", sealed ? decryption_json(sealed) : json_null(),
		      "protected", protection_json(l), "author", author_json(&l->author),
		      "problems", problems_json(l->problems), "remote_content", (int)!l->decrypted,
		      "certificates", (int)l->n_certificates, "elsewhere", (int)l->elsewhere,
		      "payload_octets", (json_int_t)l->payload.n);
	buf_free(&sentence);
	return o;
}

/* ---- --fetch ---- */

bool take_fetch(const struct invocation *in)
{
	struct revocation_wish wish;

	if (revocation_wish_take(view_cstr(in->given[OPTION_fetch]), &wish))
		return true;
	tell("--fetch: should be of crl, ocsp and private, with commas between");
	return false;
}

enum status read_smime(const struct invocation *in, struct smime_means *m, const struct smime_reading *how,
		       struct view letter, struct smime_letter *ret)
{
	return in->given[OPTION_fetch] ? in->asking->read(in, m, how, letter, ret) : smime_read(letter, how, ret);
}

/* ---- the command ---- */

int cmd_inspect_smime(struct invocation *in)
{
	struct smime_reading how = { 0 };
	struct smime_means means;
	struct smime_letter l;
	struct input i;
	json_t *o = NULL;
	enum status st;

	if (!take_time(in) || !take_fetch(in))
		return WRONG_USE;
	if (!smime_means_open(&means, in))
		return FAILED;
	if (input_open(&i, STDIN_FILENO, "standard input")) {
		how = (struct smime_reading){ .trust = means.trust, .keys = &means.keys, .now = clock_wall() };
		st = read_smime(in, &means, &how, i.letter, &l);
		if (st == ST_OK) {
			o = smime_json(&l);
			smime_free(&l);
		} else {
			tell("inspect smime: %s", status_name(st));
		}
		input_close(&i);
	}
	smime_means_close(&means);
	return o ? print_json(o) : FAILED;
}
