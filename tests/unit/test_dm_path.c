/* SPDX-License-Identifier: BSD-3-Clause */
/* Path names: the syntax, and what they resolve to. size: expressions: a table of cases */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/small_model.h"

static int set_up(void **state)
{
    static struct small_model model;

    small_model_init(&model, ":memory:");
    *state = &model;
    return 0;
}

static int tear_down(void **state)
{
    small_model_done(*state);
    return 0;
}

/* ---- syntax ---- */

static uint32_t parse(const char *text, size_t len, struct dm_path *ret)
{
    struct arena arena;
    struct error err;
    int rc;

    arena_init(&arena, 0);
    error_clear(&err);
    rc = dm_path_parse(&arena, (struct str){text, len}, ret, &err);
    arena_done(&arena);
    return rc == 0 ? 0 : err.code;
}

static void good_syntax(void **state)
{
    static const struct {
        const char *path;
        uint32_t segments;
        bool dot, search;
    } cases[] = {
        {"Device.", 1, true, false},
        {"Device", 1, false, false},
        {"Device.Thing.1.Name", 4, false, false},
        {"Device.Thing.{i}.", 3, true, false},
        {"Device.Thing.*.Name", 4, false, true},
        {"Device.Thing.[Name==\"a.b[c]\"].Name", 4, false, true},
        {"Device.Thing.[Name==\"a&&b\"&&Number==1].", 3, true, true},
        {"Device.Thing.[Name == \"a\" && Number > 1].", 3, true, true},
        {"Device.Thing.1.Ref+.Name", 5, false, false},
        {"Device.Thing.1.Refs#2+.Name", 5, false, false},
        {"Device.Thing.1.Refs#*+.Name", 5, false, true},
        {"Device.Thing.[Ref+.Name==\"x\"].", 3, true, true},
        {"Device.Thing.[Part.[Color==\"red\"].Order>=2].", 3, true, true},
        {"Device.Thing.[Name==\"\"].", 3, true, true},
        {"Device.X_ACME-1_Y.", 2, true, false},
        {"Device.Box.Do()", 3, false, false},
        {"Device.Box.Happened!", 3, false, false},
        {"Device._odd.", 2, true, false},
        {"Device.Thing.4294967295.", 3, true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dm_path path;

        print_message("%s\n", cases[i].path);
        assert_int_equal(parse(cases[i].path, strlen(cases[i].path), &path), 0);
        assert_int_equal(path.count, cases[i].segments);
        assert_int_equal(path.final_dot, cases[i].dot);
        assert_int_equal(path.search, cases[i].search);
    }
}

static void bad_syntax(void **state)
{
    static const char *const cases[] = {
        "",
        ".",
        "..",
        "Device..",
        "Device..Thing",
        ".Device",
        "Device.Thing.0.",
        "Device.Thing.-1.",
        "Device.Thing.1x.",
        "Device.Thing.4294967296.",
        "Device.Thing.99999999999999999999999.",
        "Device.Thing.[].",
        "Device.Thing.[Name].",
        "Device.Thing.[Name=\"a\"].",
        "Device.Thing.[Name==].",
        "Device.Thing.[==\"a\"].",
        "Device.Thing.[Name==\"a].",
        "Device.Thing.[Name==a\"].",
        "Device.Thing.[Name==\"a\"b\"].",
        "Device.Thing.[Name==\"a\"",
        "Device.Thing.Name==\"a\"].",
        "Device.Thing.[Name==\"a\"&&].",
        "Device.Thing.[&&Name==\"a\"].",
        "Device.Thing.[Name==\"a\"]x.",
        "Device.Thing.1.Ref#0+.Name",
        "Device.Thing.1.Ref#+.Name",
        "Device.Thing.1.Ref#x+.Name",
        "Device.Thing.1.Ref#1.Name",
        "Device.Thing.1.+.Name",
        "Device.Thing.**.Name",
        "Device.Thing.{j}.",
        "Device.Do().Thing",
        "Device.Thing!.",
        "Device.Th ing.",
        " Device.",
        "Device.\xc3\xa9.",
        "Device.Thing.[Name~\"a\"].",
        "Device.Thing.[1==\"a\" && ].",
        "Device.()",
        "Device.!",
        "Device.9",
        "Device.Thing.[Name==\"%zz\"x].",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dm_path path;
        uint32_t code = parse(cases[i], strlen(cases[i]), &path);

        print_message("%s\n", cases[i]);
        if (strcmp(cases[i], "Device.9") == 0) /* an instance number where none can be: syntax allows it */
            assert_int_equal(code, 0);
        else
            assert_int_equal(code, ERROR_INVALID_PATH_SYNTAX);
    }
}

static uint32_t parse_repeated(const char *start, const char *part, unsigned times, const char *end)
{
    char text[LIMIT_PATH_BYTES * 2];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", start);
    struct dm_path path;

    for (unsigned i = 0; i < times; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", part);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", end);
    assert_true(len < sizeof(text));
    return parse(text, len, &path);
}

static void limits(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("", "A.", LIMIT_PATH_DEPTH, ""), 0);
    assert_int_equal(parse_repeated("", "A.", LIMIT_PATH_DEPTH + 1, ""), ERROR_RESOURCES_EXCEEDED);
    assert_int_equal(parse_repeated("", "A.", LIMIT_PATH_DEPTH, "B"), ERROR_RESOURCES_EXCEEDED);
    assert_int_equal(parse_repeated("", "A", LIMIT_PATH_BYTES, ""), 0);
    assert_int_equal(parse_repeated("", "A", LIMIT_PATH_BYTES, "B"), ERROR_RESOURCES_EXCEEDED);
    assert_int_equal(parse_repeated("A.[B==1", "&&B==1", LIMIT_EXPRESSION_TERMS - 1, "]."), 0);
    assert_int_equal(parse_repeated("A.[B==1", "&&B==1", LIMIT_EXPRESSION_TERMS, "]."),
                     ERROR_RESOURCES_EXCEEDED);
    /* Expressions inside expressions, as deep as the length allows: an error or not, but no crash. */
    assert_true(parse_repeated("A.", "[", 1000, "") != 0);
    assert_true(parse_repeated("A.", "[a.", 300, "") != 0);
    parse_repeated("A.[", "[a==1].", 140, "b==1].");
    parse_repeated("A.[A.[A.[A.[A.[A.[A.[A.[b==1].c==1].c==1].c==1].c==1].c==1].c==1].c==1].", "", 0, "");
}

