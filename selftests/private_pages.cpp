// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: private pages, which no CPU may access, are available neither by mmap, nor by vmap, nor by
 * map (P15), nor by get_pfn. RAM in the same buffer is still available by mmap.
 *
 * Method: each way is tried and must be refused with its errno, or with SIGBUS where only the
 * access can be refused. Each way works on another buffer, so a refusal is due to the pages.
 *
 * Does not see: other ways to the memory, such as /dev/mem.
 */
#include <cerrno>
#include <csignal>

#include "fixture.hpp"

using namespace testexp;

namespace {

struct Objects {
    Buffer buffer;
    Importer importer;
};

Objects make(const Layout& layout) {
    Buffer buffer = device().create({.layout = layout}).value();
    Importer importer = device().attach(buffer.fd.get()).value();

    return {std::move(buffer), std::move(importer)};
}

const Layout all_private = Layout{}.priv(4);
const Layout some_private = Layout{}.ram(2).priv(1).ram(1);

void no_mmap() {
    const Objects objects = make(all_private);

    ksft::expect_eq(Mapping::map(objects.buffer.fd.get(), 4).code(), EOPNOTSUPP, "mmap");
}

void no_access_by_mmap() {
    const Objects objects = make(some_private);
    const Mapping mapping = Mapping::map(objects.buffer.fd.get(), 4).value();
    constexpr int signals[] = {0, 0, SIGBUS, 0};

    for (std::uint64_t page = 0; page < 4; page++)
        ksft::expect_eq(signal_of_reading(mapping.bytes().data() + page * page_bytes()),
                        signals[page], "signal when page " + std::to_string(page) + " is read");
}

void no_vmap() {
    for (const Layout& layout : {all_private, some_private})
        ksft::expect_eq(make(layout).importer.map_kernel().code(), EINVAL,
                        "vmap of " + layout.describe());

    ksft::expect_eq(make(Layout{}.ram(4)).importer.map_kernel().code(), 0, "vmap of RAM");
}

void no_map() {
    for (const Layout& layout : {all_private, some_private})
        ksft::expect_eq(make(layout).importer.map().code(), EOPNOTSUPP,
                        "map of " + layout.describe());
    ksft::expect_eq(make(Layout{}.ram(4)).importer.map().code(), 0, "map of RAM");
}

void no_pfn() {
    const Objects objects = make(some_private);

    for (const Form& form : forms) {
        const auto answers = objects.importer.resolve(0, 4, 1, form.flags).value();

        expect_refused(answers[2], EOPNOTSUPP, "the private page");
        for (const std::size_t page : {0U, 1U, 3U})
            ksft::expect_eq(answers[page].error, 0, "RAM");
    }
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P15.private_has_no_mmap", no_mmap);
    plan.add("P15.private_has_no_access_by_mmap", no_access_by_mmap);
    plan.add("P15.private_has_no_vmap", no_vmap);
    plan.add("P15.private_has_no_map", no_map);
    plan.add("P15.private_has_no_pfn", no_pfn);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
