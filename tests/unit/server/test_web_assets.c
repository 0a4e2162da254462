/* SPDX-License-Identifier: MIT */
#include "failing_alloc.h"
#include "server/web_assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "jabiru-web 1\npolicy\tpage\tdefault-src 'none'\n"
#define ROOT "asset\t/\tindex.html\ttext/html\trevalidate\tpage\tabc\t10\t6\t4\n"
#define CODE "asset\t/a-1.js\ta.js\ttext/javascript\timmutable\t-\tdef\t5\t2\t3\n"
#define FORM "asset\tform.html\tform.html\ttext/html\trevalidate\tpage\t123\t32\t-\t-\n"

static const char good[] = HEAD ROOT CODE FORM "end\t3\n";
static char folder[] = "/tmp/jabiru-web-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void drop(const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "manifest", "index.html", "index.html.gz", "index.html.br",
                                         "a.js",     "a.js.gz",    "a.js.br",       "form.html" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        drop(names[i]);
    return rmdir(folder);
}

static int fill_folder(void **state)
{
    (void)state;
    put("manifest", good);
    put("index.html", "0123456789");
    put("index.html.gz", "gzip..");
    put("index.html.br", "br..");
    put("a.js", "let a");
    put("a.js.gz", "gz");
    put("a.js.br", "br.");
    put("form.html", "<b id=\"{{a}}\">{{b}}{{no}}</b> {{");
    return 0;
}

static struct web_assets *open_good(void)
{
    struct web_assets *assets;
    char why[WEB_ASSETS_WHY_BYTES];

    int r = web_assets_open(&assets, &jb_allocator_libc, folder, why);
    if (r < 0)
        fail_msg("%s", why);
    return assets;
}

static void expect_refusal(const char *manifest, int code, const char *words)
{
    struct web_assets *assets;
    char why[WEB_ASSETS_WHY_BYTES];

    put("manifest", manifest);
    assert_int_equal(web_assets_open(&assets, &jb_allocator_libc, folder, why), code);
    assert_null(assets);
    if (!strstr(why, words))
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void assert_str(struct jb_str s, const char *z)
{
    if (!jb_str_eqz(s, z))
        fail_msg("\"%.*s\" is not \"%s\"", JB_STR_ARG(s), z);
}

static void test_assets_are_found_with_all_their_headers(void **state)
{
    struct web_assets *assets = open_good();
    const struct web_asset *a = web_assets_find(assets, JB_STR("/"));

    (void)state;
    assert_int_equal(web_assets_count(assets), 3);
    assert_non_null(a);
    assert_str(a->content_type, "text/html");
    assert_str(a->cache_control, "no-cache");
    assert_str(a->policy, "default-src 'none'");
    assert_str(a->etag, "W/\"abc\"");
    assert_str(a->body[WEB_IDENTITY], "0123456789");
    assert_str(a->body[WEB_GZIP], "gzip..");
    assert_str(a->body[WEB_BR], "br..");

    a = web_assets_find(assets, JB_STR("/a-1.js"));
    assert_non_null(a);
    assert_str(a->cache_control, "public, max-age=31536000, immutable");
    assert_int_equal(a->policy.n, 0);
    assert_str(a->etag, "W/\"def\"");
    a = web_assets_find(assets, JB_STR("form.html"));
    assert_non_null(a);
    assert_null(a->body[WEB_GZIP].p);
    assert_null(a->body[WEB_BR].p);
    web_assets_close(assets);
}

static void test_unknown_paths_are_not_found(void **state)
{
    static const char *const paths[] = { "",         "/a",         "/a-1.jsx", "//", "/index.html",
                                         "/../a.js", "/form.html", "~" };
    struct web_assets *assets = open_good();

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_null(web_assets_find(assets, jb_strz(paths[i])));
    assert_null(web_assets_find(NULL, JB_STR("/")));
    assert_int_equal(web_assets_count(NULL), 0);
    web_assets_close(assets);
    web_assets_close(NULL);
}

static void test_the_smallest_accepted_coding_is_chosen(void **state)
{
    static const struct {
        const char *accept;
        enum web_coding coding;
    } cases[] = {
        { "", WEB_IDENTITY },
        { "gzip", WEB_GZIP },
        { "gzip, deflate, br", WEB_BR },
        { "GZip;q=0.5 , BR;q=0.1", WEB_BR },
        { "br;q=0, gzip", WEB_GZIP },
        { "br; Q=0.000, gzip;q=0.0", WEB_IDENTITY },
        { "*", WEB_BR },
        { "*;q=0", WEB_IDENTITY },
        { "br;q=0, *", WEB_GZIP },
        { "brotli, x-gzip, gzipped", WEB_IDENTITY },
        { ",;,q=0;;,", WEB_IDENTITY },
        { "br;q=", WEB_BR },
    };
    struct web_assets *assets = open_good();
    const struct web_asset *root = web_assets_find(assets, JB_STR("/"));

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (web_asset_coding(root, jb_strz(cases[i].accept)) != cases[i].coding)
            fail_msg("wrong coding for: %s", cases[i].accept);
    }
    const struct web_asset *code = web_assets_find(assets, JB_STR("/a-1.js"));
    assert_int_equal(web_asset_coding(code, JB_STR("br, gzip")), WEB_GZIP);
    const struct web_asset *form = web_assets_find(assets, JB_STR("form.html"));
    assert_int_equal(web_asset_coding(form, JB_STR("br, gzip")), WEB_IDENTITY);
    assert_str(web_coding_token(WEB_BR), "br");
    assert_str(web_coding_token(WEB_GZIP), "gzip");
    assert_int_equal(web_coding_token(WEB_IDENTITY).n, 0);
    web_assets_close(assets);
}

