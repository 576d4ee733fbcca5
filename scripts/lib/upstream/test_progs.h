/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stands for test_progs.h of the kernel's BPF self-tests, so that prog_tests/dmabuf_iter.c can be
 * built alone. The real file belongs to a program with all BPF self-tests, which needs newer
 * tools than Debian 12 has. This file has the checks that dmabuf_iter.c makes, and main(), which
 * prints each subtest as a case in KTAP.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static struct {
	const char *name;
	bool failed;
} cases[16];
static int last = -1;

static bool test__start_subtest(const char *name) {
	cases[++last].name = name;
	return true;
}

static bool holds(bool condition, const char *what, const char *name) {
	if (!condition) {
		printf("# %s: not so: %s (errno %d)\n", name, what, errno);
		if (last < 0)
			test__start_subtest("prepare");
		cases[last].failed = true;
	}
	return condition;
}

#define ASSERT_OK(result, name) holds((result) == 0, #result " == 0", name)
#define ASSERT_OK_FD(fd, name) holds((fd) >= 0, #fd " >= 0", name)
#define ASSERT_OK_PTR(pointer, name) holds((pointer) != NULL, #pointer, name)
#define ASSERT_TRUE(value, name) holds(value, #value, name)
#define ASSERT_EQ(left, right, name) holds((left) == (right), #left " == " #right, name)
#define ASSERT_LE(left, right, name) holds((left) <= (right), #left " <= " #right, name)
#define ASSERT_GT(left, right, name) holds((left) > (right), #left " > " #right, name)

void test_dmabuf_iter(void);

int main(void) {
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	test_dmabuf_iter();
	printf("TAP version 13\n1..%d\n", last + 1);
	for (int i = 0; i <= last; i++)
		printf("%s %d %s\n", cases[i].failed ? "not ok" : "ok", i + 1, cases[i].name);
	return 0;
}
