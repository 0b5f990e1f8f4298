# shellcheck shell=bash disable=SC2034  # the variables are read by testbed
#
# lb: two load balancers on the segment of four web servers, which answer clients past them, by the router.
#
#    client                          router                          switch
#      eth0 --------------- in0   (forwarding)   out0 --------------- router
#      10.1.0.2 to 9/24     10.1.0.1/24   10.2.0.1/24                  |
#      fd00:1::2 to 9/64    fd00:1::1/64  fd00:2::1/64               lan0 (a bridge)
#                                                                      |
#                 +---------+---------+---------+---------+------------+    ports: lb1 … b4
#                 |         |         |         |         |            |
#               eth0      eth0      eth0      eth0      eth0         eth0
#    10.2.0.…/24  .11       .12       .21       .22       .23          .24
#    fd00:2::…/64 ::11      ::12      ::21      ::22      ::23         ::24
#                lb1       lb2       b1        b2        b3           b4
#                                    lo of each: 10.100.0.10 fd00:100::10
#
# Default routes: all by the router. nginx: b1 to b4.
# 10.100.0.0/24 and fd00:100::/64 are for virtual addresses: the router sends them to lb1 or lb2, by addresses and ports (ECMP).
# Whoever asks on the segment for the ones on lo gets no answer. The balancers forward nothing by themselves.
# A smaller MTU on the way back to the client: `ip link set in0 mtu 1400` in the router alone.

roles=(client router switch lb1 lb2 b1 b2 b3 b4)
forwarding=(router)
servers=(b1 b2 b3 b4)

# One veth pair each: role, interface, role, interface.
cables=(
    'client eth0 router in0'
    'router out0 switch router'
    'lb1 eth0 switch lb1'
    'lb2 eth0 switch lb2'
    'b1 eth0 switch b1'
    'b2 eth0 switch b2'
    'b3 eth0 switch b3'
    'b4 eth0 switch b4'
)

# Ends that have GRO, with --no-offload too: a veth takes what XDP sends only with NAPI (README.md).
receivers=('switch lb1' 'switch lb2')

on_the_segment() { # NUMBER: the addresses and routes of what is behind the switch
    echo "
        address add 10.2.0.$1/24 dev eth0
        address add fd00:2::$1/64 dev eth0 nodad
        route add default via 10.2.0.1
        route add default via fd00:2::1"
}

backend() { # NUMBER
    on_the_segment "$1"
    echo '
        address add 10.100.0.10/32 dev lo
        address add fd00:100::10/128 dev lo nodad'
}

# `ip -batch` lines inside each role; its cables and lo are up by then.
declare -gA setup=(
    [client]="$(for host in {2..9}; do
        echo "address add 10.1.0.$host/24 dev eth0"
        echo "address add fd00:1::$host/64 dev eth0 nodad"
    done)
        route add default via 10.1.0.1 src 10.1.0.2
        route add default via fd00:1::1 src fd00:1::2
    "
    [router]='
        address add 10.1.0.1/24 dev in0
        address add fd00:1::1/64 dev in0 nodad
        address add 10.2.0.1/24 dev out0
        address add fd00:2::1/64 dev out0 nodad
        route add 10.100.0.0/24 nexthop via 10.2.0.11 nexthop via 10.2.0.12
        route add fd00:100::/64 nexthop via fd00:2::11 nexthop via fd00:2::12
    '
    [switch]="
        link add lan0 type bridge mcast_snooping 0
        link set lan0 addrgenmode none up
        $(for port in router lb1 lb2 b1 b2 b3 b4; do echo "link set $port master lan0"; done)
    "
    [lb1]="$(on_the_segment 11)"
    [lb2]="$(on_the_segment 12)"
    [b1]="$(backend 21)"
    [b2]="$(backend 22)"
    [b3]="$(backend 23)"
    [b4]="$(backend 24)"
)

# What is set below /proc/sys/net of a role before its addresses. The router hashes addresses, protocol and ports (policy 3,
# fields 0x37) as hardware does: policy 1 asks the packet for its hash, which over veth is the one that the sender's kernel
# gave to the socket, and gives anew after every timeout.
silent_vip='ipv4/conf/all/arp_ignore=1 ipv4/conf/all/arp_announce=2'
declare -gA sysctls=(
    [router]="$(for family in ipv4 ipv6; do echo -n "$family/fib_multipath_hash_policy=3 $family/fib_multipath_hash_fields=0x37 "; done)"
    [b1]=$silent_vip [b2]=$silent_vip [b3]=$silent_vip [b4]=$silent_vip
)

# `up` is done when this role has reached port 80 of these addresses.
probe_from=client
probe_to=(10.2.0.21 10.2.0.22 10.2.0.23 10.2.0.24 fd00:2::21 fd00:2::22 fd00:2::23 fd00:2::24)
