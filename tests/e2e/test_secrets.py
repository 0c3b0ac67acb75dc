# SPDX-License-Identifier: BSD-3-Clause
"""Secrets: no file of a busy home is open to others, whatever the umask was, and no secret is told by a log or by a Get."""

import base64
import os
import pathlib
import stat

from home import NEEDS, NEW
from hptest import LanBroker, free_port, scenario, usp, wait_until
from web_home import Page, WebHome

CLIENT = "Device.MQTT.Client.1."
AUTHORITY = "Device.X_HOMEPATCH_DeviceAuthority."
# Made to be published, and in a folder that may be.
PUBLIC = ("ca.pem", "crl.pem")


def _open_to_others(*folders):
    """Files that somebody else than their owner may read or write, and folders that others may write, below these."""
    found = []
    for path in (path for folder in folders for path in folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077 and path.name not in PUBLIC or stat.S_ISDIR(mode) and mode & 0o022:
            found.append(f"{path} {stat.S_IMODE(mode):o}")
    return found


def _private_lines(folder):
    """Two lines out of each private key below a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            body = path.read_text(errors="replace").split("PRIVATE KEY-----")[1].split("\n")
            yield from (line for line in body[1:3] if len(line) > 30)


def _configure(home, directory, secrets):
    """Every key and every row of the factory configuration that takes a secret."""
    secrets.update(broker="lan-broker-Secret1", client="operator-broker-Secret2", shelly="shelly-Secret3")
    passwords = directory / "shelly.passwords"
    with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(f"127.0.0.9 = {secrets['shelly']}\n")
    home.agent.conf.update(lan_mqtt_username="homepatch", lan_mqtt_password=secrets["broker"],
                           shelly_devices="127.0.0.9", shelly_passwords_file=passwords,
                           lan_enrol_listen=f"127.0.0.1:{free_port()}")
    server = home.pki.issue("lan-server")
    home.agent.conf.update(lan_websocket_tls_certificate_file=server[0], lan_websocket_tls_key_file=server[1])
    home.agent.put(CLIENT, Username="agent", Password=secrets["client"])


def _rows(home, secrets):
    """What a controller sets, well and badly, and what is made for people and devices."""
    secrets.update(added="added-Secret4", set="set-later-Secret4", bulk="bulk-Secret5", challenge="challenge-Secret6", wrong="wrong-Secret7",
                   fetch="fetch-Secret8")
    ctl = home.ctl
    ctl.set(ctl.add("Device.MQTT.Client.", Alias="later", Password=secrets["added"]), Password=secrets["set"])
    profile = ctl.add("Device.BulkData.Profile.", Protocol="HTTP", EncodingType="JSON", ReportingInterval=1)
    ctl.add(profile + "Parameter.", Name="Id", Reference="Device.LocalAgent.EndpointID")
    ctl.set(profile + "HTTP.", URL=f"{home.images.https_url}/nowhere", Username="me", Password=secrets["bulk"])
    ctl.set(profile, Enable=True)
    ctl.set("Device.BulkData.", Enable=True)
    challenge = base64.b64encode(secrets["challenge"].encode()).decode()
    secrets["challenge as it is sent"] = challenge
    ctl.add("Device.LocalAgent.ControllerTrust.Challenge.", Alias="a", Type="Passphrase", Value=challenge)
    # Refused, with the value in it.
    challenges = "Device.LocalAgent.ControllerTrust.Challenge.1."
    for row, name, value in ((profile + "HTTP.", "Password", secrets["wrong"] * 30), (challenges, "Value", secrets["wrong"])):
        answer = str(ctl.request(usp.set_({row: {name: value}})))
        assert "err_code" in answer and secrets["wrong"] not in answer, answer[:500]


@scenario(needs=(*NEEDS, "homepatch"), timeout=120)
def of_a_busy_home(directory):
    secrets = {}
    old = os.umask(0)
    try:
        home = WebHome(directory)
        _configure(home, directory, secrets)
        home.start()
    finally:
        os.umask(old)
    home.subscribe()
    _rows(home, secrets)
    page = Page(home.port)
    secrets["consent code"] = home.code()
    page.sign_in(secrets["consent code"])
    secrets["cookie"], secrets["token"] = page.cookie.split("=", 1)[1], page.token
    ((_, outputs),) = home.ctl.operate(AUTHORITY + "CreateCode()").values()
    secrets["enrolment code"] = outputs["Code"]

    # An update with a password for the image, and one that fails with it.
    url, digest, size, _ = home.image(auth=("operator", secrets["fetch"]))
    slot = home.free_slot(0)
    home.must_fail(home.download(slot, f"{home.images.url}/missing.bin", Username="operator", Password=secrets["fetch"]))
    home.must_succeed(home.download(slot, url, Username="operator", Password=secrets["fetch"], FileSize=size,
                                    CheckSumAlgorithm="SHA-256", CheckSum=digest))
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW
    wait_until(lambda: home.images.seen("/nowhere"), 15, "the collector heard of the password")

    found = _open_to_others(home.agent.state_dir, home.agent.cache_dir)
    assert not found, found
    whole = str(home.ctl.get("Device.", timeout=20))
    assert CLIENT + "Username" in whole and "X_HOMEPATCH_DeviceAuthority" in whole
    assert "log_level = debug\n" in home.agent.conf_file.read_text()
    log = home.agent.log.read_text(errors="replace")
    keys = list(_private_lines(home.agent.state_dir)) + list(_private_lines(home.pki.ca_file.parent))
    assert len(keys) > 4
    for name, secret in [*secrets.items(), *(("a private key", line) for line in keys)]:
        assert len(secret) > 5, name
        assert secret not in whole, f"{name} is in a Get"
        assert secret not in log, f"{name} is in the log: {[x for x in log.splitlines() if secret in x][:2]}"
    home.stop()


@scenario(needs=("homepatch",))
def of_the_brokers_files(directory):
    """What `homepatch lan-broker` writes holds the accounts of all devices; mosquitto's group reads it, and nobody else."""
    old = os.umask(0)
    try:
        broker = LanBroker(directory)
        broker.add("plug", "shelly")
        broker.add("hub", "zigbee2mqtt")
    finally:
        os.umask(old)
    written = [path for path in pathlib.Path(broker.dir).iterdir() if path.is_file()]
    assert {"acl", "passwords", "mosquitto.conf"} <= {path.name for path in written}
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path
    assert stat.S_IMODE(broker.dir.stat().st_mode) & 0o027 == 0, oct(broker.dir.stat().st_mode)
    for name, password in broker.passwords.items():
        assert not [path for path in written if password in path.read_text(errors="replace")], f"{name}'s password is stored"
