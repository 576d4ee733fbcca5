#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# An example for dmabuf-check --from, in sh: loads the driver in the file $1, and lets the program send_dmabuf send a
# buffer of the driver. When dmabuf-check has ended, the driver is removed.
set -e

insmod "$1"
trap 'rmmod toy_exporter' EXIT
"${SEND_DMABUF:-send_dmabuf}" /dev/toy_exporter 0x5401 # TOY_NEW_BUFFER
