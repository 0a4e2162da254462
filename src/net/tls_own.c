/* SPDX-License-Identifier: MIT */
/* The server's own certificate, made when none is configured, so that TLS works at the first start,
 * and made anew when a host was added or its time is nearly up. */
#include "net/tls.h"

#include "base/assert.h"
#include "net/sock_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DAY_S = 24 * 3600,
    DAYS_BEFORE = 1, /* it is valid already: clocks differ */
    DAYS = 10 * 365,
    DAYS_LEAST = 30, /* with less left it is made anew */
    EXTENSIONS = 4,
    COMMON_NAME_BYTES = 64,
};

/* -- The certificate -------------------------------------------------------------------------- */

/* A name as it stands in subjectAltName: an address or a host. */
static GENERAL_NAME *make_name(const char *host)
{
    unsigned char ip[16];
    const int n = inet_pton(AF_INET, host, ip) == 1    ? 4
                  : inet_pton(AF_INET6, host, ip) == 1 ? 16
                                                       : 0;
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(n ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

    if (!name || !value || !ASN1_STRING_set(value, n ? (const void *)ip : host, n ? n : -1)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, n ? GEN_IPADD : GEN_DNS, value);
    return name;
}

static bool add_names(X509 *cert, const struct jb__tls_own *own)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names != NULL;

    for (size_t k = 0; ok && k < own->count; k++) {
        GENERAL_NAME *name = make_name(own->hosts[k]);
        ok = name && sk_GENERAL_NAME_push(names, name) > 0;
        if (!ok)
            GENERAL_NAME_free(name);
    }
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    const bool ok = ext && X509_add_ext(cert, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return ok;
}

/* A random serial number of 126 bits: two certificates of the same name never collide. */
static bool set_serial(X509 *cert)
{
    BIGNUM *serial = BN_new();
    const bool ok = serial && BN_rand(serial, 126, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

    BN_free(serial);
    return ok;
}

static bool set_subject(X509 *cert, const char *host)
{
    X509_NAME *name = X509_get_subject_name(cert);

    /* Longer names stand in subjectAltName alone, which is where clients look anyway. */
    const char *common = strlen(host) <= COMMON_NAME_BYTES ? host : "jabirud";
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1;
}

static X509 *make_certificate(const struct jb__tls_own *own, EVP_PKEY *key)
{
    const time_t from = (time_t)(own->now_s - DAYS_BEFORE * DAY_S);
    const time_t to = (time_t)(own->now_s + (int64_t)DAYS * DAY_S);
    X509 *cert = X509_new();

    if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        ASN1_TIME_set(X509_getm_notBefore(cert), from) &&
        ASN1_TIME_set(X509_getm_notAfter(cert), to) && set_subject(cert, own->hosts[0]) &&
        X509_set_pubkey(cert, key) == 1 && add_names(cert, own) &&
        add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
        add_extension(cert, NID_ext_key_usage, "serverAuth") &&
        X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

/* -- Whether it still does -------------------------------------------------------------------- */

/* One that we made: by this key, for this long, with these extensions and no others.  Whatever else
 * lies there was put there by somebody. */
static bool is_ours(X509 *cert, EVP_PKEY *key)
{
    int days, seconds;

    return X509_check_private_key(cert, key) == 1 && X509_verify(cert, key) == 1 &&
           X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0 &&
           X509_get_ext_count(cert) == EXTENSIONS &&
           ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert), X509_get0_notAfter(cert)) ==
               1 &&
           days == DAYS + DAYS_BEFORE && seconds == 0;
}

static bool has_name(X509 *cert, const char *host)
{
    unsigned char ip[16];
    const bool is_ip = inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;

    return (is_ip ? X509_check_ip_asc(cert, host, 0) : X509_check_host(cert, host, 0, 0, NULL)) ==
           1;
}

static bool will_do(X509 *cert, const struct jb__tls_own *own)
{
    time_t soon = (time_t)(own->now_s + (int64_t)DAYS_LEAST * DAY_S);
    bool ok = X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0;

    for (size_t k = 0; ok && k < own->count; k++)
        ok = has_name(cert, own->hosts[k]);
    return ok;
}

/* -- Files ------------------------------------------------------------------------------------ */

static int fail_errno(struct jb__tls_error *err, const char *file)
{
    char text[128];

    return jb__tls_fail(err, JB_EIO, file, strerror_r(errno, text, sizeof text));
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t put = write(fd, p, n);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            p += put;
            n -= (size_t)put;
        }
    }
    return fsync(fd) == 0;
}

