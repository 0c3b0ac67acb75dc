/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/simhome/shelly/models.h"

#include <strings.h>

static const struct model models[] = {
    {.code = "SNSW-001X16EU",
     .app = "Plus1",
     .id_prefix = "shellyplus1",
     .platform = "esp32",
     .generation = 2,
     .switches = 1},
    {.code = "SNSW-001P16EU",
     .app = "Plus1PM",
     .id_prefix = "shellyplus1pm",
     .platform = "esp32",
     .generation = 2,
     .switches = 1},
    {.code = "SNSW-102P16EU",
     .app = "Plus2PM",
     .id_prefix = "shellyplus2pm",
     .platform = "esp32",
     .generation = 2,
     .switches = 2},
    {.code = "SNPL-00112EU",
     .app = "PlusPlugS",
     .id_prefix = "shellyplusplugs",
     .platform = "esp32",
     .generation = 2,
     .switches = 1},
    {.code = "S3SW-001X8EU",
     .app = "Mini1G3",
     .id_prefix = "shelly1minig3",
     .platform = "esp32c3",
     .generation = 3,
     .switches = 1},
    {.code = "S4SW-001X16EU",
     .app = "S1G4",
     .id_prefix = "shelly1g4",
     .platform = "esp32c6",
     .generation = 4,
     .switches = 1},
    {.code = "S4PL-00416EU",
     .app = "PowerStrip",
     .id_prefix = "shellypstripg4",
     .platform = "esp32c6",
     .generation = 4,
     .switches = 4},
    {.code = "SPSW-201XE16EU",
     .app = "Pro1",
     .id_prefix = "shellypro1",
     .platform = "esp32",
     .generation = 2,
     .switches = 1},
    {.code = "SPSW-201PE16EU",
     .app = "Pro1PM",
     .id_prefix = "shellypro1pm",
     .platform = "esp32",
     .generation = 2,
     .switches = 1},
    {.code = "SPSW-202XE16EU",
     .app = "Pro2",
     .id_prefix = "shellypro2",
     .platform = "esp32",
     .generation = 2,
     .switches = 2},
    {.code = "SPSW-202PE16EU",
     .app = "Pro2PM",
     .id_prefix = "shellypro2pm",
     .platform = "esp32",
     .generation = 2,
     .switches = 2},
    {.code = "SPSW-003XE16EU",
     .app = "Pro3",
     .id_prefix = "shellypro3",
     .platform = "esp32",
     .generation = 2,
     .switches = 3},
    {.code = "SPSW-104PE16EU",
     .app = "Pro4PM",
     .id_prefix = "shellypro4pm",
     .platform = "esp32",
     .generation = 2,
     .switches = 4},
};

static const struct model sleepy[] = {
    {.code = "S3SN-0U12A",
     .app = "HTG3",
     .id_prefix = "shellyhtg3",
     .platform = "esp32c3",
     .generation = 3,
     .battery = true},
    {.code = "SNSN-0013A",
     .app = "PlusHT",
     .id_prefix = "shellyplusht",
     .platform = "esp32",
     .generation = 2,
     .battery = true},
};

enum {
    MODELS = sizeof(models) / sizeof(models[0]),
    SLEEPY = sizeof(sleepy) / sizeof(sleepy[0]),
};

size_t model_count(void)
{
    return MODELS;
}

const struct model *model_sleepy_at(size_t index)
{
    return &sleepy[index % SLEEPY];
}

static bool is_called(const struct model *model, const char *name)
{
    return !strcasecmp(model->code, name) || !strcasecmp(model->app, name);
}

const struct model *model_at(size_t index)
{
    return &models[index % model_count()];
}

const struct model *model_find(const char *name)
{
    for (size_t i = 0; i < MODELS; i++)
        if (is_called(&models[i], name))
            return &models[i];
    for (size_t i = 0; i < SLEEPY; i++)
        if (is_called(&sleepy[i], name))
            return &sleepy[i];
    return NULL;
}

const struct model *model_other(const struct model *model)
{
    return model->battery ? model_sleepy_at((size_t)(model - sleepy) + 1)
                          : model_at((size_t)(model - models) + 1);
}
