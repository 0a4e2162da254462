/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include "base/assert.h"

static uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le64(const unsigned char *p, size_t n)
{
    uint64_t x = 0;

    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static void sip_absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t jb__siphash(const struct jb__hash_key *key, const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t v[4] = { key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du,
                      key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u };
    size_t left = n;

    for (; left >= 8; left -= 8, p += 8)
        sip_absorb(v, load_le64(p, 8));
    sip_absorb(v, load_le64(p, left) | (uint64_t)n << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void jb__table_init(struct jb__table *t, const struct jb_allocator *alloc)
{
    *t = (struct jb__table){ .alloc = alloc };
}

void jb__table_deinit(struct jb__table *t)
{
    jb_free(t->alloc, t->slots);
    t->slots = NULL;
    t->mask = t->count = 0;
}

struct jb__hash_node *jb__table_find(const struct jb__table *t, uint64_t hash, struct jb_str name,
                                     jb__table_match *match)
{
    if (!t->slots)
        return NULL;
    for (struct jb__hash_node *n = t->slots[hash & t->mask]; n; n = n->next)
        if (n->hash == hash && match(n, name))
            return n;
    return NULL;
}

static int grow(struct jb__table *t)
{
    size_t slots = t->slots ? (t->mask + 1) * 2 : 8;
    struct jb__hash_node **next = jb_zalloc(t->alloc, slots * sizeof(struct jb__hash_node *));

    if (!next)
        return JB_ENOMEM;
    for (size_t i = 0; t->slots && i <= t->mask; i++) {
        for (struct jb__hash_node *n = t->slots[i], *following; n; n = following) {
            following = n->next;
            n->next = next[n->hash & (slots - 1)];
            next[n->hash & (slots - 1)] = n;
        }
    }
    jb_free(t->alloc, t->slots);
    t->slots = next;
    t->mask = slots - 1;
    return 0;
}

int jb__table_insert(struct jb__table *t, struct jb__hash_node *node, uint64_t hash)
{
    if ((!t->slots || t->count > t->mask) && grow(t) != 0)
        return JB_ENOMEM;
    node->hash = hash;
    node->next = t->slots[hash & t->mask];
    t->slots[hash & t->mask] = node;
    t->count++;
    return 0;
}

void jb__table_remove(struct jb__table *t, struct jb__hash_node *node)
{
    jb_assert(t->slots);
    struct jb__hash_node **at = &t->slots[node->hash & t->mask];

    while (*at && *at != node)
        at = &(*at)->next;
    jb_assert(*at == node);
    *at = node->next;
    node->next = NULL;
    t->count--;
}

struct jb__hash_node *jb__table_next(const struct jb__table *t, const struct jb__hash_node *node)
{
    size_t i = 0;

    if (!t->slots)
        return NULL;
    if (node) {
        if (node->next)
            return node->next;
        i = (node->hash & t->mask) + 1;
    }
    for (; i <= t->mask; i++)
        if (t->slots[i])
            return t->slots[i];
    return NULL;
}
