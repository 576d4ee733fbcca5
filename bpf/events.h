/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What events.bpf.c counts of the dma-buf tracepoints, and event_probe.cpp reads once at the end.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "testexp_hist.h"

enum event_hist {
	EVENT_EXPORT,	/* size of the buffer that was made, in bytes */
	EVENT_ATTACH,	/* size of the buffer that an importer attached to, in bytes */
	EVENT_DETACH,	/* from attach to detach, in ns */
	EVENT_HISTS
};

#define MAX_ATTACHED	16384

/**
 * struct event_stats - the events of one CPU
 * @hists: by enum event_hist; the counts are 0, the buckets add up to them
 * @lost: attachments whose time could not be kept, as there are too many
 * @unmatched: attachments that ended and whose beginning was not seen
 */
struct event_stats {
	struct testexp_hist hists[EVENT_HISTS];
	__u64 lost;
	__u64 unmatched;
};

#endif /* EVENTS_H */
