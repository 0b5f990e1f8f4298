"""Who balances connections: fwctl in its modes, nftables, and proxies that end each connection and open another one. Each does it on lb1 of
the topology `lb`, for port 80 of one address, with b1 to b4 behind it.
"""

import json
import os
import pathlib
import shutil
import subprocess

from balancer import BALANCERS, SERVERS, WAYS, backend, service, vip
from conftest import until
from links import PROCESSOR
from router import WIRE
from filter import Refused

VIP = vip(4, 10)  # the one that b1 to b4 have on lo
BACKENDS = [f"10.2.0.{number}" for number in SERVERS.values()]
LB = f"10.2.0.{BALANCERS['lb1']}"
STREAM_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")  # Debian's libnginx-mod-stream


class Balancer:
    via = LB  # where the router sends what is for the service
    balances = True
    answers_come_by = False  # the balancer, as they have to be translated back

    def __init__(self, name):
        self.name = name

    def put(self, bed, folder):
        raise NotImplementedError

    def processes(self):
        """Those that balance, beside the kernel."""
        return []

    def over(self):
        """When its bed is no more."""


class Direct(Balancer):
    """Nobody balances: b1 has all."""

    via = BACKENDS[0]
    balances = False

    def put(self, bed, folder):
        pass


class Forwarding(Balancer):
    """The kernel of lb1 sends all on to b1: what the way by lb1 costs alone."""

    balances = False

    def put(self, bed, folder):
        bed.check("lb1", "ip", "route", "add", VIP, "via", BACKENDS[0])


class Fwctl(Balancer):
    def __init__(self, forward, way, shown):
        super().__init__(f"fwctl, {forward}, {shown}")
        self.forward, self.way = forward, WAYS[way]
        self.answers_come_by = forward == "nat"

    def apply(self, bed, role, folder, text):
        path = folder / f"{role}.toml"
        path.write_text(f"version = 1\n{text}{self.way.attach}")
        bed.fwctl(role, "apply", path)

    def put(self, bed, folder):
        if self.way.wire:
            bed.check("switch", WIRE, "--far", "lb1")
        self.apply(bed, "lb1", folder, service("web", [VIP], ["tcp/80"], self.forward, [backend(name, name, [4]) for name in SERVERS]))
        if self.way.wire:
            bed.check("lb1", WIRE, "eth0")
        if self.forward == "ipip":
            for server in SERVERS:
                self.apply(bed, server, folder, f"[decapsulate]\nfrom = {json.dumps([LB])}\n")


class Nftables(Balancer):
    answers_come_by = True

    def put(self, bed, folder):
        places = ", ".join(f"{number} : {place}" for number, place in enumerate(BACKENDS))
        bed.check("lb1", "nft", f"table ip bench {{ chain c {{ type nat hook prerouting priority dstnat; ip daddr {VIP} tcp dport 80 "
                  f"dnat to jhash ip saddr . tcp sport mod {len(BACKENDS)} map {{ {places} }}; }}; }}")


class Proxy(Balancer):
    """A process in the foreground that listens at the service's address."""

    def __init__(self, name, needs):
        super().__init__(name)
        self.needs = needs
        self.process = None

    def words(self, folder):
        raise NotImplementedError

    def put(self, bed, folder):
        if not shutil.which(self.needs) and not pathlib.Path(self.needs).exists():
            raise Refused(f"{self.needs} is not installed")
        bed.check("lb1", "ip", "address", "add", f"{VIP}/32", "dev", "lo")
        # By the variable `testbed down` knows what is to end with it.
        self.process = subprocess.Popen(bed.command("lb1", "taskset", "-c", PROCESSOR, *self.words(folder)), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env={**os.environ, "FWCTL_TESTBED": bed.id})
        until(lambda: f"{VIP}:80" in bed.check("lb1", "ss", "-Hltn"))

    def processes(self):
        return [self.process.pid]

    def over(self):
        if self.process:
            self.process.wait(timeout=10)


class Haproxy(Proxy):
    def words(self, folder):
        path = folder / "haproxy.cfg"
        servers = "".join(f" server b{number} {place}:80\n" for number, place in enumerate(BACKENDS))
        path.write_text(f"global\n nbthread 1\n maxconn 4096\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                        f"listen web\n bind {VIP}:80\n balance roundrobin\n{servers}")
        return ["haproxy", "-db", "-f", path]


class Stream(Proxy):
    def words(self, folder):
        path = folder / "stream.conf"
        servers = "".join(f"server {place}:80;" for place in BACKENDS)
        path.write_text(f"load_module {STREAM_MODULE};\nmaster_process off; daemon off; pid stream.pid; error_log stderr;\n"
                        f"events {{ worker_connections 4096; }}\n"
                        f"stream {{ upstream web {{ {servers} }} server {{ listen {VIP}:80; proxy_pass web; }} }}\n")
        return ["nginx", "-p", folder, "-c", path, "-e", "stderr"]


def balancers():
    """New ones: proxies know their process."""
    fwctl = [Fwctl(forward, way, shown) for way, shown in (("native", "native XDP"), ("tc-no-offload", "TC"))
             for forward in ("l2-dsr", "ipip", "nat", "full-nat")]
    return [Direct("no balancer, one backend"), Forwarding("no balancer, the kernel forwards"), *fwctl, Nftables("nftables, DNAT"), Haproxy("haproxy, mode tcp", "haproxy"),
            Stream("nginx, stream", str(STREAM_MODULE))]


QUICK = {"no balancer, one backend", "fwctl, l2-dsr, native XDP", "fwctl, nat, TC", "nftables, DNAT", "haproxy, mode tcp", "nginx, stream"}
