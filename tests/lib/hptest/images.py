# SPDX-License-Identifier: BSD-3-Clause
"""Firmware images for simulated devices, written without our own code: a stored zip with manifest.json in front."""

import hashlib
import json
import random
import struct
import zipfile

# What simulated devices there are: product code -> (app, device id prefix).
MODELS = {
    "SNSW-001X16EU": "Plus1",
    "SNSW-001P16EU": "Plus1PM",
    "SNSW-102P16EU": "Plus2PM",
    "SNPL-00112EU": "PlusPlugS",
    "S3SW-001X8EU": "Mini1G3",
    "S4SW-001X16EU": "S1G4",
    "S4PL-00416EU": "PowerStrip",
    "SPSW-201XE16EU": "Pro1",
    "SPSW-201PE16EU": "Pro1PM",
    "SPSW-202XE16EU": "Pro2",
    "SPSW-202PE16EU": "Pro2PM",
    "SPSW-003XE16EU": "Pro3",
    "SPSW-104PE16EU": "Pro4PM",
}


def write_image(path, model, version, size=65536, seed=1):
    """Writes an image for a product code or app name; returns (sha256 hex, byte count)."""
    app = MODELS.get(model, model)
    part = random.Random(f"{app}{version}{seed}").randbytes(size)
    digest = hashlib.sha256(part).hexdigest()
    manifest = {
        "name": app,
        "version": version,
        "build_id": f"20260101-000000/{version}-g{digest[:8]}",
        "platform": "esp32",
        "parts": {"app": {"src": "app.bin", "size": size, "sha256": digest}},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr(zipfile.ZipInfo("manifest.json"), json.dumps(manifest))
        z.writestr(zipfile.ZipInfo("app.bin"), part)
    with open(path, "rb") as f:
        data = f.read()
    return hashlib.sha256(data).hexdigest(), len(data)


# Simulated Zigbee products: model id -> (manufacturer code, image type).
ZIGBEE_MODELS = {
    "LMN-E27-W": (0x12F1, 0x0101),
    "HLD.door.s1": (0x12F2, 0x0010),
    "LMN-PLUG": (0x12F1, 0x0202),
    "WT-07": (0x12F3, 0x0700),
}


def write_zigbee_image(path, model, version, size=20000, magic=0x0BEEF11E):
    """Writes a Zigbee OTA file with one element; returns (sha256 hex, byte count)."""
    manufacturer, kind = ZIGBEE_MODELS[model]
    part = random.Random(f"{model}{version}").randbytes(size)
    head = struct.pack(
        "<IHHHHHIH32sI", magic, 0x0100, 56, 0, manufacturer, kind, version, 2, b"test", 56 + 6 + size
    )
    data = head + struct.pack("<HI", 0, size) + part
    with open(path, "wb") as f:
        f.write(data)
    return hashlib.sha256(data).hexdigest(), len(data)
