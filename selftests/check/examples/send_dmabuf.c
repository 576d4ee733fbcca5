// SPDX-License-Identifier: GPL-2.0
/*
 * An example for dmabuf-check --from, in C, and a helper for scripts: asks a driver for a dma-buf
 * and sends it. For a driver with an ioctl that has no argument and returns a descriptor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { socket_fd = 3 };

/* One message with one byte of data and one descriptor. */
static int send_descriptor(int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *part;

	memset(&control, 0, sizeof(control));
	part = CMSG_FIRSTHDR(&message);
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	return sendmsg(socket_fd, &message, 0) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	int device, buffer;
	char byte;

	if (argc != 3) {
		fprintf(stderr, "usage: send_dmabuf DEVICE IOCTL; for dmabuf-check --from\n");
		return 2;
	}
	device = open(argv[1], O_RDWR | O_CLOEXEC);
	if (device < 0) {
		perror(argv[1]);
		return 1;
	}
	buffer = ioctl(device, strtoul(argv[2], NULL, 0));
	if (buffer < 0) {
		perror(argv[2]);
		return 1;
	}
	if (send_descriptor(buffer) < 0) {
		perror("descriptor 3");
		return 1;
	}
	/* The driver is in use until dmabuf-check has ended, and closes its end. */
	while (read(socket_fd, &byte, 1) > 0)
		continue;
	return 0;
}
