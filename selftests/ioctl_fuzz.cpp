// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: whatever arguments CREATE, RESOLVE and DESCRIBE get, they do what testexp_uapi.h says. A
 * good call succeeds, and every page is as the oracle says (P12, P17, P18). A bad call fails with
 * the errno of one of its defects and changes nothing of the caller's. Neither leaves anything
 * behind (P8).
 *
 * Method: random good calls, half of which are spoilt in one or two fields with values that break
 * arithmetic: zero, powers of two and their neighbours, the largest value, any value; sizes, flags,
 * counts and pointers included. lib/oracle/call_rules.cpp derives the defects from the passed
 * bytes. Memory ends where a call must stop. The calls are the same in each run;
 * TESTEXP_SEED=random draws others. TESTEXP_BATCHES=1 with the seed that a failure prints repeats
 * the failed batch; more batches make a longer run.
 *
 * Does not see: two callers at once; MMIO apart from its errnos; on other kernels than debug, what
 * only KASAN or lockdep notices.
 */
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <sstream>
#include <vector>

#include <unistd.h>

#include "call_rules.hpp"
#include "far_oracle.hpp"
#include "fixture.hpp"
#include "guarded_memory.hpp"
#include "passed_struct.hpp"
#include "random_layouts.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t u64_max = ~std::uint64_t{0};

/* --- drawing -------------------------------------------------------------- */

class Draw {
public:
    explicit Draw(std::uint64_t seed) : random_(seed) {}

    std::uint64_t below(std::uint64_t n) { return random_() % n; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    std::uint64_t any() { return random_(); }

    template <typename T, std::size_t n> T any_of(const T (&values)[n]) { return values[below(n)]; }

    /* A value that breaks arithmetic. */
    std::uint64_t tricky() {
        const std::uint64_t power = std::uint64_t{1} << below(64);

        switch (below(8)) {
        case 0:
            return 0;
        case 1:
            return u64_max - below(4096);
        case 2:
            return below(64);
        case 3:
            return random_();
        case 4:
            return power - 1;
        case 5:
            return power + 1;
        default:
            return power;
        }
    }

    std::uint32_t tricky32() { return static_cast<std::uint32_t>(tricky()); }

    /* No flag in every second case, otherwise a few of @of. */
    std::uint32_t flags(std::uint32_t of) {
        return one_in(2) ? 0 : static_cast<std::uint32_t>(random_() & random_() & of);
    }

private:
    std::mt19937_64 random_;
};

/* --- one ioctl, with what is common to all -------------------------------- */

/* A pointer to kernel memory, to no memory, or to the guard page. */
std::uint64_t bad_pointer(Draw& draw, std::uint64_t guard) {
    const std::uint64_t bad[] = {0, 8, 0xffff800000000000, u64_max - 7, guard};

    return draw.any_of(bad);
}

/* Spoils one of the fields that every struct has. */
template <typename Args> void spoil_frame(Draw& draw, PassedStruct<Args>& passed) {
    constexpr std::uint32_t sizes[] = {0, 4, 7, 8, sizeof(Args) - 1, 4096, 4097, 1U << 31, ~0U};

    switch (draw.below(4)) {
    case 0:
        passed.args.size = draw.any_of(sizes);
        break;
    case 1:
        passed.args.size = static_cast<std::uint32_t>(sizeof(Args) + 1 + draw.below(64));
        passed.set_tail(static_cast<unsigned char>(draw.below(2)));
        break;
    case 2:
        passed.args.flags |= 1U << draw.below(32);
        break;
    default:
        passed.set_pointer(bad_pointer(draw, passed.guard()));
    }
}

std::string hex_words(const void* data, std::size_t size) {
    std::ostringstream out;

    out << std::hex;
    for (std::size_t at = 0; at + 8 <= size; at += 8) {
        std::uint64_t word = 0;

        std::memcpy(&word, static_cast<const unsigned char*>(data) + at, sizeof(word));
        out << (at ? " " : "") << word;
    }
    return out.str();
}

std::string text_of(const std::set<int>& errors) {
    std::string text;

    for (const int error : errors)
        text += std::string(text.empty() ? "" : " ") + strerrorname_np(error);
    return text;
}

void expect_verdict(int error, const Verdict& verdict, const std::string& call) {
    if (verdict.allows(error))
        return;
    ksft::record_failure(
        call + ": is " + (error ? strerrorname_np(error) : "success") + ", must be " +
            (verdict.defects.empty() ? "success" : text_of(verdict.defects)) +
            (verdict.obstacles.empty() ? "" : ", perhaps ") + text_of(verdict.obstacles),
        __FILE__, __LINE__);
}

struct Outcome {
    int error; /* 0 for success */
    bool is_right;
};

/*
 * Makes the call and reports what it must not do. @judge returns the verdict about the call; it is
 * asked when everything is in memory, so that it sees what the ioctl will see.
 */
template <typename Args, typename Judge>
Outcome make(PassedStruct<Args>& passed, int fd, unsigned long request, const std::string& text,
             const Judge& judge) {
    const Args before = passed.args;
    const Bytes bytes = passed.place();
    const Verdict verdict = judge(bytes);
    const int error = passed.call(fd, request);

    expect_verdict(error, verdict, text + passed.frame());
    if (error && std::memcmp(&before, &passed.args, sizeof(before)) != 0)
        ksft::record_failure("a failed ioctl has changed its struct", __FILE__, __LINE__);
    return {error, verdict.allows(error)};
}

/* --- nothing is left behind ----------------------------------------------- */

/* The counts of INFO, and the number of the next descriptor. */
class Balance {
public:
    Balance() : before_(device().read_info().value()), fd_(next_fd()) {}

