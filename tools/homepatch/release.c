/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `homepatch release`. */
#include "tools/homepatch/release.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/homepatch/text.h"

enum {
    EXIT_REFUSED = 1,
    EXIT_USAGE = 2,
};

static const struct command {
    const char *name;
    const char *args;
    const char *help;
    int (*run)(struct release_options *options, struct error *err);
} commands[] = {
    {"keygen", "[--ed25519] [--role ROLE] [--vendor NAME] [--not-before TIME] [--not-after TIME] NAME",
     "a new key: NAME.key, secret, and NAME.pem, the trust anchor", release_keygen},
    {"create",
     "--vendor DOMAIN --version V --sequence N\n"
     "         --image FILE --model M [--hardware H] [--uri URL | --inside] [--image ...]\n"
     "         [--description TEXT] [--vendor-name NAME] [--priority N] [--ask] [--min-battery MWH]\n"
     "         [--not-before TIME] [--use-before TIME] [--from \"OP V\"] [--sever-text] [--cms] FILE",
     "a release that is not signed yet", release_create},
    {"sign", "--key KEY [--certificate PEM] [--output FILE] FILE",
     "sign it; a .json manifest gets FILE.p7s beside it", release_sign},
    {"co-sign", "--key KEY [--certificate PEM] [--output FILE] FILE",
     "add a signature to those that are there", release_sign},
    {"inspect", "[--json] FILE", "what it says; proves nothing", release_inspect},
    {"verify",
     "--anchor FILE|FOLDER... [--vendor DOMAIN [--vendor-name NAME] --model M [--hardware H]]\n"
     "         [--image FILE] [--time TIME] [--json] FILE",
     "what the gateway would say", release_verify},
};

static void print_help(FILE *file)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(file, "homepatch release %s %s\n         %s\n", commands[i].name, commands[i].args,
                commands[i].help);
    fputs("\ndocs/releases.md walks through it; homepatch-release(1) has the whole story.\n", file);
}

/* ---- options ---- */

enum option_code {
    O_OUTPUT = 256,
    O_KEY,
    O_CERTIFICATE,
    O_VENDOR,
    O_VENDOR_NAME,
    O_VERSION,
    O_DESCRIPTION,
    O_SEQUENCE,
    O_PRIORITY,
    O_MIN_BATTERY,
    O_USE_BEFORE,
    O_NOT_BEFORE,
    O_NOT_AFTER,
    O_TIME,
    O_ROLE,
    O_TEXTS, /* the above set one text */
    O_FROM,
    O_ANCHOR,
    O_IMAGE,
    O_MODEL,
    O_HARDWARE,
    O_URI,
    O_INSIDE,
    O_ASK,
    O_SEVER_TEXT,
    O_CMS,
    O_JSON,
    O_ED25519,
    O_UNTAGGED,
    O_HELP,
};

