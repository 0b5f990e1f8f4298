/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow table: what the programs know of the flows that pass.
 *
 * A flow is found by its key in one bucket. A bucket is a lock, a tag for each of its ways (a piece of the
 * hash, in one cache line) and the ways. What changes changes under the bucket's lock, so that no entry is
 * ever torn, lost or there twice. Who only reads takes a copy, and again when the lock has moved meanwhile.
 *
 * Promises: a tag alone never admits a packet: keys are compared in full. A flow is confirmed when the end
 * that has opened it goes on after it was answered, which who has forged a source address cannot do with TCP.
 * Confirmed flows have FW_FLOW_CONFIRMED ways of a bucket, and new ones take none of them: however many
 * arrive, they can push out new flows alone; nor can those from outside push out those that this host opens.
 * The memory is that of the pages, whatever happens.
 */
#ifndef FWCTL_ABI_FLOW_H
#define FWCTL_ABI_FLOW_H

#include <linux/types.h>

#include "fwctl/abi/assert.h"
#include "fwctl/abi/limits.h"

/* What a packet is to its flow: what rules ask for as `state` (docs/conntrack.md). */
enum fw_flow_state {
	FW_STATE_UNTRACKED = 0,
	FW_STATE_NEW = 1,
	FW_STATE_ESTABLISHED = 2,
	FW_STATE_RELATED = 3,
	FW_STATE_INVALID = 4,
};

/*
 * Both ways of a flow have one key: the end with the smaller address, then port, stands first. With ICMP
 * queries it is the end that asks, as both may ask with the same identifier.
 */
struct fw_flow_key {
	__u64 ends[2][2]; /* struct fw_address */
	__u64 rest;	  /* fw_flow_rest() */
};
FW_ASSERT_SIZE(struct fw_flow_key, 40);
enum { FW_FLOW_KEY_WORDS = 5 };

/*
 * Ports of the two ends in host byte order; ICMP queries: the identifier and the type of the question; 0
 * where there are none.
 */
static inline __u64 fw_flow_rest(__u16 first, __u16 second, __u8 protocol, __u8 family)
{
	return first | (__u64)second << 16 | (__u64)protocol << 32 | (__u64)family << 40;
}

/* RFC 9293, section 3.3.2, as it looks from between the two ends. */
enum fw_tcp_state {
	FW_TCP_NONE = 0,
	FW_TCP_SYN_SENT = 1,
	FW_TCP_SYN_RECEIVED = 2, /* the answer to the SYN was seen */
	FW_TCP_ESTABLISHED = 3,
	FW_TCP_FIN_WAIT = 4,	  /* one end has sent a FIN */
	FW_TCP_CLOSE_WAIT = 5,	  /* and the other has acknowledged it */
	FW_TCP_LAST_ACK = 6,	  /* both have sent a FIN */
	FW_TCP_TIME_WAIT = 7,	  /* and the last one was acknowledged */
	FW_TCP_CLOSED = 8,	  /* reset */
	FW_TCP_SYN_SENT_BOTH = 9, /* a simultaneous open */
	FW_TCP_STATES = 10,
};

/* How long a flow stays without a packet. The first ones are those of the states of TCP. */
enum fw_flow_timeout {
	FW_TIMEOUT_UDP_NEW = FW_TCP_STATES,
	FW_TIMEOUT_UDP,
	FW_TIMEOUT_SCTP_NEW,
	FW_TIMEOUT_SCTP,
	FW_TIMEOUT_ICMP,
	FW_TIMEOUT_OTHER,
	FW_TIMEOUT_FRAGMENT, /* the ports of a datagram whose first fragment was seen */
	FW_TIMEOUTS,
};

