/* SPDX-License-Identifier: MIT */
#include "server/welcome.h"

#include "server/server.h"

#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { URL_BYTES = 256, QUIET = 2 };

/* How this machine's browser reaches the first listener. */
static void write_base_url(const struct server *s, char out[URL_BYTES])
{
    const struct listener *l = &s->listeners[0];
    char address[JB__ADDR_TEXT_BYTES];
    struct jb__addr any = { .is_set = true };
    const char *scheme = l->tls == CONFIG_TLS_OWN ? "https" : "http";

    jb__addr_text_port(&l->at, address);
    if (jb__addr_is_loopback(&l->at) || jb__addr_eq_ip(&l->at, &any))
        snprintf(out, URL_BYTES, "%s://localhost:%u", scheme, l->at.port);
    else
        snprintf(out, URL_BYTES, "%s://%s", scheme, address);
}

/* Somebody is looking, and a picture so wide can be seen as one. */
static bool has_room(int columns)
{
    const char *term = getenv("TERM");
    struct winsize window;

    if (!isatty(STDOUT_FILENO) || (term && strcmp(term, "dumb") == 0))
        return false;
    /* 0 columns: a terminal that does not say. */
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 ||
           window.ws_col >= columns;
}

/* Two modules of the code in one character: the upper and the lower half of a block. */
static void print_qr(const char *text)
{
    static const char *const blocks[] = { " ", "\u2584", "\u2580", "\u2588" };
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

    if (!code || !has_room(code->width + 2 * QUIET)) {
        QRcode_free(code);
        return;
    }
    /* Light on dark terminals: what is dark in the code is left blank. */
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            unsigned block = 0;
            for (int half = 0; half < 2; half++) {
                int row = y + half;
                bool inside = x >= 0 && x < code->width && row >= 0 && row < code->width;
                bool dark = inside && (code->data[row * code->width + x] & 1);
                block |= dark ? 0u : half == 0 ? 2u : 1u;
            }
            fputs(blocks[block], stdout);
        }
        fputc('\n', stdout);
    }
    QRcode_free(code);
}

void welcome_print(const struct server *s, const char *token)
{
    char base[URL_BYTES], url[2 * URL_BYTES];

    write_base_url(s, base);
    if (token) {
        snprintf(url, sizeof url, "%s/claim/%s", base, token);
        printf("Jabiru is running. Make the first account: %s\n", url);
        print_qr(url);
    } else {
        printf("Jabiru is running. Chat at %s/chat/\n", base);
    }
    fflush(stdout);
}
