/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Balanced services: how they lie in the bank of the front, and what the programs remember of their flows.
 *
 * A packet's destination is looked up in an index of its own; what comes out is the rows of that address, one
 * for each protocol and range of ports. A row names its service, that a ring of slots. A slot holds the
 * number of a backend, and while the ring is in transition that of the backend which had the slot before.
 *
 * Promises: a number stays with its backend while that is in the policy, and is given to another one late
 * (ctl/compile/numbers.h). docs/balance.md says who gets which packet.
 */
#ifndef FWCTL_ABI_SERVICE_H
#define FWCTL_ABI_SERVICE_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/image.h"
#include "fwctl/abi/limits.h"
#include "fwctl/abi/packet.h"

enum fw_transport {
	FW_BY_L2 = 0,	    /* as it is, to the backend's MAC address */
	FW_BY_IPIP = 1,	    /* RFC 2003, RFC 2473, RFC 4213 */
	FW_BY_GUE = 2,	    /* draft-ietf-intarea-gue-09, variant 0 without optional fields */
	FW_BY_NAT = 3,	    /* with the backend's address and port; answers come back through here */
	FW_BY_FULL_NAT = 4, /* and from an address and a port of this host */
};

/* Four words. The rows of an address follow each other, up to the one with is_last. */
struct fw_service_row {
	__u32 service; /* address of struct fw_service */
	__u16 first_port;
	__u16 last_port;
	__u16 number; /* of the service */
	__u8 protocol;
	__u8 is_last;
	__u8 by_connection; /* not 0: connection ids of QUIC are read, as fw_service.quic says */
	__u8 unused[3];
};
FW_ASSERT_SIZE(struct fw_service_row, 16);

/* Sixteen words, on a multiple of its size. */
struct fw_service {
	__u32 ring;  /* address of `slots` words: number of the backend | number of the former one << 16 */
	__u32 slots; /* a prime */
	__u32 former_until;   /* in ticks: from then on former backends do not count; 0: none does */
	__u32 entry_interval; /* nanoseconds for each new entry of the table */
	__u64 source_mask[2]; /* of the bits by which flows are told apart, in network byte order; IPv6 */
	__u32 source_mask_ipv4;
	__u32 seed;   /* of the ring's hash; the same on all nodes */
	__u16 number; /* index of `service_states` */
	__u16 gue_port;
	__u8 transport; /* enum fw_transport */
	__u8 by_source; /* not 0: flows are told apart by their source alone */
	__u8 down;	/* enum fw_down */
	__u8 unused;
	__u32 members; /* address of the numbers of its backends, a word each, and behind them of its fallback
			  ones */
	__u32 member_count;
	__u32 fallback_count;
	__u32 quic; /* address of struct fw_quic (quic.h); 0: flows alone say where packets go */
};
FW_ASSERT_SIZE(struct fw_service, 64);

/* What becomes of TCP connections to a backend that is down. */
enum fw_down {
	FW_DOWN_MOVE = 0,
	FW_DOWN_KEEP = 1,
	FW_DOWN_RESET = 2,
};

enum fw_backend_flags {
	FW_BACKEND_HAS_IPV4 = 1 << 0,
	FW_BACKEND_HAS_IPV6 = 1 << 1,
	FW_BACKEND_KEEPS = 1 << 2, /* the flows that it has; else they go to others */
	FW_BACKEND_TAKES = 1 << 3, /* new ones, too */
};

/* Sixteen words, at the backend's number. What the kernel's tables say of the way to it, they said when this
 * was written. */
struct fw_backend {
	struct fw_address ipv6;
	struct fw_address ipv6_source; /* ours, in what is encapsulated; 0: there is no way to it */
	__be32 ipv4;
	__be32 ipv4_source;
	__u32 ipv4_ifindex; /* where there is no looking up: forwarding is off in the kernel */
	__u32 ipv6_ifindex;
	__u16 service; /* its number */
	__u8 flags;    /* enum fw_backend_flags; 0: nobody has this number */
	__u8 unused;
	__u16 port; /* that packets are translated to, in host byte order; 0: their own */
	__u8 unused_2[2];
	__u32 service_at; /* address of its struct fw_service */
	__u8 unused_3[4];
};
FW_ASSERT_SIZE(struct fw_backend, 64);

/*
 * What the agent has found out about a backend, by its number: stays when the agent ends, and holds at once,
 * also while a policy is on trial. Beside the bits, of 256 new flows how many others get, as the backend has
 * come up lately.
 */
