/* SPDX-License-Identifier: BSD-3-Clause */
/* The gateway itself: configuration, clock, disk. */
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/x509_time.h"
#include "tools/homepatch/doctor.h"

enum {
    DAY = 86400,
    SOON_DAYS = 14,
    STATE_MIN = 4 << 20,
    CACHE_MIN = 16 << 20,
};

static const int64_t LONG_AGO = 1767225600; /* 2026-01-01: this program did not exist before */

/* ---- configuration ---- */

/* The own certificate, or the first authority: readable, and not over. */
static void check_certificate(struct doctor *doctor, const char *key)
{
    const char *file = doctor_config(doctor, key);
    FILE *stream = file[0] ? fopen(file, "re") : NULL;
    int64_t now = clock_wall(&(struct clock){0});
    X509 *certificate;
    int64_t expiry;

    if (!file[0])
        return;
    if (!stream) {
        doctor_fail(doctor, key, doctor_text(doctor, "%s: %s: %s", key, file, strerror(errno)),
                    doctor_text(doctor, "put the file there, or let %s name the right one", key));
        return;
    }
    certificate = PEM_read_X509(stream, NULL, NULL, NULL);
    fclose(stream);
    expiry = certificate ? x509_seconds(X509_get0_notAfter(certificate)) : 0;
    X509_free(certificate);
    if (!expiry)
        doctor_fail(doctor, key, doctor_text(doctor, "%s: %s holds no PEM certificate", key, file),
                    doctor_text(doctor, "let %s name a PEM file", key));
    else if (expiry < now)
        doctor_fail(doctor, key, doctor_text(doctor, "%s: the certificate in %s has expired", key, file),
                    "renew it, or set the clock if that is wrong");
    else if (expiry < now + SOON_DAYS * DAY)
        doctor_warn(doctor, key,
                    doctor_text(doctor, "%s: the certificate in %s expires in %lld days", key, file,
                                (long long)((expiry - now) / DAY)),
                    "renew it");
}

static void check_key(struct doctor *doctor)
{
    const char *file = doctor_config(doctor, "tls_key_file");
    struct stat st;

    if (!file[0])
        return;
    if (stat(file, &st) < 0)
        doctor_fail(doctor, "tls_key_file",
                    doctor_text(doctor, "tls_key_file: %s: %s", file, strerror(errno)),
                    "put the key there, or let tls_key_file name the right file");
    else if (st.st_mode & S_IROTH)
        doctor_warn(doctor, "tls_key_file", doctor_text(doctor, "everybody may read the key %s", file),
                    doctor_text(doctor, "chmod o-rwx %s", file));
}

void doctor_configuration(struct doctor *doctor)
{
    const char *file = doctor->app->options.config;
    const char *factory;
    struct error err;

    if (conf_read(doctor->arena, file, &doctor->config, &err) < 0) {
        doctor_fail(doctor, "--config", doctor_text(doctor, "%s: %s", err.path, err.message),
                    "name the agent's configuration with --config FILE, or run this as root; homepatchd "
                    "--check-config -c FILE checks the rest of it");
        return;
    }
    factory = doctor_config(doctor, "factory_file");
    if (conf_read(doctor->arena, factory, &doctor->factory, &err) < 0)
        doctor_warn(doctor, "factory_file", doctor_text(doctor, "%s: %s", err.path, err.message),
                    "without it the agent starts with nothing after a factory reset");
    doctor_ok(doctor, "", doctor_text(doctor, "%s was read", file));
    check_certificate(doctor, "tls_ca_file");
    check_certificate(doctor, "tls_certificate_file");
    check_key(doctor);
}

/* ---- clock ---- */

void doctor_clock(struct doctor *doctor)
{
    int64_t now = clock_wall(&(struct clock){0});
    char text[STR_TIME_BYTES];

    str_from_time(text, now);
    if (now < LONG_AGO)
        doctor_fail(doctor, "", doctor_text(doctor, "the clock says %s: no certificate is valid then", text),
                    "set the clock: see that the gateway reaches a time server (NTP)");
    else
        doctor_ok(doctor, "", doctor_text(doctor, "the clock says %s", text));
}

/* ---- disk ---- */

static void check_space(struct doctor *doctor, const char *key, uint64_t least)
{
    const char *dir = doctor_config(doctor, key);
    struct statvfs fs;
    uint64_t left;

    if (statvfs(dir, &fs) < 0) {
        doctor_fail(
            doctor, key, doctor_text(doctor, "%s: %s: %s", key, dir, strerror(errno)),
            doctor_text(doctor, "make the directory and give it to the agent's user, or set %s", key));
        return;
    }
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (fs.f_flag & ST_RDONLY)
        doctor_fail(doctor, key, doctor_text(doctor, "%s: %s is mounted read-only", key, dir),
                    doctor_text(doctor, "set %s to a place that can be written", key));
    else if (left < least || (fs.f_files && !fs.f_favail))
        doctor_fail(doctor, key,
                    doctor_text(doctor, "%s: only %llu kB are free in %s", key,
                                (unsigned long long)(left >> 10), dir),
                    doctor_text(doctor, "free some space there, or set %s to a larger file system", key));
    else
        doctor_ok(doctor, key,
                  doctor_text(doctor, "%s has %llu MB free", dir, (unsigned long long)(left >> 20)));
}

void doctor_disk(struct doctor *doctor)
{
    if (!doctor->config)
        return;
    check_space(doctor, "state_dir", STATE_MIN);
    check_space(doctor, "cache_dir", CACHE_MIN);
}
