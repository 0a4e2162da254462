/* SPDX-License-Identifier: MIT */
/* Sends back every message: echo_bot romeo@example.org PASSWORD_FILE [wss://URL [CA_FILE]] */
#include <jabiru/jabiru.h>
#include <stdio.h>
#include <string.h>

static int on_event(struct jb_client *client, const struct jb_event *ev, void *ctx)
{
    const struct jb_element *stanza = jb_event_element(ev);
    const struct jb_element *body = jb_element_child(stanza, "body", NULL);

    (void)ctx;
    if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
        fprintf(stderr, "offline: %s\n", jb_event_words(ev));
    if (jb_event_kind(ev) == JB_EVENT_ONLINE)
        fprintf(stderr, "online as %s\n", jb_client_jid(client));
    if (jb_event_kind(ev) == JB_EVENT_STANZA && body && jb_element_attr(stanza, "from") &&
        !jb_element_child(stanza, "error", NULL)) /* an answer to an error may be the next one */
        return jb_client_send_message(client, jb_element_attr(stanza, "from"),
                                      jb_element_text(body), NULL, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    struct jb_client *client = NULL;
    char password[256] = "";
    FILE *file = argc > 2 ? fopen(argv[2], "r") : NULL;

    if (!file || !fgets(password, sizeof password, file) || jb_client_new(&client, NULL) != 0)
        return 2;
    password[strcspn(password, "\n")] = '\0';
    if ((argc > 3 && jb_client_set_text(client, JB_OPTION_URL, argv[3]) != 0) ||
        (argc > 4 && jb_client_set_text(client, JB_OPTION_CA_FILE, argv[4]) != 0) ||
        jb_client_connect(client, argv[1], password) != 0)
        return 2;
    return jb_client_run(client, on_event, NULL) != 0;
}
