/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The laws that a buffer has to obey. Each law has a name, the requirement of docs/contract.md that
 * the law comes from, and what the law needs. A law reports by the functions of ksft.hpp.
 *
 * To add a law: write a function, and add a Law to the family in laws_FAMILY.cpp. To add a family:
 * write laws_FAMILY.cpp, and name its function in all_laws() of laws.cpp and below.
 */
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "subject.hpp"

namespace check {

/* What a law needs of the subject. A law is skipped where a need is not met. */
enum class Need {
    get_pfn,      /* the exporter has get_pfn */
    no_get_pfn,   /* the exporter has no get_pfn */
    attributes,   /* the exporter has get_pfn_attrs */
    reference,    /* the source knows PFNs from somewhere else */
    iommufd,      /* iommufd tells which PFNs it has */
    invalidation, /* the source can take the pages away */
    writable,     /* a test may write to the pages */
    real_pages,   /* the pages are memory of the kernel or of a device */
    distinct,     /* no page is in the buffer twice */
    another,      /* the source can make a second buffer */
    sibling,      /* the source has a second buffer of the same device */
    two_buffers,  /* another or sibling */
    harmless,     /* the source knows something that takes no page away */
    refusal,      /* the source knows what the exporter must refuse to make */
};

struct Law {
    std::string name;        /* "block.max_order" */
    std::string requirement; /* what the contract says, and in which section */
    std::vector<Need> needs;
    std::function<void(const Subject& subject)> run;

    /* For --list: what else the law needs. The law itself skips where it is missing. */
    std::string also = {};
};

/* For --list: "get_pfn". */
const char* text_of(Need need);

/* Why the subject does not meet the need; an empty text where the subject meets the need. */
std::string missing(Need need, const Subject& subject);

std::vector<Law> page_laws();
std::vector<Law> block_laws();
std::vector<Law> agreement_laws();
std::vector<Law> byte_laws();
std::vector<Law> importer_laws();
std::vector<Law> lifetime_laws();
std::vector<Law> concurrency_laws();
std::vector<Law> notice_laws();
std::vector<Law> invalidation_laws();

/* All families, in the order in which they run. */
std::vector<Law> all_laws();

} // namespace check