static void test_known_tags_are_recognised(void **state)
{
    struct web_assets *assets = open_good();
    const struct web_asset *root = web_assets_find(assets, JB_STR("/"));

    (void)state;
    assert_true(web_asset_is_known(root, JB_STR("W/\"abc\"")));
    assert_true(web_asset_is_known(root, JB_STR("\"abc\"")));
    assert_true(web_asset_is_known(root, JB_STR("\"x\" , W/\"abc\"")));
    assert_true(web_asset_is_known(root, JB_STR("*")));
    assert_false(web_asset_is_known(root, JB_STR("")));
    assert_false(web_asset_is_known(root, JB_STR("abc")));
    assert_false(web_asset_is_known(root, JB_STR("\"abcd\", W/")));
    web_assets_close(assets);
}

static void test_templates_are_filled_and_escaped(void **state)
{
    static const struct web_value values[] = {
        { JB_STR_INIT("b"), JB_STR_INIT("1 < 2 & 'x'") },
        { JB_STR_INIT("a"), JB_STR_INIT("\"><script>{{b}}") },
    };
    struct web_assets *assets = open_good();
    const struct web_asset *form = web_assets_find(assets, JB_STR("form.html"));
    struct jb__buf out;

    (void)state;
    jb__buf_init(&out, &jb_allocator_libc, 4096);
    assert_int_equal(web_asset_fill(form, values, 2, &out), 0);
    assert_str(jb__buf_str(&out), "<b id=\"&quot;&gt;&lt;script&gt;{{b}}\">"
                                  "1 &lt; 2 &amp; &#39;x&#39;</b> {{");
    jb__buf_deinit(&out);
    jb__buf_init(&out, &jb_allocator_libc, 20);
    assert_int_equal(web_asset_fill(form, values, 2, &out), JB_EFULL);
    jb__buf_deinit(&out);
    web_assets_close(assets);
}

static void test_bad_manifests_are_refused_with_the_line(void **state)
{
    (void)state;
    expect_refusal("", JB_EINVAL, "bytes");
    expect_refusal("jabiru-web 2\nend\t0\n", JB_EINVAL, "line 1");
    expect_refusal(HEAD ROOT, JB_EINVAL, "line 4: the end is missing");
    expect_refusal(HEAD ROOT "end\t1", JB_EINVAL, "end is missing");
    expect_refusal(HEAD ROOT "end\t2\n", JB_EINVAL, "number of assets");
    expect_refusal(HEAD ROOT "end\t1\nmore\n", JB_EINVAL, "number of assets");
    expect_refusal(HEAD CODE ROOT "end\t2\n", JB_EINVAL, "not in order");
    expect_refusal(HEAD ROOT ROOT "end\t2\n", JB_EINVAL, "not in order");
    expect_refusal(HEAD "what\n", JB_EINVAL, "line 3: neither");
    expect_refusal(HEAD "policy\tx\n", JB_EINVAL, "line 3: a policy");
    expect_refusal("jabiru-web 1\n" ROOT "end\t1\n", JB_EINVAL, "unknown policy");
    expect_refusal(HEAD "asset\t/\tf\tt\tnever\t-\th\t1\t-\t-\nend\t1\n", JB_EINVAL, "cache");
    expect_refusal(HEAD "asset\t/\tf\tt\timmutable\t-\th\t-\t-\t-\nend\t1\n", JB_EINVAL, "size");
    expect_refusal(HEAD "asset\t/\tf\tt\timmutable\t-\th\t1\t-1\t-\nend\t1\n", JB_EINVAL, "size");
    expect_refusal(HEAD "asset\t/\tf\tt\timmutable\t-\th\t1\t-\t-\t-\nend\t1\n", JB_EINVAL, "nine");
    expect_refusal(HEAD "asset\t/\tf\tt\timmutable\t-\th\t1\t-\nend\t1\n", JB_EINVAL, "nine");
    expect_refusal(HEAD "asset\t/\t../a\tt\timmutable\t-\th\t1\t-\t-\nend\t1\n", JB_EINVAL,
                   "needed");
    expect_refusal(HEAD "asset\t/\t.a\tt\timmutable\t-\th\t1\t-\t-\nend\t1\n", JB_EINVAL, "needed");
    expect_refusal(HEAD "asset\t/\tf\tt\timmutable\t-\th\t67108864\t1\t-\nend\t1\n", JB_EFULL,
                   "over");
}

