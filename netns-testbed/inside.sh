#!/bin/bash
# What `testbed up` runs inside a role's network namespace. /proc/sys/net is that namespace's there.
#
#   inside.sh configure FORWARD SYSCTLS OFFLOAD GRO NGINX INTERFACE...   stdin: lines for ip -batch
#       FORWARD 0 or 1; SYSCTLS words like ipv4/conf/all/arp_ignore=1; OFFLOAD yes or no; GRO those of the interfaces
#       that have it in any case; NGINX the directory of the role's web server, or nothing;
#       INTERFACE... the role's ends of cables. Returns when the web server listens.
#   inside.sh reach ADDRESS...
#       Returns when port 80 of each has answered. Waits for ever: the caller limits it.

set -euo pipefail

# A new namespace copies some of the machine's sysctls, so all that matter are set.
set_sysctls() { # FORWARD KEY=VALUE...
    local dir key pair
    cd /proc/sys/net
    echo "$1" >ipv4/ip_forward
    echo "$1" >ipv6/conf/all/forwarding
    for dir in ipv4/conf/*; do echo 0 >"$dir/rp_filter"; done
    for dir in ipv6/conf/*; do
        for key in disable_ipv6 accept_dad accept_ra router_solicitations; do echo 0 >"$dir/$key"; done
    done
    for pair in "${@:2}"; do echo "${pair#*=}" >"${pair%%=*}"; done
}

# What stays must hold neither testbed's lock nor a pipe that its caller waits for.
close_inherited() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [[ $fd -le 2 || $fd -eq 255 ]] || exec {fd}>&- # 255: this script
    done
}

configure() {
    local forward=$1 sysctls gro offload=$3 nginx=$5 interface
    read -ra sysctls <<<"$2"
    read -ra gro <<<"$4"
    shift 5
    set_sysctls "$forward" "${sysctls[@]}"
    ip -batch - >&2
    if [[ $offload == no ]]; then
        for interface; do ethtool -K "$interface" tx off tso off gso off gro off sg off >/dev/null; done
    fi
    for interface in "${gro[@]}"; do ethtool -K "$interface" gro on; done
    if [[ -n $nginx ]]; then
        cd "$nginx"
        (close_inherited && exec nginx -p "$nginx/" -c "$here/nginx.conf" -e "$nginx/error.log")
        until [[ -s nginx.pid ]]; do
            [[ $SECONDS -lt 30 ]]
            sleep 0.01
        done
    fi
}

reach() {
    local address
    for address; do
        until { exec 3<>"/dev/tcp/$address/80"; } 2>/dev/null; do sleep 0.02; done
    done
}

here=$(dirname "$(readlink -f "$0")")
"$@"
