# SPDX-License-Identifier: BSD-3-Clause
# Needs meta-oe (libwebsockets, cjson) and meta-networking (mosquitto). Put the tarball of `make dist` into files/.
SUMMARY = "USP agent that keeps the home's devices patched"
LICENSE = "BSD-3-Clause"
LIC_FILES_CHKSUM = "file://LICENSE;md5=27b7275537f2cc3bcdcfa812261ce4ac"

SRC_URI = "file://${BPN}-${PV}.tar.xz"

DEPENDS = "libuv openssl sqlite3 curl cjson libmnl"

inherit autotools pkgconfig systemd useradd

PACKAGECONFIG ??= "mqtt websocket uds avahi ssdp homeassistant shelly tasmota uspdev zigbee2mqtt seccomp tools"
PACKAGECONFIG[mqtt] = ",--without-mqtt,mosquitto"
PACKAGECONFIG[websocket] = ",--without-websocket,libwebsockets"
PACKAGECONFIG[uds] = ",--without-uds"
PACKAGECONFIG[avahi] = ",--without-avahi,avahi,libavahi-client"
PACKAGECONFIG[ssdp] = ",--without-ssdp,libxml2,libxml2"
PACKAGECONFIG[homeassistant] = ",--without-homeassistant"
PACKAGECONFIG[shelly] = ",--without-shelly"
PACKAGECONFIG[tasmota] = ",--without-tasmota"
PACKAGECONFIG[uspdev] = ",--without-uspdev"
PACKAGECONFIG[zigbee2mqtt] = ",--without-zigbee2mqtt"
PACKAGECONFIG[seccomp] = ",--without-seccomp,libseccomp"
PACKAGECONFIG[tools] = ",--without-tools"

EXTRA_OECONF = "--disable-tests --with-systemd=${systemd_system_unitdir}"

SYSTEMD_SERVICE:${PN} = "homepatchd.service"
SYSTEMD_AUTO_ENABLE = "disable"
USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --home-dir /var/lib/homepatch --no-create-home --shell /sbin/nologin --user-group homepatch"

do_install:append() {
    install -d ${D}${sysconfdir}/homepatch
    install -m 0640 ${S}/packaging/examples/homepatchd.conf ${S}/packaging/examples/factory.conf ${D}${sysconfdir}/homepatch/
}

PACKAGES =+ "${PN}-simhome"
FILES:${PN}-simhome = "${bindir}/homepatch-simhome ${bindir}/homepatch-device"
FILES:${PN} += "${libexecdir}/homepatch ${systemd_system_unitdir} ${nonarch_libdir}/sysusers.d ${datadir}/bash-completion ${datadir}/zsh ${datadir}/fish"
CONFFILES:${PN} = "${sysconfdir}/homepatch/homepatchd.conf ${sysconfdir}/homepatch/factory.conf"
