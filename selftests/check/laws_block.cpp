// SPDX-License-Identifier: GPL-2.0
/* Section 2 of the contract: what max_order means. block_law.hpp has the rules. */
#include "block_law.hpp"
#include "fixture.hpp"
#include "law.hpp"

namespace check {

using namespace testexp;

namespace {

/* A larger order is a fault of an exporter that is exact. */
void judge_slack(const Subject& subject, const std::vector<Answer>& answers) {
    for (const std::string& line : slack_text(slack_of(answers)))
        if (subject.source.is_exact)
            ksft::record_failure(line + ", and this exporter is exact", __FILE__, __LINE__);
        else
            ksft::note(line + "; this is allowed");
}

void max_order(const Subject& subject) {
    const std::vector<Answer> answers = ask_all(subject);

    if (!subject.has_attributes)
        ksft::note("the exporter has no get_pfn_attrs, so types and cache modes are not compared");
    ksft::note("asked " + coverage(subject, answers));

    const std::vector<Fault> faults = block_faults(answers, subject.nr_pages);

    for (const Fault& fault : faults)
        ksft::record_failure("page " + std::to_string(fault.pgoff) + " reports " + fault.text,
                             __FILE__, __LINE__);
    if (faults.empty())
        judge_slack(subject, answers);
}

} // namespace

std::vector<Law> block_laws() {
    return {
        {"block.max_order",
         "the block of max_order round each page is inside, aligned, contiguous, of one type and "
         "cache mode, and of an exporter that is exact no block could be larger (contract 2, P18)",
         {Need::get_pfn},
         max_order},
    };
}

} // namespace check
