// SPDX-License-Identifier: GPL-2.0
/*
 * Feeds files to the fuzzed function, with any compiler: the kept inputs, and inputs that a fuzzer
 * found. A directory stands for all files in it.
 */
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace {

namespace fs = std::filesystem;

bool replay(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file),
                                  std::istreambuf_iterator<char>()};

    if (!file) {
        std::cerr << "layout_replay: cannot read " << path << '\n';
        return false;
    }
    std::cout << path.filename().string()
              << std::endl; /* flushed, because the next call may abort */
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    return true;
}

std::vector<fs::path> files_of(const fs::path& path) {
    if (!fs::is_directory(path))
        return {path};
    return {fs::directory_iterator(path), fs::directory_iterator()};
}

} // namespace

int main(int argc, char** argv) {
    std::size_t replayed = 0;

    for (int i = 1; i < argc; i++)
        for (const fs::path& file : files_of(argv[i])) {
            if (!replay(file))
                return EXIT_FAILURE;
            replayed++;
        }
    if (replayed == 0) {
        std::cerr << "usage: layout_replay FILE-OR-DIRECTORY...; there was no file\n";
        return EXIT_FAILURE;
    }
    std::cout << replayed << " inputs\n";
    return EXIT_SUCCESS;
}
