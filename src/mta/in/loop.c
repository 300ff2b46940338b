/* loop.c - Delivered-To: has the letter gone this way before?
 *
 * An account that forwards puts its address on the letter.  What comes back
 * with it is not sent on a second time by that account, or to that group. */
#include "mta/in/internal.h"

enum { NO_MATCH = 0xff };

static const char name[] = "delivered-to:";
enum { NAME_N = sizeof name - 1 };

/* The field's value is complete: who is reached by that address? */
static void value_ends(struct smtp_session *s)
{
	struct delivered *d = &s->delivered;
	struct view value = view_make(d->value, d->n < sizeof d->value ? d->n : 0);

	for (uint32_t i = 0; value.n && i < s->env.n_recipients; i++)
		if (view_eq_i(s->env.recipients[i].via, value))
			s->env.recipients[i].via_kind = VIA_AGAIN;
	d->n = 0;
	d->taking = false;
}

void smtp_loop_begin(struct smtp_session *s)
{
	s->delivered = (struct delivered){ .over = true };
	for (uint32_t i = 0; i < s->env.n_recipients; i++)
		if (s->env.recipients[i].via_kind != VIA_NOTHING)
			s->delivered.over = false;
}

static void take_octet(struct smtp_session *s, char c)
{
	struct delivered *d = &s->delivered;

	if (d->line_begins && d->taking && c != ' ' && c != '\t')
		value_ends(s);
	d->line_begins = c == '\n';
	if (d->taking) {
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n' && d->n < sizeof d->value)
			d->value[d->n++] = c;
	} else if (d->matched != NO_MATCH) {
		d->matched = c == name[d->matched] ? (uint8_t)(d->matched + 1) : NO_MATCH;
		d->taking = d->matched == NAME_N;
	}
}

void smtp_loop_put(struct smtp_session *s, struct view run)
{
	struct delivered *d = &s->delivered;

	for (size_t i = 0; i < run.n && !d->over; i++) {
		char c = ascii_lower(run.p[i]);

		if (c == '\r')
			continue;
		/* An empty line ends the header. */
		d->over = c == '\n' && (d->line_begins || !d->begun);
		if (d->line_begins || !d->begun)
			d->matched = 0;
		d->begun = true;
		take_octet(s, c);
	}
}

/* Is there another way by which who was named in that RCPT gets it? */
static bool has_other(const struct envelope *e, uint32_t i)
{
	const struct recipient *r = &e->recipients[i];
	struct view named = r->original.n ? r->original : r->address;

	for (uint32_t j = 0; j < e->n_recipients; j++) {
		const struct recipient *o = &e->recipients[j];

		if (o->via_kind != VIA_AGAIN && view_eq_i(o->original.n ? o->original : o->address, named))
			return true;
	}
	return false;
}

bool smtp_loop_end(struct smtp_session *s)
{
	struct envelope *e = &s->env;
	uint32_t n = 0;

	if (s->delivered.taking)
		value_ends(s);
	for (uint32_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i].via_kind == VIA_AGAIN && !has_other(e, i))
			return false;
	for (uint32_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i].via_kind != VIA_AGAIN)
			e->recipients[n++] = e->recipients[i];
	e->n_recipients = n;
	return true;
}
