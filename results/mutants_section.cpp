// SPDX-License-Identifier: GPL-2.0
/* Faults that scripts/mutants put into the module and the kernel, and which the tests found. */
#include <cstdint>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sections.hpp"

namespace report {

namespace {

struct Mutant {
    std::string kind; /* as in schema.md */
    std::string name;
    std::string text; /* what is wrong */
    std::string flavour;
    std::string verdict;   /* killed, survived, error or elsewhere */
    std::string killed_by; /* a program */
    std::string found;     /* what it found first, or why there is no verdict */
};

struct MutantKind {
    std::string kind;
    int known = 0; /* also those that were not tried */
    int tried = 0;
    int killed = 0;
    std::string score; /* scripts/mutants prints the same */
    std::vector<std::string> survived;
    std::vector<std::string> errors;    /* without a verdict */
    std::vector<std::string> elsewhere; /* survived, and only another kernel shows them */
};

struct Mutants {
    std::optional<std::int64_t> seed; /* of the sample; none: those that were asked for */
    bool controls_passed = false;     /* the same programs pass without a fault */
    std::vector<MutantKind> kinds;
    std::vector<Mutant> faults;
};

Mutants parse_mutants(const nlohmann::json& object) {
    Mutants mutants;

    mutants.controls_passed = object.at("controls_passed");
    if (!object.at("seed").is_null())
        mutants.seed = object.at("seed").get<std::int64_t>();
    for (const auto& row : object.at("kinds"))
        mutants.kinds.push_back({row.at("kind"), row.at("known"), row.at("tried"), row.at("killed"),
                                 row.at("score"), row.at("survived"), row.at("errors"),
                                 row.at("elsewhere")});
    for (const auto& row : object.at("faults"))
        mutants.faults.push_back({row.at("kind"), row.at("name"), row.at("text"), row.at("flavour"),
                                  row.at("verdict"), row.at("killed_by"), row.at("case")});
    return mutants;
}

Paragraph mutants_verdict(const Mutants& mutants) {
    int tried = 0;
    std::size_t survived = 0;
    std::size_t errors = 0;
    std::size_t elsewhere = 0;

    for (const MutantKind& kind : mutants.kinds) {
        tried += kind.tried;
        survived += kind.survived.size();
        errors += kind.errors.size();
        elsewhere += kind.elsewhere.size();
    }
    if (!mutants.controls_passed)
        return {"The self-tests failed without a fault, so the verdicts mean nothing.", Tone::bad};
    if (tried == 0)
        return {"No fault was tried.", Tone::bad};
    if (survived + errors + elsewhere != 0)
        return {fmt::format("The self-tests did not find {} fault{}; {} have no verdict, and "
                            "only another kernel shows {}.",
                            survived, survived == 1 ? "" : "s", errors, elsewhere),
                Tone::bad};
    return {"The self-tests found every fault that was tried.", Tone::good};
}

Section show(const Mutants& mutants) {
    Section section{"Mutation score", {mutants_verdict(mutants)}};
    Table kinds{"Faults that were put in on purpose, one at a time",
                "",
                {{"where", false},
                 {"known", true},
                 {"tried", true},
                 {"found", true},
                 {"score", true},
                 {"not found", false},
                 {"no verdict", false},
                 {"only on another kernel", false}},
                {}};
    Table faults{"All faults that were tried",
                 "",
                 {{"where", false},
                  {"fault", false},
                  {"what is wrong", false},
                  {"kernel", false},
                  {"verdict", false},
                  {"by", false},
                  {"case", false}},
                 {},
                 Placement::page_only};

    for (const MutantKind& kind : mutants.kinds)
        kinds.rows.push_back(
            {{kind.kind, std::to_string(kind.known), std::to_string(kind.tried),
              std::to_string(kind.killed), mutants.controls_passed ? kind.score : "none",
              fmt::format("{}", fmt::join(kind.survived, " ")),
              fmt::format("{}", fmt::join(kind.errors, " ")),
              fmt::format("{}", fmt::join(kind.elsewhere, " "))},
             kind.killed != kind.tried ? Tone::bad : Tone::plain});
    for (const Mutant& fault : mutants.faults)
        faults.rows.push_back({{fault.kind, fault.name, fault.text, fault.flavour, fault.verdict,
                                fault.killed_by, fault.found},
                               fault.verdict != "killed" ? Tone::bad : Tone::plain});
    if (mutants.seed)
        section.blocks.emplace_back(
            Paragraph{fmt::format("A sample, not all: scripts/mutants --seed {}.", *mutants.seed),
                      Tone::warning});
    section.blocks.emplace_back(kinds);
    section.blocks.emplace_back(faults);
    return section;
}

/* A run has no mutation score of its own, so nobody misses one. */
Section not_taken() {
    return {"Mutation score",
            {Paragraph{"Not taken: a run does not take the score. scripts/mutants --out RUN_DIR "
                       "takes the score and adds it to this report.",
                       Tone::plain}}};
}

} // namespace

std::optional<Section> mutants_section(RunDir& run) {
    const auto mutants = read_part<Mutants>(run, "mutants.json", Absence::is_usual, parse_mutants);

    return mutants ? show(*mutants) : not_taken();
}

} // namespace report
