/* address: "host:port" or "unix:/path" as people write it, and a socket address as the system wants it. */
#ifndef KFK_NET_ADDRESS_H
#define KFK_NET_ADDRESS_H
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    KFK_HOST_MAX = 255,     /* RFC 1123: longest host name */
    KFK_LOOKUP_MAX = 32,    /* most addresses of one name that are tried */
    KFK_ADDRESS_TEXT = 128, /* of the text of a socket address, with its NUL */
    KFK_PORT_DEFAULT = 9092
};

typedef struct kfk_address {
    struct sockaddr_storage addr;
    socklen_t len;
} kfk_address;

/* A name or numeric address, without brackets, and its port; or, with port 0, the whole of what is not made of the two:
 * "unix:/path". */
typedef struct kfk_hostport {
    char host[KFK_HOST_MAX + 1];
    uint16_t port;
    bool port_is_default; /* none was written down */
} kfk_hostport;

/* "host:port", "host" (port 9092), "[v6]:port", "[v6]", a bare IPv6 address, "unix:/path", "unix:@name" (Linux's
 * abstract names). `len` bytes at `text`, blanks around them are ignored. KAFKA_EINVAL quoting the text and saying what
 * is wrong with it. */
int kfk_hostport_parse(const char *text, size_t len, kfk_hostport *out, kfk_error *err);
/* "host:port", with brackets where the host has colons; "unix:/path". Always terminated. */
void kfk_hostport_format(const kfk_hostport *h, char *out, size_t cap);
/* May this name be looked up and printed? Letters, digits, '-', '_' and '.', or an IPv6 address (RFC 1123, and what
 * people use in practice). Not "unix:/path": what a broker advertises never opens a local socket. */
bool kfk_host_is_valid(const char *host);

/* A numeric IPv4 or IPv6 address: no look-up needed. False when it is a name. */
bool kfk_address_numeric(const char *host, uint16_t port, kfk_address *out);
/* Of an IPv4 or IPv6 address; others are left alone. */
void kfk_address_set_port(kfk_address *a, uint16_t port);
/* The address of a unix socket, "unix:/path" or "unix:@name". False when it is something else, or too long. */
bool kfk_address_unix(const char *host, kfk_address *out);
/* "127.0.0.1:9092", "[::1]:9092", "unix:/path", "unix:" for one without a name. Always terminated. */
void kfk_address_format(const kfk_address *a, char *out, size_t cap);

#endif
