/* SPDX-License-Identifier: GPL-2.0-only */
/* One spelling of the static assertion for the three languages that read these headers: BPF C, C and C++. */
#ifndef FWCTL_ABI_ASSERT_H
#define FWCTL_ABI_ASSERT_H

#ifdef __cplusplus
#define FW_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " is part of the ABI")
#else
#define FW_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " is part of the ABI")
#endif

#endif
