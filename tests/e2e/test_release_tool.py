# SPDX-License-Identifier: BSD-3-Clause
"""`homepatch release` against independent programs: what it signs verifies with cbor2 and cryptography or openssl, and what
those sign it verifies; its command line and exit codes."""

import hashlib
import json
import os
import stat
import subprocess
import uuid

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cli import ENDPOINT, Cli
from hptest import Agent, scenario
from hptest.process import program
from hptest.usp import TOP

NEEDS = ("homepatch",)
RELEASES = "Device.X_HOMEPATCH_Releases."
ES256, EDDSA, ESP256, ED25519 = -7, -8, -9, -19


def run(*words, code=0):
    done = subprocess.run([program("homepatch"), "release", *map(str, words)], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout if code == 0 else done.stderr


def _create(directory, *more):
    image = directory / "image.bin"
    image.write_bytes(b"an image" * 100)
    file = directory / "release.suit"
    run("create", "--vendor", "maker.example", "--version", "1.4.4", "--sequence", 3, "--image", image, "--model",
        "Plus1", *more, file)  # fmt: skip
    return image, file


def _structure(protected, digest):
    return cbor2.dumps(["Signature1", protected, b"", digest])


def _verify(public, algorithm, signature, data):
    if algorithm in (EDDSA, ED25519):
        public.verify(signature, data)
        return
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public.verify(der, data, ec.ECDSA(hashes.SHA256()))


def _public(path):
    text = path.read_bytes()
    return serialization.load_pem_public_key(text[text.index(b"-----BEGIN") :])


@scenario(needs=NEEDS)
def ours_verifies_elsewhere(directory):
    run("keygen", directory / "maker")
    run("keygen", "--ed25519", "--role", "operator", directory / "operator")
    for name in ("maker", "operator"):
        assert stat.S_IMODE(os.stat(directory / f"{name}.key").st_mode) == 0o600
    run("keygen", directory / "maker", code=1)  # a key is not written over
    image, file = _create(directory, "--sever-text", "--description", "Closes a hole")
    run("sign", "--key", directory / "maker.key", file)
    run("co-sign", "--key", directory / "operator.key", file)
    envelope = cbor2.loads(file.read_bytes())
    assert envelope.tag == 107 and set(envelope.value) == {2, 3, 23}
    digest, *blocks = cbor2.loads(envelope.value[2])
    assert cbor2.loads(digest) == [-16, hashlib.sha256(cbor2.dumps(envelope.value[3])).digest()]
    for block, name, algorithm in zip(blocks, ("maker", "operator"), (ESP256, ED25519), strict=True):
        sign1 = cbor2.loads(block)
        protected, unprotected, payload, signature = sign1.value
        public = _public(directory / f"{name}.pem")
        spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        assert sign1.tag == 18 and payload is None and unprotected == {}
        assert cbor2.loads(protected) == {1: algorithm, 4: hashlib.sha256(spki).digest()}
        _verify(public, algorithm, signature, _structure(protected, digest))
    manifest = cbor2.loads(envelope.value[3])
    shared = cbor2.loads(cbor2.loads(manifest[3])[4])
    vendor = uuid.uuid5(uuid.NAMESPACE_DNS, "maker.example")
    assert shared[1][1] == vendor.bytes and shared[1][2] == uuid.uuid5(vendor, "Plus1").bytes
    assert cbor2.loads(shared[1][3]) == [-16, hashlib.sha256(image.read_bytes()).digest()]
    # Deterministic: encoded again by another, it is the same.
    assert cbor2.dumps(manifest, canonical=True) == envelope.value[3]
    assert cbor2.dumps(envelope, canonical=True) == file.read_bytes()


def _sign(private, algorithm, data):
    if algorithm in (EDDSA, ED25519):
        return private.sign(data)
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@scenario(needs=NEEDS)
def theirs_verifies_with_ours(directory):
    """The four algorithms, no key id, as other tools write it; then with another algorithm's id and another key."""
    vendor = uuid.uuid5(uuid.NAMESPACE_DNS, "maker.example")
    digest = cbor2.dumps([-16, hashlib.sha256(b"image").digest()])
    values = {1: vendor.bytes, 2: uuid.uuid5(vendor, "Plus1").bytes, 3: digest, 14: 5}
    shared = cbor2.dumps([20, values, 1, 15, 2, 15])
    install = cbor2.dumps([20, {21: "http://x.example/image"}, 21, 2, 3, 15])
    common = cbor2.dumps({2: [[b"\0"]], 4: shared})
    manifest = cbor2.dumps({1: 1, 2: 9, 3: common, 7: cbor2.dumps([3, 15]), 20: install})
    signed = cbor2.dumps([-16, hashlib.sha256(cbor2.dumps(manifest)).digest()])
    for algorithm in (ES256, ESP256, EDDSA, ED25519):
        curve = algorithm in (ES256, ESP256)
        private = ec.generate_private_key(ec.SECP256R1()) if curve else ed25519.Ed25519PrivateKey.generate()
        anchor = directory / f"{algorithm}.pem"
        anchor.write_bytes(
            private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        file = directory / f"{algorithm}.suit"

        def write(named, file=file, private=private, algorithm=algorithm):
            protected = cbor2.dumps({1: named})
            signature = _sign(private, algorithm, _structure(protected, signed))
            block = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, None, signature]))
            file.write_bytes(cbor2.dumps(cbor2.CBORTag(107, {2: cbor2.dumps([signed, block]), 3: manifest})))

        write(algorithm)
        said = json.loads(run("verify", "--json", "--anchor", anchor, "--vendor", "maker.example", "--model", "Plus1", file))
        assert said["verified"] is True and said["sequence"] == 9 and said["size"] == 5, said
        assert "class" in run("verify", "--anchor", anchor, "--vendor", "maker.example", "--model", "Plus2", file, code=1)
        write(EDDSA if curve else ES256)
        assert "no trust anchor" in run("verify", "--anchor", anchor, file, code=1)
    write(algorithm)
    assert "no trust anchor" in run("verify", "--anchor", directory / f"{ES256}.pem", file, code=1)


