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
 * @flags. An ioctl that succeeds returns 0. Every ioctl can return these errors:
 *
 *   ENOTTY      this kind of descriptor has no such ioctl
 *   EINVAL      @size is smaller than the first version of the struct, a reserved field is
 *               not zero, or a value is out of range
 *   E2BIG       @size is larger than a page, or larger than the struct that the module knows,
 *               and a byte beyond that struct is not zero
 *   EOPNOTSUPP  @flags has an unknown bit, or the running kernel cannot do what is asked
 *   EFAULT      a pointer is bad
 *   ENOMEM      the kernel has no memory for the ioctl now
 *   ENOSPC      the ioctl needs memory that would make used_pages of INFO larger than
 *               max_pages
 *
 * A failed ioctl changes nothing but the counters of STATS, with these exceptions:
 *
 *   RESOLVE, MAP, WALK	may have written to the caller's arrays
 *   DELIVER, MEASURE, REPORT	the same, when they return EFAULT
 *   MAP	may have made the sg_table that a CACHE_SGT buffer keeps
 *   WALK, DELIVER, MEASURE	may have faulted in pages
 *   FILL	may have made the table, and installed the first pages; with EFAULT, all pages
 *   USE	may have written to pages
 *   SIGNAL	has signalled the fence when it returns EFAULT
 *   MOVE	may have notified the importers
 *   REVOKE	may have revoked the buffer
 *   JOIN	its contender may have begun; then no thread can join as this contender again
 *   RUN	the contention may have begun; then it is over, and the next RUN returns EBUSY
 *
 * All offsets and lengths are in pages of 2^page_shift bytes, unless the name of a member says
 * bytes.
 *
 * Waiting. Most calls take the reservation lock of the buffer, so they wait for its holder. The
 * longest holders are a MOVE and a REVOKE that wait for a fence, and a FILL with LOCKED that
 * pauses: TESTEXP_WAIT_MS each; a MOVE also copies the buffer, and a MAP with KERNEL looks at
 * each page of the buffer. (A contender holds its locks for TESTEXP_MAX_HOLD_TICKS.) A caller
 * that waits gets the lock after the callers that waited before, and each of those may hold it
 * that long. A signal ends the wait with EINTR in STATS, DESCRIBE, RESTORE, MOVE, ATTACH, AUDIT,
 * FILL with LOCKED, RESOLVE with LOCKED, MAP with KERNEL, and in JOIN with the role HOLD,
 * LOCKED, FENCE_ADD or ATTACH, or with RESOLVE and a path that MEASURE runs under the lock. No
 * signal ends the wait of the following calls, and their callers must allow for that time:
 *
 *   REVOKE	because it promises that the buffer is revoked
 *   RESOLVE, FILL	in the unlocked form of get_pfn
 *   MAP without KERNEL, MEASURE, DELIVER, and JOIN with the role MAP, or RESOLVE and another
 *	path. In MEASURE and DELIVER each operation of a batch may wait anew, up
 *	to TESTEXP_MAX_OPS_PER_BATCH of them; MEASURE looks for a signal between batches
 *   ATTACH	once more, when the core lists the attachment; JOIN with the role ATTACH also
 *	waits to detach
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
 * returns @notifies. Flags and cases that were added later do not change this number
 */
#define TESTEXP_ABI_VERSION	5

/* --- INFO, on control ---------------------------------------------------- */

#define TESTEXP_FEAT_NATIVE	  0x01u /* the kernel has get_pfn; else the module has it */
#define TESTEXP_FEAT_MOVE_NOTIFY  0x02u /* CONFIG_DMABUF_MOVE_NOTIFY, or 7.1 */
#define TESTEXP_FEAT_DMABUF_DEBUG 0x04u /* CONFIG_DMABUF_DEBUG: wrong page links */
#define TESTEXP_FEAT_LOCKDEP	  0x08u /* CONFIG_PROVE_LOCKING */
#define TESTEXP_FEAT_KASAN	  0x10u /* CONFIG_KASAN */
#define TESTEXP_FEAT_NO_DEVICE	  0x20u /* TESTEXP_ATTACH_NO_DEVICE works */
#define TESTEXP_FEAT_NO_MAP	  0x40u /* TESTEXP_CREATE_NO_MAP works */
#define TESTEXP_FEAT_MISUSE	  0x80u /* module parameter allow_misuse=1 */
#define TESTEXP_FEAT_MAP_LOCKED	  0x100u /* the core maps under the reservation lock (6.2) */
#define TESTEXP_FEAT_WALK	  0x200u /* WALK: the kernel has follow_pfnmap_start() (6.12) */
#define TESTEXP_FEAT_HUGE	  0x400u /* TESTEXP_CREATE_HUGE works */
/*
 * The core maps at attach where one side cannot map under the lock, pins then for a static
 * importer, and has cache_sgt_mapping (before 6.16). Later it pins while something is mapped.
 */
