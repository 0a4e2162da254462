/* SPDX-License-Identifier: MIT */
/* What the examples have in common: PROGRAM JID PASSWORD_FILE URL|- CA_FILE|- ... */
#ifndef EXAMPLES_EXAMPLE_H
#define EXAMPLES_EXAMPLE_H

#include <jabiru/jabiru.h>
#include <stdio.h>
#include <string.h>

/* The client of the first four arguments, connecting; NULL: it says why. */
static struct jb_client *example_client(int argc, char **argv)
{
    char password[256] = "";
    struct jb_client *client = NULL;
    FILE *file = argc > 4 ? fopen(argv[2], "r") : NULL;
    int rc = JB_EINVAL;

    if (file && fgets(password, sizeof password, file))
        rc = jb_client_new(&client, NULL);
    if (file)
        fclose(file);
    password[strcspn(password, "\n")] = '\0';
    if (rc == 0 && strcmp(argv[3], "-") != 0)
        rc = jb_client_set_text(client, JB_OPTION_URL, argv[3]);
    if (rc == 0 && strcmp(argv[4], "-") != 0)
        rc = jb_client_set_text(client, JB_OPTION_CA_FILE, argv[4]);
    if (rc == 0)
        rc = jb_client_connect(client, argv[1], password);
    if (rc == 0)
        return client;
    fprintf(stderr, "usage: %s JID PASSWORD_FILE URL|- CA_FILE|- ...: %s\n", argv[0],
            jb_strerror(rc));
    jb_client_free(client);
    return NULL;
}

#endif
