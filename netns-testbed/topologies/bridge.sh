# shellcheck shell=bash disable=SC2034  # the variables are read by testbed
#
# bridge: a Docker host with two containers behind docker0, and a machine outside. Forwarding, no NAT.
#
#      web                              client                    "containers"
#      eth0 172.17.0.2/16               eth0 172.17.0.3/16
#       |   fd00:17::2/64                |   fd00:17::3/64
#       |                                |
#   +-- vethweb ---------------------- vethclient --+
#   |       \                            /          |
#   |        docker0 172.17.0.1/16                  |
#   |                fd00:17::1/64                  |
#   |  fw            (forwarding)                   |             "the Docker host"
#   |        eth0    10.7.0.1/24                    |
#   |         |      fd00:7::1/64                   |
#   +---------|-------------------------------------+
#             |
#            eth0    10.7.0.2/24
#      outside       fd00:7::2/64
#
# Default routes: web and client by docker0, outside by fw. nginx: web, client, outside.
# docker0's MAC is fixed, as Docker does it, so that it survives a port that comes or goes.

roles=(fw outside web client)
forwarding=(fw)
servers=(outside web client)

# One veth pair each: role, interface, role, interface.
cables=(
    'web eth0 fw vethweb'
    'client eth0 fw vethclient'
    'outside eth0 fw eth0'
)

# `ip -batch` lines inside each role; its cables and lo are up by then.
declare -gA setup=(
    [fw]='
        link add docker0 address 02:42:ac:11:00:01 type bridge
        link set vethweb master docker0
        link set vethclient master docker0
        link set docker0 up
        address add 172.17.0.1/16 dev docker0
        address add fd00:17::1/64 dev docker0 nodad
        address add 10.7.0.1/24 dev eth0
        address add fd00:7::1/64 dev eth0 nodad
    '
    [outside]='
        address add 10.7.0.2/24 dev eth0
        address add fd00:7::2/64 dev eth0 nodad
        route add default via 10.7.0.1
        route add default via fd00:7::1
    '
    [web]='
        address add 172.17.0.2/16 dev eth0
        address add fd00:17::2/64 dev eth0 nodad
        route add default via 172.17.0.1
        route add default via fd00:17::1
    '
    [client]='
        address add 172.17.0.3/16 dev eth0
        address add fd00:17::3/64 dev eth0 nodad
        route add default via 172.17.0.1
        route add default via fd00:17::1
    '
)

# `up` is done when this role has reached port 80 of these addresses.
probe_from=outside
probe_to=(172.17.0.2 fd00:17::2 172.17.0.3 fd00:17::3)