/* ---- resolving ---- */

static void populate(struct small_model *model)
{
    static const struct {
        const char *path, *value;
    } values[] = {
        {"Device.Thing.1.Number", "10"},
        {"Device.Thing.2.Number", "20"},
        {"Device.Thing.5.Number", "30"},
        {"Device.Thing.1.Enable", "true"},
        {"Device.Thing.1.Integer", "-5"},
        {"Device.Thing.1.Longer", "-5000000000"},
        {"Device.Thing.2.Wide", "18446744073709551615"},
        {"Device.Thing.1.When", "2026-01-02T03:04:05Z"},
        {"Device.Thing.2.Kind", "Square"},
        {"Device.Thing.1.Tags", "red, blue"},
        {"Device.Thing.1.Secret", "hidden"},
        {"Device.Thing.1.Ref", "Device.Thing.2"},
        {"Device.Thing.2.Ref", "Device.Thing.[Name==\"c\"]."},
        {"Device.Thing.1.Refs", "Device.Thing.2., Device.Thing.5"},
        {"Device.Thing.1.Weak", "Device.Thing.77"},
        {"Device.Thing.5.Weak", "Device.Thing.1."},
        {"Device.Box.Weak", "Device.Thing.1,Device.Thing.5"},
        {"Device.Box.Name", "box"},
    };
    struct dm_row *rows[3] = {small_thing_add(model, 1, "a"), small_thing_add(model, 2, "b"),
                              small_thing_add(model, 5, "c")};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(small_set(model, values[i].path, values[i].value), 0);
    dm_begin(model->dm, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        struct dm_node *node = dm_node_find(model->dm, "Device.Thing.Part.");
        struct dm_row *row = dm_add(model->dm, rows[i / 2], node, 0, NULL);

        assert_int_equal(
            dm_set(model->dm, row, dm_node_param(node, "Color"), i % 2 ? STR("red") : STR("blue"), NULL), 0);
        assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
    }
    assert_int_equal(dm_commit(model->dm, NULL), 0);
    small_turn(model);
}