    void expect_same(const std::string& after) const {
        const testexp_info now = device().read_info().value();

        ksft::expect_eq(now.nr_buffers, before_.nr_buffers, "buffers after " + after);
        ksft::expect_eq(now.nr_importers, before_.nr_importers, "importers after " + after);
        ksft::expect_eq(now.used_pages, before_.used_pages, "used pages after " + after);
        ksft::expect_eq(next_fd(), fd_, "next descriptor after " + after);
    }

private:
    testexp_info before_;
    int fd_;
};

/* --- CREATE --------------------------------------------------------------- */

/* So few pages that a test can have a table of all of them, even on a slow kernel. */
constexpr std::uint64_t most_ram_pages = 64;
constexpr std::uint64_t most_table_pages = 4096;

testexp_extent good_extent(Draw& draw, std::uint64_t pgoff) {
    const std::uint64_t length = 1 + draw.below(std::uint64_t{1} << draw.below(5));
    const std::uint64_t far = 1 + draw.below(std::uint64_t{1} << draw.below(40));
    const auto align_order = static_cast<std::uint32_t>(draw.below(6));
    const std::uint64_t block = std::uint64_t{1} << align_order;
    Layout one;

    switch (draw.below(8)) {
    case 0:
        one.hole(draw.one_in(4) ? far : length);
        break;
    case 1:
        one.priv(draw.one_in(4) ? far : length);
        break;
    case 2:
        one.alias(draw.below(pgoff + 1), 1 + draw.below(4));
        break;
    case 3:
    case 4:
        one.synthetic(draw.tricky() % (std::uint64_t{1} << (TESTEXP_PFN_BITS - 1)),
                      draw.one_in(2) ? far : length,
                      {.cache = static_cast<testexp_cache>(draw.below(TESTEXP_CACHE_MODES)),
                       .attributes = draw.one_in(4) ? TESTEXP_EXTENT_P2P : 0U,
                       .repeat = 1 + draw.below(4)});
        break;
    default:
        one.ram(length, {.align_order = align_order,
                         .skew = (draw.one_in(2) ? pgoff : draw.below(block)) % block,
                         .repeat = 1 + draw.below(3)});
    }
    return one.extents[0];
}

void spoil_extent(Draw& draw, testexp_extent& extent) {
    switch (draw.below(9)) {
    case 0:
        extent.nr_pages = draw.tricky();
        break;
    case 1:
        extent.repeat = draw.tricky();
        break;
    case 2: /* only the product matters */
        extent.nr_pages = std::uint64_t{1} << draw.below(64);
        extent.repeat = (draw.one_in(2) ? u64_max : std::uint64_t{1} << 52) / extent.nr_pages + 1 -
                        draw.below(2);
        break;
    case 3:
        extent.type = draw.one_in(2) ? draw.tricky32()
                                     : static_cast<std::uint32_t>(draw.below(TESTEXP_EXTENT_TYPES));
        break;
    case 4:
        extent.align_order = draw.one_in(4) ? draw.tricky32() : TESTEXP_MAX_ALIGN_ORDER + 1;
        break;
    case 5:
        extent.skew = draw.one_in(2) ? draw.tricky() : std::uint64_t{1} << extent.align_order % 32;
        break;
    case 6: /* ends near the largest PFN, or wraps */
        extent.at = draw.one_in(2) ? draw.tricky()
                                   : (draw.one_in(2) ? 0 : std::uint64_t{1} << TESTEXP_PFN_BITS) -
                                         extent.nr_pages * extent.repeat + draw.below(2);
        break;
    case 7:
        extent.cache = draw.one_in(2) ? draw.tricky32()
                                      : static_cast<std::uint32_t>(draw.below(TESTEXP_CACHE_MODES));
        break;
    default:
        extent.attributes = draw.tricky32();
    }
}

/*
 * Reduces the work of a step: good calls that take minutes have tests of their own. A length that
 * exceeds the limits stays as it is.
 */
void make_bearable(testexp_extent& extent) {
    const bool may_be_granted = extent.repeat <= device().info().max_extents;

    if (may_be_granted && extent.repeat > 512)
        extent.repeat = 1 + extent.repeat % 8;
    if (extent.type != TESTEXP_EXTENT_RAM)
        return;
    if (extent.align_order > 6 && extent.align_order <= TESTEXP_MAX_ALIGN_ORDER)
        extent.align_order = 6;
    if (extent.nr_pages > most_ram_pages && extent.nr_pages <= device().info().max_pages)
        extent.nr_pages = 1 + extent.nr_pages % most_ram_pages;
    if (extent.nr_pages != 0 && extent.repeat > 4 && may_be_granted)
        extent.repeat = 4;
}

/* A CREATE with its array of extents. */
class Creation {
public:
    explicit Creation(Draw& draw) : passed_({}) {
        if (draw.one_in(3)) /* far from pgoff, with related neighbours */
            layout_ = RandomLayouts(draw.any(), {.max_extents = 6, .max_length_order = 40}).next();
        else
            for (std::uint64_t left = 1 + draw.below(6); left; left--)
                layout_.extents.push_back(good_extent(draw, layout_.nr_pages()));
        passed_.args.flags = draw.flags(TESTEXP_CREATE_FLAGS);
        if (draw.one_in(2)) /* where a mapping of few RAM buffers could be read */
            passed_.args.flags |= reference_flags(layout_);
        if (draw.one_in(4)) /* pfn_attrs tests the other two, which make DESCRIBE fail */
            passed_.args.inject =
                draw.flags(TESTEXP_INJECT_ALL & ~(TESTEXP_INJECT_TYPE | TESTEXP_INJECT_CACHE));
        if (draw.one_in(2))
            for (std::uint64_t left = 1 + draw.below(2); left; left--)
                spoil(draw);
        for (testexp_extent& extent : layout_.extents)
            make_bearable(extent);
        place_array();
    }

