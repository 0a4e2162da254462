/* SPDX-License-Identifier: MIT */
// The headers are C that C++ takes as well, and the functions are found by their C names.
#include <jabiru/jabiru.h>

#include <cstring>
#include <memory>

struct free_client {
    void operator()(jb_client *c) const { jb_client_free(c); }
};

int main()
{
    jb_client *raw = nullptr;

    if (jb_client_new(&raw, nullptr) != JB_OK)
        return 1;
    std::unique_ptr<jb_client, free_client> client(raw);
    jb_writer *w = jb_writer_new(client.get());
    jb_writer_leaf(w, "message", nullptr, "a & b");
    const char *text = jb_writer_text(w);
    int bad = text == nullptr || std::strcmp(text, "<message>a &amp; b</message>") != 0;
    const jb_element *element = nullptr;
    bad |= jb_element_parse(client.get(), text, &element) != JB_OK;
    bad |= std::strcmp(jb_element_text(element), "a & b") != 0;
    jb_element_free(element);
    jb_writer_free(w);
    bad |= !jb_client_is_over(client.get());
    bad |= jb_client_send(client.get(), "<message/>", nullptr) != JB_ESTATE;
    return bad | (jb_event_kind(jb_client_next(client.get())) != JB_EVENT_NONE);
}