@scenario(needs=NEEDS)
def cms_with_openssl(directory):
    """Signed here and verified by openssl, and the other way round; two signers."""
    image, _ = _create(directory)
    file = directory / "release.json"
    run("create", "--cms", "--vendor", "maker.example", "--version", "1", "--sequence", 1, "--image", image, "--model",
        "Plus1", file)  # fmt: skip
    for name in ("one", "two"):
        subprocess.run(
            f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {directory}/{name}.key -out {directory}/{name}.pem "
            f"-subj /CN={name} -days 30 -addext extendedKeyUsage=codeSigning -addext keyUsage=digitalSignature".split(),
            check=True, capture_output=True)  # fmt: skip
        os.chmod(directory / f"{name}.key", 0o600)
    one, two = directory / "one", directory / "two"
    check = f"openssl cms -verify -binary -inform DER -in {file}.p7s -content {file} -purpose any -out {directory}/out"
    run("sign", "--key", f"{one}.key", "--certificate", f"{one}.pem", file)
    subprocess.run([*check.split(), "-CAfile", f"{one}.pem"], check=True, capture_output=True)
    run("co-sign", "--key", f"{two}.key", "--certificate", f"{two}.pem", file)
    both = directory / "both"
    both.write_text((directory / "one.pem").read_text() + (directory / "two.pem").read_text())
    subprocess.run([*check.split(), "-CAfile", both], check=True, capture_output=True)
    said = json.loads(run("verify", "--json", "--anchor", f"{one}.pem", "--anchor", f"{two}.pem", file))
    assert said["signers"] == "one.pem (manufacturer), two.pem (manufacturer)", said
    # Every change of the manifest is refused; of the signature, none changes what is said.
    good, signature = file.read_bytes(), (directory / "release.json.p7s").read_bytes()
    for at in range(0, len(good), 3):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        run("verify", "--anchor", f"{one}.pem", file, code=1)
    for bad in (good[:-1], good + b" ", good + b"{}"):
        file.write_bytes(bad)
        run("verify", "--anchor", f"{one}.pem", file, code=1)
    file.write_bytes(good)
    for bad in (signature[:-1], signature + b"\0", b""):
        (directory / "release.json.p7s").write_bytes(bad)
        run("verify", "--anchor", f"{one}.pem", file, code=1)
    # A certificate that is not for code.
    subprocess.run(
        f"openssl req -x509 -key {one}.key -out {directory}/tls.pem -subj /CN=one -days 30 "
        "-addext extendedKeyUsage=serverAuth".split(), check=True, capture_output=True)  # fmt: skip
    run("sign", "--key", f"{one}.key", "--certificate", directory / "tls.pem", file)
    assert "code signing" in run("verify", "--anchor", directory / "tls.pem", file, code=1)


