// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: on a buffer of one physically contiguous extent, get_pfn gives the PFN and the exact
 * max_order of every page (P17, P18), the locked and the unlocked form agree, and a NULL max_order
 * is allowed.
 *
 * Method: one buffer for each order; every page is compared with a page table that was read from
 * the CPU's page table through mmap.
 *
 * Does not see: buffers of more than one extent (get_pfn_mixed), errors (get_pfn_errors).
 */
#include "fixture.hpp"
#include "truth.hpp"

using namespace testexp;

namespace {

CreateSpec one_extent(std::uint32_t order) {
    return {.layout = Layout{}.ram(std::uint64_t{1} << order, {.align_order = order})};
}

void every_page(std::uint32_t order, const Form& form) {
    const Subject subject = make_subject(one_extent(order));
    const Importer importer = device().attach(subject.buffer.fd.get()).value();

    /* Here the order is known without a page table: the extent is aligned and starts at pgoff 0. */
    for (std::uint64_t pgoff = 0; pgoff < subject.oracle.nr_pages(); pgoff++)
        ksft::expect_eq(subject.oracle.expected(pgoff).max_order, order, "oracle's max_order");
    expect_truth(importer, subject, form);
}

/* A skewed extent begins in the middle of a physical block. */
void skewed(std::uint32_t order) {
    const std::uint64_t half = std::uint64_t{1} << (order - 1);
    const Subject subject = make_subject(
        {.layout = Layout{}.ram(half, {.align_order = order, .skew = half}), .flags = 0});
    const Importer importer = device().attach(subject.buffer.fd.get()).value();

    for (const Form& form : forms)
        expect_truth(importer, subject, form);
}

void no_order(const Form& form) {
    const Subject subject = make_subject(one_extent(4));
    const Importer importer = device().attach(subject.buffer.fd.get()).value();
    const std::vector<testexp_result> answers =
        importer.resolve(0, subject.oracle.nr_pages(), 1, form.flags | TESTEXP_RESOLVE_NO_ORDER)
            .value();

    for (std::uint64_t pgoff = 0; pgoff < answers.size(); pgoff++) {
        ksft::expect_eq(answers[pgoff].error, 0, "error");
        ksft::expect_eq(answers[pgoff].pfn, subject.oracle.expected(pgoff).pfn, "pfn");
        ksft::expect_eq(answers[pgoff].max_order, TESTEXP_UNTOUCHED_ORDER, "max_order");
    }
}

/* The kernel's helper for exporters. No buffer of a test has so many pages, or PFNs equal to pgoff.
 */
void max_order_of_runs() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_pfn_max_order()");
    expect_warnings(0, [] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_MAX_ORDER).value(), 0,
                        "the first run with a wrong order");
    });
}

void forms_agree() {
    const Subject subject = make_subject(one_extent(9));
    const Importer importer = device().attach(subject.buffer.fd.get()).value();
    const std::uint64_t nr_pages = subject.oracle.nr_pages();
    const std::vector<testexp_result> unlocked = importer.resolve(0, nr_pages).value();
    const std::vector<testexp_result> locked =
        importer.resolve(0, nr_pages, 1, TESTEXP_RESOLVE_LOCKED).value();

    for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff++) {
        ksft::expect_eq(locked[pgoff].pfn, unlocked[pgoff].pfn, "pfn");
        ksft::expect_eq(locked[pgoff].max_order, unlocked[pgoff].max_order, "max_order");
        ksft::expect_eq(locked[pgoff].error, unlocked[pgoff].error, "error");
    }
}

/* Importers of every kind get the same answers, or the refusal that the truth table has. */
void importer_kind(std::uint32_t create_flags, std::uint32_t attach_flags) {
    if (attach_flags & TESTEXP_ATTACH_NO_DEVICE)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");

    const int code = truth::code_of_get_pfn(device().info().features, create_flags, attach_flags);
    CreateSpec spec = one_extent(5);

    spec.flags = create_flags;
    const Subject subject = make_subject(spec);
    const Importer importer = device().attach(subject.buffer.fd.get(), attach_flags).value();

    for (const Form& form : forms)
        if (code == 0)
            expect_truth(importer, subject, form);
        else
            for (const testexp_result& result :
                 importer.resolve(0, subject.oracle.nr_pages(), 1, form.flags).value())
                expect_refused(result, code, form.name);
}

void add_importer_kinds(ksft::Plan& plan) {
    for (const bool dynamic_exporter : {false, true})
        for (const bool dynamic_importer : {false, true})
            for (const bool with_device : {true, false}) {
                const auto word = [](bool dynamic) { return dynamic ? "dynamic" : "static"; };
                const std::uint32_t create_flags = dynamic_exporter ? TESTEXP_CREATE_DYNAMIC : 0U;
                const std::uint32_t attach_flags =
                    (dynamic_importer ? TESTEXP_ATTACH_DYNAMIC : 0U) |
                    (with_device ? 0U : TESTEXP_ATTACH_NO_DEVICE);

                plan.add(std::string("get_pfn.one_extent[exporter=") + word(dynamic_exporter) +
                             ",importer=" + word(dynamic_importer) +
                             ",device=" + (with_device ? "yes" : "no") + "]",
                         [=] { importer_kind(create_flags, attach_flags); });
            }
}

void make_plan(ksft::Plan& plan) {
    const std::uint32_t max_order = device().info().max_page_order;

    for (std::uint32_t order = 0; order <= max_order; order++)
        for (const Form& form : forms)
            plan.add("P18.one_extent[order=" + std::to_string(order) + ",form=" + form.name + "]",
                     [=] { every_page(order, form); });
    for (std::uint32_t order = 1; order <= max_order; order++)
        plan.add("P18.skewed[order=" + std::to_string(order) + "]", [=] { skewed(order); });
    for (const Form& form : forms)
        plan.add(std::string("get_pfn.null_max_order[form=") + form.name + "]",
                 [=] { no_order(form); });
    plan.add("get_pfn.forms_agree", forms_agree);
    plan.add("P18.max_order_of_runs", max_order_of_runs);
    add_importer_kinds(plan);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
