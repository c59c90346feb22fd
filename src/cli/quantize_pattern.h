/* Patterns of --tensor-type. llama-quantize reads them as ECMAScript's, with the C++ library (ggml-org/llama.cpp:src/llama-quant.cpp), and PCRE2 as Perl's. */
#ifndef REPAQ_QUANTIZE_PATTERN_H
#define REPAQ_QUANTIZE_PATTERN_H

#include "base/err.h"

/* Makes letters small, as upstream does, and leaves backslashes out that say nothing in ECMAScript (\h) and something to PCRE2. USAGE: what the two would still
   read as different things. */
enum status quantize_pattern_settle(const char *where, char *pattern, struct err *err) WARN_UNUSED;

#endif
