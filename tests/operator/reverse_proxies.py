"""Runs the proxies of `deploy/` on free ports of loopback, as any user: ports, addresses and paths are replaced."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import Certificate

DEPLOY = Path(__file__).parents[2] / "deploy"
PATIENCE_S = 20
HOST = "localhost"
"""The host name in the certificate, instead of voice.example.org."""

MAIN_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""
SITE_WITH_A_PATH = """
server {{
    listen 127.0.0.1:443 ssl http2;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    {location}
}}
"""
GLOBAL_CADDY = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"


@dataclass(frozen=True, slots=True)
class RunningProxy:
    """A proxy in front of a server. `origin`: its https address without a slash at the end; `folder`: its files."""

    origin: str
    folder: Path
    process: subprocess.Popen[bytes]

    def logs(self) -> str:
        """Everything that the proxy has written."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def missing(name: str) -> str:
    """Why this proxy cannot be run; empty: it can."""
    return "" if program(name) else f"{name} is not installed (Debian: apt-get install {name})"


def program(name: str) -> str | None:
    """The path of a program; ordinary users of Debian have no /usr/sbin in their PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def nginx_configuration(text: str, port: int, upstream: str, certificate: Certificate) -> str:
    """The file as a user edits it: for other ports, another server and another certificate."""
    text = re.sub(r"^\s*listen \[::\].*\n", "", text, flags=re.M)  # not every machine of tests has IPv6
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = re.sub(r"listen (127\.0\.0\.1:)?443 ", f"listen 127.0.0.1:{port} ", text)
    text = text.replace("server 127.0.0.1:8000;", f"server {upstream};").replace("voice.example.org", HOST)
    text = re.sub(r"ssl_certificate \S+;", f"ssl_certificate {certificate.chain};", text)
    return re.sub(r"ssl_certificate_key \S+;", f"ssl_certificate_key {certificate.key};", text)


@contextmanager
def nginx(folder: Path, upstream: str, certificate: Certificate, *, below_path: bool) -> Generator[RunningProxy]:
    """nginx with `deploy/nginx.conf`, or with `deploy/nginx-path.conf` inside of a site."""
    port = free_port()
    site = (DEPLOY / "nginx.conf").read_text()
    if below_path:
        shared = site[: site.index("server {\n    listen 80;")]
        location = (DEPLOY / "nginx-path.conf").read_text()
        site = shared + SITE_WITH_A_PATH.format(chain="-", key="-", location=location)
    site = nginx_configuration(site, port, upstream, certificate)
    user = "user root;" if os.getuid() == 0 else ""  # only root may have this line
    main = folder / "main.conf"
    main.write_text(MAIN_NGINX.format(user=user, folder=folder, site=site))
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(main)]
    with _running(command, {}, folder, port) as running:
        yield running


@contextmanager
def caddy(folder: Path, upstream: str, certificate: Certificate, *, below_path: bool) -> Generator[RunningProxy]:
    """Caddy with `deploy/Caddyfile` or `deploy/Caddyfile.path`, and a certificate that it need not ask for."""
    port = free_port()
    text = (DEPLOY / ("Caddyfile.path" if below_path else "Caddyfile")).read_text()
    site = re.search(r"^\{\$SITE:.*\} \{\n", text, flags=re.M)
    assert site is not None
    tls = f"\tbind 127.0.0.1\n\ttls {certificate.chain} {certificate.key}\n"
    (folder / "Caddyfile").write_text(GLOBAL_CADDY + text[: site.end()] + tls + text[site.end() :])
    command = [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    environment = {"SITE": f"{HOST}:{port}", "UPSTREAM": upstream, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with _running(command, environment | {"XDG_CONFIG_HOME": str(folder)}, folder, port) as running:
        yield running


PROXIES = {"nginx": nginx, "caddy": caddy}


@contextmanager
def _running(
    command: list[str | None], environment: dict[str, str], folder: Path, port: int
) -> Generator[RunningProxy]:
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [word for word in command if word], env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        running = RunningProxy(f"https://{HOST}:{port}", folder, process)
        _wait_until_it_listens(running, port)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()


def _wait_until_it_listens(running: RunningProxy, port: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        assert running.process.poll() is None, f"the proxy ended:\n{running.logs()}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"the proxy did not listen:\n{running.logs()}")