enum fw_backend_condition {
	FW_CONDITION_DOWN = 1 << 0, /* others get what is for it */
	FW_CONDITION_FAILS =
		1 << 1, /* its checks fail: not read by programs, as in a panic it counts as up */
	FW_CONDITION_KNOWN = 1 << 2, /* it was checked: not read either */
	FW_CONDITION_WITHHELD_SHIFT = 8,
};

struct fw_conditions {
	__u32 of[FW_MAX_BACKENDS];
};

/*
 * Which addresses may be a service's: a bit for each by a hash of its two words, so that a packet to any
 * other one asks no further. Who sends to addresses that share a bit makes them ask, and no more than that.
 */
enum { FW_VIP_BITS = 4096 };

static inline __u32 fw_vip_bit(__u64 first, __u64 second)
{
	return (__u32)((first ^ second) * 0x9e3779b97f4a7c15ull >> 52);
}

/* Part of struct fw_generation; addresses are of the front's bank. */
struct fw_services {
	struct fw_address_index vips; /* from a destination to its rows */
	struct fw_address_index
		unpacked;    /* from a source to what is not 0: what it has encapsulated is unpacked */
	__u32 backends;	     /* address of struct fw_backend[backend_count] */
	__u32 backend_count; /* 0: there are no services */
	__u16 gue_port;	     /* of what is unpacked; 0: nothing is */
	__u16 translates;    /* not 0: there are services by nat or full-nat */
	struct fw_address_index
		answering; /* from a source to what is not 0: a backend of those, whose answers come by */
	__u64 may_be_vip[FW_VIP_BITS / 64];
	/* What the programs do not read: address and bytes of the numbers' text. */
	__u32 numbers;
	__u32 numbers_size;
};

/*
 * The table of placed flows: which backend a flow has. Lines of eight words, one of the processor's cache
 * lines; a keyed hash names the line and the tag. Other than in the table of the firewall's flows a tag alone
 * is enough: it never admits a packet, and two flows of one line share one in 2^32.
 *
 * A word: tag << 32 | backend << 20 | FW_PLACED_* | time in ticks. 0: free. Words are read and written whole,
 * without a lock: of two that write at once the last one wins.
 *
 * The first ways are for flows that have gone on for FW_PLACED_PROOF ticks, the rest for new ones, so that a
 * flood of those does not push out the former. One that was active in the last FW_PLACED_ACTIVE ticks is
 * never pushed out by another.
 */
enum {
	FW_PLACED_WAYS = 8,
	FW_PLACED_KEPT = 6, /* of them */
	FW_PLACED_TIME_BITS = 19,
	FW_PLACED_CLOSING = 1 << 19, /* TCP: the client has sent a FIN or a reset */
	FW_PLACED_BACKEND_SHIFT = 20,
	FW_PLACED_TAG_SHIFT = 32,
};

/*
 * Ticks of CLOCK_MONOTONIC: 2^30 ns, about a second. In a word they come around after six and a half days:
 * the agent frees what is over before.
 */
enum { FW_PLACED_TICK_SHIFT = 30 };
enum {
	FW_PLACED_PROOF = 2,
	FW_PLACED_ACTIVE = 60,
	FW_PLACED_NEW_TIMEOUT = 60,
	FW_PLACED_TCP_TIMEOUT = 7500, /* two hours and four minutes and some (RFC 5382, REQ-5) */
	FW_PLACED_CLOSING_TIMEOUT = 60,
	FW_PLACED_UDP_TIMEOUT = 300, /* RFC 4787, REQ-5 */
};

struct fw_placed_line {
	__u64 words[FW_PLACED_WAYS];
};
FW_ASSERT_SIZE(struct fw_placed_line, 64);

struct fw_placed_page {
	struct fw_placed_line lines[FW_PLACED_PAGE_LINES];
};

/* Of a service, by its number; and by processor what it has counted. */
struct fw_service_state {
	__u64 entries_full; /* token bucket of new entries, as struct fw_answering.full */
};

/* By processor and number of the backend. */
struct fw_backend_count {
	__u64 packets;
	__u64 bytes; /* of IP packets, before encapsulation */
	__u64 flows; /* that it was chosen for: first packets */
};
FW_ASSERT_SIZE(struct fw_backend_count, 24);

/* By processor, for the family of packets and the number of a backend that they go to: what the kernel has
 * said of the way to it last, for a tick, and what the generation says of it. */
struct fw_known_way {
	__u32 tick;
	__u32 ifindex; /* 0: nothing is known */
	__u32 mtu;
	__u8 mac_to[6];
	__u8 mac_from[6];
	struct fw_address to; /* the backend: with its number it may have got another address */
	struct fw_address from;
	__u32 generation; /* its number */
	__u32 service;	  /* address of its struct fw_service in that generation */
	__u16 port;	  /* GUE's; by nat and full-nat that of the backend, 0: the packets' own */
	__u8 transport;	  /* enum fw_transport */
	__u8 way_family;
	__u8 is_due; /* not 0: the kernel is to send one packet by it */
	__u8 unused[3];
};
FW_ASSERT_SIZE(struct fw_known_way, 72);

