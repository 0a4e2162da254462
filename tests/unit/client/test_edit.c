/* SPDX-License-Identifier: MIT */
#include "test.h"

#include <jabiru/jabiru.h>

#define BODY    "<body>Good night</body>"
#define MESSAGE "<message xmlns='jabber:client' "
#define END     "</message>"
#define REPLACE "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>"
#define RETRACT "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>"
#define OCC(id) "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='" id "'/>"
#define MUC     "<x xmlns='http://jabber.org/protocol/muc#user'/>"
#define SID(by) "<stanza-id xmlns='urn:xmpp:sid:0' by='" by "' id='1'/>"
#define ROOM    "from='room@rooms/nurse' type='groupchat' "
#define PRIVATE "from='room@rooms/nurse' "

static const struct {
    const char *earlier, *edit;
    int may;
} rows[] = {
    /* Between two: whichever of the sender's devices it was. */
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='juliet@a/x'>" REPLACE END, 1 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='juliet@a/y'>" REPLACE END, 1 },
    { MESSAGE "id='1' from='juliet@a'>" BODY END, MESSAGE "from='juliet@a/y'>" RETRACT END, 1 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='mallory@a/x'>" REPLACE END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='mallory@a/x'>" RETRACT END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='juliet@ab/x'>" REPLACE END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='juliet'>" REPLACE END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from=''>" REPLACE END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE ">" REPLACE END, 0 },
    /* Another message, or none. */
    { MESSAGE "id='2' from='juliet@a/x'>" BODY END, MESSAGE "from='juliet@a/x'>" REPLACE END, 0 },
    { MESSAGE "from='juliet@a/x'>" BODY END, MESSAGE "from='juliet@a/x'>" REPLACE END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END, MESSAGE "from='juliet@a/x'>" BODY END, 0 },
    { MESSAGE "id='' from='juliet@a/x'>" BODY END,
      MESSAGE "from='juliet@a/x'><replace xmlns='urn:xmpp:message-correct:0' id=''/>" END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END,
      MESSAGE "from='juliet@a/x'><replace xmlns='urn:x' id='1'/>" END, 0 },
    { MESSAGE "id='1' type='error' from='juliet@a/x'>" BODY END,
      MESSAGE "from='juliet@a/x'>" REPLACE END, 0 },
    { MESSAGE "id='1' from='juliet@a/x'>" BODY END,
      MESSAGE "type='error' from='juliet@a/x'>" REPLACE END, 0 },
    { "<presence xmlns='jabber:client' id='1' from='juliet@a/x'/>",
      MESSAGE "from='juliet@a/x'>" REPLACE END, 0 },
    /* Our own, with and without an address. */
    { MESSAGE "id='1'>" BODY END, MESSAGE "from='romeo@a/other'>" REPLACE END, 1 },
    { MESSAGE "id='1' from='romeo@a/x'>" BODY END, MESSAGE ">" RETRACT END, 1 },
    { MESSAGE "id='1'>" BODY END, MESSAGE "from='juliet@a/x'>" REPLACE END, 0 },
    /* In a room it is the occupant, whatever he is called. */
    { MESSAGE ROOM "id='1'>" BODY OCC("n") END, MESSAGE ROOM ">" REPLACE OCC("n") END, 1 },
    { MESSAGE ROOM "id='1'>" BODY OCC("n") END, MESSAGE ROOM ">" REPLACE OCC("m") END, 0 },
    { MESSAGE ROOM "id='1'>" BODY OCC("n") END, MESSAGE ROOM ">" REPLACE END, 0 },
    { MESSAGE ROOM "id='1'>" BODY END, MESSAGE ROOM ">" REPLACE OCC("n") END, 0 },
    { MESSAGE ROOM "id='1'>" BODY END, MESSAGE ROOM ">" REPLACE END, 0 }, /* who knows */
    { MESSAGE ROOM "id='1'>" BODY OCC("") END, MESSAGE ROOM ">" REPLACE OCC("") END, 0 },
    { MESSAGE ROOM "id='1'>" BODY OCC("n") END,
      MESSAGE "from='room@rooms/peter' type='groupchat'>" REPLACE OCC("n") END, 0 },
    /* What is said to us alone through a room is not from the room. */
    { MESSAGE PRIVATE "id='1'>" BODY MUC OCC("n") END, MESSAGE PRIVATE ">" REPLACE MUC OCC("n") END,
      1 },
    { MESSAGE PRIVATE "id='1'>" BODY MUC OCC("n") END,
      MESSAGE "from='room@rooms/peter'>" REPLACE OCC("m") END, 0 },
    { MESSAGE PRIVATE "id='1'>" BODY MUC OCC("n") END, MESSAGE ROOM ">" REPLACE OCC("n") END, 0 },
    { MESSAGE PRIVATE "id='1'>" BODY MUC OCC("n") END, MESSAGE PRIVATE ">" RETRACT MUC OCC("n") END,
      1 },
    /* A room's messages are retracted by the id that the room gave them. */
    { MESSAGE ROOM "id='2'>" BODY SID("room@rooms") OCC("n") END,
      MESSAGE ROOM ">" RETRACT OCC("n") END, 1 },
    { MESSAGE ROOM "id='1'>" BODY OCC("n") END, MESSAGE ROOM ">" RETRACT OCC("n") END, 0 },
    { MESSAGE ROOM "id='2'>" BODY SID("romeo@a") OCC("n") END,
      MESSAGE ROOM ">" RETRACT OCC("n") END, 0 },
    { MESSAGE ROOM "id='2'>" BODY SID("room@rooms") OCC("n") END,
      MESSAGE ROOM ">" RETRACT OCC("m") END, 0 },
    /* The room itself may, for its moderators; it does not correct. */
    { MESSAGE ROOM "id='2'>" BODY SID("room@rooms") END,
      MESSAGE "from='room@rooms' type='groupchat'>" RETRACT END, 1 },
    { MESSAGE ROOM "id='2'>" BODY SID("room@rooms") END,
      MESSAGE "from='other@rooms' type='groupchat'>" RETRACT END, 0 },
    { MESSAGE ROOM "id='1'>" BODY SID("room@rooms") END,
      MESSAGE "from='room@rooms' type='groupchat'>" REPLACE END, 0 },
};

static void who_may_edit(void **state)
{
    const struct jb_element *earlier, *edit;
    struct jb_client *c;

    (void)state;
    assert_int_equal(jb_client_new(&c, NULL), 0);
    assert_int_equal(jb_client_connect(c, "romeo@a/here", "x"), 0);
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        assert_int_equal(jb_element_parse(c, rows[k].earlier, &earlier), 0);
        assert_int_equal(jb_element_parse(c, rows[k].edit, &edit), 0);
        if (jb_client_may_edit(c, edit, earlier) != rows[k].may)
            fail_msg("row %zu: %s after %s", k, rows[k].edit, rows[k].earlier);
        assert_int_equal(jb_client_may_edit(c, edit, NULL), 0);
        assert_int_equal(jb_client_may_edit(c, NULL, earlier), 0);
        jb_element_free(earlier);
        jb_element_free(edit);
    }
    jb_client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(who_may_edit) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
