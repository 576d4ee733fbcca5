# SPDX-License-Identifier: GPL-2.0
"""The guest's first file system: busybox, guest-init, and the modules that a modular kernel needs to reach its root.

It is built once, and kept by content.
"""

import hashlib
import lzma
import os
import pathlib
import re
import subprocess

BUSYBOX = pathlib.Path("/bin/busybox")
# what a kernel needs for guest-init, in the names of the modules; built-in ones are skipped
WANTED_MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]


def module_files(modules):
    """Paths of the wanted modules under lib/modules/RELEASE and of what they depend on, each after its dependencies."""
    depends = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        depends[path] = needed.split()
    by_name = {pathlib.Path(path).name.split(".")[0].replace("-", "_"): path for path in depends}
    ordered = []

    def add(path):
        for needed in depends[path]:
            add(needed)
        if path not in ordered:
            ordered.append(path)

    for name in WANTED_MODULES:
        if name in by_name:
            add(by_name[name])
    return [modules / path for path in ordered]


def plain(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def archive(entries):
    """A cpio archive (newc) of (name, mode, data, device minor or None) entries."""
    out = bytearray()

    def put(name, mode, data, rdev=(0, 0)):
        number = len(out) + 1
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0]
        out.extend(b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0")
        out.extend(b"\0" * (-len(out) % 4) + data)
        out.extend(b"\0" * (-len(out) % 4))

    for entry in entries:
        put(*entry)
    put("TRAILER!!!", 0, b"")
    return bytes(out)


def libraries(path):
    """What the dynamic linker loads for this program, itself included. Nothing for a file that is no program."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    found = re.findall(r"(/\S+) \(0x", listed.stdout) if listed.returncode == 0 else []
    return [pathlib.Path(match) for match in found]


def sealed(files, job):
    """Entries of an initramfs that is all a guest has.

    The files are in /sealed, their libraries in their places; the directory `job` says what guest-init is to do.
    """
    places = {f"sealed/{path.name}": path for path in files}
    places |= {str(library).lstrip("/"): library for path in files for library in libraries(path)}
    places |= {"run/vm/job/job.sh": job / "job.sh", "run/vm/job/mounts": job / "mounts", "run/vm/busybox": BUSYBOX}
    directories = {str(parent) for place in places for parent in pathlib.PurePath(place).parents} - {"."}
    entries = [(name, 0o040755, b"") for name in [*sorted(directories), "tmp"]]
    return entries + [(place, 0o100755, path.read_bytes()) for place, path in sorted(places.items())]


def build(cache, guest_init, modules=None, more=()):
    """Returns the path of the initramfs.

    `modules` is a lib/modules/RELEASE directory, or None for a kernel that has all it needs built in. `more` are
    further entries.
    """
    directory, executable = 0o040755, 0o100755
    entries = [("bin", directory, b""), ("dev", directory, b""), ("modules", directory, b""), ("root", directory, b"")]
    entries.append(("dev/console", 0o020600, b"", (5, 1)))
    entries.append(("bin/busybox", executable, BUSYBOX.read_bytes()))
    entries.append(("init", executable, guest_init.read_bytes()))
    for number, path in enumerate(module_files(modules) if modules else []):
        entries.append((f"modules/{number:02}-{path.name.split('.')[0]}.ko", 0o100644, plain(path)))
    data = archive([*entries, *more])
    cache.mkdir(parents=True, exist_ok=True)
    final = cache / f"initramfs-{hashlib.sha256(data).hexdigest()[:12]}.cpio"
    if not final.exists():
        partial = final.with_suffix(f".{os.getpid()}")
        partial.write_bytes(data)
        partial.rename(final)
    return final
