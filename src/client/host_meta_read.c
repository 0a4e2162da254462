/* SPDX-License-Identifier: MIT */
#include "client/host_meta_read.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "client/client_impl.h"

#include <jansson.h>

static const char rel[] = "urn:xmpp:alt-connections:websocket";

/* The URL, when it is one that we would go to: TLS only.  Without XEP-0487 the document's order is
 * what the domain prefers. */
static bool set_url(struct jb__endpoint *e, struct jb_str href, int place)
{
    *e = (struct jb__endpoint){ .priority = (uint32_t)place };
    if (!href.p || jb__url_parse(href, &e->url) != 0 || !e->url.tls || href.p[0] == 'h' ||
        href.p[0] == 'H')
        return false;
    memcpy(e->name, e->url.host, sizeof e->name);
    return true;
}

/* ---- JSON ---- */

static struct jb_str string_of(const json_t *value)
{
    return jb_str(json_string_value(value), json_string_length(value));
}

static uint32_t number_of(const json_t *value)
{
    json_int_t n = json_integer_value(value);

    return n < 0 || n > UINT16_MAX ? UINT16_MAX : (uint32_t)n;
}

/* What XEP-0487 adds; false when it is not in order. */
static bool read_more(struct jb__endpoint *e, const json_t *link)
{
    struct jb_str sni = string_of(json_object_get(link, "sni"));
    const json_t *ips = json_object_get(link, "ips"), *ip;
    size_t k;

    if (sni.n == 0 || sni.n > JB__URL_HOST_BYTES || memchr(sni.p, '\0', sni.n))
        return false;
    memcpy(e->name, sni.p, sni.n);
    e->name[sni.n] = '\0';
    e->priority = number_of(json_object_get(link, "priority"));
    e->weight = number_of(json_object_get(link, "weight"));
    json_array_foreach(ips, k, ip)
    {
        if (e->addr_count < JB__RESOLVE_MOST &&
            jb__addr_parse(&e->addrs[e->addr_count], string_of(ip)) == 0)
            e->addr_count++;
    }
    return true;
}

static void read_keys(struct jb__tls_keys *keys, const json_t *pins)
{
    uint8_t hash[JB__TLS_KEY_BYTES + 2]; /* what a text of this length may decode to */
    const json_t *pin;
    size_t k, n;

    keys->count = 0;
    json_array_foreach(pins, k, pin)
    {
        struct jb_str text = string_of(pin);
        if (keys->count < JB__TLS_KEYS_MOST && text.n == JB__BASE64_BYTES(JB__TLS_KEY_BYTES) &&
            jb__base64_decode(text, hash, &n) && n == JB__TLS_KEY_BYTES)
            memcpy(keys->hash[keys->count++], hash, JB__TLS_KEY_BYTES);
    }
}

int jb__host_meta_read_json(struct jb_str text, struct jb__endpoint *out, struct jb__tls_keys *keys)
{
    const json_t *extension;
    const json_t *link;
    json_error_t error;
    size_t k;
    int count = 0;
    json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);

    if (!root)
        return json_error_code(&error) == json_error_out_of_memory ? JB_ENOMEM : JB_EINVAL;
    extension = json_object_get(root, "xmpp");
    read_keys(keys, json_object_get(extension, "public-key-pins-sha-256"));
    json_array_foreach(json_object_get(root, "links"), k, link)
    {
        if (count == JB__ENDPOINTS_MOST)
            break;
        if (jb_str_eqz(string_of(json_object_get(link, "rel")), rel) &&
            set_url(&out[count], string_of(json_object_get(link, "href")), count))
            count += !json_is_object(extension) || read_more(&out[count], link);
    }
    json_decref(root);
    return count;
}

/* ---- XML ---- */

int jb__host_meta_read_xml(struct jb_str text, struct jb__arena *arena, struct jb__endpoint *out)
{
    static const struct jb_xml_bounds bounds = {
        .depth = 16, .attributes = 64, .namespaces = 32, .elements = 1024, .name_bytes = 256
    };
    struct jb_str value, href;
    struct jb_doc doc;
    int count = 0;

    text = jb_str_trim(text);
    if (!jb__utf8_valid(text))
        return JB_EINVAL;
    enum jb_xml_fault fault = jb_xml_parse(text, &bounds, arena, &doc);
    if (fault != JB_XML_OK)
        return fault == JB_XML_NO_MEMORY ? JB_ENOMEM : JB_EINVAL;
    if (!jb_node_is(&doc, 0, "XRD", JB_NS_XRD))
        return JB_EINVAL;
    for (uint16_t k = jb_node_first(&doc, 0); k && count < JB__ENDPOINTS_MOST;
         k = jb_node_next(&doc, k)) {
        if (jb__attr_of(&doc, k, "rel", arena, &value) != 0 ||
            jb__attr_of(&doc, k, "href", arena, &href) != 0)
            return JB_ENOMEM;
        if (jb_node_is(&doc, k, "Link", JB_NS_XRD) && jb_str_eqz(value, rel))
            count += set_url(&out[count], href, count);
    }
    return count;
}
