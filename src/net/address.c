/* Addresses: parsing what people type, checking what brokers advertise.
 *
 * A host that came from a peer ends up in resolvers, logs and error texts, so only characters that names really have
 * are let through; a typing error in a configuration gets a sentence that quotes it and says what is wrong. Characters
 * are ASCII here, whatever the application's locale. */
#include "net/address.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { UNIX_PREFIX = 5 /* "unix:" */, UNIX_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1 };

static int bad(kfk_error *err, const char *text, size_t len, const char *what)
{
    int shown = len > 100 ? 100 : (int)len;
    return kfk_error_set(err, KAFKA_EINVAL,
                         "address \"%.*s\": %s; expected host:port, for example localhost:9092 or [::1]:9092", shown,
                         text, what);
}

static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool kfk_host_is_valid(const char *host)
{
    size_t len = strlen(host);
    if (len == 0 || len > KFK_HOST_MAX) return false;
    if (strchr(host, ':')) {
        struct in6_addr v6;
        char numeric[KFK_HOST_MAX + 1];
        size_t zone = strcspn(host, "%");
        memcpy(numeric, host, zone);
        numeric[zone] = '\0';
        for (const char *z = host + zone; *z; z++) {
            if (*z != '%' && !is_name_char(*z)) return false;
        }
        return inet_pton(AF_INET6, numeric, &v6) == 1;
    }
    if (host[0] == '-' || host[0] == '.') return false;
    for (const char *p = host; *p; p++) {
        if (!is_name_char(*p)) return false;
    }
    return true;
}

/* Decimal digits, 1 to 65535; 0 when it is anything else. */
static uint16_t parse_port(const char *p, size_t len)
{
    unsigned value = 0;
    if (len == 0 || len > 5) return 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        value = value * 10 + (unsigned)(p[i] - '0');
    }
    return value > 65535 ? 0 : (uint16_t)value;
}

/* "unix:9092" is none: a host may be called so. */
static bool is_unix(const char *text, size_t len)
{
    return len >= UNIX_PREFIX && memcmp(text, "unix:", UNIX_PREFIX) == 0 &&
           parse_port(text + UNIX_PREFIX, len - UNIX_PREFIX) == 0;
}

/* A relative path would mean another socket after the application has changed its directory. */
static int parse_unix(const char *text, size_t len, kfk_hostport *out, kfk_error *err)
{
    const char *path = text + UNIX_PREFIX, *what = NULL;
    size_t path_len = len - UNIX_PREFIX;
    if (path_len < 2 || (path[0] != '/' && path[0] != '@'))
        what = "the path does not begin with / (or @ and a name, for an abstract one)";
    else if (path_len > UNIX_PATH_MAX)
        what = "the path is longer than the 107 bytes that the system allows";
    for (size_t i = 0; !what && i < path_len; i++) {
        if ((unsigned char)path[i] < ' ' || path[i] == 127) what = "the path has control characters";
    }
    if (what)
        return kfk_error_set(err, KAFKA_EINVAL,
                             "address \"%.*s\": %s; expected unix:/path, such as unix:/run/kafka.sock",
                             len > 200 ? 200 : (int)len, text, what);
    *out = (kfk_hostport){.port = 0};
    memcpy(out->host, text, len);
    return 0;
}

int kfk_hostport_parse(const char *text, size_t len, kfk_hostport *out, kfk_error *err)
{
    while (len > 0 && is_blank(text[0])) text++, len--;
    while (len > 0 && is_blank(text[len - 1])) len--;
    if (len == 0) return bad(err, text, len, "it is empty");
    if (is_unix(text, len)) return parse_unix(text, len, out, err);
    if (memmem(text, len, "//", 2)) return bad(err, text, len, "it looks like a URL, the scheme does not belong there");
    const char *end = text + len, *host = text, *host_end, *port = NULL;
    const char *colon = memchr(text, ':', len);
    if (*text == '[') {
        host = text + 1;
        host_end = memchr(text, ']', len);
        if (!host_end) return bad(err, text, len, "the closing ']' is missing");
        if (host_end + 1 < end) {
            if (host_end[1] != ':') return bad(err, text, len, "after ']' only :port may follow");
            port = host_end + 2;
        }
    } else if (colon && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
        host_end = colon;
        port = colon + 1;
    } else {
        host_end = end; /* no port, or a bare IPv6 address */
    }
    if (host_end == host) return bad(err, text, len, "the host is empty");
    if (host_end - host > KFK_HOST_MAX) return bad(err, text, len, "the host is longer than 255 characters");
    kfk_hostport parsed = {.port = KFK_PORT_DEFAULT, .port_is_default = port == NULL};
    memcpy(parsed.host, host, (size_t)(host_end - host));
    if (strlen(parsed.host) != (size_t)(host_end - host) || !kfk_host_is_valid(parsed.host)) {
        return bad(err, text, len, "the host has characters that no host name has");
    }
    if (port) {
        parsed.port = parse_port(port, (size_t)(end - port));
        if (parsed.port == 0) return bad(err, text, len, "the port is not a number from 1 to 65535");
    }
    *out = parsed;
    return 0;
}

void kfk_hostport_format(const kfk_hostport *h, char *out, size_t cap)
{
    if (h->port == 0)
        snprintf(out, cap, "%s", h->host);
    else
        snprintf(out, cap, strchr(h->host, ':') ? "[%s]:%u" : "%s:%u", h->host, (unsigned)h->port);
}

bool kfk_address_numeric(const char *host, uint16_t port, kfk_address *out)
{
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, service, &hints, &found) != 0) return false;
    memcpy(&out->addr, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

void kfk_address_set_port(kfk_address *a, uint16_t port)
{
    struct sockaddr_in v4; /* in IPv6 it stands at the same place */
    if (a->addr.ss_family != AF_INET && a->addr.ss_family != AF_INET6) return;
    memcpy(&v4, &a->addr, sizeof v4);
    v4.sin_port = htons(port);
    memcpy(&a->addr, &v4, sizeof v4);
}

bool kfk_address_unix(const char *host, kfk_address *out)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(host);
    if (!is_unix(host, len) || len - UNIX_PREFIX > UNIX_PATH_MAX) return false;
    memcpy(un.sun_path, host + UNIX_PREFIX, len - UNIX_PREFIX);
    if (un.sun_path[0] == '@') un.sun_path[0] = '\0';
    /* an abstract name is as long as the address says, a path ends with a NUL that counts */
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len - UNIX_PREFIX + (un.sun_path[0] != '\0'));
    memcpy(&out->addr, &un, sizeof un);
    return true;
}

static void format_unix(const kfk_address *a, char *out, size_t cap)
{
    struct sockaddr_un un;
    memcpy(&un, &a->addr, sizeof un);
    size_t begin = offsetof(struct sockaddr_un, sun_path), len = a->len > begin ? a->len - begin : 0;
    if (len > sizeof un.sun_path) len = sizeof un.sun_path;
    if (len > 0 && un.sun_path[0] == '\0') un.sun_path[0] = '@';
    snprintf(out, cap, "unix:%.*s", (int)len, un.sun_path);
    kfk_error_clean(out); /* the peer chose it */
}

void kfk_address_format(const kfk_address *a, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->addr.ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &a->addr, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        snprintf(out, cap, "%s:%u", host, (unsigned)ntohs(v4.sin_port));
    } else if (a->addr.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &a->addr, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        snprintf(out, cap, "[%s]:%u", host, (unsigned)ntohs(v6.sin6_port));
    } else if (a->addr.ss_family == AF_UNIX) {
        format_unix(a, out, cap);
    } else {
        snprintf(out, cap, "?");
    }
}
