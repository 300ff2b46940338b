#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static wall_ms override_by;	/* added to the system's wall time */

static int64_t ms_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

wall_ms clock_wall(void)
{
	return ms_of(CLOCK_REALTIME) + override_by;
}

steady_ms clock_steady(void)
{
	return (steady_ms)ms_of(CLOCK_MONOTONIC);
}

steady_ms clock_tick(void)
{
	return (steady_ms)ms_of(CLOCK_MONOTONIC_COARSE);
}

void clock_override(wall_ms at)
{
	override_by = at - ms_of(CLOCK_REALTIME);
}

enum status clock_parse_rfc3339(struct view text, wall_ms *ret_at)
{
	char s[40], zone[8] = "", *frac;
	struct tm tm = { 0 };
	int used = 0, ms = 0, zh = 0, zm = 0, sign = 1;

	if (text.n >= sizeof s)
		return ST_SYNTAX;
	memcpy(s, text.p, text.n);
	s[text.n] = '\0';
	if (sscanf(s, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6)
		return ST_SYNTAX;
	frac = s + used;
	if (*frac == '.') {
		int scale = 100;

		for (frac++; ascii_digit(*frac); frac++, scale /= 10)
			ms += (*frac - '0') * scale;
	}
	snprintf(zone, sizeof zone, "%s", frac);
	if (zone[0] == '+' || zone[0] == '-') {
		if (sscanf(zone + 1, "%2d:%2d", &zh, &zm) != 2)
			return ST_SYNTAX;
		sign = zone[0] == '-' ? -1 : 1;
	} else if ((zone[0] != 'Z' && zone[0] != 'z') || zone[1] != '\0') {
		return ST_SYNTAX;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_at = ((int64_t)timegm(&tm) - sign * (zh * 3600 + zm * 60)) * 1000 + ms;
	return ST_OK;
}

static struct tm utc(wall_ms at, int *ret_ms)
{
	int64_t sec = at / 1000, ms = at % 1000;
	struct tm tm = { 0 };
	time_t t;

	if (ms < 0) {
		ms += 1000;
		sec--;
	}
	t = (time_t)sec;
	gmtime_r(&t, &tm);
	*ret_ms = (int)ms;
	return tm;
}

char *clock_rfc3339(wall_ms at, char *out)
{
	int ms;
	struct tm tm = utc(at, &ms);
	size_t n = strftime(out, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);

	snprintf(out + n, RFC3339_SIZE - n, ".%03dZ", ms);
	return out;
}

static char *put_rfc5322(const struct tm *tm, long offset_s, char *out)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	long minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;

	snprintf(out, RFC5322_DATE_SIZE, "%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm->tm_wday], tm->tm_mday,
		 months[tm->tm_mon], tm->tm_year + 1900, tm->tm_hour, tm->tm_min, tm->tm_sec, offset_s < 0 ? '-' : '+',
		 minutes / 60 % 100, minutes % 60);
	return out;
}

char *clock_rfc5322(wall_ms at, char *out)
{
	int ms;
	struct tm tm = utc(at, &ms);

	return put_rfc5322(&tm, 0, out);
}

char *clock_rfc5322_local(wall_ms at, char *out)
{
	time_t t = (time_t)(at / 1000);
	struct tm tm;

	return localtime_r(&t, &tm) ? put_rfc5322(&tm, tm.tm_gmtoff, out) : clock_rfc5322(at, out);
}
