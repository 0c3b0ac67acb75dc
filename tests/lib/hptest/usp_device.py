# SPDX-License-Identifier: BSD-3-Clause
"""homepatch-device under test: one device that is a USP agent, with its banks in a folder of the test's."""

import pathlib
import subprocess

from .process import Process, program

MODEL = "Reference"


def write_device_image(path, version, size=60000, model=MODEL, behaviour="good"):
    """An image that homepatch-device can run."""
    subprocess.run(
        [program("homepatch-device"), "--make-image", path, "--version-of", version, "--model", model]
        + ["--size", str(size), "--behaviour", behaviour],
        check=True,
    )


class UspDevice(Process):
    """`conf` is written at each start(). A start of the process is a start of the device; it starts anew by itself."""

    def __init__(self, workdir, endpoint_id, controller, version="1.0.0", name=None, **conf):
        name = name or "device-" + endpoint_id.rsplit(":", 1)[-1]
        self.dir = pathlib.Path(workdir) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.endpoint_id = endpoint_id
        self.conf_file = self.dir / "device.conf"
        factory = self.dir / "factory.img"
        write_device_image(factory, version)
        self.conf = {
            "state_dir": self.dir / "state",
            "factory_image": factory,
            "endpoint_id": endpoint_id,
            "controller": controller,
            "manufacturer_oui": "0A0B0C",
            "serial_number": endpoint_id.rsplit("-", 1)[-1],
            "host": "127.0.0.1",
            "retry": 1,
            "confirm_time": 3,
            "log_level": "debug",
            **conf,
        }
        super().__init__(name, [program("homepatch-device") or "homepatch-device", "-c", self.conf_file], workdir)

    def start(self):
        self.conf_file.write_text("".join(f'{key} = "{value}"\n' for key, value in self.conf.items()))
        super().start()
        return self

    def boot_record(self):
        """What the boot loader knows: {key: value}."""
        lines = (self.dir / "state" / "boot").read_text().splitlines()
        return {key: value.strip('"') for key, _, value in (line.partition(" = ") for line in lines)}

    @property
    def version(self):
        """Of the bank that is confirmed."""
        record = self.boot_record()
        return record[f"bank{record['confirmed']}_version"]
