// SPDX-License-Identifier: GPL-2.0
/* P3, P8, P9 and P13: which importers an exporter accepts, and what they see of one another. */
#include <algorithm>

#include "bufinfo.hpp"
#include "counts.hpp"
#include "dma_buf_trace.hpp"
#include "fixture.hpp"
#include "importer_kinds.hpp"
#include "law.hpp"

namespace check {

using namespace testexp;

namespace {

constexpr std::uint32_t without_callback = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_NOTIFY;

/* Flags of an importer without a device, where the exporter allows such an importer. */
std::uint32_t device_less(const Subject& subject) {
    return subject.attach_flags & TESTEXP_ATTACH_NO_DEVICE;
}

/*
 * How the exporter treats an importer without a callback shows the exporter's class. Only Linux 7.1
 * and later have such importers.
 */
ExporterClass observed_class(const Subject& subject) {
    if (!device().has(TESTEXP_FEAT_NO_NOTIFY))
        ksft::skip("the source does not know the exporter's class, and this kernel cannot show it");

    const Result<Importer> importer =
        device().attach(subject.fd(), without_callback | device_less(subject));

    if (!importer)
        return {.revocable = importer.code() == EOPNOTSUPP};

    const std::vector<testexp_result> results =
        importer.value().resolve(0, std::min<std::uint64_t>(subject.nr_pages, 64)).value();

    return {.movable = std::ranges::any_of(
                results, [](const testexp_result& result) { return result.error == -ENOENT; })};
}

bool has_mmio(const Subject& subject) {
    const Importer importer = attach(subject);
    std::vector<Answer> answers = subject.first_answers;

    add_attributes(importer, answers);
    return std::ranges::any_of(answers, [](const Answer& answer) {
        return answer.attributes && answer.attributes->type == TESTEXP_EXTENT_MMIO;
    });
}

/*
 * MMIO needs importers that allow peer-to-peer. An exporter may demand this for other pages too, so
 * where the source does not know, what the exporter refuses shows it.
 */
bool needs_p2p(const Subject& subject) {
    if (subject.source.needs_p2p)
        return *subject.source.needs_p2p;

    const bool is_refused =
        device()
            .attach(subject.fd(),
                    TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_P2P | device_less(subject))
            .code() == EOPNOTSUPP;

    return is_refused || (subject.has_attributes && has_mmio(subject));
}

bool revokes(const Source& source) {
    return std::ranges::any_of(source.invalidations,
                               [](const Invalidation& how) { return !how.is_move; });
}

/*
 * An exporter that revokes and accepts importers without a callback is wrong: such importers cannot
 * be told. So what the exporter accepts does not show that the exporter is fixed.
 */
ExporterClass class_of(const Subject& subject) {
    if (subject.source.exporter_class)
        return *subject.source.exporter_class;

    ExporterClass observed = observed_class(subject);

    if (subject.has_get_pfn && revokes(subject.source) && !observed.movable)
        observed.revocable = true;
    return observed;
}

ExporterTraits traits_of(const Subject& subject) {
    return {.has_get_pfn = subject.has_get_pfn,
            .needs_p2p = needs_p2p(subject),
            .kind = class_of(subject)};
}

/* Why this kernel cannot have such an importer; nullptr if it can. */
const char* obstacle(const ImporterKind& kind) {
    if (!kind.has_device && !device().has(TESTEXP_FEAT_NO_DEVICE))
        return "the stock kernel refuses importers without a device";
    if ((kind.flags & TESTEXP_ATTACH_NO_NOTIFY) && !device().has(TESTEXP_FEAT_NO_NOTIFY))
        return "this kernel demands the callback";
    if (kind.has_device && device().has(TESTEXP_FEAT_MAPS_AT_ATTACH))
        return "this kernel maps at attach, so the outcome depends on map_dma_buf";
    return nullptr;
}

/* @code: the errno with which get_pfn must fail; 0: each page must have its first answer. */
void expect_answers(const Subject& subject, const Importer& importer, int code) {
    if (code == 0) {
        expect_same_answers(ask_pages(subject, importer), subject.first_answers,
                            "by this importer");
        return;
    }
    for (const Form& form : forms)
        for (const std::uint64_t pgoff : {std::uint64_t{0}, subject.nr_pages - 1})
            expect_refused(importer.resolve(pgoff, 1, 1, form.flags).value()[0], code,
                           "page " + std::to_string(pgoff) + ", " + form.name);
}

void kind_is_treated_right(const Subject& subject, const ImporterKind& kind) {
    if (const char* why = obstacle(kind))
        ksft::skip(why);

    const Outcome expected = expected_outcome(kind, traits_of(subject), device().info().features);
    const Counts before = count_all(subject);
    {
        const Result<Importer> importer = device().attach(subject.fd(), kind.flags);

        ksft::expect_eq(importer.code(), expected.attach, "attach");
        if (importer && expected.attach == 0)
            expect_answers(subject, importer.value(), expected.get_pfn);
    }
    expect_counts(subject, before, "after detach");
    ksft::note(expected.attach
                   ? "attach must be refused with errno " + std::to_string(expected.attach)
                   : "get_pfn must give " + std::to_string(-expected.get_pfn));
}

/* --- map ------------------------------------------------------------------- */

std::string text_of_map(const Result<std::vector<testexp_map_entry>>& segments) {
    if (!segments)
        return segments.error().what;
    return std::to_string(segments.value().size()) + " segments";
}

/* Without a device map is -EINVAL. With a device, the exporter decides what map returns. */
void map(const Subject& subject) {
    for (const ImporterKind& kind : importer_kinds()) {
        const Result<Importer> importer = device().attach(subject.fd(), kind.flags);

        if (!importer)
            continue;

        const auto first = importer.value().map();
        const auto second = importer.value().map();

        ksft::note(std::string(kind.name) + ": " + text_of_map(first));
        ksft::expect_eq(second.code(), first.code(), std::string(kind.name) + ": second map");
        if (!kind.has_device)
            ksft::expect_eq(first.code(), EINVAL, std::string(kind.name) + ": map");
        if (subject.has_get_pfn && kind.has_callback)
            expect_same_answers(ask_pages(subject, importer.value()), subject.first_answers,
                                std::string(kind.name) + ", after map");
    }
}

/* --- what shows attachments ------------------------------------------------ */

/* An importer of each kind that the exporter and this kernel accept. */
std::vector<Importer> attach_each_kind(const Subject& subject) {
    std::vector<Importer> importers;

    for (const ImporterKind& kind : importer_kinds()) {
        Result<Importer> importer = device().attach(subject.fd(), kind.flags);

        if (importer)
            importers.push_back(std::move(importer).value());
    }
    return importers;
}

void bufinfo(const Subject& subject) {
    (void)bufinfo_lines(); /* skips where this kernel has no bufinfo */

    const std::optional<std::uint64_t> before = attachments_in_bufinfo(subject);

    ksft::expect(before.has_value(), "bufinfo lists the buffer");

    const std::vector<Importer> importers = attach_each_kind(subject);

    ksft::expect_eq(attachments_in_bufinfo(subject).value_or(0),
                    before.value_or(0) + importers.size(), "attachments in bufinfo");
    for (const std::string& line : bufinfo_lines())
        ksft::expect(line.find("(null)") == std::string::npos, "a readable line: " + line);
}

void tracepoints(const Subject& subject) {
    const DmaBufTrace trace;
    const std::size_t count = attach_each_kind(subject).size();
    std::size_t attaches = 0, detaches = 0;

    for (const std::string& line : trace.lines()) {
        attaches += line.find("dma_buf_dynamic_attach: ") != std::string::npos;
        detaches += line.find("dma_buf_detach: ") != std::string::npos;
        ksft::expect(line.find("(null)") == std::string::npos, "a readable line: " + line);
    }
    ksft::expect(attaches >= count && detaches >= count,
                 std::to_string(count) + " attaches and detaches are traced: " +
                     std::to_string(attaches) + " and " + std::to_string(detaches));
}

/* Closes the older of two importers first, then the younger. The other importer still works. */
void closed_in_any_order(const Subject& subject) {
    const Counts before = count_all(subject);

    for (const bool first_is_older : {true, false}) {
        std::optional<Importer> older = attach(subject);
        std::optional<Importer> younger = attach(subject);

        (first_is_older ? older : younger).reset();
        if (subject.has_get_pfn)
            expect_same_answers(ask_pages(subject, first_is_older ? *younger : *older),
                                subject.first_answers, "by the importer that is left");
    }
    expect_counts(subject, before, "after detach");
}

} // namespace

std::vector<Law> importer_laws() {
    std::vector<Law> laws;

    for (const ImporterKind& kind : importer_kinds())
        laws.push_back({std::string("importer.kind[") + kind.name + "]",
                        "attach refuses an importer that the exporter's class or its MMIO does not "
                        "allow; another importer gets PFNs for every page, or -ENOENT where it "
                        "must pin first (contract 1 and 1b, P3, P8, P9, P13)",
                        {},
                        [&kind](const Subject& subject) { kind_is_treated_right(subject, kind); }});
    laws.push_back({"importer.map",
                    "map gives the same result twice, -EINVAL without a device, and leaves PFNs "
                    "as they are (contract 1, P9)",
                    {},
                    map});
    laws.push_back({"importer.bufinfo",
                    "bufinfo shows each kind of attachment by a readable line (contract 1, P9)",
                    {},
                    bufinfo});
    laws.push_back({"importer.tracepoints",
                    "the tracepoints show each kind of attachment by a readable line "
                    "(contract 1b, P9)",
                    {},
                    tracepoints});
    laws.push_back({"importer.closed_in_any_order",
                    "importers of one buffer may be closed in any order (P9)",
                    {},
                    closed_in_any_order});
    return laws;
}

} // namespace check