    /* Nothing if the call failed, rightly or wrongly. */
    std::optional<Buffer> make() {
        passed_.args.fd = -1;

        const std::string text = describe();
        const Outcome outcome =
            ::make(passed_, device().fd(), TESTEXP_IOC_CREATE, text, [&](Bytes bytes) {
                return verdict_of_create_call(bytes, memory_.from(passed_.args.extents),
                                              device().info());
            });

        if (outcome.error)
            return std::nullopt;
        ksft::expect_eq(passed_.args.nr_pages, layout_.nr_pages(), "nr_pages of " + text);
        return Buffer{Fd(passed_.args.fd), passed_.args.nr_pages};
    }

    /* The layout in the array, as far as it can be read. */
    const Layout& layout() const { return layout_; }
    std::uint32_t flags() const { return passed_.args.flags; }
    std::uint32_t inject() const { return passed_.args.inject; }

    std::string describe() const {
        std::string text = "CREATE {" + hex_words(&passed_.args, sizeof(passed_.args)) + "} of";

        for (const testexp_extent& extent : layout_.extents)
            text += " {" + hex_words(&extent, sizeof(extent)) + "}";
        return text;
    }

private:
    void spoil(Draw& draw) {
        switch (draw.below(10)) {
        case 0:
            spoil_frame(draw, passed_);
            break;
        case 1:
            passed_.args.reserved = draw.tricky32();
            break;
        case 2:
            passed_.args.inject = draw.tricky32();
            break;
        case 3:
            nr_extents_ =
                draw.one_in(2) ? draw.tricky32() : static_cast<std::uint32_t>(draw.below(8));
            break;
        case 4:
            array_ = bad_pointer(draw, memory_.guard());
            break;
        default:
            spoil_extent(draw, layout_.extents[draw.below(layout_.extents.size())]);
        }
    }

