# SPDX-License-Identifier: BSD-3-Clause
"""Firmware images for simulated devices, written without our own code: a stored zip with manifest.json in front."""

import hashlib
import json
import random
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
