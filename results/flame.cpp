// SPDX-License-Identifier: GPL-2.0
#include "flame.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "html.hpp"

namespace report {

namespace {

constexpr double width = 1100;
constexpr double row_height = 17;
constexpr double character_width = 6.6; /* of the font below */
constexpr double narrowest = 0.3;       /* what is narrower is not drawn */

struct Frame {
    std::uint64_t count = 0;
    std::map<std::string, std::unique_ptr<Frame>> callees;
};

std::size_t depth(const Frame& frame) {
    std::size_t deepest = 0;

    for (const auto& [name, callee] : frame.callees)
        deepest = std::max(deepest, 1 + depth(*callee));
    return deepest;
}

Frame make_tree(const std::vector<Stack>& stacks) {
    Frame root;

    for (const Stack& stack : stacks) {
        Frame* frame = &root;

        frame->count += stack.count;
        for (const std::string& name : split_frames(stack)) {
            auto& callee = frame->callees[name];

            if (!callee)
                callee = std::make_unique<Frame>();
            frame = callee.get();
            frame->count += stack.count;
        }
    }
    return root;
}

/* One of a few warm colours, always the same for the same name. */
std::string colour(const std::string& name) {
    unsigned sum = 0;

    for (const char character : name)
        sum = sum * 31 + static_cast<unsigned char>(character);
    return fmt::format("hsl({},{}%,{}%)", 18 + sum % 30, 70 + sum / 30 % 20, 62 + sum / 600 % 12);
}

/* As much of the name as fits. */
std::string label(const std::string& name, double space) {
    const auto fits = static_cast<std::size_t>(std::max(0.0, space / character_width - 1));

    if (name.size() <= fits)
        return name;
    return fits < 4 ? "" : name.substr(0, fits - 1) + "…";
}

class Painter {
public:
    explicit Painter(const Frame& root)
        : height_(row_height * static_cast<double>(depth(root))),
          scale_(width / static_cast<double>(root.count)), all_(static_cast<double>(root.count)) {}

    std::string paint(const Frame& root) const {
        return fmt::format("<svg class=\"flame\" viewBox=\"0 0 {} {}\" font-size=\"11\" "
                           "font-family=\"monospace\" role=\"img\">\n{}</svg>",
                           width, height_, callees(root, 0, 0));
    }

private:
    std::string callees(const Frame& frame, double x, int level) const {
        std::string svg;

        for (const auto& [name, callee] : frame.callees) {
            svg += box(name, *callee, x, level) + callees(*callee, x, level + 1);
            x += static_cast<double>(callee->count) * scale_;
        }
        return svg;
    }

    std::string box(const std::string& name, const Frame& frame, double x, int level) const {
        const double wide = static_cast<double>(frame.count) * scale_;
        const double y = height_ - row_height * (level + 1);

        if (wide < narrowest)
            return "";
        return fmt::format(
            "<g><title>{0}: {1:.1f} %, {2} samples</title><rect x=\"{3:.1f}\" y=\"{4:.0f}\" "
            "width=\"{5:.1f}\" height=\"{6:.0f}\" fill=\"{7}\" stroke=\"#fff\" "
            "stroke-width=\"0.5\"/><text x=\"{8:.1f}\" y=\"{9:.0f}\">{10}</text></g>\n",
            escape_html(name), 100 * static_cast<double>(frame.count) / all_, frame.count, x, y,
            wide, row_height - 1, colour(name), x + 3, y + 12, escape_html(label(name, wide)));
    }

    double height_;
    double scale_; /* per sample */
    double all_;
};

} // namespace

std::vector<std::string> split_frames(const Stack& stack) {
    std::vector<std::string> frames;
    std::size_t begin = 0;

    while (begin < stack.frames.size()) {
        const std::size_t end = std::min(stack.frames.find(';', begin), stack.frames.size());

        frames.push_back(stack.frames.substr(begin, end - begin));
        begin = end + 1;
    }
    return frames;
}

std::string draw_flame_graph(const FlameGraph& graph) {
    const Frame root = make_tree(graph.stacks);

    return root.count == 0 ? "" : Painter(root).paint(root);
}

} // namespace report
