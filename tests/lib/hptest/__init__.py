# SPDX-License-Identifier: BSD-3-Clause
"""The test library: an independent USP controller, and the processes of a test home.

    agent = Agent(directory)                        # homepatchd, configuration from its methods
    where = agent.uds()                             # a UNIX socket MTP and a Controller row
    agent.start()
    ctl = Controller(UdsTransport(**where)).connect()
    ctl.get("Device.DeviceInfo.")                   # {path: value}; an Error raises UspError
    ctl.request(usp.get("Device.Nothing."))         # the raw usp.Msg, Error or not
    ctl.subscribe("s1", "ValueChange", "Device.ProxiedDevice.*.Online")
    ctl.wait_notify(lambda n: n.subscription_id == "s1", timeout=5)

Run with /usr/bin/python3 and tests/lib on PYTHONPATH; HOMEPATCH_BUILD names the build directory."""

from . import usp
from .agent import ENDPOINT_ID, FULL_ACCESS, UNTRUSTED, Agent
from .broker import Broker
from .browser import Browser
from .controller import Controller, UspError
from .image_server import ImageServer
from .images import MODELS, write_image, write_zigbee_image
from .lan_broker import LanBroker
from .pki import Pki
from .process import (
    Process,
    TestTimeout,
    build_dir,
    cpu_seconds,
    free_port,
    program,
    rss_kib,
    wait_port,
    wait_until,
)
from .runner import Cleanup, Skip, main, scenario
from .simhome import SimHome
from .transports import MqttTransport, UdsTransport, WsClientTransport, WsServerTransport
from .usp_device import UspDevice, write_device_image

__all__ = [
    "usp",
    "ENDPOINT_ID",
    "FULL_ACCESS",
    "UNTRUSTED",
    "Agent",
    "Broker",
    "Browser",
    "Controller",
    "UspError",
    "ImageServer",
    "MODELS",
    "write_image",
    "write_zigbee_image",
    "LanBroker",
    "Pki",
    "Process",
    "TestTimeout",
    "build_dir",
    "cpu_seconds",
    "free_port",
    "program",
    "rss_kib",
    "wait_port",
    "wait_until",
    "Cleanup",
    "Skip",
    "main",
    "scenario",
    "SimHome",
    "MqttTransport",
    "UdsTransport",
    "WsClientTransport",
    "WsServerTransport",
    "UspDevice",
    "write_device_image",
]