    /* Memory behind the array is not readable. */
    void place_array() {
        const std::size_t size = layout_.extents.size() * sizeof(testexp_extent);
        unsigned char* const array = memory_.tail(size);

        std::memcpy(array, layout_.extents.data(), size);
        passed_.args.extents = array_.value_or(memory_.address(array));
        passed_.args.nr_extents =
            nr_extents_.value_or(static_cast<std::uint32_t>(layout_.extents.size()));
        if (passed_.args.nr_extents < layout_.extents.size())
            layout_.extents.resize(passed_.args.nr_extents);
    }

    GuardedMemory memory_;
    Layout layout_;
    PassedStruct<testexp_create> passed_;
    std::optional<std::uint64_t> array_;
    std::optional<std::uint32_t> nr_extents_;
};

/* --- the truth about a buffer --------------------------------------------- */

bool has_type(const Layout& layout, std::uint32_t type) {
    return std::any_of(layout.extents.begin(), layout.extents.end(),
                       [=](const testexp_extent& extent) { return extent.type == type; });
}

/* Repeats as separate extents, because FarOracle does not know repeats. */
Layout without_repeats(const Layout& layout, bool scatter) {
    Layout plain;

    for (const testexp_extent& extent : layout.extents)
        for (std::uint64_t i = 0; i < extent.repeat; i++) {
            testexp_extent one = extent;
            const std::uint64_t nth = scatter ? extent.repeat - 1 - i : i;

            one.repeat = 1;
            if (one.type == TESTEXP_EXTENT_SYNTHETIC)
                one.at += nth * extent.nr_pages;
            plain.extents.push_back(one);
        }
    return plain;
}

/* What each page is and resolves to. For RAM this needs a mapping whose PFNs can be read. */
class Truth {
public:
    static std::optional<Truth> of(const Creation& creation, const Buffer& buffer) {
        const Layout layout =
            without_repeats(creation.layout(), creation.flags() & TESTEXP_CREATE_SCATTER);
        const bool has_ram = has_type(layout, TESTEXP_EXTENT_RAM); /* every ALIAS needs RAM */

        if (has_type(layout, TESTEXP_EXTENT_MMIO))
            return std::nullopt;
        if (has_ram &&
            (buffer.nr_pages > most_table_pages || (creation.flags() & TESTEXP_CREATE_NO_MMAP) ||
             (reference_flags(layout) & ~creation.flags())))
            return std::nullopt;
        if (has_ram)
            return Truth(layout, oracle_of(layout, buffer.fd.get()));
        return Truth(layout, std::nullopt);
    }

    testexp_result expected(std::uint64_t pgoff) const {
        return oracle_ ? oracle_->expected(pgoff) : far_.expected(pgoff);
    }

    /* Types, cache modes, attributes and PFNs, in extents as DESCRIBE merges them. */
    testexp_describe described(std::uint64_t pgoff) const {
        testexp_describe answer{};
        std::uint64_t start = 0;
        std::size_t i = 0;

        for (; pgoff >= start + runs_[i].nr_pages; i++)
            start += runs_[i].nr_pages;
        answer.first = start;
        answer.nr_pages = runs_[i].nr_pages;
        answer.type = runs_[i].type;
        answer.cache = runs_[i].cache;
        answer.attributes = runs_[i].attributes;
        return answer;
    }

private:
    Truth(const Layout& layout, std::optional<Oracle> oracle)
        : oracle_(std::move(oracle)), far_(oracle_ ? Layout{} : layout) {
        std::uint64_t pgoff = 0;

        for (testexp_extent extent : layout.extents) {
            if (oracle_ && has_pfns(extent)) { /* page by page */
                add_pages(extent, pgoff);
            } else {
                add_run(extent);
            }
            pgoff += extent.nr_pages;
        }
    }