/* Writes a file whole or not at all: a new one beside it, then a rename. */
static int write_file(const char *file, BIO *pem, struct jb__tls_error *err)
{
    char temp[PATH_MAX];
    char *p;
    const long n = BIO_get_mem_data(pem, &p);

    if (snprintf(temp, sizeof temp, "%s.new", file) >= (int)sizeof temp)
        return jb__tls_fail(err, JB_EIO, file, "the path is too long");
    unlink(temp); /* left by a start that was cut short */
    const int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(err, temp);
    int rc = write_all(fd, p, (size_t)n) ? 0 : fail_errno(err, temp);
    close(fd);
    if (rc == 0 && rename(temp, file) != 0)
        rc = fail_errno(err, file);
    if (rc != 0)
        unlink(temp);
    return rc;
}

/* Makes the rename itself last. */
static int sync_folder(const char *folder, struct jb__tls_error *err)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fail_errno(err, folder);
    int rc = fsync(fd) == 0 ? 0 : fail_errno(err, folder);
    close(fd);
    return rc;
}

static EVP_PKEY *read_key(const char *file)
{
    FILE *f = fopen(file, "re");
    EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, (void *)(uintptr_t) "") : NULL;

    if (f)
        fclose(f);
    return key;
}

/* The key: the one in the file, or a new one written to it. */
static int get_key(const struct jb__tls_own *own, EVP_PKEY **key, struct jb__tls_error *err)
{
    if (access(own->key_file, F_OK) == 0) {
        *key = read_key(own->key_file);
        return *key ? 0
                    : jb__tls_fail(err, JB_EIO, own->key_file,
                                   "no private key in PEM form is in it");
    }
    *key = EVP_EC_gen("P-256");
    BIO *pem = BIO_new(BIO_s_secmem());
    int rc = JB_ENOMEM;
    if (*key && pem && PEM_write_bio_PKCS8PrivateKey(pem, *key, NULL, NULL, 0, NULL, NULL) == 1)
        rc = write_file(own->key_file, pem, err);
    else
        jb__tls_fail(err, rc, own->key_file, "out of memory");
    BIO_free(pem);
    return rc;
}

static X509 *read_certificate(const char *file)
{
    FILE *f = fopen(file, "re");
    X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

    if (f)
        fclose(f);
    return cert;
}

/* Both files are there.  True: they are ours, and a host was added, or the time is up. */
static bool is_outdated(const struct jb__tls_own *own)
{
    X509 *cert = read_certificate(own->cert_file);
    EVP_PKEY *key = read_key(own->key_file);
    const bool outdated = cert && key && is_ours(cert, key) && !will_do(cert, own);

    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return outdated;
}

static int make_files(struct jb__tls_own *own, struct jb__tls_error *err)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    BIO *pem = NULL;
    int rc = get_key(own, &key, err);

    if (rc == 0) {
        cert = make_certificate(own, key);
        pem = BIO_new(BIO_s_mem());
        if (cert && pem && PEM_write_bio_X509(pem, cert) == 1)
            rc = write_file(own->cert_file, pem, err);
        else
            rc = jb__tls_fail(err, JB_ENOMEM, own->cert_file, "the certificate could not be made");
    }
    BIO_free(pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    own->made = rc == 0;
    return rc;
}

int jb__tls_own_certificate(struct jb__tls_own *own, struct jb__tls_error *err)
{
    char folder[PATH_MAX];
    const size_t size = PATH_MAX;

    jb_assert(own->count >= 1);
    const char *host = own->hosts[0];
    own->made = false;
    if (host[0] == '.' || host[0] == '\0' || strchr(host, '/'))
        return jb__tls_fail(err, JB_EIO, host, "not a name for a file");
    if (snprintf(folder, size, "%s/tls", own->dir) >= (int)size ||
        snprintf(own->cert_file, size, "%s/tls/%s.crt", own->dir, host) >= (int)size ||
        snprintf(own->key_file, size, "%s/tls/%s.key", own->dir, host) >= (int)size)
        return jb__tls_fail(err, JB_EIO, own->dir, "the path is too long");
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return fail_errno(err, folder);
    const bool found = access(own->cert_file, F_OK) == 0;
    if (found && access(own->key_file, F_OK) != 0)
        /* Somebody put it there: it is not ours to replace. */
        return jb__tls_fail(err, JB_EIO, own->cert_file, "its key is missing");
    if (found && !is_outdated(own))
        return 0;
    int rc = make_files(own, err);
    return rc == 0 ? sync_folder(folder, err) : rc;
}
