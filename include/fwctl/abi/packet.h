/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parser finds in a packet: the one structure that every stage reads.
 *
 * Promises: all of it is zero unless the packet carries the field. Numbers are in host byte order, addresses
 * in network byte order. Ports and ICMP fields are set only when FW_PACKET_L4 is, which a later fragment
 * never has: it carries payload where the ports would be.
 */
#ifndef FWCTL_ABI_PACKET_H
#define FWCTL_ABI_PACKET_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"

enum fw_direction {
	FW_IN = 0,
	FW_OUT = 1,
	FW_DIRECTIONS = 2,
};

/* The link layer that an attachment's packets start with (ARPHRD_*, see net/interface.h). */
enum fw_link {
	FW_LINK_ETHERNET = 0,
	FW_LINK_IP = 1, /* WireGuard, tun, ppp: the packet starts at the IP header */
};

enum fw_family {
	FW_FAMILY_NONE = 0, /* not IP: only the ethertype is known */
	FW_FAMILY_IPV4 = 4,
	FW_FAMILY_IPV6 = 6,
};

enum fw_fragment {
	FW_FRAGMENT_NONE = 0,
	FW_FRAGMENT_ATOMIC =
		1, /* IPv6: a fragment header at offset 0 without more to come (RFC 6946): whole */
	FW_FRAGMENT_FIRST = 2, /* offset 0 and more to come: has the layer-4 header */
	FW_FRAGMENT_LATER = 3, /* offset above 0: has none */
};

enum fw_packet_flags {
	FW_PACKET_L4 = 1 << 0,	    /* ports or ICMP type and code are valid */
	FW_PACKET_OPENS = 1 << 1,   /* the first of its flow: it is in the table once it was let pass */
	FW_PACKET_PROXIED = 1 << 2, /* its connection was opened by action synproxy */
	/* Invalid, and sent by who has opened a flow that nobody has answered: it may bring a cookie. */
	FW_PACKET_UNANSWERED = 1 << 3,
	FW_PACKET_UNPACKED = 1 << 4,  /* came in another packet */
	FW_PACKET_HANDED_ON = 1 << 6, /* XDP has begun to carry out what it decided; the rest is here */
	FW_PACKET_SERVED = 1 << 5,    /* is for a service, which needs no rule that lets it in */
	FW_PACKET_KNOWN = 1 << 7,     /* that was known from a packet before: there may be a short way */
};

enum { FW_NO_VLAN = 4096 };

/* IPv4 addresses stand in the first four bytes, the rest is zero. */
struct fw_address {
	__u8 bytes[16];
};

struct fw_packet {
	struct fw_address source;
	struct fw_address destination;
	__u64 source_mac;     /* of the frame, the first byte on the wire highest; 0 without a link header */
	__u32 length;	      /* bytes of the frame as this hook sees it, link header included */
	__u32 network_length; /* of them from layer 3 on */
	__u16 ethertype;      /* behind the VLAN tags; below 0x600 it is an IEEE 802.3 length */
	__u16 vlan[2];	      /* tag control information, outermost first */
	__u16 vlan_id;	      /* of the outermost tag; FW_NO_VLAN without one */
	__u16 l3_offset;      /* bytes from the start of the frame */
	__u16 l4_offset;      /* bytes from the start of the frame; 0 when not IP */
	__u16 source_port;    /* TCP, UDP, SCTP */
	__u16 selector;	      /* TCP, UDP, SCTP: destination port; ICMP, ICMPv6: type << 8 | code */
	__u8 vlan_tags;	      /* 0 to 2 */
	__u8 family;	      /* enum fw_family */
	__u8 protocol;	      /* IANA protocol number behind all extension headers */
	__u8 fragment;	      /* enum fw_fragment */
	__u8 flags;	      /* enum fw_packet_flags */
	__u8 tcp_flags;	      /* byte 13 of the TCP header: CWR ECE URG ACK PSH RST SYN FIN */
	__u8 ttl;	      /* IPv4 time to live, IPv6 hop limit */
	__u8 traffic_class;   /* IPv4 TOS, IPv6 traffic class: DSCP << 2 | ECN */
	__u8 extension_count; /* IPv6 extension headers walked */
	__u8 state;	      /* enum fw_flow_state */
	__u8 reserved[2];
	__u32 fragment_id; /* that all fragments of a packet share; 0 where it is none */
	__u32 service;	   /* address of the struct fw_service that it is for; 0: none */
	__u32 unused;
};

FW_ASSERT_SIZE(struct fw_packet, 88);

#endif