    static bool has_pfns(const testexp_extent& extent) {
        return extent.type != TESTEXP_EXTENT_HOLE && extent.type != TESTEXP_EXTENT_PRIVATE;
    }

    static Oracle oracle_of(const Layout& layout, int fd) {
        return make_subject(layout, Buffer{Fd(dup(fd)), layout.nr_pages()}).oracle;
    }

    void add_pages(const testexp_extent& extent, std::uint64_t pgoff) {
        for (std::uint64_t i = 0; i < extent.nr_pages; i++) {
            testexp_extent page = extent;

            if (page.type == TESTEXP_EXTENT_ALIAS)
                page.type = TESTEXP_EXTENT_RAM;
            page.nr_pages = 1;
            page.at = oracle_->pages()[pgoff + i].pfn;
            add_run(page);
        }
    }

    void add_run(const testexp_extent& extent) {
        if (!runs_.empty()) {
            testexp_extent& last = runs_.back();

            if (last.type == extent.type && last.cache == extent.cache &&
                last.attributes == extent.attributes &&
                (!has_pfns(extent) || last.at + last.nr_pages == extent.at)) {
                last.nr_pages += extent.nr_pages;
                return;
            }
        }
        runs_.push_back(extent);
    }

    std::optional<Oracle> oracle_;
    FarOracle far_;
    std::vector<testexp_extent> runs_;
};

/* --- an importer for it --------------------------------------------------- */

/*
 * An importer for any good buffer that can resolve. Nothing if a stock kernel has no such importer.
 */
std::optional<Importer> attach(const Creation& creation, const Buffer& buffer) {
    const Layout& layout = creation.layout();
    const bool wants_p2p = std::any_of(layout.extents.begin(), layout.extents.end(), [](auto& e) {
        return (e.attributes & TESTEXP_EXTENT_P2P) || e.type == TESTEXP_EXTENT_MMIO;
    });
    const bool dynamic = creation.flags() & TESTEXP_CREATE_DYNAMIC;
    const bool needs_dynamic = wants_p2p || (creation.flags() & TESTEXP_CREATE_REVOCABLE);
    const bool is_native = device().has(TESTEXP_FEAT_NO_DEVICE);

    if (creation.inject() || (creation.flags() & TESTEXP_CREATE_NO_GET_PFN) ||
        (dynamic && !device().has(TESTEXP_FEAT_MOVE_NOTIFY)) ||
        (!is_native && needs_dynamic != dynamic))
        return std::nullopt;
    return device()
        .attach(buffer.fd.get(), (needs_dynamic || dynamic ? TESTEXP_ATTACH_DYNAMIC : 0U) |
                                     (is_native ? TESTEXP_ATTACH_NO_DEVICE : 0U))
        .value();
}

/* --- RESOLVE -------------------------------------------------------------- */

/* Any page, but mostly one where an extent begins or ends. */
std::uint64_t draw_pgoff(Draw& draw, const Layout& layout) {
    std::uint64_t border = 0;

    for (std::uint64_t left = draw.below(layout.extents.size() + 1); left; left--)
        border += layout.extents[left - 1].nr_pages * layout.extents[left - 1].repeat;
    switch (draw.below(4)) {
    case 0:
        return draw.tricky();
    case 1:
        return draw.below(layout.nr_pages());
    default:
        return border + draw.below(5) - std::min<std::uint64_t>(border, 2);
    }
}

constexpr std::size_t most_results = 64;

void spoil_resolve(Draw& draw, PassedStruct<testexp_resolve>& passed, std::uint64_t guard) {
    switch (draw.below(5)) {
    case 0:
        spoil_frame(draw, passed);
        break;
    case 1:
        passed.args.count = draw.tricky();
        break;
    case 2:
        passed.args.stride = draw.tricky();
        break;
    case 3:
        passed.args.pgoff = draw.tricky();
        break;
    default:
        passed.args.results = bad_pointer(draw, guard);
    }
}

void compare_results(const testexp_resolve& args, const testexp_result* results, const Truth& truth,
                     const std::string& text) {
    for (std::uint64_t i = 0; i < args.count; i++) {
        testexp_result expected = truth.expected(args.pgoff + i * args.stride);

        if (args.flags & TESTEXP_RESOLVE_NO_ORDER)
            expected.max_order = TESTEXP_UNTOUCHED_ORDER;
        if (!same(results[i], expected))
            ksft::record_failure(text + ", result " + std::to_string(i) + ": is " +
                                     describe(results[i]) + ", must be " + describe(expected),
                                 __FILE__, __LINE__);
    }
}

void resolve(Draw& draw, const Creation& creation, const Importer& importer, const Truth& truth) {
    const std::uint64_t room = 1 + draw.below(most_results);
    const GuardedMemory memory;
    auto* const results =
        reinterpret_cast<testexp_result*>(memory.tail(room * sizeof(testexp_result)));
    PassedStruct<testexp_resolve> passed({});
    testexp_resolve& args = passed.args;

    args.flags = draw.flags(TESTEXP_RESOLVE_FLAGS);
    args.pgoff = draw_pgoff(draw, creation.layout());
    args.count = 1 + draw.below(room);
    args.stride = draw.one_in(2) ? 1 : 1 + draw.tricky() % (std::uint64_t{1} << 50);
    args.results = memory.address(results);
    if (draw.one_in(2))
        spoil_resolve(draw, passed, memory.guard());

    const std::string text =
        "RESOLVE {" + hex_words(&args, sizeof(args)) + "} of " + creation.describe();
    const Outcome outcome =
        make(passed, importer.fd(), TESTEXP_IOC_RESOLVE, text, [&](Bytes bytes) {
            return verdict_of_resolve_call(bytes, memory.from(args.results), device().info());
        });

    if (outcome.error == 0 && outcome.is_right)
        compare_results(args, results, truth, text);
}

/* --- DESCRIBE ------------------------------------------------------------- */

void expect_described(const testexp_describe& is, const testexp_describe& must_be,
                      const std::string& text) {
    ksft::expect_eq(is.first, must_be.first, "first of " + text);
    ksft::expect_eq(is.nr_pages, must_be.nr_pages, "nr_pages of " + text);
    ksft::expect_eq(is.type, must_be.type, "type of " + text);
    ksft::expect_eq(is.cache, must_be.cache, "cache of " + text);
    ksft::expect_eq(is.attributes, must_be.attributes, "attributes of " + text);
}

void describe_page(Draw& draw, const Creation& creation, const Importer& importer,
                   const Truth& truth) {
    PassedStruct<testexp_describe> passed({});
    testexp_describe& args = passed.args;

    args.pgoff = draw_pgoff(draw, creation.layout());
    if (draw.one_in(4))
        spoil_frame(draw, passed);
    else
        args.flags = draw.flags(TESTEXP_DESCRIBE_FLAGS);
    if (draw.one_in(8))
        args.reserved = draw.tricky32();

    const bool only_attrs = args.flags & TESTEXP_DESCRIBE_ATTRS;
    const std::string text =
        "DESCRIBE {" + hex_words(&args, sizeof(args)) + "} of " + creation.describe();
    const Outcome outcome =
        make(passed, importer.fd(), TESTEXP_IOC_DESCRIBE, text, [&](Bytes bytes) {
            Verdict verdict =
                verdict_of_describe_call(bytes, creation.layout().nr_pages(), device().info());

            if (only_attrs && (!device().has(TESTEXP_FEAT_PFN_ATTRS) ||
                               creation.flags() & TESTEXP_CREATE_NO_ATTRS))
                verdict.defects.insert(EOPNOTSUPP);
            else if (only_attrs && truth.expected(args.pgoff).error != 0)
                verdict.defects.insert(-truth.expected(args.pgoff).error);
            return verdict;
        });

    if (outcome.error != 0 || !outcome.is_right)
        return;

    testexp_describe must_be = truth.described(args.pgoff);

    if (only_attrs) {
        must_be.first = must_be.nr_pages = must_be.attributes = 0;
        if (must_be.type != TESTEXP_EXTENT_MMIO)
            must_be.type = TESTEXP_EXTENT_RAM;
    }
    expect_described(args, must_be, text);
}

/* --- the cases ------------------------------------------------------------ */

/* The results of a batch's steps, to see that the batch reached every kind. */
struct Tally {
    std::uint64_t refused = 0;
    std::uint64_t created = 0;
    std::uint64_t compared = 0; /* buffers with known answers */

