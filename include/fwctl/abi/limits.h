/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every size that the data plane and the command agree on.
 *
 * Promises: one place per bound; a bound that is reached is an error with a message, never a silent cut.
 */
#ifndef FWCTL_ABI_LIMITS_H
#define FWCTL_ABI_LIMITS_H

enum {
	FW_MAX_ATTACHMENTS = 1024, /* interfaces that carry our programs, per network namespace */
	FW_MAX_MATCHES = 256,	   /* matches that all rules together expand to */
	FW_MATCH_WORDS = FW_MAX_MATCHES / 64,
	FW_MAX_RULES = 256,	     /* rules, the built-in ones among them: one counter each */
	FW_MAX_PREFIXES = 16384,     /* entries of the prefix trie: both generations, sides and families */
	FW_POLICY_TEXT_SIZE = 65536, /* bytes of the live rules as TOML, the terminating NUL among them */
	FW_INTERFACE_NAME_SIZE = 16, /* IFNAMSIZ */

	FW_MAX_VLAN_TAGS = 2, /* tags that are looked through; a third is judged by `vlan-depth` */
	FW_MAX_EXTENSION_HEADERS =
		10, /* IPv6 headers that are walked; one more is judged by `header-chain` */
};

#endif