#define TESTEXP_FEAT_MAPS_AT_ATTACH 0x800u
#define TESTEXP_FEAT_NO_NOTIFY	  0x1000u /* TESTEXP_ATTACH_NO_NOTIFY works (7.1) */
#define TESTEXP_FEAT_PFN_ATTRS	  0x2000u /* the kernel has dma_buf_get_pfn_attrs() */
#define TESTEXP_FEAT_REVOKE_UNMAPS 0x4000u /* REVOKE waits until importers have unmapped (7.1) */

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
 * @reserved: 0; [out] 0
 * @max_pages: [out] largest number of pages that the module may hold
 * @used_pages: [out] number of pages that the module holds now. These are the RAM of buffers
 *	and all arrays whose length a caller chooses, each rounded up to pages: extents,
 *	tables of FILL, sg_tables while they are mapped (before 6.16 an importer without
 *	DYNAMIC keeps the sg_table of a DYNAMIC or CACHE_SGT buffer), page tables of
 *	MAP_KERNEL, contentions, and the memory that an ioctl needs while it runs. Not
 *	counted are objects of a fixed size that belong to one descriptor, mapping or
 *	fence, each smaller than a page; and, while CREATE or MOVE allocates an extent, the
 *	pages of a block of 2^max_page_order pages that the extent does not need
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
/* Attribute of SYNTHETIC: dma_buf_get_pfn_attrs() says that the pages are MMIO, not RAM. */
#define TESTEXP_EXTENT_AS_MMIO	0x02u
#define TESTEXP_EXTENT_ATTRIBUTES	0x03u

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
 * @attributes: TESTEXP_EXTENT_P2P, TESTEXP_EXTENT_AS_MMIO
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
/* get_pfn without get_pfn_attrs; no effect with NO_GET_PFN or without TESTEXP_FEAT_PFN_ATTRS */
#define TESTEXP_CREATE_NO_ATTRS	  0x800u
#define TESTEXP_CREATE_FLAGS	  0xeffu

/* Callbacks of the exporter that fail, to test the error paths of the core. */
#define TESTEXP_INJECT_PIN	0x01u /* ENOSPC */
#define TESTEXP_INJECT_MAP	0x02u /* EIO */
#define TESTEXP_INJECT_ATTACH	0x04u /* EPERM */
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
/*
 * The callback get_pfn_attrs returns the type, or the cache mode, one after the last that the
 * kernel has. So the exporter breaks its promise, and DESCRIBE returns EUCLEAN.
 */
#define TESTEXP_INJECT_TYPE	0x20u
#define TESTEXP_INJECT_CACHE	0x40u
#define TESTEXP_INJECT_ALL	0x7fu

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
 * mmap of a buffer fails with EOPNOTSUPP when no page of the buffer is RAM or MMIO, and with
 * EINVAL for a private mapping (MAP_PRIVATE). Otherwise mmap works, and an access to a page that
 * is neither RAM nor MMIO is SIGBUS. A mapping is VM_PFNMAP: its pages cannot be pinned, and a
 * system call that has to pin them, such as read() with O_DIRECT, fails with EFAULT.
 *
 * Errors: EINVAL for an empty, overflowing or misaligned extent, for an ALIAS of pages that are
 * not RAM, and for flags that contradict each other (NO_MAP with NO_GET_PFN, CACHE_SGT with
 * DYNAMIC or NO_MAP, SHOW_PAGES with HUGE or MMIO); ENODEV for MMIO without a BAR; ENXIO beyond
 * the end of the BAR; EBUSY for pages of the BAR that a buffer has with another cache mode, or
 * that the kernel cannot map now; ENOSPC over max_pages, max_extents or
 * TESTEXP_MAX_MMIO_EXTENTS; ENOMEM without enough contiguous memory; EINTR when the process is
 * killed.
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
 * struct testexp_stats - counters of the exporter's callbacks
 * @size: sizeof(struct testexp_stats)
 * @flags: 0
 * @fd: buffer; EINVAL when it is not one of this module's
 * @lock_violations: [out] number of callbacks that ran without the reservation lock although
 *	they need it (get_pfn only with TESTEXP_CREATE_CHECK_LOCK); of map_dma_buf and
 *	unmap_dma_buf calls for a static importer while a DYNAMIC buffer was not pinned; and
 *	of threads that ran at the same time as another thread although the lock must
 *	serialise them: in get_pfn of a buffer with CHECK_LOCK, or as contenders with HOLD or
 *	LOCKED
 * @pins: [out] successful pin calls
 * @unpins: [out] unpin calls
 * @maps: [out] successful map_dma_buf calls
 * @unmaps: [out] unmap_dma_buf calls
 * @attaches: [out] successful attach calls
 * @detaches: [out] detach calls
 * @get_pfns: [out] get_pfn calls
 * @moves: [out] successful MOVE calls
 * @p2p_attaches: [out] successful attach calls of importers with allow_peer2peer
 * @invalidations: [out] how often the buffer was taken away from all users: by REVOKE, or by
 *	MOVE, even when the MOVE failed later. An invalidation unmaps all CPU mappings once, and
 *	calls move_notify once for each importer that has this callback
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

/*
 * How long REVOKE waits for the fences of importers, and then until they have unmapped. MOVE also
 * waits this long for fences by default.
 */
#define TESTEXP_WAIT_MS		10000

/**
 * struct testexp_revoke - take the buffer away from all importers
 * @size: sizeof(struct testexp_revoke)
 * @flags: 0
 * @fd: buffer; EINVAL when it is not one of this module's
 * @reserved: 0
 *
 * Under the reservation lock REVOKE unmaps the CPU mappings, notifies the importers, and waits
 * for their fences. From then on get_pfn, attach and map fail with ENODEV, and a CPU access is
 * SIGBUS. With TESTEXP_FEAT_REVOKE_UNMAPS REVOKE then waits without the lock until each
 * importer that it can notify has unmapped; MAP does so when it ends. MEASURE, DELIVER and
 * contenders with a path that keeps a mapping end with ENODEV before their next batch or
 * operation; a contender also keeps the mapping while it waits at the gate. To revoke a buffer
 * again changes nothing, but waits again. An importer that cannot be notified keeps its PFNs
 * and its mapping, and an importer with MAP_KERNEL keeps its mapping. The buffer keeps its
 * pages.
 *
 * Errors: ETIMEDOUT or EINTR when a wait ended before all fences had signalled, or before the
 * importers had unmapped; the buffer is revoked in this case, too, unless RESTORE came while
 * REVOKE waited for the importers to unmap. No signal ends the wait for the lock, not even
 * SIGKILL. That wait lasts as long as all holds before it together. The longest hold is that of
 * a MOVE: TESTEXP_WAIT_MS and the time to copy the buffer.
 */
