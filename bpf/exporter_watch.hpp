/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds the callbacks of exporters and importers. Owns a loaded exporters.bpf.o and its
 * links.
 */
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf_object.hpp"
#include "testexp.hpp"

struct exporters_bpf;

namespace latency {

struct Callback {
    std::uint64_t function; /* its address */
    std::string op;         /* the member of struct dma_buf_ops or of struct dma_buf_attach_ops */
    std::string exporter;   /* empty: the exporter has no buffer yet */
};

class ExporterWatch {
public:
    /**
     * Finds the callbacks of the buffers that there are and of the ops tables at the
     * addresses @tables, and from now on those of later buffers. Without @mode, fentry
     * if that works, else kprobes, else tracepoints. Needs BTF: fails with ENOTSUP without.
     */
    static testexp::Result<ExporterWatch> attach(std::optional<Mode> mode,
                                                 std::span<const std::uint64_t> tables);

    ExporterWatch(ExporterWatch&&) noexcept;
    ExporterWatch& operator=(ExporterWatch&&) noexcept;
    ~ExporterWatch();

    /* The callbacks that were found so far, by address. */
    std::vector<Callback> callbacks() const;

    /* Whether this kernel's structures have a callback of this name. */
    bool has(std::string_view op) const;

    /* The callbacks that this program knows and this kernel does not have. */
    std::vector<std::string> absent() const;

    /* The number of callbacks that did not fit. */
    std::uint64_t nr_too_many() const;

private:
    struct SkeletonDeleter {
        void operator()(exporters_bpf* skeleton) const;
    };

    ExporterWatch() = default;

    testexp::Status load(Mode mode);
    testexp::Status start(std::span<const std::uint64_t> tables);

    std::unique_ptr<exporters_bpf, SkeletonDeleter> skeleton_;
    std::vector<Link> links_;
};

} // namespace latency
