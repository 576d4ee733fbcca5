/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ioctl ABI of dmabuf_testexp. The module, the tests and the benchmarks share this header.
 *
 * There are four kinds of file descriptor:
 *
 *   control     open("/dev/dmabuf_testexp"), needs CAP_SYS_ADMIN (else EPERM)
 *   buffer      an ordinary dma-buf, made by TESTEXP_IOC_CREATE
 *   importer    owns one attachment to a dma-buf, made by TESTEXP_IOC_ATTACH
 *   contention  threads that compete for reservation locks, made by TESTEXP_IOC_CONTEND
 *
 * An object lives exactly as long as its descriptors. Closing the last descriptor undoes
 * everything. The module cannot be unloaded while a descriptor is open.
 *
 * Every struct begins with @size, which the caller sets to sizeof() of the struct, and
 * @flags. Every ioctl can return these errors:
 *
 *   ENOTTY      this kind of descriptor has no such ioctl
 *   EINVAL      @size is smaller than the first version of the struct, a reserved field is
 *               not zero, or a value is out of range
 *   E2BIG       @size is larger than the struct that the module knows, and a byte beyond
 *               that struct is not zero
 *   EOPNOTSUPP  @flags has an unknown bit, or the running kernel cannot do what is asked
 *   EFAULT      a pointer is bad
 *   ENOMEM      the kernel has no memory for the ioctl now
 *   ENOSPC      the ioctl needs memory that would make used_pages of INFO larger than
 *               max_pages
 *
 * A failed ioctl changes nothing, with these exceptions: RESOLVE, MAP and WALK may have
 * written to the caller's arrays, and so may DELIVER, MEASURE and REPORT when they return
 * EFAULT; FILL may have installed the first pages; MOVE may have notified the importers;
 * REVOKE may have revoked the buffer. All offsets and lengths are in pages of 2^page_shift
 * bytes, unless the name of a member says bytes.
 *
 * Waiting. Most calls take the reservation lock of the buffer, so they wait for its holder.
 * The longest holders are a MOVE and a REVOKE that wait for a fence, and a FILL with LOCKED
 * that pauses: TESTEXP_WAIT_MS each; a MOVE also copies the buffer. (A contender holds its
 * locks for TESTEXP_MAX_HOLD_TICKS.) A caller that waits gets the lock after the callers that
 * waited before, and each of those may hold it that long. A signal ends the wait with EINTR in
 * STATS, DESCRIBE, RESTORE, MOVE, ATTACH, AUDIT, FILL with LOCKED, RESOLVE with LOCKED, MAP
 * with KERNEL, and in JOIN with the role HOLD, LOCKED or FENCE_ADD, or with RESOLVE and a path
 * that MEASURE runs under the lock. No signal ends the wait of the following calls, and their
 * callers must allow for that time:
 *
 *   REVOKE	because it promises that the buffer is revoked
 *   RESOLVE, FILL	in the unlocked form of get_pfn
 *   MAP without KERNEL, MEASURE, DELIVER, and JOIN with the role MAP, ATTACH, or RESOLVE
 *	and another path
 *   ATTACH	once more, when the core lists the attachment
 *   RUN	at its end, for the present operations of its contenders
 *   the last close of an importer, also when its process ends: to detach
 *   an access by the CPU to a page that is not mapped yet; the lock of the process's address
 *	space is held during this wait
 */
#ifndef TESTEXP_UAPI_H
#define TESTEXP_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "testexp_hist.h"

#define TESTEXP_DEVICE_NAME	"dmabuf_testexp"
#define TESTEXP_DEVICE_PATH	"/dev/dmabuf_testexp"
/*
 * 4: MEASURE has modes, sequences and more paths; DELIVER; MAP_KERNEL; CONTEND; mmap fails for
 * a buffer that has neither RAM nor MMIO
 * 5: mmap is VM_PFNMAP unless SHOW_PAGES is set, and the flag PFNMAP is gone; vmap, which
 * MAP_KERNEL keeps; INJECT_FENCE; p2p_attaches and invalidations; a signal does not end REVOKE's
 * wait for the lock any more, but ends the wait of STATS, DESCRIBE, ATTACH and RESOLVE with
 * LOCKED; used_pages counts sg_tables and the memory that an ioctl needs while it runs; DELIVER
 * returns @notifies
 */
#define TESTEXP_ABI_VERSION	5

/* --- INFO, on control ---------------------------------------------------- */

#define TESTEXP_FEAT_NATIVE	  0x01u /* the kernel has get_pfn; else the module has it */
#define TESTEXP_FEAT_MOVE_NOTIFY  0x02u /* CONFIG_DMABUF_MOVE_NOTIFY */
#define TESTEXP_FEAT_DMABUF_DEBUG 0x04u /* CONFIG_DMABUF_DEBUG: wrong page links */
#define TESTEXP_FEAT_LOCKDEP	  0x08u /* CONFIG_PROVE_LOCKING */
#define TESTEXP_FEAT_KASAN	  0x10u /* CONFIG_KASAN */
#define TESTEXP_FEAT_NO_DEVICE	  0x20u /* TESTEXP_ATTACH_NO_DEVICE works */
#define TESTEXP_FEAT_NO_MAP	  0x40u /* TESTEXP_CREATE_NO_MAP works */
#define TESTEXP_FEAT_MISUSE	  0x80u /* module parameter allow_misuse=1 */
#define TESTEXP_FEAT_MAP_LOCKED	  0x100u /* the core maps under the reservation lock (6.2) */
#define TESTEXP_FEAT_WALK	  0x200u /* WALK: the kernel has follow_pfnmap_start() (6.12) */
#define TESTEXP_FEAT_HUGE	  0x400u /* TESTEXP_CREATE_HUGE works */

#define TESTEXP_SYMBOL_LEN	48
#define TESTEXP_DEVICE_LEN	48

