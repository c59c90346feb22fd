/* Every bound that repaq sets on its input, in one place. Exceeding one is STATUS_LIMIT. */
#ifndef REPAQ_LIMITS_H
#define REPAQ_LIMITS_H

#include <stdint.h>

#define LIMIT_SAFETENSORS_HEADER_BYTES_MAX UINT64_C(100000000) /* huggingface/safetensors:safetensors/src/tensor.rs */
#define LIMIT_GGUF_HEADER_BYTES_MAX UINT64_C(100000000)        /* pairs and table of tensors; a vocabulary of 250,000 with merges is a tenth of it */
#define LIMIT_GGUF_KEY_BYTES_MAX 65535                         /* ggml-org/ggml:docs/gguf.md */
#define LIMIT_GGUF_PAIRS_MAX UINT32_C(100000)
#define LIMIT_GGUF_ARRAY_DEPTH_MAX 8
#define LIMIT_GGUF_ALIGNMENT_MAX UINT32_C(1048576)             /* zeros before every tensor, in what is written as well */
#define LIMIT_JSON_TEXT_BYTES_MAX UINT64_C(100000000)          /* index and description files */
#define LIMIT_JSON_DOCUMENT_BYTES_MAX UINT64_C(8388608)        /* config.json and other small documents */
#define LIMIT_JSON_DEPTH_MAX 128
#define LIMIT_PICKLE_BYTES_MAX (UINT64_C(64) << 20)
#define LIMIT_PICKLE_NODES_MAX UINT32_C(3000000)                /* also of its stack, marks and memo; a tensor takes about 15 */
#define LIMIT_VOCABULARY_TOKENS_MAX UINT32_C(1000000)
#define LIMIT_VOCABULARY_MERGES_MAX UINT32_C(4000000)
#define LIMIT_TOKEN_BYTES_MAX 65536
#define LIMIT_ADDED_TOKENS_MAX UINT32_C(100000)
#define LIMIT_TOKENIZED_BYTES_MAX UINT64_C(16777216)           /* of one text */
#define LIMIT_IMATRIX_COUNTS_MAX UINT32_C(4000000)              /* of matrices in stacks of experts */
#define LIMIT_TENSORS_MAX UINT32_C(1000000)
#define LIMIT_FILES_MAX UINT32_C(100000)
#define LIMIT_DIRECTORY_DEPTH_MAX 8
#define LIMIT_ORDER_BYTES_MAX (UINT64_C(32) << 20)             /* of permutations of inputs, 4 bytes each */
#define LIMIT_RANK_MAX 8
#define LIMIT_LAYERS_MAX 512                                   /* ggml-org/llama.cpp:src/llama-hparams.h, LLAMA_MAX_LAYERS */
#define LIMIT_EXPERTS_MAX 4096
#define LIMIT_NAME_BYTES_MAX 4096
#define LIMIT_PATH_BYTES_MAX 4096
#define LIMIT_THREADS_MAX 256
#define LIMIT_MEMORY_BYTES_DEFAULT (UINT64_C(256) << 20)
#define LIMIT_MEMORY_BYTES_MIN (UINT64_C(64) << 20)

#endif
