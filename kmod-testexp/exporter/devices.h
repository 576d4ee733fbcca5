/* SPDX-License-Identifier: GPL-2.0 */
/* Devices that the module borrows: the one that importers attach. */
#ifndef TESTEXP_DEVICES_H
#define TESTEXP_DEVICES_H

struct device;
struct pci_dev;

int devices_init(void);
void devices_exit(void);
struct device *devices_importer(void);

struct pci_dev *devices_find_pci(const char *name, char separator, int *number);

#endif /* TESTEXP_DEVICES_H */