    bool has_each() const { return refused && created && compared; }
};

void use(Draw& draw, const Creation& creation, const Buffer& buffer, Tally& tally) {
    const std::optional<Truth> truth = Truth::of(creation, buffer);
    const std::optional<Importer> importer = attach(creation, buffer);

    if (!truth || !importer)
        return;
    tally.compared++;
    for (int i = 0; i < 4; i++)
        resolve(draw, creation, *importer, *truth);
    describe_page(draw, creation, *importer, *truth);
}

void step(Draw& draw, Tally& tally) {
    const Balance balance;
    std::string text;
    {
        Creation creation(draw);
        const std::optional<Buffer> buffer = creation.make();

        text = creation.describe();
        if (buffer) {
            tally.created++;
            use(draw, creation, *buffer, tally);
        } else {
            tally.refused++;
        }
    }
    balance.expect_same(text);
}

void batch(std::uint64_t batch_seed, int steps) {
    Draw draw(batch_seed);
    Tally tally;

    ksft::note("TESTEXP_SEED=" + std::to_string(batch_seed) + " TESTEXP_BATCHES=1");
    /* Goes on while a kind of step is missing, because a short batch must not fail by chance. */
    for (int i = 0; i < steps || (!tally.has_each() && i < 20 * steps); i++)
        step(draw, tally);
    ksft::note(std::to_string(tally.created) + " created, " + std::to_string(tally.compared) +
               " of them compared, " + std::to_string(tally.refused) + " refused");
    ksft::expect(tally.has_each(), "each kind of step was there");
}

/*
 * Good calls with a frame that is spoilt twice: what the second spoiling undoes must not count.
 * Most calls of a batch never get there.
 */
void spoilt_twice() {
    Draw draw(seed());
    const Layout layout = Layout{}.hole(1);
    const GuardedMemory memory;
    auto* const array = memory.tail(sizeof(testexp_extent));
    std::uint64_t succeeded = 0, failed = 0;

    std::memcpy(array, layout.extents.data(), sizeof(testexp_extent));
    for (int i = 0; i < 500; i++) {
        PassedStruct<testexp_create> passed({});

        passed.args.extents = memory.address(array);
        passed.args.nr_extents = 1;
        spoil_frame(draw, passed);
        spoil_frame(draw, passed);

        const std::string text = "CREATE {" + hex_words(&passed.args, sizeof(passed.args)) + "}";
        const Outcome outcome =
            make(passed, device().fd(), TESTEXP_IOC_CREATE, text, [&](Bytes bytes) {
                return verdict_of_create_call(bytes, memory.from(passed.args.extents),
                                              device().info());
            });

        (outcome.error ? failed : succeeded)++;
        if (!outcome.error)
            Fd(passed.args.fd).reset();
    }
    ksft::expect(succeeded && failed, "some calls succeeded and some failed");
}

std::uint64_t number_of_batches() {
    return number_from_environment("TESTEXP_BATCHES").value_or(quick() ? 4 : 20);
}

void make_plan(ksft::Plan& plan) {
    /* A second's work takes a minute under KASAN. */
    const int steps = device().has(TESTEXP_FEAT_KASAN) ? 50 : quick() ? 100 : 250;
    const std::uint64_t batches = number_of_batches();

    ksft::note("TESTEXP_SEED=" + std::to_string(seed()));
    plan.add("abi.fuzz_spoilt_twice", spoilt_twice);
    for (std::uint64_t i = 0; i < batches; i++)
        plan.add("abi.fuzz[batch=" + std::to_string(i) + "]", [=] { batch(seed() + i, steps); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