/**
 * struct testexp_info - what this module can do on this kernel
 * @size: sizeof(struct testexp_info)
 * @flags: 0
 * @abi_version: [out] TESTEXP_ABI_VERSION of the module
 * @features: [out] TESTEXP_FEAT_*
 * @page_shift: [out] log2 of the page size in bytes
 * @max_page_order: [out] largest order of one allocation of the kernel
 * @max_extents: [out] largest number of extents of one buffer, counting repeats
 * @nr_buffers: [out] number of buffers that exist
 * @nr_importers: [out] number of importers that exist
 * @reserved: [out] 0
 * @max_pages: [out] largest number of pages that the module may hold
 * @used_pages: [out] number of pages that the module holds now. These are the RAM of buffers
 *	and all arrays whose length a caller chooses, each rounded up to pages: extents,
 *	tables of FILL, sg_tables while they are mapped (before 6.16 an importer without
 *	DYNAMIC keeps the sg_table of a DYNAMIC or CACHE_SGT buffer), page tables of
 *	MAP_KERNEL, contentions, and the memory that an ioctl needs while it runs. Not
 *	counted are objects of a fixed size that belong to one descriptor, mapping or
 *	fence; each is smaller than a page
 * @clock_khz: [out] frequency of the clock of TESTEXP_IOC_MEASURE. Under an emulator that
 *	counts instructions, the clock counts instructions and this value means nothing
 * @get_pfn_symbol: [out] name of the function that resolves with the reservation lock held
 * @get_pfn_unlocked_symbol: [out] name of the function that takes and drops that lock
 * @poison_violations: [out] number of pages that somebody wrote to after a move had taken them
 *	away, since the module was loaded; a page is checked when it is freed
 * @mmio_pages: [out] number of pages of the BAR of MMIO extents; 0 without a BAR
 * @mmio_bar: [out] that BAR, as the parameter mmio_bar has it: device/number
 * @importer_device: [out] name of the device that importers attach. The device is on the bus
 *	pci if the parameter importer_device is set, else on the bus platform
 */
struct testexp_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 features;
	__u32 page_shift;
	__u32 max_page_order;
	__u32 max_extents;
	__u32 nr_buffers;
	__u32 nr_importers;
	__u32 reserved;
	__u64 max_pages;
	__u64 used_pages;
	__u64 clock_khz;
	char get_pfn_symbol[TESTEXP_SYMBOL_LEN];
	char get_pfn_unlocked_symbol[TESTEXP_SYMBOL_LEN];
	__u64 poison_violations;
	__u64 mmio_pages;
	char mmio_bar[TESTEXP_DEVICE_LEN];
	char importer_device[TESTEXP_DEVICE_LEN];
};

/* --- CREATE, on control -------------------------------------------------- */

enum testexp_extent_type {
	TESTEXP_EXTENT_RAM,	/* pages that the buffer owns, zeroed */
	TESTEXP_EXTENT_HOLE,	/* no pages: get_pfn returns ENXIO */
	TESTEXP_EXTENT_PRIVATE,	/* no PFN for the CPU: get_pfn returns EOPNOTSUPP */
	TESTEXP_EXTENT_MMIO,	/* pages of the BAR that the parameter mmio_bar names */
	TESTEXP_EXTENT_SYNTHETIC, /* PFNs without memory: only get_pfn works */
	TESTEXP_EXTENT_ALIAS,	/* RAM of this buffer once more; its type is RAM */
	TESTEXP_EXTENT_TYPES
};

/* The cache mode of a CPU mapping. RAM: only WB; MMIO: UC or WC; SYNTHETIC: any. */
enum testexp_cache {
	TESTEXP_CACHE_WB,
	TESTEXP_CACHE_UC,
	TESTEXP_CACHE_WC,
	TESTEXP_CACHE_MODES
};

/* Attribute of MMIO and SYNTHETIC: other devices can reach the pages. */
#define TESTEXP_EXTENT_P2P	0x01u
#define TESTEXP_EXTENT_ATTRIBUTES	0x01u

#define TESTEXP_MAX_ALIGN_ORDER	24
/* PFNs of SYNTHETIC extents have at most these bits, so physical addresses fit 64 bits. */
#define TESTEXP_PFN_BITS	52
/* Largest number of MMIO extents of one buffer, not counting repeats. */
#define TESTEXP_MAX_MMIO_EXTENTS	64

/**
 * struct testexp_extent - a run of physically contiguous pages of one kind
 * @nr_pages: length, at least 1
 * @repeat: number of such extents that follow one another, at least 1
 * @type: enum testexp_extent_type
 * @align_order: RAM: the first PFN is @skew modulo 2^@align_order, at most
 *	TESTEXP_MAX_ALIGN_ORDER; else 0
 * @skew: RAM: less than 2^@align_order; else 0
 * @at: place of the first page; repeats follow one after the other. MMIO: page number within
 *	the BAR; SYNTHETIC: PFN; ALIAS: pgoff of RAM in an extent before this one; else 0
 * @cache: enum testexp_cache
 * @attributes: TESTEXP_EXTENT_P2P
 *
 * Neighbours of the same kind that happen to be physically adjacent are one extent to get_pfn,
 * because the contract asks for the exact maximum; see TESTEXP_CREATE_SCATTER. An extent of RAM
 * that needs more than 2^max_page_order pages, including skew and alignment, is gathered from
 * blocks that are neighbours. During this search the module may hold all the memory that
 * max_pages allows.
 */
struct testexp_extent {
	__u64 nr_pages;
	__u64 repeat;
	__u32 type;
	__u32 align_order;
	__u64 skew;
	__u64 at;
	__u32 cache;
	__u32 attributes;
};

#define TESTEXP_CREATE_DYNAMIC	  0x01u /* exporter has pin and unpin */
#define TESTEXP_CREATE_NO_MAP	  0x02u /* no map_dma_buf; native only */
#define TESTEXP_CREATE_NO_GET_PFN 0x04u /* no get_pfn */
#define TESTEXP_CREATE_NO_MMAP	  0x08u /* neither mmap nor vmap */
#define TESTEXP_CREATE_CACHE_SGT  0x10u /* cache_sgt_mapping */
/* Repeats of an extent are in descending physical order, so they never merge; not ALIAS. */
#define TESTEXP_CREATE_SCATTER	  0x20u
/* ATTACH of an importer without move_notify fails with EOPNOTSUPP. */
#define TESTEXP_CREATE_REVOCABLE  0x40u
/* get_pfn checks that the reservation lock is held, also without lockdep. */
#define TESTEXP_CREATE_CHECK_LOCK 0x80u
/*
 * mmap installs a leaf of PMD size wherever an extent of RAM allows it, if address and pgoff
 * have the same alignment.
 */
#define TESTEXP_CREATE_HUGE	  0x200u
/*
 * mmap shows the pages of RAM: the mapping is VM_MIXEDMAP and not VM_PFNMAP. This flag is only
 * for tests that need /proc/self/pagemap or /proc/kpagecount, because a process can pin the
 * pages of such a mapping (O_DIRECT, vmsplice, io_uring). A pin outlasts a revoke and a move,
 * and poison_violations counts pages that are written through it. With HUGE or MMIO this flag
 * is EINVAL.
 */
#define TESTEXP_CREATE_SHOW_PAGES 0x400u
#define TESTEXP_CREATE_FLAGS	  0x6ffu

