// SPDX-License-Identifier: GPL-2.0
#include "trace_lines.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "not_judged.hpp"

namespace testexp {

namespace {

/* "# entries-in-buffer/entries-written: 12/12   #P:2" */
bool says_that_all_are_there(const std::string& line) {
    static const std::string key = "entries-in-buffer/entries-written:";
    const auto at = line.find(key);

    if (!line.starts_with("#") || at == std::string::npos)
        return false;

    const char* const text = line.c_str() + at + key.size();
    char* slash = nullptr;
    char* end = nullptr;
    const unsigned long kept = std::strtoul(text, &slash, 10);

    if (slash == text || *slash != '/')
        return false;

    const unsigned long written = std::strtoul(slash + 1, &end, 10);

    return end != slash + 1 && kept == written;
}

} // namespace

std::vector<std::string> trace_lines(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    bool is_whole = false;

    for (std::string line; std::getline(file, line);) {
        is_whole = is_whole || says_that_all_are_there(line);
        lines.push_back(line);
    }
    if (!is_whole || file.bad())
        throw NotJudged(path + " does not have every entry that was traced");
    return lines;
}

unsigned long missed_by_kprobe(const std::string& path, const std::string& event) {
    std::ifstream file(path);

    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name;
        unsigned long hits = 0;
        unsigned long misses = 0;

        if (words >> name >> hits >> misses && name == event)
            return misses;
    }
    throw NotJudged(path + " does not say whether " + event + " missed a call");
}

} // namespace testexp
