// SPDX-License-Identifier: GPL-2.0
#include "output_file.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "scratch.hpp"

namespace fs = std::filesystem;
using testexp::OutputFile;

namespace {

std::string contents(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

} // namespace

TEST(OutputFile, OldFileStaysUntilTheCommit) {
    const Scratch scratch;
    const fs::path path = scratch.path / "file";
    std::ofstream(path) << "old";

    auto file = OutputFile::open(path);
    ASSERT_TRUE(file);
    EXPECT_EQ(contents(path), "old");
    ASSERT_TRUE(file.value().commit("new"));
    EXPECT_EQ(contents(path), "new");
    EXPECT_EQ(files_in(scratch.path), 1u);
}

TEST(OutputFile, NothingIsLeftWithoutACommit) {
    const Scratch scratch;
    {
        auto file = OutputFile::open(scratch.path / "file");
        ASSERT_TRUE(file);
    }
    EXPECT_EQ(files_in(scratch.path), 0u);
}

TEST(OutputFile, LinkStaysALink) {
    const Scratch scratch;
    const fs::path target = scratch.path / "target";
    const fs::path link = scratch.path / "link";
    std::ofstream(target) << "old";
    fs::create_symlink(target, link);

    auto file = OutputFile::open(link);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file.value().commit("new"));
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(contents(target), "new");
}

TEST(OutputFile, DeviceIsWrittenToAndNeverReplaced) {
    auto file = OutputFile::open("/dev/full");
    ASSERT_TRUE(file);
    EXPECT_EQ(file.value().commit("text").code(), ENOSPC);
    EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(OutputFile, MissingDirectoryIsFoundAtOnce) {
    const Scratch scratch;
    EXPECT_EQ(OutputFile::open(scratch.path / "none" / "file").code(), ENOENT);
    EXPECT_EQ(OutputFile::open(scratch.path).code(), EISDIR);
}
