# SPDX-License-Identifier: BSD-3-Clause
"""What a document tells its reader to do, done."""

import os
import re
import subprocess

from cli import ENDPOINT, UPDATE_FAILED, Cli
from hptest import Agent, Cleanup, Process, free_port, program, scenario, wait_port, wait_until
from hptest.usp import TOP

PORTS = ("7680", "7681", "7682", "8000")


class Document:
    """The indented blocks of a document, with ports and paths of this test's own."""

    def __init__(self, name, directory, tools):
        self.dir = directory
        text = (TOP / "docs" / name).read_text()
        for port in PORTS:
            text = re.sub(rf"\b{port}\b", str(free_port()), text)
        self.text = text.replace("/tmp/", f"{directory}/")
        self.env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    def block(self, begin):
        """The one that begins so."""
        found = re.search(r"^    " + re.escape(begin) + r".*?(?=\n\n)", self.text, re.M | re.S)
        assert found, f"no block begins with {begin!r}"
        return re.sub("^    ", "", found[0], flags=re.M)

    def port(self, before):
        """The port that follows these words."""
        return int(re.search(re.escape(before) + r"(\d+)", self.text)[1])

    def shell(self, script):
        subprocess.run(["sh", "-e"], input=script, cwd=self.dir, env=self.env, check=True, text=True, timeout=60)


class Lamp(Process):
    """homepatch-device with a configuration of the document."""

    def __init__(self, document, name, conf):
        (document.dir / f"{name}.conf").write_text(conf)
        super().__init__(name, [program("homepatch-device"), "-c", f"{name}.conf"], document.dir)


@scenario(timeout=120, needs=("homepatchd", "homepatch", "homepatch-device"))
def makers_of_devices(directory):
    """docs/device-makers.md: an image that works and one that does not, a certificate by a code, one by the factory's."""
    os.chdir(directory)
    cleanup = Cleanup()
    document = Document("device-makers.md", directory, program("homepatch").parent)
    agent = Agent(directory)
    agent.uds(ENDPOINT)
    cli = Cli(directory / "agent.sock")
    agent.conf["lan_websocket_listen"] = f"127.0.0.1:{document.port('lan_websocket_listen = 127.0.0.1:')}"
    agent.conf["lan_http_listen"] = f"127.0.0.1:{document.port('lan_http_listen = 127.0.0.1:')}"
    cleanup.add(agent).start()

    making = document.block("./autogen.sh").split("\n")[1:]
    document.shell("\n".join(making).replace("./homepatch-device", "homepatch-device"))
    conf = document.block("# device.conf")
    lamp = Lamp(document, "lamp", conf).start()
    cleanup.add(lamp)

    def shown(name, at):
        """That device's line has this at the end."""
        devices = cli.json("devices")["devices"]
        return [d for d in devices if d["serial"] == name and d["grade"] == at and d["online"]]

    wait_until(lambda: shown("LAMP1", "C"), 20, "the lamp is listed")
    web = document.port("http://127.0.0.1:")
    server = ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(web)]
    cleanup.add(Process("web", server, directory)).start()
    wait_port(web)
    good, bad = document.block("homepatch download DEVICE").split("\n")
    number = str(shown("LAMP1", "C")[0]["number"])
    for line, code in ((good, 0), (bad, UPDATE_FAILED)):
        download, activate = line.replace("DEVICE", number).split(" && ")
        cli.run(*download.split()[1:])
        cli.run(*activate.split()[1:], code=code)
        assert shown("LAMP1", "C")[0]["version"] == "2.0.0"
    assert "RolledBack" in cli.run("show", number)

    # With TLS and a certificate by the code.
    document.shell(document.block("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout lan.key"))
    lines = dict(line.split(" = ") for line in document.block("lan_websocket_tls_certificate_file").split("\n"))
    agent.conf.update({key: directory / file for key, file in lines.items()}, lan_websocket_tls="true")
    agent.conf["lan_enrol_listen"] = f"127.0.0.1:{document.port('lan_enrol_listen = 127.0.0.1:')}"
    lamp.stop()
    agent.restart()
    code = cli.run("enrol").split()[0]
    conf = conf.replace("tls = false", "") + re.sub("enrol_code = .*", f"enrol_code = {code}", document.block("ca_file = "))
    lamp = cleanup.add(Lamp(document, "lamp", conf)).start()
    wait_until(lambda: shown("LAMP1", "A"), 20, "the lamp is known by its certificate")

    # Another, by the certificate of the factory.
    document.shell(document.block("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout root.key"))
    makers = directory / "makers.conf"
    makers.write_text(f"manufacturer = Example\noui = 0A0B0C\nroot = {directory}/root.pem\n")
    for line in makers.read_text().split("\n")[:2] + ["root = root.pem"]:
        assert f"`{line}`" in document.text, f"the document does not say {line}"
    agent.conf["lan_enrol_manufacturers_file"] = makers
    agent.restart()
    conf = re.sub("enrol_code = .*", "idevid_file = idevid.pem\nidevid_key_file = idevid.key", conf).replace("LAMP1", "LAMP2")
    cleanup.add(Lamp(document, "lamp2", conf.replace(f"{directory}/lamp", f"{directory}/lamp2"))).start()
    wait_until(lambda: shown("LAMP2", "A"), 20, "the second lamp is known by its certificate")
    cleanup.run()