/* What one end of a TCP connection has sent and may send: sequence numbers. */
struct fw_tcp_end {
	__u32 end;	    /* behind the last octet that it has sent */
	__u32 limit;	    /* behind the last one that the other end has room for */
	__u32 window;	    /* the largest that it has offered, in octets; 0: nothing was seen of it */
	__u32 acknowledged; /* the highest that it has acknowledged, see FW_TCP_HAS_ACKNOWLEDGED */
};

/* What the SYN of an end said, and what is known since. */
struct fw_tcp_terms {
	__u8 scale; /* shift of its windows (RFC 7323) */
	__u8 flags; /* enum fw_tcp_flags */
};
enum fw_tcp_flags {
	FW_TCP_SCALES = 1 << 0,		  /* its SYN had the option */
	FW_TCP_HAS_ACKNOWLEDGED = 1 << 1, /* fw_tcp_end.acknowledged is valid */
	FW_TCP_LIBERAL = 1 << 2,	  /* picked up in the middle: its window is not known */
	FW_TCP_CLOSES = 1 << 3,		  /* it has sent the first FIN */
	FW_TCP_STAMPS = 1 << 4,		  /* its SYN had a timestamp */
};

enum fw_flow_flags {
	FW_FLOW_OPENED_BY_SECOND = 1 << 0, /* the first packet came from the second end of the key */
	FW_FLOW_ANSWERED = 1 << 1,	   /* packets of both ends were seen */
	FW_FLOW_OPENED_BY_BOTH = 1 << 2,   /* TCP: a simultaneous open (RFC 9293, section 3.5) */
	FW_FLOW_CHALLENGED = 1 << 3,	   /* TCP: the next acknowledgment may be a challenge (RFC 5961) */
	FW_FLOW_ASSURED = 1 << 4,	   /* TCP: established, and went on after it was answered */
	FW_FLOW_PROXIED = 1 << 5,	   /* TCP: opened by action synproxy; has a fw_flow_proxy */
	FW_FLOW_OPENING = 1 << 6,	   /* of these: the server has not answered yet */
};

/* Where a packet is seen: an attachment, and enum fw_direction. */
static inline __u16 fw_place_of(__u32 slot, __u32 direction)
{
	return (__u16)(slot << 1 | (direction & 1));
}

/* Of fw_flow.closed_at. */
enum { FW_FLOW_REFUSED = 1 << 15 };

/* The verdict on one way of a flow, as one attachment has given it. */
struct fw_flow_verdict {
	__u32 generation; /* struct fw_now; 0: none */
	__u32 rule;	  /* index of its counters, or FW_NO_RULE */
	__u32 priority;
	__u16 place; /* see fw_place_of() */
	__u8 reason; /* enum fw_reason */
	__u8 tier;   /* enum fw_tier_number */
};
FW_ASSERT_SIZE(struct fw_flow_verdict, 16);

/*
 * A connection that action synproxy has answered in the server's place (docs/synproxy.md). All else that the
 * flow knows of it is in the client's numbers: those that stand in what the client sends and gets.
 */
struct fw_flow_proxy {
	__u32 cookie;	/* the number that the client got as that of the server's SYN */
	__u32 sequence; /* what is added to the server's numbers on their way to the client */
	__u32 time;	/* likewise to its timestamps; while FW_FLOW_OPENING: the one that the client got */
	__u16 window;	/* of the client's ACK, as it stood in the header */
	__u16 slot;	/* of the attachment that has answered: there numbers are translated */
	__u8 flags;	/* enum fw_proxy_flags */
	__u8 client_scale;
	__u8 server_scale;
	__u8 unused[13];
};
FW_ASSERT_SIZE(struct fw_flow_proxy, 32);
enum fw_proxy_flags {
	FW_PROXY_STAMPED = 1 << 0,	 /* both ends send timestamps */
	FW_PROXY_SCALED = 1 << 1,	 /* the client scales windows, and was told FW_PROXY_SCALE */
	FW_PROXY_SERVER_SCALED = 1 << 2, /* so does the server: by server_scale */
};
enum { FW_PROXY_SCALE = 7 };

