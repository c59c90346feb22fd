/* Sources that are packed: a bundle (one zip of a whole directory), compressed weight files, torch files that were packed again with compression. After these
 * calls the source reads as a directory would: its `ops` know the content under plain names (container/overlay.h). */
#ifndef REPAQ_PACKING_H
#define REPAQ_PACKING_H

#include "formats/source.h"

/* True if an archive of this file is a bundle: it has no data.pkl. The file is read; CORRUPT if it is no sound archive. */
enum status packing_is_bundle(const struct file *file, bool *bundle, struct err *err) WARN_UNUSED;
/* The archive at `path` becomes the directory of the source: dir and list. */
enum status packing_bundle(struct source *source, const char *path, struct err *err) WARN_UNUSED;
/* In the listing, X.safetensors.zst (.bin, .pth, .gguf) become X.safetensors and so on, where those are not there. `only` may name one. */
enum status packing_streams(struct source *source, struct err *err) WARN_UNUSED;
/* Files of torch.save with compressed entries become the same with stored ones. */
enum status packing_torch(struct source *source, struct err *err) WARN_UNUSED;

#endif