@scenario(needs=NEEDS)
def command_line(directory):
    run("keygen", directory / "maker")
    image, file = _create(directory, "--inside")
    assert "not signed" in run("verify", "--anchor", directory / "maker.pem", file, code=1)
    assert "sign it first" in run("co-sign", "--key", directory / "maker.key", file, code=1)
    os.chmod(directory / "maker.key", 0o644)
    assert "chmod 600" in run("sign", "--key", directory / "maker.key", file, code=1)
    os.chmod(directory / "maker.key", 0o600)
    run("sign", "--key", directory / "maker.key", file)
    assert "co-sign" in run("sign", "--key", directory / "maker.key", file, code=1)
    run("verify", "--anchor", directory / "maker.pem", "--image", image, file)
    image.write_bytes(b"another")
    assert "is not the image" in run("verify", "--anchor", directory / "maker.pem", "--image", image, file, code=1)
    said = json.loads(run("inspect", "--json", file))
    assert said["sequence"] == 3 and said["signatures"][0]["algorithm"] == "ESP256", said
    assert "condition-vendor-identifier" in run("inspect", file)
    for words in (["create", file], ["sign", file], ["verify", file], ["inspect"], ["inspect", "--what", file]):
        run(*words, code=2)
    run("inspect", directory / "absent", code=1)
    assert "keygen" in run("--help")


def _blocks(name):
    """The code blocks of a document, each as its commands; what is no command (a file, a manifest) is None."""
    blocks, lines = [], []
    for line in [*(TOP / "docs" / name).read_text().splitlines(), ""]:
        if line.startswith("    ") and (lines or line.strip()):
            lines.append(line[4:])
        elif lines:
            text = "\n".join(lines).strip()
            commands = text.replace("\\\n", " ").split("\n")
            blocks.append(commands if text.split()[0] in ("homepatch", "openssl") else None)
            lines = []
    return blocks


def _certificate(directory):
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=maker -days 30 "
        "-addext extendedKeyUsage=codeSigning -addext keyUsage=digitalSignature".split(),
        check=True, capture_output=True, cwd=directory)  # fmt: skip
    os.chmod(directory / "key.pem", 0o600)


@scenario(needs=("homepatchd", "homepatch"))
def as_the_document_says(directory):
    """Every command of docs/releases.md, word for word and in its order, against an agent."""
    agent = Agent(directory / "home")
    socket = agent.uds(ENDPOINT)["path"]
    desk = directory / "desk"
    desk.mkdir()
    (desk / "plus1-1.4.4.zip").write_bytes(b"an image" * 100)
    _certificate(desk)
    env = {**os.environ, "PATH": f"{program('homepatch').parent}:{os.environ['PATH']}", "HOMEPATCH_SOCKET": str(socket)}
    blocks = _blocks("releases.md")
    said = []
    agent.start()
    try:
        for command in (command for block in blocks if block for command in block):
            done = subprocess.run(
                ["sh", "-e"], input=command, cwd=desk, env=env, capture_output=True, text=True, timeout=30
            )
            assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
            said.append((command, done.stdout))
        values = Cli(socket).json("get", RELEASES)["values"]
    finally:
        agent.stop()
    assert len(said) >= 20 and blocks.count(None) == 2, (len(said), blocks)
    verified = [out for command, out in said if command.startswith("homepatch release verify")]
    assert len(verified) == 3 and all("verified: yes" in out for out in verified), verified
    # What the walk-through leaves: who counts, and what is needed.
    rows = {v: p.rsplit(".", 1)[0] for p, v in values.items() if p.endswith(".Name")}
    status = {name: values.get(f"{row}.Status") for name, row in rows.items()}
    assert status == {"maker": "Revoked", "maker-2": "Valid", "operator": "Valid", "Shelly": None}, status
    assert values[rows["Shelly"] + ".RequiredSignatures"] == "ManufacturerAndOperator"
    assert values[RELEASES + "RequiredSignatures"] == "Operator"
    file, anchors = desk / "plus1-1.4.4.suit", ("--anchor", desk / "maker-2.pem", "--anchor", desk / "operator.pem")
    named = ("--vendor", "shelly.com", "--model", "SNSW-001X16EU")
    assert "another vendor" in run("verify", *anchors[:2], *named, "--vendor-name", "Other", file, code=1)
    said = json.loads(run("verify", "--json", *anchors, *named, "--vendor-name", "Shelly", file))
    assert said["signers"] == "operator.pem (operator), maker-2.pem (manufacturer)", said
    run("verify", "--anchor", desk / "cert.pem", desk / "release.json")
    # The key that is to follow counts for its time only, and a time that is none is said.
    assert "has expired" in run("verify", *anchors[:2], "--time", "2031-01-01T00:00:00Z", file, code=1)
    assert "is no time" in run("keygen", "--not-after", "soon", desk / "third", code=2)
