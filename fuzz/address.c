/* Addresses as people write them and brokers advertise them.
 *
 * Input: the text. */
#include "net/address.h"
#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A host of an address that was taken may be looked up, and the address can be written down and read again. */
static void check_taken(const kfk_hostport *at)
{
    char text[KFK_HOST_MAX + 16];
    kfk_hostport again;
    kfk_error err = {0};
    bool local = strncmp(at->host, "unix:", 5) == 0; /* no broker sends us there */
    FUZZ_REQUIRE((at->port == 0) == local, "%s:%d", at->host, at->port);
    FUZZ_REQUIRE(kfk_host_is_valid(at->host) == !local, "%s", at->host);
    kfk_hostport_format(at, text, sizeof text);
    FUZZ_REQUIRE(kfk_hostport_parse(text, strlen(text), &again, &err) == 0, "%s: %s", text, err.text);
    FUZZ_REQUIRE(again.port == at->port && strcmp(again.host, at->host) == 0, "%s became %s:%d", text, again.host,
                 again.port);

    kfk_address address;
    bool known = local ? kfk_address_unix(at->host, &address) : kfk_address_numeric(at->host, at->port, &address);
    if (!known) return;
    kfk_address_format(&address, text, sizeof text);
    FUZZ_REQUIRE(kfk_hostport_parse(text, strlen(text), &again, &err) == 0, "%s: %s", text, err.text);
    FUZZ_REQUIRE(again.port == at->port, "%s: port %d", text, at->port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    size_t len;
    uint8_t *text = fuzz_copy(&in, SIZE_MAX, &len);
    kfk_hostport at;
    kfk_error err = {0};
    int code = kfk_hostport_parse((const char *)text, len, &at, &err);
    if (code == 0)
        check_taken(&at);
    else {
        fuzz_require_error(code, &err);
        FUZZ_REQUIRE(code == KAFKA_EINVAL || code == KAFKA_ENOTSUP, "%s", err.text);
    }
    free(text);
    return 0;
}
