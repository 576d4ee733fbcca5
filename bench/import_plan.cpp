// SPDX-License-Identifier: GPL-2.0
#include "import_plan.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "program.hpp"
#include "testexp.hpp"

namespace bench {

namespace {

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

constexpr std::array memfd_bytes = {2 * mebibyte, 128 * mebibyte};

constexpr std::uint64_t runs_bytes = 16 * mebibyte;
constexpr std::array<std::uint64_t, 4> numbers_of_runs = {1, 16, 256, 4096};

/*
 * An operation on a large buffer of small pages takes longer than the kernel's timer period, so
 * more batches would not find one without a tick.
 */
constexpr std::uint64_t large_bytes = 64 * mebibyte;

struct Operation {
    ImportOp op;
    const char* name;
    const char* suffix; /* of the name of the case */
};

constexpr std::array operations = {
    Operation{ImportOp::map, "map", ""},
    Operation{ImportOp::unmap, "unmap", ""},
    Operation{ImportOp::map_alone, "map", "/domain:none"},
};

/* To find the run of the last page in the list of PFNs costs most where the list is long. */
constexpr std::array list_operations = {
    Operation{ImportOp::copy_last, "copy_last", ""},
};

constexpr std::array type1_operations = {
    Operation{ImportOp::map, "map", ""},
    Operation{ImportOp::unmap, "unmap", ""},
    Operation{ImportOp::map_first, "map", "/touch:first"},
};

/* How a mapping of small pages is unmapped from the IOMMU depends on the BAR alone. */
constexpr std::array type1_operations_of_small_pages = {
    Operation{ImportOp::map, "map", ""},
    Operation{ImportOp::map_first, "map", "/touch:first"},
};

std::string name_of(const ImportBuffer& buffer) {
    const std::string bytes = "/bytes:" + std::to_string(size_bytes_of(buffer));

    if (std::holds_alternative<MemfdSpec>(buffer))
        return "buffer:memfd" + bytes;
    if (const auto* runs = std::get_if<RunsSpec>(&buffer))
        return "buffer:testexp" + bytes + "/runs:" + std::to_string(runs->nr_runs);
    if (const auto* type1 = std::get_if<Type1Spec>(&buffer))
        return "buffer:" + testexp::exporter_of(type1->bar) + bytes + "/by:type1" +
               (type1->aligned ? "" : "/aligned:no");
    return "buffer:" + testexp::exporter_of(std::get<testexp::ForeignSpec>(buffer)) + bytes;
}

bool is_large(const ImportBuffer& buffer) {
    return size_bytes_of(buffer) >= large_bytes;
}

void add_cases(std::vector<ImportCase>& plan, const ImportBuffer& buffer,
               std::span<const Operation> all) {
    const std::uint64_t batches = is_large(buffer) ? 4 : 20;

    for (const Operation& operation : all)
        plan.push_back(
            {std::string("import/op:") + operation.name + "/" + name_of(buffer) + operation.suffix,
             buffer, operation.op, batches});
}

void add_buffer(std::vector<ImportCase>& plan, const ImportBuffer& buffer) {
    add_cases(plan, buffer, operations);
}

void add_runs(std::vector<ImportCase>& plan, const RunsSpec& runs) {
    add_buffer(plan, runs);
    add_cases(plan, runs, list_operations);
}

/* A mapping of small pages has to stay small: each of its pages costs thousands of instructions. */
void add_type1(std::vector<ImportCase>& plan, const testexp::VfioSpec& bar) {
    const Type1Spec small{bar, false};

    add_cases(plan, Type1Spec{bar}, type1_operations);
    if (!is_large(small))
        add_cases(plan, small, type1_operations_of_small_pages);
}

void add_foreign(std::vector<ImportCase>& plan, const testexp::ForeignSpec& spec) {
    add_buffer(plan, spec);
    if (const auto* bar = std::get_if<testexp::VfioSpec>(&spec); bar && bar->ranges.size() == 1)
        add_type1(plan, *bar);
}

} // namespace

std::uint64_t size_bytes_of(const ImportBuffer& buffer) {
    if (const auto* memfd = std::get_if<MemfdSpec>(&buffer))
        return memfd->size_bytes;
    if (const auto* runs = std::get_if<RunsSpec>(&buffer))
        return runs->size_bytes;
    if (const auto* type1 = std::get_if<Type1Spec>(&buffer))
        return type1->bar.size_bytes();
    return testexp::size_bytes_of(std::get<testexp::ForeignSpec>(buffer));
}

std::uint64_t pages_of(const ImportBuffer& buffer, ImportOp op) {
    return op == ImportOp::copy_last ? 1 : size_bytes_of(buffer) / testexp::page_bytes();
}

std::vector<ImportCase> make_import_plan(const std::vector<std::string>& exporters) {
    std::vector<ImportCase> plan;

    for (const std::uint64_t bytes : memfd_bytes)
        add_buffer(plan, MemfdSpec{bytes});
    for (const std::string& exporter : exporters) {
        if (exporter != test_exporter)
            add_foreign(plan, testexp::parse_foreign(exporter).value());
        else
            for (const std::uint64_t nr_runs : numbers_of_runs)
                add_runs(plan, RunsSpec{runs_bytes, nr_runs});
    }
    return plan;
}

} // namespace bench
