/* File types of GGUF: general.file_type, and the names by which they are asked for. */
#ifndef REPAQ_FILETYPE_H
#define REPAQ_FILETYPE_H

#include "ir/ggml.h"

enum filetype {
#define X(id, name, text, type) FILETYPE_##name = id,
#include "ir/filetype.def"
#undef X
    FILETYPE_NONE = 0x7fff, /* none of these; also "not given" */
};

const char *filetype_name(enum filetype filetype);       /* "Q4_K_M"; "none" */
enum ggml_type filetype_type(enum filetype filetype);    /* of most tensors; GGML_COUNT */
/* By name in any case, or by an alias: "Q4_K" is Q4_K_M, as "Q3_K" and "Q5_K". FILETYPE_NONE if unknown. */
enum filetype filetype_find(struct slice name);
/* The file type that is named like the type; FILETYPE_NONE if there is none. MXFP4 is MXFP4_MOE, Q3_K to Q5_K are their _S. */
enum filetype filetype_of(enum ggml_type type);

#endif
