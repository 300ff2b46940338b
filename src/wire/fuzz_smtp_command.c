/* fuzz_smtp_command.c - a command line of a stranger, as MAIL, RCPT, BDAT and
 * HELO read it. */
#include "base/fuzz.h"

#include "wire/smtp.h"

static void inside(struct view outer, struct view v)
{
	FUZZ_CHECK(v.n == 0 || (v.p >= outer.p && v.p + v.n <= outer.p + outer.n));
}

static void try_path(struct view rest, struct view prefix)
{
	struct smtp_path_command pc;
	struct smtp_path again;

	if (smtp_take_path(rest, prefix, &pc) != ST_OK)
		return;
	inside(rest, pc.path.address);
	FUZZ_CHECK(pc.n_parameters <= PARAMETERS_MAX);
	FUZZ_CHECK(pc.path.local.n <= LOCAL_PART_MAX && pc.path.domain.n <= DOMAIN_MAX);
	/* Nothing that could end a line or a <> of the trace field. */
	for (size_t i = 0; i < pc.path.address.n; i++)
		FUZZ_CHECK((unsigned char)pc.path.address.p[i] >= 32 && pc.path.address.p[i] != 127);
	if (pc.path.domain.n)
		FUZZ_CHECK(smtp_take_mailbox(pc.path.address, &again) == ST_OK &&
			   view_eq(again.local, pc.path.local) && view_eq(again.domain, pc.path.domain));
	for (size_t i = 0; i < pc.n_parameters; i++) {
		uint8_t set;

		inside(rest, pc.parameters[i].key);
		inside(rest, pc.parameters[i].value);
		if (smtp_take_notify(pc.parameters[i].value, &set) == ST_OK)
			FUZZ_CHECK(set != 0);
		if (smtp_is_orcpt(pc.parameters[i].value))
			FUZZ_CHECK(view_find(pc.parameters[i].value, ';') < pc.parameters[i].value.n);
		(void)smtp_is_xtext(pc.parameters[i].value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct view line = view_make((const char *)data, n);
	struct smtp_command c = smtp_split(line);
	uint64_t size;
	bool last;

	inside(line, c.verb);
	inside(line, c.rest);
	try_path(c.rest, VIEW("FROM:"));
	try_path(c.rest, VIEW("TO:"));
	if (smtp_take_chunk(c.rest, &size, &last) == ST_OK)
		FUZZ_CHECK(ascii_digit(c.rest.p[0]));
	if (smtp_is_domain(c.rest))
		FUZZ_CHECK(c.rest.n && c.rest.n <= DOMAIN_MAX && view_find(c.rest, ' ') == c.rest.n);
	return 0;
}