static const struct option table[] = {
    {"output", required_argument, NULL, O_OUTPUT},
    {"key", required_argument, NULL, O_KEY},
    {"certificate", required_argument, NULL, O_CERTIFICATE},
    {"vendor", required_argument, NULL, O_VENDOR},
    {"vendor-name", required_argument, NULL, O_VENDOR_NAME},
    {"version", required_argument, NULL, O_VERSION},
    {"description", required_argument, NULL, O_DESCRIPTION},
    {"sequence", required_argument, NULL, O_SEQUENCE},
    {"priority", required_argument, NULL, O_PRIORITY},
    {"min-battery", required_argument, NULL, O_MIN_BATTERY},
    {"use-before", required_argument, NULL, O_USE_BEFORE},
    {"not-before", required_argument, NULL, O_NOT_BEFORE},
    {"not-after", required_argument, NULL, O_NOT_AFTER},
    {"time", required_argument, NULL, O_TIME},
    {"role", required_argument, NULL, O_ROLE},
    {"from", required_argument, NULL, O_FROM},
    {"anchor", required_argument, NULL, O_ANCHOR},
    {"image", required_argument, NULL, O_IMAGE},
    {"model", required_argument, NULL, O_MODEL},
    {"hardware", required_argument, NULL, O_HARDWARE},
    {"uri", required_argument, NULL, O_URI},
    {"inside", no_argument, NULL, O_INSIDE},
    {"ask", no_argument, NULL, O_ASK},
    {"sever-text", no_argument, NULL, O_SEVER_TEXT},
    {"cms", no_argument, NULL, O_CMS},
    {"json", no_argument, NULL, O_JSON},
    {"ed25519", no_argument, NULL, O_ED25519},
    {"untagged", no_argument, NULL, O_UNTAGGED},
    {"help", no_argument, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

static const char **text_of(struct release_options *options, int option)
{
    const char **texts[] = {&options->output,      &options->key,         &options->certificate,
                            &options->vendor,      &options->vendor_name, &options->version,
                            &options->description, &options->sequence,    &options->priority,
                            &options->min_battery, &options->use_before,  &options->not_before,
                            &options->not_after,   &options->time,        &options->role};

    return option >= O_OUTPUT && option < O_TEXTS ? texts[option - O_OUTPUT] : NULL;
}

static bool *flag_of(struct release_options *options, int option)
{
    switch (option) {
    case O_ASK:
        return &options->ask;
    case O_SEVER_TEXT:
        return &options->sever_text;
    case O_CMS:
        return &options->cms;
    case O_JSON:
        return &options->json;
    case O_ED25519:
        return &options->ed25519;
    case O_UNTAGGED:
        return &options->untagged;
    case O_HELP:
        return &options->help;
    default:
        return NULL;
    }
}

static int usage(struct error *err, const char *what, const char *why)
{
    return error_set(err, ERROR_INVALID_ARGUMENTS, what, "%s", why);
}

/* Options of the image that the last --image has named; verify names the device with the same, before any. */
static int set_image(struct release_options *options, int option, const char *text, struct error *err)
{
    struct release_option_image *image = &options
                                              ->images[options->images_count ? options->images_count - 1 : 0];

    switch (option) {
    case O_IMAGE:
        if (options->images_count == RELEASE_OPTION_IMAGES)
            return usage(err, text, "is one image too many");
        options->images[options->images_count++].file = text;
        break;
    case O_MODEL:
        image->model = text;
        break;
    case O_HARDWARE:
        image->hardware = text;
        break;
    case O_URI:
        image->uri = text;
        break;
    case O_INSIDE:
        image->inside = true;
        break;
    default:
        return usage(err, NULL, "see homepatch release --help");
    }
    return 0;
}

static int set_option(struct release_options *options, int option, const char *text, struct error *err)
{
    const char **to = text_of(options, option);
    bool *flag = flag_of(options, option);

    if (to) {
        *to = text;
        return 0;
    }
    if (flag) {
        *flag = true;
        return 0;
    }
    if (option == O_FROM) {
        if (options->from_count == RELEASE_VERSIONS)
            return usage(err, text, "is one condition too many");
        options->from[options->from_count++] = text;
        return 0;
    }
    if (option == O_ANCHOR) {
        if (options->anchors_count == RELEASE_OPTION_ANCHORS)
            return usage(err, text, "is one anchor too many");
        options->anchors[options->anchors_count++] = text;
        return 0;
    }
    return set_image(options, option, text, err);
}

static const struct command *known(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int parse(struct release_options *options, int argc, char **argv, struct error *err)
{
    int option;

    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0)
        if (option == '?' ? usage(err, argv[optind - 1], "is no option here, or lacks its value")
                          : set_option(options, option, optarg, err) < 0)
            return -1;
    if (options->help || optind == argc)
        return 0;
    options->command = argv[optind++];
    options->file = optind < argc ? argv[optind++] : NULL;
    if (!known(options->command))
        return usage(err, options->command, "is no command of homepatch release (--help)");
    if (!options->file || optind < argc)
        return usage(err, options->command, "takes one file (homepatch release --help)");
    return 0;
}

int release_main(int argc, char **argv)
{
    struct release_options options = {0};
    struct error err;
    int result;

    error_clear(&err);
    arena_init(&options.arena, 0);
    result = parse(&options, argc, argv, &err);
    if (result == 0 && (options.help || !options.command)) {
        print_help(options.help ? stdout : stderr);
        arena_done(&options.arena);
        return options.help ? 0 : EXIT_USAGE;
    }
    if (result == 0)
        result = known(options.command)->run(&options, &err);
    arena_done(&options.arena);
    if (result == 0)
        return 0;
    fprintf(stderr, "homepatch release: %s%s", err.path, err.path[0] ? ": " : "");
    text_print(stderr, err.message);
    fputc('\n', stderr);
    return err.code == ERROR_INVALID_ARGUMENTS ? EXIT_USAGE : EXIT_REFUSED;
}