static void test_a_file_that_is_not_as_announced_is_refused(void **state)
{
    (void)state;
    put("a.js", "let");
    expect_refusal(good, JB_EINVAL, "a.js: not 5 bytes");
    put("a.js", "let abc");
    expect_refusal(good, JB_EINVAL, "a.js: not 5 bytes");
    drop("a.js");
    expect_refusal(good, JB_EIO, "a.js: No such file");
}

static void test_a_missing_folder_is_told_from_a_broken_one(void **state)
{
    struct web_assets *assets;
    char why[WEB_ASSETS_WHY_BYTES];

    (void)state;
    assert_int_equal(web_assets_open(&assets, &jb_allocator_libc, "/nonexistent/web", why),
                     JB_ENOTFOUND);
    drop("manifest");
    assert_int_equal(web_assets_open(&assets, &jb_allocator_libc, folder, why), JB_ENOTFOUND);
    assert_null(assets);
}

static void test_the_environment_names_the_default_folder(void **state)
{
    (void)state;
    setenv("JABIRU_WEB", "/elsewhere", 1);
    assert_string_equal(web_assets_default_folder(), "/elsewhere");
    setenv("JABIRU_WEB", "", 1);
    assert_string_not_equal(web_assets_default_folder(), "");
    unsetenv("JABIRU_WEB");
    assert_int_equal(web_assets_default_folder()[0], '/');
}

static void test_every_cut_of_the_manifest_is_refused(void **state)
{
    char cut[sizeof good];

    (void)state;
    for (size_t n = 1; n < sizeof good - 1; n++) {
        struct web_assets *assets;
        char why[WEB_ASSETS_WHY_BYTES];

        memcpy(cut, good, n);
        cut[n] = '\0';
        put("manifest", cut);
        assert_int_equal(web_assets_open(&assets, &jb_allocator_libc, folder, why), JB_EINVAL);
        assert_null(assets);
    }
}

static void open_and_fill(struct failing_alloc *f, void *ctx)
{
    static const struct web_value value = { JB_STR_INIT("b"), JB_STR_INIT("v") };
    struct web_assets *assets;
    char why[WEB_ASSETS_WHY_BYTES];
    struct jb__buf out;

    (void)ctx;
    jb__buf_init(&out, &f->alloc, 4096);
    int r = web_assets_open(&assets, &f->alloc, folder, why);
    if (r == 0)
        r = web_asset_fill(web_assets_find(assets, JB_STR("form.html")), &value, 1, &out);
    assert_int_equal(r, f->failed ? JB_ENOMEM : 0);
    web_assets_close(assets);
    jb__buf_deinit(&out);
}

static void test_running_out_of_memory_is_reported(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(open_and_fill, NULL) > 0);
}

#define UNIT(name) cmocka_unit_test_setup(name, fill_folder)

/* With --folder: can the server read these pages, and are all there that it names itself? */
static int check_folder(const char *built)
{
    static const char *const needed[] = { "/",          "/chat/",          "/xmpp-websocket",
                                          "claim.html", "claim_gone.html", "error.html" };
    struct web_assets *assets;
    char why[WEB_ASSETS_WHY_BYTES];
    int status = 0;

    if (web_assets_open(&assets, &jb_allocator_libc, built, why) < 0) {
        fprintf(stderr, "%s: %s\n", built, why);
        return 1;
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        const struct web_asset *asset = web_assets_find(assets, jb_strz(needed[i]));

        if (!asset || asset->policy.n == 0) {
            fprintf(stderr, "%s: no %s, or it has no policy\n", built, needed[i]);
            status = 1;
        }
    }
    web_assets_close(assets);
    return status;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT(test_assets_are_found_with_all_their_headers),
        UNIT(test_unknown_paths_are_not_found),
        UNIT(test_the_smallest_accepted_coding_is_chosen),
        UNIT(test_known_tags_are_recognised),
        UNIT(test_templates_are_filled_and_escaped),
        UNIT(test_bad_manifests_are_refused_with_the_line),
        UNIT(test_a_file_that_is_not_as_announced_is_refused),
        UNIT(test_a_missing_folder_is_told_from_a_broken_one),
        UNIT(test_the_environment_names_the_default_folder),
        UNIT(test_every_cut_of_the_manifest_is_refused),
        UNIT(test_running_out_of_memory_is_reported),
    };

    if (argc == 3 && strcmp(argv[1], "--folder") == 0)
        return check_folder(argv[2]);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
