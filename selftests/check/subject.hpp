/* SPDX-License-Identifier: GPL-2.0 */
/* The buffer under test: the source, what the exporter can do, and the answers of its pages. */
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "answers.hpp"
#include "source.hpp"
#include "testexp.hpp"

namespace check {

struct Subject {
    Source source;
    std::uint64_t nr_pages = 0;

    bool has_get_pfn = false;
    bool has_attributes = false;

    /* TESTEXP_ATTACH_* of an importer that gets PFNs, or of any importer that can attach. */
    std::uint32_t attach_flags = 0;

    std::uint64_t page_limit = 0; /* how many pages the laws ask for */

    /* Makes another buffer of the same source; empty where the source has only one. */
    std::function<Source()> make_another;

    /* ask_pages() before the first law; empty without get_pfn. */
    std::vector<Answer> first_answers;

    /* Bugs that the kernel reported before the first law: in the making, or in these answers. */
    std::vector<std::string> first_bugs;

    int fd() const { return source.buffer.get(); }
};

/* Asks the exporter what it can do. Throws std::runtime_error where no importer can attach. */
Subject make_subject(Source source, std::uint64_t page_limit);

/*
 * What the errno of DESCRIBE with TESTEXP_DESCRIBE_ATTRS says beside its number, for messages: the
 * module returns EUCLEAN for attributes that cannot be.
 */
std::string cause_of(int describe_code);

/* Each line of the kernel log that begins the report of a bug is a failure. */
void expect_no_bugs(const std::vector<std::string>& bugs);

/* One line for the output: the exporter, the length, and what the exporter has. */
std::string summary_of(const Subject& subject);

testexp::Importer attach(const Subject& subject);

/* The answers for the pages of pages_to_ask() and pages_of_blocks(), without attributes. */
std::vector<Answer> ask_pages(const Subject& subject, const testexp::Importer& importer,
                              std::uint32_t resolve_flags = 0);

/* The answers for these pages. */
std::vector<Answer> ask_windows(const testexp::Importer& importer,
                                const std::vector<Window>& windows,
                                std::uint32_t resolve_flags = 0);

/* Asks get_pfn_attrs for each page that has a PFN. A failure is recorded. */
void add_attributes(const testexp::Importer& importer, std::vector<Answer>& answers);

/* ask_pages() by an importer of its own, with attributes where the exporter has them. */
std::vector<Answer> ask_all(const Subject& subject);

/* Expects that the pages have the same answers, in the same order. */
void expect_same_answers(const std::vector<Answer>& is, const std::vector<Answer>& must_be,
                         const std::string& what);

/* "all 512 pages", or "65536 of 1048576 pages". */
std::string coverage(const Subject& subject, const std::vector<Answer>& answers);

} // namespace check