/* Callbacks of the exporter that fail with ENOMEM, to test the error paths of the core. */
#define TESTEXP_INJECT_PIN	0x01u
#define TESTEXP_INJECT_MAP	0x02u
#define TESTEXP_INJECT_ATTACH	0x04u
/*
 * The attach callback sees that the buffer is not revoked. Then it waits for a REVOKE, for at
 * most TESTEXP_WAIT_MS, and returns to the core, which lists the attachment only now. STATS
 * counts the attachment during this wait.
 */
#define TESTEXP_INJECT_LATE_ATTACH	0x08u
/*
 * The new buffer has a fence of usage KERNEL, as if a copy by DMA was not complete yet. The
 * fence signals after TESTEXP_FENCE_MS. A static importer waits for the fence when the core
 * maps the buffer: in MAP, or in ATTACH to a DYNAMIC buffer.
 */
#define TESTEXP_INJECT_FENCE	0x10u
#define TESTEXP_INJECT_ALL	0x1fu

/**
 * struct testexp_create - make a buffer
 * @size: sizeof(struct testexp_create)
 * @flags: TESTEXP_CREATE_*
 * @extents: user pointer to an array of struct testexp_extent
 * @nr_extents: number of entries in the array, at least 1
 * @inject: TESTEXP_INJECT_*
 * @nr_pages: [out] length of the buffer
 * @fd: [out] dma-buf descriptor, close-on-exec, owned by the caller
 * @reserved: 0
 *
 * mmap of a buffer fails with EOPNOTSUPP when no page of the buffer is RAM or MMIO. Otherwise
 * mmap works, and an access to a page that is neither RAM nor MMIO is SIGBUS. A mapping is
 * VM_PFNMAP: its pages cannot be pinned, and a system call that has to pin them, such as read()
 * with O_DIRECT, fails with EFAULT.
 *
 * Errors: EINVAL for an empty, overflowing or misaligned extent, for an ALIAS of pages that are
 * not RAM, and for flags that contradict each other (NO_MAP with NO_GET_PFN, CACHE_SGT with
 * DYNAMIC or NO_MAP, SHOW_PAGES with HUGE or MMIO); ENODEV for MMIO without a BAR; ENXIO beyond
 * the end of the BAR; EBUSY for pages of the BAR that are in use with another cache mode; ENOSPC
 * over max_pages, max_extents or TESTEXP_MAX_MMIO_EXTENTS; ENOMEM without enough contiguous
 * memory; EINTR when the process is killed.
 */
struct testexp_create {
	__u32 size;
	__u32 flags;
	__u64 extents;
	__u32 nr_extents;
	__u32 inject;
	__u64 nr_pages;
	__s32 fd;
	__u32 reserved;
};

/* --- STATS, REVOKE, RESTORE, MOVE, on control, for a buffer of this module - */

/**
 * struct testexp_stats - what the exporter's callbacks have seen so far
 * @size: sizeof(struct testexp_stats)
 * @flags: 0
 * @fd: buffer; EINVAL when it is not one of this module's
 * @lock_violations: [out] callbacks that ran without the reservation lock
 *	although they must have it (get_pfn with TESTEXP_CREATE_CHECK_LOCK only), and
 *	threads that were where the lock should have kept them out: in get_pfn of such
 *	a buffer, or as contenders with HOLD or LOCKED
 * @pins: [out] successful pin calls
 * @unpins: [out] unpin calls
 * @maps: [out] successful map_dma_buf calls
 * @unmaps: [out] unmap_dma_buf calls
 * @attaches: [out] successful attach calls
 * @detaches: [out] detach calls
 * @get_pfns: [out] get_pfn calls
 * @moves: [out] successful MOVE calls
 * @p2p_attaches: [out] those of @attaches whose importer has allow_peer2peer
 * @invalidations: [out] how often the buffer was taken away from all at once: by REVOKE, or by
 *	MOVE, which may have failed afterwards. Each is one pass over the CPU's mappings and one
 *	call of move_notify for each importer that has it
 *
 * Errors: EINTR when a signal came.
 */
struct testexp_stats {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 lock_violations;
	__u64 pins;
	__u64 unpins;
	__u64 maps;
	__u64 unmaps;
	__u64 attaches;
	__u64 detaches;
	__u64 get_pfns;
	__u64 moves;
	__u64 p2p_attaches;
	__u64 invalidations;
};

/* How long REVOKE, and MOVE unless told otherwise, wait for importers' fences. */
#define TESTEXP_WAIT_MS		10000

/**
 * struct testexp_revoke - take the buffer away from all importers
 * @size: sizeof(struct testexp_revoke)
 * @flags: 0
 * @fd: buffer; EINVAL when it is not one of this module's
 * @reserved: 0
 *
 * Mappings of the CPU are undone and importers notified under the reservation
 * lock, then their fences are waited for; from then on get_pfn, attach, map, and
 * an access of the CPU (SIGBUS) fail with ENODEV. Twice is the same as once. An importer
 * that cannot be notified keeps what it has, and so does one with MAP_KERNEL; the pages
 * stay the buffer's own.
 *
 * Errors: ETIMEDOUT or EINTR when the wait ended before the fences; the buffer
 * is revoked all the same. So no signal, not even one that kills, ends the wait for the
 * lock. That wait lasts as long as all holds before it together; the longest is that of a
 * MOVE: TESTEXP_WAIT_MS and the time to copy the buffer.
 */
