/* SPDX-License-Identifier: BSD-3-Clause */
#include "datamodel/device/collection_device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/record.h"
#include "devices/home.h"
#include "scan/hosts.h"

#define KIND "collection"
#define KIND_STATE "collection-table"

enum {
    RECORD_VERSION = 1,
};

/* One device of the home. While it is read from the store, host and device are not found yet. */
struct collected {
    struct collection *collection;
    char *alias;
    char *device_key;              /* of device, or NULL */
    char mac[HOST_MAC_TEXT_BYTES]; /* of host, or "" */
    struct host *host;
    struct device *device;
    struct dm_row *row;
    uint32_t instance;
};

struct collection {
    struct model *model;
    struct dm *dm;
    struct observer hosts, devices;
    struct dm_node *node;
    int host_ref, device_ref;
    struct collected **items; /* in order of instance */
    uint32_t count, cap;
    uint32_t next_instance;
    struct map by_key; /* MAC address of a host, and key of a device -> the one that has it */
};

/* ---- the declaration ---- */

static void get_host_ref(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct collected *item = row->data;
    int len = 0;

    if (item->host)
        len = snprintf(scratch, DM_SCRATCH_BYTES, "Device.Hosts.Host.%" PRIu32, item->host->instance);
    ret->text = (struct str){scratch, (size_t)len};
}

static void get_device_ref(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    const struct collected *item = row->data;
    int len = 0;

    if (item->device)
        len = snprintf(scratch, DM_SCRATCH_BYTES, "Device.ProxiedDevice.%" PRIu32, item->device->instance);
    ret->text = (struct str){scratch, (size_t)len};
}

/* The gateway itself is no row here. */
static void get_native(const struct dm_row *row, struct dm_value *ret, char *scratch)
{
    (void)row;
    (void)scratch;
    ret->boolean = false;
}

static int save_item(struct collected *item, struct error *err)
{
    char key[20];
    struct buf record;
    int rc;

    if (!dm_store(item->collection->dm))
        return 0;
    record_begin(&record, RECORD_VERSION);
    record_put_text(&record, item->alias);
    record_put_text(&record, item->device_key);
    record_put_text(&record, item->mac);
    rc = record.failed ? error_set(err, ERROR_INTERNAL, "Device.CollectionDevice.{i}.", "out of memory")
                       : store_put(dm_store(item->collection->dm), KIND,
                                   (struct str){key, str_from_u64(key, item->instance)}, buf_data(&record),
                                   record.len, err);
    buf_done(&record);
    return rc;
}

static int save_row(struct dm *dm, struct dm_row *row, struct error *err)
{
    (void)dm;
    return save_item(row->data, err);
}

static const struct dm_param params[] = {
    {.name = "Alias",
     .type = DM_STRING,
     .flags = DM_WRITABLE | DM_INDEXED | DM_ALIAS,
     .max = 64,
     .offset = DM_OFFSET(struct collected, alias)},
    {.name = "IsNativeDevice", .type = DM_BOOLEAN, .get = get_native},
    {.name = "HostDeviceRef",
     .type = DM_STRING,
     .flags = DM_LIST | DM_STRONG_REF,
     .refers = "Device.Hosts.Host.",
     .get = get_host_ref},
    {.name = "ProxiedDeviceRef",
     .type = DM_STRING,
     .flags = DM_STRONG_REF,
     .refers = "Device.ProxiedDevice.",
     .get = get_device_ref},
    DM_END_PARAMS,
};

static const struct dm_key keys[] = {{{"Alias"}}, {{NULL}}};

const struct dm_object model_collection_device = {
    .flags = DM_TABLE,
    .params = params,
    .keys = keys,
    .save = save_row,
};

/* ---- the table ---- */

