/* SPDX-License-Identifier: BSD-3-Clause */
/* From a host name to a connection that can be trusted, one step after the other. */
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_port.h"
#include "tools/homepatch/doctor.h"

enum {
    DAY = 86400,
    SOON_DAYS = 14,
};

static const char *where(struct doctor *doctor, const struct link *link)
{
    return doctor_text(doctor, strchr(link->host, ':') ? "[%s]:%u" : "%s:%u", link->host, link->port);
}

static void fail_certificate(struct doctor *doctor, const struct link *link, const struct probe *probe)
{
    const char *peer = where(doctor, link);

    switch (probe->verify) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        doctor_fail(
            doctor, link->host_parameter,
            doctor_text(doctor, "TLS: the certificate of %s expired on %s", peer, probe->expires),
            "renew the certificate of that server; if it has not expired, set the clock of this gateway");
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        doctor_fail(doctor, "", doctor_text(doctor, "TLS: the certificate of %s is not valid yet", peer),
                    "set the clock of this gateway (NTP): it is behind");
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        doctor_fail(doctor, link->host_parameter,
                    doctor_text(doctor, "TLS: the certificate of %s is for %s, not for \"%s\"", peer,
                                probe->names[0] ? probe->names : "no host at all", link->host),
                    doctor_text(doctor,
                                "set %s to a name in the certificate, or give the server one for this name",
                                link->host_parameter));
        return;
    default:
        doctor_fail(
            doctor, "tls_ca_file",
            doctor_text(doctor, "TLS: the certificate of %s cannot be verified: %s", peer, probe->why),
            doctor_text(doctor,
                        "let tls_ca_file in the agent's configuration (now \"%s\") name a PEM file with the "
                        "authority that signed that server's certificate",
                        doctor_config(doctor, "tls_ca_file")));
    }
}

static void fail_tls(struct doctor *doctor, const struct link *link, const struct probe *probe)
{
    struct tls_settings settings = doctor_tls(doctor);

    if (probe->verify != X509_V_OK)
        fail_certificate(doctor, link, probe);
    else if (settings.ca_file && strncmp(probe->why, settings.ca_file, strlen(settings.ca_file)) == 0)
        doctor_fail(doctor, "tls_ca_file", doctor_text(doctor, "TLS: %s", probe->why),
                    "let tls_ca_file name a PEM file of certificate authorities that the agent may read");
    else if (strstr(probe->why, "certificate") || strstr(probe->why, "alert unknown ca"))
        doctor_fail(doctor, "tls_certificate_file",
                    doctor_text(doctor, "TLS: %s refuses this gateway: %s", where(doctor, link), probe->why),
                    "let tls_certificate_file and tls_key_file name a certificate that this server accepts");
    else
        doctor_fail(
            doctor, link->tls_parameter,
            doctor_text(doctor, "TLS: no handshake with %s: %s", where(doctor, link), probe->why),
            doctor_text(doctor,
                        "see that the server speaks TLS on port %u (%s), or set %s so that none is used",
                        link->port, link->port_parameter, link->tls_parameter));
}

static void welcome_tls(struct doctor *doctor, const struct link *link, const struct probe *probe)
{
    int64_t left = probe->expires_s - clock_wall(&(struct clock){0});

    if (left < SOON_DAYS * DAY)
        doctor_warn(doctor, link->host_parameter,
                    doctor_text(doctor, "TLS with %s works, but its certificate expires on %s",
                                where(doctor, link), probe->expires),
                    "renew it");
    else
        doctor_ok(doctor, link->host_parameter,
                  doctor_text(doctor, "TLS: the certificate of %s is valid until %s", where(doctor, link),
                              probe->expires));
}

bool doctor_link(struct doctor *doctor, const struct link *link, struct probe *probe)
{
    struct tls_settings settings = doctor_tls(doctor);

    if (probe_resolve(probe, link->host, link->port) < 0) {
        doctor_fail(doctor, link->host_parameter,
                    doctor_text(doctor, "the name \"%s\" has no address: %s", link->host, probe->why),
                    doctor_text(doctor,
                                "set %s to the right name, or see that this gateway has a name server",
                                link->host_parameter));
        return false;
    }
    if (probe_connect(probe, link->host, link->port) < 0) {
        doctor_fail(doctor, link->port_parameter,
                    doctor_text(doctor, "nobody answers at %s: %s", where(doctor, link), probe->why),
                    doctor_text(doctor,
                                "see that the server runs and no firewall is between, and that %s and %s are "
                                "right",
                                link->host_parameter, link->port_parameter));
        return false;
    }
    doctor_ok(doctor, link->port_parameter,
              doctor_text(doctor, "%s is reached (%s)", where(doctor, link), probe->address));
    if (!link->tls)
        return true;
    if (probe_tls(probe, &settings, link->host) < 0) {
        fail_tls(doctor, link, probe);
        return false;
    }
    welcome_tls(doctor, link, probe);
    return true;
}

bool doctor_address(struct doctor *doctor, const char *text, const char **ret_host, uint16_t *ret_port)
{
    struct host_port parts;

    if (host_port_split(str_of(text), HOST_PORT_LISTEN, NULL, &parts, NULL) < 0)
        return false;
    *ret_port = parts.port;
    /* What listens on every address is reached on this one. */
    if (!parts.host.len || str_is(parts.host, "0.0.0.0"))
        *ret_host = "127.0.0.1";
    else
        *ret_host = str_is(parts.host, "::") ? "::1" : app_copy(doctor->app, parts.host);
    return *ret_port != 0;
}
