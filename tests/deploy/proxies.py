"""nginx and Caddy with the examples of deploy/proxy: only ports and the certificate are the test's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.deploy.reading import ROOT

FOLDER = ROOT / "deploy" / "proxy"
NAME = "data.example.com"

#: What of nginx.conf stands outside of the example.
AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/main.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log {folder}/other.log;
{example}
}}
"""


@dataclass(frozen=True)
class Example:
    """One of the examples, ready for its program: how that checks it, and how it is run."""

    check: list[str]
    run: list[str]
    #: Where it listens for TLS.
    port: int


def nginx(folder: Path, port: int, plain_port: int, webs: Sequence[int]) -> Example:
    """The example for nginx before web processes on these ports."""
    program = _program("nginx")
    text = _with_webs((FOLDER / "nginx.conf").read_text(), webs)
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "listen 80;", f"listen 127.0.0.1:{plain_port};"
    )
    text = text.replace(f"/etc/ssl/{NAME}", str(folder)).replace("/var/log/nginx", str(folder))
    _make_certificate(folder)
    file = folder / "nginx.conf"
    file.write_text(AROUND.format(folder=folder, example=text))
    command = [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "main.log")]
    return Example([*command, "-t"], command, port)


def caddy(folder: Path, port: int, plain_port: int, webs: Sequence[int]) -> Example:
    """The example for Caddy before web processes on these ports."""
    program = _program("caddy")
    text = _with_webs((FOLDER / "Caddyfile").read_text(), webs)
    text = text.replace("{\n\t# Lines", f"{{\n\tadmin off\n\thttp_port {plain_port}\n\t# Lines", 1)
    _make_certificate(folder)
    certificate = f"\ttls {folder}/fullchain.pem {folder}/privkey.pem\n\tbind 127.0.0.1\n"
    text = text.replace(f"\n{NAME} {{\n", f"\n{NAME}:{port} {{\n{certificate}")
    file = folder / "Caddyfile"
    file.write_text(text)
    options = ["--config", str(file), "--adapter", "caddyfile"]
    return Example([program, "validate", *options], [program, "run", *options], port)


def check(example: Example) -> None:
    """Ask the program itself whether it understands the example."""
    done = subprocess.run(example.check, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr, done.stderr


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def _with_webs(text: str, ports: Sequence[int]) -> str:
    """The example with these ports in place of those of its two web processes."""
    named = sorted(set(re.findall(r"127\.0\.0\.1:(808\d)", text)))
    assert len(named) == len(ports)
    for old, new in zip(named, ports, strict=True):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    return text


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