struct fw_flow {
	struct fw_flow_key key;
	__u32 expires;	/* in ticks, see FW_FLOW_TICK_SHIFT */
	__u8 state;	/* enum fw_tcp_state */
	__u8 flags;	/* enum fw_flow_flags */
	__u8 last_kind; /* of the last segment, enum fw_segment_kind, and who has sent it */
	__u8 last_sender;
	struct fw_tcp_end tcp[2];
	struct fw_tcp_terms terms[2];
	__u16 closed_at;    /* TCP: the place, and 1, where the first FIN was seen, or the reset that answered
			     * the    first segment (FW_FLOW_REFUSED) */
	__u16 again_window; /* of a SYN that was let pass although it did not fit: when it is answered, it was
			     * right */
	__u32 last_end;	    /* behind the last octet of the last segment that was let pass so, or that
			       acknowledged */
	struct fw_tcp_terms again_terms; /* as again_window */
	__u16 slot;			 /* of the attachment that the first packet was seen at */
	union {
		struct fw_flow_verdict verdicts[2]; /* by the end that has sent the packet */
		struct fw_flow_proxy proxy;	    /* with FW_FLOW_PROXIED: then there are no verdicts */
	};
};
FW_ASSERT_SIZE(struct fw_flow, 128);

/* Ticks of CLOCK_MONOTONIC: 2^27 ns, some 134 ms. They come around after 18 years. */
enum { FW_FLOW_TICK_SHIFT = 27 };

/*
 * The ways of a bucket, in this order: for flows that are confirmed, for those that packets on their way out
 * have opened, and for those that others have. Among the first, one that has ended makes room; in the last
 * two one after the other does.
 */
enum {
	FW_FLOW_WAYS = 15,
	FW_FLOW_CONFIRMED = 10,
	FW_FLOW_OPENED_OUT = 2,
	FW_FLOW_OPENED_IN = 3,
};

/* The head stands behind the ways, where a sixteenth would be: what a mask of four bits lets the programs
 * reach stays in the bucket. */
struct fw_flow_bucket {
	struct fw_flow flows[FW_FLOW_WAYS];
	__u32 lock;		  /* odd: taken; grows by two with each change */
	__u32 tags[FW_FLOW_WAYS]; /* 0: free */
	__u32 next[2];		  /* by enum fw_direction: which of the ways for new flows is taken next */
	__u32 unused[14];
};
FW_ASSERT_SIZE(struct fw_flow_bucket, 2048);

struct fw_flow_page {
	struct fw_flow_bucket buckets[FW_FLOW_PAGE_BUCKETS];
};

/* A TCP segment. */
struct fw_segment {
	__u32 sequence;
	__u32 end; /* behind its last octet; SYN and FIN take one each */
	__u32 acknowledgment;
	__u16 window; /* as it stands in the header */
	__u8 flags;
	__u8 kind;		   /* enum fw_segment_kind */
	struct fw_tcp_terms terms; /* of a SYN */
	__u32 time;		   /* likewise, with FW_TCP_STAMPS */
	__u16 here;		   /* the place where it is seen, and 1 */
};

/* What the programs know of a packet while they look for its flow. */
struct fw_following {
	struct fw_flow_key key;
	struct fw_segment segment; /* when has_segment */
	__u32 sender;		   /* which end of the key has sent the packet */
	__u64 hash;		   /* fw_flow_hash() of the key, once the flow was looked up */
	__u32 now;		   /* in ticks */
	__u8 otherwise;		   /* enum fw_flow_state: what the packet is when its flow is not known */
	__u8 protocol;
	__u8 has_segment;
	__u8 is_error;	    /* an ICMP error: the flow is that of the packet which it quotes */
	__u8 direction;	    /* enum fw_direction */
	__u8 recalls;	    /* the packet was followed already: nothing changes */
	__u8 is_part;	    /* a first fragment: its segment is longer */
	__u8 is_translated; /* the segment has other numbers than the packet */
};