static uint32_t place_of(const struct collection *collection, uint32_t instance)
{
    uint32_t low = 0, high = collection->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (collection->items[middle]->instance < instance)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void item_free(struct collected *item)
{
    if (!item)
        return;
    free(item->alias);
    free(item->device_key);
    free(item);
}

static int enter(struct collection *collection, struct collected *item)
{
    uint32_t place = place_of(collection, item->instance);

    if (collection->count == collection->cap) {
        uint32_t cap = collection->cap ? 2 * collection->cap : 16;
        struct collected **items = realloc(collection->items, cap * sizeof(*items));

        if (!items)
            return -1;
        collection->items = items;
        collection->cap = cap;
    }
    item->collection = collection;
    memmove(collection->items + place + 1, collection->items + place,
            (collection->count - place) * sizeof(struct collected *));
    collection->items[place] = item;
    collection->count++;
    return 0;
}

static struct collected *find(const struct collection *collection, const char *key)
{
    return map_get(&collection->by_key, str_of(key));
}

static void unkey(struct collected *item, const char *key)
{
    if (key && *key && find(item->collection, key) == item)
        map_remove(&item->collection->by_key, str_of(key));
}

static void drop(struct collected *item)
{
    struct collection *collection = item->collection;
    uint32_t place = place_of(collection, item->instance);
    char key[20];

    if (item->row)
        dm_detach(collection->dm, item->row);
    if (dm_store(collection->dm))
        store_delete(dm_store(collection->dm), KIND, (struct str){key, str_from_u64(key, item->instance)},
                     NULL);
    unkey(item, item->mac);
    unkey(item, item->device_key);
    memmove(collection->items + place, collection->items + place + 1,
            (collection->count - place - 1) * sizeof(struct collected *));
    collection->count--;
    item_free(item);
}

/* What the row shows is told and kept; a row that has come is shown. */
static void tell(struct collected *item, bool host, bool device)
{
    struct collection *collection = item->collection;
    struct error err = {0};

    if (save_item(item, &err) < 0)
        log_failure(LOG_LEVEL_WARNING, "cannot store which host a device is", &err);
    if (!item->row) {
        item->row = dm_attach(collection->dm, dm_root(collection->dm), collection->node, item->instance,
                              item);
        return;
    }
    if (host)
        dm_changed(collection->dm, item->row, collection->host_ref);
    if (device)
        dm_changed(collection->dm, item->row, collection->device_ref);
}

static void set_host(struct collected *item, struct host *host)
{
    unkey(item, item->mac);
    str_copy(item->mac, sizeof(item->mac), host ? host->mac_text : "");
    item->host = host;
    /* Of several devices behind one host, the first has the key. Without memory the row says it nevertheless. */
    if (host && !find(item->collection, item->mac))
        map_put(&item->collection->by_key, str_of(item->mac), item);
}

static void set_device(struct collected *item, struct device *device)
{
    unkey(item, item->device_key);
    item->device = device;
    free(item->device_key);
    item->device_key = device ? str_dup(device->key, strlen(device->key)) : NULL;
    if (item->device_key)
        map_put(&item->collection->by_key, str_of(item->device_key), item);
}

static struct collected *add(struct collection *collection)
{
    struct collected *item = calloc(1, sizeof(*item));
    char digits[20];

    if (!item)
        return NULL;
    item->instance = collection->next_instance;
    if (enter(collection, item) < 0) {
        item_free(item);
        return NULL;
    }
    collection->next_instance++;
    if (dm_store(collection->dm))
        store_put(dm_store(collection->dm), KIND_STATE, STR("next-instance"), digits,
                  str_from_u64(digits, collection->next_instance), NULL);
    return item;
}

/* ---- which is which ---- */

static struct host *host_of(const struct collection *collection, const struct device *device)
{
    const char *mac_text = device_text(device, DEVICE_MAC);
    struct hosts *hosts = collection->model->hosts;
    uint8_t mac[HOST_MAC_BYTES];
    struct host_ip ip;

    if (*mac_text)
        return host_mac_from_text(str_of(mac_text), mac) == 0 ? hosts_find(hosts, mac) : NULL;
    return host_ip_from_text(device_text(device, DEVICE_IP), 0, &ip) == 0 ? hosts_find_ip(hosts, &ip) : NULL;
}

/* A row that shows the host, other than `but`, or NULL. */
static struct collected *shows(const struct collection *collection, const struct host *host,
                               const struct collected *but)
{
    for (uint32_t i = 0; i < collection->count; i++)
        if (collection->items[i]->host == host && collection->items[i] != but)
            return collection->items[i];
    return NULL;
}

/* A host that no row shows gets one. */
static void place_host(struct collection *collection, struct host *host)
{
    struct collected *item = find(collection, host->mac_text);

    if (item)
        return;
    item = shows(collection, host, NULL);
    if (item) { /* the row that had the key is gone: another has it now */
        map_put(&collection->by_key, str_of(item->mac), item);
    } else if ((item = add(collection))) {
        set_host(item, host);
        tell(item, true, false);
    }
}

/* Two rows are one device: the elder stays, with the younger's name if it has none. */
static struct collected *merge(struct collected *a, struct collected *b)
{
    struct collected *elder = a->instance < b->instance ? a : b, *younger = elder == a ? b : a;
    struct device *device = a->device ? a->device : b->device;
    struct host *host = a->host ? a->host : b->host;

    if (!elder->alias) {
        elder->alias = younger->alias;
        younger->alias = NULL;
    }
    drop(younger);
    set_host(elder, host);
    set_device(elder, device);
    tell(elder, true, true);
    return elder;
}

/*
 * What is known of a device's MAC or IP address changed, or which hosts there are. A device that is known by its IP address
 * alone stays where it was while nobody has that address.
 */
static void join(struct collected *item)
{
    struct collection *collection = item->collection;
    struct host *host = host_of(collection, item->device), *before = item->host;
    struct collected *other = host ? find(collection, host->mac_text) : NULL;

    if (host == before || (!host && !*device_text(item->device, DEVICE_MAC)))
        return;
    if (other && !other->device && !before) {
        merge(item, other);
        return;
    }
    if (other && !other->device)
        drop(other);
    set_host(item, host);
    tell(item, true, false);
    if (before)
        place_host(collection, before);
}

/* ---- hosts and devices come and go ---- */

/* Those devices that may be this host; two rows may become one on the way. */
static void join_with(struct collection *collection, const struct host *host)
{
    char digits[2 * HOST_MAC_BYTES + 1];

    snprintf(digits, sizeof(digits), "%02X%02X%02X%02X%02X%02X", host->mac[0], host->mac[1], host->mac[2],
             host->mac[3], host->mac[4], host->mac[5]);
    for (uint32_t i = 0; i < collection->count; i++) {
        struct collected *item = collection->items[i];
        const char *mac = item->device ? device_text(item->device, DEVICE_MAC) : NULL;
        uint32_t count = collection->count;

        if (mac && (*mac ? strcmp(mac, digits) == 0 || item->host == host
                         : *device_text(item->device, DEVICE_IP) != '\0'))
            join(item);
        i -= collection->count < count;
    }
}

static void on_new_host(struct collection *collection, struct host *host)
{
    struct collected *item = find(collection, host->mac_text);

    if (item && !item->host) { /* as the store has it */
        item->host = host;
        tell(item, true, false);
    }
    join_with(collection, host);
    place_host(collection, host);
}

static void on_host_gone(struct collection *collection, struct host *host)
{
    struct collected *item;

    while ((item = shows(collection, host, NULL))) {
        set_host(item, NULL);
        if (item->device)
            tell(item, true, false);
        else
            drop(item);
    }
}

static void on_host(void *ctx, const void *event)
{
    const struct host_event *news = event;
    struct collection *collection = ctx;

    if (news->type == HOST_ADDED)
        on_new_host(collection, news->host);
    else if (news->type == HOST_REMOVED)
        on_host_gone(collection, news->host);
    else if (news->fields & HOST_BIT(HOST_ADDRESSES))
        join_with(collection, news->host);
}

static void on_new_device(struct collection *collection, struct device *device)
{
    struct collected *item = find(collection, device->key);
    struct host *host = host_of(collection, device);
    struct collected *of_host = host ? find(collection, host->mac_text) : NULL;

    if (!item)
        item = of_host && !of_host->device && !of_host->device_key ? of_host : add(collection);
    if (!item)
        return; /* no memory: it is not shown */
    set_device(item, device);
    tell(item, false, true);
    join(item);
}

static void on_device_gone(struct collection *collection, struct collected *item)
{
    struct host *host = item->host;

    set_device(item, NULL);
    if (host && !shows(collection, host, item)) {
        tell(item, false, true);
        return;
    }
    drop(item);
    if (host)
        place_host(collection, host);
}

static void on_device(void *ctx, const void *event)
{
    const struct device_event *news = event;
    struct collection *collection = ctx;
    struct collected *item = find(collection, news->device->key);

    if (news->type == DEVICE_ADDED)
        on_new_device(collection, news->device);
    else if (!item)
        return;
    else if (news->type == DEVICE_REMOVED)
        on_device_gone(collection, item);
    else if (news->fields & (DEVICE_BIT(DEVICE_MAC) | DEVICE_BIT(DEVICE_IP)))
        join(item);
}

/* ---- the store ---- */

static int load_item(void *ctx, struct str key, struct str value)
{
    struct collection *collection = ctx;
    struct collected *item = calloc(1, sizeof(*item));
    struct record_reader reader;
    uint64_t instance;

    if (!item)
        return 1;
    record_read(&reader, value, RECORD_VERSION);
    item->alias = record_text(&reader);
    item->device_key = record_text(&reader);
    record_copy(&reader, item->mac, sizeof(item->mac));
    if (!record_end(&reader) || str_to_u64(key, &instance) < 0 || !instance || instance >= UINT32_MAX) {
        item_free(item);
        return 0;
    }
    item->instance = (uint32_t)instance;
    if (enter(collection, item) < 0) {
        item_free(item);
        return 1;
    }
    if (item->instance >= collection->next_instance)
        collection->next_instance = item->instance + 1;
    if (item->mac[0] && !find(collection, item->mac))
        map_put(&collection->by_key, str_of(item->mac), item);
    if (item->device_key)
        map_put(&collection->by_key, str_of(item->device_key), item);
    return 0;
}

static int load(struct collection *collection, struct error *err)
{
    struct buf text;
    uint64_t next;
    int rc;

    if (!dm_store(collection->dm))
        return 0;
    buf_init(&text, 64, 0);
    if (store_get(dm_store(collection->dm), KIND_STATE, STR("next-instance"), &text, NULL) == 1 &&
        str_to_u64((struct str){(const char *)buf_data(&text), text.len}, &next) == 0 && next &&
        next < UINT32_MAX)
        collection->next_instance = (uint32_t)next;
    buf_done(&text);
    rc = store_each(dm_store(collection->dm), KIND, STR(""), load_item, collection, err);
    return rc > 0 ? error_set(err, ERROR_INTERNAL, NULL, "out of memory") : rc;
}

/* Those whose host and device were forgotten are so, too. */
static void forget_lost(struct collection *collection)
{
    for (uint32_t i = collection->count; i-- > 0;)
        if (!collection->items[i]->host && !collection->items[i]->device)
            drop(collection->items[i]);
}

/* ---- start and stop ---- */

static void collection_free(struct collection *collection)
{
    for (uint32_t i = 0; i < collection->count; i++)
        item_free(collection->items[i]); /* the engine frees the rows, and no longer reads them */
    free(collection->items);
    map_done(&collection->by_key);
    free(collection);
}

static int find_places(struct collection *collection)
{
    collection->node = dm_node_find(collection->dm, "Device.CollectionDevice.{i}.");
    if (!collection->node)
        return -1;
    collection->host_ref = dm_node_param(collection->node, "HostDeviceRef");
    collection->device_ref = dm_node_param(collection->node, "ProxiedDeviceRef");
    return 0;
}

int model_collection_start(struct model *model, struct error *err)
{
    struct collection *collection = calloc(1, sizeof(*collection));
    struct registry *registry = home_registry(model->home);

    if (!collection)
        return error_set(err, ERROR_INTERNAL, NULL, "out of memory");
    collection->model = model;
    collection->dm = model->dm;
    collection->next_instance = 1;
    map_init(&collection->by_key);
    collection->hosts = (struct observer){.fn = on_host, .ctx = collection};
    collection->devices = (struct observer){.fn = on_device, .ctx = collection};
    if (find_places(collection) < 0 || load(collection, err) < 0) {
        collection_free(collection);
        return -1;
    }
    observer_add(hosts_observers(model->hosts), &collection->hosts);
    observer_add(registry_observers(registry), &collection->devices);
    for (uint32_t i = 0; i < registry->count; i++)
        on_new_device(collection, registry->devices[i]);
    for (uint32_t i = 0; i < hosts_count(model->hosts); i++)
        on_new_host(collection, hosts_at(model->hosts, i));
    forget_lost(collection);
    return 0;
}

void model_collection_stop(struct model *model)
{
    struct observers *observers = registry_observers(home_registry(model->home));

    for (struct observer *at = observers->first; at; at = at->next) {
        struct collection *collection = at->ctx;

        if (at->fn != on_device)
            continue;
        observer_remove(observers, at);
        observer_remove(hosts_observers(model->hosts), &collection->hosts);
        collection_free(collection);
        return;
    }
}