struct expectation {
    const char *path;
    const char *found; /* with T for Device.Thing */
};

static void expect_all(struct small_model *model, const struct expectation *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = small_find(model, cases[i].path, NULL);

        if (strcmp(got, cases[i].found) != 0)
            fail_msg("%s: found \"%s\", expected \"%s\"", cases[i].path, got, cases[i].found);
    }
}

static void plain_paths(void **state)
{
    static const struct expectation cases[] = {
        {"Device.", "Device."},
        {"Device", "Device."},
        {"Device.Box.", "Device.Box."},
        {"Device.Box", "Device.Box."},
        {"Device.Box.Name", "Device.Box.Name"},
        {"Device.Box.Do()", "Device.Box.Do()"},
        {"Device.Box.Happened!", "Device.Box.Happened!"},
        {"Device.Thing.", "Device.Thing."},
        {"Device.Thing", "Device.Thing."},
        {"Device.Thing.2.", "Device.Thing.2."},
        {"Device.Thing.2", "Device.Thing.2."},
        {"Device.Thing.2.Name", "Device.Thing.2.Name"},
        {"Device.Thing.2.Inside.Title", "Device.Thing.2.Inside.Title"},
        {"Device.Thing.1.Part.2.Color", "Device.Thing.1.Part.2.Color"},
        {"Device.Thing.2.Part", "Device.Thing.2.Part."},
        {"Device.Owned.", "Device.Owned."},
        {"Device.Thing.*.", "Device.Thing.1. Device.Thing.2. Device.Thing.5."},
        {"Device.Thing.*", "Device.Thing.1. Device.Thing.2. Device.Thing.5."},
        {"Device.Thing.*.Part.*.Order",
         "Device.Thing.1.Part.1.Order Device.Thing.1.Part.2.Order Device.Thing.2.Part.1.Order "
         "Device.Thing.2.Part.2.Order"},
        {"Device.Thing.*.Part.", "Device.Thing.1.Part. Device.Thing.2.Part. Device.Thing.5.Part."},
        {"Device.Thing.*.Part.2.", "Device.Thing.1.Part.2. Device.Thing.2.Part.2."},
        {"Device.Owned.*.", ""},
        /* Not in the supported model, or an instance that is not there. */
        {"Device.Thing.3.", "#7026"},
        {"Device.Thing.3.Name", "#7026"},
        {"Device.Thing.3.Nothing", "#7026"},
        {"Device.Thing.1.Part.9.", "#7026"},
        {"Device.Nothing.", "#7026"},
        {"Device.Box.Nothing", "#7026"},
        {"Device.Box.Name.", "#7026"},
        {"Device.Box.Name.More", "#7026"},
        {"Device.Box.1.", "#7026"},
        {"Device.Box.Do().", "#7008"},
        {"Device.Box.Undo()", "#7026"},
        {"Device.Thing.Name", "#7026"},
        {"Device.Thing.{i}.", "#7026"},
        {"Device.Thing.*.Nothing", "#7026"},
        {"Device.Owned.*.Nothing", "#7026"},
        {"Device.Thing.[Name==\"zzz\"].Nothing", "#7026"},
        {"Device.1.", "#7026"},
        {"Device.*.", "#7026"},
        {"Other.", "#7026"},
        {"*.", "#7026"},
        {"1", "#7026"},
        {"device.", "#7026"},
        {"Device.thing.", "#7026"},
        {"InternetGatewayDevice.", "#7026"},
        /* Not a path. */
        {"Device..", "#7008"},
        {"", "#7008"},
    };

    populate(*state);
    expect_all(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

#define ONE "Device.Thing.1."
#define TWO "Device.Thing.2."
#define FIVE "Device.Thing.5."

static void expressions(void **state)
{
    static const struct expectation cases[] = {
        /* text */
        {"Device.Thing.[Name==\"b\"].", TWO},
        {"Device.Thing.[Name==\"B\"].", ""},
        {"Device.Thing.[Name!=\"b\"].", ONE " " FIVE},
        {"Device.Thing.[Name==\"b\"].Number", TWO "Number"},
        {"Device.Thing.[Name==\"b\"]", TWO},
        {"Device.Thing.[Alias==\"cpe-5\"].", FIVE},
        {"Device.Thing.[Name<\"b\"].", "#7008"},
        {"Device.Thing.[Name>=\"b\"].", "#7008"},
        /* boolean */
        {"Device.Thing.[Enable==true].", ONE},
        {"Device.Thing.[Enable==1].", ONE},
        {"Device.Thing.[Enable==\"true\"].", ONE},
        {"Device.Thing.[Enable!=true].", TWO " " FIVE},
        {"Device.Thing.[Enable==false].", TWO " " FIVE},
        {"Device.Thing.[Enable==maybe].", "#7008"},
        {"Device.Thing.[Enable<true].", "#7008"},
        /* numbers */
        {"Device.Thing.[Number==20].", TWO},
        {"Device.Thing.[Number!=20].", ONE " " FIVE},
        {"Device.Thing.[Number<20].", ONE},
        {"Device.Thing.[Number<=20].", ONE " " TWO},
        {"Device.Thing.[Number>20].", FIVE},
        {"Device.Thing.[Number>=20].", TWO " " FIVE},
        {"Device.Thing.[Number>-1].", ONE " " TWO " " FIVE},
        {"Device.Thing.[Number==x].", "#7008"},
        {"Device.Thing.[Number~=20].", "#7008"},
        {"Device.Thing.[Integer<0].", ONE},
        {"Device.Thing.[Integer==-5].", ONE},
        {"Device.Thing.[Integer>=-5].", ONE " " TWO " " FIVE},
        {"Device.Thing.[Longer<-4999999999].", ONE},
        {"Device.Thing.[Wide==18446744073709551615].", TWO},
        {"Device.Thing.[Wide>9223372036854775807].", TWO},
        {"Device.Thing.[Twice==40].", TWO},
        {"Device.Thing.[PartNumberOfEntries>0].", ONE " " TWO},
        /* dateTime */
        {"Device.Thing.[When==\"2026-01-02T03:04:05Z\"].", ONE},
        {"Device.Thing.[When==\"2026-01-02T05:04:05+02:00\"].", ONE},
        {"Device.Thing.[When>2026-01-02T03:04:04Z].", ONE},
        {"Device.Thing.[When<2026-01-01T00:00:00Z].", TWO " " FIVE},
        {"Device.Thing.[When==yesterday].", "#7008"},
        /* enumeration, list */
        {"Device.Thing.[Kind==\"Square\"].", TWO},
        {"Device.Thing.[Kind!=\"Square\"].", ONE " " FIVE},
        {"Device.Thing.[Tags~=\"blue\"].", ONE},
        {"Device.Thing.[Tags~=\"red\"].", ONE},
        {"Device.Thing.[Tags~=\"re\"].", ""},
        {"Device.Thing.[Refs~=\"Device.Thing.5\"].", ONE},
        /* a secret matches nothing, whatever is asked */
        {"Device.Thing.[Secret==\"hidden\"].", ""},
        {"Device.Thing.[Secret!=\"hidden\"].", ""},
        /* together */
        {"Device.Thing.[Number>5&&Number<25].", ONE " " TWO},
        {"Device.Thing.[ Number > 5 && Name == \"b\" ].", TWO},
        {"Device.Thing.[Name==\"b\"&&Enable==true].", ""},
        {"Device.Thing.[Name==\"b\"&&Number==20&&Enable==false&&Kind==\"Square\"].", TWO},
        /* nested: below the row, through references, and inside the left side */
        {"Device.Thing.[Inside.Title==\"none\"].", ONE " " TWO " " FIVE},
        {"Device.Thing.[Part.1.Color==\"blue\"].", ONE " " TWO},
        {"Device.Thing.[Part.*.Color==\"red\"].", ONE " " TWO},
        {"Device.Thing.[Part.[Color==\"red\"].Order>=2].", ONE " " TWO},
        {"Device.Thing.[Part.[Color==\"red\"].Order>2].", ""},
        {"Device.Thing.[Ref+.Name==\"b\"].", ONE},
        {"Device.Thing.[Ref+.Ref+.Name==\"c\"].", ONE},
        {"Device.Thing.[Refs#2+.Name==\"c\"].", ONE},
        {"Device.Thing.[Refs#*+.Number>=20].", ONE},
        {"Device.Thing.1.Part.[Color==\"red\"].Order", ONE "Part.2.Order"},
        {"Device.Thing.*.Part.[Color==\"red\"&&Order==2].", ONE "Part.2. " TWO "Part.2."},
        {"Device.Thing.[Inside.==\"x\"].", "#7008"},
        {"Device.Thing.[Part==\"x\"].", "#7008"},
        {"Device.Thing.[Nothing==\"x\"].", "#7026"},
        {"Device.Owned.[Nothing==\"x\"].", "#7026"}, /* no row, and yet no such parameter */
        {"Device.Owned.[Color==\"x\"].", ""},
        {"Device.Thing.[Part.[Nothing==1].Order==1].", "#7026"},
        {"Device.Box.[Name==\"box\"].", "#7026"},
    };

    populate(*state);
    expect_all(*state, cases, sizeof(cases) / sizeof(cases[0]));
}

static void references(void **state)
{
    static const struct expectation cases[] = {
        {"Device.Thing.1.Ref+.", TWO},
        {"Device.Thing.1.Ref+.Name", TWO "Name"},
        {"Device.Thing.1.Ref+.Ref+.Name", FIVE "Name"},
        {"Device.Thing.1.Ref+.Part.1.Order", TWO "Part.1.Order"},
        {"Device.Thing.1.Refs+.Name", TWO "Name"},
        {"Device.Thing.1.Refs#1+.Name", TWO "Name"},
        {"Device.Thing.1.Refs#2+.Name", FIVE "Name"},
        {"Device.Thing.1.Refs#*+.Name", TWO "Name " FIVE "Name"},
        {"Device.Thing.5.Weak+.Name", ONE "Name"},
        {"Device.Thing.*.Ref+.Name", TWO "Name " FIVE "Name"},
        {"Device.Thing.[Name==\"a\"].Refs#*+.Part.[Color==\"red\"].", TWO "Part.2."},
        {"Device.Box.Weak#*+.Name", ONE "Name " FIVE "Name"},
        {"Device.Thing.1.Ref+", TWO},
        {"Device.Thing.1.Weak+.Name", "#7026"}, /* dangles */
        {"Device.Thing.1.Name+.Name", "#7026"}, /* not a reference */
        {"Device.Thing.1.Ref+.Nothing", "#7026"},
        {"Device.Thing.1.Ref.Name", "#7026"},
        {"Device.Thing.5.Ref+.Name", "#7026"}, /* empty */
        {"Device.Thing.1.Refs#3+.Name", "#7026"},
        {"Device.Thing.5.Refs#*+.Name", ""},
        {"Device.Thing.*.Refs#2+.Name", FIVE "Name"},
        {"Device.Thing.5.Weak+.Weak+.Name", "#7026"},
    };
    char path[256] = "Device.Thing.5.";

    populate(*state);
    expect_all(*state, cases, sizeof(cases) / sizeof(cases[0]));
    /* A circle of references ends at the limit. */
    assert_int_equal(small_set(*state, "Device.Thing.5.Ref", "Device.Thing.5."), 0);
    for (unsigned i = 0; i < LIMIT_REFERENCE_HOPS; i++)
        strcat(path, "Ref+.");
    assert_string_equal(small_find(*state, path, NULL), FIVE);
    strcat(path, "Ref+.");
    assert_string_equal(small_find(*state, path, NULL), "#7005");
}

static void quoting(void **state)
{
    static const struct {
        const char *name, *expression;
    } cases[] = {
        {"a b", "a b"},
        {"a\"b", "a%22b"},
        {"100%", "100%25"},
        {"a.b", "a.b"},
        {"[x]", "[x]"},
        {"x&&y", "x&&y"},
        {"==", "=="},
        {"a%2", "a%252"},
        {"%41", "%2541"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xc3\xa9", "%C3%A9"},
        {"tail%", "tail%"},
        {"]", "]"},
        {"a,b", "a,b"},
        {"*", "*"},
    };

    small_thing_add(*state, 0, "other");
    small_thing_add(*state, 0, "this");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[128];

        assert_int_equal(small_set(*state, "Device.Thing.2.Name", cases[i].name), 0);
        snprintf(path, sizeof(path), "Device.Thing.[Name==\"%s\"].", cases[i].expression);
        if (strcmp(small_find(*state, path, NULL), TWO) != 0)
            fail_msg("%s does not find %s", path, cases[i].name);
        /* As one of a list of references, a comma in it separates nothing. */
        snprintf(path, sizeof(path), "Device.Thing.[Name==\"%s\"],Device.Thing.1", cases[i].expression);
        if (small_set(*state, "Device.Thing.1.Refs", path) != 0)
            fail_msg("%s is refused as a list of references", path);
        assert_string_equal(small_find(*state, "Device.Thing.1.Refs#*+.", NULL), TWO " " ONE);
    }
}

/* What an index finds and what a scan finds is the same, in the same order, however large the table. */
static void index_and_scan(void **state)
{
    static const uint32_t sizes[] = {0, 1, 8, 9, 1000};

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct small_model *model = *state;
        struct dm_node *node = dm_node_find(model->dm, "Device.Thing.Part.");
        struct dm_row *thing = small_thing_add(model, 0, NULL);
        char path[128], indexed[1 << 12], *at = indexed;
        struct dm_row *const *rows;

        dm_begin(model->dm, NULL);
        for (uint32_t i = 0; i < sizes[s]; i++) {
            struct dm_row *row = dm_add(model->dm, thing, node, 0, NULL);
            char color[16];

            snprintf(color, sizeof(color), "c%u", i / 4); /* four rows of each */
            assert_int_equal(dm_set(model->dm, row, dm_node_param(node, "Color"), str_of(color), NULL), 0);
            assert_int_equal(dm_add_done(model->dm, row, NULL), 0);
        }
        assert_int_equal(dm_commit(model->dm, NULL), 0);
        small_turn(model);
        assert_int_equal(dm_rows(thing, node, &rows), sizes[s]);
        for (uint32_t i = 0; i < sizes[s]; i += sizes[s] / 7 + 1) {
            *at = '\0';
            snprintf(path, sizeof(path), "Device.Thing.%u.Part.[Color==\"c%u\"].Order", thing->instance,
                     i / 4);
            snprintf(indexed, sizeof(indexed), "%s", small_find(model, path, NULL));
            assert_true(strlen(indexed) > 0);
            /* Two != that leave this one colour: no index helps. */
            snprintf(path, sizeof(path), "Device.Thing.%u.Part.[Color~=\"c%u\"].Order", thing->instance,
                     i / 4);
            assert_string_equal(small_find(model, path, NULL), indexed);
        }
        snprintf(path, sizeof(path), "Device.Thing.%u.Part.[Color==\"none\"].", thing->instance);
        assert_string_equal(small_find(model, path, NULL), "");
        if (sizes[s] < 1000)
            small_check_index(model->dm);
    }
}

/* What a role may not read is not there: neither the parameter nor a search by it. */
static void access_in_searches(void **state)
{
    struct small_model *model = *state;
    const struct dm_node *node = dm_node_find(model->dm, "Device.Thing.");
    uint8_t bits[512];
    struct dm_access access = {.bits = bits};

    populate(model);
    assert_true(dm_access_ids(model->dm) < sizeof(bits));
    memset(bits, DM_MAY_READ, sizeof(bits));
    assert_string_equal(small_find(model, "Device.Thing.[Number==20].", &access), TWO);
    bits[dm_id_param(node, dm_node_param(node, "Number"))] = 0;
    bits[dm_id_param(node, dm_node_param(node, "Ref"))] = 0;
    bits[dm_id_param(node, dm_node_param(node, "Name"))] = 0;
    assert_string_equal(small_find(model, "Device.Thing.[Number==20].", &access), "");
    assert_string_equal(small_find(model, "Device.Thing.[Number!=20].", &access), "");
    assert_string_equal(small_find(model, "Device.Thing.[Name==\"b\"].", &access), "");
    assert_string_equal(small_find(model, "Device.Thing.1.Ref+.Name", &access), "#7026");
    assert_string_equal(small_find(model, "Device.Thing.[Ref+.Enable==false].", &access), "#7026");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_syntax),
        cmocka_unit_test(bad_syntax),
        cmocka_unit_test(limits),
        cmocka_unit_test_setup_teardown(plain_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expressions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quoting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(index_and_scan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(access_in_searches, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
