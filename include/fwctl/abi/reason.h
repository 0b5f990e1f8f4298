/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verdicts, and the one list of reasons: why a packet got its verdict.
 *
 * The list feeds the programs, the counters, the command line and the documents. Every packet that an
 * enabled attachment sees is counted under exactly one reason, and a reason has exactly one verdict, so
 * that the sum over the reasons equals the packets seen.
 *
 * Order: the numbers are part of the ABI; a new reason goes to the end.
 */
#ifndef FWCTL_ABI_REASON_H
#define FWCTL_ABI_REASON_H

enum fw_verdict {
	FW_PASS = 0,
	FW_DROP = 1,
	FW_REDIRECT = 2, /* left by an interface, past the stack */
};

/* X(identifier, verdict, "name", "what it means to a person") */
#define FW_REASONS(X)                                                                                        \
	X(DEFAULT_ALLOW, FW_PASS, "default-allow", "no rule matched; the default lets it pass")              \
	X(RULE_ALLOW, FW_PASS, "rule-allow", "a rule with action allow matched")                             \
	X(RULE_DENY, FW_DROP, "rule-deny", "a rule with action deny matched")                                \
	X(TRUNCATED_ETHERNET, FW_DROP, "truncated-ethernet", "the frame ends within its Ethernet header")    \
	X(TRUNCATED_VLAN, FW_DROP, "truncated-vlan", "the frame ends within a VLAN tag")                     \
	X(VLAN_DEPTH, FW_DROP, "vlan-depth", "more than two VLAN tags")                                      \
	X(TRUNCATED_IPV4, FW_DROP, "truncated-ipv4", "the packet is shorter than its IPv4 header says")      \
	X(MALFORMED_IPV4, FW_DROP, "malformed-ipv4", "the IPv4 header contradicts itself")                   \
	X(TRUNCATED_IPV6, FW_DROP, "truncated-ipv6", "the packet is shorter than its IPv6 header says")      \
	X(MALFORMED_IPV6, FW_DROP, "malformed-ipv6",                                                         \
	  "the IPv6 header or the order of its extension headers is wrong")                                  \
	X(TRUNCATED_EXTENSION, FW_DROP, "truncated-extension",                                               \
	  "the packet ends within an IPv6 extension header")                                                 \
	X(HEADER_CHAIN, FW_DROP, "header-chain", "more IPv6 extension headers than are walked")              \
	X(TRUNCATED_L4, FW_DROP, "truncated-l4",                                                             \
	  "the packet or its first fragment ends within the TCP, UDP, SCTP or ICMP header")                  \
	X(MALFORMED_TCP, FW_DROP, "malformed-tcp",                                                           \
	  "the TCP data offset is below five words or beyond the segment")                                   \
	X(TINY_FRAGMENT, FW_DROP, "tiny-fragment",                                                           \
	  "a TCP fragment at offset 8 would overwrite the flags (RFC 3128)")                                 \
	X(DEFAULT_DENY, FW_DROP, "default-deny", "no rule matched; the default drops it")                    \
	X(RULE_REJECT, FW_DROP, "rule-reject", "a rule with action reject matched; the sender was told")     \
	X(REJECT_SILENT, FW_DROP, "reject-silent",                                                           \
	  "a rule with action reject matched a packet that must not be answered, or cannot")                 \
	X(REJECT_LIMITED, FW_DROP, "reject-limited",                                                         \
	  "a rule with action reject matched; more answers than are sent in a second")                       \
	X(RULE_REDIRECT, FW_REDIRECT, "rule-redirect", "a rule with action redirect sent it on")             \
	X(REDIRECT_KERNEL, FW_PASS, "redirect-kernel",                                                       \
	  "a rule with a next hop matched; the kernel has to forward it (docs/forward.md)")                  \
	X(REDIRECT_FAILED, FW_DROP, "redirect-failed",                                                       \
	  "a rule with action redirect matched; its interface is not there or does not take it")             \
	X(FORWARDED, FW_REDIRECT, "forwarded", "let in, and sent on past the stack")                         \
	X(OWN_ANSWER, FW_PASS, "own-answer", "what fwctl itself sends: answers, and packets to backends")    \
	X(RULE_SYNPROXY, FW_PASS, "rule-synproxy",                                                           \
	  "a rule with action synproxy matched; part of a connection that was opened")                       \
	X(SYN_COOKIE, FW_DROP, "syn-cookie", "a rule with action synproxy answered a SYN with a cookie")     \
	X(COOKIE_ACCEPTED, FW_PASS, "cookie-accepted",                                                       \
	  "a rule with action synproxy took an ACK's cookie: the server gets a SYN in its place")            \
	X(COOKIE_INVALID, FW_DROP, "cookie-invalid",                                                         \
	  "a rule with action synproxy matched what is no SYN, of no connection and without a cookie")       \
	X(SYNPROXY_FAILED, FW_DROP, "synproxy-failed",                                                       \
	  "a packet that action synproxy cannot answer or translate (docs/synproxy.md)")                     \
	X(BALANCED, FW_REDIRECT, "balanced", "let in, and sent to a backend of its service")                 \
	X(NO_BACKEND, FW_DROP, "no-backend", "let in, and no backend of its service can take it")            \
	X(BALANCE_TOO_LONG, FW_DROP, "balance-too-long",                                                     \
	  "too long for the way to its backend; the sender was told")                                        \
	X(BALANCE_FAILED, FW_DROP, "balance-failed", "there is no way to its backend (docs/balance.md)")     \
	X(BACKEND_DOWN, FW_DROP, "backend-down",                                                             \
	  "part of a connection to a backend that is down; the client was told")                             \
	X(ECHO_ANSWERED, FW_DROP, "echo-answered", "an echo request to a service's address; fwctl answered") \
	X(ANSWER_TRANSLATED, FW_REDIRECT, "answer-translated",                                               \
	  "from a backend by nat or full-nat, and sent to the client as from the service")                   \
	X(NAT_FULL, FW_DROP, "nat-full",                                                                     \
	  "no port is left for the flow, or an ICMP error is about none that is known")                      \
	X(BALANCE_EXPIRED, FW_DROP, "balance-expired",                                                       \
	  "by nat or full-nat, and its TTL has run out here; the sender was told")                           \
	X(ECHO_SILENT, FW_DROP, "echo-silent",                                                               \
	  "an echo request to a service's address that must not be answered, or cannot")                     \
	X(ECHO_LIMITED, FW_DROP, "echo-limited",                                                             \
	  "an echo request to a service's address; more answers than are sent in a second")                  \
	X(UNPACK_FAILED, FW_DROP, "unpack-failed",                                                           \
	  "came in another packet, which could not be taken away (docs/balance.md)")                         \
	X(HEALTH_CHECK, FW_REDIRECT, "health-check",                                                         \
	  "a health check by the agent, sent to its backend as packets of the service are")

enum fw_reason {
#define X(id, verdict, name, text) FW_REASON_##id,
	FW_REASONS(X)
#undef X
		FW_REASON_COUNT,
};

/*
 * The counters of the built-in rules that the parser enforces: they come first in the list of rules.
 * The reasons say more than the rule does.
 */
enum fw_parser_rule {
	FW_RULE_MALFORMED = 0,
	FW_RULE_VLAN_DEPTH = 1,
	FW_RULE_HEADER_CHAIN = 2,
	FW_PARSER_RULES = 3,
};
#define FW_NO_RULE 0xffffffffu /* the default decided */

#endif
