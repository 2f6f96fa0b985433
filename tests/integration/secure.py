"""Brokers with certificates, users and rules, for the tests of who may come in and do what."""

import pathlib
import re
import socket
import ssl
import subprocess

from mqtt_client import DEADLINE, Client
from support.broker import Broker, wait_until

# user:hash as mosquitto_passwd 2.0.11 made them: "secret" for all.
HASH = "$7$101$0BzUDLCgiCp/S/mu$Glb9ZYmx5So0z0CznEBfMxZgOEpaZabb6PGUfp+ZxgVRtX6uN+RBBhBh2sw3PQM8tD/FhrlihGYTyY6pxDKzaA=="


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Certificates:
    """An authority in a folder, and what it has signed: NAME.pem with NAME.key."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "index.txt").touch()
        (self.folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\ncrlnumber=crlnumber\n")
        (self.folder / "crlnumber").write_text("01\n")
        openssl(self.folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
        self.issue("server", "DNS:localhost,IP:127.0.0.1")

    def issue(self, name, alternative=None):
        openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}", *(["-addext", f"subjectAltName={alternative}"] if alternative else []))
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "30", "-copy_extensions", "copy", "-out", f"{name}.pem")
        return self.files(name)

    def files(self, name):
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")

    def revoke(self, *names):
        for name in names:
            openssl(self.folder, "ca", "-config", "ca.cnf", "-revoke", f"{name}.pem", "-keyfile", "ca.key", "-cert", "ca.pem")
        openssl(self.folder, "ca", "-config", "ca.cnf", "-gencrl", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "crl.pem")
        return str(self.folder / "crl.pem")

    @property
    def ca(self):
        return str(self.folder / "ca.pem")


class SecureBroker:
    """A broker whose listeners come from a configuration: {"name": "url and fields"}; `more` is the rest of the file."""

    def __init__(self, folder, listeners, more=""):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "skeinmq.yaml"
        self.config.write_text(more)
        arguments = ["--config", str(self.config)]
        for name, url in listeners.items():
            arguments += ["--listen", f"{url}{'&' if '?' in url else '?'}name={name}"]
        self.running = Broker.start(arguments=arguments, settings={"shards": 2})
        self.names = list(listeners)

    def port(self, name):
        """The first listener is the one that Broker.start() adds."""
        def ports():
            found = re.findall(r"listener\.ready url=\w+://\S+:(\d+)", self.running.log())
            return found if len(found) > len(self.names) else None
        return int(wait_until(ports, DEADLINE, "the listeners are ready")[1 + self.names.index(name)])

    def client(self, listener, version=5, context=None, source=None):
        return SecureClient(("127.0.0.1", self.port(listener)), version, context, source)

    def wait_log(self, text, count=1):
        wait_until(lambda: self.running.log().count(text) >= count, DEADLINE, f"the log says {text!r} {count} times")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.running.__exit__(kind, value, traceback)


class SecureClient(Client):
    """The raw client over TLS, or from another address."""

    def __init__(self, address, version, context=None, source=None):
        plain = socket.create_connection
        if context is None and source is None:
            super().__init__(address, version)
            return

        def connect(where, timeout):
            made = plain(where, timeout=timeout, source_address=(source, 0) if source else None)
            return context.wrap_socket(made, server_hostname="localhost") if context else made

        socket.create_connection = connect
        try:
            super().__init__(address, version)
        finally:
            socket.create_connection = plain

    def expect_gone(self):
        """The server hangs up, whatever it says before."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass


def trusting(ca, certificate=None):
    """A client's TLS context that trusts `ca` and shows `certificate`, (cert file, key file)."""
    context = ssl.create_default_context(cafile=ca)
    if certificate:
        context.load_cert_chain(*certificate)
    return context
