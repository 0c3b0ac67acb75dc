# SPDX-License-Identifier: BSD-3-Clause
"""A real mosquitto on loopback: plain for the LAN side, TLS with client certificates for the operator's side."""

import pathlib

from .process import Process, free_port, wait_port


class Broker(Process):
    def __init__(self, workdir, name="broker", tls=None, require_client_cert=True, extra=()):
        """tls: (ca_file, cert_file, key_file) or None for plain TCP. The port stays the same over restarts."""
        self.port = free_port()
        self.conf = pathlib.Path(workdir) / f"{name}.conf"
        self.tls = tls
        lines = [
            "per_listener_settings false",
            "allow_anonymous true",
            "persistence false",
            "set_tcp_nodelay true",
            "max_inflight_messages 0",
            "max_queued_messages 100000",
            "log_type error",
            "log_type warning",
            "log_type notice",
            f"listener {self.port} 127.0.0.1",
            *extra,
        ]
        if tls:
            ca, cert, key = tls
            lines += [
                f"cafile {ca}",
                f"certfile {cert}",
                f"keyfile {key}",
                f"require_certificate {'true' if require_client_cert else 'false'}",
            ]
        self.conf.write_text("\n".join(lines) + "\n")
        # Started as root mosquitto would change to its own user, which may not read the test's keys.
        with open(self.conf, "a") as f:
            f.write("user root\n")
        super().__init__(name, ["/usr/sbin/mosquitto", "-c", self.conf], workdir)

    def start(self):
        super().start()
        wait_port(self.port)
        return self
