/* Weight files of torch.save: the zip container (torch 1.6 and later) and the stream before it. Content decides, never the name.
 *
 *   zip:     TOP/data.pkl   TOP/byteorder   TOP/data/0   TOP/data/1 ...        TOP: the file's name when it was saved
 *   stream:  | pickle: magic | pickle: 1001 | pickle: dict | pickle: the object | pickle: [keys] | u64 elements, data | u64 elements, data | ... |
 *
 * (pytorch/pytorch:torch/serialization.py, caffe2/serialize/inline_container.cc) */
#ifndef REPAQ_TORCHFILE_H
#define REPAQ_TORCHFILE_H

#include "base/file.h"
#include "container/zipfile.h"
#include "ir/model.h"

#include <stdbool.h>

/* True if the first bytes are those of a zip archive, of the older stream, or of the tar before 0.1.10, which is refused by name when it is read. */
bool torchfile_probe(const void *head, size_t head_bytes);
enum { TORCHFILE_HEAD_BYTES = 264 }; /* that torchfile_probe wants to see */

/* Adds the tensors of an open file to the model as those of file `file_index`: the parts of storages where they lie in the file; one whose elements do not
 * stand in order is a view with strides (ir/view.h). Errors: CORRUPT, UNSUPPORTED (what the pickle names, kinds of tensors, tar, TorchScript, compressed
 * storages), LIMIT. What stays behind (an optimizer, numbers) becomes a note. */
enum status torchfile_read(const struct file *file, uint32_t file_index, struct model *model, struct err *err) WARN_UNUSED;

/* Which entries of an archive torchfile_read would read, into wanted [zip->count]: data.pkl, byteorder and the storages that data.pkl names, each of the
 * size that is stated there. Compressed ones are entries like others here. Errors: as torchfile_read. */
enum status torchfile_wanted(const struct file *file, const struct zipfile *zip, bool *wanted, struct err *err) WARN_UNUSED;

#endif
