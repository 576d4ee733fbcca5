// SPDX-License-Identifier: GPL-2.0
#include "vfio_device.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <vector>

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include "address_space.hpp"
#include "call.hpp"
#include "vfio_uapi.hpp"

namespace testexp {

namespace {

namespace fs = std::filesystem;

/* A struct of VFIO. Its size is set, and all other members are zero. */
template <typename Argument> Argument with_argsz() {
    Argument argument{};

    argument.argsz = sizeof(Argument);
    return argument;
}

/* What the user can do about an errno of a call that opens the device. */
std::string advice(int code) {
    switch (code) {
    case EBUSY:
        return ": the device is in use; end the program that has it open";
    case EACCES:
        return "; run as root, or let this user open the device node";
    default:
        return "";
    }
}

Error lacking(std::string what) {
    return {EOPNOTSUPP, std::move(what)};
}

Error open_error(const std::string& what) {
    Error error = errno_error(what);

    error.what += advice(error.code);
    return error;
}

/* Whether the module refuses devices without interrupt remapping. */
bool demands_safe_interrupts(const std::string& module, const VfioPaths& paths) {
    std::ifstream file(paths.modules / module / "parameters/allow_unsafe_interrupts");
    char allows = '\0';

    return file >> allows && allows == 'N';
}

std::string driver_of(const fs::path& directory) {
    std::error_code error;
    const fs::path target = fs::read_symlink(directory / "driver", error);

    return error ? "no driver" : "the driver " + target.filename().string();
}

/* The name of the character device: "vfio0", or "noiommu-vfio0" without an IOMMU; "" for none. */
std::string cdev_name(const fs::path& directory) {
    std::error_code error;

    for (const auto& entry : fs::directory_iterator(directory / "vfio-dev", error))
        return entry.path().filename();
    return "";
}

fs::path cdev_node(const std::string& device, const VfioPaths& paths) {
    return paths.dev / "vfio/devices" / cdev_name(paths.devices / device);
}

/* Why VFIO does not have the device; nothing where VFIO has the device. */
std::optional<Error> find_problem(const std::string& device, const VfioPaths& paths) {
    const fs::path directory = paths.devices / device;

    if (!fs::exists(directory))
        return lacking("the PCI device " + device + ", which is not there");
    if (cdev_name(directory).empty())
        return lacking("the driver vfio-pci for the PCI device " + device + ", which has " +
                       driver_of(directory) + "; say scripts/lib/guest/vfio-bind " + device);
    return std::nullopt;
}

struct GroupNode {
    std::string name; /* below /dev/vfio */
    bool is_noiommu;
};

Result<GroupNode> find_group(const fs::path& directory) {
    std::error_code error;
    const fs::path target = fs::read_symlink(directory / "iommu_group", error);
    std::string name;

    if (error)
        return lacking("an IOMMU for " + directory.filename().string() +
                       ", or the module vfio with enable_unsafe_noiommu_mode=1");
    std::ifstream(directory / "iommu_group" / "name") >> name;

    const bool is_noiommu = name == "vfio-noiommu";

    return GroupNode{(is_noiommu ? "noiommu-" : "") + target.filename().string(), is_noiommu};
}

Result<Fd> open_node(const fs::path& node) {
    Fd fd(open(node.c_str(), O_RDWR | O_CLOEXEC));

    if (!fd && errno == ENOENT)
        return lacking(node.string() + ", which is not there");
    if (!fd)
        return open_error("open " + node.string());
    return fd;
}

/* A container with this group in it. */
Result<Fd> make_container(const std::string& device, const VfioPaths& paths, const Fd& group,
                          bool is_noiommu) {
    Result<Fd> container = open_node(paths.dev / "vfio/vfio");

    if (!container)
        return container.error();

    const int fd = container.value().get();
    int number = fd;

    if (ioctl(group.get(), VFIO_GROUP_SET_CONTAINER, &number) < 0)
        return open_error("cannot put the device's group into a container");
    if (ioctl(fd, VFIO_SET_IOMMU, is_noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU) < 0)
        return vfio_refusal("cannot give the container an IOMMU; modprobe vfio_iommu_type1", device,
                            "vfio_iommu_type1", paths);
    return container;
}

/* The argument of VFIO_DEVICE_FEATURE, in 64-bit words: the ranges have 64-bit members. */
std::vector<std::uint64_t> dma_buf_request(std::uint32_t region,
                                           std::span<const VfioRange> ranges) {
    const uapi::FeatureDmaBuf header{
        .argsz = static_cast<std::uint32_t>(sizeof(header) + ranges.size_bytes()),
        .flags = VFIO_DEVICE_FEATURE_GET | uapi::feature_dma_buf,
        .region_index = region,
        .open_flags = O_RDWR | O_CLOEXEC,
        .feature_flags = 0,
        .nr_ranges = static_cast<std::uint32_t>(ranges.size())};
    std::vector<std::uint64_t> words(header.argsz / sizeof(std::uint64_t));

    std::memcpy(words.data(), &header, sizeof(header));
    std::memcpy(words.data() + sizeof(header) / sizeof(words[0]), ranges.data(),
                ranges.size_bytes());
    return words;
}

} // namespace

Error vfio_refusal(const std::string& what, const std::string& device, const std::string& module,
                   const VfioPaths& paths) {
    Error error = open_error(what);

    if (error.code == EPERM && demands_safe_interrupts(module, paths))
        return lacking("interrupt remapping for " + device + "; say " + module +
                       ".allow_unsafe_interrupts=1 on the command line of the kernel");
    return error;
}

Result<VfioDevice> VfioDevice::open(const std::string& device, const VfioPaths& paths) {
    if (const auto problem = find_problem(device, paths))
        return *problem;

    return decoding(fs::exists(cdev_node(device, paths))
                        ? open_cdev(device, paths, open_node(paths.dev / "iommu"))
                        : open_group(device, paths));
}

Result<VfioDevice> VfioDevice::open_beside(const VfioDevice& other, const std::string& device,
                                           const VfioPaths& paths) {
    if (const auto problem = find_problem(device, paths))
        return *problem;
    if (!other.iommufd_)
        return lacking("character devices of VFIO, which need CONFIG_VFIO_DEVICE_CDEV");

    Fd iommufd(fcntl(other.iommufd(), F_DUPFD_CLOEXEC, 0));

    if (!iommufd)
        return errno_error("a second descriptor of /dev/iommu");
    return decoding(open_cdev(device, paths, std::move(iommufd)));
}

Result<VfioDevice> VfioDevice::open_by_group(const std::string& device, const VfioPaths& paths) {
    if (const auto problem = find_problem(device, paths))
        return *problem;
    return decoding(open_group(device, paths));
}

/* Switches memory decode on. */
Result<VfioDevice> VfioDevice::decoding(Result<VfioDevice> opened) {
    if (!opened)
        return opened;

    const Status done = opened.value().set_memory_decode(true);

    if (!done)
        return done.error();
    return opened;
}

Result<VfioDevice> VfioDevice::open_cdev(const std::string& device, const VfioPaths& paths,
                                         Result<Fd> iommufd) {
    const fs::path node = cdev_node(device, paths);
    Result<Fd> fd = open_node(node);

    if (!fd)
        return fd.error();
    if (!iommufd)
        return iommufd.error();

    auto bind = with_argsz<uapi::BindIommufd>();

    bind.iommufd = iommufd.value().get();
    if (ioctl(fd.value().get(), uapi::bind_iommufd, &bind) < 0)
        return vfio_refusal(device + ": cannot bind the device to /dev/iommu", device, "iommufd",
                            paths);

    VfioDevice opened(device, std::move(fd).value(),
                      node.filename().string().starts_with("noiommu-"));

    opened.iommufd_ = std::move(iommufd).value();
    opened.id_in_iommufd_ = bind.out_devid;
    return opened;
}

Result<VfioDevice> VfioDevice::open_group(const std::string& device, const VfioPaths& paths) {
    const Result<GroupNode> found = find_group(paths.devices / device);

    if (!found)
        return found.error();

    Result<Fd> group = open_node(paths.dev / "vfio" / found.value().name);

    if (!group)
        return group.error();

    Result<Fd> container = make_container(device, paths, group.value(), found.value().is_noiommu);

    if (!container)
        return container.error();

    Fd fd(ioctl(group.value().get(), VFIO_GROUP_GET_DEVICE_FD, device.c_str()));

    if (!fd)
        return open_error(device + ": cannot open the device of its group");

    VfioDevice opened(device, std::move(fd), found.value().is_noiommu);

    opened.group_ = std::move(group).value();
    opened.container_ = std::move(container).value();
    return opened;
}

Result<Fd> VfioDevice::export_dma_buf(std::uint32_t region,
                                      std::span<const VfioRange> ranges) const {
    const std::string what = "region " + std::to_string(region) + " of " + name_;
    const Result<std::uint64_t> bytes = region_bytes(region);

    if (!bytes)
        return bytes.error();
    for (const VfioRange& range : ranges)
        if (range.length_bytes > bytes.value() ||
            range.offset_bytes > bytes.value() - range.length_bytes)
            return Error{EINVAL, what + " has " + std::to_string(bytes.value()) +
                                     " bytes, too few for the range " +
                                     std::to_string(range.offset_bytes) + "+" +
                                     std::to_string(range.length_bytes)};

    std::vector<std::uint64_t> request = dma_buf_request(region, ranges);
    Fd buffer(ioctl(fd(), VFIO_DEVICE_FEATURE, request.data()));

    if (!buffer && (errno == ENOTTY || errno == EOPNOTSUPP))
        return lacking("dma-bufs of VFIO, which Linux has since 6.19 with CONFIG_VFIO_PCI_DMABUF");
    if (!buffer)
        return errno_error("dma-buf of " + what);
    return buffer;
}

Result<std::vector<std::uint64_t>> VfioDevice::pfns_without_iommu(int buffer,
                                                                  std::uint64_t bytes) const {
    if (!is_noiommu_ || !iommufd_)
        return lacking("a device that iommufd has without IOMMU");

    const Result<AddressSpace> space = AddressSpace::make(iommufd());

    if (!space)
        return space.error();

    const Result<Attached> attached = Attached::attach(fd(), space.value().id());

    if (!attached)
        return attached.error();

    const Result<std::uint64_t> start = space.value().map({.file = buffer, .length_bytes = bytes});

    if (!start)
        return start.error();
    return space.value().pfns_at(start.value(), bytes);
}

Result<std::uint64_t> VfioDevice::region_bytes(std::uint32_t region) const {
    auto info = with_argsz<vfio_region_info>();

    info.index = region;
    if (ioctl(fd(), VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
        return errno_error("VFIO_DEVICE_GET_REGION_INFO");
    return std::uint64_t{info.size};
}

Result<std::uint64_t> VfioDevice::region_offset(std::uint32_t region) const {
    auto info = with_argsz<vfio_region_info>();

    info.index = region;
    if (ioctl(fd(), VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
        return errno_error("VFIO_DEVICE_GET_REGION_INFO");
    return std::uint64_t{info.offset};
}

bool VfioDevice::can_reset() const {
    auto info = with_argsz<vfio_device_info>();

    return ioctl(fd(), VFIO_DEVICE_GET_INFO, &info) == 0 &&
           (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
}

Status VfioDevice::reset() const {
    if (ioctl(fd(), VFIO_DEVICE_RESET) < 0)
        return errno_error("VFIO_DEVICE_RESET");
    return std::monostate{};
}

Status VfioDevice::set_memory_decode(bool on) const {
    return change_command(PCI_COMMAND_MEMORY, on);
}

Status VfioDevice::set_bus_master(bool on) const {
    return change_command(PCI_COMMAND_MASTER, on);
}

Status VfioDevice::change_command(std::uint16_t bit, bool on) const {
    const Result<std::uint64_t> config = region_offset(VFIO_PCI_CONFIG_REGION_INDEX);
    std::uint16_t command = 0;

    if (!config)
        return config.error();

    const auto place = static_cast<off_t>(config.value() + PCI_COMMAND);

    if (pread(fd(), &command, sizeof(command), place) != sizeof(command))
        return errno_error("cannot read the PCI command register");
    command = static_cast<std::uint16_t>(on ? command | bit : command & ~bit);
    if (pwrite(fd(), &command, sizeof(command), place) != sizeof(command))
        return errno_error("cannot write the PCI command register");
    return std::monostate{};
}

} // namespace testexp