struct testexp_revoke {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct testexp_restore - undo a revoke; the pages are where they were
 * @size: sizeof(struct testexp_restore)
 * @flags: 0
 * @fd: buffer; EINVAL when it is not one of this module's, or neither DYNAMIC nor
 *	REVOCABLE, as its importers need not have noticed
 * @reserved: 0
 *
 * Nothing happens to a buffer that is not revoked. EINTR while waiting for the lock.
 */
struct testexp_restore {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/* As TESTEXP_CREATE_SCATTER. */
#define TESTEXP_MOVE_SCATTER	0x01u
#define TESTEXP_MOVE_FLAGS	0x01u

/* What every byte of a page is from when a move took it away until it is freed. */
#define TESTEXP_POISON_BYTE	0xd5

/**
 * struct testexp_move - give the buffer other pages with the same contents
 * @size: sizeof(struct testexp_move)
 * @flags: TESTEXP_MOVE_*
 * @fd: buffer; EINVAL when it is not one of this module's or not DYNAMIC
 * @nr_extents: entries in the array, at least 1
 * @extents: user pointer to an array of struct testexp_extent, as for CREATE, but
 *	without ALIAS; page by page types, cache modes and
 *	attributes must be those the buffer has
 * @timeout_ms: how long to wait for importers' fences, at most TESTEXP_WAIT_MS;
 *	0 for that
 * @reserved: 0
 *
 * Under the reservation lock: undo mappings of the CPU, notify, wait for the
 * fences, copy RAM, change over, poison the old pages. These stay charged until the
 * next move or the end of the buffer; so during a move up to three times its
 * pages are.
 *
 * Errors: as CREATE; ENODEV when revoked; EBUSY while pinned or mapped, by MAP_KERNEL
 * too; EINVAL when the types differ; ETIMEDOUT when a fence did not signal in time, EINTR
 * when a signal came. After an error the buffer is where it was.
 */
struct testexp_move {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 nr_extents;
	__u64 extents;
	__u32 timeout_ms;
	__u32 reserved;
};

/* --- ATTACH, on control, to any dma-buf ---------------------------------- */

#define TESTEXP_ATTACH_DYNAMIC	 0x01u /* importer has move_notify */
#define TESTEXP_ATTACH_NO_DEVICE 0x02u /* no struct device; native only */
/* Both need DYNAMIC, else EINVAL. FENCE: see SIGNAL. */
#define TESTEXP_ATTACH_FENCE	 0x04u /* move_notify adds a fence */
#define TESTEXP_ATTACH_PIN	 0x08u /* pinned by the importer itself, until closed */
/* allow_peer2peer is false, as it is without DYNAMIC. Needs DYNAMIC, else EINVAL. */
#define TESTEXP_ATTACH_NO_P2P	 0x10u
#define TESTEXP_ATTACH_FLAGS	 0x1fu

/**
 * struct testexp_attach - make an importer with one attachment
 * @size: sizeof(struct testexp_attach)
 * @flags: TESTEXP_ATTACH_*
 * @fd: any dma-buf descriptor; EBADF or EINVAL if it is none
 * @importer_fd: [out] close-on-exec, owned by the caller; keeps the buffer alive
 *
 * Errors: as dma_buf_dynamic_attach(); EOPNOTSUPP from this exporter when the
 * buffer has MMIO or TESTEXP_EXTENT_P2P and the importer has not allow_peer2peer;
 * EINTR when a signal came while this exporter or PIN waited for the lock, or the core
 * for a fence of the exporter's own; ENOSPC where attaching maps, as the sg_table is charged.
 */
struct testexp_attach {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__s32 importer_fd;
};

/* --- RESOLVE, MAP: on importer -------------------------------------------- */

/* dma_buf_get_pfn(), one lock hold for up to 512 calls; else the unlocked form. */
#define TESTEXP_RESOLVE_LOCKED	 0x01u
#define TESTEXP_RESOLVE_NO_ORDER 0x02u /* pass NULL for max_order */
#define TESTEXP_RESOLVE_FLAGS	 0x03u

/* What pfn and max_order hold before each call, to see if they were touched. */
#define TESTEXP_UNTOUCHED_PFN	0xdeadbeefdeadbeefULL
#define TESTEXP_UNTOUCHED_ORDER	(-1000)

/**
 * struct testexp_result - what one call answered
 * @pfn: PFN or TESTEXP_UNTOUCHED_PFN
 * @max_order: order or TESTEXP_UNTOUCHED_ORDER
 * @error: 0 or a negative errno
 */
struct testexp_result {
	__u64 pfn;
	__s32 max_order;
	__s32 error;
};

/**
 * struct testexp_resolve - ask for the PFNs at pgoff, pgoff + stride, ...
 * @size: sizeof(struct testexp_resolve)
 * @flags: TESTEXP_RESOLVE_*
 * @pgoff: first page; it may lie beyond the end, the core has to refuse it
 * @count: number of calls, at least 1
 * @stride: pages from one to the next, at least 1
 * @results: user pointer to @count struct testexp_result
 *
 * The ioctl succeeds when every call was made, whatever each answered.
 * Errors: EOVERFLOW if pgoff + (count - 1) * stride wraps; EINTR when killed, or, with
 * LOCKED, when a signal came while it waited for the lock.
 */
struct testexp_resolve {
	__u32 size;
	__u32 flags;
	__u64 pgoff;
	__u64 count;
	__u64 stride;
	__u64 results;
};

/**
 * struct testexp_map_entry - one DMA segment of the mapping
 * @dma_address: as the importer's device sees it
 * @length_bytes: its length
 * @link_pfn: PFN of the page that the entry links to. No importer may look there:
 *	the entry need not be about the same pages as the segment, and
 *	CONFIG_DMABUF_DEBUG makes all links wrong.
 */
struct testexp_map_entry {
	__u64 dma_address;
	__u64 length_bytes;
	__u64 link_pfn;
};

/*
 * dma_buf_vmap() instead; there are no segments. The mapping is kept until the importer is
 * closed, whatever happens to the buffer. Buffers of this module have it when all their
 * pages are RAM, unless NO_MMAP.
 */
#define TESTEXP_MAP_KERNEL	0x01u
#define TESTEXP_MAP_FLAGS	0x01u

/**
 * struct testexp_map - map, copy the segments out, unmap
 * @size: sizeof(struct testexp_map)
 * @flags: TESTEXP_MAP_*
 * @entries: user pointer to room for @capacity struct testexp_map_entry
 * @capacity: entries there is room for
 * @nr_entries: [out] segments there are; also when ENOSPC says they do not fit
 *
 * Errors: as dma_buf_map_attachment(), which of this exporter may be ENOSPC as well, with
 * @nr_entries 0; EINTR when killed, or when a signal came while the core waited for a fence of
 * the exporter's own. With KERNEL as dma_buf_vmap(): EINVAL when the exporter has none, ENODEV
 * when revoked, ENOSPC over max_pages, as its page table is charged, EINTR when a signal came.
 */
struct testexp_map {
	__u32 size;
	__u32 flags;
	__u64 entries;
	__u32 capacity;
	__u32 nr_entries;
};

/* --- DESCRIBE, on importer ------------------------------------------------- */

/**
 * struct testexp_describe - what a page is, without resolving it
 * @size: sizeof(struct testexp_describe)
 * @flags: 0
 * @pgoff: the page
 * @first: [out] first page of the extent it is in, as get_pfn sees extents
 * @nr_pages: [out] pages of that extent
 * @type: [out] enum testexp_extent_type
 * @cache: [out] enum testexp_cache
 * @attributes: [out] TESTEXP_EXTENT_*
 * @reserved: 0
 *
 * What an importer has to know before it may map a PFN, and get_pfn cannot tell.
 *
 * Errors: EINVAL beyond the end, or when the buffer is not one of this module's;
 * ENODEV when revoked; EINTR when a signal came.
 */
struct testexp_describe {
	__u32 size;
	__u32 flags;
	__u64 pgoff;
	__u64 first;
	__u64 nr_pages;
	__u32 type;
	__u32 cache;
	__u32 attributes;
	__u32 reserved;
};

/* --- WALK, on control ------------------------------------------------------ */

#define TESTEXP_WALK_FAULT_IN	0x01u /* fault in for writing what is not there */
#define TESTEXP_WALK_FLAGS	0x01u

/**
 * struct testexp_walked - what the page table has for one page
 * @pfn: PFN; 0 with an error
 * @cache: enum testexp_cache, from the bits of the entry
 * @error: 0 or a negative errno: EFAULT where nothing is mapped, EINVAL where it
 *	is not VM_PFNMAP, EAGAIN when other threads take each page that is faulted in
 */
struct testexp_walked {
	__u64 pfn;
	__u32 cache;
	__s32 error;
};

/**
 * struct testexp_walk - look at the caller's page table, as KVM and VFIO do
 * @size: sizeof(struct testexp_walk)
 * @flags: TESTEXP_WALK_*
 * @address: of the caller; a multiple of the page size
 * @count: number of pages, at least 1
 * @results: user pointer to @count struct testexp_walked
 *
 * Each page by follow_pfnmap_start(). The ioctl succeeds when every page was
 * looked at.
 *
 * Errors: EOPNOTSUPP before 6.12; EOVERFLOW if the end of the range wraps; EINTR
 * when killed.
 */
struct testexp_walk {
	__u32 size;
	__u32 flags;
	__u64 address;
	__u64 count;
	__u64 results;
};

/* --- FILL, AUDIT, USE, SIGNAL: the importer's own page table ---------------- */

/* The table has a place for each of so many first pages of the buffer. */
#define TESTEXP_TABLE_PAGES	65536

/*
 * How a PFN gets into the table. move_notify drops all entries under the table's
 * lock, which nests inside the reservation lock.
 */
enum testexp_fill_mode {
	/* Resolve and install under one hold of the reservation lock. */
	TESTEXP_FILL_LOCKED,
	/* Resolve unlocked; install unless move_notify came meanwhile, else again. */
	TESTEXP_FILL_SEQ_RETRY,
	/* Resolve unlocked, then install: wrong, the negative control. */
	TESTEXP_FILL_NAIVE,
	TESTEXP_FILL_MODES
};

/*
 * Between resolving and installing the first page, wait until move_notify has
 * come or @pause_ms are over; not again when it retries. poll() says POLLIN
 * while it waits.
 */
#define TESTEXP_FILL_PAUSE	0x01u
#define TESTEXP_FILL_FLAGS	0x01u

#define TESTEXP_FILL_RETRIES	1000

/**
 * struct testexp_fill - resolve pages and install them in the table
 * @size: sizeof(struct testexp_fill)
 * @flags: TESTEXP_FILL_*
 * @mode: enum testexp_fill_mode
 * @pause_ms: with PAUSE: 1 to TESTEXP_WAIT_MS; else 0
 * @pgoff: first page
 * @count: number of pages, at least 1; all inside the table and the buffer
 * @installed: [out] entries installed
 * @retries: [out] how often SEQ_RETRY had to resolve again
 * @notified: [out] how often move_notify came between the beginning of a resolve and
 *	its install
 *
 * Errors: what get_pfn returned; EAGAIN after TESTEXP_FILL_RETRIES for one page;
 * ENOSPC over max_pages, as the table is charged; EINTR when killed, for LOCKED
 * when a signal came.
 */
struct testexp_fill {
	__u32 size;
	__u32 flags;
	__u32 mode;
	__u32 pause_ms;
	__u64 pgoff;
	__u64 count;
	__u64 installed;
	__u64 retries;
	__u64 notified;
};

/**
 * struct testexp_audit - compare the table with what get_pfn says now
 * @size: sizeof(struct testexp_audit)
 * @flags: 0
 * @entries: [out] entries in the table
 * @stale: [out] those of them for which get_pfn now fails or returns another PFN
 *	or a smaller order
 * @notifies: [out] how often move_notify was called
 *
 * All under one hold of the reservation lock, then the table's. Errors: EINTR.
 */
struct testexp_audit {
	__u32 size;
	__u32 flags;
	__u64 entries;
	__u64 stale;
	__u64 notifies;
};

#define TESTEXP_USE_WRITE	0x01u /* add 1 to the second word of each page */
#define TESTEXP_USE_FLAGS	0x01u

/**
 * struct testexp_use - access the pages that the table points to
 * @size: sizeof(struct testexp_use)
 * @flags: TESTEXP_USE_*
 * @signature: the first 64-bit word of page pgoff must be @signature + pgoff
 * @used: [out] entries in the table
 * @poisoned: [out] pages whose first word is poison
 * @wrong: [out] pages whose first word is neither
 * @gone: [out] entries that point to pages the buffer no longer owns at all, or
 *	that are not RAM; these are not touched
 * @notifies: [out] as in AUDIT
 *
 * Under the table's lock only, as a device would: it does not wait for a move.
 *
 * Errors: EINVAL when the buffer is not one of this module's; EINTR when killed.
 */
struct testexp_use {
	__u32 size;
	__u32 flags;
	__u64 signature;
	__u64 used;
	__u64 poisoned;
	__u64 wrong;
	__u64 gone;
	__u64 notifies;
};

/* A fence that nobody signals does so by itself after this time, as all must. */
#define TESTEXP_FENCE_MS	2000

/**
 * struct testexp_signal - signal the importer's fence
 * @size: sizeof(struct testexp_signal)
 * @flags: 0
 * @pending: [out] 1 if there was one to signal, else 0
 * @reserved: 0
 *
 * An importer with TESTEXP_ATTACH_FENCE is like a device that goes on with what it
 * has begun: move_notify leaves the entries and adds a fence to the buffer; they
 * are dropped, just before the fence signals, at SIGNAL, when the importer is
 * closed, or after TESTEXP_FENCE_MS (then with the error ETIMEDOUT). poll() says
 * POLLPRI while a fence is pending.
 */
struct testexp_signal {
	__u32 size;
	__u32 flags;
	__u32 pending;
	__u32 reserved;
};

/* --- MEASURE, DELIVER: on importer ------------------------------------------- */

/* What one operation of a path is, and how many pages it delivers. */
enum testexp_path {
	TESTEXP_PATH_EMPTY,		/* baseline: the loop alone; 0 pages */
	TESTEXP_PATH_LOCK_UNLOCK,	/* baseline: reservation lock + unlock; 0 pages */
	TESTEXP_PATH_GET_PFN,		/* one unlocked call for the next page */
	TESTEXP_PATH_GET_PFN_STRIDE,	/* one unlocked call, then on by 2^max_order */
	TESTEXP_PATH_GET_PFN_BATCH,	/* one locked call; one lock hold per batch */
	TESTEXP_PATH_SGT_MAP,		/* map, walk and unmap the whole buffer */
	/* baseline: the exporter's callback alone, one lock hold per batch */
	TESTEXP_PATH_EXPORTER_OP,
	/* The next DMA segment of a mapping that is made before and kept. */
	TESTEXP_PATH_SGT_CACHED,
	/* The next page of such a mapping, and its PFN from the DMA address. */
	TESTEXP_PATH_SGT_DMA_TO_PHYS,
	/*
	 * The next page by follow_pfnmap_start(), from the caller's mapping of the
	 * buffer at @address, as KVM does it. All of the window is faulted in before,
	 * and must be in leaves of this size, else ENODATA.
	 */
	TESTEXP_PATH_FOLLOW_PFNMAP_PTE,
	TESTEXP_PATH_FOLLOW_PFNMAP_PMD,
	/*
	 * The same, but the window is zapped before each batch, which is not timed, so
	 * that each page is asked for once; a batch may be no longer than the window.
	 * With MADV_RANDOM each page costs a fault, else the exporter's faults map
	 * some of its neighbours, too.
	 */
	TESTEXP_PATH_FOLLOW_PFNMAP_COLD,
	/*
	 * The whole buffer's list of physical ranges, made by the exporter, and walked: all
	 * of it under one hold of the reservation lock.
	 */
	TESTEXP_PATH_PHYS_LIST,
	TESTEXP_PATHS
};

/* Which page is next. SGT_*, PHYS_LIST and GET_PFN_STRIDE know FORWARD only. */
enum testexp_sequence {
	TESTEXP_SEQUENCE_FORWARD,	/* the next one */
	TESTEXP_SEQUENCE_STRIDED,	/* on by @stride, at the end from the first page again */
	/*
	 * As a linear congruential generator says, always the same one; each page once
	 * before any comes again. The window must be a power of two.
	 */
	TESTEXP_SEQUENCE_RANDOM,
	TESTEXP_SEQUENCES
};

/* What is between two readings of the clock. */
enum testexp_measure_mode {
	TESTEXP_MODE_BATCH,	/* all operations of a batch: for the mean */
	TESTEXP_MODE_SINGLE,	/* one operation: for the distribution */
	TESTEXP_MODES
};

#define TESTEXP_MAX_OPS_PER_BATCH	4096

/**
 * struct testexp_measure - run a path in the kernel and take its time
 * @size: sizeof(struct testexp_measure)
 * @flags: 0
 * @path: enum testexp_path
 * @ops_per_batch: operations of a batch, 1 to TESTEXP_MAX_OPS_PER_BATCH
 * @warmup_batches: batches run and thrown away first
 * @batches: batches recorded, at least 1
 * @pgoff: first page of the window to resolve, inside the buffer
 * @nr_pages: its length, at least 1; a path starts again at its beginning when
 *	it comes to the end. SGT_* and PHYS_LIST always take the whole buffer.
 * @hist: user pointer to a struct testexp_hist, or 0: gets one value per batch,
 *	clock ticks for all of the batch, the clock's own cost included; in the
 *	mode SINGLE one per operation, with the clock's cost in each
 * @ops: [out] operations in the recorded batches
 * @pages: [out] pages they delivered
 * @ticks: [out] clock ticks of the recorded batches together
 * @min_batch_ticks: [out] the fastest batch; SINGLE: the fastest operation
 * @clock_cost_ticks: [out] smallest difference of two successive readings,
 *	measured just before; contained once in each value, never subtracted
 * @mode: enum testexp_measure_mode
 * @sequence: enum testexp_sequence
 * @stride: STRIDED: 1 to @nr_pages; else 0
 * @address: FOLLOW_PFNMAP_*: where the caller has page @pgoff of the buffer mapped,
 *	and all of the window behind it in the same mapping; else 0
 *
 * One lock hold per batch is also that in the mode SINGLE; only its time is not
 * in what is recorded then.
 *
 * Errors: what the path's calls returned; EINTR when a signal came. EXPORTER_OP:
 * EINVAL when the exporter has no get_pfn. FOLLOW_PFNMAP_*: EFAULT where nothing is
 * mapped, EINVAL where it is not as said above or not VM_PFNMAP, EOPNOTSUPP before
 * 6.12. PHYS_LIST: EINVAL when the buffer is not one of this module's, ENXIO and
 * EOPNOTSUPP as get_pfn for any of its pages.
 */
struct testexp_measure {
	__u32 size;
	__u32 flags;
	__u32 path;
	__u32 ops_per_batch;
	__u64 warmup_batches;
	__u64 batches;
	__u64 pgoff;
	__u64 nr_pages;
	__u64 hist;
	__u64 ops;
	__u64 pages;
	__u64 ticks;
	__u64 min_batch_ticks;
	__u64 clock_cost_ticks;
	__u32 mode;
	__u32 sequence;
	__u64 stride;
	__u64 address;
};

#define TESTEXP_MAX_DELIVERED	65536

/**
 * struct testexp_delivered - what an operation found out
 * @pgoff: first page it is about
 * @pfn: PFN of that page; of SGT_MAP and SGT_CACHED the DMA address in pages
 * @nr_pages: pages that follow one another from there on
 * @max_order: what get_pfn said; TESTEXP_UNTOUCHED_ORDER from the other paths
 * @notifies: how often move_notify of this importer had been called when this was noted,
 *	modulo 2^32. A path that notes under the reservation lock, or while it is mapped,
 *	finds the pages that the buffer has after so many notifies
 */
struct testexp_delivered {
	__u64 pgoff;
	__u64 pfn;
	__u64 nr_pages;
	__s32 max_order;
	__u32 notifies;
};

/**
 * struct testexp_deliver - run a path as MEASURE does, and tell what it found
 * @size: sizeof(struct testexp_deliver)
 * @flags: 0
 * @path: as in struct testexp_measure, and so the next ones
 * @sequence: same
 * @pgoff: same
 * @nr_pages: same
 * @stride: same
 * @address: same
 * @ops: operations, 1 to TESTEXP_MAX_OPS_PER_BATCH
 * @capacity: entries there is room for, at most TESTEXP_MAX_DELIVERED
 * @delivered: user pointer to room for @capacity struct testexp_delivered
 * @nr_delivered: [out] entries written, in the order in which they were found
 * @reserved: 0
 *
 * The code is that of MEASURE, compiled once more with a call that notes each
 * result. Baselines that resolve nothing deliver nothing.
 *
 * Errors: as MEASURE; ENOSPC when there is no room.
 */
struct testexp_deliver {
	__u32 size;
	__u32 flags;
	__u32 path;
	__u32 sequence;
	__u64 pgoff;
	__u64 nr_pages;
	__u64 stride;
	__u64 address;
	__u32 ops;
	__u32 capacity;
	__u64 delivered;
	__u32 nr_delivered;
	__u32 reserved;
};

/* --- CONTEND, on control; JOIN, RUN, REPORT, on contention ------------------ */

/*
 * What one operation of a contender is. What it took it keeps for @hold_ticks: the
 * locks, the mapping, the attachment, or the fence, until it signals that.
 */
enum testexp_role {
	TESTEXP_ROLE_RESOLVE,	/* one operation of @path on the whole buffer, a batch of its own */
	TESTEXP_ROLE_HOLD,	/* take the locks of the set */
	TESTEXP_ROLE_LOCKED,	/* the same, and dma_buf_get_pfn() for a page of each buffer */
	TESTEXP_ROLE_MAP,	/* map and unmap */
	TESTEXP_ROLE_ATTACH,	/* attach once more, as the importer is attached, and detach */
	TESTEXP_ROLE_FENCE_ADD,	/* lock, add a fence, unlock; then signal it */
	TESTEXP_ROLE_FENCE_WAIT, /* wait for all fences of the buffer */
	TESTEXP_ROLES
};

#define TESTEXP_MAX_CONTENDERS	64
/* Importers of one contention. */
#define TESTEXP_MAX_CONTENDED	64
/* Longest time until a contention is over: minutes, as the processors may have other work. */
#define TESTEXP_MAX_RUN_MS	120000
/* Longest hold or pause between operations, in clock ticks. */
#define TESTEXP_MAX_HOLD_TICKS	10000000

/* A thread of user space is to be the contender, by JOIN; else the kernel makes one. */
#define TESTEXP_CONTENDER_USER	0x01u
#define TESTEXP_CONTENDER_FLAGS	0x01u

/**
 * struct testexp_contender - one of the threads
 * @role: enum testexp_role
 * @flags: TESTEXP_CONTENDER_*
 * @path: RESOLVE: enum testexp_path; else 0
 * @cpu: the CPU that a thread of the kernel is bound to; -1: it floats, as USER must
 * @first: the first importer of its set
 * @count: importers in the set: 1; HOLD and LOCKED: at least 1, of different buffers,
 *	which must not share a lock. Several locks are taken in random order, in a ww
 *	acquire context, with backoff
 * @ops: operations to make; 0: as many as it can until the contention is over
 * @hold_ticks: how long each keeps what it took, at most TESTEXP_MAX_HOLD_TICKS
 * @idle_ticks: how long it spins between two operations, likewise
 * @address: RESOLVE: as in struct testexp_measure, of the process that calls RUN, or
 *	JOIN for USER; else 0
 */
struct testexp_contender {
	__u32 role;
	__u32 flags;
	__u32 path;
	__s32 cpu;
	__u32 first;
	__u32 count;
	__u64 ops;
	__u64 hold_ticks;
	__u64 idle_ticks;
	__u64 address;
};

/**
 * struct testexp_contend - describe a contention
 * @size: sizeof(struct testexp_contend)
 * @flags: 0
 * @importers: user pointer to importer descriptors (__s32); EBADF or EINVAL if one
 *	is none. They, and so the buffers, are kept alive
 * @contenders: user pointer to an array of struct testexp_contender
 * @nr_importers: 1 to TESTEXP_MAX_CONTENDED
 * @nr_contenders: 1 to TESTEXP_MAX_CONTENDERS
 * @seed: of the random orders
 * @run_ticks: the contention is over so many clock ticks after its start; 0: when all
 *	contenders with @ops have made theirs, of which there must be one
 * @timeout_ms: it is over then at the latest, 1 to TESTEXP_MAX_RUN_MS
 * @contention_fd: [out] close-on-exec, owned by the caller
 *
 * Errors: EINVAL for a value out of range; ENXIO for a CPU that is not online; ENOSPC
 * over max_pages, as the memory for the results is charged.
 */
struct testexp_contend {
	__u32 size;
	__u32 flags;
	__u64 importers;
	__u64 contenders;
	__u32 nr_importers;
	__u32 nr_contenders;
	__u64 seed;
	__u64 run_ticks;
	__u32 timeout_ms;
	__s32 contention_fd;
};

/**
 * struct testexp_join - be a contender
 * @size: sizeof(struct testexp_join)
 * @flags: 0
 * @contender: index of one with TESTEXP_CONTENDER_USER, else EINVAL
 * @reserved: 0
 *
 * Returns when the contender is through. Waits before for all others, and for RUN.
 *
 * Errors: EBUSY when somebody is it or was, or the contention is over; ETIMEDOUT when
 * the others did not come in timeout_ms; EINTR when a signal came: the others go on
 * without it; or what the operation that failed returned.
 */
struct testexp_join {
	__u32 size;
	__u32 flags;
	__u32 contender;
	__u32 reserved;
};

/**
 * struct testexp_run - let the contenders go, wait until the contention is over
 * @size: sizeof(struct testexp_run)
 * @flags: 0
 * @ticks: [out] clock ticks from the opening of the gate to the end of the last
 *	contender; 0 if it never opened
 * @expired: [out] 1 when timeout_ms made an end, else 0
 * @reserved: 0
 *
 * The threads of the kernel live during this call only. All contenders, and this
 * call, meet at a gate, which opens when the last has come. At the end it waits, signals
 * or not, for the operation that each contender is in.
 *
 * Errors: EBUSY when it was called before; EINTR when a signal came: that ends the
 * contention.
 */
struct testexp_run {
	__u32 size;
	__u32 flags;
	__u64 ticks;
	__u32 expired;
	__u32 reserved;
};

/**
 * struct testexp_report - what a contender has done and seen
 * @size: sizeof(struct testexp_report)
 * @flags: 0
 * @contender: its index
 * @error: [out] 0, or the negative errno that ended it: what an operation returned,
 *	EINTR, or ETIMEDOUT at the gate or of FENCE_WAIT
 * @ops: [out] operations made
 * @pages: [out] pages they delivered
 * @backoffs: [out] how often a lock was answered with -EDEADLK
 * @retries: [out] locks that were given up for that, to be taken again
 * @timeouts: [out] FENCE_WAIT: 1 when a wait took TESTEXP_WAIT_MS, which ended it, else 0
 * @arrived_ticks: [out] the clock when it came to the gate; 0: it never came
 * @passed_ticks: [out] when it was through; 0: it never was
 * @done_ticks: [out] when it had ended
 * @wait: user pointer to a struct testexp_hist, or 0: clock ticks from asking for the
 *	locks of an operation until it had all; FENCE_WAIT: for the fences. Empty for
 *	RESOLVE, MAP and ATTACH, as the core takes the lock
 * @hold: likewise: clock ticks for which HOLD, LOCKED and FENCE_ADD held all locks
 * @op: likewise: clock ticks of whole operations, @hold_ticks included
 *
 * Errors: EBUSY before the contention is over.
 */
struct testexp_report {
	__u32 size;
	__u32 flags;
	__u32 contender;
	__s32 error;
	__u64 ops;
	__u64 pages;
	__u64 backoffs;
	__u64 retries;
	__u64 timeouts;
	__u64 arrived_ticks;
	__u64 passed_ticks;
	__u64 done_ticks;
	__u64 wait;
	__u64 hold;
	__u64 op;
};

/* --- MISUSE, on control -------------------------------------------------- */

/*
 * Calls that no correct driver makes, and two that are their control. What the
 * kernel has to say to it: W a WARNING; with lockdep L a WARNING, R "possible
 * recursive locking", C "possible circular locking", after both of which lockdep is
 * off; A, with DEBUG_ATOMIC_SLEEP, "sleeping function called from invalid context".
 */
enum testexp_misuse_case {
	TESTEXP_MISUSE_NULL_ATTACH,		/* W dma_buf_get_pfn(NULL, ...) */
	TESTEXP_MISUSE_NULL_ATTACH_UNLOCKED,	/* W */
	TESTEXP_MISUSE_NULL_PFN,		/* W dma_buf_get_pfn(..., NULL, ...) */
	TESTEXP_MISUSE_NULL_PFN_UNLOCKED,	/* W */
	TESTEXP_MISUSE_EXPORT,			/* W unless @flags are good */
	TESTEXP_MISUSE_LOCK_MISSING,	/* L, twice: core and callback */
	TESTEXP_MISUSE_LOCK_NESTED,	/* an importer's lock inside the reservation lock: good */
	TESTEXP_MISUSE_ATOMIC,		/* A dma_buf_get_pfn_unlocked() */
	/* With the reservation lock of another buffer held, which is the same to lockdep: */
	TESTEXP_MISUSE_LOCK_HELD,	/* R dma_buf_get_pfn_unlocked() */
	TESTEXP_MISUSE_LOCK_HELD_ATTACH,	/* R */
	TESTEXP_MISUSE_LOCK_HELD_DETACH,	/* R */
	TESTEXP_MISUSE_LOCK_HELD_EXPORT,	/* C once bufinfo in debugfs was read */
	TESTEXP_MISUSE_LOCK_OUTSIDE,	/* C an importer's lock around dma_buf_get_pfn_unlocked() */
	TESTEXP_MISUSE_CASES
};

/* What TESTEXP_MISUSE_EXPORT gives to dma_buf_export(). */
#define TESTEXP_EXPORT_PRIV	0x01u
#define TESTEXP_EXPORT_RELEASE	0x02u
#define TESTEXP_EXPORT_MAP	0x04u
#define TESTEXP_EXPORT_UNMAP	0x08u
#define TESTEXP_EXPORT_GET_PFN	0x10u /* native only */
#define TESTEXP_EXPORT_PIN	0x20u
#define TESTEXP_EXPORT_UNPIN	0x40u
#define TESTEXP_EXPORT_CACHE	0x80u /* cache_sgt_mapping */
#define TESTEXP_EXPORT_FLAGS	0xffu

/**
 * struct testexp_misuse - make one wrong call, report what came back
 * @size: sizeof(struct testexp_misuse)
 * @flags: TESTEXP_EXPORT_* for TESTEXP_MISUSE_EXPORT, else 0 (or EINVAL)
 * @which: enum testexp_misuse_case
 * @result: [out] 0 or the negative errno that the call returned; -EUCLEAN when it
 *	failed, but wrote to what its pointers point to
 *
 * Errors: EPERM unless the module was loaded with allow_misuse=1, as the kernel
 * warns and may be set to panic; EOPNOTSUPP when the stock kernel has no such call,
 * or this kernel has not, or no more, what would notice.
 *
 * The warnings stand in the log between the lines "dmabuf_testexp: expect-warning:
 * begin" and "... end", what ends in R, C or A above between
 * "dmabuf_testexp: expect-splat: begin TEXT" and "... end": exactly one with TEXT.
 */
struct testexp_misuse {
	__u32 size;
	__u32 flags;
	__u32 which;
	__s32 result;
};

#define TESTEXP_IOC_MAGIC	0xdb
#define TESTEXP_IOC_INFO	_IO(TESTEXP_IOC_MAGIC, 0x00)
#define TESTEXP_IOC_CREATE	_IO(TESTEXP_IOC_MAGIC, 0x01)
#define TESTEXP_IOC_STATS	_IO(TESTEXP_IOC_MAGIC, 0x02)
#define TESTEXP_IOC_REVOKE	_IO(TESTEXP_IOC_MAGIC, 0x03)
#define TESTEXP_IOC_ATTACH	_IO(TESTEXP_IOC_MAGIC, 0x04)
#define TESTEXP_IOC_MISUSE	_IO(TESTEXP_IOC_MAGIC, 0x05)
#define TESTEXP_IOC_MOVE	_IO(TESTEXP_IOC_MAGIC, 0x06)
#define TESTEXP_IOC_RESTORE	_IO(TESTEXP_IOC_MAGIC, 0x07)
#define TESTEXP_IOC_WALK	_IO(TESTEXP_IOC_MAGIC, 0x08)
#define TESTEXP_IOC_CONTEND	_IO(TESTEXP_IOC_MAGIC, 0x09)
#define TESTEXP_IOC_RESOLVE	_IO(TESTEXP_IOC_MAGIC, 0x20)
#define TESTEXP_IOC_MAP		_IO(TESTEXP_IOC_MAGIC, 0x21)
#define TESTEXP_IOC_MEASURE	_IO(TESTEXP_IOC_MAGIC, 0x22)
#define TESTEXP_IOC_FILL	_IO(TESTEXP_IOC_MAGIC, 0x23)
#define TESTEXP_IOC_AUDIT	_IO(TESTEXP_IOC_MAGIC, 0x24)
#define TESTEXP_IOC_USE		_IO(TESTEXP_IOC_MAGIC, 0x25)
#define TESTEXP_IOC_SIGNAL	_IO(TESTEXP_IOC_MAGIC, 0x26)
#define TESTEXP_IOC_DESCRIBE	_IO(TESTEXP_IOC_MAGIC, 0x27)
#define TESTEXP_IOC_DELIVER	_IO(TESTEXP_IOC_MAGIC, 0x28)

#define TESTEXP_IOC_JOIN	_IO(TESTEXP_IOC_MAGIC, 0x40)
#define TESTEXP_IOC_RUN		_IO(TESTEXP_IOC_MAGIC, 0x41)
#define TESTEXP_IOC_REPORT	_IO(TESTEXP_IOC_MAGIC, 0x42)

#endif /* TESTEXP_UAPI_H */
