/* SPDX-License-Identifier: MIT */
/* Contexts and certificate files. */
#include "tls_kit.h"

#include "failing_alloc.h"

#include <openssl/pem.h>

static char where[256];

static const char *path(const char *name)
{
    snprintf(where, sizeof where, "%s/%s", kit_dir, name);
    return where;
}

static void put_file(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Loading must fail; the words must have both strings in them. */
static void refused(const char *cert, const char *key, const char *file, const char *words)
{
    const struct jb__tls_cert certs = { "a.example", cert, key };
    const struct jb__tls_config config = { &jb_allocator_libc, &certs, 1, KIT_NOW_S, JB__TLS_1_2 };
    struct jb__tls_error err = { "" };
    struct jb__tls_ctx *ctx;

    assert_int_equal(jb__tls_ctx_new(&config, &ctx, &err), JB_EINVAL);
    assert_null(ctx);
    if (!strstr(err.text, file) || !strstr(err.text, words))
        fail_msg("\"%s\" lacks %s or \"%s\"", err.text, file, words);
}

static void test_bad_files(void **state)
{
    const struct jb__tls_own *a = kit_files("a.example"), *b = kit_files("b.example");

    (void)state;
    refused("/nowhere/x.crt", a->key_file, "/nowhere/x.crt", "No such file");
    refused(a->cert_file, "/nowhere/x.key", "/nowhere/x.key", "No such file");
    refused(kit_dir, a->key_file, kit_dir, "directory");
    put_file(path("empty"), "");
    refused(where, a->key_file, "empty", "empty");
    put_file(path("noise"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refused(where, a->key_file, "noise", "no certificate");
    refused(a->key_file, a->key_file, a->key_file, "no certificate");
    refused(a->cert_file, a->cert_file, a->cert_file, "no private key");
    refused(a->cert_file, b->key_file, b->key_file, "does not belong to the certificate");
}

static void test_encrypted_key(void **state)
{
    const struct jb__tls_own *a = kit_files("a.example");
    FILE *in = fopen(a->key_file, "r"), *out = fopen(path("locked.key"), "w");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);

    (void)state;
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
    fclose(in);
    fclose(out);
    EVP_PKEY_free(key);
    refused(a->cert_file, where, "locked.key", "encrypted");
}

static void test_expiry(void **state)
{
    const struct jb__tls_own *a = kit_files("a.example");
    const struct jb__tls_cert certs = { "a.example", a->cert_file, a->key_file };
    const int64_t end = KIT_NOW_S + (int64_t)3650 * 24 * 3600;
    struct jb__tls_config config = { &jb_allocator_libc, &certs, 1, end - 1, JB__TLS_1_2 };
    struct jb__tls_error err = { "" };
    struct jb__tls_ctx *ctx;

    (void)state;
    assert_int_equal(jb__tls_ctx_new(&config, &ctx, &err), 0);
    assert_int_equal(jb__tls_ctx_expires_s(ctx), end);
    jb__tls_ctx_unref(ctx);
    config.now_s = end;
    assert_int_equal(jb__tls_ctx_new(&config, &ctx, &err), JB_EINVAL);
    assert_non_null(strstr(err.text, "expired on 2036-"));
    assert_non_null(strstr(err.text, a->cert_file));
}

static void test_own_certificate(void **state)
{
    static const char *const hosts[] = { "example.org", "chat.example.org", "127.0.0.1", "::1" };
    struct jb__tls_own own = { .dir = kit_dir, .hosts = hosts, .count = 4, .now_s = KIT_NOW_S };
    struct jb__tls_error err = { "" };
    struct stat st, key;

    (void)state;
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_true(own.made);
    assert_non_null(strstr(own.cert_file, "/tls/example.org.crt"));
    assert_int_equal(stat(own.cert_file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(own.key_file, &key), 0);
    assert_int_equal(key.st_mode & 07777, 0600);
    FILE *f = fopen(own.cert_file, "r");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    assert_int_equal(X509_check_host(cert, "example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "chat.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_verify(cert, X509_get0_pubkey(cert)), 1);
    X509_free(cert);
    /* The second start finds them. */
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_false(own.made);
    /* Cut short after the key: the same key gets its certificate. */
    assert_int_equal(unlink(own.cert_file), 0);
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_true(own.made);
    assert_int_equal(stat(own.key_file, &st), 0);
    assert_int_equal(st.st_ino, key.st_ino);
    assert_int_equal(unlink(own.key_file), 0);
    assert_int_equal(jb__tls_own_certificate(&own, &err), JB_EIO);
    assert_non_null(strstr(err.text, "its key is missing"));
}

static X509 *read_certificate(const char *file)
{
    FILE *f = fopen(file, "r");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);

    fclose(f);
    return cert;
}

/* A host was added, or its time is nearly up: the same key gets another certificate. */
static void test_own_certificate_is_made_anew(void **state)
{
    static const char *const hosts[] = { "e.example", "new.example", "10.0.0.1" };
    struct jb__tls_own own = { .dir = kit_dir, .hosts = hosts, .count = 1, .now_s = KIT_NOW_S };
    struct jb__tls_error err = { "" };
    const int64_t day = 24 * 3600;
    struct stat before, after;

    (void)state;
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_int_equal(stat(own.key_file, &before), 0);
    for (own.count = 2; own.count <= 3; own.count++) {
        assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
        assert_true(own.made);
        X509 *cert = read_certificate(own.cert_file);
        assert_int_equal(X509_check_host(cert, "e.example", 0, 0, NULL), 1);
        assert_int_equal(X509_check_host(cert, "new.example", 0, 0, NULL), 1);
        assert_int_equal(X509_check_ip_asc(cert, "10.0.0.1", 0), own.count == 3);
        X509_free(cert);
    }
    own.count = 1; /* a host was taken away: the certificate still does */
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_false(own.made);
    own.now_s += 3650 * day - 31 * day;
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_false(own.made);
    own.now_s += 2 * day;
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_true(own.made);
    own.now_s += 9999 * day; /* long expired */
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_true(own.made);
    assert_int_equal(stat(own.key_file, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
}

/* One that somebody put there is his, whatever is wrong with it. */
static void test_own_certificate_of_others(void **state)
{
    static const char *const hosts[] = { "f.example", "g.example" };
    struct jb__tls_own own = { .dir = kit_dir, .hosts = hosts, .count = 1, .now_s = KIT_NOW_S };
    struct jb__tls_error err = { "" };

    (void)state;
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    X509 *cert = read_certificate(own.cert_file);
    FILE *f = fopen(own.key_file, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    ASN1_TIME_set(X509_getm_notAfter(cert), KIT_NOW_S + 3600);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    f = fopen(own.cert_file, "w");
    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
    own.count = 2;
    own.now_s += 7200;
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_false(own.made);
    put_file(own.cert_file, "junk");
    assert_int_equal(jb__tls_own_certificate(&own, &err), 0);
    assert_false(own.made); /* who loads it says what is wrong */
}

static void test_own_certificate_fails(void **state)
{
    const char *host = "c.example";
    struct jb__tls_own own = { .dir = "/nowhere", .hosts = &host, .count = 1, .now_s = KIT_NOW_S };
    struct jb__tls_error err = { "" };

    (void)state;
    assert_int_equal(jb__tls_own_certificate(&own, &err), JB_EIO);
    assert_non_null(strstr(err.text, "/nowhere/tls"));
    own.dir = kit_dir;
    host = "../x";
    assert_int_equal(jb__tls_own_certificate(&own, &err), JB_EIO);
    host = "x/y";
    assert_int_equal(jb__tls_own_certificate(&own, &err), JB_EIO);
    host = "d.example";
    snprintf(where, sizeof where, "%s/tls/d.example.key", kit_dir);
    put_file(where, "junk");
    assert_int_equal(jb__tls_own_certificate(&own, &err), JB_EIO);
    assert_non_null(strstr(err.text, "d.example.key"));
}

static void load_scenario(struct failing_alloc *f, void *arg)
{
    const struct jb__tls_config config = { &f->alloc, arg, 2, KIT_NOW_S, JB__TLS_1_2 };
    struct jb__tls_error err;
    struct jb__tls_ctx *ctx;

    const int rc = jb__tls_ctx_new(&config, &ctx, &err);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    jb__tls_ctx_unref(ctx);
}

static void test_out_of_memory(void **state)
{
    const struct jb__tls_own *a = kit_files("a.example"), *b = kit_files("b.example");
    struct jb__tls_cert certs[] = { { "a.example", a->cert_file, a->key_file },
                                    { "b.example", b->cert_file, b->key_file } };

    (void)state;
    assert_int_equal(failing_alloc_loop(load_scenario, certs), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_encrypted_key),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_own_certificate),
        cmocka_unit_test(test_own_certificate_is_made_anew),
        cmocka_unit_test(test_own_certificate_of_others),
        cmocka_unit_test(test_own_certificate_fails),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("tls", tests, kit_setup, kit_teardown);
}
