/* What the survey sees of a weight whose codes go into ggml's blocks as they are. */
#ifndef REPAQ_SURVEY_BLOCKS_H
#define REPAQ_SURVEY_BLOCKS_H

#include "plan/params.h"
#include "plan/survey.h"

/* Counts minima that are no halves: of the scales as they will be stored. */
void survey_blocks_minima(const struct weight *weight, const struct params *params, struct survey_embed *embed);
/* result->embed.low and .high, the range of code - zero: from the zeros alone where codes are few, else from every code. The rest of the result is there. */
enum status survey_blocks_range(const struct fetch *fetch, const struct weight *weight, struct scratch *scratch, struct survey_weight *result,
                                struct err *err) WARN_UNUSED;
/* group_run of a group map [in]: the greatest common divisor of the columns where a group follows another. */
uint64_t survey_blocks_run(const uint32_t *group_of, uint64_t in);

#endif
