# shellcheck shell=bash disable=SC2034  # the variables are read by testbed
#
# pair: two machines on one cable.
#
#    a                                b
#      eth0 ----------------------- eth0
#      10.9.0.1/24           10.9.0.2/24
#      fd00:9::1/64         fd00:9::2/64
#
# nginx: b.

roles=(a b)
forwarding=()
servers=(b)

# One veth pair each: role, interface, role, interface.
cables=('a eth0 b eth0')

# `ip -batch` lines inside each role; its cables and lo are up by then.
declare -gA setup=(
    [a]='
        address add 10.9.0.1/24 dev eth0
        address add fd00:9::1/64 dev eth0 nodad
    '
    [b]='
        address add 10.9.0.2/24 dev eth0
        address add fd00:9::2/64 dev eth0 nodad
    '
)

# `up` is done when this role has reached port 80 of these addresses.
probe_from=a
probe_to=(10.9.0.2 fd00:9::2)
