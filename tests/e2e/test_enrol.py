# SPDX-License-Identifier: BSD-3-Clause
"""The gateway as the authority of its devices' certificates: enrolment by EST, renewal, revocation."""

import base64
import json
import signal
import socket
import ssl
import stat
import subprocess
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from home import own_network
from hptest import Broker, Pki, free_port, program, scenario, wait_until
from usp_home import GATEWAY, NEEDS, URN, UspHome

AUTHORITY = "Device.X_HOMEPATCH_DeviceAuthority."
ROWS = AUTHORITY + "Certificate."
S1 = "os::0A0B0C-S1"


class Maker:
    """A manufacturer: a root, and IDevIDs for its devices."""

    def __init__(self, directory, name="maker"):
        self.pki = Pki(directory / name, name)
        self.name = name

    def idevid(self, serial, serial_number=True):
        """Certificate and key of the device of that serial number (IEEE 802.1AR)."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Whoever")]
        if serial_number:
            parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
        cert = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(parts))
            .issuer_name(self.pki.cert.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.pki.cert.not_valid_before)
            .not_valid_after(self.pki.cert.not_valid_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self.pki.key, hashes.SHA256())
        )
        return _files(self.pki.dir, f"idevid-{serial}", [cert], key)


def _files(directory, name, certs, key):
    cert_file, key_file = directory / f"{name}.crt", directory / f"{name}.key"
    cert_file.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


def _csr(common_name=None, uri=None, key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(name))
    if uri:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), False)
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)), key


class EnrolHome(UspHome):
    def __init__(self, directory, makers=(), devices=0, **conf):
        super().__init__(directory, transports=())
        self.est_port = free_port()
        self.est = f"https://127.0.0.1:{self.est_port}/.well-known/est"
        self.agent.conf.pop("lan_device_ca_file")
        self.agent.conf["lan_enrol_listen"] = f"127.0.0.1:{self.est_port}"
        self.agent.conf.update(conf)
        if makers:
            file = self.dir / "manufacturers.conf"
            file.write_text(
                "".join(f"manufacturer = {m.name}\noui = 0A0B0C\nroot = {m.pki.ca_file}\n" for m in makers)
            )
            self.agent.conf["lan_enrol_manufacturers_file"] = file
        self.mqtt_controller()

    def lamp(self, endpoint_id=S1, **conf):
        device = self.device(endpoint_id, certificate=False, est_url=self.est, **conf)
        return self.cleanup.add(device)

    def code(self, name=None, lifetime=None):
        args = {**({"Name": name} if name else {}), **({"Lifetime": str(lifetime)} if lifetime else {})}
        return self.operate("CreateCode()", **args)["Code"]

    def refused(self, command, **args):
        """Why a command of the authority fails."""
        ((kind, why),) = self.ctl.operate(AUTHORITY + command, args).values()
        assert kind == "failure", (kind, why)
        return why[1]

    def operate(self, command, **args):
        """The outputs of a command of the authority."""
        ((kind, outputs),) = self.ctl.operate(AUTHORITY + command, args).values()
        assert kind == "output", (kind, outputs)
        return outputs

    def subscribe_events(self):
        self.ctl.subscribe("authority", "Event", AUTHORITY)

    def event(self, name):
        notify = self.ctl.wait_notify(lambda n: n.event.event_name == name, 10, name)
        return dict(notify.event.params)

    def restart_agent(self, kill=False):
        self.agent.restart(kill=kill)
        self.wait_answers(self.ctl)

    def certificates(self, name=None):
        """The rows of the register: {instance: {parameter: value}}."""
        rows = {}
        for path, value in self.ctl.get(ROWS).items():
            number, _, param = path[len(ROWS) :].partition(".")
            rows.setdefault(int(number), {})[param] = value
        return {n: row for n, row in rows.items() if name in (None, row["Name"])}

    def states(self, name=None):
        return [row["Status"] for _, row in sorted(self.certificates(name).items())]

    def ask(self, operation, body=None, code=None, cert=None, content_type="application/pkcs10"):
        """(status, certificates or text) of the EST server; status 0: TLS refused."""
        context = ssl.create_default_context(cafile=self.pki.ca_file)
        if cert:
            context.load_cert_chain(*cert)
        request = urllib.request.Request(f"{self.est}/{operation}", data=body)
        if body is not None:
            request.add_header("Content-Type", content_type)
        if code is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(f":{code}".encode()).decode())
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                data = answer.read()
                if "pkcs7" in answer.headers["Content-Type"]:
                    return answer.status, pkcs7.load_der_pkcs7_certificates(base64.b64decode(data))
                return answer.status, data
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (ssl.SSLError, urllib.error.URLError, ConnectionError) as error:
            return 0, str(error)

    def openssl_verifies(self, certificate):
        folder = self.agent.state_dir / "authority"
        file = self.dir / "verify.pem"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        run = subprocess.run(
            ["openssl", "verify", "-purpose", "sslclient", "-x509_strict", "-crl_check"]
            + ["-CAfile", folder / "ca.pem", "-CRLfile", folder / "crl.pem", file],
            capture_output=True,
            text=True,
        )
        return run.returncode == 0


def _wait_online(home, endpoint_id=S1, online=True):
    row = wait_until(lambda: home.row_of(endpoint_id), 20, f"{endpoint_id} listed")
    want = "true" if online else "false"
    wait_until(lambda: home.ctl.value(row + "Online") == want, 20, f"Online {want}", interval=0.05)
    return row


# -- a device, from nothing to grade A ----------------------------------------------------------


@scenario(timeout=120, needs=NEEDS)
def enrols_with_a_code(directory):
    """It gets a certificate, is grade A with it, renews it, and all of that survives restarts of both sides."""
    home = EnrolHome(directory).start(devices=False)
    home.subscribe_events()
    lamp = home.lamp(enrol_code=home.code(), renew=3).start()
    row = _wait_online(home)
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Grade") == "A"
    first = home.certificates()[1]
    assert first["Authorization"] == "Code" and first["Status"] == "Valid" and first["Name"] == S1, first
    assert first["DeviceRef"] + "." == row and not first["DeviceSerialNumber"], first
    assert home.event("DeviceEnrolled!")["Name"] == S1
    ldevid = lamp.dir / "state" / "ldevid.pem"
    assert stat.S_IMODE(ldevid.stat().st_mode) == 0o600
    old = ldevid.read_bytes()
    wait_until(lambda: len(home.certificates()) == 2, 15, "renewed")
    assert home.certificates()[2]["Authorization"] == "Renewal"
    wait_until(lambda: ldevid.read_bytes() != old, 5, "the new one is kept")
    lamp.stop()
    lamp.conf.pop("enrol_code")  # what it has is enough from now on
    lamp.conf.pop("renew")
    key = home.agent.state_dir / "authority" / "authority.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    fingerprint, before = home.ctl.value(AUTHORITY + "Fingerprint"), home.certificates()
    home.restart_agent()
    assert home.ctl.value(AUTHORITY + "Fingerprint") == fingerprint
    assert home.certificates() == before
    lamp.start()
    _wait_online(home)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def enrols_with_an_idevid(directory):
    """The manufacturer's certificate is enough, and what it says of the device is proven; another maker's is not."""
    maker, stranger = Maker(directory, "Example"), Maker(directory, "Stranger")
    home = EnrolHome(directory, [maker]).start(devices=False)
    files = maker.idevid("S1")
    home.lamp(idevid_file=files[0], idevid_key_file=files[1]).start()
    row = _wait_online(home)
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Grade") == "A"
    fact = home.certificates()[1]
    assert (fact["Authorization"], fact["Manufacturer"], fact["DeviceSerialNumber"]) == ("IDevID", "Example", "S1"), fact
    # A device that says another serial number than its certificate is not taken for what it says.
    files = maker.idevid("S2")
    liar = home.lamp("os::0A0B0C-S2", idevid_file=files[0], idevid_key_file=files[1], serial_number="S9").start()
    row = wait_until(lambda: home.row_of("os::0A0B0C-S9") or _row_quarantined(home), 20, "quarantined")
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Quarantined") == "true"
    assert "serial number" in home.ctl.value(row + "X_HOMEPATCH_Identity.Reason")
    identity = home.ctl.get(row + "X_HOMEPATCH_Identity.")
    told = [identity[row + "X_HOMEPATCH_Identity." + name] for name in ("KnownValue", "ClaimedValue", "SerialNumberProof")]
    assert told == ["S2", "S9", "A,Certificate"], told
    liar.stop()
    # The root of somebody else, a name that is another's, one outside the manufacturer's OUI, no serial number.
    theirs = stranger.idevid("S5")
    assert home.ask("simpleenroll", _csr("os::0A0B0C-S5")[0], cert=theirs)[0] == 0
    for name, cert in (
        ("os::0A0B0C-S1", maker.idevid("S3")),
        ("os::FFFFFF-S3", maker.idevid("S3")),
        ("Stranger-S3", maker.idevid("S3")),
    ):
        status, why = home.ask("simpleenroll", _csr(name)[0], cert=cert)
        assert status == 401 and "not cover" in why, (name, status, why)  # a code would help
    nameless = maker.idevid("S4", serial_number=False)
    assert home.ask("simpleenroll", _csr("os::0A0B0C-S4")[0], cert=nameless)[0] == 403
    status, (leaf,) = home.ask("simpleenroll", _csr("ops::0A0B0C-Lamp-S3")[0], cert=maker.idevid("S3"))
    assert status == 200 and leaf.subject.rfc4514_string() == "CN=ops::0A0B0C-Lamp-S3,2.5.4.5=S3,O=Example", leaf.subject
    # Another maker's root is added while the agent runs.
    with (home.dir / "manufacturers.conf").open("a") as file:
        file.write(f"manufacturer = {stranger.name}\noui = 0A0B0C\nroot = {stranger.pki.ca_file}\n")
    home.agent.signal(signal.SIGHUP)
    wait_until(lambda: home.ask("simpleenroll", _csr("os::0A0B0C-S5")[0], cert=theirs)[0] == 200, 10, "its maker is known")
    home.stop()


def _row_quarantined(home):
    rows = home.ctl.get("Device.ProxiedDevice.*.X_HOMEPATCH_Identity.Quarantined")
    return next((p.split("X_HOME")[0] for p, v in rows.items() if v == "true"), None)


# -- the rules ---------------------------------------------------------------------------------


@scenario(timeout=60, needs=NEEDS)
def codes_serve_once(directory):
    """For one enrolment, for the device they name, for Endpoint IDs that are free; guesses are limited, and told."""
    home = EnrolHome(directory).start(devices=False)
    home.subscribe_events()
    code = home.code()
    assert home.ctl.value(AUTHORITY + "PendingCodes") == "1"
    body, key = _csr(S1)
    assert home.ask("simpleenroll", body)[0] == 401
    assert home.ctl.value(AUTHORITY + "RefusedRequests") == "0"  # it only asked
    for name in ("plain", GATEWAY, "os::0A0B0C-S1/#"):
        assert home.ask("simpleenroll", _csr(name)[0], code)[0] in (400, 403), name
    status, (leaf,) = home.ask("simpleenroll", body, code.lower().replace("-", " "))
    assert status == 200 and home.openssl_verifies(leaf)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URN + S1]
    assert leaf.public_key().public_numbers() == key.public_key().public_numbers()
    assert leaf.serial_number.bit_length() >= 64
    assert home.ask("simpleenroll", body, code)[0] == 401
    assert home.ctl.value(AUTHORITY + "PendingCodes") == "0"
    # The name is taken; a code that names the device replaces its certificate.
    assert home.ask("simpleenroll", body, home.code())[0] == 403
    named = home.code(S1)
    assert home.ask("simpleenroll", _csr("os::0A0B0C-S2")[0], named)[0] == 403
    assert home.ask("simpleenroll", body, named)[0] == 200
    assert home.states() == ["Superseded", "Valid"] and not home.openssl_verifies(leaf)
    # A client of the broker that is no USP agent; the accounts of the gateway itself are nobody's.
    status, (leaf,) = home.ask("simpleenroll", _csr("sensor-7")[0], home.code("sensor-7"))
    assert status == 200 and leaf.subject.rfc4514_string() == "CN=sensor-7"
    assert "gateway" in home.refused("CreateCode()", Name="homepatch")
    # Guessing, with a code that would be right in the end.
    code = home.code()
    statuses = [home.ask("simpleenroll", body, f"0000-000{n}")[0] for n in range(8)]
    assert statuses[0] == 401 and statuses[-1] == 429, statuses
    assert home.ask("simpleenroll", _csr("os::0A0B0C-S5")[0], code)[0] == 429
    assert home.event("EnrolmentRefused!")["Address"] == "127.0.0.1"
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def requests_that_are_wrong(directory):
    """Each costs its sender an answer, and nobody else anything."""
    home = EnrolHome(directory).start(devices=False)
    code = home.code()
    good, key = _csr(S1)
    der = bytearray(base64.b64decode(good))
    der[-5] ^= 1  # of the signature: possession is not proven
    rsa = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "/dev/null", "-subj", f"/CN={S1}"]
        + ["-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout
    for body in (
        b"no base64 at all",
        base64.b64encode(b"no request"),
        base64.b64encode(bytes(der)),
        base64.b64encode(rsa),
        _csr(None)[0],
        _csr(S1, URN + "os::0A0B0C-S2")[0],
        _csr(None, "https://example.com/")[0],
        _csr("a::b::c/d")[0],
        good[:-8],
    ):
        status, why = home.ask("simpleenroll", body, code)
        assert status == 400 and why.strip(), (body, status, why)
    assert home.ask("simpleenroll", good, code, content_type="text/plain")[0] == 415
    assert home.ask("serverkeygen", good, code)[0] == 404
    assert home.ask("simplereenroll", good, code)[0] == 403
    assert home.ask("simpleenroll", b"A" * 9000, code)[0] in (0, 413)
    assert home.ask("../../etc/passwd")[0] == 404
    assert home.ask("simpleenroll", good, code)[0] == 200  # the code was not used up
    status, (authority,) = home.ask("cacerts")
    assert status == 200 and authority.fingerprint(hashes.SHA256()).hex() == home.ctl.value(AUTHORITY + "Fingerprint")
    assert b"X509 CRL" in home.ask("crl.pem")[1] and home.ask("csrattrs")[0] == 200
    home.stop()


# -- the end of a certificate --------------------------------------------------------------------


@scenario(timeout=120, needs=NEEDS)
def revoked_is_out(directory):
    """The session ends, the device is quarantined and stays out, by its old certificates and its maker's, over restarts;
    an operator's code that names it lets it in again."""
    maker = Maker(directory, "Example")
    home = EnrolHome(directory, [maker]).start(devices=False)
    home.subscribe_events()
    files = maker.idevid("S1")
    lamp = home.lamp(idevid_file=files[0], idevid_key_file=files[1], renew=2).start()
    row = _wait_online(home)
    wait_until(lambda: len(home.certificates()) == 2, 15, "renewed")
    ldevid = lamp.dir / "state" / "ldevid.pem"
    body, _ = _csr(S1)
    leaf = x509.load_pem_x509_certificate(ldevid.read_bytes())
    assert home.openssl_verifies(leaf)
    home.operate("Certificate.1.Revoke()")  # the one before: all of the device's go
    _wait_online(home, online=False)
    assert set(home.states(S1)) == {"Revoked"}, home.states()
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Quarantined") == "true"
    assert not home.openssl_verifies(leaf)
    assert home.event("CertificateRevoked!")["Name"] == S1
    lamp.wait_output("closed with 1008", 20)
    assert home.ask("simplereenroll", body, cert=(ldevid, ldevid))[0] == 0
    assert home.ask("simpleenroll", body, cert=files)[0] == 401
    assert home.ask("simpleenroll", _csr("Example-S1")[0], cert=files)[0] == 401  # nor under another name
    home.restart_agent(kill=True)
    assert set(wait_until(lambda: home.states(S1), 20, "the register")) == {"Revoked"}
    assert home.ask("simplereenroll", body, cert=(ldevid, ldevid))[0] == 0
    assert home.ask("simpleenroll", body, cert=files)[0] == 401
    assert home.ctl.value(row + "Online") == "false"
    lamp.stop()
    ldevid.unlink()
    lamp.conf["enrol_code"] = home.code(S1)
    lamp.start()
    _wait_online(home)
    assert home.ctl.value(row + "X_HOMEPATCH_Identity.Quarantined") == "true"  # until the operator has looked
    ((kind, why),) = home.ctl.operate(row + "X_HOMEPATCH_Identity.Release()").values()
    assert kind == "output", why
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def unknown_to_the_register(directory):
    """A certificate that the authority's key has signed, but that is not in the register, is nobody's."""
    home = EnrolHome(directory).start(devices=False)
    home.code()  # the key is there
    pem = (home.agent.state_dir / "authority" / "authority.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    authority = x509.load_pem_x509_certificate(pem)
    own = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, S1)]))
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.not_valid_before)
        .not_valid_after(authority.not_valid_after)
        .sign(key, hashes.SHA256())
    )
    assert home.ask("simplereenroll", _csr(S1)[0], cert=_files(home.dir, "forged", [forged], own))[0] == 0
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def waits_for_the_clock(directory):
    """Nothing is signed before the clock is right, and then everything works."""
    right = directory / "clock-is-right"
    home = EnrolHome(directory, time_file=right).start(devices=False)
    assert home.ctl.value(AUTHORITY + "Status") == "WaitingForClock"
    assert "clock" in home.refused("CreateCode()")
    assert home.ask("cacerts")[0] == 503 and home.ask("simpleenroll", _csr(S1)[0], "0000-0000")[0] == 503
    right.touch()
    assert home.ask("simpleenroll", _csr(S1)[0], home.code())[0] == 200
    assert home.ctl.value(AUTHORITY + "Status") == "Ready"
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def broker_follows_the_list(directory):
    """mosquitto with ca.pem and crl.pem: the certificate is the device's account there, until it was revoked; nobody but the
    agent's hook tells mosquitto."""
    hook, process = directory / "reload", directory / "mosquitto.pid"
    hook.write_text(f'#!/bin/sh\nkill -HUP "$(cat {process})"\n')
    hook.chmod(0o755)
    keys = {"lan_enrol_public_dir": directory / "public", "hook_broker_reload": hook}
    home = EnrolHome(directory, **keys).start(devices=False)
    home.agent.wait_output("hook_broker_reload failed", 10)  # there is no broker yet
    status, (leaf,), key = *home.ask("simpleenroll", (csr := _csr(S1))[0], home.code()), csr[1]
    assert status == 200
    files = _files(home.dir, "client", [leaf], key)
    public = directory / "public"
    extra = ("use_identity_as_username true", f"crlfile {public / 'crl.pem'}")
    server = home.pki.issue("broker")
    broker = home.cleanup.add(Broker(directory, "devices", tls=(public / "ca.pem", *server), extra=extra).start())

    def connects():
        where = ["-h", "127.0.0.1", "-p", str(broker.port), "--cafile", home.pki.ca_file]
        what = ["--cert", files[0], "--key", files[1], "-t", "x", "-m", "y"]
        return subprocess.run(["mosquitto_pub", *where, *what], capture_output=True, timeout=20).returncode == 0

    assert connects()
    assert f"u'{S1}'" in broker.output(), broker.output()
    process.write_text(str(broker.pid))
    home.operate("Certificate.1.Revoke()")
    wait_until(lambda: not connects(), 10, "refused")
    home.agent.wait_output("hook_broker_reload works again", 10)
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def command_line(directory):
    """homepatch enrol prints a code that works, and curl and openssl do as devices."""
    home = EnrolHome(directory)
    sock = home.agent.uds("self::homepatch")["path"]
    home.start(devices=False)
    tool = [program("homepatch"), "--socket", sock]
    code = subprocess.run([*tool, "enrol"], capture_output=True, text=True, check=True).stdout.strip()
    told = json.loads(subprocess.run([*tool, "--json", "enrol", S1], capture_output=True, text=True, check=True).stdout)
    assert len(code) == 9 and len(told["code"]) == 9 and told["until"].endswith("Z"), (code, told)
    run = lambda *args, **how: subprocess.run([*map(str, args)], check=True, capture_output=True, cwd=home.dir, **how)
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "lamp.key")
    run("openssl", "req", "-new", "-key", "lamp.key", "-subj", "/CN=" + S1, "-outform", "DER", "-out", "lamp.der")
    (home.dir / "lamp.b64").write_bytes(base64.encodebytes((home.dir / "lamp.der").read_bytes()))
    p7 = run(
        *["curl", "-sS", "--fail", "--cacert", home.pki.ca_file, "-u", ":" + code],
        *["-H", "Content-Type: application/pkcs10", "--data-binary", "@lamp.b64", home.est + "/simpleenroll"],
    ).stdout
    (home.dir / "lamp.p7").write_bytes(base64.b64decode(p7))
    run("openssl", "pkcs7", "-inform", "DER", "-in", "lamp.p7", "-print_certs", "-out", "lamp.pem")
    out = run(
        *["openssl", "s_client", "-connect", f"127.0.0.1:{home.est_port}", "-cert", "lamp.pem", "-key", "lamp.key"],
        *["-CAfile", home.pki.ca_file, "-verify_return_error", "-ign_eof"],
        input=b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n",
    ).stdout
    assert b"200 OK" in out and b"pkcs7-mime" in out, out
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def one_address_has_few_places(directory):
    """Who holds on to all connections that it gets leaves those of others alone."""
    own_network("10.66.0.1")
    home = EnrolHome(directory)
    home.agent.conf["lan_enrol_listen"] = f"0.0.0.0:{home.est_port}"
    home.start(devices=False)
    assert home.ask("cacerts")[0] == 200
    held = [socket.create_connection(("10.66.0.1", home.est_port), 5, ("10.66.0.9", 0)) for _ in range(80)]
    # No place: closed at once. A place: the server waits for a ClientHello, and nothing comes.
    assert home.ask("cacerts")[0] == 200
    closed = [s for s in held if s.settimeout(0.2) or _is_closed(s)]
    assert len(closed) >= 76, len(closed)
    home.stop()


def _is_closed(sock):
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
