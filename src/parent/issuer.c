/* issuer.c - certificates of an issuer elsewhere (smime.acme), renewed without being asked: a
 * program is started for it from time to time, as the operator would do it.  It reads the
 * directory and keys, which is the parent's own right; who speaks with the issuer in it is locked
 * in (admin/acme/agent.h). */
#include "parent/parent.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_MS = 60000 };

static void next_time(struct parent *p, int64_t in)
{
	if (loop_timer(p->loop, &p->issuer.timer, clock_steady() + (steady_ms)in) != ST_OK)
		log_event(LOG_ERROR_, "issuer", "why=\"%s\"", status_name(ST_NOMEM));
}

static int spawn(const struct parent *p, int *ret_pid)
{
	char *argv[] = { (char *)"waxwing: cert acme", (char *)"cert", (char *)"acme", (char *)"--all", (char *)"--log",
			 (char *)"--dir", p->conf.dir, NULL };
	posix_spawn_file_actions_t fa;
	int rc;

	if (posix_spawn_file_actions_init(&fa) != 0)
		return ENOMEM;
	rc = posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn(ret_pid, p->issuer.program, &fa, NULL, argv, child_environment());
	posix_spawn_file_actions_destroy(&fa);
	return rc;
}

static void start(struct timer *t)
{
	struct parent *p = (struct parent *)((char *)t - offsetof(struct parent, issuer.timer));
	int rc;

	if (p->stopping)
		return;
	if (p->conf.acme[0] && p->issuer.pid == 0) {
		rc = spawn(p, &p->issuer.pid);
		if (rc != 0)
			log_event(LOG_ERROR_, "issuer", "why=\"%s\"", strerror(rc));
	}
	next_time(p, p->conf.smime_check);
}

void parent_issuer_begin(struct parent *p)
{
	p->issuer.timer.fire = start;
	next_time(p, p->conf.smime_check < FIRST_MS ? p->conf.smime_check : FIRST_MS);
}

bool parent_issuer_ended(struct parent *p, int pid, int status)
{
	if (p->issuer.pid != pid)
		return false;
	p->issuer.pid = 0;
	if (WIFSIGNALED(status) && !p->stopping)
		log_event(LOG_ERROR_, "issuer", "signal=%d", WTERMSIG(status));
	return true;
}

/* What it has asked for it asks for again. */
void parent_issuer_stop(struct parent *p)
{
	if (p->issuer.pid)
		kill(p->issuer.pid, SIGKILL);
}