/* By processor: services that packets were for, by a hash of what they were sent to. */
enum { FW_KNOWN_SERVICES = 64 };

struct fw_known_service {
	struct fw_address vip;
	__u16 port; /* host byte order */
	__u8 protocol;
	__u8 family;
	__u32 generation; /* its number */
	__u32 service;	  /* address of struct fw_service in that generation; 0: nothing is known */
	__u32 unused;
};
FW_ASSERT_SIZE(struct fw_known_service, 32);

struct fw_known_services {
	struct fw_known_service each[FW_KNOWN_SERVICES];
};

/*
 * How many packets of health checks went to a backend by the way of its service, by the family of the
 * service's address and the backend's number. Numbers come around: the agent sees whether they change.
 */
enum fw_check_family {
	FW_CHECK_IPV4 = 0,
	FW_CHECK_IPV6 = 1,
	FW_CHECK_FAMILIES = 2,
};

struct fw_checks {
	__u32 sent[FW_CHECK_FAMILIES][FW_MAX_BACKENDS];
};

/* Two fragments of one packet, when their first one was balanced. */
struct fw_fragment_key {
	struct fw_address source;
	struct fw_address destination;
	__u32 id;
	__u8 protocol; /* IPv4 */
	__u8 family;
	__u8 unused[2];
};
FW_ASSERT_SIZE(struct fw_fragment_key, 40);

struct fw_fragment_way {
	__u32 service; /* its number */
	__u32 backend;
	__u32 tick; /* at which it was noted */
	__u32 is_answer;
	__u32 client_ifindex;
	struct fw_address vip; /* of an answer: what its ends become */
	struct fw_address client;
};
FW_ASSERT_SIZE(struct fw_fragment_way, 52);

/*
 * Translated flows, by the ends of the packets that are translated: where an answer goes (FW_NAT_ANSWER), and
 * with FW_BY_FULL_NAT from which port of ours a client's packets are sent (FW_NAT_WAY). Kept in two tables of
 * the kernel's, each of which pushes out what was used least lately: one for flows that nobody has answered
 * yet, and one to which a flow moves when its client goes on after an answer, so that no flood of new flows
 * pushes those out.
 */
enum fw_nat_table { FW_NAT_NEW = 0, FW_NAT_CONFIRMED = 1, FW_NAT_TABLES = 2 };
enum fw_nat_kind { FW_NAT_ANSWER = 0, FW_NAT_WAY = 1 };

struct fw_nat_key {
	struct fw_address sender;
	struct fw_address receiver;
	__u16 sender_port; /* host byte order */
	__u16 receiver_port;
	__u8 protocol;
	__u8 family;
	__u8 kind; /* enum fw_nat_kind */
	__u8 unused;
};
FW_ASSERT_SIZE(struct fw_nat_key, 40);

struct fw_nat_flow {
	struct fw_address vip;
	struct fw_address client;
	__u16 vip_port; /* host byte order */
	__u16 client_port;
	__u16 backend; /* its number */
	__u16 service;
	__u16 our_port; /* that the backend sees */
	__u8 flags;	/* enum fw_nat_flags */
	__u8 unused;
	__u32 seen;    /* in ticks: the last packet */
	__u32 ifindex; /* that its client's packets come in by */
	__u32 number;  /* TCP: the sequence number of the first answer, which only who gets that knows */
};
FW_ASSERT_SIZE(struct fw_nat_flow, 56);

enum fw_nat_flags {
	FW_NAT_ANSWERED = 1 << 0,
	FW_NAT_CLOSING = 1 << 1, /* TCP: a FIN or a reset was seen */
};

/* A client has seen the answer whose number it acknowledges to so many octets. */
enum { FW_NAT_NEAR = 1 << 20 };

/* Ports of ours, of FW_BY_FULL_NAT: 16,384 from here on, below those that Linux gives to its own sockets
 * (net.ipv4.ip_local_port_range). */
enum { FW_NAT_FIRST_PORT = 0x4000, FW_NAT_PORTS = 0x4000 };

/* The ends of a packet, or of a quoted one. */
struct fw_ends {
	struct fw_address source;
	struct fw_address destination;
	__be16 source_port;
	__be16 destination_port;
} __attribute__((aligned(8)));
FW_ASSERT_SIZE(struct fw_ends, 40);

