"""Holds the direction of dependencies: which folder may include which (ARCHITECTURE.md).

Usage: dependencies.py ROOT. Prints each include that is not allowed, as file:line; exit status 1 if there is one.
"""

import pathlib
import re
import sys

# folder -> the folders whose headers it may include, itself always among them
ALLOWED = {
    "include/fwctl/abi": [],
    "include/fwctl/bpf": ["include/fwctl/abi"],
    "xdp": ["include/fwctl/bpf", "include/fwctl/abi"],
    "tc": ["include/fwctl/bpf", "include/fwctl/abi"],
    "ctl/base": [],
    "ctl/policy": ["ctl/base"],
    "ctl/compile": ["ctl/policy", "ctl/base", "include/fwctl/abi"],
    "ctl/import": ["ctl/policy", "ctl/base"],
    "ctl/analyze": ["ctl/policy", "ctl/base"],
    "ctl/kernel": ["ctl/base", "include/fwctl/abi"],
    "ctl/net": ["ctl/base"],
    "ctl/engine": ["ctl/compile", "ctl/kernel", "ctl/net", "ctl/policy", "ctl/base", "include/fwctl/abi"],
    "ctl/observe": ["ctl/engine", "ctl/compile", "ctl/kernel", "ctl/policy", "ctl/base", "include/fwctl/abi"],
    "ctl/http": ["ctl/base"],
    "ctl/page": ["ctl/http", "ctl/net", "ctl/base"],
    "ctl/agent": ["ctl/observe", "ctl/http", "ctl/engine", "ctl/net", "ctl/policy", "ctl/base", "include/fwctl/abi"],
    "ctl/cli": ["ctl/agent", "ctl/observe", "ctl/http", "ctl/engine", "ctl/analyze", "ctl/import", "ctl/compile", "ctl/policy", "ctl/kernel", "ctl/net", "ctl/base", "include/fwctl/abi"],
}
# libraries that only some folders may know
LIBRARIES = {
    r"bpf/(lib)?bpf\.h|xdp/libxdp\.h": ["ctl/kernel"],
    r"netlink/": ["ctl/net"],
    r"toml\+\+/": ["ctl/policy"],
    r"pcap/": ["ctl/engine", "ctl/observe"],
    r"curl/": ["ctl/agent"],
    r"microhttpd\.h": ["ctl/http"],
    r"CLI/|ncurses": ["ctl/cli"],
    r"nlohmann/": ["ctl/cli", "ctl/engine", "ctl/import", "ctl/observe", "ctl/page"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')


def folder_of_header(root, name):
    """The folder of the project that has the header, or None."""
    for base in ("include", "ctl"):
        path = root / base / name
        if path.exists():
            return str(path.parent.relative_to(root))
    return None


def violations(root):
    for folder, allowed in ALLOWED.items():
        files = sorted(path for path in (root / folder).glob("*") if path.suffix in (".c", ".h", ".cpp"))
        if not files:
            yield f"{folder}: no sources found: is this list out of date?"
        for path in files:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                name = match.group(1)
                where = f"{path.relative_to(root)}:{number}"
                target = folder_of_header(root, name)
                if target and target != folder and target not in allowed:
                    yield f"{where}: {folder} must not include {name} of {target}"
                for pattern, users in LIBRARIES.items():
                    if re.match(pattern, name) and folder not in users:
                        yield f"{where}: only {', '.join(users)} may include {name}"
    known = {*ALLOWED, "ctl"}
    for path in sorted(root.glob("ctl/*")):
        if path.is_dir() and str(path.relative_to(root)) not in known:
            yield f"{path.relative_to(root)}: a folder without a rule"


def main():
    found = list(violations(pathlib.Path(sys.argv[1])))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


main()
