# shellcheck shell=bash disable=SC2034  # the variables are read by testbed
#
# router: a firewall that forwards between two networks.
#
#    client                          fw                           server
#      eth0 ------------- in0    (forwarding)    out0 ------------- eth0
#      10.1.0.2/24   10.1.0.1/24            10.2.0.1/24    10.2.0.2/24
#      fd00:1::2/64  fd00:1::1/64           fd00:2::1/64   fd00:2::2/64
#
# Default routes: client and server by fw. nginx: server.

roles=(client fw server)
forwarding=(fw)
servers=(server)

# One veth pair each: role, interface, role, interface.
cables=(
    'client eth0 fw in0'
    'server eth0 fw out0'
)

# `ip -batch` lines inside each role; its cables and lo are up by then.
declare -gA setup=(
    [client]='
        address add 10.1.0.2/24 dev eth0
        address add fd00:1::2/64 dev eth0 nodad
        route add default via 10.1.0.1
        route add default via fd00:1::1
    '
    [fw]='
        address add 10.1.0.1/24 dev in0
        address add fd00:1::1/64 dev in0 nodad
        address add 10.2.0.1/24 dev out0
        address add fd00:2::1/64 dev out0 nodad
    '
    [server]='
        address add 10.2.0.2/24 dev eth0
        address add fd00:2::2/64 dev eth0 nodad
        route add default via 10.2.0.1
        route add default via fd00:2::1
    '
)

# `up` is done when this role has reached port 80 of these addresses.
probe_from=client
probe_to=(10.2.0.2 fd00:2::2)
