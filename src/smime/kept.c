#include "smime/kept.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, PIECE = 65536 };

static bool cache_folder(char out[PATH_SIZE])
{
	const char *top = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	static const char *const below[] = { "", "/waxwing", "/waxwing/lists" };
	char path[PATH_SIZE];

	if (top && top[0] == '/')
		snprintf(path, sizeof path, "%s", top);
	else if (home && home[0] == '/')
		snprintf(path, sizeof path, "%s/.cache", home);
	else
		return false;
	for (size_t i = 0; i < sizeof below / sizeof *below; i++)
		if (snprintf(out, PATH_SIZE, "%s%s", path, below[i]) >= PATH_SIZE ||
		    (mkdir(out, 0700) != 0 && access(out, W_OK) != 0))
			return false;
	return true;
}

static bool cache_path(struct view key, char out[PATH_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char folder[PATH_SIZE];
	size_t n;

	if (!cache_folder(folder) || (n = strlen(folder)) + 2 * sizeof digest + 8 > PATH_SIZE)
		return false;
	SHA256((const unsigned char *)key.p, key.n, digest);
	memcpy(out, folder, n);
	out[n++] = '/';
	for (size_t i = 0; i < sizeof digest; i++, n += 2)
		snprintf(out + n, PATH_SIZE - n, "%02x", digest[i]);
	return true;
}

static bool is_young(int fd, int64_t max_age_s)
{
	struct stat sb;

	return max_age_s == 0 || (fstat(fd, &sb) == 0 && time(NULL) - sb.st_mtime <= max_age_s);
}

bool kept_find(struct view key, int64_t max_age_s, struct buf *out)
{
	char path[PATH_SIZE], piece[PIECE];
	ssize_t n = -1;
	int fd;

	buf_clear(out);
	fd = cache_path(key, path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd >= 0 && is_young(fd, max_age_s))
		while ((n = read(fd, piece, sizeof piece)) > 0)
			buf_put(out, view_make(piece, (size_t)n));
	if (fd >= 0)
		close(fd);
	if (n == 0 && out->n && buf_status(out) == ST_OK)
		return true;
	buf_clear(out);
	return false;
}

void kept_put(struct view key, struct view bytes)
{
	char path[PATH_SIZE], fresh[PATH_SIZE + 8];
	FILE *f;
	bool good;
	int fd;

	if (!cache_path(key, path))
		return;
	snprintf(fresh, sizeof fresh, "%s.XXXXXX", path);
	fd = mkstemp(fresh);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL)
		return;
	good = fwrite(bytes.p, 1, bytes.n, f) == bytes.n;
	if (fclose(f) != 0 || !good || rename(fresh, path) != 0)
		unlink(fresh);
}
