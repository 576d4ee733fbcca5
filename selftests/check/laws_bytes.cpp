// SPDX-License-Identifier: GPL-2.0
/*
 * P17 and P23: what the CPU writes through mmap is what others find at the PFNs. One of them reads
 * physical memory, the other is a device that iommufd gives the PFNs to.
 */
#include <cerrno>

#include "dma_device.hpp"
#include "fixture.hpp"
#include "law.hpp"
#include "mapped.hpp"
#include "physical_reader.hpp"

namespace check {

using namespace testexp;

namespace {

/*
 * A reader may be slow, so this function chooses at most about 2 * @most pages of RAM: the first
 * and the last page, pages on both sides of borders, and other pages at equal distances.
 */
std::vector<Answer> interesting_pages(const Subject& subject, std::size_t most) {
    std::vector<Answer> answers = ask_all(subject);

    std::erase_if(answers, [](const Answer& answer) {
        return !answer.has_pfn() ||
               (answer.attributes && answer.attributes->type != TESTEXP_EXTENT_RAM);
    });
    REQUIRE(!answers.empty(), "no page of the buffer is RAM");
    if (answers.size() <= most)
        return answers;

    std::vector<Answer> chosen{answers.front()};
    const std::size_t step = answers.size() / most + 1;
    std::size_t nr_borders = 0;

    const auto continues = [&](std::size_t i) {
        return answers[i].result.pfn == answers[i - 1].result.pfn + 1;
    };

    for (std::size_t i = 1; i + 1 < answers.size(); i++) {
        const bool is_border = nr_borders < most && (!continues(i) || !continues(i + 1));

        nr_borders += is_border;
        if (is_border || i % step == 0)
            chosen.push_back(answers[i]);
    }
    chosen.push_back(answers.back());
    return chosen;
}

/* A word of a page, through mmap. The destructor restores what the page had. */
class Word {
public:
    Word(std::byte* page, std::uint64_t value)
        : word_(reinterpret_cast<volatile std::uint64_t*>(page)), before_(*word_) {
        *word_ = value;
    }
    Word(const Word&) = delete;
    Word& operator=(const Word&) = delete;
    ~Word() { *word_ = before_; }

    std::uint64_t get() const { return *word_; }

private:
    volatile std::uint64_t* word_;
    std::uint64_t before_;
};

constexpr std::uint64_t signature = 0xdb0f'c4ec'0000'0000;

/* The first word of the page, which now has a value that no other page has. */
Word sign(const Mapping& mapping, const Answer& answer) {
    return {mapping.bytes().data() + answer.pgoff * page_bytes(), signature + answer.pgoff};
}

void bytes_at_pfn(const Subject& subject) {
    const PhysicalReader reader = physical_reader_or_skip();
    const Mapping mapping = map_or_skip(subject);
    const std::vector<Answer> answers = interesting_pages(subject, reader.most_pages);

    for (const Answer& answer : answers) {
        const std::uint64_t value = signature + answer.pgoff;
        const Word word = sign(mapping, answer);
        const std::optional<std::uint64_t> read = reader.word_at(answer.result.pfn * page_bytes());

        if (!read)
            ksft::record_failure(page(answer.pgoff) + ": " + reader.name + " cannot read PFN " +
                                     hex(answer.result.pfn),
                                 __FILE__, __LINE__);
        else if (*read != value)
            ksft::record_failure(page(answer.pgoff) + ": mmap wrote " + hex(value) + ", and " +
                                     reader.name + " reads " + hex(*read) + " at PFN " +
                                     hex(answer.result.pfn),
                                 __FILE__, __LINE__);
    }
    ksft::note("read " + std::to_string(answers.size()) + " pages by " + reader.name);
}

/* Where the device finds the buffer: far from the addresses of DmaDevice. */
constexpr std::uint64_t iova = std::uint64_t{1} << 36;

bool has_error(const std::vector<Answer>& answers, int error) {
    return std::ranges::any_of(answers,
                               [=](const Answer& answer) { return answer.result.error == error; });
}

void map_for_device(const Subject& subject, const DmaDevice& dma) {
    const auto mapped = dma.space().map(
        {.file = subject.fd(), .length_bytes = subject.nr_pages * page_bytes(), .iova = iova});

    /* A page without a PFN, or an exporter that may move its pages. */
    if ((mapped.code() == ENXIO && has_error(subject.first_answers, -ENXIO)) ||
        mapped.code() == EOPNOTSUPP)
        ksft::skip("iommufd does not take the buffer: " + mapped.error().what);
    (void)mapped.value();
}

void expect_word(const Answer& answer, std::uint64_t is, std::uint64_t must_be,
                 const std::string& what) {
    if (is != must_be)
        ksft::record_failure(page(answer.pgoff) + ", PFN " + hex(answer.result.pfn) + ": " + what +
                                 " " + hex(is) + ", must be " + hex(must_be),
                             __FILE__, __LINE__);
}

std::uint64_t iova_of(const Answer& answer) {
    return iova + answer.pgoff * page_bytes();
}

/* A page may be in the buffer twice, so the device reads each page before the next is signed. */
void expect_reads(DmaDevice& dma, const Mapping& mapping, const std::vector<Answer>& answers) {
    dma.load();
    for (std::size_t slot = 0; slot < answers.size(); slot++) {
        const Word word = sign(mapping, answers[slot]);

        dma.start_read(iova_of(answers[slot]), slot);
        dma.wait();
    }

    const std::vector<std::uint64_t> read = dma.unload();

    for (std::size_t slot = 0; slot < answers.size(); slot++)
        expect_word(answers[slot], read[slot], signature + answers[slot].pgoff,
                    "mmap wrote a word, and the device reads");
}

void expect_writes(DmaDevice& dma, const Mapping& mapping, const std::vector<Answer>& answers) {
    dma.load();
    for (std::size_t slot = 0; slot < answers.size(); slot++) {
        const Word word = sign(mapping, answers[slot]);

        dma.start_write(iova_of(answers[slot]), slot);
        dma.wait();
        expect_word(answers[slot], word.get(), dma.loaded_word(slot),
                    "the device wrote a word, and mmap reads");
    }
}

void bytes_for_device(const Subject& subject) {
    const std::size_t most = quick() ? 4 : 16; /* edu needs 100 ms for each DMA */

    require_pfn_importer();

    const Mapping mapping = map_or_skip(subject);
    const std::vector<Answer> answers = interesting_pages(subject, most);
    DmaDevice dma;

    map_for_device(subject, dma);
    expect_reads(dma, mapping, answers);
    /* A device that reads wrong pages would write to pages of somebody else. */
    if (ksft::failures_so_far() == 0)
        expect_writes(dma, mapping, answers);
    ksft::note("the device used " + std::to_string(answers.size()) + " pages");
}

} // namespace

std::vector<Law> byte_laws() {
    return {
        {"agree.bytes",
         "what mmap writes to a page is at the page's PFN (P17)",
         {Need::get_pfn, Need::writable, Need::real_pages},
         bytes_at_pfn},
        {"agree.device",
         "a device that iommufd gives the PFNs to reads what mmap writes, and mmap reads what the "
         "device writes (P17, P23)",
         {Need::get_pfn, Need::attributes, Need::writable, Need::real_pages},
         bytes_for_device},
    };
}

} // namespace check