struct testexp_revoke {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct testexp_restore - undo a revoke; the buffer still has its pages
 * @size: sizeof(struct testexp_restore)
 * @flags: 0
 * @fd: buffer; EINVAL when it is not one of this module's; EINVAL when it is neither DYNAMIC
 *	nor REVOCABLE, because its importers may not have noticed the revoke
 * @reserved: 0
 *
 * RESTORE does not change a buffer that is not revoked.
 *
 * Errors: EINTR when a signal ended the wait for the lock.
 */
struct testexp_restore {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/* See TESTEXP_CREATE_SCATTER. */
#define TESTEXP_MOVE_SCATTER	0x01u
#define TESTEXP_MOVE_FLAGS	0x01u

/* Value of each byte of a page that a move took away, unless the process was killed meanwhile. */
#define TESTEXP_POISON_BYTE	0xd5

/**
 * struct testexp_move - give the buffer other pages with the same contents
 * @size: sizeof(struct testexp_move)
 * @flags: TESTEXP_MOVE_*
 * @fd: buffer; EINVAL when it is not one of this module's or not DYNAMIC
 * @nr_extents: number of entries in the array, at least 1
 * @extents: user pointer to an array of struct testexp_extent, as for CREATE, but without
 *	ALIAS; each page must have the type, cache mode and attributes that it has now
 * @timeout_ms: longest time to wait for importers' fences, at most TESTEXP_WAIT_MS; 0 means
 *	TESTEXP_WAIT_MS
 * @reserved: 0
 *
 * Under the reservation lock MOVE unmaps the CPU mappings, notifies the importers, waits for
 * their fences, copies the RAM, gives the buffer the new pages and poisons the old pages. The
 * old pages stay charged until the next move or the end of the buffer. So during a move three
 * times the pages of the buffer may be charged.
 *
 * Errors: as CREATE; ENODEV when the buffer is revoked; EBUSY while it is pinned or mapped, also
 * by MAP_KERNEL; EINVAL when the types differ; ETIMEDOUT when a fence did not signal in time;
 * EINTR when a signal came. After an error the buffer has its old pages.
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
/* FENCE and PIN need DYNAMIC, else EINVAL. For FENCE see struct testexp_signal. */
#define TESTEXP_ATTACH_FENCE	 0x04u /* move_notify adds a fence */
#define TESTEXP_ATTACH_PIN	 0x08u /* the importer pins the buffer until it is closed */
/* allow_peer2peer is false, as for importers without DYNAMIC. Needs DYNAMIC, else EINVAL. */
#define TESTEXP_ATTACH_NO_P2P	 0x10u
/*
 * The importer has operations but no callback, so it does not hear of moves. Needs DYNAMIC,
 * without FENCE and NO_P2P, else EINVAL. EOPNOTSUPP where the kernel demands the callback.
 */
#define TESTEXP_ATTACH_NO_NOTIFY 0x20u
/*
 * move_notify asks for page 0 with dma_buf_get_pfn(), and AUDIT returns the answer. Needs DYNAMIC,
 * without NO_NOTIFY, else EINVAL.
 */
#define TESTEXP_ATTACH_ASK	 0x40u
#define TESTEXP_ATTACH_FLAGS	 0x7fu

/**
 * struct testexp_attach - make an importer with one attachment
 * @size: sizeof(struct testexp_attach)
 * @flags: TESTEXP_ATTACH_*
 * @fd: any dma-buf descriptor; EBADF or EINVAL for any other descriptor
 * @importer_fd: [out] close-on-exec, owned by the caller; keeps the buffer alive
 *
 * Errors: as dma_buf_dynamic_attach(); EOPNOTSUPP from this exporter when the buffer has MMIO
 * or TESTEXP_EXTENT_P2P and the importer does not have allow_peer2peer; EINTR when a signal came
 * while this exporter or PIN waited for the lock, or while the core waited for a KERNEL fence of
 * the exporter; ENOSPC where attaching also maps, because the sg_table is charged.
 */
struct testexp_attach {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__s32 importer_fd;
};

/* --- RESOLVE, MAP: on importer -------------------------------------------- */

/* Use dma_buf_get_pfn(), up to 512 calls under one lock hold; else use the unlocked form. */
#define TESTEXP_RESOLVE_LOCKED	 0x01u
#define TESTEXP_RESOLVE_NO_ORDER 0x02u /* pass NULL for max_order */
#define TESTEXP_RESOLVE_FLAGS	 0x03u

/* Values of pfn and max_order before each call, which show whether the call wrote to them. */
#define TESTEXP_UNTOUCHED_PFN	0xdeadbeefdeadbeefULL
#define TESTEXP_UNTOUCHED_ORDER	(-1000)

/**
 * struct testexp_result - result of one call
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
 * @pgoff: first page; it may be beyond the end, and then the core must refuse it
 * @count: number of calls, at least 1
 * @stride: number of pages from one call to the next, at least 1
 * @results: user pointer to @count struct testexp_result
 *
 * The ioctl succeeds when all calls were made, even if a call failed.
 *
 * Errors: EOVERFLOW if pgoff + (count - 1) * stride wraps; EINTR when the process is killed, or,
 * with LOCKED, when a signal ended the wait for the lock.
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
 * @dma_address: address of the segment for the importer's device
 * @length_bytes: length of the segment
 * @link_pfn: PFN of the page that the sg_table entry links to. No importer may use it: the
 *	entry may link to other pages than the segment has, and CONFIG_DMABUF_DEBUG makes all
 *	links wrong, or removes them: then this is TESTEXP_UNTOUCHED_PFN
 */
struct testexp_map_entry {
	__u64 dma_address;
	__u64 length_bytes;
	__u64 link_pfn;
};

/*
 * Call dma_buf_vmap() and return no segments. The mapping is kept until the importer is closed,
 * even when the buffer is revoked. Buffers of this module have a vmap callback when all their
 * pages are RAM and NO_MMAP is not set.
 */
#define TESTEXP_MAP_KERNEL	0x01u
#define TESTEXP_MAP_FLAGS	0x01u

/**
 * struct testexp_map - map, copy the segments out, unmap
 * @size: sizeof(struct testexp_map)
 * @flags: TESTEXP_MAP_*
 * @entries: user pointer to an array of @capacity struct testexp_map_entry
 * @capacity: number of entries that the array has room for
 * @nr_entries: 0; [out] number of segments, also when ENOSPC says that they do not fit
 *
 * Errors: as dma_buf_map_attachment(), which can also return ENOSPC for this exporter, with
 * @nr_entries 0; EINTR when the process is killed, or when a signal came while the core waited
 * for a KERNEL fence of the exporter. With KERNEL as dma_buf_vmap(): EINVAL when the exporter has
 * no vmap; ENODEV when the buffer is revoked; ENOSPC over max_pages, because the page table of
 * the mapping is charged; EUCLEAN when a buffer of this module is mapped with other pages than
 * its own, which would be a fault of this module; EINTR when a signal came.
 */
struct testexp_map {
	__u32 size;
	__u32 flags;
	__u64 entries;
	__u32 capacity;
	__u32 nr_entries;
};

/* --- DESCRIBE, on importer ------------------------------------------------- */

/*
 * Ask dma_buf_get_pfn_attrs() alone, of any buffer. On success @type is RAM or MMIO, @cache is set,
 * @attributes is 0 or DESCRIBED_PCI_PROVIDER, and the other results are 0. EOPNOTSUPP without
 * TESTEXP_FEAT_PFN_ATTRS.
 */
#define TESTEXP_DESCRIBE_ATTRS	0x01u
#define TESTEXP_DESCRIBE_FLAGS	0x01u

/* The page has a provider of peer-to-peer DMA, which belongs to a PCI device. */
#define TESTEXP_DESCRIBED_PCI_PROVIDER	0x80000000u

/**
 * struct testexp_describe - what a page is, without resolving it
 * @size: sizeof(struct testexp_describe)
 * @flags: TESTEXP_DESCRIBE_*
 * @pgoff: the page
 * @first: [out] first page of its extent; get_pfn uses the same extents
 * @nr_pages: [out] number of pages of that extent
 * @type: [out] enum testexp_extent_type
 * @cache: [out] enum testexp_cache
 * @attributes: [out] TESTEXP_EXTENT_*; with ATTRS TESTEXP_DESCRIBED_*
 * @reserved: 0
 *
 * An importer has to know this before it may map a PFN, and get_pfn does not tell it. Where
 * the kernel has dma_buf_get_pfn_attrs() and this importer may have the PFN, the call
 * decides @cache and whether @type is MMIO.
 *
 * Errors: EINVAL beyond the end, or when the buffer is not one of this module's;
 * ENODEV when revoked; EINTR when a signal came; EUCLEAN when dma_buf_get_pfn_attrs() returned a
 * type or a cache mode that the kernel does not have, or RAM with a provider, or MMIO whose
 * provider was not written, or encrypted pages where the kernel encrypts no memory, or when this
 * module's exporter has pages that are encrypted or have a provider. With ATTRS: the error of
 * dma_buf_get_pfn_attrs(), or EUCLEAN when the call failed and still wrote to its result.
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

#define TESTEXP_WALK_FAULT_IN	0x01u /* fault in missing pages for writing */
#define TESTEXP_WALK_FLAGS	0x01u

/**
 * struct testexp_walked - the page table entry of one page
 * @pfn: PFN; 0 with an error
 * @cache: enum testexp_cache, from the bits of the entry
 * @error: 0 or a negative errno: EFAULT where nothing is mapped, EINVAL where the mapping is
 *	not VM_PFNMAP, EAGAIN when other threads zap the page after each fault
 */
struct testexp_walked {
	__u64 pfn;
	__u32 cache;
	__s32 error;
};

/**
 * struct testexp_walk - read the caller's page table, as KVM and VFIO do
 * @size: sizeof(struct testexp_walk)
 * @flags: TESTEXP_WALK_*
 * @address: virtual address of the caller, a multiple of the page size
 * @count: number of pages, at least 1
 * @results: user pointer to @count struct testexp_walked
 *
 * WALK calls follow_pfnmap_start() for each page. The ioctl succeeds when it has done so for all
 * pages, even if some have an error.
 *
 * Errors: EOPNOTSUPP before 6.12; EOVERFLOW if the end of the range wraps; EINTR when the process
 * is killed.
 */
struct testexp_walk {
	__u32 size;
	__u32 flags;
	__u64 address;
	__u64 count;
	__u64 results;
};

/* --- FILL, AUDIT, USE, SIGNAL: the importer's own page table ---------------- */

/* The table has an entry for each of the first pages of the buffer, at most this number. */
#define TESTEXP_TABLE_PAGES	65536

/*
 * How FILL installs a PFN in the table. move_notify drops all entries under the table's lock,
 * which nests inside the reservation lock.
 */
enum testexp_fill_mode {
	/* Resolve and install under one hold of the reservation lock. */
	TESTEXP_FILL_LOCKED,
	/* Resolve unlocked; install if no move_notify came since, else resolve again. */
	TESTEXP_FILL_SEQ_RETRY,
	/* Resolve unlocked, then install. This is wrong, and is the negative control. */
	TESTEXP_FILL_NAIVE,
	TESTEXP_FILL_MODES
};

/*
 * Pause once between resolving and installing the first page, until move_notify comes or
 * @pause_ms are over. A retry does not pause again. poll() returns POLLIN during the pause.
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
 * @count: number of pages, at least 1; all pages must be inside the table and the buffer
 * @installed: [out] number of entries installed
 * @retries: [out] how often SEQ_RETRY resolved a page again
 * @notified: [out] how often move_notify came between the beginning of a resolve and
 *	the install of its PFN
 *
 * Errors: the error of get_pfn; EAGAIN after TESTEXP_FILL_RETRIES for one page; ENOSPC over
 * max_pages, because the table is charged; EINTR when the process is killed, or, with LOCKED,
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
 * struct testexp_audit - compare the table with the present results of get_pfn
 * @size: sizeof(struct testexp_audit)
 * @flags: 0
 * @entries: [out] number of entries in the table
 * @stale: [out] number of entries for which get_pfn now fails or returns another PFN or a
 *	smaller order
 * @notifies: [out] how often move_notify was called
 * @asked: [out] with TESTEXP_ATTACH_ASK, the answer for page 0 in the last move_notify; before the
 *	first one, and without that flag, TESTEXP_UNTOUCHED_PFN, TESTEXP_UNTOUCHED_ORDER and 0
 *
 * AUDIT holds the reservation lock and, inside it, the table's lock during the whole comparison.
 *
 * Errors: EINTR when a signal ended the wait for the lock, or when the process is killed.
 */
struct testexp_audit {
	__u32 size;
	__u32 flags;
	__u64 entries;
	__u64 stale;
	__u64 notifies;
	struct testexp_result asked;
};

#define TESTEXP_USE_WRITE	0x01u /* add 1 to the second word of each page */
#define TESTEXP_USE_WRITE_LAST	0x02u /* add 1 to the last byte of each page, not atomically */
#define TESTEXP_USE_FLAGS	0x03u

/**
 * struct testexp_use - access the pages that the table points to
 * @size: sizeof(struct testexp_use)
 * @flags: TESTEXP_USE_*
 * @signature: the first 64-bit word of page pgoff must be @signature + pgoff
 * @used: [out] number of entries in the table
 * @poisoned: [out] number of pages whose first word is poison
 * @wrong: [out] number of pages whose first word is neither signature nor poison
 * @gone: [out] number of entries whose pages the buffer does not own any more, or are not RAM;
 *	these pages are not accessed
 * @notifies: [out] as in AUDIT
 *
 * USE takes the table's lock only. Like a device, it does not wait for a move.
 *
 * Errors: EINVAL when the buffer is not one of this module's; EINTR when the process is killed.
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

/* A fence that no caller signals does so after this time: every fence must signal. */
#define TESTEXP_FENCE_MS	2000

/**
 * struct testexp_signal - signal the importer's fence
 * @size: sizeof(struct testexp_signal)
 * @flags: 0
 * @pending: [out] 1 if a fence was pending, else 0
 * @reserved: 0
 *
 * An importer with TESTEXP_ATTACH_FENCE is like a device that completes the work it has begun:
 * move_notify keeps the entries of the table and adds a fence to the buffer. The fence signals
 * at SIGNAL, when the importer is closed, or after TESTEXP_FENCE_MS. The entries are dropped
 * just before the fence signals. poll() returns POLLPRI while a fence is pending.
 */
struct testexp_signal {
	__u32 size;
	__u32 flags;
	__u32 pending;
	__u32 reserved;
};

/* --- MEASURE, DELIVER: on importer ------------------------------------------- */

/* One operation of each path, and how many pages it delivers. */
enum testexp_path {
	TESTEXP_PATH_EMPTY,		/* baseline: the loop alone; 0 pages */
	TESTEXP_PATH_LOCK_UNLOCK,	/* baseline: reservation lock + unlock; 0 pages */
	TESTEXP_PATH_GET_PFN,		/* one unlocked call for the next page */
	TESTEXP_PATH_GET_PFN_STRIDE,	/* one unlocked call for each block of 2^max_order */
	TESTEXP_PATH_GET_PFN_BATCH,	/* one locked call; one lock hold per batch */
	TESTEXP_PATH_SGT_MAP,		/* map, walk and unmap the whole buffer */
	/* baseline: the exporter's callback alone, one lock hold per batch */
	TESTEXP_PATH_EXPORTER_OP,
	/* The next DMA segment of a mapping that is made once, before the first batch. */
	TESTEXP_PATH_SGT_CACHED,
	/* The next page of such a mapping, and its PFN computed from the DMA address. */
	TESTEXP_PATH_SGT_DMA_TO_PHYS,
	/*
	 * The next page by follow_pfnmap_start(), from the caller's mapping of the
	 * buffer at @address, as KVM does. The whole window is faulted in before the first
	 * batch. Its leaves must have the size that the name says, else ENODATA.
	 */
	TESTEXP_PATH_FOLLOW_PFNMAP_PTE,
	TESTEXP_PATH_FOLLOW_PFNMAP_PMD,
	/*
	 * The same, but the window is zapped before each batch, which is not timed. A batch
	 * must not be longer than the window, so that it resolves each page only once. With
	 * MADV_RANDOM each page costs a fault; otherwise a fault also maps neighbours of the
	 * page.
	 */
	TESTEXP_PATH_FOLLOW_PFNMAP_COLD,
	/*
	 * The exporter makes a list of the physical ranges of the whole buffer, and the list is
	 * walked, under one hold of the reservation lock.
	 */
	TESTEXP_PATH_PHYS_LIST,
	/* One locked call for each block of 2^max_order; one lock hold per batch. */
	TESTEXP_PATH_GET_PFN_BATCH_STRIDE,
	TESTEXP_PATHS
};

/* Which page is next. SGT_*, PHYS_LIST, LOCK_UNLOCK and GET_PFN_*STRIDE support only FORWARD. */
enum testexp_sequence {
	TESTEXP_SEQUENCE_FORWARD,	/* the next page */
	TESTEXP_SEQUENCE_STRIDED,	/* the page @stride further; after the end the first page */
	/*
	 * The next page of a linear congruential generator, always the same sequence. Each page
	 * comes once before a page repeats. The window must be a power of two.
	 */
	TESTEXP_SEQUENCE_RANDOM,
	TESTEXP_SEQUENCES
};

/* What runs between two readings of the clock. */
enum testexp_measure_mode {
	TESTEXP_MODE_BATCH,	/* all operations of a batch: for the mean */
	TESTEXP_MODE_SINGLE,	/* one operation: for the distribution */
	TESTEXP_MODES
};

#define TESTEXP_MAX_OPS_PER_BATCH	4096

/**
 * struct testexp_measure - run a path in the kernel and measure its time
 * @size: sizeof(struct testexp_measure)
 * @flags: 0
 * @path: enum testexp_path
 * @ops_per_batch: operations of a batch, 1 to TESTEXP_MAX_OPS_PER_BATCH
 * @warmup_batches: number of batches that run first and are not recorded
 * @batches: number of batches that are recorded, at least 1
 * @pgoff: first page of the window to resolve, inside the buffer
 * @nr_pages: length of the window, at least 1; after its last page a path continues with its
 *	first page. SGT_* and PHYS_LIST always use the whole buffer
 * @hist: user pointer to a struct testexp_hist, or 0. It gets one value for each batch: its
 *	clock ticks. In the mode SINGLE it gets one value for each operation. Each value
 *	includes the cost of the clock
 * @ops: [out] number of operations in the recorded batches
 * @pages: [out] number of pages that these operations delivered
 * @ticks: [out] sum of the recorded clock ticks
 * @min_batch_ticks: [out] clock ticks of the fastest batch; SINGLE: of the fastest operation
 * @clock_cost_ticks: [out] cost of the clock: smallest difference of two successive readings,
 *	measured just before. Each value contains this cost once; it is never subtracted
 * @mode: enum testexp_measure_mode
 * @sequence: enum testexp_sequence
 * @stride: STRIDED: 1 to @nr_pages; else 0
 * @address: FOLLOW_PFNMAP_*: address at which the caller has mapped page @pgoff of the buffer;
 *	the same mapping must contain the whole window; else 0
 *
 * A path with one lock hold per batch also has one lock hold per batch in the mode SINGLE. In
 * that mode the recorded values do not include the time to take and drop the lock.
 *
 * Errors: the error of a call of the path; EINTR when a signal came. EXPORTER_OP: EINVAL when
 * the exporter has no get_pfn. FOLLOW_PFNMAP_*: EFAULT where nothing is mapped; EINVAL where the
 * mapping is not as @address requires, or not VM_PFNMAP; EOPNOTSUPP before 6.12. PHYS_LIST:
 * EINVAL when the buffer is not one of this module's; ENXIO or EOPNOTSUPP when get_pfn returns
 * this for a page of the buffer.
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
 * struct testexp_delivered - a result of a path: contiguous pages
 * @pgoff: first page
 * @pfn: PFN of that page; for SGT_MAP and SGT_CACHED the DMA address, in pages
 * @nr_pages: number of contiguous pages
 * @max_order: order that get_pfn returned; TESTEXP_UNTOUCHED_ORDER for the other paths
 * @notifies: number of calls of this importer's move_notify when the result was recorded,
 *	modulo 2^32. A path that records under the reservation lock, or while the buffer is
 *	mapped, finds the pages that the buffer has after this number of calls
 */
struct testexp_delivered {
	__u64 pgoff;
	__u64 pfn;
	__u64 nr_pages;
	__s32 max_order;
	__u32 notifies;
};

/**
 * struct testexp_deliver - run a path as MEASURE does, and return its results
 * @size: sizeof(struct testexp_deliver)
 * @flags: 0
 * @path: as in struct testexp_measure
 * @sequence: as in struct testexp_measure
 * @pgoff: as in struct testexp_measure
 * @nr_pages: as in struct testexp_measure
 * @stride: as in struct testexp_measure
 * @address: as in struct testexp_measure
 * @ops: number of operations, 1 to TESTEXP_MAX_OPS_PER_BATCH
 * @capacity: number of entries that the array has room for, at most TESTEXP_MAX_DELIVERED
 * @delivered: user pointer to an array of @capacity struct testexp_delivered
 * @nr_delivered: [out] number of entries written, in the order of the operations
 * @reserved: 0
 *
 * DELIVER runs the code of MEASURE, compiled once more with a call that records each result.
 * Baselines that resolve nothing deliver nothing.
 *
 * Errors: as MEASURE; ENOSPC when the array is too small.
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
 * One operation of each role. A contender keeps what it has taken for @hold_ticks: its locks,
 * its mapping, its attachment, or its fence before the fence signals.
 */
enum testexp_role {
	TESTEXP_ROLE_RESOLVE,	/* one operation of @path on the whole buffer, as one batch */
	TESTEXP_ROLE_HOLD,	/* take the locks of the set */
	TESTEXP_ROLE_LOCKED,	/* the same, and dma_buf_get_pfn() for a page of each buffer */
	TESTEXP_ROLE_MAP,	/* map and unmap */
	TESTEXP_ROLE_ATTACH,	/* attach as the importer is attached, and detach */
	TESTEXP_ROLE_FENCE_ADD,	/* lock, add a fence, unlock; then signal it */
	TESTEXP_ROLE_FENCE_WAIT, /* wait for all fences of the buffer */
	TESTEXP_ROLES
};

#define TESTEXP_MAX_CONTENDERS	64
/* Largest number of importers of one contention. */
#define TESTEXP_MAX_CONTENDED	64
/* Largest timeout_ms: minutes, because the processors may have other work. */
#define TESTEXP_MAX_RUN_MS	120000
/* Longest hold or pause between operations, in clock ticks. */
#define TESTEXP_MAX_HOLD_TICKS	10000000

/* A thread of user space becomes the contender by JOIN; else the kernel makes a thread. */
#define TESTEXP_CONTENDER_USER	0x01u
#define TESTEXP_CONTENDER_FLAGS	0x01u

/**
 * struct testexp_contender - one thread of a contention
 * @role: enum testexp_role
 * @flags: TESTEXP_CONTENDER_*
 * @path: RESOLVE: enum testexp_path; else 0
 * @cpu: the CPU to which a kernel thread is bound; -1: it is not bound. USER: -1
 * @first: index of the first importer of its set
 * @count: number of importers in the set: 1; HOLD and LOCKED: at least 1. The buffers of a set
 *	must be different and must not share a lock. Several locks are taken in random order,
 *	in a ww acquire context, with backoff
 * @ops: limit: number of operations to make; 0: no limit, until the contention is over
 * @hold_ticks: how long an operation keeps what it has taken, at most TESTEXP_MAX_HOLD_TICKS
 * @idle_ticks: how long it spins between two operations, at most TESTEXP_MAX_HOLD_TICKS
 * @address: RESOLVE: as in struct testexp_measure, an address of the process that calls RUN,
 *	or, with USER, JOIN; else 0
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
 * @importers: user pointer to an array of importer descriptors (__s32); EBADF or EINVAL for
 *	any other descriptor. The contention keeps the importers and their buffers alive
 * @contenders: user pointer to an array of struct testexp_contender
 * @nr_importers: 1 to TESTEXP_MAX_CONTENDED
 * @nr_contenders: 1 to TESTEXP_MAX_CONTENDERS
 * @seed: seed of the random orders
 * @run_ticks: the contention is over this number of clock ticks after its start; 0: it is over
 *	when all contenders with a limit (@ops) have ended, and there must be at least
 *	one such contender
 * @timeout_ms: the contention is over after this time in any case, 1 to TESTEXP_MAX_RUN_MS
 * @contention_fd: [out] close-on-exec, owned by the caller
 *
 * Errors: EINVAL for a value out of range; ENXIO for a CPU that is not online; ENOSPC over
 * max_pages, because the memory for the results is charged.
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
 * struct testexp_join - run a contender in the calling thread
 * @size: sizeof(struct testexp_join)
 * @flags: 0
 * @contender: index of a contender with TESTEXP_CONTENDER_USER, else EINVAL
 * @reserved: 0
 *
 * JOIN waits for all other contenders and for RUN, then runs the contender, and returns when the
 * contender has ended.
 *
 * Errors: EBUSY when a thread has joined as this contender before, or when the contention is
 * over; ETIMEDOUT when others did not arrive within timeout_ms or before RUN ended; EINTR when a
 * signal came, and then the other contenders continue; or the error of an operation.
 */
struct testexp_join {
	__u32 size;
	__u32 flags;
	__u32 contender;
	__u32 reserved;
};

/**
 * struct testexp_run - start the contenders, and wait until the contention is over
 * @size: sizeof(struct testexp_run)
 * @flags: 0
 * @ticks: [out] clock ticks from the opening of the gate to the end of the last contender; 0 if
 *	the gate never opened
 * @expired: [out] 1 when the contention ended by timeout_ms, else 0
 * @reserved: 0
 *
 * Kernel threads exist only during this call. All contenders and this call wait at a gate, which
 * opens when the last of them has arrived. At the end RUN waits for the present operation of
 * each contender; no signal ends this wait.
 *
 * Errors: EBUSY when RUN was called before; EINTR when a signal came, which ends the contention.
 */
struct testexp_run {
	__u32 size;
	__u32 flags;
	__u64 ticks;
	__u32 expired;
	__u32 reserved;
};

/**
 * struct testexp_report - results of a contender
 * @size: sizeof(struct testexp_report)
 * @flags: 0
 * @contender: index of the contender
 * @error: [out] 0, or the negative errno that ended the contender: the error of an operation,
 *	-EINTR, or -ETIMEDOUT at the gate or from FENCE_WAIT
 * @ops: [out] number of operations made
 * @pages: [out] number of pages that these operations delivered
 * @backoffs: [out] how often taking a lock returned -EDEADLK
 * @retries: [out] number of locks that were dropped for a backoff and had to be taken again
 * @timeouts: [out] FENCE_WAIT: 1 when a wait of TESTEXP_WAIT_MS ended the contender, else 0
 * @arrived_ticks: [out] the clock when it arrived at the gate; 0: it never arrived
 * @passed_ticks: [out] the clock when it passed the gate; 0: it never passed
 * @done_ticks: [out] the clock when it had ended
 * @wait: user pointer to a struct testexp_hist, or 0: clock ticks that an operation waited until
 *	it had all its locks; FENCE_WAIT: until all fences had signalled. Empty for RESOLVE,
 *	MAP and ATTACH, because the core takes the lock
 * @hold: user pointer to a struct testexp_hist, or 0: clock ticks for which HOLD, LOCKED and
 *	FENCE_ADD held all their locks
 * @op: user pointer to a struct testexp_hist, or 0: clock ticks of whole operations, including
 *	@hold_ticks
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
 * Calls that no correct driver makes, and correct calls as their control. The letter is the
 * report that the kernel must print:
 *   W  a WARNING
 *   L  with lockdep: a WARNING
 *   R  with lockdep: "possible recursive locking"; lockdep is off afterwards
 *   C  with lockdep: "possible circular locking"; lockdep is off afterwards
 *   A  with DEBUG_ATOMIC_SLEEP: "sleeping function called from invalid context"
 */
enum testexp_misuse_case {
	TESTEXP_MISUSE_NULL_ATTACH,		/* W dma_buf_get_pfn(NULL, ...) */
	TESTEXP_MISUSE_NULL_ATTACH_UNLOCKED,	/* W */
	TESTEXP_MISUSE_NULL_PFN,		/* W dma_buf_get_pfn(..., NULL, ...) */
	TESTEXP_MISUSE_NULL_PFN_UNLOCKED,	/* W */
	TESTEXP_MISUSE_EXPORT,			/* W unless @flags are correct */
	TESTEXP_MISUSE_LOCK_MISSING,	/* L twice: from the core and from the callback */
	/* Correct: an importer's lock inside the reservation lock. */
	TESTEXP_MISUSE_LOCK_NESTED,
	TESTEXP_MISUSE_ATOMIC,		/* A dma_buf_get_pfn_unlocked() */
	/* The next four hold the reservation lock of another buffer: the same class to lockdep. */
	TESTEXP_MISUSE_LOCK_HELD,	/* R dma_buf_get_pfn_unlocked() */
	TESTEXP_MISUSE_LOCK_HELD_ATTACH,	/* R */
	TESTEXP_MISUSE_LOCK_HELD_DETACH,	/* R */
	TESTEXP_MISUSE_LOCK_HELD_EXPORT,	/* C after bufinfo in debugfs was read */
	TESTEXP_MISUSE_LOCK_OUTSIDE,	/* C dma_buf_get_pfn_unlocked() under an importer's lock */
	TESTEXP_MISUSE_NULL_ATTACH_ATTRS,	/* W dma_buf_get_pfn_attrs(NULL, ...) */
	TESTEXP_MISUSE_NULL_ATTRS,		/* W dma_buf_get_pfn_attrs(..., NULL) */
	TESTEXP_MISUSE_ATTRS_LOCK_MISSING,	/* L dma_buf_get_pfn_attrs() */
	/*
	 * W, and needs TESTEXP_FEAT_PFN_ATTRS, else EOPNOTSUPP. The result is that of
	 * dma_buf_get_pfn() afterwards, or -EUCLEAN when the unpin did not reach the exporter.
	 */
	TESTEXP_MISUSE_UNPIN,
	/*
	 * Correct, and needs TESTEXP_FEAT_NO_NOTIFY, else EOPNOTSUPP: pins and maps of importers
	 * without a callback. The result is 0, or the number of the first step with a wrong errno.
	 */
	TESTEXP_MISUSE_PINS,
	/*
	 * Correct: pages of buffers that are a byte longer and a byte shorter than a page. The
	 * result is 0, or the number of the first page with a wrong errno, counted from 1.
	 */
	TESTEXP_MISUSE_ODD_SIZE,
	/*
	 * Correct, and needs TESTEXP_FEAT_PFN_ATTRS: dma_buf_pfn_max_order() of some runs. The
	 * result is 0, or the number of the first run with a wrong order, counted from 1.
	 */
	TESTEXP_MISUSE_MAX_ORDER,
	/*
	 * Correct, and needs TESTEXP_FEAT_PFN_ATTRS: the calls that tell the class of a buffer
	 * which is fixed, movable, revocable, or both. The result is 0, or the number of the
	 * first buffer with a wrong class, counted from 1.
	 */
	TESTEXP_MISUSE_CLASSES,
	TESTEXP_MISUSE_NULL_BUFFER,		/* W dma_buf_attach(NULL, ...) */
	/*
	 * Correct: a static importer attaches to a movable buffer whose exporter has neither
	 * attach nor detach, and whose map fails with -EOPNOTSUPP. The result is that of attach.
	 */
	TESTEXP_MISUSE_NO_ATTACH_CALLBACK,
	TESTEXP_MISUSE_CASES
};

/* The callbacks and data that TESTEXP_MISUSE_EXPORT passes to dma_buf_export(). */
#define TESTEXP_EXPORT_PRIV	0x01u
#define TESTEXP_EXPORT_RELEASE	0x02u
#define TESTEXP_EXPORT_MAP	0x04u
#define TESTEXP_EXPORT_UNMAP	0x08u
#define TESTEXP_EXPORT_GET_PFN	0x10u /* native only */
#define TESTEXP_EXPORT_PIN	0x20u
#define TESTEXP_EXPORT_UNPIN	0x40u
#define TESTEXP_EXPORT_CACHE	0x80u /* cache_sgt_mapping */
#define TESTEXP_EXPORT_ATTRS	0x100u /* get_pfn_attrs; needs TESTEXP_FEAT_PFN_ATTRS */
#define TESTEXP_EXPORT_NO_OPS	0x200u /* a NULL pointer in place of all callbacks */
#define TESTEXP_EXPORT_FLAGS	0x3ffu

/**
 * struct testexp_misuse - make one wrong call, and return its result
 * @size: sizeof(struct testexp_misuse)
 * @flags: TESTEXP_EXPORT_* for TESTEXP_MISUSE_EXPORT; else 0, or EINVAL
 * @which: enum testexp_misuse_case
 * @result: [out] 0 or the negative errno that the call returned; -EUCLEAN when the call failed
 *	and still wrote to its outputs
 *
 * Errors: EPERM unless the module was loaded with allow_misuse=1, because the kernel warns and
 * may be configured to panic then; EOPNOTSUPP when this kernel does not have the call, or cannot
 * report it, or cannot report it any more.
 *
 * The kernel log has the warnings of W and L between the lines "dmabuf_testexp: expect-warning:
 * begin" and "dmabuf_testexp: expect-warning: end". It has the report of R, C or A between
 * "dmabuf_testexp: expect-splat: begin TEXT" and "dmabuf_testexp: expect-splat: end": exactly
 * one report, with TEXT.
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
