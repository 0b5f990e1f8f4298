#!/bin/bash
# Installs what fwctl is built from, runs with and is tested by, all from Debian 12: the one list of dependencies.
#
#   scripts/install-deps.sh           everything
#   scripts/install-deps.sh --list    prints the names
set -euo pipefail

build=(
	clang-14 llvm-14 bpftool     # the BPF programs and their skeletons
	g++ cmake ninja-build pkg-config
	libbpf-dev libxdp-dev        # loading, attaching, the XDP dispatcher
	libnl-3-dev libnl-route-3-dev # interfaces, qdiscs
	libcap-dev                   # which privileges are missing
	libpcap-dev                  # captures
	libcli11-dev nlohmann-json3-dev libfmt-dev # the command line
	libtomlplusplus-dev          # policies
	libexpected-dev              # Result<T>
	libncurses-dev               # the live view of counters
	libxxhash-dev                # the names of kept policies
	libcurl4-openssl-dev         # health checks by HTTP
	libmicrohttpd-dev            # metrics by HTTP
	libssl-dev                   # a server that speaks TLS, in tests of them
	libgtest-dev
	clang-format-14 clang-format clang-tidy
)
run=(
	iproute2 netbase             # netbase: the names in /etc/services
)
tests=(
	python3-pytest python3-scapy
	nginx-light curl iputils-ping traceroute iperf3 ethtool nftables iptables ipset strace groff-base
	wrk ngtcp2-client ngtcp2-server openssl # what is balanced; HTTP/3
	fail2ban                     # bans through fwctl
	tshark tcpdump               # what others read in captures
	haproxy libnginx-mod-stream ipvsadm conntrack # who else balances, to measure beside
	prometheus                   # promtool: metrics, alert rules
	chromium                     # the page
	xdp-tools                    # another user of XDP, to share an interface with
	qemu-system-x86 busybox-static cpio kmod xz-utils zstd # the oldest kernel
	tmux                         # a terminal for the live view
	shellcheck
)

if [[ ${1:-} == --list ]]; then
	printf '%s\n' "${build[@]}" "${run[@]}" "${tests[@]}"
	exit 0
fi
missing=()
for package in "${build[@]}" "${run[@]}" "${tests[@]}"; do
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
	echo "all packages are installed"
	exit 0
fi
[[ $EUID -eq 0 ]] || { echo "install-deps.sh: needs root to install ${missing[*]}" >&2; exit 1; }
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# A fresh list is only fetched when the one that is there does not do.
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