/* What a packet asks of its service. */
enum fw_asked {
	FW_ASKED_FLOW = 0,     /* it is part of a flow to the service */
	FW_ASKED_ERROR = 1,    /* an ICMP error about such a flow, by a router on the way to the client */
	FW_ASKED_FRAGMENT = 2, /* a later fragment */
	FW_ASKED_ECHO = 3,     /* an echo request to the address */
	FW_ASKED_CHECK = 4,    /* a health check of ours, on its way out: to any port of the address */
	/* From here on: of a flow that was translated, from its backend. */
	FW_ASKED_ANSWER = 5,
	FW_ASKED_ANSWER_ERROR = 6, /* an ICMP error about what the backend was sent */
	FW_ASKED_ANSWER_FRAGMENT = 7,
};

/* The packet that an ICMP error quotes, as far as it is of use. */
struct fw_quote {
	struct fw_address source;
	struct fw_address destination;
	__u16 l4_offset;       /* in the frame */
	__be16 source_or_type; /* the source port; of what has none its type and code */
	__be16 destination_port;
	__u8 protocol;
} __attribute__((aligned(8)));

enum { FW_MAX_OUTER_SIZE = 52 }; /* IPv6, UDP and GUE */

/* Room for what would not fit on the programs' stack; by processor. */
struct fw_balance_room {
	struct fw_address client;
	struct fw_address vip;
	__u64 flow_hash;   /* of the table of placed flows */
	__u64 jiffies;	   /* at which `clock` and `now` were read */
	__u64 clock;	   /* nanoseconds of CLOCK_MONOTONIC */
	__u16 client_port; /* host byte order; 0 where there is none */
	__u16 vip_port;
	__u8 protocol;
	__u8 family;
	__u8 asked;	    /* enum fw_asked */
	__u8 opens;	    /* a first packet: a SYN, or one of a protocol without */
	__u8 by_connection; /* of its row */
	__u32 named;	    /* number of the backend that its connection id names; 0: none */
	/* What was found. */
	__u32 backend;	      /* number; 0: none */
	__u32 slot;	      /* of the ring */
	__u32 now;	      /* in ticks */
	__u16 service_number; /* of a later fragment, or a health check */
	__u8 why;	      /* enum fw_placed_why */
	__u8 resets;	      /* its backend is down: the client is to be told by a reset */
	/* enum fw_family, of `via`: it may be another one than that of `to`; none: the kernel's routes say it
	 */
	__u8 via_family;
	/* The way there. */
	__u32 ifindex;
	__u32 mtu;
	struct fw_address to;	/* the backend */
	struct fw_address from; /* ours, of the outer header */
	struct fw_address via;	/* the neighbour */
	__u8 mac_to[6];
	__u8 mac_from[6];
	__u8 way_family; /* enum fw_family, of `to` */
	__u8 has_neighbour;
	__u8 is_hashed;			/* flow_hash is of this packet */
	__u16 overhead;			/* bytes of the headers to put in front */
	__u32 length;			/* of the packet, from layer 3 to its end */
	__u8 header[FW_MAX_OUTER_SIZE]; /* they, from layer 3 on: IP, and for GUE UDP and GUE */
	/* With translates: the ends of the flow, in the packet's direction, as they are and as they become.
	 */
	struct fw_ends before;
	struct fw_ends after;
	struct fw_quote quote; /* of an ICMP error */
	struct fw_ends quoted; /* of what it quotes, as they become */
	__u32 translates;
	__u32 client_ifindex; /* that the client's packets come in by */
	/* With FW_BY_FULL_NAT: the search for a port of ours. */
	__u32 first_port;
	__u32 holder; /* enum fw_nat_holder (bpf/nat.h), of the one that was tried last */
	__u32 spare;  /* of the ports that were tried one that gives way, and whose it is */
	__u32 spare_holder;
	__u32 number; /* TCP: what the packet acknowledges; the sequence number of an answer */
	struct fw_nat_key answer_key;
	struct fw_nat_key way_key;
	struct fw_nat_flow nat; /* one that is made or moved */
};

/* Why a packet went to that backend; for `explain`. */
enum fw_placed_why {
	FW_PLACED_BY_NOTHING = 0,
	FW_PLACED_BY_TABLE = 1,	   /* its flow is in the table */
	FW_PLACED_BY_RING = 2,	   /* the slot's backend */
	FW_PLACED_BY_FORMER = 3,   /* the one that had the slot before: the flow may have begun there */
	FW_PLACED_BY_FRAGMENT = 4, /* where the first fragment went */
	FW_PLACED_BY_STAND_IN =
		5, /* in the place of the slot's backend, which is down or takes less for now */
	FW_PLACED_BY_CONNECTION = 6, /* its connection id names it */
};

#endif
