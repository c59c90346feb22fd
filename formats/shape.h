/* Shapes of a weight's tensors held against each other and against its group size. */
#ifndef REPAQ_SHAPE_H
#define REPAQ_SHAPE_H

#include "formats/format.h"

/* Derives out, in, groups and the scale dtype of a weight whose spec names layouts, bits and param order ORDER_GROUP_OUT, from the shapes of its codes
 * and scales; checks scales, zeros and g_idx. `group` is the config's (-1 per channel). A contradiction is CORRUPT (R-SHAPE) and names tensor and
 * shapes. */
enum status shape_from_codes(const struct model *model, struct weight *weight, int64_t group, struct err *err) WARN_UNUSED;

/* The group map of a weight, where it has one: I32 [in]. */
enum status shape_group_of(const struct model *model, const struct weight *weight, struct err *err) WARN_UNUSED;
/* Groups of a weight of floats whose scales are plain floats: one for all, one a channel ([out] or [out][1]), or one for each block of block[0] x
 * block[1] (zeros: none stated). Sets spec.rows, group, param_order, scale_dtype and groups. */
enum status shape_blocks(const struct model *model, struct weight *weight, const int64_t block[2], struct err *err) WARN_UNUSED;
/* The shape [a, b] that a tensor must have, else CORRUPT (R-SHAPE). */
enum status shape_expect(const struct model *model, uint32_t tensor, uint64_t a, uint64_t b, struct err *err) WARN_UNUSED;
/* The dtype a tensor must have, else CORRUPT. */
enum status shape_expect_dtype(const struct model *model, uint32_t tensor, enum dtype dtype, struct err *err) WARN_UNUSED;
/* F16, BF16 or F32, else CORRUPT. */
enum status shape_expect_float(const struct model *model, uint32_t tensor, struct err *err) WARN_UNUSED;
/* UNSUPPORTED if a tensor's name ends so: "found X: no other format can hold it". */
enum status shape_refuse_suffix(const struct model *model, const char *suffix, const char *what, struct err *err) WARN_UNUSED;

#endif
