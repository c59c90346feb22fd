/* The content of any entry of a zip archive, whatever its method. */
#ifndef REPAQ_ZIPENTRY_H
#define REPAQ_ZIPENTRY_H

#include "container/zipfile.h"

/* True for names that lead to a file below the directory that they are unpacked in: no "..", no empty part, no backslash, no control bytes, UTF-8 or not. */
bool zipentry_is_path(const char *name);
/* True for an entry that stands for a directory, as other programs write them. */
bool zipentry_is_folder(const struct zipfile_entry *entry);
/* Writes the content to the start of `to`. Size and CRC are held against the directory (a CRC of 0: none was computed). CORRUPT, IO. */
enum status zipentry_extract(const struct zipfile *zip, uint32_t entry, const struct file *to, struct err *err) WARN_UNUSED;

#endif