/* Room for what would not fit on their stack; by processor. */
struct fw_flow_room {
	struct fw_flow flow; /* one that is made, or a copy to try on */
	struct fw_following following;
	struct fw_flow_verdict verdict; /* of the packet's way; none with FW_PACKET_PROXIED */
	struct fw_flow_proxy proxy;	/* of the packet's flow, with FW_PACKET_PROXIED */
	__u8 is_opening;		/* its FW_FLOW_OPENING */
	__u8 from_client;		/* who has sent the packet; 0 for ICMP errors */
	__u8 client;			/* which end of the key it is */
	/* What who listens may be told of. */
	__u8 happened;	   /* with this packet; bit i: FW_HAPPENED_CONFIRMED + i of enum fw_happening */
	__u8 opener;	   /* which end of the key has opened the flow that the packet is of */
	__u8 pushed_count; /* of those behind, which the packet has pushed out */
	__u8 unused[2];
	struct fw_flow_key pushed[2];
	__u8 pushed_openers[2]; /* as `opener` */
	__u8 unused_2[6];
	__u64 jiffies; /* when the clock was read */
	__u32 tick;    /* and what it was, in ticks */
	__u32 unused_3;
};

/* What became of flows; by processor. */
struct fw_flow_counts {
	__u64 opened;
	__u64 confirmed;
	__u64 displaced; /* new ones that newer ones took the place of */
	__u64 crowded;	 /* packets of flows that no way for confirmed ones was left for */
	__u64 busy;	 /* packets that did not get the bucket's lock, and were taken for invalid */
};

/* Which pages a table has: its first one << 32 | how many buckets. 0: there is none. */
static inline __u64 fw_flow_place_of(__u32 first_page, __u32 buckets)
{
	return (__u64)first_page << 32 | buckets;
}

/*
 * The table, and the one of another size that its flows are moved from. Each is one word, so that a packet
 * never sees half of a change. A flow is moved by the first packet that asks for it, or by the program
 * `fwctl_flows`, under the locks of both buckets, that of the new one first.
 */
struct fw_flow_table {
	__u64 place;
	__u64 old_place; /* 0: none is moved */
	/*
	 * Random. The hash is multilinear: D. Lemire, O. Kaser, "Strongly universal string hashing is fast",
	 * The Computer Journal 57 (2014): who does not know the keys cannot choose flows for one bucket.
	 */
	__u64 keys[2 * FW_FLOW_KEY_WORDS + 1];
};

static inline __u64 fw_flow_hash(const struct fw_flow_key *key, const __u64 *keys)
{
	const __u64 words[FW_FLOW_KEY_WORDS] = {key->ends[0][0], key->ends[0][1], key->ends[1][0],
						key->ends[1][1], key->rest};
	__u64 hash = keys[2 * FW_FLOW_KEY_WORDS];

	for (int i = 0; i < FW_FLOW_KEY_WORDS; i++) {
		hash += keys[2 * i] * (__u32)words[i];
		hash += keys[2 * i + 1] * (words[i] >> 32);
	}
	return hash;
}

static inline __u32 fw_flow_bucket_number(__u64 hash, __u64 place)
{
	return (__u32)((hash >> 32) * (__u32)place >> 32);
}

/* What the program `fwctl_flows` is asked: to move the flows of some buckets. */
struct fw_flow_job {
	__u32 first;
	__u32 count;
	__u32 now;  /* in ticks */
	__u32 left; /* written: flows that are still where they were */
};
FW_ASSERT_SIZE(struct fw_flow_job, 16);

/* The lowest bits of a multilinear hash are weak: they are mixed. Not 0. */
static inline __u32 fw_flow_tag(__u64 hash)
{
	return (__u32)(hash * 0x9e3779b97f4a7c15ull >> 32) | 1;
}

#endif
